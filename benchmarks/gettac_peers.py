"""The servers that gettac is measured with: ours, ours doing less, and the original's design.

`python -m benchmarks.gettac_peers METHOD URL` prints where it listens and serves until it is told
to stop.
"""

import re
import sys
from collections.abc import Callable, Mapping
from typing import Any, cast

import sqlalchemy as sa

from farmhand.db import make_engine, parse_url, tune_for_serving
from farmhand.tables.farm import masters, worker_passwords, workers
from slavealloc import batches, serve
from slavealloc.cli import main as slavealloc
from slavealloc.tac import read_shipped

SHIPPED = read_shipped("buildbot-worker") or ""
SILO = ("pool", "distro", "bitlength", "purpose", "datacenter", "trustlevel", "environment")
HEADER = "# AUTOMATICALLY GENERATED - DO NOT MODIFY\n# generated: today on here\n"


def serve_ours(url: str) -> None:
    """Serve as production does."""
    slavealloc(["serve", "-D", url, "--port", "0", "-v"])


def serve_singly(url: str) -> None:
    """Serve with a transaction for each request; all else is the same."""
    batches.MOST = 1
    serve_ours(url)


def serve_a_constant(url: str) -> None:
    """Serve a page without deciding anything; all else is the same."""
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import PlainTextResponse, Response
    from starlette.routing import Route

    async def answer(_: Request) -> Response:
        return PlainTextResponse(HEADER + SHIPPED)

    def make_app(service: serve.Service, environ: Mapping[str, str]) -> Starlette:
        return Starlette(routes=[Route("/gettac/{name}", answer)])

    serve.make_app = make_app
    serve_ours(url)


def serve_originally(url: str) -> None:
    """Serve as the original: Twisted, and each decision in its one thread, in autocommit."""
    from twisted.internet import reactor
    from twisted.web import resource, server

    engine = make_engine(parse_url(url, "benchmark"), timeout_s=60)
    tune_for_serving(engine)
    engine = engine.execution_options(isolation_level="AUTOCOMMIT")
    template = HEADER + re.sub(r"{{ (\w+) }}", r"%(\1)r", SHIPPED)

    class Gettac(resource.Resource):  # type: ignore[misc]
        isLeaf = True  # noqa: N815 - Twisted's

        def render_GET(self, request: Any) -> bytes:  # noqa: N802 - Twisted's
            with engine.connect() as connection:
                found = place_originally(connection, request.path.decode()[8:].lower())
            request.setHeader(b"content-type", b"text/plain")
            return (template % found).encode()

    port = cast(Any, reactor).listenTCP(0, server.Site(Gettac()), 2048, "127.0.0.1")
    print(f"serving on http://127.0.0.1:{port.getHost().port}", flush=True)
    cast(Any, reactor).run()


def place_originally(connection: sa.Connection, name: str) -> dict[str, object]:
    """Count each master's peers of this worker, and send it to the one with fewest."""
    worker = connection.execute(sa.select(workers).where(workers.c.name == name)).one()
    password = connection.scalar(
        sa.select(worker_passwords.c.password).where(
            worker_passwords.c.pool_id == worker.pool_id,
            sa.or_(
                worker_passwords.c.distro_id.is_(None),
                worker_passwords.c.distro_id == worker.distro_id,
            ),
        )
    )
    asked = {"worker_id": worker.id, "pool_id": worker.pool_id}
    master = connection.execute(BEST_MASTER, asked).one()
    connection.execute(
        workers.update().where(workers.c.id == worker.id).values(current_master_id=master.id)
    )
    return {
        "basedir": worker.basedir,
        "buildmaster_host": master.fqdn,
        "passwd": password,
        "port": master.pb_port,
        "slavename": name,
    }


def _best_master() -> sa.Select[Any]:
    """One query, in the form that both databases answer with one walk over the silo."""
    me, peers = workers.alias("me"), workers.alias("peers")
    silo = [peers.c[f"{name}_id"] == me.c[f"{name}_id"] for name in SILO]
    counts = (
        sa.select(peers.c.current_master_id, sa.func.count().label("count"))
        .select_from(me.join(peers, sa.and_(peers.c.id != me.c.id, *silo)))
        .where(me.c.id == sa.bindparam("worker_id"))
        .group_by(peers.c.current_master_id)
        # The one index it had; else MariaDB intersects those of our foreign keys, far slower.
        .with_hint(peers, "USE INDEX (ix_workers_silo)", "mysql")
        .subquery()
    )
    return (
        sa.select(masters.c.id, masters.c.fqdn, masters.c.pb_port)
        .select_from(masters.outerjoin(counts, counts.c.current_master_id == masters.c.id))
        .where(masters.c.pool_id == sa.bindparam("pool_id"), masters.c.enabled)
        .order_by(sa.func.coalesce(counts.c.count, 0), masters.c.id)
        .limit(1)
    )


BEST_MASTER = _best_master()
METHODS: Mapping[str, Callable[[str], None]] = {
    "ours": serve_ours,
    "one transaction a request": serve_singly,
    "the original's design": serve_originally,
    "constant page": serve_a_constant,
}

if __name__ == "__main__":
    METHODS[sys.argv[1]](sys.argv[2])
