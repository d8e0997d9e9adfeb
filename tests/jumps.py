"""A clock on the wall that jumps by years each time it is read.

Python's own clocks are replaced in the unchanged commands, before any of their modules is there.
"""

from pathlib import Path

ROOT = Path(__file__).parent.parent
# twistd, which inherits it, has timers of its own that do follow the wall.
JUMPING = """
import datetime, itertools, sys, time
jumps = itertools.cycle([0, 4e7, -4e7, 3600, -3600, 1e8])
real = datetime.datetime
class Jumping(real):
    @classmethod
    def now(cls, tz=None):
        return super().now(tz) + datetime.timedelta(seconds=next(jumps))
def jump(was=time.time):
    return was() + next(jumps)
if not any("twistd" in word for word in sys.orig_argv):
    datetime.datetime, time.time = Jumping, jump
"""


def make_jump(home: Path) -> dict[str, str]:
    """Write what Python reads first; return the environment that makes it."""
    (home / "early").mkdir()
    (home / "early/sitecustomize.py").write_text(JUMPING)
    return {"PYTHONPATH": f"{home}/early:{ROOT}"}
