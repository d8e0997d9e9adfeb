"""What each Buildbot master and worker would import, imported once before they are forked.

Imported by the server they are forked from, and by nothing else.
"""

import importlib
import sys

import twisted.plugin
from buildbot.plugins import schedulers, steps, util, worker
from twisted.application.service import IServiceMaker

for module in (
    "buildbot.master",
    "buildbot.scripts.create_master",
    "buildbot.scripts.runner",
    "buildbot_worker.bot",
    "sqlalchemy.dialects.sqlite",
    "twisted.scripts.twistd",
):
    importlib.import_module(module)
# Found through what all installed packages say of themselves.
FOUND = (schedulers.ForceScheduler, steps.ShellCommand, util.BuildFactory, worker.Worker)
SUBCOMMANDS = [*twisted.plugin.getPlugins(IServiceMaker)]


def wake() -> None:
    """Have a reactor with files of its own."""
    reactor = sys.modules["twisted.internet.reactor"]
    type(reactor).__init__(reactor)  # type: ignore[call-arg]
