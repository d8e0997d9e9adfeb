"""Which configuration a verb runs with; without a file, the defaults will do."""

from dataclasses import dataclass
from pathlib import Path

from sqlalchemy.engine import URL

from farmhand import config
from farmhand.command import Run
from farmhand.config_file import find_config
from farmhand.db import FarmDb, find_farm_db, open_farm_db
from farmhand.state import find_state_directory, make_writable
from scanner.config import Scanner
from scanner.store import Store

DATABASE_TIMEOUT_S = 30.0
DEFAULT_FARM = "default"


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings:
    """What the scanner is told."""

    farm: str
    scanner: Scanner
    database_url: URL
    database_embedded: bool
    state_directory: Path
    store: Store

    def open_database(self, *, reading: bool) -> FarmDb:
        """Open the farm database; the embedded default is created where it is to be written."""
        if self.database_embedded and not reading:
            make_writable(self.state_directory)
        return open_farm_db(
            self.database_url,
            farm=self.farm,
            embedded=self.database_embedded,
            timeout_s=DATABASE_TIMEOUT_S,
            reading=reading,
        )


def load_settings(run: Run, secrets: Path | None = None) -> Settings:
    """Load farmhand.yml, where there is one. Raises BadInput where it is wrong."""
    path = find_config(run.config_path, run.environ)
    farm, section = run.environ.get("FARMHAND_FARM") or DEFAULT_FARM, Scanner()
    configured = None
    if path is not None:
        settings = config.load(path, "scanner", environ=run.environ, secrets=secrets)
        farm = settings.farm
        found = settings.sections.get("scanner")
        section = found if isinstance(found, Scanner) else section
        configured = settings.database.get_secret_value() if settings.database else None
    url, embedded = find_farm_db(configured, run.environ)
    directory = find_state_directory(run.environ)
    return Settings(
        farm=farm,
        scanner=section,
        database_url=url,
        database_embedded=embedded,
        state_directory=directory,
        store=Store((section.store or directory / "builds").absolute()),
    )
