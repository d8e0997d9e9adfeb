"""A whole farm: daemons of all ages, two frozen and one hostile, and scans killed at random."""

import random
import signal

import pytest

from tests.daemon_attacks import hang
from tests.journal import wait_until
from tests.scan_farm import Era, Job, ScanFarm

pytestmark = pytest.mark.integration
PATIENCE_S = 60
JOBS = (
    Job(files={"a.deb": b"a", "b.deb": b"b"}, polls=1),
    Job(files={"a.deb": b"a"}, polls=2),
    Job(status="PACKAGEFAIL", polls=1),
    Job(status="DEPFAIL", dependencies="libc6", polls=0),
    Job(status="CHROOTFAIL", polls=0),
)
ENDS = ("fullybuilt", "fullybuilt", "failedtobuild", "manualdepwait", "chrootwait")


def work_through(farm: ScanFarm, jobs: int, chance: random.Random) -> list[int]:
    """Scan, and kill scans, until every build has ended; return the builds."""
    farm.scanner |= {"status_s": 0.5, "call_s": 2, "lease_s": 15, "back_off_s": 0.1}
    for number in range(12):
        era = list(Era)[number % len(Era)]
        daemon = farm.add_daemon(f"d{number:02d}", era)
        daemon.jobs = {str(build): JOBS[build % len(JOBS)] for build in range(1, jobs + 1)}
    for name in ("d03", "d07"):
        farm.daemons[name].frozen = True
    farm.daemons["d11"].attack("*", hang)
    built = [farm.add_build(f"p{number}") for number in range(jobs)]
    for scans in range(jobs * 4):
        asked = count_calls(farm)
        command = farm.start("scan")
        if scans % 3 == 1:
            last = asked + chance.randint(1, 40)
            wait_until(lambda: count_calls(farm) >= last or not command.process.is_alive())  # noqa: B023
            command.send_signal(signal.SIGKILL)
        assert command.finish(PATIENCE_S).code in {0, 3, -signal.SIGKILL}
        if scans % 3 == 1:
            farm.orphan()
        if not farm.rows("queue"):
            return built
    raise AssertionError(f"they never ended: {farm.rows('queue')}")


def count_calls(farm: ScanFarm) -> int:
    """Count what all daemons were asked."""
    return sum(len(each.requests) for each in farm.daemons.values())


def check_each_ended_once(farm: ScanFarm, built: list[int]) -> None:
    """Every build has ended once, as it should, with its log; no cookie was used twice."""
    farm.scan()
    for build in built:
        row = farm.build(build)
        assert row["state"] == ENDS[build % len(ENDS)]
        assert farm.log(build) == b"building\ndone\n"
        assert farm.manifest(build)["status"] == row["state"]
    ended = [row["build_id"] for row in farm.rows("attempts") if row["state"] == "ended"]
    assert sorted(ended) == built
    cookies = [params[0] for each in farm.daemons.values() for params in each.called("build")]
    assert len(set(cookies)) == len(cookies)


def test_twelve_daemons_work_through_their_jobs_whatever_is_killed(bobs: ScanFarm) -> None:
    check_each_ended_once(bobs, work_through(bobs, 20, random.Random(1)))


@pytest.mark.soak
def test_they_work_through_a_hundred(scans: ScanFarm) -> None:
    check_each_ended_once(scans, work_through(scans, 100, random.Random(2)))
