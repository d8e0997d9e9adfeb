"""The real nginx with cron/'s configuration before the real server: TLS, and who gets where."""

import http.client
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.allocators import (
    Allocator,
    add_masters,
    add_workers,
    make_places_database,
    running_allocator,
)
from tests.nginx import Nginx, running_nginx

pytestmark = [pytest.mark.integration, pytest.mark.usefixtures("nginx_installed")]

NAME = "slavealloc.build.example.com"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Allocator]:
    state = tmp_path_factory.mktemp("served")
    engine = make_places_database(f"sqlite:///{state}/farm.db")
    add_masters(engine, 1)
    add_workers(engine, ["w1"])
    with running_allocator(engine, state=state) as server:
        yield server
    engine.dispose()


@pytest.fixture(scope="module")
def nginx(
    server: Allocator, nginx_installed: None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Nginx]:
    port = int(server.url.rpartition(":")[2])
    with running_nginx(tmp_path_factory.mktemp("nginx"), port) as nginx:
        yield nginx


def ask(nginx: Nginx, method: str, path: str, *, tls: bool = True, **more: Any) -> Any:
    """Send a request for production's name; redirects are not followed."""
    url = f"https://127.0.0.1:{nginx.tls}" if tls else f"http://127.0.0.1:{nginx.plain}"
    headers = {"Host": NAME, **more.pop("headers", {})}
    certificate = str(nginx.certificate)
    return requests.request(
        method,
        url + path,
        headers=headers,
        verify=certificate,
        allow_redirects=False,
        timeout=30,
        **more,
    )


def test_a_login_over_https_has_a_cookie_for_https_alone_and_can_write(
    nginx: Nginx, server: Allocator
) -> None:
    server.authorization()
    origin = {"Origin": f"https://{NAME}"}
    form = {"token": server.token, "next": "/ui/workers"}
    reply = ask(nginx, "POST", "/login", data=form, headers=origin)
    assert (reply.status_code, reply.headers["location"]) == (303, "/ui/workers")
    assert "; Secure" in reply.headers["set-cookie"]
    assert reply.headers["strict-transport-security"] == "max-age=31536000"
    cookie = {"Cookie": f"farmhand_token={server.token}"}
    edit = {"notes": "through nginx"}
    reply = ask(nginx, "PUT", "/api/slaves/1", json=edit, headers={**origin, **cookie})
    assert reply.status_code == 200
    evil = {"Origin": "https://evil.example.com"}
    reply = ask(nginx, "PUT", "/api/slaves/1", json=edit, headers={**evil, **cookie})
    assert reply.status_code == 403


def test_plain_http_leads_to_https_but_for_machines(nginx: Nginx) -> None:
    for path in ("/", "/ui/", "/api/slaves?enabled=0", "/login"):
        reply = ask(nginx, "GET", path, tls=False)
        assert (reply.status_code, reply.headers["location"]) == (308, f"https://{NAME}{path}")
    reply = ask(nginx, "PUT", "/api/slaves/1", tls=False, json={"notes": "no"})
    assert reply.status_code == 308
    assert "AUTOMATICALLY GENERATED" in ask(nginx, "GET", "/gettac/w1", tls=False).text
    assert ask(nginx, "GET", "/v1/allocated/all", tls=False).json() == {"machines": []}
    assert "AUTOMATICALLY GENERATED" in ask(nginx, "GET", "/gettac/w1").text


def test_metrics_are_for_this_host_alone_and_what_is_not_named_for_nobody(nginx: Nginx) -> None:
    assert ask(nginx, "GET", "/metrics").status_code == 200
    context = ssl.create_default_context(cafile=str(nginx.certificate))
    elsewhere = http.client.HTTPSConnection(
        "127.0.0.1", nginx.tls, context=context, source_address=("127.0.0.2", 0), timeout=30
    )
    for path, status in (("/metrics", 403), ("/api/pools", 200), ("/nowhere", 404)):
        elsewhere.request("GET", path, headers={"Host": NAME})
        reply = elsewhere.getresponse()
        reply.read()
        assert reply.status == status
    elsewhere.close()


def test_a_body_that_is_too_long_ends_at_nginx(nginx: Nginx) -> None:
    reply = ask(nginx, "PUT", "/api/slaves/1", data=b"x" * 600_000)
    assert reply.status_code == 413


def test_staging_that_is_down_is_no_matter_of_productions(nginx: Nginx) -> None:
    staging = {"Host": "staging-slavealloc.build.example.com"}
    assert ask(nginx, "GET", "/api/pools", headers=staging).status_code == 502
    assert ask(nginx, "GET", "/api/pools").status_code == 200


def test_the_log_has_paths_and_no_tokens(nginx: Nginx, server: Allocator) -> None:
    assert ask(nginx, "GET", "/api/pools", headers=server.authorization()).status_code == 200
    directory: Path = nginx.certificate.parent
    told = "".join(path.read_text() for path in directory.glob("*.log"))
    assert "GET /api/pools" in told
    assert server.token not in told
