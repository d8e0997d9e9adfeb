"""The settings of every chore, by its name; pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar

from runner.chores.disk_settings import Cleanup, Clobber, PurgeBuilds
from runner.chores.repo_settings import Checkout, UpdateSharedRepos
from runner.chores.settings import CheckAmi, Halt, PostFlight, Puppet, RestartServices
from runner.chores.strays_settings import CleanSlate


@dataclass(frozen=True, kw_only=True, slots=True)
class Chores:
    """What each chore is told; a field's name is the chore's."""

    __pydantic_config__: ClassVar[Mapping[str, str]] = {"extra": "forbid"}

    check_ami: CheckAmi = field(default_factory=CheckAmi)
    puppet: Puppet = field(default_factory=Puppet)
    checkout: Checkout = field(default_factory=Checkout)
    update_shared_repos: UpdateSharedRepos = field(default_factory=UpdateSharedRepos)
    post_flight: PostFlight = field(default_factory=PostFlight)
    restart_services: RestartServices = field(default_factory=RestartServices)
    cleanslate: CleanSlate = field(default_factory=CleanSlate)
    cleanup: Cleanup = field(default_factory=Cleanup)
    clobber: Clobber = field(default_factory=Clobber)
    purge_builds: PurgeBuilds = field(default_factory=PurgeBuilds)
    halt: Halt = field(default_factory=Halt)


NAMES = tuple(each.name for each in fields(Chores))


def find_problems(settings: Any) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Say which values of a chore don't go together: a path below it, and a message."""
    if hasattr(settings, "find_problems"):
        yield from settings.find_problems()
