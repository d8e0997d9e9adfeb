"""Which configuration a verb runs with; without a file, the defaults will do."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy.engine import URL

from farmhand import config
from farmhand.config_file import find_config
from farmhand.db import FarmDb, find_farm_db, open_farm_db, parse_url
from farmhand.state import find_state_directory, make_writable
from slavealloc.config import SlaveAlloc

DATABASE_TIMEOUT_S = 30.0
DEFAULT_FARM = "default"


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings:
    """What slavealloc is told; `database_given` by an option, so perhaps without any file."""

    farm: str
    slavealloc: SlaveAlloc
    database_url: URL
    database_embedded: bool
    database_given: bool
    state_directory: Path

    def open_database(self, *, reading: bool, timeout_s: float = DATABASE_TIMEOUT_S) -> FarmDb:
        """Open the farm database; the embedded default is created where it is to be written."""
        if self.database_embedded and not reading:
            make_writable(self.state_directory)
        return open_farm_db(
            self.database_url,
            farm=self.farm,
            embedded=self.database_embedded,
            timeout_s=timeout_s,
            reading=reading,
        )


def load_settings(
    config_path: Path | None,
    environ: Mapping[str, str],
    url: str | None = None,
    secrets: Path | None = None,
) -> Settings:
    """Load farmhand.yml, where there is one; `url` is -D and names the farm database.

    Raises BadInput where the file or the URL is wrong.
    """
    path = find_config(config_path, environ)
    farm, section, configured = environ.get("FARMHAND_FARM") or DEFAULT_FARM, SlaveAlloc(), None
    if path is not None:
        settings = config.load(path, "slavealloc", environ=environ, secrets=secrets)
        farm = settings.farm
        found = settings.sections.get("slavealloc")
        section = found if isinstance(found, SlaveAlloc) else section
        configured = settings.database.get_secret_value() if settings.database else None
    database_url, embedded = (
        (parse_url(url, "-D"), False) if url else find_farm_db(configured, environ)
    )
    return Settings(
        farm=farm,
        slavealloc=section,
        database_url=database_url,
        database_embedded=embedded,
        database_given=url is not None,
        state_directory=find_state_directory(environ),
    )
