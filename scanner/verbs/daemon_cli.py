"""Verbs and options of daemons, processors and chroots."""

from typing import Any

import click

from farmhand.command import Result, Run, farm_command
from scanner.verbs.groups import chroot, daemon, processor
from scanner.verbs.options import LINE, REASON, SHORT, WORD, secrets_option, with_settings

processors_option = click.option(
    "--processor",
    "processors",
    multiple=True,
    metavar="NAME",
    help="It builds for this; repeatable.",
)
tags_option = click.option(
    "--tag", "tags", multiple=True, metavar="TAG", help="It has this; repeatable."
)


@farm_command(daemon, "add", command="scanner", changes=True)
@click.argument("name", type=WORD)
@click.argument("url", type=LINE)
@processors_option
@tags_option
@secrets_option
def daemon_add(run: Run, name: str, url: str, **options: Any) -> Result:
    """Let the scanner look after one more daemon.

    \b
    Example:
      scanner daemon add daemon1 http://daemon1.example.com:8221 --processor amd64
    """
    from scanner.verbs.daemons import add_daemon

    settings = with_settings(run, options)
    return add_daemon(run, settings, (name, url), options["processors"], options["tags"])


@farm_command(daemon, "set", command="scanner", changes=True)
@click.argument("name", type=WORD)
@click.option("--url", type=LINE, metavar="URL", help="Where it is.")
@processors_option
@tags_option
@secrets_option
def daemon_set(run: Run, name: str, **options: Any) -> Result:
    """Change what is given; processors and tags are replaced, `--tag ""` means none.

    \b
    Example:
      scanner daemon set daemon1 --processor amd64 --processor i386
    """
    from scanner.verbs.daemons import set_daemon

    settings = with_settings(run, options)
    return set_daemon(run, settings, (name, options["url"]), options["processors"], options["tags"])


@farm_command(daemon, "list", command="scanner", changes=False)
@secrets_option
def daemon_list(run: Run, **options: Any) -> Result:
    """List daemons: what they do, and whether they take jobs.

    \b
    Example:
      scanner daemon list
    """
    from scanner.verbs.daemons import list_daemons

    return list_daemons(run, with_settings(run, options))


@farm_command(daemon, "show", command="scanner", changes=False)
@click.argument("name", type=WORD)
@secrets_option
def daemon_show(run: Run, name: str, **options: Any) -> Result:
    """Show all that is known of a daemon.

    \b
    Example:
      scanner daemon show daemon1
    """
    from scanner.verbs.daemons import show_daemon

    return show_daemon(run, with_settings(run, options), name)


@farm_command(daemon, "enable", command="scanner", changes=True)
@click.argument("name", type=WORD)
@secrets_option
def daemon_enable(run: Run, name: str, **options: Any) -> Result:
    """Look after a daemon again; it is swept first, and its failures are forgotten.

    \b
    Example:
      scanner daemon enable daemon1
    """
    from scanner.verbs.daemons import enable_daemon

    return enable_daemon(run, with_settings(run, options), name)


@farm_command(daemon, "disable", command="scanner", changes=True)
@click.argument("name", type=WORD)
@click.argument("reason", type=REASON)
@secrets_option
def daemon_disable(run: Run, name: str, reason: str, **options: Any) -> Result:
    """Leave a daemon alone; what it builds is given to another.

    \b
    Example:
      scanner daemon disable daemon1 "its disk fails"
    """
    from scanner.verbs.daemons import disable_daemon

    return disable_daemon(run, with_settings(run, options), name, reason)


@farm_command(daemon, "manual", command="scanner", changes=True)
@click.argument("name", type=WORD)
@click.argument("reason", type=REASON)
@secrets_option
def daemon_manual(run: Run, name: str, reason: str, **options: Any) -> Result:
    """Give a daemon nothing new; what it builds is collected.

    \b
    Example:
      scanner daemon manual daemon1 "somebody debugs a build on it"
    """
    from scanner.verbs.daemons import set_manual

    return set_manual(run, with_settings(run, options), name, reason)


@farm_command(daemon, "auto", command="scanner", changes=True)
@click.argument("name", type=WORD)
@secrets_option
def daemon_auto(run: Run, name: str, **options: Any) -> Result:
    """Give a daemon jobs again.

    \b
    Example:
      scanner daemon auto daemon1
    """
    from scanner.verbs.daemons import set_manual

    return set_manual(run, with_settings(run, options), name, None)


