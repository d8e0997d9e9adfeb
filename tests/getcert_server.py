"""A certificate server as the original used: HTTPS by a CA of its own, basic auth, getcert.cgi."""

import base64
import datetime
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

USERNAME, PASSWORD = "deploy", "hunter2"
DAY = datetime.timedelta(days=1)


@dataclass(kw_only=True, slots=True)
class GetcertServer:
    """Gives each host of `certificates` its own; `asked` are the paths that were asked for."""

    address: str
    ca_file: Path
    certificates: dict[str, str] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def answer(self, path: str, authorization: str) -> tuple[int, str]:
        """Decide on one request."""
        self.asked.append(path)
        wanted = base64.b64encode(f"{USERNAME}:{PASSWORD}".encode()).decode()
        if authorization != f"Basic {wanted}":
            return 401, "who are you?"
        script, _, host = path.partition("?")
        if script != "/deploy/getcert.cgi" or host not in self.certificates:
            return 404, "not here"
        return 200, self.certificates[host]


class _Https(ThreadingHTTPServer):
    daemon_threads = True
    getcert: GetcertServer

    def handle_error(self, *_: object) -> None:
        """Say nothing of clients that distrust it."""


class _Handler(BaseHTTPRequestHandler):
    server: _Https

    def do_GET(self) -> None:
        """Answer as the server decides."""
        status, text = self.server.getcert.answer(self.path, self.headers.get("Authorization", ""))
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def running_getcert_server(directory: Path) -> Iterator[GetcertServer]:
    """Run one on this machine; its CA's certificate is `ca_file`."""
    ca_file, chain = _make_certificates(directory)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain)
    with _Https(("127.0.0.1", 0), _Handler) as http:
        http.socket = context.wrap_socket(http.socket, server_side=True)
        server = GetcertServer(address=f"127.0.0.1:{http.server_port}", ca_file=ca_file)
        http.getcert = server
        thread = threading.Thread(target=http.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield server
        finally:
            http.shutdown()
            thread.join()


def _make_certificates(directory: Path) -> tuple[Path, Path]:
    """Make a CA and a server's certificate by it: the CA's file, and the server's with its key."""
    ca_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    ca_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "the tests' own CA")])
    ca = _sign(ca_name, ca_name, ca_key, ca_key, x509.BasicConstraints(ca=True, path_length=0))
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "getcert")])
    address = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
    own = _sign(name, ca_name, key, ca_key, address)
    ca_file, chain = directory / "ca.pem", directory / "server.pem"
    ca_file.write_bytes(ca.public_bytes(serialization.Encoding.PEM))
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    chain.write_bytes(private + own.public_bytes(serialization.Encoding.PEM))
    return ca_file, chain


def _sign(
    name: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    issuer_key: ec.EllipticCurvePrivateKey,
    extension: x509.ExtensionType,
) -> x509.Certificate:
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - DAY)
        .not_valid_after(now + DAY)
        .add_extension(extension, critical=isinstance(extension, x509.BasicConstraints))
        .sign(issuer_key, hashes.SHA256())
    )
