"""EC2's instance metadata, version 2. Reads over HTTP, from the machine's own host only."""

import http.client
import logging
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

log = logging.getLogger("runner")

SYSTEM_VENDOR = Path("/sys/class/dmi/id/sys_vendor")
ENDPOINT = "AWS_EC2_METADATA_SERVICE_ENDPOINT"
DISABLED = "AWS_EC2_METADATA_DISABLED"
TOKEN_S = 300
MOST_BYTES = 1 << 20


class NoMetadata(Exception):
    """It does not answer, or not as EC2's does."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Metadata:
    """Where it is asked, without a / at the end, and how long one answer may take."""

    url: str
    timeout_s: float = 2.0

    def read(self, path: str) -> str | None:
        """Read what it says at a path below `meta-data/`; None where it has nothing there.

        Raises NoMetadata.
        """
        return self.read_with(self.fetch_token(), path)

    def fetch_token(self) -> str:
        """Fetch what each question must bear for some minutes; raises NoMetadata."""
        headers = {"X-aws-ec2-metadata-token-ttl-seconds": str(TOKEN_S)}
        status, token = self._ask("PUT", "api/token", headers)
        if status != http.client.OK:
            raise NoMetadata(f"{self.url} gives no token: status {status}")
        return token

    def read_with(self, token: str, path: str) -> str | None:
        """Read with a token that was fetched before; else as `read`."""
        status, text = self._ask("GET", f"meta-data/{path}", {"X-aws-ec2-metadata-token": token})
        if status == http.client.NOT_FOUND:
            return None
        if status != http.client.OK:
            raise NoMetadata(f"{self.url} answers {path} with status {status}")
        return text

    def _ask(self, method: str, path: str, headers: Mapping[str, str]) -> tuple[int, str]:
        parts = urlsplit(self.url)
        connection = http.client.HTTPConnection(
            parts.hostname or "", parts.port, timeout=self.timeout_s
        )
        try:
            with closing(connection):
                connection.request(method, f"{parts.path}/latest/{path}", headers=dict(headers))
                answer = connection.getresponse()
                return answer.status, answer.read(MOST_BYTES).decode("utf-8", "replace").strip()
        except (OSError, http.client.HTTPException) as err:
            raise NoMetadata(f"{self.url} does not answer: {err}") from err


def find_url(configured: str, environ: Mapping[str, str]) -> str:
    """Say where it is: AWS's own variable wins, as with its own tools.

    >>> find_url("http://169.254.169.254", {"AWS_EC2_METADATA_SERVICE_ENDPOINT": "http://[::1]/"})
    'http://[::1]'
    """
    return (environ.get(ENDPOINT) or configured).rstrip("/")


def find_metadata(configured: str, environ: Mapping[str, str]) -> Metadata | None:
    """Find what to ask on EC2; None elsewhere, where nothing may be asked."""
    return Metadata(url=find_url(configured, environ)) if is_on_ec2(environ) else None


def is_on_ec2(environ: Mapping[str, str], vendor: Path = SYSTEM_VENDOR) -> bool:
    """Whether this machine is an EC2 instance, or AWS's variable says whom to ask; asks nobody."""
    if environ.get(DISABLED, "").lower() == "true":
        return False
    if environ.get(ENDPOINT) or environ.get("FARMHAND_INSTANCE_ID", "").startswith("i-"):
        return True
    try:
        return vendor.read_text("utf-8").strip() == "Amazon EC2"
    except OSError:
        return False
