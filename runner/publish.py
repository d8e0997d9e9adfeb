"""Write the metrics textfile between rounds, in a process of its own: its library is large."""

import json
import logging
import sys
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path

from farmhand.errors import FarmError
from farmhand.metrics import Sample, write_textfile

log = logging.getLogger("runner")
LONGEST_S = 60


def publish(path: Path, samples: Iterable[Sample]) -> None:
    """Write the textfile; where that fails, warn."""
    import subprocess

    command = [sys.executable, "-m", "runner.publish", str(path)]
    told = json.dumps([asdict(sample) for sample in samples])
    try:
        done = subprocess.run(
            command, input=told, capture_output=True, text=True, timeout=LONGEST_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as err:
        log.warning("metrics textfile %s: %s", path, err)
        return
    if done.returncode != 0:
        log.warning("%s", done.stderr.strip())


def main(path: Path) -> int:
    """Write what stdin has; return the exit code."""
    try:
        write_textfile(path, [Sample(**each) for each in json.load(sys.stdin)])
    except FarmError as err:
        sys.stderr.write(f"{err}\n")
        return int(err.exit_code)
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
