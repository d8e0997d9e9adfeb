"""The JSON Schema of farmhand.yml, for editors, made from the dataclasses that validate it.

It refuses nothing that the loader accepts. The loader finds more: unknown names, repeated keys,
patterns that don't compile. Meanings of keys come from the manual, by way of `keys.json`.
"""

import json
from collections.abc import Mapping
from importlib.resources import files
from typing import Any

from pydantic import TypeAdapter

from farmhand.config import SECTIONS, Top, find_section

Schema = dict[str, Any]
VARIABLE = r"\$\{"
NUMBER = r"^\s*[-+]?[0-9][0-9_]*(\.[0-9_]*)?([eE][-+]?[0-9]+)?\s*$"
TRUTH = "^([TtYyFfNn]|[Tt]rue|TRUE|[Yy]es|YES|[Oo]n|ON|[Ff]alse|FALSE|[Nn]o|NO|[Oo]ff|OFF)$"
BOUNDS = {"gt": "exclusiveMinimum", "ge": "minimum", "lt": "exclusiveMaximum", "le": "maximum"}
KEPT = (
    "default",
    "items",
    "maximum",
    "maxItems",
    "maxLength",
    "minimum",
    "exclusiveMinimum",
    "minItems",
    "minLength",
    "minProperties",
)


def make_schema() -> Schema:
    """Make the schema of the whole file."""
    meanings = json.loads((files("farmhand") / "keys.json").read_text("utf-8"))
    schema = _make(Top, meanings)
    for name in SECTIONS:
        meaning = meanings[Top.__name__][name]
        schema["properties"][name] = {"description": meaning} | _make(find_section(name), meanings)
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "farmhand.yml",
        "description": "The configuration of farmhand: docs/configuration.md.",
        **schema,
    }


def _make(kind: Any, meanings: Mapping[str, Mapping[str, str]]) -> Schema:
    """Make a dataclass's schema, all it refers to in its place."""
    raw = TypeAdapter(kind).json_schema()
    return _plain(raw, raw.get("$defs", {}), meanings)


def _plain(raw: Schema, defs: Mapping[str, Schema], meanings: Mapping[str, Any]) -> Schema:
    """Rewrite pydantic's schema of a value as what may stand in the file."""
    if "$ref" in raw:
        default = {"default": raw["default"]} if "default" in raw else {}
        return _plain(_find(raw, defs), defs, meanings) | default
    if "anyOf" in raw:
        return _either([_plain(each, defs, meanings) for each in raw["anyOf"]], raw)
    found = {BOUNDS.get(key, key): value for key, value in raw.items()}
    schema: Schema = {"type": found["type"], **{key: found[key] for key in KEPT if key in found}}
    for key in ("items", "additionalProperties"):
        if isinstance(found.get(key), dict):
            schema[key] = _plain(found[key], defs, meanings)
    if "propertyNames" in found:  # keys are not expanded
        names = found["propertyNames"]
        schema["propertyNames"] = {"enum": _find(names, defs)["enum"]} if "$ref" in names else names
    if "properties" in found:
        schema |= _of_dataclass(found, defs, meanings)
    return _with_variables(schema, found)


def _find(raw: Schema, defs: Mapping[str, Schema]) -> Schema:
    return defs[raw["$ref"].rpartition("/")[2]]


def _of_dataclass(found: Schema, defs: Mapping[str, Schema], meanings: Mapping[str, Any]) -> Schema:
    properties, secrets = {}, set()
    for name, each in found["properties"].items():
        properties[name] = _plain(each, defs, meanings)
        if meaning := meanings[found["title"]].get(name):
            properties[name] = {"description": meaning, **properties[name]}
        if each.get("writeOnly"):
            secrets.add(name)  # they may stand in the file of -k
    required = [name for name in found.get("required", ()) if name not in secrets]
    return {
        "properties": properties,
        "additionalProperties": False,
        **({"required": required} if required else {}),
    }


def _either(branches: list[Schema], raw: Schema) -> Schema:
    """Join branches; where only one may be something, it is that one, or nothing."""
    default = {"default": raw["default"]} if raw.get("default") is not None else {}
    first, *rest = branches
    if rest == [{"type": "null"}] and "type" in first:
        types = first["type"] if isinstance(first["type"], list) else [first["type"]]
        return first | {"type": [*types, "null"]} | default
    return {"anyOf": [part for each in branches for part in each.get("anyOf", [each])]} | default


def _with_variables(schema: Schema, found: Schema) -> Schema:
    """Let text hold ${NAME}, and numbers and truths be text."""
    match schema["type"]:
        case "string" if "enum" in found or "const" in found:
            choices = found.get("enum", [found.get("const")])
            default = {"default": found["default"]} if "default" in found else {}
            return {"anyOf": [{"enum": choices}, {"type": "string", "pattern": VARIABLE}]} | default
        case "string" if "pattern" in found:
            return schema | {"pattern": f"{found['pattern']}|{VARIABLE}"}
        case "integer" | "number" as number:
            words = {"integer": "a whole number", "number": "a number"}
            text = _pattern(NUMBER, f"expected {words[number]}")
            return schema | {"type": [number, "string"], **text}
        case "boolean":
            text = _pattern(TRUTH, "expected true or false")
            types = ["boolean", "integer", "string"]
            return schema | {"type": types, "minimum": 0, "maximum": 1, **text}
        case _:
            return schema


def _pattern(pattern: str, expected: str) -> Schema:
    """Make what text must match; yaml-language-server shows the words, others the pattern."""
    return {"pattern": f"{pattern}|{VARIABLE}", "patternErrorMessage": expected}
