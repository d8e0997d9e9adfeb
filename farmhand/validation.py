"""Tree → dataclasses by pydantic, and how errors are worded; looks at files only to check them."""

import json
import os
import re
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass, fields, is_dataclass
from functools import cache
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, TypeVar, cast, get_args, get_origin, get_type_hints

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    SecretStr,
    TypeAdapter,
    ValidationError,
    ValidationInfo,
    WithJsonSchema,
)
from pydantic_core import ErrorDetails, PydanticCustomError

from farmhand.errors import BadInput
from farmhand.wording import unknown

MISSING = "is required, but missing"
URL = re.compile(
    r"[A-Za-z]\w*(\+\w+)?://([^\s@]*@)?(\[[^\s/?\]]+\]|[^\s:/?\[]*)(:\d*)?(/\S*|\?\S*)?"
)

KeyPath = tuple[str | int, ...]
Kind = TypeVar("Kind")


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with the value at a path: below the section, in what `find_problems` yields."""

    path: KeyPath
    message: str


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """A line of a file."""

    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


def refuse(found: Iterable[tuple[Place, Problem]]) -> None:
    """Raise BadInput with one `file:line: key: message` per problem, if there is any."""
    ordered = sorted(found, key=lambda each: each[0])
    lines = dict.fromkeys(
        f"{place}: {format_path(problem.path)}{problem.message}" for place, problem in ordered
    )
    if lines:
        raise BadInput("\n".join(lines))


def format_path(path: KeyPath) -> str:
    """Format a key path as the start of an error.

    >>> format_path(("watch_pending", "buildermap", "^Linux.*", 0))
    'watch_pending.buildermap["^Linux.*"][0]: '
    """
    text = ""
    for part in path:
        if isinstance(part, str) and part.isidentifier():
            text += f".{part}" if text else part
        else:
            text += f"[{json.dumps(part, ensure_ascii=False)}]"
    return f"{text}: " if text else ""


# Types for the sections' dataclasses


def _refuse_bool(value: object) -> object:
    if isinstance(value, bool):
        raise PydanticCustomError("number_type", "not a number")
    return value


def _check_url(url: SecretStr) -> SecretStr:
    if not URL.fullmatch(url.get_secret_value()):
        expected = 'expected a URL such as "mysql://user:password@host/database"'
        raise PydanticCustomError("secret_url", expected)  # never the value: it has a password
    return url


def _check_file(path: Path, info: ValidationInfo) -> Path:
    found = Path((info.context or {}).get("directory", "")) / path
    if not os.path.isfile(found):  # noqa: PTH113 - Path.is_file raises in a closed directory
        problem = "is not a file" if os.path.exists(found) else "does not exist"  # noqa: PTH110
    elif not os.access(found, os.R_OK):
        problem = "can't be read"
    else:
        return found
    raise PydanticCustomError(
        "existing_file", "the file {file} {problem}", {"file": str(found), "problem": problem}
    )


NotBool = BeforeValidator(_refuse_bool)
"""Put into a number's Annotated: YAML's `yes` is no 1."""
SecretUrl = Annotated[
    SecretStr,
    AfterValidator(_check_url),
    WithJsonSchema({"type": "string", "pattern": rf"^{URL.pattern}$", "writeOnly": True}),
]
"""An SQLAlchemy URL, by its shape; hidden in repr, read by `get_secret_value()`."""
ExistingFile = Annotated[Path, AfterValidator(_check_file)]
"""A readable file; a relative path starts at the configuration file's directory."""

Count = Annotated[int, NotBool, Field(ge=0)]
Positive = Annotated[float, NotBool, Field(gt=0, allow_inf_nan=False)]
PositiveInt = Annotated[int, NotBool, Field(gt=0)]
Usd = Positive
Seconds = Positive
NonEmpty = Annotated[str, Field(min_length=1)]
HttpUrl = Annotated[str, Field(pattern=r"^https?://[^\s/@]+(/\S*)?$")]


# Tree → dataclasses

EXPECTED: Mapping[str, str] = {
    "string_type": "text",
    "string_too_short": "at least {min_length} character(s)",
    "string_too_long": "at most {max_length} characters",
    "string_pattern_mismatch": "text that matches {pattern}",
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "number_type": "a number",
    "float_type": "a number",
    "float_parsing": "a number",
    "finite_number": "a finite number",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "dict_type": "a mapping",
    "mapping_type": "a mapping",
    "dataclass_type": "a mapping",
    "tuple_type": "a list",
    "list_type": "a list",
    "path_type": "a file name",
    "too_short": "at least {min_length} item(s)",
    "too_long": "at most {max_length} items",
    "greater_than": "more than {gt}",
    "greater_than_equal": "{ge} or more",
    "less_than": "less than {lt}",
    "less_than_equal": "{le} or less",
    "enum": "{expected}",
    "literal_error": "{expected}",
}
"""pydantic's error type → what was expected, in our words."""


