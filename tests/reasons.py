"""What the code can say to people, read from its source: a new reason can't be missing unseen.

Reasons are sentences, made where something is decided. So each text of a module counts that has two
words, but for docstrings and what goes to the log alone; what is filled in stands as "…".
"""

import ast
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

HOLE = "…"
WORD = re.compile(r"[A-Za-z]{2,}")


def find_texts(paths: Iterable[Path]) -> set[str]:
    """Collect the sentences in modules, with … for what is filled in."""
    return {
        text
        for path in paths
        for text in _read_texts(ast.parse(path.read_text("utf-8")))
        if len(WORD.findall(text)) > 1 and " " in text
    }


def find_arguments(paths: Iterable[Path], name: str) -> set[str]:
    """Collect what is written for a keyword argument in modules, whichever function it is of."""
    return {
        text
        for path in paths
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.keyword) and node.arg == name
        if (text := _format(node.value)) is not None
    }


def _read_texts(tree: ast.AST) -> Iterator[str]:
    """Walk down, but not into what is no reason."""
    if _is_unsaid(tree):
        return
    text = _format(tree)
    if text is not None:
        yield text
        return
    for child in ast.iter_child_nodes(tree):
        yield from _read_texts(child)


def _is_unsaid(node: ast.AST) -> bool:
    """Whether it is a docstring, a type, or a line of the log."""
    match node:
        case ast.Expr(value=ast.Constant()):
            return True
        case ast.Call(func=ast.Attribute(value=ast.Name(id="log"))):
            return True
        case _:
            return False


def _format(node: ast.AST) -> str | None:
    """Return the text that a literal makes, None for anything else."""
    match node:
        case ast.Constant(value=str(text)):
            return text.strip()
        case ast.JoinedStr(values=parts):
            text = "".join(
                str(part.value) if isinstance(part, ast.Constant) else HOLE for part in parts
            )
            return re.sub(f"{HOLE}+", HOLE, text).strip()
        case _:
            return None
