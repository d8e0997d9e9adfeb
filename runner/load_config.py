"""`python -m runner.load_config FILE` checks farmhand.yml and prints its section `runner` as JSON.

A process of its own: the runner lives for months, and what checks files is larger than the runner.
"""

import json
import os
import sys
from dataclasses import asdict
from pathlib import Path

from farmhand import config
from farmhand.errors import FarmError
from runner.config import Runner


def main(path: Path) -> int:
    """Print the section, or on stderr what is wrong with the file; return the exit code."""
    try:
        settings = config.load(path, "runner", environ=os.environ)
    except FarmError as err:
        sys.stderr.write(f"{err}\n")
        return int(err.exit_code)
    section = settings.sections.get("runner", Runner())
    assert isinstance(section, Runner)  # noqa: S101 - farmhand.config built it
    sys.stdout.write(json.dumps(asdict(section), default=str))
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
