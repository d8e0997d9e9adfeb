"""Names of workers and masters for the shell's completion, from the server that verbs ask.

Imports little, says nothing, and finds nothing where the server does not answer at once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from farmhand.completion import read_configured
from slavealloc.client.whom import DEFAULT_URL

if TYPE_CHECKING:
    import click

TIMEOUT_S = 1.0
MOST = 100


def complete_workers(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[str]:
    """Complete a worker's name."""
    return _read_names(ctx, "slaves", "name", incomplete)


def complete_masters(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[str]:
    """Complete a master's nickname."""
    return _read_names(ctx, "masters", "nickname", incomplete)


def _read_names(ctx: click.Context, table: str, field: str, incomplete: str) -> list[str]:
    import json
    from urllib.parse import urlencode
    from urllib.request import urlopen

    before = ctx.parent.params if ctx.parent else {}
    url = ctx.params.get("api_url") or before.get("api_url")
    url = str(url or read_configured(ctx, "slavealloc", "api_url") or DEFAULT_URL)
    query = urlencode({"search": incomplete, "sort": field, "limit": MOST})
    address = url.rstrip("/").removesuffix("/v1").removesuffix("/api")
    if not address.startswith(("http://", "https://")):
        return []
    try:
        with urlopen(f"{address}/api/{table}?{query}", timeout=TIMEOUT_S) as answer:  # noqa: S310 - http alone
            names = [row[field] for row in json.load(answer)]
    except (OSError, ValueError, LookupError, TypeError):
        return []
    return [name for name in names if str(name).startswith(incomplete)]
