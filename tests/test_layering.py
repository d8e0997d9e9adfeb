"""The house stays as docs/architecture.md draws it: imports, purity, one writer a table, sizes."""

import ast
import re
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path

import pytest

pytestmark = pytest.mark.xdist_group("layering")  # one process reads all files, once
ROOT = Path(__file__).parent.parent
PACKAGES = sorted(
    path.parent.name
    for path in ROOT.glob("*/__init__.py")
    if path.parent.name not in {"tests", "benchmarks"}
)
MODULES = sorted(path for name in PACKAGES for path in (ROOT / name).rglob("*.py"))
MIGRATIONS = ROOT / "farmhand/migrations"
MOST_LINES = 300
MOST_FUNCTION_LINES = 50

# What pure modules must not import, themselves; and what not even by way of other modules of ours.
IMPURE = {"boto3", "botocore", "sqlalchemy", "requests", "click", "subprocess", "os", "random"}
IMPURE |= {"time", "logging"}
HEAVY_OR_OUTSIDE = {"boto3", "botocore", "sqlalchemy", "requests", "click", "subprocess"}
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
ASKED_FOR = (ast.If, ast.Import, ast.ImportFrom, ast.Assign, ast.Call, *FUNCTIONS)
CLOCKS = {"datetime.now", "datetime.utcnow", "datetime.today", "date.today"}

