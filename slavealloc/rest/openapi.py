"""The OpenAPI document of the API: what its operations say of themselves; pure."""

import re
from collections.abc import Iterable
from typing import Any

from pydantic import TypeAdapter

from slavealloc.rest.operations import Operation, Schema, Shapes

# A 412 has the row too.
ERROR: Schema = {
    "type": "object",
    "properties": {"error": {"type": "string"}, "row": {"type": "object"}},
    "required": ["error"],
}
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


def make_document(operations: Iterable[Operation], version: str) -> dict[str, Any]:
    """Make the document of these operations; {table} is one path for each table."""
    paths: dict[str, dict[str, Any]] = {}
    for operation in operations:
        for table, shapes in operation.shapes.items():
            path = operation.path.replace("{table}", table).replace(":path}", "}")
            described = {
                "operationId": "_".join([operation.method.lower(), *re.findall(r"\w+", path)]),
                "summary": operation.summary,
                "parameters": _parameters(operation, path, shapes),
                "responses": _responses(operation, shapes),
                **_body(shapes),
                **({"security": [{"token": []}]} if operation.writes else {}),
            }
            paths.setdefault(path, {})[operation.method.lower()] = described
    return {
        "openapi": "3.1.0",
        "info": {"title": "slavealloc", "version": version},
        "servers": [{"url": "/api/v1"}],
        "paths": paths,
        "components": {
            "responses": {
                str(status): {"description": why, "content": _json(ERROR)}
                for status, why in {**REFUSALS, **WRITE_REFUSALS}.items()
            },
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }


def _json(schema: Schema) -> Schema:
    return {"application/json": {"schema": schema}}


def _parameters(operation: Operation, path: str, shapes: Shapes) -> list[dict[str, Any]]:
    found = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
        for name in re.findall(r"{(\w+)}", path)
    ]
    query = TypeAdapter(shapes.query).json_schema() if shapes.query else {"properties": {}}
    for name, schema in query["properties"].items():
        if name == "sort":
            schema = {"enum": [sign + each for each in shapes.sorts for sign in ("", "-")]}
        found.append({"name": name, "in": "query", "required": False, "schema": schema})
    if operation.conditional:
        schema = {"type": "string", "pattern": r'^(\*|(W/)?"[^"]*")$'}
        parameter = {"name": "If-Match", "in": "header", "required": False, "schema": schema}
        found.append({**parameter, "description": IF_MATCH})
    return found


def _body(shapes: Shapes) -> dict[str, Any]:
    if shapes.body is None:
        return {}
    return {"requestBody": {"required": True, "content": _json(shapes.body)}}


def _responses(operation: Operation, shapes: Shapes) -> dict[str, Any]:
    done: dict[str, Any] = {"description": operation.summary}
    if shapes.answer is not None:
        done["content"] = _json(shapes.answer)
    elif shapes.status == 200:
        done["content"] = {"text/html": {"schema": {"type": "string"}}}
    responses: dict[str, Any] = {str(shapes.status): done}
    if operation.method == "GET":
        responses["304"] = {"description": "it is what If-None-Match says"}
    refusals = {**REFUSALS, **(WRITE_REFUSALS if operation.writes else {})}
    responses |= {str(status): {"$ref": f"#/components/responses/{status}"} for status in refusals}
    if shapes.missing is not None:
        schema = {"anyOf": [ERROR, shapes.missing]}
        responses["404"] = {"description": REFUSALS[404], "content": _json(schema)}
    return responses
