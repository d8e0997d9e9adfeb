"""`status` on a farm with EC2's stand-in: what it shows, whatever does not answer."""

import json
import os
import pty
import re
import select
import struct
import subprocess
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from fcntl import ioctl
from pathlib import Path

import pytest
import sqlalchemy as sa

from farmhand.tables.launches import backoffs, instances
from tests import scheduler_schemas
from tests.farm import BUILD, REGIONS, TRY, Farm
from tests.journal import (
    PATIENCE_S,
    add_instance,
    create,
    minutes_ago,
    read,
    runs,
    shared_database,
    write,
)
from tests.stops import add_idle_machine

pytestmark = pytest.mark.integration
FIRST = "bld-linux64-001"
COLUMNS, ROWS = 100, 40


def types(said: dict[str, object]) -> dict[str, dict[str, object]]:
    """Type → what is said of it."""
    return {row["instance_type"]: row for row in said["types"]}  # type: ignore[attr-defined]


def make_busy(farm: Farm) -> None:
    """Let jobs wait, one machine be launched, another idle and one build."""
    farm.add_pending(BUILD, 3, age_s=600)
    farm.add_pending(TRY, 2)
    farm.add_pending("WINNT", 5)
    farm.watch["spot"]["limits"]["global"] |= {"bld-linux64": 1, "try-linux64": 0}
    assert farm.run().code == 0
    add_idle_machine(farm, "bld-linux64-021")
    add_idle_machine(farm, "bld-linux64-022", building=True)


def test_it_shows_what_waits_what_runs_and_what_it_costs(
    farm: Farm, kind: str, request: pytest.FixtureRequest
) -> None:
    with shared_database(kind, farm, request) as database:
        make_busy(farm)
        until = minutes_ago(-9)
        row = {"kind": "quota", "market": "spot", "reason": "too many", "failures": 2}
        with database.begin() as connection:
            connection.execute(
                backoffs.insert().values(
                    **row, scope="a", region="east", began_at=minutes_ago(1), until=until
                )
            )
            connection.execute(
                backoffs.insert().values(
                    **row, scope="b", region="west", began_at=minutes_ago(9), until=minutes_ago(1)
                )
            )
        said = farm.run("status", "--json").json
        bld = types(said)["bld-linux64"]
        assert (bld["pending"], bld["oldest_wait_s"]) == (3, pytest.approx(600, abs=100))
        assert (bld["idle"], bld["busy"], bld["booting"], bld["other"]) == (1, 1, 1, 0)
        assert bld["live"] == {"spot": 1, "on-demand": 2}
        assert bld["limits"] == {"spot": 1, "on-demand": 0}
        assert (bld["usd_per_hour"], bld["unpriced"]) == (0.05, 2)
        assert types(said)["try-linux64"]["pending"] == 2
        assert (said["unmatched"], said["lost"]) == (5, {})
        assert said["masters"] == {"alive": [scheduler_schemas.ACTIVE_MASTER], "silent": []}
        left = {each["scope"]: each["left_s"] for each in said["back_offs"]}
        assert left == {"quota/spot/east": pytest.approx(540, abs=60), "quota/spot/west": 0}
        last = {each["verb"]: each for each in said["runs"]}
        assert (last["run"]["exit_code"], last["stop-idle"]["started_at"]) == (0, None)
        assert any("spot limit" in why for why in last["run"]["why_not"])


def test_it_shows_the_same_as_text_on_one_screen(farm: Farm) -> None:
    make_busy(farm)
    done = farm.run("status")
    assert (done.code, done.err) == (0, "")
    assert len(done.out.splitlines()) < 20
    assert re.search(r"bld-linux64 +3 +\d+ min +1 +1 +1 +· +1/1 +2/0 +0\.05\+", done.out)
    assert "requests whose builder no pattern matches: 5" in done.out


def test_a_machine_that_is_gone_still_costs_what_it_did_today(farm: Farm) -> None:
    database = create(farm.database)
    farm.watch["usd_per_hour"] = {"c7i.xlarge": 0.5}
    add_instance(database, FIRST, seen=minutes_ago(0.1), state="gone")
    write(database, instances.update().values(launched_at=minutes_ago(0.2)))
    said = farm.run("status", "--json").json
    assert (said["usd_per_hour"], 0 < said["usd_today"] < 0.01) == (0, True)


