"""The `scanner` command: verbs and options. What a verb needs is imported inside it."""

import click

from farmhand.command import Result, Run, farm_command
from scanner.verbs import build_cli, daemon_cli, queue_cli
from scanner.verbs.groups import main
from scanner.verbs.options import secrets_option, with_settings

__all__ = ["main"]
# Each adds its verbs to their groups, below `main`.
MODULES = (build_cli, daemon_cli, queue_cli)
# Longer than a daemon may take to fetch a file.
SCAN_DEADLINE_S = 900.0


@farm_command(main, "scan", command="scanner", changes=True, deadline_s=SCAN_DEADLINE_S)
@click.option("--daemon", "only", multiple=True, metavar="NAME", help="Only it; repeatable.")
@click.option("--no-dispatch", is_flag=True, help="Start nothing new.")
@secrets_option
def scan(run: Run, only: tuple[str, ...], no_dispatch: bool, **options: str) -> Result:
    """Look at every daemon once: collect what has ended, start what waits.

    \b
    Examples:
      scanner scan --dry-run               what would the next scan do?
      scanner scan -q --metrics-textfile /var/lib/node_exporter/scanner.prom

    \b
    Exit codes: 0 done; 2 bad configuration; 3 a daemon was disabled, or something could not be
    stored or published; 4 the database did not answer; 75 another scan is at work on this host.
    """
    from scanner.run import scan_once

    return scan_once(run, with_settings(run, options), only, takes_jobs=not no_dispatch)


@farm_command(main, "probe", command="scanner", changes=False, deadline_s=60)
@click.argument("url")
def probe(run: Run, url: str) -> Result:
    """Ask a daemon what it is and what it does; no database is needed.

    \b
    Example:
      scanner probe http://daemon1.example.com:8221
    """
    from scanner.verbs.probe import probe_daemon

    return probe_daemon(run, url)


@farm_command(main, "status", command="scanner", changes=False)
@secrets_option
def status(run: Run, **options: str) -> Result:
    """Say on one screen how daemons and queue are, and who needs a human, and why.

    \b
    Example:
      scanner status
    """
    from scanner.verbs.status import show_status

    return show_status(run, with_settings(run, options))


if __name__ == "__main__":
    main()
