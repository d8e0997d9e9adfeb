"""Where the configuration file is. Imports nothing slow: machines without one need no more."""

from collections.abc import Mapping
from pathlib import Path


def find_config(option: Path | None, environ: Mapping[str, str]) -> Path | None:
    """Choose the file: the option, $FARMHAND_CONFIG, ./farmhand.yml, /etc/farmhand/farmhand.yml."""
    if option is not None:
        return option
    if environ.get("FARMHAND_CONFIG"):
        return Path(environ["FARMHAND_CONFIG"])
    usual = (Path("farmhand.yml"), Path("/etc/farmhand/farmhand.yml"))
    return next((path for path in usual if path.exists()), None)
