"""What a worker's twistd.log says, line by line, of every generation since 0.8; pure."""

import re
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

STAMP = re.compile(r"(\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(?:[.,]\d+)?[+-]\d{4}) \[[^\]]*\] ")


class Kind(StrEnum):
    """What can happen to a worker, as far as its log tells."""

    STARTED = "started"
    WATCHES_STAMP = "watches shutdown.stamp"
    WATCHES_HUP = "watches SIGHUP"
    CONNECTED = "connected"
    DISCONNECTED = "disconnected"
    AUTH_FAILED = "authentication failed"
    DUPLICATE = "duplicate name"
    PING = "ping"
    COMMAND = "command"
    COMMAND_EXIT = "command exit"
    COMMAND_DONE = "command done"
    STOP_HEARD = "stop heard"
    STOP_LOST = "stop lost"
    LEAVING = "leaving"
    TERMINATED = "terminated"
    ENDED = "ended"


@dataclass(frozen=True, kw_only=True, slots=True)
class Event:
    """One line that matters; `text` is the line without its time, `at` that, since 1970."""

    kind: Kind
    text: str
    at: float | None = None


# On the text after the time. There is no line for the end of a build, only for its commands'.
LINES = tuple(
    (re.compile(pattern), kind)
    for pattern, kind in (
        (r"Starting (?:Worker|BuildSlave) -- version", Kind.STARTED),
        (r"Watching .*'s mtime to initiate shutdown$", Kind.WATCHES_STAMP),
        (r"Setting up SIGHUP handler to initiate shutdown$", Kind.WATCHES_HUP),
        (
            r"Connected to (?:\S+:\d+|buildmaster); (?:slave|worker) is ready$",
            Kind.CONNECTED,
        ),
        (r"Stopping factory <", Kind.DISCONNECTED),
        (r"Scheduling retry \d+ to (?:connect|getPerspective)\b", Kind.DISCONNECTED),
        (r"Lost connection to ", Kind.DISCONNECTED),
        (r"Connection to \S+ failed:", Kind.DISCONNECTED),
        (r"unauthorized login; check (?:worker|slave) name and password", Kind.AUTH_FAILED),
        (r"(?:\w+\.remote_print\(.*\): )?message from master: ping$", Kind.PING),
        (r"(?:\S+ )?\(command [^)]*\): startCommand:", Kind.COMMAND),
        (r" ?startCommand:", Kind.COMMAND),
        (
            r"(?:\(command .*\): )?command finished with signal \S+, exit code \S+,",
            Kind.COMMAND_EXIT,
        ),
        (r"\(command [^)]*\): ProtocolCommandBase\.command_complete ", Kind.COMMAND_DONE),
        (r"(?:SlaveBuilder|WorkerForBuilder)\.command(?:Complete|Failed) ", Kind.COMMAND_DONE),
        (r"Initiating shutdown because ", Kind.STOP_HEARD),
        (r"Telling the master we want to shutdown ", Kind.STOP_HEARD),
        (r"(?:worker|slave) shutting down on command from master", Kind.LEAVING),
        (r"No active connection, shutting down NOW", Kind.LEAVING),
        (r"Received SIG(?:TERM|INT|BREAK), shutting down", Kind.TERMINATED),
        (r"(?:Server Shut Down|Main loop terminated)\.$", Kind.ENDED),
    )
)
# On the lines of a traceback, which have no time.
TRACEBACKS = (
    (re.compile(r"\s.*RuntimeError: rejecting duplicate (?:worker|slave)\b"), Kind.DUPLICATE),
    (re.compile(r"\s.*\bCalling Stale Broker\b"), Kind.STOP_LOST),
)


