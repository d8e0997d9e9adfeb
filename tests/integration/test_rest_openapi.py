"""Whatever is sent to the API, it never fails, and each answer is what openapi.json says."""

import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import Case, GenerationMode
from schemathesis.checks import positive_data_acceptance
from schemathesis.core.result import Ok

from slavealloc.rest.resources import RESOURCES
from tests import services
from tests.allocators import (
    Allocator,
    add_masters,
    add_workers,
    make_places_database,
    running_allocator,
)

pytestmark = pytest.mark.integration

EXAMPLES, MANY_EXAMPLES = 2, 25
# Tables are alike: these stand for all.
TABLES = {"slaves", "slave_passwords"}
HIT = {"key": "1", "builder": "Linux", "name": "w1"}


@pytest.fixture(
    scope="module",
    params=[
        "sqlite",
        *(pytest.param(each, marks=pytest.mark.soak) for each in ("mariadb", "postgresql")),
    ],
)
def served(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Allocator]:
    """Two masters, and workers w1 to w9."""
    state: Path = tmp_path_factory.mktemp("openapi")
    url = f"sqlite:///{state}/farm.db"
    if request.param != "sqlite":
        server: services.DatabaseServer = request.getfixturevalue(request.param)
        url = server.create_database(f"openapi_{uuid.uuid4().hex[:12]}")
    engine = make_places_database(url)
    add_masters(engine, 2)
    add_workers(engine, [f"w{n}" for n in range(1, 10)])
    with running_allocator(engine, state=state) as allocator:
        yield allocator
    engine.dispose()


def attack(served: Allocator, operation: Any, examples: int, **given_: Any) -> None:
    """Send what fits an operation, and what does not; only its data may then be refused."""
    headers = served.authorization()
    chosen = settings(
        max_examples=examples,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[hypothesis.Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    for mode in GenerationMode:
        if mode is GenerationMode.NEGATIVE and not (operation.body or operation.query):
            continue  # nothing that could be wrong

        @chosen
        @given(case=operation.as_strategy(generation_mode=mode, **given_))
        def send(case: Case[Any]) -> None:
            # What fits its type may name a row there is not.
            case.call_and_validate(headers=headers, excluded_checks=[positive_data_acceptance])

        send()


def find_operations(served: Allocator) -> list[Any]:
    schema = schemathesis.openapi.from_url(f"{served.url}/api/v1/openapi.json")
    found = schema.get_all_operations()
    return [each.ok() for each in found if isinstance(each, Ok)]


@pytest.mark.fault(
    "anything at all is sent to the API", "no 500: the answer is what the OpenAPI document says"
)
def test_whatever_is_sent_the_answer_is_what_the_document_says(served: Allocator) -> None:
    for operation in find_operations(served):
        first = operation.path.split("/")[1]
        if first in RESOURCES and first not in TABLES:
            continue
        names = [parameter.name for parameter in operation.path_parameters]
        attack(served, operation, EXAMPLES, path_parameters={name: HIT[name] for name in names})


@pytest.mark.soak
def test_whatever_is_sent_so_often_too(served: Allocator) -> None:
    for operation in find_operations(served):
        attack(served, operation, MANY_EXAMPLES)
