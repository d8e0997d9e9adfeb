"""Where the master is that a tac names; nothing of it is ever run; pure."""

import ast
import re
from collections.abc import Sequence

IDLE = re.compile(r"^# nothing assigned\b.*", re.MULTILINE)
VALUE = re.compile(
    r"""^(buildmaster_host|port)[ \t]*=[ \t]*([ur]?(?:'[^'\n]*'|"[^"\n]*")|\d+)[ \t]*(?:#.*)?$""",
    re.MULTILINE,
)


def parse_master(text: str) -> tuple[str, int] | None:
    """Read a tac's host and port; None where it does not say them plainly.

    >>> parse_master("buildmaster_host = 'bm1'\\nport = 9001\\n")
    ('bm1', 9001)
    """
    values: dict[str, object] = {name: ast.literal_eval(value) for name, value in _find(text)}
    host, port = values.get("buildmaster_host"), values.get("port")
    if not isinstance(host, str) or not isinstance(port, int) or not 0 < port < 65536:
        return None
    return host, port


def _find(text: str) -> Sequence[tuple[str, str]]:
    return [(each[1], each[2]) for each in VALUE.finditer(text)]


def parse_idle(text: str) -> str | None:
    """Read why nothing is assigned; None of a tac that has a master.

    >>> parse_idle("# nothing assigned: w1 is disabled\\nimport sys\\n")
    'nothing assigned: w1 is disabled'
    """
    found = IDLE.search(text)
    return found[0].removeprefix("# ") if found else None