def parse_line(line: str) -> Event | None:
    """Read a line; None where it tells nothing that matters here.

    >>> parse_line("2026-11-21 01:11:45+0000 [-] Server Shut Down.").kind.value
    'ended'
    """
    stamp = STAMP.match(line)
    text = line[stamp.end() :] if stamp else line
    for pattern, kind in LINES if stamp else TRACEBACKS:
        if pattern.match(text):
            at = parse_time(stamp[1]) if stamp else None
            return Event(kind=kind, text=text.strip(), at=at)
    return None


def parse_time(text: str) -> float | None:
    """Read a time as seconds since 1970; None of one that there is not.

    >>> parse_time("1970-01-01 01:00:02,5+0100"), parse_time("1970-13-01 00:00:00+0000")
    (2.5, None)
    """
    try:
        return datetime.fromisoformat(text).timestamp()
    except ValueError:
        return None


@dataclass(frozen=True, kw_only=True, slots=True)
class WorkerLog:
    """What is known of a worker from its log since it started.

    `connected` is None where the log does not say, as when its start was rotated away. `stops_by`
    is how it can be asked to leave: "file", "signal" or None. `builds` have begun, `commands` run
    now. `stop_heard` and `leaving` are steps of a graceful end; a stop that was heard is lost
    with the master that was told.
    """

    started: bool = False
    connected: bool | None = None
    was_connected: bool = False
    stops_by: str | None = None
    builds: int = 0
    pings: int = 0
    commands: int = 0
    auth_failed: bool = False
    duplicate: bool = False
    stop_heard: bool = False
    leaving: bool = False
    terminated: bool = False
    ended: bool = False
    problem: str = ""


def advance(log: WorkerLog, event: Event) -> WorkerLog:
    """Add an event; a start begins anew, so nothing of an earlier worker counts."""
    match event.kind:
        case Kind.STARTED:
            return WorkerLog(started=True, connected=False)
        case Kind.WATCHES_STAMP:
            return replace(log, stops_by="file")
        case Kind.WATCHES_HUP:
            return replace(log, stops_by="signal")
        case Kind.PING | Kind.COMMAND | Kind.COMMAND_EXIT | Kind.COMMAND_DONE:
            return _advance_build(log, event.kind)
        case Kind.STOP_HEARD:
            return replace(log, stop_heard=True)
        case Kind.STOP_LOST:
            return replace(log, stop_heard=False)
        case Kind.LEAVING:
            return replace(log, leaving=True)
        case Kind.TERMINATED:
            return replace(log, terminated=True)
        case Kind.ENDED:
            return replace(log, connected=False, ended=True)
        case _:
            return _advance_connection(log, event)


def _advance_connection(log: WorkerLog, event: Event) -> WorkerLog:
    if event.kind is Kind.CONNECTED:
        good = replace(log, auth_failed=False, duplicate=False, problem="")
        return replace(good, connected=True, was_connected=True, pings=0, commands=0)
    if event.kind is Kind.DISCONNECTED:
        problem = event.text if " failed:" in event.text else log.problem
        lost = replace(log, connected=False, pings=0, commands=0, problem=problem)
        return replace(lost, stop_heard=log.stop_heard and log.leaving)
    if log.connected:  # an environment that a build printed
        return log
    return replace(
        log,
        problem=event.text,
        auth_failed=log.auth_failed or event.kind is Kind.AUTH_FAILED,
        duplicate=log.duplicate or event.kind is Kind.DUPLICATE,
    )


def _advance_build(log: WorkerLog, kind: Kind) -> WorkerLog:
    """Count a build at its first command: a master also pings whom it takes for hung.

    The last command of a build that was interrupted is told after the connection was lost.
    """
    if kind is Kind.COMMAND_EXIT:
        return log
    if log.connected is None:
        log = replace(log, connected=True, was_connected=True)
    if kind is Kind.PING:
        return replace(log, pings=log.pings + 1)
    if kind is Kind.COMMAND:
        return replace(log, builds=log.builds + log.pings, pings=0, commands=log.commands + 1)
    return replace(log, commands=max(0, log.commands - 1))
