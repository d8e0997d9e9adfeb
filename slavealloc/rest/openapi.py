"""The OpenAPI document of the API: what its operations say of themselves; pure."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import TypeAdapter

from slavealloc.rest.operations import Operation, Schema, Shapes

NOT_JSON = {"text/html": {"schema": {"type": "string"}}}
ERROR: Schema = {"$ref": "#/components/schemas/Error"}
ANY_OBJECT: Schema = {"type": "object"}
TAGGED = {"ETag": {"schema": {"type": "string"}}}
REFUSALS = {
    400: "what was sent is wrong, and where",
    404: "there is no such thing",
    408: "the body was too slow",
    413: "the body is too long",
    431: "the head is too long",
    500: "a bug: a number to look for in the log",
    503: "the farm database does not answer",
}
WRITE_REFUSALS = {
    401: "a change needs a token",
    403: "the token is not good for this",
    409: "something still refers to it",
    412: "it was changed meanwhile: the row as it is now",
}
IF_MATCH = "change it only if it is still this version: an ETag of this row's GET"
BYNAME = "1: the path has a name instead of an id"


def make_document(operations: Iterable[Operation], version: str) -> dict[str, Any]:
    """Make the document of these operations; {table} is one path for each table."""
    paths: dict[str, dict[str, Any]] = {}
    for operation in operations:
        for table, shapes in operation.shapes.items():
            path = operation.path.replace("{table}", table).replace(":path}", "}")
            paths.setdefault(path, {})[operation.method.lower()] = _describe(
                operation, table, shapes
            )
    return {
        "openapi": "3.1.0",
        "info": {"title": "slavealloc", "version": version},
        "servers": [{"url": "/api/v1"}],
        "paths": paths,
        "components": {
            "schemas": {"Error": {**_ERROR}},
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }


_ERROR = {
    "type": "object",
    "properties": {"error": {"type": "string"}, "row": ANY_OBJECT},
    "required": ["error"],
}


def _describe(operation: Operation, table: str, shapes: Shapes) -> dict[str, Any]:
    verb = operation.handle.__name__
    described: dict[str, Any] = {
        "operationId": f"{verb}_{table}" if table else verb,
        "summary": operation.summary,
        "parameters": [
            *_path_parameters(operation, table),
            *_query_parameters(shapes),
            *(_header("If-Match", IF_MATCH) if operation.conditional else []),
        ],
        "responses": _responses(operation, shapes),
    }
    if operation.writes:
        described["security"] = [{"token": []}]
    if shapes.body is not None:
        described["requestBody"] = {
            "required": True,
            "content": {"application/json": {"schema": shapes.body}},
        }
    return described


def _path_parameters(operation: Operation, table: str) -> list[dict[str, Any]]:
    names = re.findall(r"{(\w+)", operation.path.replace("{table}", table))
    text = {"type": "string", "minLength": 1}
    return [{"name": name, "in": "path", "required": True, "schema": text} for name in names]


def _query_parameters(shapes: Shapes) -> list[dict[str, Any]]:
    if shapes.query is None:
        return []
    properties: Mapping[str, Any] = TypeAdapter(shapes.query).json_schema()["properties"]
    found = []
    for name, schema in properties.items():
        if name == "sort":
            schema = {"enum": [sign + each for each in shapes.sorts for sign in ("", "-")]}
        found.append({"name": name, "in": "query", "required": False, "schema": schema})
    return found


def _header(name: str, what: str) -> list[dict[str, Any]]:
    schema = {"type": "string"}
    return [
        {"name": name, "in": "header", "required": False, "schema": schema, "description": what}
    ]


def _responses(operation: Operation, shapes: Shapes) -> dict[str, Any]:
    refusals: dict[int, str] = REFUSALS | (WRITE_REFUSALS if operation.writes else {})
    content: Mapping[str, Any] = {}
    if shapes.answer is not None:
        content = {"application/json": {"schema": shapes.answer}}
    elif shapes.status == 200:
        content = NOT_JSON
    done: dict[str, Any] = {"description": operation.summary}
    if content:
        done["content"] = content
    responses: dict[str, Any] = {str(shapes.status): done}
    if operation.method == "GET":
        responses["304"] = {"description": "it is what If-None-Match says"}
    for status, why in refusals.items():
        schema = {"anyOf": [ERROR, shapes.missing]} if status == 404 and shapes.missing else ERROR
        responses[str(status)] = {
            "description": why,
            "content": {"application/json": {"schema": schema}},
        }
    return responses