# A table's module → the only package that writes its tables.
OWNERS = {
    "farm": "slavealloc",
    "launches": "watch_pending",
    "builds": "scanner",
    "records": "farmhand",
}
WRITES_ELSEWHERE = {
    # Names the farm at first use, before any verb's queries; and fills the empty database, in
    # memory, that stands for a missing one while a verb only reads.
    "farmhand/db.py": {"records", "launches"},
}


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@cache
def parse(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"), filename=str(path))


@cache
def nodes_of(path: Path) -> tuple[ast.AST, ...]:
    """What a file is made of that a test here asks for."""
    return find_nodes(parse(path))


def find_nodes(tree: ast.Module) -> tuple[ast.AST, ...]:
    return tuple(node for node in ast.walk(tree) if isinstance(node, ASKED_FOR))


@cache
def imports_of(path: Path) -> frozenset[str]:
    """Every module that is imported anywhere in a file, as a dotted name; types' imports apart."""
    typing_only = {
        id(node)
        for block in nodes_of(path)
        if isinstance(block, ast.If) and "TYPE_CHECKING" in ast.dump(block.test)
        for node in ast.walk(block)
    }
    found: set[str] = set()
    for node in nodes_of(path):
        if id(node) in typing_only:
            continue
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {node.module or "", *(f"{node.module}.{alias.name}" for alias in node.names)}
    return frozenset(found)


def top(name: str) -> str:
    return name.partition(".")[0]


@cache
def find_module(name: str) -> Path | None:
    """The file of a module of ours, or None."""
    if top(name) not in PACKAGES:
        return None
    path = ROOT / Path(*name.split("."))
    candidates = (path.with_suffix(".py"), path / "__init__.py")
    return next((candidate for candidate in candidates if candidate.is_file()), None)


def imports_through(path: Path) -> set[str]:
    """Every module imported at any distance through modules of ours."""
    found: set[str] = set()
    waiting, seen = [path], {path}
    while waiting:
        names = imports_of(waiting.pop())
        found |= names
        ours = {module for name in names if (module := find_module(name))} - seen
        seen |= ours
        waiting.extend(ours)
    return found


def is_pure(path: Path) -> bool:
    """Whether a module says of itself that it is pure."""
    said = (ast.get_docstring(parse(path)) or "").strip()
    return any(text.rstrip(".").endswith("; pure") for text in (said, said.partition("\n")[0]))


@cache
def find_pure() -> list[Path]:
    return [path for path in MODULES if is_pure(path)]


def test_the_packages_are_found() -> None:
    assert {"farmhand", "runner", "scanner", "slavealloc", "watch_pending"} <= set(PACKAGES)


def offenders(paths: Iterable[Path], offence: Callable[[Path], object]) -> dict[str, object]:
    """Name of each file that offends → how."""
    return {name_of(path): found for path in paths if (found := offence(path))}


def test_packages_import_themselves_and_farmhand_only() -> None:
    def others(path: Path) -> set[str]:
        own = path.relative_to(ROOT).parts[0]
        imported = {top(name) for name in imports_of(path)}
        return imported & {*PACKAGES, "tests", "benchmarks"} - {own, "farmhand"}

    assert offenders(MODULES, others) == {}


# Pure modules


def test_the_modules_that_decide_are_pure() -> None:
    names = ("aws_errors", "buildermap", "demand", "ledger", "models", "names", "plan", "spot")
    found = {name_of(path) for path in find_pure()}
    assert {f"watch_pending/{name}.py" for name in names} <= found
    places = (
        "allocate",
        "bulk/import_plan",
        "bulk/importing",
        "models",
        "pages",
        "rest/resources",
        "ui/words",
    )
    assert {f"slavealloc/{name}.py" for name in places} <= found
    doors = ("bulk/changes", "client/whom", "doors/models", "doors/origins")
    assert {f"slavealloc/{name}.py" for name in doors} <= found
    rounds = ("config", "environ", "policy", "protocol", "settings")
    assert {f"runner/{name}.py" for name in rounds} <= found
    assert {f"runner/chores/{name}.py" for name in ("config", "kinds", "vcs")} <= found
    scans = ("blame", "classify", "config", "dispatch", "models", "rescue", "settle")
    answers = ("transport/values", "transport/wire", "transport/xmlrpc")
    assert {f"scanner/{name}.py" for name in (*scans, *answers)} <= found
    lives = ("decide", "outcome", "twistd_log")
    assert {f"runner/worker/{name}.py" for name in lives} <= found


def test_a_pure_module_imports_nothing_that_touches_the_world() -> None:
    assert (
        offenders(find_pure(), lambda path: {top(name) for name in imports_of(path)} & IMPURE) == {}
    )


def test_a_pure_module_touches_nothing_outside_by_way_of_others() -> None:
    def outside(path: Path) -> set[str]:
        return {top(name) for name in imports_through(path)} & HEAVY_OR_OUTSIDE

    assert offenders(find_pure(), outside) == {}


def test_a_pure_module_reads_no_clock_and_no_file() -> None:
    def reads(path: Path) -> list[str]:
        calls = [ast.unparse(n.func) for n in nodes_of(path) if isinstance(n, ast.Call)]
        return [c for c in calls if c == "open" or any(c.endswith(clock) for clock in CLOCKS)]

    assert offenders(find_pure(), reads) == {}


# Libraries and tables


def test_boto3_is_used_in_one_place() -> None:
    def used(path: Path) -> set[str]:
        return {top(name) for name in imports_of(path)} & {"boto3", "botocore"}

    assert set(offenders(MODULES, used)) == {"watch_pending/aws.py"}


def table_names(nodes: Sequence[ast.AST]) -> Mapping[str, str]:
    """An expression that is a table, or a module of tables → the module of tables it is of."""
    names: dict[str, str] = {}
    for node in nodes:
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("farmhand.tables"):
            module = (node.module or "").removeprefix("farmhand.tables").lstrip(".")
            for alias in node.names:
                names[alias.asname or alias.name] = module or alias.name
    for node in nodes:  # info = records.schema_info
        if isinstance(node, ast.Assign) and (owner := owner_of(node.value, names)):
            names |= {each.id: owner for each in node.targets if isinstance(each, ast.Name)}
    return names


def owner_of(node: ast.expr, names: Mapping[str, str]) -> str | None:
    """The module of tables that `launches` or `records.schema_info` is of."""
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
        node = node.value
    return names.get(node.id) if isinstance(node, ast.Name) else None


def written_by(nodes: Sequence[ast.AST]) -> set[str]:
    """The modules of tables that a file writes: `t.insert()`, `sa.update(t)`, …"""
    names = table_names(nodes)
    written: set[str | None] = set()
    for node in nodes:
        if not isinstance(node, ast.Call):
            continue
        called = getattr(node.func, "attr", None) or getattr(node.func, "id", None)
        if called in {"insert", "update", "delete"} and isinstance(node.func, ast.Attribute):
            written.add(owner_of(node.func.value, names))
        if called in {"insert", "update", "delete", "insert_missing"} and node.args:
            written.add(owner_of(node.args[0], names))
    return {owner for owner in written if owner in OWNERS}


def test_each_table_has_one_writer() -> None:
    def not_its_own(path: Path) -> set[str]:
        package = path.relative_to(ROOT).parts[0]
        own = {table for table, owner in OWNERS.items() if owner == package}
        allowed = own if path.name.endswith("queries.py") else set()
        return written_by(nodes_of(path)) - allowed - WRITES_ELSEWHERE.get(name_of(path), set())

    assert offenders((p for p in MODULES if not p.is_relative_to(MIGRATIONS)), not_its_own) == {}


def test_writing_is_recognized() -> None:
    source = """
from farmhand.tables import records
from farmhand.tables.launches import launches
info = records.schema_info
def f(connection, sa):
    connection.execute(info.update().values(farm="x"))
    connection.execute(sa.insert(launches))
"""
    assert written_by(find_nodes(ast.parse(source))) == {"records", "launches"}


# Sizes


# A migration is a list of tables, as long as they are.


def test_no_file_is_too_long() -> None:
    paths = [path for path in MODULES if not path.is_relative_to(MIGRATIONS)]
    lengths = {name_of(path): len(path.read_text("utf-8").splitlines()) for path in paths}
    assert {name: n for name, n in lengths.items() if n > MOST_LINES} == {}


def test_no_function_is_too_long() -> None:
    def too_long(path: Path) -> dict[str, int]:
        functions = [node for node in nodes_of(path) if isinstance(node, FUNCTIONS)]
        lengths = {node.name: (node.end_lineno or 0) - node.lineno + 1 for node in functions}
        return {name: n for name, n in lengths.items() if n > MOST_FUNCTION_LINES}

    assert offenders((p for p in MODULES if not p.is_relative_to(MIGRATIONS)), too_long) == {}


# Start-up

HELPS = [
    "watch_pending.cli --help",
    *(
        f"watch_pending.cli {verb} --help"
        for verb in ("run", "stop-idle", "sanity", "status", "explain", "check")
    ),
    *(f"watch_pending.cli amis {verb} --help" for verb in ("publish", "prune")),
    "slavealloc.cli --help",
    *(f"slavealloc.cli {verb} --help" for verb in ("serve", "dbimport", "gettac", "token add")),
    "slavealloc.runslave --help",
    "runner.cli --help",
    *(f"runner.cli {verb} --help" for verb in ("run", "status", "worker", "chore")),
    "scanner.cli --help",
    *(f"scanner.cli {verb} --help" for verb in ("scan", "build add", "daemon list")),
    "farmhand.cli --help",
    "farmhand.cli db upgrade --help",
    "farmhand.cli status --help",
]


HEAVY = {"sqlalchemy", "boto3", "botocore", "jinja2", "requests", "pydantic"}
HEAVY |= {"starlette", "uvicorn", "asyncio"}


@pytest.mark.integration
@pytest.mark.parametrize("words", HELPS)
def test_help_imports_nothing_heavy(words: str) -> None:
    command = [sys.executable, "-X", "importtime", "-m", *words.split()]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    loaded = {top(found[1]) for found in re.finditer(r"\| +([\w.]+)$", done.stderr, re.MULTILINE)}
    assert "click" in loaded
    assert loaded & HEAVY == set()
