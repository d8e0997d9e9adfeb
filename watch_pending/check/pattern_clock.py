"""A process of its own that measures patterns on names; one that takes for ever ends here alone.

It reads [[pattern, [names]]] as JSON, and writes for each pattern a line: seconds, and the name.
"""

import json
import re
import signal
import sys
from time import perf_counter

LIMIT_S = 0.5  # for one name; a pattern that takes longer is measured no further
SURE_S = 0.001  # from here on a measurement is made again: the machine may have been busy
TIMES = 3


class TooLong(Exception):
    """The limit has passed."""


def measure(pattern: str, names: list[str]) -> tuple[float, str]:
    """Measure the longest that a pattern takes for one of the names."""
    regex = re.compile(pattern)
    worst = (0.0, "")
    for name in names:
        took = _time(regex, name)
        if took > SURE_S and took < LIMIT_S:
            took = min(took, *(_time(regex, name) for _ in range(TIMES - 1)))
        worst = max(worst, (took, name))
        if took >= LIMIT_S:
            break
    return worst


def _time(regex: "re.Pattern[str]", name: str) -> float:
    """Time one match, which looks for signals every few thousand steps."""
    start = perf_counter()
    signal.setitimer(signal.ITIMER_REAL, LIMIT_S)
    try:
        regex.match(name)
    except TooLong:
        return LIMIT_S
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
    return perf_counter() - start


def _stop(*_: object) -> None:
    raise TooLong


def main() -> None:
    """Measure what standard input asks for."""
    signal.signal(signal.SIGALRM, _stop)
    for pattern, names in json.load(sys.stdin):
        sys.stdout.write(json.dumps(measure(pattern, names)) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