def validate(
    kind: type[Kind], data: object, directory: Path, *, beside: Iterable[str] = ()
) -> tuple[Kind | None, list[Problem]]:
    """Build a dataclass from plain data, or say everything that is wrong with it.

    Where it has `find_problems`, these are told too, once each single value is right. `beside` are
    keys that are no fields, but may stand beside them: an unknown key may be one misspelled.
    """
    try:
        adapter = _make_adapter(cast("Hashable", kind))
        built = adapter.validate_python(data, context={"directory": directory})
    except ValidationError as err:
        errors = err.errors(include_url=False, include_input=False)
        return None, _describe(errors, kind, data, list(beside))
    return built, list(built.find_problems()) if hasattr(built, "find_problems") else []


@cache
def _make_adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def _describe(
    errors: list[ErrorDetails], kind: Any, data: object, beside: list[str]
) -> list[Problem]:
    """Tell pydantic's errors in plain words, one a path; values are never quoted: secrets."""
    found: dict[KeyPath, list[ErrorDetails]] = {}
    for error in errors:
        found.setdefault(_real_path(error, data), []).append(error)
    problems = [
        Problem(path, _message(here, path, kind, data, beside))
        for path, here in found.items()
        if not _fits_another_branch(path, here, found)
    ]
    guesses = {
        (*each.path[:-1], guess[1])
        for each in problems
        if (guess := re.fullmatch('unknown key .*; did you mean "(.*)"\\?', each.message))
    }
    return [each for each in problems if each.message != MISSING or each.path not in guesses]


def _real_path(error: ErrorDetails, data: Any) -> KeyPath:
    """Return the path in the file: pydantic also names branches of unions and `[key]`."""
    path: list[str | int] = []
    for part in error["loc"]:
        if isinstance(data, dict):
            inside = part in data
        else:
            inside = isinstance(data, list) and isinstance(part, int) and part < len(data)
        if inside:
            path.append(part)
            data = data[part]
    return (*path, error["loc"][-1]) if error["type"] == "missing" else tuple(path)


def _fits_another_branch(path: KeyPath, here: list[ErrorDetails], found: Iterable[KeyPath]) -> bool:
    """Tell whether a union's other branch fits better, since only parts inside it are wrong."""
    of_union = len(here[0]["loc"]) > len(path)
    return of_union and any(other[: len(path)] == path and other != path for other in found)


def _message(
    here: list[ErrorDetails], path: KeyPath, kind: Any, data: Any, beside: list[str]
) -> str:
    error = here[0]
    if error["type"] == "missing":
        return MISSING
    if error["type"] in {"unexpected_keyword_argument", "extra_forbidden"}:
        known = _known_keys(kind, path[:-1]) + (beside if len(path) == 1 else [])
        return unknown("key", str(path[-1]), known)
    if error["loc"][-1:] == ("[key]",) and "expected" in error.get("ctx", {}):
        return unknown("key", str(path[-1]), re.findall("'(.*?)'", error["ctx"]["expected"]))
    if error["type"] not in EXPECTED:
        return error["msg"]
    phrases = dict.fromkeys(
        EXPECTED[each["type"]].format(**each.get("ctx", {}))
        for each in here
        if each["type"] in EXPECTED
    )
    for part in path:
        data = data[part]
    return f"expected {' or '.join(phrases)}{_got(data, error['type'])}"


def _got(value: object, error_type: str) -> str:
    """Say what stands there instead, by its kind alone."""
    kinds: Mapping[type, str] = {
        NoneType: "nothing",
        bool: "true or false",
        str: "text",
        list: "a list",
        dict: "a mapping",
    }
    if not error_type.endswith(("_type", "_parsing", "_from_float")):
        return ""
    quote = "; quote it" if error_type == "string_type" and isinstance(value, int | float) else ""
    return f", got {kinds.get(type(value), 'a number')}{quote}"


def _known_keys(kind: Any, path: KeyPath) -> list[str]:
    """Return the keys that may stand at a path, by the types."""
    known: list[str] = []
    if is_dataclass(kind) and path:
        known = _known_keys(get_type_hints(kind, include_extras=False).get(str(path[0])), path[1:])
    elif is_dataclass(kind):
        known = [each.name for each in fields(kind)]
    else:  # a union's branches, or the values of a mapping or tuple
        is_union = not isinstance(get_origin(kind), type) or get_origin(kind) is UnionType
        for each in get_args(kind):
            known += _known_keys(each, path if is_union else path[1:])
    return known
