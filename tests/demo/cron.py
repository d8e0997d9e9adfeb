"""Cron's part: start the jobs every few seconds, and tell what each of them did."""

import json
import subprocess
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.whole_farm import WholeFarm

SETTLE_S = 60
FINE = frozenset({0, 75})  # done; another one was at it


class JobFailed(Exception):
    """A command did not end as it should."""


@dataclass(kw_only=True, slots=True)
class CronJob:
    """A line of the crontab; told is what it said last, so that cron says a thing once."""

    farm: WholeFarm
    verb: str
    every_s: float
    due_at: float = 0.0
    runs: int = 0
    told: list[str] = field(default_factory=list)
    process: "subprocess.Popen[str] | None" = None

    def tick(self) -> Iterator[str]:
        """Start it where it is due, end it where it is done; yields what there is to tell."""
        if self.process is not None and self.process.poll() is not None:
            process, self.process = self.process, None
            yield from self.finish(process)
        elif self.process is None and time.monotonic() >= self.due_at:
            self.due_at = time.monotonic() + self.every_s
            self.runs += 1
            log = str(self.farm.plan.directory / "watch-pending.log")
            self.process = self.farm.start(self.verb, "-q", "--json", "-l", log)

    def finish(self, process: "subprocess.Popen[str]") -> Iterator[str]:
        """Tell what a run did; raises JobFailed where it failed."""
        said, _ = process.communicate()
        if process.returncode not in FINE:
            raise JobFailed(f"watch-pending {self.verb} exited {process.returncode}")
        if process.returncode == 0:
            document = json.loads(said)
            yield from tell_run(document, self) if self.verb == "run" else tell_stops(document)

    def end(self) -> None:
        """End the run that is under way."""
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.communicate()


def tell_run(document: Mapping[str, Any], job: CronJob) -> Iterator[str]:
    """Tell what `watch-pending run` did; what is as before is not told again."""
    started: dict[tuple[str, str, str], list[str]] = {}
    refused: Counter[tuple[str, str]] = Counter()
    for each in document["outcomes"]:
        place = (each["ec2_type"], each["availability_zone"])
        if each["status"] == "launched":
            started.setdefault((each["instance_type"], *place), []).append(each["name"])
        else:
            refused[place] += 1
    for (ec2_type, zone), count in refused.items():
        yield f"watch-pending run: {zone} has no {ec2_type} for {count} machines: next best offer"
    for (instance_type, ec2_type, zone), names in started.items():
        yield f"watch-pending run: {len(names)} {instance_type} started ({ec2_type} in {zone})"
    waits = [
        f"watch-pending run: {count_of(each['pending'], 'job')} for {each['instance_type']} "
        f"waiting: {describe(each)}"
        for each in document["demands"]
    ]
    if not started:
        yield from (line for line in waits if line not in job.told)
    job.told = waits


def describe(demand: Mapping[str, Any]) -> str:
    """Say why a demand gets no machine now.

    >>> describe({"in_flight": 2, "idle": 0, "need": 0, "cuts": []})
    '2 machines on the way, so none is started'
    """
    if demand["need"] == 0:
        there = {"on the way": demand["in_flight"], "idle": demand["idle"]}
        words = [f"{count_of(count, 'machine')} {where}" for where, count in there.items() if count]
        return f"{' and '.join(words)}, so none is started"
    why = [cut["reason"] for cut in demand["cuts"] if cut["to"] == 0]
    return why[0] if why else f"{demand['need']} machines needed"


def tell_stops(document: Mapping[str, Any]) -> Iterator[str]:
    """Tell what `watch-pending stop-idle` did."""
    by_fate: dict[str, list[Mapping[str, Any]]] = {}
    for each in document["outcomes"]:
        by_fate.setdefault(each["fate"], []).append(each)
    for fate, group in by_fate.items():
        names = shorten([each["name"] for each in group])
        yield f"watch-pending stop-idle: {FATES.get(fate, fate)} {names}: {group[0]['why']}"


FATES = {
    "stopped": "terminated",
    "cleared": "unpaused the name of",
    "released": "let go",
    "waiting": "waits for",
    "draining": "drains",
    "failed": "could not stop",
}


def count_of(count: int, what: str) -> str:
    """Count in words.

    >>> count_of(1, "job"), count_of(2, "job")
    ('1 job', '2 jobs')
    """
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def shorten(names: Sequence[str]) -> str:
    """List names.

    >>> shorten(["a", "b", "c", "d", "e"])
    'a, b, c and 2 more'
    """
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(names[:3]) + more


@dataclass(kw_only=True, slots=True)
class Cron:
    """The crontab."""

    jobs: list[CronJob] = field(default_factory=list)

    def tick(self) -> list[str]:
        """Let each job do what is to do."""
        return [line for job in self.jobs for line in job.tick()]

    def settle(self) -> None:
        """Let what is under way come to its end."""
        for job in self.jobs:
            if job.process is not None:
                job.process.communicate(timeout=SETTLE_S)

    def end(self) -> None:
        """End what is under way."""
        for job in self.jobs:
            job.end()
