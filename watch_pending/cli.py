"""The `watch-pending` command: verbs and options. What a verb needs is imported inside it."""

from pathlib import Path

import click

from farmhand.command import Result, Run, farm_command, plain_group, verb_group
from farmhand.completion import from_configuration

REGIONS = from_configuration("watch_pending", "region_priorities")
TYPES = from_configuration("watch_pending", "instance_types")
main = verb_group("watch-pending", help="Start machines on EC2 while Buildbot jobs wait for them.")
amis = plain_group("amis", help="The account's AMIs: their list, and the old ones.", parent=main)
secrets_option = click.option(
    "-k", "--secrets", type=click.Path(path_type=Path), help="Secrets; nobody else may read it."
)
regions_option = click.option(
    "-r",
    "--region",
    "regions",
    multiple=True,
    shell_complete=REGIONS,
    help="Launch there; repeatable. Default: all.",
)


@farm_command(main, "run", command="watch-pending", changes=True)
@secrets_option
@regions_option
@click.option(
    "--cached-cert-dir", type=click.Path(path_type=Path), help="Where puppet certificates are kept."
)
@click.option(
    "--latest-ami-percentage",
    type=click.IntRange(0, 100),
    metavar="N",
    help="Give the newest AMI to so many of a type's machines; default: as configured, else 100.",
)
@click.option(
    "--retry-stopped",
    is_flag=True,
    help="First forget which types are stopped: somebody has mended AWS's side.",
)
def run(  # noqa: PLR0913 - one argument for each option
    run: Run,
    secrets: Path | None,
    regions: tuple[str, ...],
    cached_cert_dir: Path | None,
    latest_ami_percentage: int | None,
    retry_stopped: bool,
) -> Result:
    """Start the machines that waiting jobs need; the verb where none is named.

    \b
    Examples:
      watch-pending --dry-run              what would the next run do?
      watch-pending -q --metrics-textfile /var/lib/node_exporter/watch_pending.prom
      watch-pending -k secrets.json -c watch_pending.cfg -r us-west-2 -r us-east-1
      watch-pending --latest-ami-percentage 10    one in ten machines gets the newest AMI
      watch-pending run --retry-stopped    permissions are mended: try again

    \b
    Exit codes: 0 done, also when limits or capacity left demand unserved; 2 bad configuration;
    3 something failed, the rest was done; 4 a database or EC2 did not answer; 75 another run won.
    """
    from dataclasses import replace

    from watch_pending.run import run_once
    from watch_pending.settings import load_settings

    settings = load_settings(run, secrets, regions)
    if latest_ami_percentage is not None:
        watch = replace(settings.watch, latest_ami_percentage=latest_ami_percentage)
        settings = replace(settings, watch=watch)
    return run_once(
        run,
        replace(settings, certificate_directory=cached_cert_dir, retry_stopped=retry_stopped),
    )


@farm_command(main, "stop-idle", command="watch-pending", changes=True)
@secrets_option
@click.option(
    "-r",
    "--region",
    "regions",
    multiple=True,
    shell_complete=REGIONS,
    help="Only there; repeatable.",
)
@click.option(
    "-t",
    "--moz-type",
    "types",
    multiple=True,
    shell_complete=TYPES,
    help="Only this type; repeatable.",
)
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


@farm_command(main, "sanity", command="watch-pending", changes=True)
@secrets_option
@click.option("--fix", is_flag=True, help="Put right what is ours and safe.")
def sanity(run: Run, secrets: Path | None, fix: bool) -> Result:
    """Say what is wrong with the fleet, how old it is and what it costs.

    What was found is remembered, so that the next run knows since when. With --fix: terminates
    orphans and machines stopped for long, deletes volumes attached to nothing, closes rows, and
    unpauses names; never what is loaned, disabled or another farm's.

    \b
    Examples:
      watch-pending sanity                 what is wrong, and what should I do about it?
      watch-pending sanity --fix --dry-run what would it put right?

    \b
    Exit codes: 0 all was looked at, also when something is wrong; 2 bad configuration; 3 a fix
    failed, or a region or database did not answer; 4 nothing answered; 75 another run holds the
    lock.
    """
    from watch_pending.sanity.run import sanity_once
    from watch_pending.settings import load_settings

    return sanity_once(run, load_settings(run, secrets, ()), fix=fix)


