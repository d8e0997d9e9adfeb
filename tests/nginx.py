"""A private nginx with cron/'s own configuration, in front of a real slavealloc."""

import contextlib
import os
import re
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.allocators import ROOT
from tests.services import find_program, free_port

CONFIGURATION = ROOT / "cron/nginx/slavealloc.conf"
START_LIMIT_S = 30.0
STOP_TIMEOUT_S = 30
MAIN = """
daemon off;
USER
pid DIR/pid;
error_log DIR/error.log;
worker_processes 1;
events {}
http {
    client_body_temp_path DIR/body;
    proxy_temp_path DIR/proxy;
    fastcgi_temp_path DIR/fastcgi;
    uwsgi_temp_path DIR/uwsgi;
    scgi_temp_path DIR/scgi;
    server_names_hash_bucket_size 128;
    include DIR/slavealloc.conf;
}
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Nginx:
    """Its ports, and the certificate that it shows."""

    plain: int
    tls: int
    certificate: Path


@contextlib.contextmanager
def running_nginx(directory: Path, port: int) -> Iterator[Nginx]:
    """Run nginx in front of production's slavealloc on a port; staging's is not there."""
    nginx = Nginx(plain=free_port(), tls=free_port(), certificate=directory / "slavealloc.pem")
    for name in ("slavealloc", "staging-slavealloc"):
        _make_certificate(directory / f"{name}.pem", directory / f"{name}.key")
    text = CONFIGURATION.read_text("utf-8")
    text = re.sub(r" *listen \[::\].*\n", "", text)
    for old, new in {
        "listen 80;": f"listen 127.0.0.1:{nginx.plain};",
        "listen 443 ssl;": f"listen 127.0.0.1:{nginx.tls} ssl;",
        "127.0.0.1:1080": f"127.0.0.1:{port}",
        "127.0.0.1:1079": f"127.0.0.1:{free_port()}",
        "/var/log/nginx/": f"{directory}/",
        "/etc/farmhand/tls/": f"{directory}/",
    }.items():
        assert old in text
        text = text.replace(old, new)
    (directory / "slavealloc.conf").write_text(text, "utf-8")
    main = MAIN.replace("DIR", str(directory)).replace(
        "USER", "user root;" if os.geteuid() == 0 else ""
    )
    (directory / "nginx.conf").write_text(main, "utf-8")
    program = find_program("nginx")
    assert program is not None
    command = [program, "-p", str(directory), "-c", str(directory / "nginx.conf")]
    log = directory / "error.log"
    with (directory / "stderr.log").open("wb") as stderr:
        process = subprocess.Popen([*command, "-e", str(log)], stderr=stderr)
    try:
        _wait(nginx, process, directory)
        yield nginx
    finally:
        process.terminate()
        process.wait(STOP_TIMEOUT_S)


def _wait(nginx: Nginx, process: "subprocess.Popen[bytes]", directory: Path) -> None:
    deadline = time.monotonic() + START_LIMIT_S
    while True:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", nginx.tls)):
            return
        said = (directory / "stderr.log").read_text()
        assert process.poll() is None, said
        assert time.monotonic() < deadline, said
        time.sleep(0.02)


def _make_certificate(certificate: Path, key_file: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "slavealloc")])
    names = [x509.DNSName("slavealloc"), x509.IPAddress(ip_address("127.0.0.1"))]
    now = datetime.now().astimezone()
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .sign(key, hashes.SHA256())
    )
    certificate.write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    key_file.write_bytes(private)
