"""Which patterns of the buildermap are slow on long names, measured in a process of its own."""

import json
import logging
import subprocess
import sys
from collections.abc import Sequence

from watch_pending.buildermap import Rule
from watch_pending.check import pattern_clock
from watch_pending.check.buildermap import Slow
from watch_pending.check.pattern_samples import long_names

log = logging.getLogger(__name__)
SLOW_S = 0.01
MOST_NAMES = 60
PATIENCE_S = 60.0


def measure_rules(rules: Sequence[Rule], patience_s: float) -> list[Slow]:
    """Measure every rule on long names of its own words, and return the slow ones.

    What is not measured in time is left out, and the log says so.
    """
    asked = json.dumps([(rule.pattern, long_names(rule.pattern, MOST_NAMES)) for rule in rules])
    command = [sys.executable, "-I", pattern_clock.__file__]
    try:
        done = subprocess.run(
            command,
            input=asked,
            capture_output=True,
            text=True,
            timeout=min(PATIENCE_S, patience_s),
            check=False,
        )
        said, problem = done.stdout, done.stderr
    except subprocess.TimeoutExpired as err:
        said, problem = _text(err.stdout), "no time was left"
    measured = [json.loads(line) for line in said.splitlines() if line.endswith("]")]
    if len(measured) < len(rules):
        log.warning("%d patterns were not measured: %s", len(rules) - len(measured), problem)
    return [
        Slow(rule=rule, took_s=took_s, name=name, endless=took_s >= pattern_clock.LIMIT_S)
        for rule, (took_s, name) in zip(rules, measured, strict=False)
        if took_s >= SLOW_S
    ]


def _text(said: bytes | str | None) -> str:
    return said.decode() if isinstance(said, bytes) else said or ""
