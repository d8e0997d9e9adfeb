"""JSON file → its data and the line of each key, as for the original's files."""

import json
import re
from pathlib import Path
from typing import Any

from farmhand.errors import BadInput
from farmhand.validation import KeyPath, Place, Problem, refuse
from farmhand.yaml_tree import Tree, read_text

TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"(?=(?P<colon>\s*:)?)|[\[\]{},]|[^\s\[\]{},:"]+')


def read_json(path: Path, *, secret: bool = False) -> Tree:
    """Read a JSON object whose keys are all different.

    Raises: BadInput, with the line.
    """
    text = read_text(path, secret=secret)
    if not text.strip():
        raise BadInput(f"{path}: the file is empty")
    try:
        data = json.loads(text)
    except json.JSONDecodeError as err:
        tab = text[err.pos : err.pos + 1] == "\t"
        said = r"a tab inside a string; write \t" if tab else err.msg
        raise BadInput(f"{path}:{err.lineno}: not valid JSON: {said}") from err
    except (RecursionError, ValueError) as err:
        raise BadInput(f"{path}: nested too deeply, or a number too long") from err
    if not isinstance(data, dict):
        raise BadInput(f"{Place(str(path), 1)}: expected an object, {{…}}, at the top")
    return Tree(data, _find_places(text, str(path)))


def _find_places(text: str, file: str) -> dict[KeyPath, Place]:
    """Find the line of every key path in valid JSON, which must not repeat one."""
    places: dict[KeyPath, Place] = {}
    repeated: dict[KeyPath, tuple[Place, Problem]] = {}
    path: list[Any] = []  # one part per open container: a list's index or an object's key
    line, end = 1, 0
    for token in TOKEN.finditer(text):
        line, end = line + text.count("\n", end, token.start()), token.start()
        if token[0] in {"}", "]"}:
            path.pop()
        elif token[0] == ",":
            path[-1] += 1 if isinstance(path[-1], int) else ""
        else:
            place = Place(file, line)
            if token["colon"]:
                path[-1] = json.loads(token[0])
            where = tuple(path)
            if token["colon"] and where in places:
                first = f"this key already stands in line {places[where].line}"
                if not any(where[: len(outer)] == outer for outer in repeated):
                    repeated[where] = (place, Problem(where, first))
            places.setdefault(where, place)
            if token[0] in {"{", "["}:
                path.append("" if token[0] == "{" else 0)
    refuse(repeated.values())
    return places
