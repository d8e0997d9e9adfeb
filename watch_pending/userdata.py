"""User data from a template: Jinja2 (`.j2`), or the original's with Python's format fields."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from farmhand.errors import BadInput
from watch_pending.request import fqdn

# The first label of an internal host name, as the original's templates expect it.
REGION_DNS_ATOMS = {"us-east-1": "use1", "us-west-1": "usw1", "us-west-2": "usw2"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Template:
    """A template's text, and where it came from."""

    path: Path
    text: str


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
) -> dict[str, str | None]:
    """List every field a template may use; the last two are the original's, and always empty."""
    return {
        "moz_instance_type": moz_instance_type,
        "hostname": hostname,
        "domain": domain,
        "fqdn": fqdn(hostname, domain),
        "region": region,
        "region_dns_atom": REGION_DNS_ATOMS.get(region),
        "market": market,
        "farm": farm,
        "launch_id": launch_id,
        "puppet_cert": puppet_cert,
        "puppet_server": "",
        "password": "",
    }


def render_user_data(template: Template, fields: Mapping[str, str | None]) -> str:
    """Fill a template in; raises BadInput, naming file and field, for one it does not have."""
    if template.path.suffix == ".j2":
        return _render_jinja(template, fields)
    try:
        return template.text.format(**fields)
    except KeyError as err:
        raise BadInput(
            f"{template.path}: unknown field {{{err.args[0]}}}; known: {', '.join(sorted(fields))}"
        ) from err
    except (ValueError, IndexError, AttributeError, TypeError) as err:
        raise BadInput(f"{template.path}: {err}; a literal brace is doubled: {{{{ }}}}") from err


def _render_jinja(template: Template, fields: Mapping[str, str | None]) -> str:
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
