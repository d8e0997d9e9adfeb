"""The pages without a server: one request to the application, in this process."""

import asyncio
from typing import Any

import sqlalchemy as sa

from farmhand.db import FarmDb
from slavealloc.app import create_app
from slavealloc.config import SlaveAlloc
from slavealloc.places import Places


def make_pages_app(engine: sa.Engine) -> Any:
    """Make the service on a database."""
    database = FarmDb(engine=engine, url=engine.url)
    return create_app(Places(database=database, config=SlaveAlloc(), host="here"), "test")


def get_page(app: Any, path: str) -> tuple[int, str]:
    """GET a path; returns the status and the body."""
    return asyncio.run(_get(app, path))


async def _get(app: Any, path: str) -> tuple[int, str]:
    path, _, query = path.partition("?")
    scope: dict[str, Any] = {
        "type": "http",
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "root_path": "",
        "headers": [(b"host", b"test")],
        "client": None,
        "server": ("test", 80),
        "state": {},
    }
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    await app(scope, receive, send)
    body = b"".join(message.get("body", b"") for message in sent)
    return sent[0]["status"], body.decode()
