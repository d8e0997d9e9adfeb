"""What tests of `stop-idle` arrange and ask: machines, masters' REST, rows, and what a run says."""

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import requests
import sqlalchemy as sa

from farmhand.tables.launches import stops
from tests import scheduler_schemas
from tests.farm import REGIONS, Farm
from tests.journal import minutes_ago, read, write
from tests.processes import Finished
from tests.scheduler_schemas import ACTIVE_MASTER

Answer = tuple[int, bytes]
"""HTTP status and body."""

RESULT = b'{"id": 1, "jsonrpc": "2.0", "result": null}'


def add_machine(
    farm: Farm,
    name: str,
    *,
    launched_at: datetime,
    region: str = REGIONS[0],
    **tags: str,
) -> str:
    """Start an instance of the farm's, that old; returns its id."""
    ours = {
        "Name": name,
        "moz-type": name.rpartition("-")[0],
        "moz-state": "ready",
        "farmhand:farm": str(farm.settings["farm"]),
    }
    instance_id = farm.start_by_hand(region, {**ours, **tags})
    farm.ec2.poke_instance(instance_id, launch_time=launched_at.isoformat())
    return instance_id


def add_idle_machine(
    farm: Farm,
    name: str,
    *,
    region: str = REGIONS[0],
    tags: Mapping[str, str] | None = None,
    **worker: Any,
) -> str:
    """Start an instance, an hour old, whose worker built last 50 minutes ago; returns its id."""
    about = {"launched_at": minutes_ago(60), "region": region}
    instance_id = add_machine(farm, name, **about, **(tags or {}))  # type: ignore[arg-type]
    idle = {"info": {"host": instance_id}, "last_complete_at": minutes_ago(50)}
    scheduler_schemas.add_worker(farm.scheduler, farm.shape, name, **{**idle, **worker})
    return instance_id


def add_idle_machines(farm: Farm, count: int) -> None:
    """Start so many at once."""
    ours = {"moz-type": "bld-linux64", "moz-state": "ready", "farmhand:farm": "test"}
    farm.start_by_hand(REGIONS[0], ours, count)
    launch_time = minutes_ago(60).isoformat()
    for number, item in enumerate(farm.ec2.instances(REGIONS[0])):
        name = f"bld-linux64-{number:04d}"
        farm.ec2.poke_instance(item["id"], launch_time=launch_time, tags={"Name": name})
        scheduler_schemas.add_worker(
            farm.scheduler,
            farm.shape,
            name,
            info={"host": item["id"]},
            last_complete_at=minutes_ago(50),
        )


def set_connected(farm: Farm, name: str, *, connected: bool) -> None:
    """Let a worker of the hand-filled scheduler database leave its master, or come back."""
    find = f"FROM workers, masters WHERE workers.name = '{name}'"
    with farm.scheduler.begin() as connection:
        connection.execute(
            sa.text(f"DELETE FROM connected_workers WHERE workerid IN (SELECT workers.id {find})")
        )
        if connected:
            columns = "INSERT INTO connected_workers (masterid, workerid)"
            connection.execute(sa.text(f"{columns} SELECT masters.id, workers.id {find}"))


def is_paused(farm: Farm, name: str) -> bool:
    """Whether the hand-filled scheduler database has a worker paused."""
    with farm.scheduler.connect() as connection:
        statement = sa.text("SELECT paused FROM workers WHERE name = :name")
        return bool(connection.scalar(statement, {"name": name}))


class RestServer(ThreadingHTTPServer):
    """Stands where a master's REST is; `answer` says what to a path and its body."""

    daemon_threads = True

    def __init__(self, answer: Callable[[str, bytes], Answer]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answer = answer
        self.calls: list[tuple[str, str]] = []

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self.server_address[1]}/"


class _Handler(BaseHTTPRequestHandler):
    server: RestServer

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.calls.append((self.path, json.loads(body)["method"]))
        status, said = self.server.answer(self.path, body)
        self.send_response(status)
        self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def rest_server(answer: Callable[[str, bytes], Answer]) -> Iterator[RestServer]:
    """Run one."""
    with RestServer(answer) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def pausing(engine: sa.Engine) -> Callable[[str, bytes], Answer]:
    """Do to a hand-filled scheduler database what a master does to its own."""

    def answer(path: str, body: bytes) -> Answer:
        call, key = json.loads(body), path.rpartition("/")[2]
        values = {
            "key": key,
            "paused": int({"pause": True, "unpause": False}[call["method"]]),
            "reason": call["params"]["reason"] if call["method"] == "pause" else None,
        }
        column = "id" if key.isdigit() else "name"
        statement = "UPDATE workers SET paused = :paused, pause_reason = :reason"
        statement = f"{statement} WHERE {column} = :key"
        with engine.begin() as connection:
            connection.execute(sa.text(statement), values)
        return 200, RESULT

    return answer


def forwarding(url: str, before: Callable[[str], None]) -> Callable[[str, bytes], Answer]:
    """Pass calls on to a real master, after doing something `before` that depends on the method."""

    def answer(path: str, body: bytes) -> Answer:
        before(json.loads(body)["method"])
        said = requests.post(f"{url}{path}", data=body, timeout=20)
        return said.status_code, said.content

    return answer


@contextmanager
def master_of(farm: Farm) -> Iterator[RestServer]:
    """Give a hand-filled scheduler database's only master a REST, and let the farm know it."""
    with rest_server(pausing(farm.scheduler)) as server:
        farm.watch["masters"] = {ACTIVE_MASTER: {"url": server.url}}
        farm.watch.setdefault("stop_idle", {})["settle_s"] = 0.01
        yield server


def stop_idle(farm: Farm, *args: str, **environ: str) -> Finished:
    """Run `stop-idle --json`."""
    return farm.run("stop-idle", "--json", *args, **environ)


def fates(done: Finished) -> dict[str, str]:
    """Worker → what became of its machine."""
    return {each["name"]: each["fate"] for each in json.loads(done.out)["outcomes"]}


def verdicts(done: Finished) -> dict[str, str]:
    """Worker → why its machine stops, or stays."""
    said = json.loads(done.out)
    return {each["name"]: each["verdict"] for each in (*said["stops"], *said["kept"])}


def whys(done: Finished) -> dict[str, str]:
    """Worker → the last that was said of its machine, in words."""
    said = json.loads(done.out)
    return {
        each["name"]: each["why"]
        for key in said
        if isinstance(said[key], list)
        for each in said[key]
    }


def states(engine: sa.Engine) -> list[str]:
    """List the states of all stops, oldest first."""
    return [row["state"] for row in read(engine, stops)]


def orphan(engine: sa.Engine) -> None:
    """Let the lease of a run that was killed come to its end."""
    write(engine, stops.update().values(owned_until=minutes_ago(1)))


def expire(engine: sa.Engine) -> None:
    """Let each open step take longer than it may."""
    write(engine, stops.update().values(expires_at=minutes_ago(1)))
