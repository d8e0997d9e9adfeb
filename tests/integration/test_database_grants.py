"""Each command with a user who has the manual's grants for it and no others."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests
import sqlalchemy as sa

from farmhand.admin import upgrade_database
from slavealloc.cli import main as slavealloc
from tests.allocators import running_allocator
from tests.farm import BUILD, REGIONS, Farm
from tests.grants import BUILDBOT, FARM, make_owner, make_users, run_statements, url_of
from tests.journal import minutes_ago
from tests.processes import Finished
from tests.run_here import run_here
from tests.sanities import add_volume
from tests.scan_farm import Job, running_scan_farm
from tests.services import DatabaseServer
from tests.stops import add_idle_machine, add_machine, master_of

pytestmark = pytest.mark.integration
CONFIGS = Path(__file__).parent.parent.parent / "configs"
DENIED = {
    "mysql": "DELETE command denied to user 'farm_watch'@'localhost' for table `farm`.`runs`",
    "postgresql": "permission denied for table runs",
}
Users = Callable[[str], str]


@pytest.fixture(scope="module", params=["mariadb", pytest.param("postgresql", marks=pytest.mark.soak)])
def server(request: pytest.FixtureRequest) -> DatabaseServer:
    """A server, whose users are made as the manual says."""
    server: DatabaseServer = request.getfixturevalue(request.param)
    return server


@pytest.fixture(scope="module")
def users(server: DatabaseServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Users]:
    """All users of the manual, and the tables, made by their owner: user → URL."""
    make_owner(server)
    server.create_database(BUILDBOT)
    owner = url_of(server, "farm_owner")
    state = {"FARMHAND_STATE": str(tmp_path_factory.mktemp("owner")), "FARMHAND_DATABASE": owner}
    from farmhand.cli import main as farmhand

    assert run_here(farmhand, ["db", "upgrade"], state).code == 0
    Farm_scheduler = sa.create_engine(server.engine(BUILDBOT).url)
    Farm_scheduler.dispose()
    yield lambda user: url_of(server, user)
    for name in (FARM, BUILDBOT):
        server.drop_database(name)
