"""The `farmhand` command: the database, the configuration, and how the cron jobs are doing."""

from pathlib import Path

import click

from farmhand.command import Result, Run, farm_command, plain_group
from farmhand.completion import SHELLS

main = plain_group("farmhand", help="Look after what the farm's commands share.")
db = plain_group("db", help="The farm database: its version, and upgrades.", parent=main)
config = plain_group("config", help="The configuration file.", parent=main)
secrets_option = click.option(
    "-k", "--secrets", type=click.Path(path_type=Path), help="Secrets; nobody else may read it."
)


@farm_command(db, "upgrade", command="farmhand db", changes=True)
@secrets_option
def upgrade(run: Run, secrets: Path | None) -> Result:
    """Create the farm database's tables, or bring them to this release's version.

    \b
    Upgrade the database first, then half the hosts, then the rest.
    """
    from farmhand.admin import upgrade_database

    return upgrade_database(run, secrets)


@farm_command(db, "current", command="farmhand db", changes=False)
@secrets_option
def current(run: Run, secrets: Path | None) -> Result:
    """Show which version the farm database has, and which one this release needs."""
    from farmhand.admin import show_version

    return show_version(run, secrets)


@farm_command(config, "check", command="farmhand config", changes=False)
@secrets_option
@click.option("--deployment", is_flag=True, help="And what cron and systemd start on this host.")
@click.argument("files", nargs=-1, type=click.Path(path_type=Path), metavar="[FILE]…")
def check(run: Run, secrets: Path | None, deployment: bool, files: tuple[Path, ...]) -> Result:
    """Validate farmhand.yml as a whole, and FILEs: crontabs, units, templates, CSV, tasks.

    Of what a crontab or unit starts: is the program there, are its options right, may its user
    read the configuration and write logs, metrics and state, and does the configuration load in
    its environment? `watch-pending check` looks further, at EC2 and the databases.

    \b
    Examples:
      farmhand config check -k /etc/farmhand/secrets.yml
      farmhand config check --deployment
      farmhand config check cron/crontab configs/workers.csv configs/tasks.d
    """
    from farmhand.checking import check_config

    return check_config(run, secrets, files, deployment=deployment)


@farm_command(config, "show", command="farmhand config", changes=False)
@secrets_option
def show(run: Run, secrets: Path | None) -> Result:
    """Show the configuration as farmhand understands it, defaults filled in and secrets hidden."""
    from farmhand.admin import show_config

    return show_config(run, secrets)


@farm_command(config, "schema", command="farmhand config", changes=False)
def schema(run: Run) -> Result:
    """Print the JSON Schema of farmhand.yml, for editors.

    \b
    Keep it beside the file, whose first line names it:
      farmhand config schema > farmhand.schema.json
      # yaml-language-server: $schema=farmhand.schema.json
    """
    from farmhand.config_schema import make_schema
    from farmhand.output import print_json

    print_json(make_schema())
    return Result()


@farm_command(main, "status", command="farmhand", changes=False)
@secrets_option
def status(run: Run, secrets: Path | None) -> Result:
    """Show how the cron jobs do: last success, what is late, who is at work, who holds a lock.

    And whose farm this is, whether its database and this release go together, and which hosts ran
    something of late. Exit codes: 0 shown, also when something is late; 2 bad configuration, or a
    database that does not fit; 4 the database did not answer.
    """
    from farmhand.status import show_status

    return show_status(run, secrets)


@farm_command(main, "completion", command="farmhand", changes=False)
@click.argument("shell", type=click.Choice(SHELLS))
def completion(run: Run, shell: str) -> Result:
    """Print what a shell reads to complete all six commands: verbs, options, names, files.

    \b
    Examples:
      eval "$(farmhand completion bash)"          # in ~/.bashrc
      eval "$(farmhand completion zsh)"           # in ~/.zshrc, after compinit
      farmhand completion fish | source           # in ~/.config/fish/config.fish
    """
    from farmhand.completion import make_script

    click.echo(make_script(shell))
    return Result()


if __name__ == "__main__":
    main()
