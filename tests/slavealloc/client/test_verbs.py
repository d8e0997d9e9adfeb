"""Which server is asked, and about whom; what the server's answers mean."""

import pytest

from farmhand.errors import BadInput, FarmError, Unavailable
from slavealloc.client.http import Answer, parse_answer, parse_rows
from slavealloc.client.reaching import parse_address
from slavealloc.client.verbs import parse_name

URL = "http://slavealloc/api/pools"


@pytest.mark.parametrize(
    ("given", "address"),
    [
        ("http://slavealloc", "http://slavealloc"),
        ("http://slavealloc/", "http://slavealloc"),
        ("http://slavealloc/api", "http://slavealloc"),
        ("http://slavealloc/api/", "http://slavealloc"),
        ("http://slavealloc/api/v1", "http://slavealloc"),
        ("https://slavealloc:1080//api//", "https://slavealloc:1080"),
        ("http://build/staging/slavealloc/api", "http://build/staging/slavealloc"),
        ("http://build/apian", "http://build/apian"),
        ("http://me:secret@build/api", "http://me:secret@build"),
        ("http://[::1]:1080/api", "http://[::1]:1080"),
    ],
)
def test_an_address_may_end_in_api(given: str, address: str) -> None:
    assert parse_address(given) == address


@pytest.mark.parametrize(
    "given",
    ["slavealloc", "ftp://slavealloc", "http://", "http:///api", "http://a b", "http://a?b"],
)
def test_an_address_is_http(given: str) -> None:
    with pytest.raises(BadInput, match="expected http://HOST"):
        parse_address(given)


def test_a_password_in_a_wrong_address_is_not_shown() -> None:
    with pytest.raises(BadInput) as caught:
        parse_address("ftp://me:secret@slavealloc")
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(("given", "name"), [("w1", "w1"), ("W1", "w1"), ("BLD-é", "bld-é")])
def test_only_a_to_z_of_a_name_is_lowered(given: str, name: str) -> None:
    assert parse_name(given) == name


@pytest.mark.parametrize("given", ["w1.build.example.com", ".", "w1."])
def test_a_name_with_its_domain_is_refused(given: str) -> None:
    with pytest.raises(BadInput, match="give the name without its domain"):
        parse_name(given)


@pytest.mark.parametrize("given", ["", "a/b", "w 1", "w1\n"])
def test_what_no_worker_can_be_called_is_refused(given: str) -> None:
    with pytest.raises(BadInput, match="is no worker's name"):
        parse_name(given)


@pytest.mark.parametrize(
    ("status", "text", "kind", "said"),
    [
        pytest.param(
            400, '{"error": "notes: too long"}', BadInput, "notes: too long", id="refusal"
        ),
        pytest.param(404, "{}", Unavailable, "no reason given", id="404-without-reason"),
        pytest.param(404, "<html>", Unavailable, "is that its address", id="another-web-server"),
        pytest.param(200, "<html>", Unavailable, "is that its address", id="html"),
        pytest.param(200, "", Unavailable, "is that its address", id="nothing"),
        pytest.param(304, "{}", Unavailable, "HTTP 304", id="not-modified"),
        pytest.param(502, "<html>", Unavailable, "HTTP 502", id="proxy"),
        pytest.param(503, '{"error": "the farm is away"}', Unavailable, "is away", id="away"),
        pytest.param(500, '["error"]', Unavailable, "no reason given", id="strange-error"),
        pytest.param(200, "[" * 100_000, Unavailable, "is that its address", id="deep"),
    ],
)
def test_an_answer_that_is_none_says_why_and_whose_it_was(
    status: int, text: str, kind: type[FarmError], said: str
) -> None:
    with pytest.raises(kind, match=said) as caught:
        parse_answer(Answer(url=URL, status=status, text=text))
    assert str(caught.value).startswith(URL)
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize("text", ["{}", "null", '["prod"]', '[{"poolid": 1}]', '"prod"'])
def test_rows_of_another_shape_are_not_slaveallocs(text: str) -> None:
    with pytest.raises(Unavailable, match="not what slavealloc answers"):
        parse_rows(Answer(url=URL, status=200, text=text), ("poolid", "name"))
