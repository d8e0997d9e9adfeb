"""The group of slavealloc's verbs, and the options that several of them have."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from farmhand.command import Result, Run, plain_group
from slavealloc.client.whom import Whom

main = plain_group("slavealloc", help="Send each worker to its master, and see where they are.")
main.params.append(
    click.Option(["-A", "--api-url", "api_url"], metavar="URL", help="The server to ask.")
)
token = plain_group("token", help="Who may change something, or ask as a machine.", parent=main)
master = plain_group("master", help="Masters that get workers, or none.", parent=main)
url_of_server = click.option(
    "-A", "--api-url", "api_url", metavar="URL", help="The server to ask; see api_url."
)
url_of_database = click.option(
    "-D", "--db", "url", metavar="URL", help="The farm database. Default: as configured."
)
secrets_option = click.option(
    "-k",
    "--secrets",
    type=click.Path(path_type=Path),
    help="Secrets; nobody else may read it.",
)


def database_option(function: Callable[..., Result]) -> Callable[..., Result]:
    """Add the options that say which database is meant; the verb gets `settings`."""

    @functools.wraps(function)
    def with_settings(run: Run, url: str | None, secrets: Path | None, **options: Any) -> Result:
        from slavealloc.settings import load_settings

        settings = load_settings(run.config_path, run.environ, url, secrets)
        return function(run, settings, **options)

    return url_of_database(secrets_option(with_settings))


def server_option(function: Callable[..., Result]) -> Callable[..., Result]:
    """Add the options that say which server is asked, and who asks; the verb gets `whom`."""

    @functools.wraps(function)
    def with_whom(run: Run, api_url: str | None, secrets: Path | None, **options: Any) -> Result:
        before = click.get_current_context().find_root().params
        whom = Whom(api_url=api_url or before.get("api_url"), secrets=secrets)
        return function(run, whom, **options)

    return url_of_server(secrets_option(with_whom))
