"""What tests of `stop-idle` arrange and ask: machines, rows, and what a run says of them."""

import json
from datetime import datetime

from tests.farm import REGIONS, Farm
from tests.processes import Finished


def add_machine(
    farm: Farm,
    name: str,
    *,
    launched_at: datetime,
    region: str = REGIONS[0],
    **tags: str,
) -> str:
    """Start an instance of the farm's, that old; returns its id."""
    ours = {
        "Name": name,
        "moz-type": name.rpartition("-")[0],
        "moz-state": "ready",
        "farmhand:farm": str(farm.settings["farm"]),
    }
    instance_id = farm.start_by_hand(region, {**ours, **tags})
    farm.ec2.poke_instance(instance_id, launch_time=launched_at.isoformat())
    return instance_id


def stop_idle(farm: Farm, *args: str) -> Finished:
    """Run `stop-idle --json`."""
    return farm.run("stop-idle", "--json", *args)


def fates(done: Finished) -> dict[str, str]:
    """Worker → what became of its machine."""
    return {each["name"]: each["fate"] for each in json.loads(done.out)["outcomes"]}


def verdicts(done: Finished) -> dict[str, str]:
    """Worker → why its machine stops, or stays."""
    said = json.loads(done.out)
    return {each["name"]: each["verdict"] for each in (*said["stops"], *said["kept"])}


def whys(done: Finished) -> dict[str, str]:
    """Worker → the last that was said of its machine, in words."""
    said = json.loads(done.out)
    return {
        each["name"]: each["why"]
        for key in said
        if isinstance(said[key], list)
        for each in said[key]
    }
