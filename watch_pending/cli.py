"""The `watch-pending` command: verbs and options. What a verb needs is imported inside it."""

from pathlib import Path

import click

from farmhand.command import Result, Run, farm_command, verb_group

main = verb_group("watch-pending", help="Start machines on EC2 while Buildbot jobs wait for them.")
secrets_option = click.option(
    "-k", "--secrets", type=click.Path(path_type=Path), help="Secrets; nobody else may read it."
)
regions_option = click.option(
    "-r", "--region", "regions", multiple=True, help="Launch there; repeatable. Default: all."
)


@farm_command(main, "run", command="watch-pending", changes=True)
@secrets_option
@regions_option
@click.option(
    "--cached-cert-dir", type=click.Path(path_type=Path), help="Where puppet certificates are kept."
)
@click.option(
    "--retry-stopped",
    is_flag=True,
    help="First forget which types are stopped: somebody has mended AWS's side.",
)
def run(
    run: Run,
    secrets: Path | None,
    regions: tuple[str, ...],
    cached_cert_dir: Path | None,
    retry_stopped: bool,
) -> Result:
    """Start the machines that waiting jobs need; the verb where none is named.

    \b
    Examples:
      watch-pending --dry-run              what would the next run do?
      watch-pending -q --metrics-textfile /var/lib/node_exporter/watch_pending.prom
      watch-pending -k secrets.json -c watch_pending.cfg -r us-west-2 -r us-east-1
      watch-pending run --retry-stopped    permissions are mended: try again

    \b
    Exit codes: 0 done, also when limits or capacity left demand unserved; 2 bad configuration;
    3 something failed, the rest was done; 4 a database or EC2 did not answer; 75 another run won.
    """
    from dataclasses import replace

    from watch_pending.run import run_once
    from watch_pending.settings import load_settings

    settings = load_settings(run, secrets, regions)
    return run_once(
        run,
        replace(settings, certificate_directory=cached_cert_dir, retry_stopped=retry_stopped),
    )


@farm_command(main, "stop-idle", command="watch-pending", changes=True)
@secrets_option
@click.option("-r", "--region", "regions", multiple=True, help="Only there; repeatable.")
@click.option("-t", "--moz-type", "types", multiple=True, help="Only this type; repeatable.")
def stop_idle(
    run: Run, secrets: Path | None, regions: tuple[str, ...], types: tuple[str, ...]
) -> Result:
    """Stop the machines that are of no more use: idle, too old, impaired, or lost.

    A worker is paused on its master first, and looked at again: one that has taken a build
    meanwhile goes on. Loaned and disabled machines and those of other farms are never touched.

    \b
    Examples:
      watch-pending stop-idle --dry-run    what would stop, and why does the rest stay?
      watch-pending stop-idle -q           from cron

    \b
    Exit codes: 0 done; 2 bad configuration; 3 something failed, the rest was done; 4 a database
    or EC2 did not answer; 75 another run holds the lock, or won the plan.
    """
    from watch_pending.settings import load_settings
    from watch_pending.stop_idle.run import Only, stop_once

    settings = load_settings(run, secrets, regions)
    return stop_once(run, settings, Only(types=types, regions=regions))


@farm_command(main, "explain", command="watch-pending", changes=False)
@secrets_option
@regions_option
@click.argument("builders", nargs=-1, required=True, metavar="BUILDER…")
def explain(
    run: Run, secrets: Path | None, regions: tuple[str, ...], builders: tuple[str, ...]
) -> Result:
    """Say why a job of a builder does, or does not, get a machine now.

    \b
    Example:
      watch-pending explain "Linux x86-64 mozilla-central build"
    """
    from watch_pending.explain import explain_builders
    from watch_pending.settings import load_settings

    return explain_builders(run, load_settings(run, secrets, regions), builders)


@farm_command(main, "check", command="watch-pending", changes=False)
@secrets_option
@regions_option
@click.argument("builders", nargs=-1, metavar="[BUILDER]…")
def check(
    run: Run, secrets: Path | None, regions: tuple[str, ...], builders: tuple[str, ...]
) -> Result:
    """Look for mistakes in the configuration, against the databases and EC2 too.

    The buildermap is tried on every builder the scheduler database knows, and on BUILDERs.

    \b
    Example:
      watch-pending check --json
    """
    from watch_pending.check import check_settings

    return check_settings(run, secrets, regions, builders)


if __name__ == "__main__":
    main()
