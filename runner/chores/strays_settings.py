"""Settings of the chore that ends strays; pure."""

from dataclasses import dataclass
from typing import Literal

from runner.chores.kinds import Seconds, Text
from runner.chores.settings import FORBID


@dataclass(frozen=True, kw_only=True, slots=True)
class CleanSlate:
    """The `owner` whose processes are ended, but for those that were there at boot.

    `protect` has patterns of names: such a process and all below it are spared.
    """

    __pydantic_config__ = FORBID

    owner: Text | None = None
    protect: tuple[Text, ...] = ("sshd*",)
    grace_s: Seconds = 5
    when_left: Literal["go-on", "retry", "halt"] = "halt"
