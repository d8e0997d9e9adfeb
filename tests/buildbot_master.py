"""A real Buildbot master, and real workers, as processes of their own on 127.0.0.1.

Nothing of Buildbot is imported here: its reactor cannot be stopped and started within one process.
"""

import contextlib
import functools
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests
import sqlalchemy as sa

from tests.forks import BUILDBOT, Forked, forks_of

START_LIMIT_S = 60.0
STOP_LIMIT_S = 5.0
PASSWORD = "demo"
OUTPUT = "output.log"
_MASTER_TAC = """\
from buildbot.master import BuildMaster
from twisted.application import service
from twisted.python.log import FileLogObserver, ILogObserver
from twisted.python.logfile import LogFile

application = service.Application("buildmaster")
log = LogFile.fromFullPath({basedir!r} + "/twistd.log")
application.setComponent(ILogObserver, FileLogObserver(log).emit)
BuildMaster({basedir!r}, "master.cfg").setServiceParent(application)
"""
_MASTER_CFG = """\
import json

from buildbot.plugins import schedulers, steps, util, worker

with open({settings!r}) as file:
    farm = json.load(file)
local = "tcp:{{}}:interface=127.0.0.1"
command = ["sleep", str(farm["build_seconds"])]
if farm["left_behind"]:
    command = ["sh", "-c", "setsid sleep 600 >/dev/null 2>&1 & exec sleep " + command[1]]
factory = util.BuildFactory([steps.ShellCommand(command=command, usePTY=False)])
c = BuildmasterConfig = {{
    "title": "demo farm",
    "buildbotURL": "http://127.0.0.1:{{}}/".format(farm["www_port"]),
    "buildbotNetUsageData": None,
    "db": {{"db_url": farm["db_url"]}},
    "collapseRequests": False,
    "protocols": {{"pb": {{"port": local.format(farm["pb_port"])}}}},
    "workers": [worker.Worker(name, farm["password"], max_builds=1) for name in farm["workers"]],
    "builders": [
        util.BuilderConfig(name=name, workernames=names, factory=factory)
        for name, names in farm["builders"].items()
    ],
    "schedulers": [schedulers.ForceScheduler(name="force", builderNames=list(farm["builders"]))],
}}
if farm["with_www"]:
    c["www"] = {{"port": local.format(farm["www_port"]), "plugins": {{}}}}
"""
_WORKER_TAC = """\
from buildbot_worker.bot import Worker
from twisted.application import service
from twisted.python.log import FileLogObserver, ILogObserver
from twisted.python.logfile import LogFile

application = service.Application("buildbot-worker")
log = LogFile.fromFullPath({basedir!r} + "/twistd.log")
application.setComponent(ILogObserver, FileLogObserver(log).emit)
worker = Worker(
    "127.0.0.1", {port}, {name!r}, {password!r}, {basedir!r}, 600, allow_shutdown="signal"
)
worker.setServiceParent(application)
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class BuildbotMaster:
    """A running master; `force`, `pending` and `rest` need its www."""

    basedir: Path
    db_url: str  # as given, else sqlite with an absolute path
    pb_port: int
    www_url: str | None
    process: Forked

    def rest(self, path: str, method: str | None = None, **params: object) -> Any:
        """GET /api/v2/`path`, or call one of its methods there: pause, unpause, stop, force …

        The answer to a call comes before the database has changed.
        """
        assert self.www_url is not None, "this master has no www"
        url = f"{self.www_url}/api/v2/{path}"
        if method is None:
            answer = _get(url)
        else:
            call = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
            answer = requests.post(url, json=call, timeout=10)
        if not answer.ok:
            raise RuntimeError(f"{path} {method}: {answer.status_code} {answer.text}")
        return answer.json() if method is None else answer.json()["result"]

    def pause(self, worker: str, reason: str = "test") -> bool:
        """Pause a worker, and say whether the database says so; to be repeated until it does.

        What Buildbot writes when a worker has just come may overtake what it writes of its pause,
        and be there a moment later: it is paused when it stays so.
        """
        self.rest(f"workers/{worker}", "pause", reason=reason)
        for _ in range(10):
            if not self.rest(f"workers/{worker}")["workers"][0]["paused"]:
                return False
            time.sleep(0.05)
        return True

    def force(self, builder: str, count: int = 1, priority: int = 0) -> list[int]:
        """Ask for `count` builds and return their request ids."""
        ids = []
        for _ in range(count):
            given = {"builderNames": [builder], "priority": str(priority), "reason": "test"}
            _, requested = self.rest("forceschedulers/force", "force", **given)
            ids += [int(brid) for brid in requested.values()]
        return ids

    def pending(self) -> dict[str, int]:
        """Return builder → unclaimed requests, without the builders that have none."""
        names = {row["builderid"]: row["name"] for row in self.rest("builders")["builders"]}
        waiting = self.rest("buildrequests?complete=false&claimed=false")["buildrequests"]
        return dict(Counter(names[row["builderid"]] for row in waiting))

    @contextlib.contextmanager
    def worker(self, name: str, *, host: str | None = None) -> Iterator["WorkerProcess"]:
        """Run a worker that is connected; `host` is what it tells of its machine."""
        basedir = self.basedir.parent / f"{self.basedir.name}-{name}"
        (basedir / "info").mkdir(parents=True, exist_ok=True)
        if host is not None:
            (basedir / "info/host").write_text(f"{host}\n")
        fields = {"port": self.pb_port, "name": name, "password": PASSWORD}
        tac = _WORKER_TAC.format(basedir=str(basedir), **fields)
        with _running_twistd(basedir, tac) as process:
            _wait_for_log(
                process,
                basedir / "twistd.log",
                r"Connected to buildmaster; worker is ready",
                failure=r"unauthorized login|rejecting duplicate worker",
            )
            yield WorkerProcess(name=name, basedir=basedir, process=process)


@dataclass(frozen=True, kw_only=True, slots=True)
class WorkerProcess:
    """A worker that was connected when it was yielded."""

    name: str
    basedir: Path
    process: Forked

    def finish(self) -> int:
        """Ask it to leave after its build, as the runner does, and return its exit code."""
        self.process.send_signal(signal.SIGHUP)
        return self.process.wait(60)


@contextlib.contextmanager
def running_master(
    directory: Path,
    *,
    builders: Sequence[str] | Mapping[str, Sequence[str]],
    db_url: str | None = None,
    workers: Sequence[str] = ("demo-worker",),
    build_seconds: float = 1.0,
    left_behind: bool = False,
    with_www: bool = True,
    pb_port: int = 0,
    www_port: int = 0,
    more_cfg: str = "",
) -> Iterator[BuildbotMaster]:
    """Run a master in `directory`/master, with one force scheduler for all builders.

    Each worker builds one thing at a time, for `build_seconds`, and, with `left_behind`, leaves a
    process that goes on. `builders` may say which workers
    each has, else all. A master that shall come back where it was needs ports of its own."""
    basedir = directory.absolute() / "master"
    basedir.mkdir(parents=True, exist_ok=True)
    url = f"sqlite:///{basedir}/state.sqlite" if db_url is None else db_url
    given = builders if isinstance(builders, Mapping) else dict.fromkeys(builders, workers)
    settings = {
        "builders": dict(given),
        "workers": list(workers),
        "pb_port": pb_port,
        "www_port": www_port,
        "build_seconds": build_seconds,
        "left_behind": left_behind,
        "with_www": with_www,
        "password": PASSWORD,
        "db_url": _buildbot_url(url),
    }
    (basedir / "farm.json").write_text(json.dumps(settings))
    cfg = _MASTER_CFG.format(settings=str(basedir / "farm.json"))
    (basedir / "master.cfg").write_text(cfg + more_cfg)
    _create_tables(basedir, url)
    with _running_twistd(basedir, _MASTER_TAC.format(basedir=str(basedir))) as process:
        failure = r"BuildMaster startup failed|Configuration Errors"
        log = basedir / "twistd.log"
        text = _wait_for_log(process, log, r"BuildMaster is running", failure=failure)
        listening = _find_port(text, "BuildbotSite") if with_www else None
        yield BuildbotMaster(
            basedir=basedir,
            db_url=url,
            pb_port=_find_port(text, "PBServerFactory"),
            www_url=None if listening is None else f"http://127.0.0.1:{listening}",
            process=process,
        )


def _get(url: str) -> requests.Response:
    """Ask, and once more: Buildbot 4.3 writes from a thread, so answers may break off."""
    with contextlib.suppress(requests.RequestException):
        return requests.get(url, timeout=3)
    return requests.get(url, timeout=10)


def _buildbot_url(db_url: str) -> str:
    """Return the URL for master.cfg: with a driver, and InnoDB where Buildbot takes MyISAM."""
    url = sa.make_url(db_url)
    if url.drivername == "postgresql":
        url = url.set(drivername="postgresql+psycopg")
    if url.get_backend_name() == "mysql":
        url = url.set(drivername="mysql+pymysql").update_query_dict({"storage_engine": "InnoDB"})
    return url.render_as_string(hide_password=False)


def _create_tables(basedir: Path, db_url: str) -> None:
    state = basedir / "state.sqlite"
    if db_url != f"sqlite:///{state}":
        with tempfile.TemporaryDirectory() as folder:
            _create_master(Path(folder), _buildbot_url(db_url))
    elif not state.exists():
        state.write_bytes(_empty_sqlite())


@functools.cache
def _empty_sqlite() -> bytes:
    """Return a new master's database; Buildbot takes a second to make one."""
    with tempfile.TemporaryDirectory() as folder:
        _create_master(Path(folder), "sqlite:///state.sqlite")
        return (Path(folder) / "state.sqlite").read_bytes()


