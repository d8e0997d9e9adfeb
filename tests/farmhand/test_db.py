"""What the embedded farm database's path may be."""

from pathlib import Path

import pytest
from sqlalchemy.engine import URL

from farmhand.db import open_farm_db
from farmhand.errors import BadInput


@pytest.mark.parametrize("reading", [True, False])
def test_a_path_that_may_not_be_looked_at_is_bad_input(tmp_path: Path, reading: bool) -> None:
    # Too long a name, as root may enter every directory.
    url = URL.create("sqlite", database=str(tmp_path / ("x" * 300) / "farmhand.db"))
    with pytest.raises(BadInput, match=r"farm database .*: File name too long; let this user"):
        open_farm_db(url, farm="test", embedded=True, timeout_s=1, reading=reading)
