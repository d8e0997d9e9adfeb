"""Render a worker's buildbot.tac, and check templates; pure but for reading the shipped ones.

Every value stands in the page as a Python literal, so that none can become code.
"""

import ast
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from pathlib import Path

from jinja2 import StrictUndefined, Template, TemplateError, TemplateSyntaxError, meta, nodes
from jinja2.sandbox import ImmutableSandboxedEnvironment

from farmhand.errors import BadInput, FarmError
from farmhand.output import format_time
from farmhand.wording import unknown
from slavealloc.models import SHIPPED_NAMES, Placement
from slavealloc.runslave.page import MARKER

SHIPPED = Path(__file__).parent / "tacs"
DISABLED = "disabled"
FIELDS = ("basedir", "buildmaster_host", "passwd", "port", "slavename")
MOST_CHARACTERS = 65536

# Two farms that no template may tell apart but by their values.
PLAIN: Mapping[str, str | int] = {
    "basedir": "/builds/slave",
    "buildmaster_host": "bm1.example.com",
    "passwd": "secret",
    "port": 9001,
    "slavename": "w1",
}
HOSTILE: Mapping[str, str | int] = {
    "basedir": "C:\\builds'\"\n\t\\",
    "buildmaster_host": "{{ 7 * 7 }}%s'''",
    "passwd": '"""#\r\0\u2028é',
    "port": 65535,
    "slavename": "'; import os #",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Stamp:
    """When and where a page was made."""

    now: datetime
    host: str


class BrokenTemplate(FarmError):
    """A stored template that can't be rendered."""


@lru_cache
def _read(name: str) -> str:
    return (SHIPPED / f"{name}.tac.j2").read_text("utf-8")


def read_shipped(name: str) -> str | None:
    """Read a template that this release ships; None for a name it doesn't know."""
    return _read(name) if name in SHIPPED_NAMES else None


def format_literal(value: object) -> str:
    r"""Format a value as a literal that Python 2 and 3 read alike.

    >>> format_literal("it's\n")
    '"it\'s\\n"'
    >>> format_literal(9989)
    '9989'
    """
    if isinstance(value, str):
        return ascii(str(value))
    if isinstance(value, int) or value is None:
        return repr(value)
    raise TemplateError(f"only text and numbers can stand in a tac, not {type(value).__name__}")


ENVIRONMENT = ImmutableSandboxedEnvironment(
    undefined=StrictUndefined,
    finalize=format_literal,
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
)


@lru_cache(maxsize=64)
def _compile(text: str) -> Template:
    return ENVIRONMENT.from_string(text)


@lru_cache(maxsize=64)
def _simplify(text: str) -> tuple[str, tuple[str, ...]] | None:
    """Make a `%s` form, and the fields that fill it, of a template of nothing but text and fields.

    None for any other: that one is Jinja's.
    """
    try:
        body = ENVIRONMENT.parse(text).body
    except TemplateError:
        return None
    form, fields = "", []
    for node in (part for each in body for part in getattr(each, "nodes", [each])):
        if isinstance(node, nodes.TemplateData):
            form += node.data.replace("%", "%%")
        elif isinstance(node, nodes.Name) and node.name in FIELDS:
            form += "%s"
            fields.append(node.name)
        else:
            return None
    return form, tuple(fields)


def check_template(text: str) -> None:
    """Refuse a template that can't be rendered, or whose tac isn't Python with values as data.

    Raises BadInput with the line and what is wrong there. Nothing of the tac is ever run.
    """
    if len(text) > MOST_CHARACTERS:
        raise BadInput(f"it is longer than {MOST_CHARACTERS} characters")
    try:
        named = meta.find_undeclared_variables(ENVIRONMENT.parse(text))
    except TemplateSyntaxError as err:
        raise BadInput(f"line {err.lineno}: {err.message}") from err
    if strange := sorted(named - set(FIELDS)):
        raise BadInput(unknown("field", strange[0], FIELDS))
    try:
        plain, hostile = (_compile(text).render(values) for values in (PLAIN, HOSTILE))
    except Exception as err:  # an expression in a template may raise anything
        raise BadInput(f"it can't be rendered: {err}") from err
    if _skeleton(plain, PLAIN) != _skeleton(hostile, HOSTILE):
        raise BadInput(
            "a field stands inside quotes or an expression; write it alone, as {{ basedir }}"
        )


def _skeleton(page: str, values: Mapping[str, str | int]) -> str:
    """Parse a page and return its code without the values."""
    names = {value: name for name, value in values.items()}
    try:
        tree = ast.parse(page)
    except (SyntaxError, ValueError) as err:
        line = getattr(err, "lineno", None)
        where = f"line {line}: " if line else ""
        raise BadInput(f"{where}the tac is not Python 3: {getattr(err, 'msg', err)}") from err
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str | int):
            node.value = names.get(node.value, node.value)
    return ast.dump(tree)


def render_tac(placement: Placement, stamp: Stamp) -> str:
    """Render the page for a worker that was placed; a disabled one's exits 0 when it is started.

    Raises BrokenTemplate.
    """
    worker, master = placement.worker, placement.master
    if master is None:
        notes = f": {worker.notes}" if worker.notes else ""
        message = f"{worker.name} is disabled{notes}"
        body = _render(_read(DISABLED), {"message": message})
        return _with_header(body, stamp)
    if worker.template is None:
        raise BrokenTemplate(f"{worker.name}: its tac template is not one of this release's")
    values: dict[str, str | int] = {
        "basedir": worker.basedir or "/builds/slave",
        "buildmaster_host": master.fqdn,
        "passwd": worker.password or "",
        "port": master.pb_port,
        "slavename": worker.name,
    }
    return _with_header(_render(worker.template, values), stamp)


def _render(text: str, values: Mapping[str, str | int]) -> str:
    if (simple := _simplify(text)) is not None:  # the same page, without what Jinja's set-up takes
        form, fields = simple
        return form % tuple(format_literal(values[field]) for field in fields)
    try:
        return _compile(text).render(values)
    except TemplateError as err:
        raise BrokenTemplate(f"its tac template can't be rendered: {err}") from err


def _with_header(body: str, stamp: Stamp) -> str:
    digest = hashlib.sha256(body.encode()).hexdigest()
    return f"{_first_lines(stamp)}# sha256 of the lines below: {digest}\n{body}"


@lru_cache(maxsize=2)  # a batch has one stamp
def _first_lines(stamp: Stamp) -> str:
    return f"# {MARKER}\n# generated: {format_time(stamp.now)} on {stamp.host}\n"
