"""User data from a template: Jinja2 (`.j2`), or the original's with Python's format fields."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from string import Formatter

from farmhand.errors import BadInput
from watch_pending.request import fqdn

# The first label of an internal host name, as the original's templates expect it.
REGION_DNS_ATOMS = {"us-east-1": "use1", "us-west-1": "usw1", "us-west-2": "usw2"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Template:
    """A template's text, and where it came from."""

    path: Path
    text: str


class Listed(tuple[str, ...]):
    """A list of names that a template may print as it is: with spaces between them."""

    __slots__ = ()

    def __str__(self) -> str:
        """Join the names."""
        return " ".join(self)


Fields = dict[str, str | Listed | None]
# Fields that the machines of one call share, and those that each has for itself.
SHARED_NAMES = {"names", "fqdns"}
OWN_NAMES = {"hostname", "fqdn", "puppet_cert"}


def read_template(path: Path) -> Template:
    """Read a template; raises BadInput when it can't be."""
    try:
        return Template(path=path, text=path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError) as err:
        raise BadInput(f"{path}: user data can't be read: {err}") from err


def make_fields(  # noqa: PLR0913 - one argument for each thing that tells machines apart
    *,
    moz_instance_type: str,
    hostname: str,
    domain: str,
    region: str,
    market: str,
    farm: str,
    launch_id: str,
    puppet_cert: str | None,
    names: Sequence[str] = (),
) -> Fields:
    """List every field a template may use; the last two are the original's, and always empty.

    `names` are those of all machines that share the user data, by launch index; without them, it is
    for the one with the `hostname`.
    """
    names = names or (hostname,)
    return {
        "moz_instance_type": moz_instance_type,
        "hostname": hostname,
        "domain": domain,
        "fqdn": fqdn(hostname, domain),
        "names": Listed(names),
        "fqdns": Listed(fqdn(name, domain) for name in names),
        "region": region,
        "region_dns_atom": REGION_DNS_ATOMS.get(region),
        "market": market,
        "farm": farm,
        "launch_id": launch_id,
        "puppet_cert": puppet_cert,
        "puppet_server": "",
        "password": "",
    }


def check_template(path: Path) -> None:
    """Fill a template in for a machine made up; raises BadInput where it can't be."""
    fields = make_fields(
        moz_instance_type="type",
        hostname="type-001",
        domain="example.com",
        region="us-east-1",
        market="spot",
        farm="farm",
        launch_id="0" * 32,
        puppet_cert=None,
    )
    render_user_data(read_template(path), fields)


def is_index_aware(template: Template) -> bool:
    """Whether one text of a template will do for many machines: each finds its name in a list."""
    fields = _find_jinja_fields(template) if _is_jinja(template) else _find_fields(template.text)
    return bool(fields & SHARED_NAMES) and not fields & OWN_NAMES


def _find_fields(text: str) -> set[str]:
    """Find the names of Python's format fields; none in a text that has no such form.

    >>> sorted(_find_fields("{fqdn} {names[0]:>{width}} {{moz}}"))
    ['fqdn', 'names', 'width']
    """
    try:
        parts = [(field, form or "") for _, field, form, _ in Formatter().parse(text)]
    except ValueError:
        return set()
    names = {re.split(r"[.\[]", field)[0] for field, _ in parts if field is not None}
    return names.union(*(_find_fields(form) for _, form in parts))


def _find_jinja_fields(template: Template) -> set[str]:
    from jinja2 import Environment, TemplateError, meta

    try:
        return meta.find_undeclared_variables(Environment().parse(template.text))  # noqa: S701
    except TemplateError:
        return set()


def _is_jinja(template: Template) -> bool:
    return template.path.suffix == ".j2"


def render_user_data(template: Template, fields: Mapping[str, object]) -> str:
    """Fill a template in; raises BadInput, naming file and field, for one it does not have."""
    if _is_jinja(template):
        return _render_jinja(template, fields)
    try:
        return template.text.format(**fields)
    except KeyError as err:
        raise BadInput(
            f"{template.path}: unknown field {{{err.args[0]}}}; known: {', '.join(sorted(fields))}"
        ) from err
    except (ValueError, IndexError, AttributeError, TypeError) as err:
        raise BadInput(f"{template.path}: {err}; a literal brace is doubled: {{{{ }}}}") from err


def _render_jinja(template: Template, fields: Mapping[str, object]) -> str:
    from jinja2 import Environment, StrictUndefined, TemplateError

    # Not HTML: a shell script or cloud-config must come out as it was written.
    environment = Environment(  # noqa: S701
        undefined=StrictUndefined, keep_trailing_newline=True
    )
    try:
        return environment.from_string(template.text).render(fields)
    except (TemplateError, TypeError, ValueError, ArithmeticError) as err:
        line = getattr(err, "lineno", None)
        where = f"{template.path}:{line}" if line else str(template.path)
        raise BadInput(f"{where}: {err}; known: {', '.join(sorted(fields))}") from err
