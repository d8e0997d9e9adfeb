"""Reads from the tests' source which faults they show: `@pytest.mark.fault(name, what happens)`.

Nothing is imported and nothing run. Above a parametrized test each row is a fault of its own where
the name says so: `{code}` stands for the argument of that name, `{id}` for the row's id. For a
test that goes through a table itself, `each=TABLE` names it and `{id}` is the table's key; with
`files="tests/data/bad/*.yml"` it is a file's name.
"""

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import chain, zip_longest
from pathlib import Path

ROOT = Path(__file__).parent.parent
MARK = "pytest.mark.fault"
ASSERTING = ("assert_", "attack", "check_", "expect", "read_until")


@dataclass(frozen=True, kw_only=True, slots=True)
class Fault:
    """What may go wrong, what happens then, and the test that shows it."""

    name: str
    what: str
    test: str
    path: Path
    asserts: bool


def read_faults(directory: Path) -> list[Fault]:
    """Read all faults of the tests below a directory, in the order of their files."""
    paths = sorted(directory.rglob("test_*.py"))
    return list(chain.from_iterable(map(read_file, paths)))


def read_file(path: Path) -> Iterator[Fault]:
    """Read the faults of one file."""
    text = path.read_text("utf-8")
    if f"@{MARK}(" not in text:
        return
    tree = ast.parse(text)
    for test in tree.body:
        if not isinstance(test, ast.FunctionDef):
            continue
        calls = [node for node in test.decorator_list if isinstance(node, ast.Call)]
        for call in calls:
            if _dotted(call.func) == MARK:
                for fields in _rows(call, calls, tree):
                    name, what = (_fill(node, fields, path) for node in call.args)
                    yield Fault(
                        name=name, what=what, test=test.name, path=path, asserts=_asserts(test)
                    )


@cache
def _parse(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"))


def _dotted(node: ast.expr) -> str:
    """Write `pytest.mark.fault` as it stands; of `f().g`, what is after the call."""
    if isinstance(node, ast.Attribute):
        return f"{_dotted(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""


def _fill(node: ast.expr, fields: Mapping[str, object], path: Path) -> str:
    try:
        return str(ast.literal_eval(node)).format_map(fields)
    except (KeyError, ValueError) as error:
        raise ValueError(f"{path}:{node.lineno}: {ast.unparse(node)}: no {error}") from error


def _asserts(test: ast.FunctionDef) -> bool:
    """Tell whether a test can fail: by `assert`, `pytest.raises`, or what is named as asserting."""
    for node in ast.walk(test):
        called = _dotted(node.func) if isinstance(node, ast.Call) else ""
        if isinstance(node, ast.Assert) or called == "pytest.raises":
            return True
        if called.rpartition(".")[2].startswith(ASSERTING):
            return True
    return False


# Rows


def _rows(
    call: ast.Call, decorators: list[ast.Call], tree: ast.Module
) -> Iterator[dict[str, object]]:
    """Say what a mark's text may name: once for each row, or once if it names nothing."""
    named = {keyword.arg: keyword.value for keyword in call.keywords}
    if each := named.get("each"):
        for key in _read_keys(each, tree):
            yield {"id": key}
    elif files := named.get("files"):
        for path in sorted(ROOT.glob(str(_literal(files)))):
            yield {"id": path.stem.replace("_", " ")}
    elif "{" in ast.unparse(call.args[0]):
        for other in decorators:
            if _dotted(other.func) == "pytest.mark.parametrize":
                yield from _parametrized(other, tree)
    else:
        yield {}


def _parametrized(call: ast.Call, tree: ast.Module) -> Iterator[dict[str, object]]:
    names = _literal(call.args[0])
    keys = [names] if isinstance(names, str) else names
    rows = _resolve(call.args[1], tree)
    ids = [node for keyword in call.keywords if keyword.arg == "ids" for node in _elements(keyword)]
    if isinstance(rows, ast.Dict):
        yield from ({"id": key, str(names): key} for key in _read_keys(rows, tree))
        return
    assert isinstance(rows, ast.List | ast.Tuple), ast.unparse(call)
    assert isinstance(keys, list | tuple)
    for row, named in zip_longest(rows.elts, ids):
        values = [row]
        if isinstance(row, ast.Call) and _dotted(row.func) == "pytest.param":
            values = row.args
            named = next((each.value for each in row.keywords if each.arg == "id"), named)
        elif isinstance(row, ast.Tuple) and not isinstance(names, str):
            values = row.elts
        fields = {str(key): _literal(node) for key, node in zip(keys, values, strict=True)}
        if named:
            fields["id"] = _literal(named)
        yield {key: value for key, value in fields.items() if value is not None}


def _elements(keyword: ast.keyword) -> list[ast.expr]:
    return keyword.value.elts if isinstance(keyword.value, ast.List | ast.Tuple) else []


def _literal(node: ast.expr) -> object:
    """Read a text or a number; None for what is none."""
    try:
        return ast.literal_eval(node)
    except ValueError:
        return None


def _read_keys(node: ast.expr, tree: ast.Module) -> list[object]:
    table = _resolve(node, tree)
    assert isinstance(table, ast.Dict), ast.unparse(node)
    return [_literal(key) for key in table.keys if key]


def _resolve(node: ast.expr, tree: ast.Module) -> ast.expr:
    """Find what a name stands for, in this module or in the one of ours that it comes from."""
    if not isinstance(node, ast.Name):
        return node
    for other in tree.body:
        if isinstance(other, ast.Assign) and _dotted(other.targets[0]) == node.id:
            return other.value
        if isinstance(other, ast.AnnAssign) and _dotted(other.target) == node.id and other.value:
            return other.value
        if isinstance(other, ast.ImportFrom) and node.id in {alias.name for alias in other.names}:
            source = ROOT / f"{(other.module or '').replace('.', '/')}.py"
            return _resolve(node, _parse(source))
    raise ValueError(f"{node.id} is nowhere")
