"""Verbs and options of builds."""

from typing import Any

import click

from farmhand.command import Result, Run, farm_command
from scanner.verbs.groups import build
from scanner.verbs.options import (
    BUILD_ID,
    BYTE,
    LINE,
    SCORE,
    SHORT,
    WORD,
    build_argument,
    secrets_option,
    with_settings,
)

# Names, not the enumeration: it would be imported for --help.
STATES = (
    "needsbuild",
    "building",
    "fullybuilt",
    "failedtobuild",
    "manualdepwait",
    "chrootwait",
    "cancelled",
)


@farm_command(build, "add", command="scanner", changes=True)
@click.argument("source", type=LINE)
@click.argument("version", type=LINE)
@click.option(
    "--distribution",
    type=WORD,
    required=True,
    metavar="NAME",
    help="With the next two: its chroot.",
)
@click.option("--series", type=WORD, required=True, metavar="NAME", help="Of the distribution.")
@click.option(
    "--arch", "arch_tag", type=SHORT, required=True, metavar="TAG", help="The architecture."
)
@click.option("--processor", required=True, metavar="NAME", help="Which daemons may build it.")
@click.option(
    "--pocket", type=SHORT, default="Release", show_default=True, metavar="NAME", help="The pocket."
)
@click.option(
    "--component",
    type=SHORT,
    default="main",
    show_default=True,
    metavar="NAME",
    help="The component.",
)
@click.option("--arch-indep", is_flag=True, help="Build what is for all architectures too.")
@click.option(
    "--build-type",
    type=WORD,
    metavar="NAME",
    help="Default: binarypackage or debian, what the daemon has.",
)
@click.option(
    "--tag", "tags", multiple=True, metavar="TAG", help="Only on daemons that have it; repeatable."
)
@click.option(
    "--score", type=SCORE, default=0, show_default=True, metavar="N", help="The highest goes first."
)
@click.option(
    "--file",
    "files",
    nargs=3,
    multiple=True,
    metavar="NAME SHA1 URL",
    help="What it is built from; repeatable.",
)
@click.option("--arg", "args", multiple=True, metavar="KEY=JSON", help="Tell daemons; repeatable.")
@secrets_option
def build_add(run: Run, source: str, version: str, **options: Any) -> Result:
    """Queue a build, and say its number.

    \b
    Example:
      scanner build add hello 1.0-1 --distribution ubuntu --series hoary --arch i386
          --processor i386 --file hello_1.0-1.dsc SHA1 http://files/hello_1.0-1.dsc
    """
    from scanner.verbs.builds import add_build

    return add_build(run, with_settings(run, options), (source, version), options)


@farm_command(build, "list", command="scanner", changes=False)
@click.option(
    "--state",
    "states",
    multiple=True,
    type=click.Choice(STATES),
    metavar="STATE",
    help=f"Only these; repeatable: {', '.join(STATES)}.",
)
@click.option(
    "--most",
    type=click.IntRange(min=1),
    default=100,
    show_default=True,
    metavar="N",
    help="So many.",
)
@secrets_option
def build_list(run: Run, states: tuple[str, ...], most: int, **options: Any) -> Result:
    """List builds, the newest first.

    \b
    Example:
      scanner build list --state failedtobuild --most 20
    """
    from scanner.verbs.builds import list_builds

    return list_builds(run, with_settings(run, options), states, most)


@farm_command(build, "show", command="scanner", changes=False)
@build_argument
@secrets_option
def build_show(run: Run, build_id: int, **options: Any) -> Result:
    """Show all that is known of a build.

    \b
    Example:
      scanner build show 17
    """
    from scanner.verbs.builds import show_build

    return show_build(run, with_settings(run, options), build_id)


@farm_command(build, "log", command="scanner", changes=False, deadline_s=86400)
@build_argument
@click.option("--follow", is_flag=True, help="Go on while it is written.")
@click.option(
    "--from",
    "start",
    type=BYTE,
    default=0,
    metavar="N",
    help="From this byte; below 0: so many last.",
)
@click.option("--bytes", "most", type=click.IntRange(min=0), metavar="N", help="At most so many.")
@click.option("--path", "only_path", is_flag=True, help="Only say where the file is.")
@secrets_option
def build_log(run: Run, build_id: int, start: int, most: int | None, **options: Any) -> Result:
    """Print a build's log, control characters escaped; of one that runs, what there is.

    With --path or --json it says where the log is, and prints none of it.

    \b
    Examples:
      scanner build log 17 --from -2000
      scanner build log 17 --follow
    """
    from scanner.verbs.logs import print_log, print_path

    settings = with_settings(run, options)
    if options["only_path"] or run.json:
        return print_path(run, settings, build_id)
    return print_log(run, settings, build_id, (start, most), follow=options["follow"])


@farm_command(build, "files", command="scanner", changes=False)
@build_argument
@click.argument("name", required=False)
@click.option(
    "--from",
    "start",
    type=BYTE,
    default=0,
    metavar="N",
    help="From this byte; below 0: so many last.",
)
@click.option("--bytes", "most", type=click.IntRange(min=0), metavar="N", help="At most so many.")
@secrets_option
def build_files(
    run: Run, build_id: int, name: str | None, start: int, most: int | None, **options: Any
) -> Result:
    """List a build's files, and where each is; with NAME write what is in that result to stdout.

    \b
    Example:
      scanner build files 17 hello_1.0-1_i386.deb > hello_1.0-1_i386.deb
    """
    from scanner.verbs.files import list_files, write_file

    settings = with_settings(run, options)
    if name is None:
        return list_files(run, settings, build_id)
    return write_file(settings, (build_id, name), (start, most))


@farm_command(build, "retry", command="scanner", changes=True)
@click.argument("build_ids", metavar="[BUILD]…", nargs=-1, type=BUILD_ID)
@click.option(
    "--state",
    "states",
    multiple=True,
    type=click.Choice(STATES),
    metavar="STATE",
    help="All of this state; repeatable.",
)
@secrets_option
def build_retry(
    run: Run, build_ids: tuple[int, ...], states: tuple[str, ...], **options: Any
) -> Result:
    """Queue builds again that failed, wait for something, or were cancelled.

    \b
    Examples:
      scanner build retry 17
      scanner build retry --state chrootwait
    """
    from scanner.verbs.builds import retry_builds

    return retry_builds(run, with_settings(run, options), build_ids, states)


@farm_command(build, "history", command="scanner", changes=False)
@build_argument
@secrets_option
def build_history(run: Run, build_id: int, **options: Any) -> Result:
    """List the daemons that a build was given to, and what became of that.

    \b
    Example:
      scanner build history 17
    """
    from scanner.verbs.builds import list_history

    return list_history(run, with_settings(run, options), build_id)
