"""The `slavealloc:` and `runslave:` sections of farmhand.yml as frozen dataclasses; pure."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from pydantic import ConfigDict, SecretStr

from farmhand.validation import HttpUrl, NonEmpty, Problem, Seconds


@dataclass(frozen=True, kw_only=True, slots=True)
class SlaveAlloc:
    """How the server serves, and where its command line finds it.

    A worker that did not ask for its tac within `counted_s` no longer counts as one of its
    master's. `default_template` is for workers that have none of their own. `api_token` is what
    the command line shows; with `machines_need_token` machines show one too. `bug_links`: pattern →
    URL, in which `\\1` is what the pattern's first group found.
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    api_url: HttpUrl | None = None
    api_token: SecretStr | None = None
    counted_s: Seconds = 86400
    default_template: NonEmpty = "buildbot-worker"
    machines_need_token: bool = False
    bug_links: Mapping[NonEmpty, HttpUrl] = field(default_factory=dict)

    def find_problems(self) -> Iterator[Problem]:
        """Yield patterns that can't work, and URLs that ask for more than their pattern finds."""
        for pattern, url in self.bug_links.items():
            try:
                groups = re.compile(pattern).groups
            except re.error as err:
                yield Problem(("bug_links", pattern), f"the pattern does not compile: {err}")
                continue
            asked = max(map(int, re.findall(r"\\(\d)", url)), default=0)
            if asked > groups:
                message = f"the URL asks for \\{asked}, and the pattern has {groups} groups"
                yield Problem(("bug_links", pattern), message)


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
