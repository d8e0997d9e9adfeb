"""AWS, and the only boto3: its clients, and what its errors are turned into."""

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import boto3
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
)
from botocore.parsers import ResponseParserError

from farmhand.errors import FarmError
from watch_pending.aws_errors import THROTTLED, Meaning, explain_denial, read_meaning

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_ssm import SSMClient

CONNECT_TIMEOUT_S = 3
READ_TIMEOUT_S = 30
GLANCE_TIMEOUT_S = 3
READ_ATTEMPTS = 5
PARAMETER_TIMEOUT_S = 5
PARAMETER_ATTEMPTS = 2
WRONG_CLOCK = (
    "this host's clock is wrong by minutes, or its credentials have expired: "
    "mend that, and the next run goes on"
)


class Ec2Error(FarmError):
    """A call that EC2 refused, by a `code` of its own, or that brought no answer."""

    def __init__(
        self, message: str, *, meaning: Meaning, code: str = "", unanswered: bool = False
    ) -> None:
        super().__init__(message)
        self.meaning = meaning
        self.code = code
        self.unanswered = unanswered


class Aws:
    """Clients by region, and the calls they made: action → HTTP requests, retries included."""

    def __init__(self, key_id: str | None = None, secret_key: str | None = None) -> None:
        with preparing("AWS session"):
            if bool(key_id) != bool(secret_key):
                raise ValueError("of the access key's id and its secret, only one is given")
            self._session = boto3.session.Session(
                aws_access_key_id=key_id, aws_secret_access_key=secret_key
            )
        self._lock = threading.Lock()
        self.calls: Counter[str] = Counter()

    def key_id(self) -> str:
        """Say which access key signs the calls; empty where there is none."""
        with preparing("AWS credentials"):
            credentials = self._session.get_credentials()
            return (credentials.get_frozen_credentials().access_key or "") if credentials else ""

    def reader(self, region: str) -> "EC2Client":
        """Make a client for reads, which botocore may repeat."""
        return self._client(region, attempts=READ_ATTEMPTS)

    def launcher(self, region: str) -> "EC2Client":
        """Make a client for launches: an SDK that retries "no capacity" eats the launch rate."""
        return self._client(region, attempts=1)

    def parameters(self, region: str) -> "SSMClient":
        """Make a client for SSM, which gives up soon: little waits for it. Any thread may ask."""
        config = _make_config(PARAMETER_ATTEMPTS, read_timeout_s=PARAMETER_TIMEOUT_S)
        with self._lock, preparing(region):
            client = self._session.client("ssm", region_name=region, config=config)
        client.meta.events.register("before-send.ssm", self._count)
        return client

    def storage(self, region: str) -> "S3Client":
        """Make a client for S3; of the bucket's own region S3 tells it."""
        with preparing("S3"):
            client = self._session.client(
                "s3", region_name=region, config=_make_config(READ_ATTEMPTS)
            )
        client.meta.events.register("before-send.s3", self._count)
        return client

    def glancer(self, region: str) -> "EC2Client":
        """Make a client for who only shows: it asks once, and does not wait long."""
        return self._client(region, attempts=1, read_timeout_s=GLANCE_TIMEOUT_S)

    def _client(
        self, region: str, *, attempts: int, read_timeout_s: float = READ_TIMEOUT_S
    ) -> "EC2Client":
        config = _make_config(attempts, read_timeout_s)
        with preparing(region):
            client = self._session.client("ec2", region_name=region, config=config)
        client.meta.events.register("before-send.ec2", self._count)
        return client

    def _count(self, event_name: str, **_: object) -> None:
        with self._lock:
            self.calls[event_name.rsplit(".", 1)[-1]] += 1


def _make_config(attempts: int, read_timeout_s: float = READ_TIMEOUT_S) -> Config:
    return Config(
        connect_timeout=CONNECT_TIMEOUT_S,
        read_timeout=read_timeout_s,
        retries={"mode": "standard", "total_max_attempts": attempts},
        max_pool_connections=32,
    )


@contextmanager
def preparing(what: str) -> Iterator[None]:
    """Turn what boto3 raises before any call, for bad profiles and names, into an Ec2Error."""
    try:
        yield
    except (BotoCoreError, ValueError) as err:
        raise Ec2Error(f"{what}: {err}", meaning=Meaning.NO_ACCESS) from err


@contextmanager
def calling(action: str, region: str) -> Iterator[None]:
    """Turn what boto3 may raise into an Ec2Error that says what failed and where."""
    try:
        yield
    except ClientError as err:
        said = err.response.get("Error", {})
        code = said.get("Code", "no code")
        status = err.response["ResponseMetadata"]["HTTPStatusCode"]
        message = explain_denial(code, action, said.get("Message", f"HTTP {status}"))
        meaning = read_meaning(code, status)
        hint = f"; {WRONG_CLOCK}" if meaning is Meaning.WRONG_CLOCK else ""
        raise Ec2Error(
            f"{region}: {action}: {code}: {message}{hint}",
            meaning=meaning,
            code=code,
            unanswered=meaning is Meaning.AGAIN and code not in THROTTLED,
        ) from err
    except BotoCoreError as err:
        missing = type(err).__name__ in {"NoCredentialsError", "PartialCredentialsError"}
        unsent = missing or isinstance(err, EndpointConnectionError | ConnectTimeoutError)
        raise Ec2Error(
            f"{region}: {action}: {err}",
            meaning=Meaning.NO_ACCESS if missing else Meaning.AGAIN,
            unanswered=not unsent,
        ) from err
    except (ResponseParserError, KeyError, ValueError) as err:
        why = f"no {err} in it" if isinstance(err, KeyError) else str(err).partition("\n")[0]
        raise Ec2Error(
            f"{region}: {action}: that is no answer of AWS's: {why}",
            meaning=Meaning.AGAIN,
            unanswered=True,
        ) from err
