"""Run the HTTP service until it is told to stop."""

import gc
import json
import logging
import os
import socket
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import uvicorn
from starlette.types import ASGIApp
from uvicorn.supervisors import ChangeReload

from farmhand.command import Result, Run
from farmhand.db import format_url, tune_for_serving
from farmhand.errors import BadInput
from farmhand.output import print_lines
from slavealloc.app import create_app
from slavealloc.places import Places
from slavealloc.protocol import Protocol
from slavealloc.settings import load_settings

log = logging.getLogger("slavealloc")
BACKLOG = 2048
DATABASE_TIMEOUT_S = 10.0
GRACE_S = 10
# Python's own: what suits a run of a second would let a service grow without end.
GARBAGE = (700, 10, 10)
# Two threads work, one answers and one places; with Python's 5 ms they would wait for each other
# at each statement.
SWITCH_S = 0.0005
# What the processes of a reloading server, each of which starts anew, are told.
TOLD = "FARMHAND_SLAVEALLOC_SERVE"


@dataclass(frozen=True, kw_only=True, slots=True)
class Service:
    """What to serve, as it can be handed to another process."""

    config_path: str | None
    secrets: str | None
    url: str | None
    pages: bool
    allocator: bool
    host: str


def serve_forever(run: Run, service: Service, host: str, port: int, *, dev: bool) -> Result:
    """Serve until SIGTERM or SIGINT; what was asked by then is answered first.

    Raises BadInput where it can't listen, or the database is not ours; Unavailable.
    """
    gc.set_threshold(*GARBAGE)
    sys.setswitchinterval(SWITCH_S)
    with _listen(host, port) as listening:
        where = f"http://{host}:{listening.getsockname()[1]}"
        if dev:
            os.environ[TOLD] = json.dumps(asdict(service))
            package = Path(__file__).parent
            config = _configure("slavealloc.serve:make_told_app", reload_dirs=[str(package)])
            print_lines([f"serving on {where} (and again whenever {package} changes)"])
            ChangeReload(config, target=uvicorn.Server(config).run, sockets=[listening]).run()
            return Result()
        app = make_app(service, run.environ)
        gc.freeze()  # what is there now stays; looking for garbage in it would take 80 ms
        log.info("listening on %s", where)
        if run.speaks:
            print_lines([f"serving on {where}"])
        uvicorn.Server(_configure(app)).run(sockets=[listening])
    return Result()


def _listen(host: str, port: int) -> socket.socket:
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, port), family=family, backlog=BACKLOG)
    except (OSError, OverflowError) as err:
        raise BadInput(f"can't listen on {host}:{port}: {err}") from err


def _configure(app: ASGIApp | str, reload_dirs: list[str] | None = None) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        factory=isinstance(app, str),
        http=Protocol,
        reload=reload_dirs is not None,
        reload_dirs=reload_dirs,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,  # nobody asks here who asked
        backlog=BACKLOG,
        timeout_graceful_shutdown=GRACE_S,
    )


def make_app(service: Service, environ: Mapping[str, str]) -> ASGIApp:
    """Open the farm database, and make the service on it."""
    path = Path(service.config_path) if service.config_path else None
    secrets = Path(service.secrets) if service.secrets else None
    settings = load_settings(path, environ, service.url, secrets)
    database = settings.open_database(reading=False, timeout_s=DATABASE_TIMEOUT_S)
    tune_for_serving(database.engine)
    log.info("farm %s, farm database %s", settings.farm, format_url(database.url))
    places = Places(database=database, config=settings.slavealloc, host=service.host)
    places.check_default_template()
    return create_app(places, settings.farm, pages=service.pages, allocator=service.allocator)


def make_told_app() -> ASGIApp:
    """Make the service that the environment tells of, in a process of a reloading server."""
    logging.basicConfig(level=logging.INFO)
    service = Service(**json.loads(os.environ[TOLD]))
    return make_app(service, os.environ)
