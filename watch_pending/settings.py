"""Which configuration a verb runs with: farmhand.yml, or the original's own files."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy.engine import URL

from farmhand import config
from farmhand.command import Run
from farmhand.config_file import find_config
from farmhand.db import FarmDb, find_farm_db, open_farm_db
from farmhand.errors import BadInput
from farmhand.state import find_state_directory, make_writable
from farmhand.wording import unknown
from watch_pending.config import WatchPending
from watch_pending.userdata import Template, read_template

if TYPE_CHECKING:
    from watch_pending.originals import Originals
    from watch_pending.prepare import Renderer

ORIGINAL_SUFFIXES = {".cfg", ".json"}
FARM_DB_TIMEOUT_S = 30.0


@dataclass(frozen=True, kw_only=True, slots=True)
class WatchPendingSettings:
    """What a run of watch-pending is told: `regions` are those it may launch in.

    `originals` is what the original's files say beyond that; None with a farmhand.yml.
    """

    path: Path
    farm: str
    watch: WatchPending
    originals: "Originals | None"
    regions: tuple[str, ...]
    database_url: URL
    database_embedded: bool
    state_directory: Path
    remaining_s: Callable[[], float]
    graphite: tuple[config.GraphiteHost, ...] = ()
    database_timeout_s: float = FARM_DB_TIMEOUT_S
    certificate_directory: Path | None = None
    retry_stopped: bool = False

    def find_places(self, key: str) -> dict[str, str]:
        """Find where a mapping's keys stand in the configuration: key → file and line."""
        from farmhand.yaml_tree import read_yaml
        from watch_pending.json_tree import read_json

        if self.originals is not None:
            places, depth = read_json(self.path).places, 1
        else:
            places, depth = read_yaml(self.path).places, 2
        return {
            str(path[-1]): str(place)
            for path, place in places.items()
            if path[depth - 1 : -1] == (key,)
        }

    def open_database(self, *, reading: bool) -> FarmDb:
        """Open the farm database; only a verb that changes things may create or upgrade it."""
        if not reading:
            make_writable(self.state_directory)
        return open_farm_db(
            self.database_url,
            farm=self.farm,
            embedded=self.database_embedded,
            timeout_s=self.database_timeout_s,
            reading=reading,
        )

    def read_templates(self) -> dict[str, Template]:
        """Read each instance type's user data template; raises BadInput for one that can't be."""
        return {
            name: read_template(settings.user_data)
            for name, settings in self.watch.instance_types.items()
            if settings.user_data is not None
        }

    def make_renderer(self, *, with_certificates: bool) -> "Renderer":
        """Make what renders user data; without certificates, none is fetched."""
        from watch_pending.prepare import Renderer

        return Renderer(
            farm=self.farm,
            config=self.watch,
            templates=self.read_templates(),
            find_certificate=(
                self.make_certificate_finder() if with_certificates else find_no_certificate
            ),
        )

    def make_certificate_finder(self) -> Callable[[str], str | None]:
        """Make the function that gives a host its puppet certificate, or None without a server."""
        originals = self.originals
        if originals is None or not (
            originals.getcert_server and originals.deploy_username and originals.deploy_password
        ):
            return find_no_certificate
        from watch_pending.certificates import CertificateServer, make_finder

        return make_finder(
            self.certificate_directory or self.state_directory / "certificates",
            CertificateServer(
                address=originals.getcert_server,
                username=originals.deploy_username,
                password=originals.deploy_password.get_secret_value(),
                remaining_s=self.remaining_s,
            ),
        )


def find_no_certificate(_host: str) -> None:
    """Find no certificate, where no server is configured or none is to be asked."""


def load_settings(run: Run, secrets: Path | None, regions: tuple[str, ...]) -> WatchPendingSettings:
    """Load the configuration that the options and the environment name.

    Raises BadInput where it is missing or wrong, with file, line and key.
    """
    path = find_config(run.config_path, run.environ)
    if path is None:
        raise BadInput(
            "no configuration: give -c FILE, set FARMHAND_CONFIG, or write ./farmhand.yml or "
            "/etc/farmhand/farmhand.yml"
        )
    if path.suffix in ORIGINAL_SUFFIXES:
        if secrets is None:
            raise BadInput(f"{path}: an original .cfg needs its secrets file too: -k FILE")
        from watch_pending.originals import Originals, load_originals

        settings = load_originals(path, secrets, regions, run.environ)
        originals = settings.section(Originals)
    else:
        settings = config.load(path, "watch_pending", environ=run.environ, secrets=secrets)
        originals = None
    watch = settings.section(WatchPending)
    for region in regions:
        if region not in watch.region_priorities:
            raise BadInput(f"-r: {unknown('region', region, watch.region_priorities)}")
    database = settings.database.get_secret_value() if settings.database else None
    url, embedded = find_farm_db(database, run.environ)
    return WatchPendingSettings(
        path=path,
        farm=settings.farm,
        watch=watch,
        originals=originals,
        regions=tuple(dict.fromkeys(regions)) or tuple(watch.region_priorities),
        database_url=url,
        database_embedded=embedded,
        state_directory=find_state_directory(run.environ),
        remaining_s=run.remaining_s,
        graphite=settings.graphite,
        database_timeout_s=min(FARM_DB_TIMEOUT_S, run.deadline_s),
    )
