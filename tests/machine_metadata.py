"""EC2's instance metadata, version 2, for machines that run here: who asks is told by the path.

It is as strict as EC2's: no answer without a token, of a PUT with a time to live; 404 where it has
nothing to say. It can forget its tokens, hang, and fail.

A machine's own address of it is ADDRESS; its host puts `MetadataServer.url_of(instance)` there.
"""

import json
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

ADDRESS = "http://169.254.169.254"
TTL = "X-aws-ec2-metadata-token-ttl-seconds"
TOKEN = "X-aws-ec2-metadata-token"
HANG_S = 60.0


def make_set() -> threading.Event:
    """Make an event that is set."""
    event = threading.Event()
    event.set()
    return event


@dataclass(kw_only=True, slots=True)
class MetadataServer:
    """What it says: instance id → (path below `meta-data/` → text); and the tokens it gave.

    `asked` are an instance's paths, with their status. While `failing`, that is every answer's
    status; while `hanging` is clear, nobody gets one.
    """

    port: int = 0
    failing: int | None = None
    hanging: threading.Event = field(default_factory=make_set)
    asked: dict[str, list[tuple[str, int]]] = field(default_factory=dict)
    said: dict[str, dict[str, str]] = field(default_factory=dict)
    tokens: dict[str, str] = field(default_factory=dict)

    def url_of(self, instance_id: str) -> str:
        """Say what stands for ADDRESS on an instance."""
        return f"http://127.0.0.1:{self.port}/{instance_id}"

    def announce(self, instance_id: str, action: str, seconds: float) -> None:
        """Announce that an instance is interrupted in so many seconds, as EC2 does."""
        at = datetime.now(UTC) + timedelta(seconds=seconds)
        text = json.dumps({"action": action, "time": at.strftime("%Y-%m-%dT%H:%M:%SZ")})
        self.said.setdefault(instance_id, {})["spot/instance-action"] = text

    def recommend(self, instance_id: str) -> None:
        """Recommend to rebalance, as EC2 does to an instance that is likelier to be interrupted."""
        text = json.dumps({"noticeTime": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")})
        self.said.setdefault(instance_id, {})["events/recommendations/rebalance"] = text

    def reply(self, method: str, path: str, headers: dict[str, str]) -> tuple[int, str]:
        """Answer, unless it hangs or fails; and note what was asked."""
        self.hanging.wait(HANG_S)
        status, text = self.answer(method, path, headers)
        if self.failing is not None:
            status, text = self.failing, ""
        instance_id, _, asked = path.removeprefix("/").partition("/latest/")
        self.asked.setdefault(instance_id, []).append((asked, status))
        return status, text

    def answer(self, method: str, path: str, headers: dict[str, str]) -> tuple[int, str]:
        """Answer as EC2 does where IMDSv2 is required: nothing without a session's token."""
        instance_id, _, asked = path.removeprefix("/").partition("/latest/")
        if instance_id not in self.said:
            return 404, ""
        if asked == "api/token":
            if method != "PUT":
                return 405, ""
            if not 1 <= int(headers.get(TTL.lower(), "0")) <= 21600:
                return 400, ""
            token = secrets.token_urlsafe(16)
            self.tokens[token] = instance_id
            return 200, token
        if self.tokens.get(headers.get(TOKEN.lower(), "")) != instance_id:
            return 401, ""
        text = self.said[instance_id].get(asked.removeprefix("meta-data/"))
        return (404, "") if text is None else (200, text)


@contextmanager
def running_metadata() -> Iterator[MetadataServer]:
    """Serve on a port of loopback."""
    metadata = MetadataServer()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            headers = {key.lower(): value for key, value in self.headers.items()}
            status, text = metadata.reply(self.command, self.path, headers)
            with suppress(OSError):  # who asked has hung up
                self.send_response(status)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text.encode())

        do_PUT = do_GET  # noqa: N815 - the name that http.server looks for

        def log_message(self, *_args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        metadata.port = server.server_port
        threading.Thread(target=server.serve_forever, name="metadata", daemon=True).start()
        try:
            yield metadata
        finally:
            metadata.hanging.set()
            server.shutdown()
