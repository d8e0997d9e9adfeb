"""What a hostile daemon does to us: an error that names it, in time, and in little memory."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.daemon import Daemon
from tests.daemon_attacks import ENDLESS, ON_CALLS, Attack
from tests.daemon_server import running_daemons

pytestmark = pytest.mark.integration

MOST_MIB = 150
MOST_FILES = 1 << 14
WORDS = {
    "gzip bomb": "compressed",
    "compressed chunks": "transfer encoding",
    "endless chunks": "more than",
    "endless small chunks": "more than",
    "endless chunk extension": "more than",
    "endless trailers": "more than",
    "endless headers": "more than",
    "endless header": "more than",
    "100 for ever": "HTTP 100",
    "body larger than agreed": "999999999 bytes",
    "body without a length": "no Content-Length",
    "entity bomb": "DOCTYPE",
    "external entity": "DOCTYPE",
    "entity bomb in UTF-16": "no UTF-8",
    "a million members": "more than|bytes",
    "members up to the cap": "tags, entities and lines",
    "deep arrays": "bytes",
    "deep arrays up to the cap": "tags, entities and lines",
    "long text up to the cap": "text, not a list",
    "a redirect": "HTTP 302",
    "an error of the server's": "HTTP 500",
    "breaks off": "breaks off",
    "no HTTP": "no HTTP",
}
"""Attack → what must stand in the error; the others' words are the parser's."""


@contextmanager
def attacking(attacks: Mapping[str, Attack], honest: int = 0) -> Iterator[Sequence[Daemon]]:
    """Have a daemon for each attack, and some that are honest."""
    daemons = [Daemon() for _ in range(len(attacks) + honest)]
    for daemon, attack in zip(daemons, attacks.values(), strict=False):
        daemon.attack("*", attack)
    with running_daemons(*daemons):
        yield daemons


def ask(
    how: str,
    deadline_s: float,
    daemons: Sequence[Daemon],
    files: str = f"{MOST_FILES},{MOST_FILES}",
) -> dict[str, Any]:
    """Ask them all in a process of its own."""
    words = ["-m", "tests.daemon_client", how, str(deadline_s), files]
    urls = [daemon.url for daemon in daemons]
    root = Path(__file__).parent.parent.parent
    command = [sys.executable, *words, *urls]
    done = subprocess.run(
        command, cwd=root, capture_output=True, text=True, check=True, timeout=100
    )
    assert done.stderr == ""
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


@pytest.mark.fault(
    "instead of a reply, a daemon sends: {id}",
    "one short printable protocol error that names daemon and call; memory stays under the cap",
    each=ON_CALLS,
)
@pytest.mark.parametrize("how", ["one-by-one", "at-once"])
def test_every_attack_ends_in_one_error_and_little_memory(how: str) -> None:
    with attacking(ON_CALLS) as daemons:
        found = ask(how, 30, daemons)
    assert found["peak_mib"] <= MOST_MIB
    kinds = {name: kind for name, (kind, _, _) in zip(ON_CALLS, found["answers"], strict=True)}
    assert set(kinds.values()) == {"ProtocolError", "TooLarge"}
    for name, daemon, (_, message, _) in zip(ON_CALLS, daemons, found["answers"], strict=True):
        assert message.startswith(f"{daemon.url}: status: "), name
        assert message.isprintable(), name
        assert len(message) < 200, name
        assert any(word in message for word in WORDS.get(name, "").split("|")), (name, message)


@pytest.mark.fault(
    "daemons never end their reply: {id}", "forty of them together cost one deadline", each=ENDLESS
)
def test_who_never_ends_costs_the_deadline_once_together() -> None:
    endless = {f"{name} {n}": attack for name, attack in ENDLESS.items() for n in range(10)}
    with attacking(endless, honest=10) as daemons:
        found = ask("at-once", 2, daemons)
    hostile, honest = found["answers"][:40], found["answers"][40:]
    assert {kind for kind, _, _ in hostile} == {"Unreachable"}
    assert {message.partition(": ")[2] for _, message, _ in hostile} == {
        "status: no whole answer within 2 s"
    }
    assert max(took_s for _, _, took_s in hostile) < 4
    assert [(kind, state) for kind, state, _ in honest] == [("Status", "IDLE")] * 10


def test_files_are_as_many_as_the_host_gives() -> None:
    with attacking({}, honest=100) as daemons:
        found = ask("at-once", 30, daemons, files="64,512")
    assert found["files"] == 512
    assert {kind for kind, _, _ in found["answers"]} == {"Status"}


@pytest.mark.fault(
    "the host has too few file descriptors for all daemons at once",
    "it is our own trouble: no daemon is blamed",
)
def test_too_few_files_are_no_fault_of_the_daemons() -> None:
    with attacking({str(number): ENDLESS["hangs"] for number in range(100)}) as daemons:
        found = ask("at-once", 1, daemons, files="64,64")
    kinds = [kind for kind, _, _ in found["answers"]]
    assert set(kinds) == {"HostExhausted", "Unreachable"}
    words = {message.partition(": ")[2] for kind, message, _ in found["answers"] if kind[0] == "H"}
    assert words == {"status: this host can't connect: Too many open files"}


def test_a_drip_that_ends_in_time_is_an_answer() -> None:
    daemon = Daemon()
    daemon.delay_s = 0.2
    began = time.perf_counter()
    with running_daemons(daemon):
        found = ask("one-by-one", 5, [daemon])
    assert found["answers"][0][0] == "Status"
    assert time.perf_counter() - began < 5
