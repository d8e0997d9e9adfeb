"""EC2's instance metadata, version 2, for machines that run here: who asks is told by the path.

A machine's own address of it is ADDRESS; its host puts `MetadataServer.url_of(instance)` there.
"""

import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

ADDRESS = "http://169.254.169.254"
TTL = "X-aws-ec2-metadata-token-ttl-seconds"
TOKEN = "X-aws-ec2-metadata-token"


@dataclass(kw_only=True, slots=True)
class MetadataServer:
    """What it says: instance id → (path below `meta-data/` → text); and the tokens it gave."""

    port: int = 0
    said: dict[str, dict[str, str]] = field(default_factory=dict)
    tokens: dict[str, str] = field(default_factory=dict)

    def url_of(self, instance_id: str) -> str:
        """Say what stands for ADDRESS on an instance."""
        return f"http://127.0.0.1:{self.port}/{instance_id}"

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
            status, text = metadata.answer(self.command, self.path, headers)
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
            server.shutdown()
