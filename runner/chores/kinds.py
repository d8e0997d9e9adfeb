"""Types for chores' settings, and how text or plain data becomes them; pure.

Imports nothing slow: farmhand.yml was checked by another process, by the same types.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from farmhand.errors import BadInput
from farmhand.wording import unknown
from runner.settings import Bounds, is_command

TRUTHS = {"1": True, "yes": True, "true": True, "on": True}
TRUTHS |= {"0": False, "no": False, "false": False, "off": False}


@dataclass(frozen=True, slots=True)
class Rule:
    """What a text or path must be, and how that is said; `pattern` refuses none that holds."""

    holds: Callable[[Any], bool]
    expected: str
    pattern: str = ""

    def __get_pydantic_core_schema__(self, kind: Any, handler: Any) -> Any:
        """Say it to the library that checks, in the process that does."""
        from pydantic import AfterValidator
        from pydantic_core import PydanticCustomError

        def check(value: Any) -> Any:
            if not self.holds(value):
                raise PydanticCustomError("rule", "expected {what}", {"what": self.expected})
            return value

        checked: Any = Annotated[kind, AfterValidator(check)]
        return handler.generate_schema(checked)

    def __get_pydantic_json_schema__(self, core: Any, handler: Any) -> Any:
        """Say it to editors, as far as a pattern can."""
        return handler(core) | ({"pattern": self.pattern} if self.pattern else {})


def is_pattern(text: str) -> bool:
    """Whether it is a regular expression.

    >>> is_pattern("^bld-.*"), is_pattern("(")
    (True, False)
    """
    try:
        re.compile(text)
    except re.error:
        return False
    return True


def is_word(text: str) -> bool:
    """Whether a program takes it for one word, and for no option.

    >>> is_word("https://example.com/x"), is_word("-oProxyCommand=x"), is_word("a b")
    (True, False, False)
    """
    return bool(text) and not text.startswith("-") and text.isprintable() and " " not in text


def is_place(path: Path) -> bool:
    """Whether something can stand beside it.

    >>> is_place(Path("/builds/tools")), is_place(Path("/")), is_place(Path("/builds/.."))
    (True, False, False)
    """
    return path.is_absolute() and path.name not in {"", ".."}


Pattern = Annotated[str, Rule(is_pattern, "a regular expression")]
Command = Annotated[str, Rule(is_command, "a command, its quotes closed")]
AbsolutePath = Annotated[Path, Rule(Path.is_absolute, "an absolute path", "^/")]
Place = Annotated[Path, Rule(is_place, "an absolute path that ends in a name", "^/")]
Text = Annotated[str, Rule(bool, "at least one character", r"[\s\S]")]
Word = Annotated[str, Rule(is_word, "a word that does not begin with -", r"^[^-\s]\S*$")]
Count = Annotated[int, Bounds(0)]
Positive = Annotated[int, Bounds(1)]
Seconds = Annotated[float, Bounds(0)]
Limit = Annotated[float, Bounds(0.001)]
"""Seconds that something may take."""
Percent = Annotated[float, Bounds(0, 100)]
Gib = Annotated[float, Bounds(0)]


def build(kind: Any, value: Any, where: str) -> Any:
    """Build a value of a type from plain data, or from text as an INI file has it.

    A list in a text has commas between, or ends of lines. Raises BadInput that begins with `where`.

    >>> build(tuple[Count, ...], "1, 2", "x"), build(bool, "yes", "x"), build(Path | None, "", "x")
    ((1, 2), True, None)
    """
    if get_origin(kind) is Annotated:
        inner, *rules = get_args(kind)
        built = build(inner, value, where)
        for rule in rules:
            _check(rule, built, where)
        return built
    if get_origin(kind) in {Union, UnionType}:
        (inner,) = (each for each in get_args(kind) if each is not NoneType)
        return None if value is None or value == "" else build(inner, value, where)
    if is_dataclass(kind):
        return _build_dataclass(kind, value, where)
    return _build_simple(kind, value, where)


def _check(rule: object, value: Any, where: str) -> None:
    if isinstance(rule, Rule) and not rule.holds(value):
        raise BadInput(f"{where}: expected {rule.expected}, got {str(value)!r}")
    if isinstance(rule, Bounds) and not rule.least <= value <= rule.most:
        raise BadInput(f"{where}: expected {rule.least:g} to {rule.most:g}, got {value:g}")


def _build_dataclass(kind: Any, value: Any, where: str) -> Any:
    if not isinstance(value, Mapping):
        raise BadInput(f"{where}: expected options below it")
    names = [each.name for each in fields(kind)]
    hints = get_type_hints(kind, include_extras=True)
    built = {}
    for name, each in value.items():
        if name not in names:
            raise BadInput(f"{where}: {unknown('option', name, names)}")
        built[name] = build(hints[name], each, f"{where} {name}")
    try:
        return kind(**built)
    except TypeError as err:
        missing = ", ".join(re.findall(r"'(\w+)'", str(err)))
        raise BadInput(f"{where}: {missing} is required, but missing") from err


def _build_simple(kind: Any, value: Any, where: str) -> Any:
    origin = get_origin(kind)
    if origin is Literal:
        if value not in get_args(kind):
            raise BadInput(f"{where}: expected {' or '.join(get_args(kind))}, got {value!r}")
        return value
    if origin is tuple:
        parts = split_words(value) if isinstance(value, str) else value
        return tuple(build(get_args(kind)[0], each, where) for each in parts)
    if origin is not None:
        if not isinstance(value, Mapping):
            raise BadInput(f"{where}: expected names below it")
        inner = get_args(kind)[1]
        return {name: build(inner, each, f"{where} {name}") for name, each in value.items()}
    try:
        return TRUTHS[value.lower()] if kind is bool and isinstance(value, str) else kind(value)
    except (ValueError, KeyError) as err:
        said = {bool: "true or false", int: "a whole number", float: "a number"}[kind]
        raise BadInput(f"{where}: expected {said}, got {value!r}") from err


def split_words(text: str) -> tuple[str, ...]:
    """Split a list that an INI file has as one text.

    >>> split_words("a, b c,"), split_words("a{1,2}\\nb")
    (('a', 'b c'), ('a{1,2}', 'b'))
    """
    parts = text.split("\n" if "\n" in text else ",")
    return tuple(word for each in parts if (word := each.strip()))


def nest(options: Mapping[str, str]) -> dict[str, Any]:
    """Make a tree of options whose names have dots.

    >>> nest({"keep": "3", "repositories.tools.url": "u", "repositories.tools.path": "/t"})
    {'keep': '3', 'repositories': {'tools': {'url': 'u', 'path': '/t'}}}
    """
    tree: dict[str, Any] = {}
    for name, value in options.items():
        *above, last = name.split(".")
        branch = tree
        for part in above:
            below = branch.setdefault(part, {})
            if not isinstance(below, dict):
                raise BadInput(f"{name}: {part} has a value of its own")
            branch = below
        branch[last] = value
    return tree