@farm_command(daemon, "clean", command="scanner", changes=True)
@click.argument("name", type=WORD)
@secrets_option
def daemon_clean(run: Run, name: str, **options: Any) -> Result:
    """Take a daemon's job back, and let the next scan sweep away what it does.

    \b
    Example:
      scanner daemon clean daemon1
    """
    from scanner.verbs.daemons import clean_daemon

    return clean_daemon(run, with_settings(run, options), name)


@farm_command(daemon, "remove", command="scanner", changes=True)
@click.argument("name", type=WORD)
@secrets_option
def daemon_remove(run: Run, name: str, **options: Any) -> Result:
    """Forget a daemon that has no job.

    \b
    Example:
      scanner daemon remove daemon1
    """
    from scanner.verbs.daemons import remove_daemon

    return remove_daemon(run, with_settings(run, options), name)


@farm_command(processor, "add", command="scanner", changes=True)
@click.argument("name", type=SHORT)
@click.option("--title", type=LINE, metavar="TEXT", help="Its name in words.")
@secrets_option
def processor_add(run: Run, name: str, title: str | None, **options: Any) -> Result:
    """Add a family of machines, such as amd64.

    \b
    Example:
      scanner processor add amd64
    """
    from scanner.verbs.daemons import add_processor

    return add_processor(run, with_settings(run, options), name, title)


@farm_command(processor, "list", command="scanner", changes=False)
@secrets_option
def processor_list(run: Run, **options: Any) -> Result:
    """List processors, and how many daemons have each.

    \b
    Example:
      scanner processor list
    """
    from scanner.verbs.daemons import list_processors

    return list_processors(run, with_settings(run, options))


@farm_command(chroot, "set", command="scanner", changes=True)
@click.argument("distribution", type=WORD)
@click.argument("series", type=WORD)
@click.argument("arch_tag", metavar="ARCH", type=SHORT)
@click.option(
    "--pocket", type=SHORT, default="Release", show_default=True, metavar="NAME", help="The pocket."
)
@click.option("--title", type=LINE, metavar="TEXT", help="What warnings call the architecture.")
@click.option(
    "--sha1",
    metavar="SUM",
    help="Of the file. Without it there is no chroot, and nothing is built.",
)
@click.option("--url", metavar="URL", help="Where daemons fetch it.")
@secrets_option
def chroot_set(run: Run, distribution: str, series: str, arch_tag: str, **options: Any) -> Result:
    """Say what an architecture's builds are built in.

    \b
    Example:
      scanner chroot set ubuntu hoary i386 --title "The Hoary Hedgehog Release for i386 (x86)"
          --sha1 da39a3ee5e6b4b0d3255bfef95601890afd80709 --url http://files/chroot.tar.bz2
    """
    from scanner.verbs.chroots import Architecture, set_chroot

    architecture = Architecture(
        distribution=distribution, series=series, pocket=options["pocket"], arch_tag=arch_tag
    )
    return set_chroot(
        run,
        with_settings(run, options),
        architecture,
        options["title"],
        (options["sha1"], options["url"]),
    )


@farm_command(chroot, "list", command="scanner", changes=False)
@secrets_option
def chroot_list(run: Run, **options: Any) -> Result:
    """List architectures and their chroots.

    \b
    Example:
      scanner chroot list
    """
    from scanner.verbs.chroots import list_chroots

    return list_chroots(run, with_settings(run, options), None)


@farm_command(chroot, "show", command="scanner", changes=False)
@click.argument("distribution", type=WORD)
@click.argument("series", type=WORD)
@click.argument("arch_tag", metavar="ARCH", type=SHORT)
@click.option(
    "--pocket", type=SHORT, default="Release", show_default=True, metavar="NAME", help="The pocket."
)
@secrets_option
def chroot_show(run: Run, distribution: str, series: str, arch_tag: str, **options: Any) -> Result:
    """Show one architecture's chroot.

    \b
    Example:
      scanner chroot show ubuntu hoary i386
    """
    from scanner.verbs.chroots import Architecture, list_chroots

    architecture = Architecture(
        distribution=distribution, series=series, pocket=options["pocket"], arch_tag=arch_tag
    )
    return list_chroots(run, with_settings(run, options), architecture)