def test_when_a_machine_went_is_the_first_time_that_it_was_seen_gone(farm: Farm) -> None:
    make_busy(farm)
    farm.run()  # which writes down what there is
    [first] = [i for i in farm.ec2.instances() if i["lifecycle"] == "spot"]
    farm.ec2.poke_instance(first["id"], state="terminated")
    farm.run()
    gone = instances.c.instance_id == first["id"]
    write(farm.database, instances.update().where(gone).values(last_seen_at=minutes_ago(7)))
    farm.run()
    [row] = read(farm.database, instances, gone)
    assert row["last_seen_at"] < minutes_ago(6)


def test_it_writes_nothing(farm: Farm) -> None:
    farm.forget_database()
    assert farm.run("status").code == 0
    assert not (farm.directory / "state").exists()
    make_busy(farm)
    before = read(farm.database, instances), read(farm.database, runs)
    farm.run("status", "--metrics-textfile", str(farm.directory / "status.prom"))
    assert (read(farm.database, instances), read(farm.database, runs)) == before
    assert not (farm.directory / "status.prom").exists()


# What does not answer


@pytest.mark.fault(
    "EC2 is slow while status is asked for",
    "NO ANSWER with the region; its machines are shown as last seen; exit 0",
)
def test_ec2_that_is_slow_is_not_waited_for(farm: Farm) -> None:
    make_busy(farm)
    farm.run()  # which writes down what there is
    farm.ec2.add_fault(action="DescribeInstances", region=REGIONS[0], latency_s=60)
    started = time.monotonic()
    done = farm.run("status", "--json")
    assert (done.code, list(done.json["lost"])) == (0, [REGIONS[0]])
    assert time.monotonic() - started < 30
    assert types(done.json)["bld-linux64"]["live"] == {"spot": 1, "on-demand": 2}
    said = farm.run("status").out
    assert re.search("NO ANSWER: us-east-1: .*; its machines as last seen", said)


@pytest.mark.fault(
    "the scheduler database is away while status is asked for",
    "the rest is shown, with NO ANSWER: scheduler database; exit 0",
)
def test_without_the_scheduler_database_the_rest_is_shown(farm: Farm) -> None:
    make_busy(farm)
    farm.watch["scheduler_db"] = "mysql://nobody@127.0.0.1:1/away"
    done = farm.run("status", "--json")
    bld = types(done.json)["bld-linux64"]
    assert (done.code, list(done.json["lost"])) == (0, ["scheduler database"])
    assert (bld["pending"], bld["idle"], bld["live"]) == (None, None, {"spot": 1, "on-demand": 2})
    assert "NO ANSWER: scheduler database" in farm.run("status").out


@pytest.mark.fault(
    "the farm database is away while status is asked for", "exit 4, nothing on stdout"
)
def test_without_the_farm_database_there_is_nothing_to_show(farm: Farm) -> None:
    done = farm.run("status", FARMHAND_DATABASE="mysql://nobody@127.0.0.1:1/away")
    assert (done.code, done.out) == (4, "")


@pytest.mark.parametrize("shape", ["A", "B"])
def test_buildbot_of_old_does_not_say_what_workers_do(
    farm: Farm, shape: scheduler_schemas.Shape, tmp_path: Path
) -> None:
    farm.scheduler = sa.create_engine(f"sqlite:///{tmp_path}/old.sqlite")
    farm.shape = shape
    scheduler_schemas.create_shape(farm.scheduler, shape)
    farm.watch["scheduler_db"] = f"sqlite:///{tmp_path}/old.sqlite"
    farm.add_pending(BUILD, 2)
    said = farm.run("status", "--json").json
    assert (types(said)["bld-linux64"]["pending"], said["lost"]) == (2, {})
    assert (types(said)["bld-linux64"]["idle"], said["masters"]) == (None, None)


# On a terminal