@farm_command(main, "status", command="watch-pending", changes=False)
@secrets_option
@click.option(
    "--watch",
    "every_s",
    type=click.FloatRange(min=0.1),
    is_flag=False,
    flag_value=10.0,
    default=None,
    metavar="[SECONDS]",
    help="Draw it again so often; 10 without a number. Ctrl-C ends it.",
)
def status(run: Run, secrets: Path | None, every_s: float | None) -> Result:
    """Show what the farm is doing now, on one screen.

    Needs the farm database; what else does not answer within seconds is said, and the rest shown.

    \b
    Examples:
      watch-pending status
      watch-pending status --watch
      watch-pending status --json

    \b
    Exit codes: 0 shown; 2 bad configuration, or --watch without a terminal; 4 the farm database
    did not answer.
    """
    from watch_pending.settings import load_settings
    from watch_pending.status.run import show_status, watch_status

    settings = load_settings(run, secrets, ())
    return show_status(run, settings) if every_s is None else watch_status(run, settings, every_s)


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
@click.option(
    "--days",
    type=click.IntRange(min=1),
    default=30,
    show_default=True,
    help="A pattern should have matched a request of so many days.",
)
@click.argument("builders", nargs=-1, metavar="[BUILDER]…")
def check(
    run: Run, secrets: Path | None, regions: tuple[str, ...], days: int, builders: tuple[str, ...]
) -> Result:
    """Look for mistakes in the configuration, against the databases and EC2 too.

    The buildermap is tried on every builder the scheduler database knows, on BUILDERs, and on
    names made from its own patterns; and it is timed on long names.

    \b
    Example:
      watch-pending check --json
      watch-pending check --days 90 "Linux x86-64 try build"
    """
    from watch_pending.check.run import Asked, check_settings

    return check_settings(run, secrets, regions, Asked(builders=builders, days=days))


@farm_command(amis, "publish", command="watch-pending amis", changes=True)
@secrets_option
@click.option(
    "-r",
    "--region",
    "regions",
    multiple=True,
    shell_complete=REGIONS,
    help="Only of there; repeatable.",
)
@click.option("--public", is_flag=True, help="Let everybody read it (S3's ACL public-read).")
@click.argument("destination")
def publish(
    run: Run, secrets: Path | None, regions: tuple[str, ...], public: bool, destination: str
) -> Result:
    """Write the list of the account's available AMIs, as JSON, to a file or s3://BUCKET/KEY.

    It is written whole or not at all: a region that does not answer leaves the old one.

    \b
    Examples:
      watch-pending amis publish /var/www/amis.json
      watch-pending amis publish s3://farm-public/amis.json --public

    \b
    Exit codes: 0 done; 2 bad configuration; 3 it can't be written; 4 a region did not answer;
    75 another run holds the lock.
    """
    from watch_pending.amis.publish import publish_once
    from watch_pending.settings import load_settings

    return publish_once(run, load_settings(run, secrets, regions), destination, public=public)


@farm_command(amis, "prune", command="watch-pending amis", changes=True)
@secrets_option
@click.option(
    "-r",
    "--region",
    "regions",
    multiple=True,
    shell_complete=REGIONS,
    help="Only there; repeatable.",
)
@click.option(
    "--keep-last",
    type=click.IntRange(min=1),
    default=10,
    show_default=True,
    metavar="N",
    help="Keep so many of each region, instance type and kind of root device.",
)
def prune(run: Run, secrets: Path | None, regions: tuple[str, ...], keep_last: int) -> Result:
    """Deregister this farm's old AMIs, and delete their snapshots.

    The newest stay, and everything in use: by any machine of the account, a launch under way, the
    configuration, or a launch template. AMIs without this farm's tag are never touched.

    \b
    Examples:
      watch-pending amis prune --dry-run    what would go, and why does the rest stay?
      watch-pending amis prune -q           from cron

    \b
    Exit codes: 0 done; 2 bad configuration; 3 something failed, the rest was done; 4 a database
    or EC2 did not answer; 75 another run holds the lock.
    """
    from watch_pending.amis.prune import prune_once
    from watch_pending.settings import load_settings

    return prune_once(run, load_settings(run, secrets, regions), keep_last)


if __name__ == "__main__":
    main()
