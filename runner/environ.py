"""Which variables a task gets: a list of harmless ones, and what the configuration says; pure."""

import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

WORDS = """
    PATH HOME USER LOGNAME SHELL LANG LANGUAGE TZ TERM TMPDIR DISPLAY XAUTHORITY XDG_RUNTIME_DIR
    PYTHONPATH SSL_CERT_FILE SSL_CERT_DIR REQUESTS_CA_BUNDLE NO_PROXY no_proxy
    RUNNER_CONFIG_CMD FARMHAND_CONFIG FARMHAND_STATE FARMHAND_HOST FARMHAND_FARM
    FARMHAND_INSTANCE_ID FARMHAND_INSTANCE_TYPE
    AWS_EC2_METADATA_SERVICE_ENDPOINT AWS_EC2_METADATA_DISABLED
"""
PASSED = frozenset(WORDS.split())
HALT_REASON = "RUNNER_HALT"
"""Only the halt task gets it: that the runner halts, and why."""
DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def choose_environ(
    ours: Mapping[str, str], pass_env: Iterable[str], env: Mapping[str, str]
) -> dict[str, str]:
    """Choose from our own environment, by name; `env` is configured and wins.

    >>> choose_environ({"PATH": "/bin", "AWS_SECRET_KEY": "x"}, (), {"A": "1"})
    {'PATH': '/bin', 'A': '1'}
    """
    names = PASSED | set(pass_env)
    chosen = {
        name: value for name, value in ours.items() if name in names or name.startswith("LC_")
    }
    return {"PATH": DEFAULT_PATH} | chosen | dict(env)


def config_command(path: Path | None) -> str:
    """Make RUNNER_CONFIG_CMD: with `-g section.option` behind it, it prints a setting."""
    config = f" -c {path}" if path is not None else ""
    return f"{sys.executable} -m runner.cli{config}"
