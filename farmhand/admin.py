"""What the verbs of `farmhand` do."""

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from pathlib import Path

from pydantic import SecretStr
from sqlalchemy.engine import URL

from farmhand import config
from farmhand.command import Result, Run
from farmhand.config_file import find_config
from farmhand.db import find_farm_db, format_url, make_engine, reaching
from farmhand.errors import BadInput
from farmhand.output import print_json, print_lines
from farmhand.state import find_state_directory, make_writable
from farmhand.upgrades import check_version, newest_revision, read_revision, upgrade

TIMEOUT_S = 300.0
HIDDEN = "(hidden)"


def load_settings(run: Run, secrets: Path | None, section: str | None) -> config.Settings:
    """Load farmhand.yml; raises BadInput where there is none."""
    path = find_config(run.config_path, run.environ)
    if path is None:
        raise BadInput("no configuration: give -c FILE, or set FARMHAND_CONFIG")
    return config.load(path, section, environ=run.environ, secrets=secrets)


def upgrade_database(run: Run, secrets: Path | None) -> Result:
    """Create or upgrade the farm database; a dry run only says which revisions are between."""
    url, embedded = _find_database(run, secrets)
    if embedded and not run.dry_run:
        make_writable(find_state_directory(run.environ))
    engine = make_engine(url, timeout_s=TIMEOUT_S)
    with reaching("farm database", url):
        missing = embedded and not Path(str(url.database)).exists()
        before = None if missing else read_revision(engine)
        if before is None or before < newest_revision():
            if not run.dry_run:
                upgrade(engine)
        elif not run.dry_run:
            check_version(engine)
    document = {"database": format_url(url), "before": before, "after": newest_revision()}
    _print(run, document, f"{format_url(url)}: revision {before or 'none'} → {newest_revision()}")
    return Result()


def show_version(run: Run, secrets: Path | None) -> Result:
    """Print the database's revision and the newest one; exit 2 when this release can't use it."""
    url, embedded = _find_database(run, secrets)
    missing = embedded and not Path(str(url.database)).exists()
    engine = make_engine(url, timeout_s=TIMEOUT_S, read_only=True)
    with reaching("farm database", url):
        revision = None if missing else read_revision(engine)
        document = {"database": format_url(url), "revision": revision, "newest": newest_revision()}
        _print(
            run,
            document,
            f"{format_url(url)}: revision {revision or 'none'}, newest {newest_revision()}",
        )
        if not missing:
            check_version(engine)
    return Result()


def _find_database(run: Run, secrets: Path | None) -> tuple[URL, bool]:
    """Find the farm database; a configuration file is not needed where nothing names one."""
    configured = None
    if find_config(run.config_path, run.environ) is not None:
        database = load_settings(run, secrets, "").database
        configured = database.get_secret_value() if database else None
    return find_farm_db(configured, run.environ)


def show_config(run: Run, secrets: Path | None) -> Result:
    """Print the whole configuration with defaults filled in; secrets stay hidden."""
    import yaml

    settings = load_settings(run, secrets, None)
    document = {
        "farm": settings.farm,
        "database": HIDDEN if settings.database else None,
        **{name: plain(section) for name, section in settings.sections.items()},
    }
    if run.json:
        print_json(document)
    else:
        text = yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=1000)
        print_lines(text.splitlines())
    return Result()


def plain(value: object) -> object:
    """Turn configuration into plain data, secrets hidden; pure."""
    if isinstance(value, SecretStr):
        return HIDDEN
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {str(plain(key)): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, Enum):
        return value.value
    return str(value) if isinstance(value, Path) else value


def _print(run: Run, document: Mapping[str, object], line: str) -> None:
    if run.json:
        print_json(document)
    else:
        print_lines([line])
