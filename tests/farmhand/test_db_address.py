"""What messages say of a database's address, and what reaches it."""

from pathlib import Path

import pytest

from farmhand.db import format_url, parse_url


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


def test_mysql_8_can_ask_for_its_usual_password_exchange() -> None:
    """PyMySQL needs `cryptography` for caching_sha2_password, and brings it only when asked."""
    setup = Path(__file__).parents[2] / "setup.py"
    assert '"PyMySQL[rsa]' in setup.read_text()