class Screen:
    """A command on a terminal of its own."""

    def __init__(self, process: "subprocess.Popen[bytes]", terminal: int) -> None:
        self.process = process
        self.terminal = terminal
        self.seen = ""

    def read_until(self, text: str) -> None:
        """Read what is drawn until it has this, from here on."""
        deadline = time.monotonic() + PATIENCE_S
        seen = ""
        while text not in seen:
            assert time.monotonic() < deadline, self.seen[-3000:]
            ready, _, _ = select.select([self.terminal], [], [], 0.5)
            if ready:
                seen += os.read(self.terminal, 65536).decode("utf-8", "replace")
                self.seen += seen[-65536:]

    def read_to_the_end(self) -> int:
        """Read until nobody draws any more, for who does waits for its reader; say how it ended."""
        deadline = time.monotonic() + PATIENCE_S
        with suppress(OSError):
            while time.monotonic() < deadline:
                if select.select([self.terminal], [], [], 0.5)[0]:
                    self.seen += os.read(self.terminal, 65536).decode("utf-8", "replace")
        return self.process.wait(PATIENCE_S)

    def type(self, keys: bytes) -> None:
        """Press keys."""
        os.write(self.terminal, keys)


@contextmanager
def on_a_terminal(farm: Farm, *args: str, **environ: str) -> Iterator[Screen]:
    ours, theirs = pty.openpty()
    ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    with subprocess.Popen(
        farm.command(*args),
        env={**farm.environ, "TERM": "xterm", **environ},
        cwd=farm.directory,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        preexec_fn=lambda: os.login_tty(theirs),
    ) as process:
        os.close(theirs)
        try:
            yield Screen(process, ours)
        finally:
            process.kill()
            os.close(ours)


@pytest.mark.fault(
    "the farm database goes away during status --watch",
    "NOT NEWER is shown over the old numbers until it is back; Ctrl-C exits 0",
)
def test_watch_draws_it_again_until_ctrl_c(farm: Farm) -> None:
    database = f"sqlite:///{farm.directory}/shared.db"
    path = farm.directory / "shared.db"
    create(sa.create_engine(database))
    farm.add_pending(BUILD, 3)
    with on_a_terminal(
        farm, "status", "--watch", "0.2", FARMHAND_DATABASE=database, NO_COLOR="1"
    ) as screen:
        screen.read_until("farm test")
        farm.add_pending(BUILD, 4)
        screen.read_until("  7 ")
        away = path.rename(farm.directory / "away.db")
        screen.read_until("NOT NEWER: farm database")
        away.rename(path)
        farm.add_pending(BUILD, 1)
        screen.read_until("  8 ")
        screen.type(b"\x03")
        assert screen.read_to_the_end() == 0


@pytest.mark.fault(
    "status --watch, and the farm database is away",
    "NOTHING TO SHOW; it goes on by itself when the database is back",
)
def test_watch_waits_for_a_database_that_is_away_from_the_start(farm: Farm) -> None:
    path = farm.directory / "shared.db"
    database = f"sqlite:///{path}"
    with on_a_terminal(farm, "status", "--watch", "0.2", FARMHAND_DATABASE=database) as screen:
        screen.read_until("NOTHING TO SHOW")
        create(sa.create_engine(f"sqlite:///{farm.directory}/made.db"))
        (farm.directory / "made.db").rename(path)
        screen.read_until("masters")


@pytest.mark.fault("status --watch without a terminal", "exit 2, a line that names --watch")
@pytest.mark.parametrize("more", [(), ("--json",)], ids=["piped", "json"])
def test_watch_without_a_terminal_is_a_mistake(farm: Farm, more: tuple[str, ...]) -> None:
    done = farm.run("status", "--watch", *more)
    assert (done.code, done.out) == (2, "")
    assert "--watch" in done.err


def test_the_json_is_one_object(farm: Farm) -> None:
    assert set(json.loads(farm.run("status", "--json").out)) == {
        "farm",
        "now",
        "types",
        "unmatched",
        "usd_per_hour",
        "usd_today",
        "back_offs",
        "runs",
        "masters",
        "lost",
    }
