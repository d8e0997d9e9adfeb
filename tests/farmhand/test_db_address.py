"""What messages say of a database's address, and what reaches it."""

from pathlib import Path

import pytest

from farmhand.db import format_url, make_engine, parse_url
from farmhand.errors import BadInput


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("mysql://u:hunter2@db/x", "mysql+pymysql://u:***@db/x"),
        ("mysql://u@db/x?password=hunter2", "mysql+pymysql://u@db/x"),
        ("postgresql://db:5432/x?user=u&password=hunter2", "postgresql+psycopg://db:5432/x"),
        ("sqlite:////var/lib/farmhand/farmhand.db", "sqlite:////var/lib/farmhand/farmhand.db"),
    ],
)
def test_no_password_is_in_an_address_for_people(text: str, shown: str) -> None:
    assert format_url(parse_url(text, "test")) == shown


@pytest.mark.fault(
    "a database's URL names a driver that is not there: {text}",
    "exit 2: not a database URL farmhand can use, and which can be",
)
@pytest.mark.parametrize(
    "text", ["oracle://db/x", "postgresql+psycopg2://db/x", "mysql+nothing://db/x", "db", " "]
)
def test_what_no_driver_of_ours_can_reach_is_refused(text: str) -> None:
    with pytest.raises(
        BadInput, match=r"test: not a database URL farmhand can use \(sqlite:///PATH"
    ):
        parse_url(text, "test")


@pytest.mark.fault(
    "a database's URL has an option that can't be: {options}",
    "exit 2: which options, and what the driver says",
)
@pytest.mark.parametrize("options", ["colour=red", "ssl_ca=/none.pem", "ssl_ca=/dev/null"])
def test_an_option_that_can_t_be_is_named(options: str) -> None:
    engine = make_engine(
        parse_url(f"mysql://u:hunter2@127.0.0.1:1/x?{options}", "test"), timeout_s=1
    )
    name = options.partition("=")[0]
    with pytest.raises(BadInput, match=rf"options \({name}\) can't be: ") as caught:
        engine.connect()
    assert "hunter2" not in str(caught.value)


def test_mysql_8_can_ask_for_its_usual_password_exchange() -> None:
    """PyMySQL needs `cryptography` for caching_sha2_password, and brings it only when asked."""
    setup = Path(__file__).parents[2] / "setup.py"
    assert '"PyMySQL[rsa]' in setup.read_text()
