"""`scanner probe`: what a daemon says, without any database."""

from farmhand.command import Result, Run
from scanner.classify import read_tail
from scanner.transport.calls import Limits, Transport, run_calls
from scanner.transport.wire import DaemonInfo, Status
from scanner.verbs.change import show_one


def probe_daemon(run: Run, url: str) -> Result:
    """Ask a daemon what it is and what it does. Raises what the transport raises."""
    info, status = run_calls(_ask(Transport(Limits()), url))
    document = {
        "url": url,
        "dialect": status.dialect.value,
        "protocol": info.version,
        "version": status.version,
        "arch_tag": info.arch_tag,
        "build_types": list(info.build_types),
        "state": status.state.value,
        "build_status": status.build_status,
        "cookie": status.cookie,
        "files": sorted(status.files),
        "dependencies": status.dependencies,
        "log_tail": read_tail(status),
    }
    return show_one(run, document)


async def _ask(transport: Transport, url: str) -> tuple[DaemonInfo, Status]:
    return await transport.info(url), await transport.status(url)
