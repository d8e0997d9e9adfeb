"""Commands as processes of their own, forked from a server that has imported what they need.

A command spends most of its time on imports. Each of these is a real process with its own id, to
be killed and stopped as any other; only what `python -m` does before the first line of the program,
and the interpreter's last words after it, are not there.
"""

import json
import multiprocessing
import os
import runpy
import shutil
import signal
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.context import ForkServerContext, ForkServerProcess
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

PRELOADED = (
    "alembic.config",
    "boto3",
    "encodings.idna",
    "farmhand.admin",
    "farmhand.checking",
    "farmhand.config_schema",
    "farmhand.boundary",
    "farmhand.completion",
    "jinja2",
    "multiprocessing.dummy",
    "prometheus_client.bridge.graphite",
    "psycopg",
    "pydantic.dataclasses",
    "pymysql",
    "rich._emoji_codes",
    "rich.table",
    "runner.chores.check_ami",
    "runner.chores.halt",
    "runner.run",
    "runner.status",
    "scanner.run",
    "scanner.verbs.builds",
    "scanner.verbs.daemons",
    "slavealloc.bulk.dbadmin",
    "slavealloc.client.verbs",
    "slavealloc.runslave.cli",
    "slavealloc.serve",
    "sqlite3",
    "sqlalchemy.dialects.mysql",
    "sqlalchemy.dialects.postgresql",
    "sqlalchemy.dialects.sqlite",
    "tests.warm",
    "watch_pending.amis.prune",
    "watch_pending.amis.publish",
    "watch_pending.apply",
    "watch_pending.check.run",
    "watch_pending.cloud",
    "watch_pending.explain",
    "watch_pending.prepare",
    "watch_pending.run",
    "watch_pending.sanity.run",
    "watch_pending.status.run",
    "watch_pending.stop_idle.run",
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Finished:
    """A command that has ended; where a signal ended it, `code` is the signal's, negative."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """What it printed, as JSON."""
        return json.loads(self.out)


@dataclass(frozen=True, kw_only=True, slots=True)
class Command:
    """A command that runs; its output waits in files, so that it never waits for a reader."""

    process: ForkServerProcess
    output: Path

    def send_signal(self, number: signal.Signals) -> None:
        """Send a signal, unless it has ended."""
        assert self.process.pid
        with suppress(ProcessLookupError):
            os.kill(self.process.pid, number)

    @property
    def said(self) -> str:
        """What it has said on stderr until now."""
        return (self.output / "err").read_text("utf-8")

    def finish(self, timeout_s: float) -> Finished:
        """Let it end."""
        self.process.join(timeout_s)
        code = self.process.exitcode
        assert code is not None, "it never ended"
        out, err = ((self.output / name).read_text("utf-8") for name in ("out", "err"))
        shutil.rmtree(self.output)
        return Finished(code=code, out=out, err=err)


def start(module: str, *args: str, environ: Mapping[str, str], directory: Path) -> Command:
    """Start what `python -m` would: in a directory, with nothing else in its environment."""
    context = warm_context()
    output = Path(mkdtemp())
    for name in ("out", "err"):
        (output / name).touch()  # it may be killed before it has opened them
    process = context.Process(target=_become, args=(module, args, environ, directory, output))
    process.start()
    return Command(process=process, output=output)


def warm_context() -> ForkServerContext:
    """Say how processes are forked that have imported what our commands need."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([*PRELOADED, __name__])
    return context


def _become(
    module: str, args: Sequence[str], environ: Mapping[str, str], directory: Path, output: Path
) -> None:
    for descriptor, path in enumerate((Path(os.devnull), output / "out", output / "err")):
        opened = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        os.dup2(opened, descriptor)
        os.close(opened)
    become(module, args, environ, directory)


def become(module: str, args: Sequence[str], environ: Mapping[str, str], directory: Path) -> None:
    """Be what `python -m` would have made of this process; what it has open stays."""
    os.environ.clear()
    os.environ.update(environ)
    os.chdir(directory)
    sys.argv[1:] = args  # run_module sets the first
    runpy.run_module(module, run_name="__main__", alter_sys=True)
