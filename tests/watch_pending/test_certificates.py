"""How patient one run is with the certificate server."""

import pytest
import requests

from farmhand.errors import Unavailable
from watch_pending.certificates import TIMEOUT_S, CertificateServer


class Silent:
    """Stands for `requests.get` where nobody answers; `timeouts_s` are those it was given."""

    def __init__(self) -> None:
        self.timeouts_s: list[float] = []

    def __call__(self, url: str, **options: float) -> requests.Response:
        self.timeouts_s.append(options["timeout"])
        raise requests.Timeout(f"no answer from {url}")


@pytest.fixture
def silent(monkeypatch: pytest.MonkeyPatch) -> Silent:
    silent = Silent()
    monkeypatch.setattr(requests, "get", silent)
    return silent


def server(remaining_s: float) -> CertificateServer:
    return CertificateServer(
        address="getcert", username="deploy", password="hunter2", remaining_s=lambda: remaining_s
    )


def why_none(server: CertificateServer, host: str) -> str:
    with pytest.raises(Unavailable) as caught:
        server.fetch(host)
    return str(caught.value)


def test_a_server_that_did_not_answer_is_not_asked_again(silent: Silent) -> None:
    getcert = server(600)
    assert "no answer from https://getcert/" in why_none(getcert, "one")
    assert "it is not asked again in this run" in why_none(getcert, "two")
    assert silent.timeouts_s == [TIMEOUT_S]


@pytest.mark.parametrize(("remaining_s", "timeouts_s"), [(600, [TIMEOUT_S]), (7, [7]), (0, [])])
def test_no_request_outlives_the_run(
    silent: Silent, remaining_s: float, timeouts_s: list[float]
) -> None:
    why_none(server(remaining_s), "one")
    assert silent.timeouts_s == timeouts_s


def test_a_host_without_certificate_says_nothing_of_the_next(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def answer(url: str, **_: object) -> requests.Response:
        response = requests.Response()
        response.status_code = 404 if url.endswith("?one") else 200
        response._content = b"certificate"
        return response

    monkeypatch.setattr(requests, "get", answer)
    getcert = server(600)
    assert "no certificate for one: HTTP 404" in why_none(getcert, "one")
    assert getcert.fetch("two") == "certificate"


def test_the_password_is_not_shown() -> None:
    assert "hunter2" not in repr(server(1))
