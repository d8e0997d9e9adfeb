"""`runslave` while the allocator is down, or sends what is no tac."""

import os
import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.bad_allocator import BadAllocator, Reply, make_page, make_reply, running_bad_allocator
from tests.runslave_machine import DOWN, OLD, PAGE, Machine

pytestmark = pytest.mark.integration


@pytest.fixture
def bad() -> Iterator[BadAllocator]:
    with running_bad_allocator(make_reply(PAGE)) as bad:
        yield bad


@pytest.fixture
def machine(tmp_path: Path, bad: BadAllocator) -> Machine:
    return Machine(home=tmp_path, url=bad.url)


LIES = [
    pytest.param(make_reply(b"<html><h1>It works!</h1></html>"), "no tac", id="html"),
    pytest.param(make_reply(PAGE, length=len(PAGE) - 3), "sha256", id="says it is shorter"),
    pytest.param(make_reply(PAGE, length=len(PAGE) + 3), "IncompleteRead", id="says it is longer"),
    pytest.param(make_reply(PAGE + b"\xff"), "not UTF-8", id="not UTF-8"),
    pytest.param(make_reply(b"x" * 2**21), "more than 1048576 bytes", id="huge"),
    pytest.param(
        Reply(data=make_reply(PAGE).data, drip_s=0.1), "no whole answer within 2 s", id="drips"
    ),
    pytest.param(make_reply(b"no allocation", status="404 Not Found"), "no allocation", id="404"),
    pytest.param(make_reply(b"oh", status="500 Error"), "HTTP 500: oh", id="500"),
    pytest.param(
        make_reply(status="302 Found", Location="/gettac/w1"), "redirects", id="redirects"
    ),
]


@pytest.mark.fault(
    "the allocator sends no good tac: {id}",
    "a warning with the reason, then the worker starts from the last good tac, which stays as "
    "it was; exit 0",
)
@pytest.mark.parametrize(("reply", "reason"), LIES)
def test_whatever_the_allocator_sends_the_last_good_tac_is_kept_and_started(
    machine: Machine, bad: BadAllocator, reply: Reply, reason: str
) -> None:
    machine.put("buildbot.tac", OLD)
    bad.replies = [reply]
    done = machine.run()
    assert (done.code, machine.tac.read_bytes()) == (0, OLD)
    warnings = [line for line in done.err.splitlines() if " WARNING " in line]
    assert reason in warnings[0]
    assert f"starting from the {machine.tac} of 20" in warnings[1]
    assert "--python" in done.err


@pytest.mark.fault(
    "the allocator is away and the last good tac is a day old",
    "the warning says from when the tac is and how old",
)
def test_the_age_of_the_kept_tac_is_said(machine: Machine) -> None:
    machine.url = DOWN
    path = machine.put("buildbot.tac", OLD)
    day_ago = time.time() - 86400 - 60
    os.utime(path, (day_ago, day_ago))
    assert "Z, 1 day, 0:01:" in machine.run().err


@pytest.mark.fault(
    "the allocator sends no tac, and there is no earlier one",
    "exit 4 with the reason; nothing is written",
)
def test_a_bad_page_without_a_last_tac_exits_4_and_leaves_nothing(
    machine: Machine, bad: BadAllocator
) -> None:
    bad.replies = [make_reply(b"<html></html>")]
    done = machine.run()
    assert (done.code, list(machine.home.iterdir())) == (4, [])
    assert "no tac" in done.err


@pytest.mark.fault(
    "the allocator is away, and there is no earlier tac",
    "exit 4: connection refused, how often it asked, and where it looked for a tac",
)
def test_no_allocator_and_no_tac_exits_4(machine: Machine) -> None:
    machine.url = DOWN
    done = machine.run()
    assert done.code == 4
    reason = rf"Connection refused \(asked \d times\); and there is no {machine.tac} to start from"
    assert re.search(reason, done.err)


@pytest.mark.fault(
    "the disk is full while the tac is written",
    "a warning that it can't be written; the worker starts from the last good tac; no "
    "half-written file stays; exit 0",
)
def test_a_disk_that_is_full_leaves_the_last_good_tac(machine: Machine) -> None:
    machine.put("buildbot.tac", OLD)
    machine.prefix = ["/bin/sh", "-c", 'ulimit -f 0; exec "$@"', "sh"]
    process = machine.popen()
    _, err = process.communicate(timeout=60)
    assert (process.returncode, machine.tac.read_bytes()) == (0, OLD)
    assert f"{machine.tac} can't be written: File too large" in err
    assert sorted(path.name for path in machine.basedir.iterdir()) == [
        "buildbot.tac",
        "runslave.lock",
    ]


@pytest.mark.fault(
    "the allocator sends a byte a second", "runslave ends soon after its timeout all the same"
)
def test_a_page_that_drips_does_not_keep_the_process(machine: Machine, bad: BadAllocator) -> None:
    machine.put("buildbot.tac", OLD)
    bad.replies = [Reply(data=make_reply(PAGE).data, drip_s=1.0)]
    started = time.monotonic()
    machine.run()
    assert time.monotonic() - started < 2.0 + 8.0


@pytest.mark.fault(
    "the page's basedir is an expression, not a path",
    "it is never run; exit 2 and a line that says to give -d DIR",
)
def test_an_expression_for_a_basedir_is_never_run(machine: Machine, bad: BadAllocator) -> None:
    evil = machine.home / "evil"
    body = f"basedir = open('{evil}', 'w').name\n"
    bad.replies = [make_reply(make_page(body))]
    done = machine.run(basedir=False)
    assert (done.code, evil.exists()) == (2, False)
    assert "ignored, since it is no plain absolute path: basedir = open(" in done.err
    assert "give -d DIR" in done.err