def _create_master(folder: Path, db_url: str) -> None:
    """Make the tables, or bring them up to date, through a basedir that is thrown away."""
    words = [_program("buildbot"), "create-master", "--quiet", f"--db={db_url}", "."]
    with _started(words, folder) as process:
        code = process.wait(START_LIMIT_S)
    if code != 0:
        raise RuntimeError(f"buildbot create-master failed:\n{(folder / OUTPUT).read_text()}")


def _program(name: str) -> str:
    return str(Path(sys.executable).with_name(name))


@contextlib.contextmanager
def _running_twistd(basedir: Path, tac: str) -> Iterator[Forked]:
    (basedir / "buildbot.tac").write_text(tac)
    (basedir / "twistd.log").unlink(missing_ok=True)
    options = ["--nodaemon", "--no_save", "--umask=022", "--pidfile=twistd.pid"]
    with _started([_program("twistd"), *options, "--python=buildbot.tac"], basedir) as process:
        yield process


@contextlib.contextmanager
def _started(words: Sequence[str], folder: Path) -> Iterator[Forked]:
    """Have a program of Buildbot's; it prints to a file."""
    with (folder / OUTPUT).open("ab") as output:
        process = forks_of(BUILDBOT).start(
            words,
            directory=folder,
            # A worker sends its whole environment to the master.
            environ={name: os.environ[name] for name in ("HOME", "PATH") if name in os.environ},
            output=output,
            new_session=True,
        )
    try:
        yield process
    finally:
        _end(process)


def _end(process: Forked) -> None:
    """Stop a process cleanly, or by force: a master waits forever for a build that it lost."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(STOP_LIMIT_S)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _wait_for_log(process: Forked, log: Path, wanted: str, *, failure: str) -> str:
    """Return the log's text as soon as it has what is wanted."""
    deadline = time.monotonic() + START_LIMIT_S
    while True:
        ended = process.poll() is not None
        text = log.read_text(errors="replace") if log.exists() else ""
        if re.search(wanted, text):
            return text
        if ended or re.search(failure, text) or time.monotonic() > deadline:
            output = (log.parent / OUTPUT).read_text(errors="replace")
            raise RuntimeError(f"{log} does not say '{wanted}':\n{text[-3000:]}{output[-2000:]}")
        time.sleep(0.02)


def _find_port(log: str, site: str) -> int:
    match = re.search(rf"{site} starting on (\d+)", log)
    assert match is not None, f"the log shows no port of {site}"
    return int(match[1])
