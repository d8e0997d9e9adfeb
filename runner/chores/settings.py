"""Settings of the chores that check the machine and halt it; pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

from runner.chores.kinds import (
    AbsolutePath,
    Command,
    Count,
    Gib,
    Limit,
    Pattern,
    Percent,
    Seconds,
    Text,
    Word,
)

FORBID: Mapping[str, str] = {"extra": "forbid"}
Action = Literal["reboot", "shutdown", "terminate"]


@dataclass(frozen=True, kw_only=True, slots=True)
class CheckAmi:
    """Which AMIs there are, and how soon a machine of an older one is recycled.

    `amis` is the list that `watch-pending amis publish` writes: a file, or a URL. Hosts whose name
    one of `skip` matches from its start, as golden ones, are left alone.
    """

    __pydantic_config__: ClassVar[Mapping[str, str]] = FORBID

    amis: Text | None = None
    instance_type: Text | None = None
    ttl_s: Seconds = 10800
    skip: tuple[Pattern, ...] = ()
    action: Action = "terminate"
    timeout_s: Limit = 10


@dataclass(frozen=True, kw_only=True, slots=True)
class Halt:
    """What a halt is, by which commands, and how long nothing else happens after it."""

    __pydantic_config__: ClassVar[Mapping[str, str]] = FORBID

    action: Action = "reboot"
    reboot: Command = "shutdown -r now"
    shutdown: Command = "shutdown -h now"
    terminate: Command = "shutdown -h now"
    min_interval_s: Seconds = 300
    settle_s: Seconds = 240


@dataclass(frozen=True, kw_only=True, slots=True)
class Puppet:
    """How puppet is run, if it is, and what follows where it has changes.

    `changes` says what: they are applied; or puppet only looks, and the machine halts, since puppet
    runs when it boots; or they are told. A file of `reboot_files` that is there asks for a reboot.
    """

    __pydantic_config__: ClassVar[Mapping[str, str]] = FORBID

    mode: Literal["agent", "apply"] | None = None
    manifest: AbsolutePath | None = None
    puppet: Command = "puppet"
    arguments: tuple[Text, ...] = ()
    changes: Literal["apply", "halt", "tell"] = "apply"
    reboot_files: tuple[AbsolutePath, ...] = ()
    lock_wait_s: Seconds = 300
    timeout_s: Limit = 1800

    def find_problems(self) -> Iterator[tuple[tuple[str | int, ...], str]]:
        """Say which values don't go together."""
        if self.mode == "apply" and self.manifest is None:
            yield ("manifest",), "manifest is required with mode: apply"


@dataclass(frozen=True, kw_only=True, slots=True)
class RestartServices:
    """Services that `command` restarts, its last word a service's name; and other commands."""

    __pydantic_config__: ClassVar[Mapping[str, str]] = FORBID

    services: tuple[Word, ...] = ()
    command: Command = "systemctl restart"
    commands: tuple[Command, ...] = ()
    timeout_s: Limit = 60


@dataclass(frozen=True, kw_only=True, slots=True)
class PostFlight:
    """After which builds, on which hosts, after how many rounds and in which state we halt.

    A build is matched by its builder's name, where the log has that, and by its directory. A limit
    of 0 is none. `log` is the worker's, else it is where `runner worker` has it.
    """

    __pydantic_config__: ClassVar[Mapping[str, str]] = FORBID

    halt_after: tuple[Pattern, ...] = ()
    halt_hosts: tuple[Pattern, ...] = ()
    rounds: Count = 0
    min_memory_percent: Percent = 5
    disks: tuple[AbsolutePath, ...] = (Path("/"),)
    min_free_gib: Gib = 0.5
    min_free_inodes: Count = 1000
    log: AbsolutePath | None = None
