"""The `slavealloc:` and `runslave:` sections of farmhand.yml as frozen dataclasses; pure."""

from dataclasses import dataclass
from typing import ClassVar

from pydantic import ConfigDict, SecretStr

from farmhand.validation import HttpUrl, NonEmpty, Seconds


@dataclass(frozen=True, kw_only=True, slots=True)
class SlaveAlloc:
    """How the server serves, and where its command line finds it.

    A worker that did not ask for its tac within `counted_s` no longer counts as one of its
    master's. `default_template` is for workers that have none of their own. `api_token` is what
    the command line shows; with `machines_need_token` machines show one too.
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    api_url: HttpUrl | None = None
    api_token: SecretStr | None = None
    counted_s: Seconds = 86400
    default_template: NonEmpty = "buildbot-worker"
    machines_need_token: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class RunSlave:
    """What `runslave` does where its options say nothing; SLAVE in the URL is the worker's name.

    `token_file` holds what it shows an allocator that asks machines for a token.
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    allocator_url: HttpUrl = "http://slavealloc/gettac/SLAVE"
    basedir: NonEmpty | None = None
    twistd_cmd: NonEmpty | None = None
    timeout_s: Seconds = 60
    token_file: NonEmpty | None = None
