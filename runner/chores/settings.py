"""Settings of the chores that check the machine and halt it; pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

from runner.chores.kinds import Command, Pattern, Seconds, Text

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
    timeout_s: Seconds = 10


@dataclass(frozen=True, kw_only=True, slots=True)
class Halt:
    """What a halt is, by which commands, and how long nothing else happens after it."""

    __pydantic_config__: ClassVar[Mapping[str, str]] = FORBID

    action: Action = "reboot"
    reboot: Command = "shutdown -r now"
    shutdown: Command = "shutdown -h now"
    terminate: Command = "shutdown -h now"
    min_interval_s: Seconds = 600
    settle_s: Seconds = 300
