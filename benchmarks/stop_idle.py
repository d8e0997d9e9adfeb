"""`watch-pending stop-idle`: what one run costs that stops 10, 100, 1,000 machines."""

import tempfile
from pathlib import Path

from benchmarks.results import Kind, Part, Row
from tests import services
from tests.ec2_control import running_ec2_server
from tests.stop_costs import measure_costs

MACHINES = (10, 100, 1000)


def measure_all(quick: bool) -> list[Row]:
    """Measure one run for each number of machines; nothing without a MariaDB."""
    if "mariadb" in services.missing_services():
        return []
    with (
        tempfile.TemporaryDirectory(prefix="farmhand-bench-") as folder,
        services.running_mariadb(Path(folder)) as server,
        running_ec2_server() as ec2,
    ):
        sizes = MACHINES[:1] if quick else MACHINES
        found = [measure_costs(Path(folder), ec2, server, count) for count in sizes]
    return [
        Row(
            case="one run, two regions, MariaDB",
            size=costs.stopped,
            method="watch-pending stop-idle",
            kind=Kind.OURS,
            value=costs.seconds,
            unit="s",
            also={
                "EC2 calls": sum(costs.ec2_calls.values()),
                "TerminateInstances": costs.ec2_calls["TerminateInstances"],
                "statements, farm DB": costs.farm_statements,
                "statements, one look at the scheduler DB": costs.look_statements,
                "calls of masters": costs.master_calls,
            },
        )
        for costs in found
    ]


PART = Part(
    name="stop_idle",
    title="Stopping idle machines",
    about="What one run costs that stops so many machines, each paused on its master first.",
    sized_by="machines",
    about_s=30,
    measure=measure_all,
)
