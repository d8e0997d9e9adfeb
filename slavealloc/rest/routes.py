"""All of the API in one list: methods, paths, handlers, and the shapes that OpenAPI shows."""

import socket
from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from farmhand import __version__
from slavealloc.batches import Batches
from slavealloc.numbers import Numbers
from slavealloc.pages import Page
from slavealloc.places import Places
from slavealloc.replies import Json
from slavealloc.rest import forms, schemas
from slavealloc.rest.allocations import Allocations
from slavealloc.rest.api import Api
from slavealloc.rest.changes import MANY, Changes
from slavealloc.rest.openapi import make_document
from slavealloc.rest.operations import Handler, Operation, Shapes, make_routes
from slavealloc.rest.resources import RESOURCES
from slavealloc.rest.wanted import find_sorts

TABLE = "/{table}"
ROW = "/{table}/{key}"
JACUZZI = "/jacuzzis/{builder:path}"


def list_operations(api: Api, changes: Changes, allocations: Allocations | None) -> list[Operation]:
    """List what there is; `allocations` is None where machines ask another server."""
    return [
        *_list_single(api),
        *([_allocate(allocations)] if allocations else []),
        *_list_jacuzzis(api, changes),
        *_list_tables(api, changes),
    ]


def make_api(places: Places, numbers: Numbers, batches: Batches[Page] | None) -> list[Route]:
    """Make the paths, below wherever they are mounted, and the document of all of them."""
    need_token = places.config.machines_need_token
    operations = list_operations(
        Api(places=places, host=socket.getfqdn()),
        Changes(database=places.database, default_template=places.config.default_template),
        Allocations(batches=batches, numbers=numbers, need_token=need_token) if batches else None,
    )
    document = Json(make_document(operations, __version__)).body

    async def show_document(_: Request) -> Response:
        return Response(bytes(document), media_type="application/json")

    return [Route("/openapi.json", show_document), *make_routes(operations)]


def _list_single(api: Api) -> list[Operation]:
    shapes = {
        "/": (api.show_help, Shapes(answer=None)),
        "/health": (api.show_health, Shapes(answer=schemas.HEALTH)),
        "/gettac/{name}": (api.preview_tac, Shapes(answer=schemas.TAC)),
        "/slaves/{key}/history": (
            api.show_history,
            Shapes(answer=schemas.list_of(schemas.HISTORY), query=forms.RowQuery),
        ),
    }
    return [
        Operation(method="GET", path=path, handle=handle, shapes={"": shape})
        for path, (handle, shape) in shapes.items()
    ]


def _allocate(allocations: Allocations) -> Operation:
    answer = schemas.shape(allocations=schemas.list_of(schemas.ALLOCATION))
    shapes = Shapes(answer=answer, body=schemas.form(forms.Asked))
    return Operation(
        method="POST", path="/allocations", handle=allocations.allocate, shapes={"": shapes}
    )


def _list_jacuzzis(api: Api, changes: Changes) -> list[Operation]:
    one, every = Shapes(answer=schemas.JACUZZI), Shapes(answer=schemas.list_of(schemas.JACUZZI))
    put = Shapes(answer=schemas.JACUZZI, body=schemas.form(forms.JacuzziEdit))
    gone = Shapes(answer=None, status=204, query=forms.Reason)
    return [
        Operation(method="GET", path="/jacuzzis", handle=api.list_jacuzzis, shapes={"": every}),
        Operation(method="GET", path=JACUZZI, handle=api.show_jacuzzi, shapes={"": one}),
        _writing("PUT", JACUZZI, changes.set_jacuzzi, {"": put}),
        _writing("DELETE", JACUZZI, changes.delete_jacuzzi, {"": gone}),
    ]


def _list_tables(api: Api, changes: Changes) -> list[Operation]:
    lists = {name: _list_shapes(name) for name in RESOURCES}
    rows = {
        name: Shapes(answer=schemas.row(name), query=forms.RowQuery, missing=schemas.EMPTY)
        for name in RESOURCES
    }
    new = {
        name: Shapes(answer=schemas.row(name), status=201, body=schemas.added(name))
        for name in RESOURCES
    }
    many = {
        name: Shapes(answer=schemas.MANY_EDITED, body=schemas.many_edited(name)) for name in MANY
    }
    edits = {
        name: Shapes(answer=schemas.SUCCESS, query=forms.RowQuery, body=schemas.edited(name))
        for name in RESOURCES
    }
    gone = {name: Shapes(answer=None, status=204, query=forms.Deletion) for name in RESOURCES}
    return [
        Operation(method="GET", path=TABLE, handle=api.list_rows, shapes=lists),
        _writing("POST", TABLE, changes.add_row, new),
        _writing("PATCH", TABLE, changes.edit_rows, many),
        Operation(method="GET", path=ROW, handle=api.show_row, shapes=rows),
        _writing("PUT", ROW, changes.edit_row, edits),
        _writing("PATCH", ROW, changes.edit_row, edits),
        _writing("DELETE", ROW, changes.delete_row, gone),
    ]


def _list_shapes(name: str) -> Shapes:
    answer = schemas.list_of(schemas.listed_row(name))
    return Shapes(answer=answer, query=RESOURCES[name].query, sorts=find_sorts(name))


def _writing(method: str, path: str, handle: Handler, shapes: Mapping[str, Shapes]) -> Operation:
    return Operation(method=method, path=path, handle=handle, shapes=shapes, writes=True)
