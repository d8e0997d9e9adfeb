"""The environment a worker gets: ours without secrets, since its master is told all of it; pure."""

import re
from collections.abc import Iterable, Mapping

SECRET = re.compile(
    r"^(AWS|EC2|BOTO|FARMHAND|AZURE|GOOGLE|GCP|VAULT|SSH_AUTH|SSH_AGENT|KRB5|SUDO)(_|$)"
    r"|SECRET|TOKEN|PASSW|PASSPHRASE|CREDENTIAL|PRIVATE|(^|_)(API_?|ACCESS_?)?KEYS?(_|$)"
    r"|(^|_)(PASS|PWD|PW|AUTH|COOKIE|DSN|DATABASE_URL)$",
    re.IGNORECASE,
)
SECRET_VALUE = re.compile(r"://[^/\s:@]*:[^/\s@]+@|\b(AKIA|ASIA)[A-Z0-9]{16}\b|-----BEGIN ")
HARMLESS = frozenset({"PWD", "OLDPWD"})


def scrub(environ: Mapping[str, str], passed: Iterable[str] = ()) -> dict[str, str]:
    """Leave out what looks like a secret by its name or value, unless it is to be passed.

    >>> scrub({"PATH": "/bin", "AWS_SECRET_ACCESS_KEY": "x", "http_proxy": "http://me:pw@proxy"})
    {'PATH': '/bin'}
    """
    passed = list(passed)
    return {
        name: value
        for name, value in environ.items()
        if any(_fits(name, pattern) for pattern in passed)
        or name in HARMLESS
        or not (SECRET.search(name) or SECRET_VALUE.search(value))
    }


def _fits(name: str, pattern: str) -> bool:
    return name.startswith(pattern[:-1]) if pattern.endswith("*") else name == pattern
