"""A database's connections: options that can't be, and no needless round trip between two uses."""

import time
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Dialect, Engine
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.pool import ConnectionPoolEntry

from farmhand.errors import BadInput

IDLE_S = 0.5
IN_TRANSACTION = 1  # a bit of MySQL's server status


def spare_round_trips(engine: Engine) -> None:
    """Ping a connection only after it was idle, and roll back only what is open.

    For an engine whose pool does neither by itself: in a storm each batch would wait for both.
    """

    @sa.event.listens_for(engine, "checkin")
    def _note(_connection: Any, record: ConnectionPoolEntry) -> None:
        record.info["used_at"] = time.monotonic()

    @sa.event.listens_for(engine, "checkout")
    def _ping(connection: Any, record: ConnectionPoolEntry, _proxy: object) -> None:
        used_at = record.info.get("used_at")  # None: it is new
        if used_at is None or time.monotonic() - used_at < IDLE_S:
            return
        try:
            engine.dialect.do_ping(connection)
        except engine.dialect.loaded_dbapi.Error as err:
            raise DisconnectionError from err  # the pool makes a new one

    @sa.event.listens_for(engine, "reset")
    def _roll_back(connection: Any, _record: object, _state: object) -> None:
        # PyMySQL asks the server even when nothing is open; other drivers know.
        if getattr(connection, "server_status", IN_TRANSACTION) & IN_TRANSACTION:
            connection.rollback()


def refuse_bad_options(engine: Engine) -> None:
    """Refuse what the URL asks for and PyMySQL does not know, or can't read, as a CA's file."""

    @sa.event.listens_for(engine, "do_connect")
    def _connect(
        dialect: Dialect, _record: object, args: Sequence[Any], options: dict[str, Any]
    ) -> Any:
        try:
            return dialect.connect(*args, **options)
        except (TypeError, ValueError, OSError) as err:
            names = ", ".join(engine.url.query)
            raise BadInput(f"one of the database URL's options ({names}) can't be: {err}") from err
