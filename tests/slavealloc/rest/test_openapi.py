"""The API's description of itself: all of what is there, and nothing else."""

import asyncio
import json
from typing import Any

import pytest
import sqlalchemy as sa
from openapi_spec_validator import validate
from starlette.requests import Request
from starlette.routing import Route

from farmhand.db import FarmDb
from slavealloc.batches import Batches
from slavealloc.config import SlaveAlloc
from slavealloc.numbers import Numbers
from slavealloc.pages import Page
from slavealloc.places import Places
from slavealloc.rest.changes import MANY
from slavealloc.rest.operations import Methods
from slavealloc.rest.resources import RESOURCES
from slavealloc.rest.routes import make_api


@pytest.fixture(scope="module")
def routes() -> list[Route]:
    url = sa.make_url("sqlite://")
    database = FarmDb(engine=sa.create_engine(url), url=url)
    places = Places(database=database, config=SlaveAlloc(), host="test")
    batches: Batches[Page] = Batches(lambda _: {})
    return make_api(places, Numbers(), batches)


@pytest.fixture(scope="module")
def document(routes: list[Route]) -> dict[str, Any]:
    given = next(route for route in routes if route.path == "/openapi.json")
    answer = asyncio.run(given.endpoint(Request({"type": "http"})))
    loaded: dict[str, Any] = json.loads(answer.body)
    return loaded


def test_it_is_openapi(document: dict[str, Any]) -> None:
    validate(document)


def test_each_route_is_described(routes: list[Route], document: dict[str, Any]) -> None:
    for route in routes[1:]:
        tables = list(RESOURCES) if "{table}" in route.path else [""]
        for table in tables:
            path = route.path.replace("{table}", table).replace(":path}", "}")
            assert isinstance(route.endpoint, Methods)
            methods = set(route.endpoint.handlers)
            if route.path == "/{table}" and table not in MANY:
                methods.remove("PATCH")
            described = {method.upper() for method in document["paths"].pop(path)}
            assert described == methods, path
    assert document["paths"] == {}
