"""`watch-pending stop-idle`: what one run costs that stops 10, 100, 1,000 machines."""

import tempfile
from pathlib import Path

from tests import services
from tests.ec2_control import running_ec2_server
from tests.stop_costs import measure_costs

MACHINES = (10, 100, 1000)
HEAD = [
    "machines stopped",
    "s",
    "EC2 calls",
    "of these TerminateInstances",
    "statements, farm DB",
    "statements, one look at the scheduler DB",
    "calls of masters",
]


def table(most: int = MACHINES[-1]) -> list[list[object]]:
    """Measure one run for each number of machines; nothing without a MariaDB."""
    if "mariadb" in services.missing_services():
        return []
    with (
        tempfile.TemporaryDirectory(prefix="farmhand-bench-") as folder,
        services.running_mariadb(Path(folder)) as server,
        running_ec2_server() as ec2,
    ):
        found = [
            measure_costs(Path(folder), ec2, server, count) for count in MACHINES if count <= most
        ]
    return [
        [
            costs.stopped,
            f"{costs.seconds:.1f}",
            sum(costs.ec2_calls.values()),
            costs.ec2_calls["TerminateInstances"],
            costs.farm_statements,
            costs.look_statements,
            costs.master_calls,
        ]
        for costs in found
    ]
