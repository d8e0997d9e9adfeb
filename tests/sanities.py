"""What tests of `sanity` arrange and ask: volumes, stopped machines, rows that age, findings."""

from collections import defaultdict
from datetime import datetime

import sqlalchemy as sa

from farmhand.tables.launches import findings
from tests.farm import REGIONS, Farm
from tests.journal import minutes_ago, write
from tests.processes import Finished
from tests.stops import add_machine

DAYS = 24 * 60  # minutes


def add_volume(farm: Farm, region: str = REGIONS[0], **tags: str) -> str:
    """Make a volume of the farm's that is attached to nothing; returns its id."""
    ours = {"farmhand:farm": str(farm.settings["farm"]), **tags}
    [volume_id] = farm.ec2.add_volumes(region, tags=ours)
    return volume_id


def add_stopped(
    farm: Farm, name: str, *, since: datetime, region: str = REGIONS[0], **tags: str
) -> str:
    """Start an instance of the farm's ten days ago that was stopped then; returns its id."""
    instance_id = add_machine(farm, name, launched_at=minutes_ago(10 * DAYS), region=region, **tags)
    farm.ec2.poke_instance(instance_id, state="stopped", stopped_at=since.isoformat())
    return instance_id


def age_findings(engine: sa.Engine, days: float) -> None:
    """Let everything have been found so long ago."""
    write(engine, findings.update().values(first_seen_at=minutes_ago(days * DAYS)))


def sanity(farm: Farm, *args: str, **environ: str) -> Finished:
    """Run `sanity --json`; what it found in any run before counts."""
    farm.watch.setdefault("sanity", {}).setdefault("orphan_s", 0.001)
    return farm.run("sanity", "--json", *args, **environ)


def found(done: Finished, key: str = "findings") -> dict[str, set[str]]:
    """Kind → the names, or else the subjects, of what is wrong."""
    by_kind: defaultdict[str, set[str]] = defaultdict(set)
    for each in done.json[key]:
        by_kind[each["kind"]].add(each["name"] or each["id"] or each["subject"])
    return dict(by_kind)


def fixes(done: Finished) -> dict[str, str]:
    """Kind → what became of it."""
    return {each["kind"]: each["fate"] for each in done.json["outcomes"]}
