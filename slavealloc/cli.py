"""The `slavealloc` command: verbs and options. What a verb needs is imported inside it."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from farmhand.command import Result, Run, farm_command
from farmhand.errors import BadInput
from slavealloc.client import cli as master_cli
from slavealloc.client.completion import complete_masters, complete_workers
from slavealloc.doors import cli as token_cli
from slavealloc.groups import database_option, main, secrets_option, server_option, url_of_database

if TYPE_CHECKING:
    from slavealloc.client.whom import Whom
    from slavealloc.settings import Settings

__all__ = ["main"]

# Each adds its verbs to their groups, below `main`.
MODULES = (master_cli, token_cli)
path = click.Path(path_type=Path)


@farm_command(main, "serve", command="slavealloc", changes=False, deadline_s=math.inf)
@url_of_database
@secrets_option
@click.option("--host", default="127.0.0.1", show_default=True, help="Listen there.")
@click.option("--port", type=click.IntRange(0, 65535), default=1080, show_default=True)
@click.option("--dev", is_flag=True, help="Start again whenever the code changes.")
@click.option("--no-ui", is_flag=True, help="Without the pages.")
@click.option("--no-allocator", is_flag=True, help="Without /gettac.")
def serve(run: Run, host: str, port: int, dev: bool, **options: Any) -> Result:
    """Serve /gettac/NAME to machines, and pages and the REST API to people.

    Any number of these may serve one database; put them behind nginx.

    \b
    Examples:
      slavealloc serve
      slavealloc serve -D sqlite:///slavealloc.db --dev
    """
    from slavealloc.serve import Service, serve_forever

    service = Service(
        config_path=str(run.config_path) if run.config_path else None,
        secrets=str(options["secrets"]) if options["secrets"] else None,
        url=options["url"],
        pages=not options["no_ui"],
        allocator=not options["no_allocator"],
        host=run.host,
    )
    return serve_forever(run, service, host, port, dev=dev)


@farm_command(main, "dbinit", command="slavealloc", changes=True)
@database_option
@click.option("--force", is_flag=True, help="Even where that forgets workers and masters.")
@click.argument("dump", required=False, type=path)
def dbinit(run: Run, settings: Settings, force: bool, dump: Path | None) -> Result:
    """Create the tables, empty, or filled from a DUMP.

    \b
    Example:
      slavealloc dbinit -D sqlite:///slavealloc.db
    """
    from slavealloc.bulk.dbadmin import init_database

    return init_database(run, settings, dump, force=force)


@farm_command(main, "dbdump", command="slavealloc", changes=True)
@database_option
@click.argument("file", required=False, type=path)
def dbdump(run: Run, settings: Settings, file: Path | None) -> Result:
    """Write workers, masters and all that belongs to them as JSON lines, to stdout or a FILE.

    It holds the workers' passwords: let nobody else read it.
    """
    from slavealloc.bulk.dbadmin import dump_database

    return dump_database(run, settings, file)


@farm_command(main, "dbload", command="slavealloc", changes=True)
@database_option
@click.option("--scrub", is_flag=True, help="Give every secret another value, for a staging copy.")
@click.argument("file", type=path)
def dbload(run: Run, settings: Settings, scrub: bool, file: Path) -> Result:
    """Load a dump into an empty database, of any of the three kinds; all of it or nothing."""
    from slavealloc.bulk.dbadmin import load_database

    return load_database(run, settings, file, scrub=scrub)


@farm_command(main, "dbimport", command="slavealloc", changes=True)
@database_option
@click.option("--slave-data", type=path, help="CSV: name, basedir, pool, distro, bitlength, …")
@click.option("--master-data", type=path, help="CSV: nickname, fqdn, http_port, pb_port, …")
@click.option("--master-json", type=path, help="production-masters.json.")
@click.option("--password-data", type=path, help="CSV: pool, distro (* for all), password.")
@click.option("--jacuzzi-data", type=path, help="CSV: builder, worker.")
@click.option("--tac-template", "templates", type=path, multiple=True, help="NAME.tac.j2")
@click.option("--enable", is_flag=True, help="Enable what is new; else it waits to be enabled.")
def dbimport(run: Run, settings: Settings, enable: bool, **files: Any) -> Result:
    """Add or change workers, masters, passwords, jacuzzis and templates from files.

    Twice is the same as once; what a file does not mention stays as it is. Pools and the like that
    are missing are created. docs/slavealloc.md lists the columns.
    """
    from slavealloc.bulk.dbadmin import import_files

    return import_files(run, settings, enable=enable, **files)


@farm_command(main, "gettac", command="slavealloc", changes=True, taken="nq")
@server_option
@click.option("-n", "--noop", is_flag=True, help="Ask, but record nothing; as --dry-run.")
@click.option("-q", "only_say", is_flag=True, help="Print no tac, just which master it names.")
@click.argument(
    "slaves", nargs=-1, required=True, metavar="SLAVE…", shell_complete=complete_workers
)
def gettac(run: Run, whom: Whom, noop: bool, only_say: bool, slaves: tuple[str, ...]) -> Result:
    """Print the buildbot.tac each SLAVE would get, and record it as if the machine had asked."""
    from slavealloc.client.verbs import print_tacs

    return print_tacs(run, whom, slaves, record=not noop, show=not only_say)


@farm_command(main, "lock", command="slavealloc", changes=True)
@server_option
@click.option("-u", "--unlock", is_flag=True, help="Let it go to any master again.")
@click.argument("slave", shell_complete=complete_workers)
@click.argument("master", required=False, shell_complete=complete_masters)
def lock(run: Run, whom: Whom, unlock: bool, slave: str, master: str | None) -> Result:
    """Send SLAVE to MASTER from its next start on, whatever the balance.

    \b
    Examples:
      slavealloc lock bld-linux64-007 bm81-build1
      slavealloc lock -u bld-linux64-007
    """
    from slavealloc.client.verbs import lock_worker, unlock_worker

    if unlock and master is None:
        return unlock_worker(run, whom, slave)
    if unlock or master is None:
        raise BadInput("give SLAVE and MASTER, or -u and SLAVE")
    return lock_worker(run, whom, slave, master)


@farm_command(main, "disable", command="slavealloc", changes=True)
@server_option
@click.option("-m", "--message", "note", metavar="NOTE", help="Why; replaces its notes.")
@click.option("-e", "--enable", is_flag=True, help="Deprecated: use `slavealloc enable`.")
@click.argument("slave", shell_complete=complete_workers)
def disable(run: Run, whom: Whom, note: str | None, enable: bool, slave: str) -> Result:
    """Let SLAVE start no more; what it runs now ends first.

    \b
    Example:
      slavealloc disable bld-linux64-007 -m "bug 123456: disk errors"
    """
    from slavealloc.client.verbs import set_enabled

    return set_enabled(run, whom, slave, enabled=enable, note=note)


@farm_command(main, "enable", command="slavealloc", changes=True)
@server_option
@click.option("-m", "--message", "note", metavar="NOTE", help="Replaces its notes.")
@click.argument("slave", shell_complete=complete_workers)
def enable(run: Run, whom: Whom, note: str | None, slave: str) -> Result:
    """Let SLAVE start again."""
    from slavealloc.client.verbs import set_enabled

    return set_enabled(run, whom, slave, enabled=True, note=note)


@farm_command(main, "notes", command="slavealloc", changes=True)
@server_option
@click.option("-m", "--message", "note", metavar="NOTE", help="Replaces them.")
@click.argument("slave", shell_complete=complete_workers)
def notes(run: Run, whom: Whom, note: str | None, slave: str) -> Result:
    """Print what is noted about SLAVE, or note something else."""
    from slavealloc.client.verbs import print_notes, set_notes

    if note is None:
        return print_notes(run, whom, slave)
    return set_notes(run, whom, slave, note)


@farm_command(main, "workers", command="slavealloc", changes=False)
@server_option
@click.option("--pool", multiple=True, help="Only of this pool; repeatable.")
@click.option("--purpose", multiple=True, help="Only for this purpose; repeatable.")
@click.option("--environment", multiple=True, help="Only of this environment; repeatable.")
@click.option("--enabled/--disabled", default=None, help="Only those.")
def workers(run: Run, whom: Whom, **filters: Any) -> Result:
    """List workers: their master, their lock, when they last asked, their notes."""
    from slavealloc.client.verbs import list_workers

    return list_workers(run, whom, filters)


@farm_command(main, "masters", command="slavealloc", changes=False)
@server_option
def masters(run: Run, whom: Whom) -> Result:
    """List masters, and how many workers each serves."""
    from slavealloc.client.verbs import list_masters

    return list_masters(run, whom)


@farm_command(main, "history", command="slavealloc", changes=False)
@server_option
@click.argument("slave", shell_complete=complete_workers)
def history(run: Run, whom: Whom, slave: str) -> Result:
    """List the masters SLAVE was sent to, and who changed it, newest first, and why."""
    from slavealloc.client.verbs import show_history

    return show_history(run, whom, slave)


if __name__ == "__main__":
    main()
