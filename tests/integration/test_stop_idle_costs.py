"""What `stop-idle` costs: as many statements and EC2 calls for many machines as for few."""

from pathlib import Path

import pytest

from tests.ec2_control import Ec2Server
from tests.services import DatabaseServer
from tests.stop_costs import measure_costs

pytestmark = pytest.mark.integration
CHUNK = 500  # so many names or ids are asked for at once


@pytest.mark.parametrize(
    "machines", [40, pytest.param(1000, marks=[pytest.mark.soak, pytest.mark.timeout(1800)])]
)
def test_many_machines_cost_no_more_statements_and_calls_than_few(
    tmp_path: Path, ec2: Ec2Server, mariadb: DatabaseServer, machines: int
) -> None:
    few = measure_costs(tmp_path, ec2, mariadb, 4)
    many = measure_costs(tmp_path, ec2, mariadb, machines)
    assert (few.stopped, many.stopped, many.master_calls) == (4, machines, machines)
    assert many.farm_statements <= few.farm_statements + 4 * (machines // CHUNK)
    assert many.look_statements == few.look_statements
    assert many.ec2_calls == few.ec2_calls
    assert many.ec2_calls["TerminateInstances"] == 1
