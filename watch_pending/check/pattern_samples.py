"""Names that a regular expression matches, a few of them; pure.

They are guesses: look-aheads and references back are left out, so each must be tried.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from math import prod
from typing import Any

# How Python itself reads a pattern; it has no public name since sre_parse became re._parser.
_parser = import_module("re._parser")
MOST_VARIANTS = 24
MOST_OF_A_SET = 4  # Python reads (a|b) as a set too
LONG = 256
ANY_TEXT = "x1 -_./"
CATEGORIES: Mapping[str, Callable[[str], bool]] = {
    "CATEGORY_DIGIT": str.isdigit,
    "CATEGORY_SPACE": str.isspace,
    "CATEGORY_WORD": lambda c: c.isalnum() or c == "_",
    "CATEGORY_NOT_DIGIT": lambda c: not c.isdigit(),
    "CATEGORY_NOT_SPACE": lambda c: not c.isspace(),
    "CATEGORY_NOT_WORD": lambda c: not (c.isalnum() or c == "_"),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Fill:
    """What may stand where a pattern takes any text; `long` repeats what it may repeat."""

    words: tuple[str, ...] = ()
    long: bool = False


def sample_names(pattern: str, fill: Fill, most: int) -> list[str]:
    """Make at most so many different names, spread over all that the pattern offers.

    There are none for one that is nested too deeply.

    >>> sample_names("^Linux( x86-64)? .*(build|nightly)$", Fill(), 4)
    ['Linux build', 'Linux nightly', 'Linux x86-64 build', 'Linux x86-64 nightly']
    """
    try:
        return list(dict.fromkeys(_spread(_choices(_parser.parse(pattern), fill), most)))
    except RecursionError:
        return []


def long_names(pattern: str, most: int) -> list[str]:
    """Make names that a pattern takes longest to refuse: what it repeats, and almost matches."""
    short = sample_names(pattern, Fill(), 8)
    units = dict.fromkeys([*short, *(word for name in short for word in name.split())])
    made = [name for name in sample_names(pattern, Fill(long=True), most // 3) if name]
    made += [start + (unit or "x") * LONG for unit in units for start in ("", *short[:2])]
    cut = [name[:LONG] for name in made] + [f"{name[: LONG - 1]}!" for name in made]
    return list(dict.fromkeys(cut))[:most]


def ends(pattern: str) -> bool:
    """Whether nothing may follow what the pattern matches."""
    last = list(_parser.parse(pattern))[-1:]
    return any(str(op) == "AT" and str(value).startswith("AT_END") for op, value in last)


def _spread(choices: Sequence[Sequence[str]], most: int) -> Iterator[str]:
    """Yield at most so many of the texts that one choice each makes, evenly over all of them."""
    total = prod(len(each) for each in choices)
    for n in range(min(total, most)):
        number, parts = n * total // min(total, most), []
        for each in reversed(choices):
            number, index = divmod(number, len(each))
            parts.append(each[index])
        yield "".join(reversed(parts))


def _variants(op: Any, value: Any, fill: Fill) -> list[str]:
    """List what one part of a pattern may stand for."""
    match str(op):
        case "LITERAL":
            return [chr(value)]
        case "NOT_LITERAL":
            return [next(c for c in ANY_TEXT if c != chr(value))]
        case "ANY":
            return ["."]
        case "IN":
            return _some_of(value)
        case "BRANCH":
            found = [text for branch in value[1] for text in _sequence(branch, fill)]
            return list(dict.fromkeys(found))[:MOST_VARIANTS]
        case "SUBPATTERN":
            return _sequence(value[-1], fill)
        case "ATOMIC_GROUP":
            return _sequence(value, fill)
        case "MAX_REPEAT" | "MIN_REPEAT" | "POSSESSIVE_REPEAT":
            least, most, parts = value
            return _repeat(least, int(most), parts, fill)
        case _:
            return [""]


def _sequence(parts: Any, fill: Fill) -> list[str]:
    return list(dict.fromkeys(_spread(_choices(parts, fill), MOST_VARIANTS)))


def _choices(parts: Any, fill: Fill) -> list[list[str]]:
    """List what each part may stand for; a text without a choice is one part."""
    choices: list[list[str]] = [[""]]
    for op, value in parts:
        found = _variants(op, value, fill)
        if len(found) == len(choices[-1]) == 1:
            choices[-1] = [choices[-1][0] + found[0]]
        else:
            choices.append(found)
    return choices


def _repeat(least: int, most: int, parts: Any, fill: Fill) -> list[str]:
    once = _sequence(parts, fill)
    found = [] if least else [""]
    if most < LONG:
        found += [(text * max(least, 1))[:LONG] for text in once]
    elif fill.long:
        found = [(text * LONG)[:LONG] for text in once]
    elif _takes_words(parts):
        found = found or once
        found += [f" {word}" for word in fill.words if _one_text(parts, " ")]
        found += fill.words
    else:
        found += [(text * max(least, 1))[:LONG] for text in once]
    return list(dict.fromkeys(found))[:MOST_VARIANTS]


def _takes_words(parts: Any) -> bool:
    return len(parts) == 1 and all(_one_text(parts, c) for c in "atz")


def _one_text(parts: Any, char: str) -> bool:
    """Whether a part that is one character may be this one."""
    op, value = parts[0]
    return str(op) == "ANY" or (str(op) == "IN" and _is_in(value, char))


def _some_of(members: Any) -> list[str]:
    """Choose from a set a few characters that it names, or one that it takes."""
    own: list[str] = []
    for op, value in members:
        if str(op) == "LITERAL":
            own.append(chr(value))
        elif str(op) == "RANGE":
            own += map(chr, range(value[0], min(value[1] + 1, value[0] + MOST_OF_A_SET)))
    named = [char for char in own if _is_in(members, char)]
    return named[:MOST_OF_A_SET] or [next((c for c in ANY_TEXT if _is_in(members, c)), "x")]


def _is_in(members: Any, char: str) -> bool:
    negated = any(str(op) == "NEGATE" for op, _ in members)
    return negated != any(_is_member(str(op), value, char) for op, value in members)


def _is_member(op: str, value: Any, char: str) -> bool:
    if op == "RANGE":
        return bool(value[0] <= ord(char) <= value[1])
    if op == "CATEGORY":
        return CATEGORIES[str(value)](char)
    return op == "LITERAL" and char == chr(value)
