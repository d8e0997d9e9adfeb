"""The demo's farm: small, and quicker than any real one."""

import os
from pathlib import Path

from tests.machine_image import DISK
from tests.whole_farm_plan import FarmPlan

BUILD = "Linux x86-64 mozilla-central build"
ANDROID = "Android armv7 API 15+ mozilla-inbound debug build"
TRY = "Linux x86-64 try build"
ANDROID_TRY = "Android armv7 API 15+ try debug build"
BUILDERS = {
    BUILD: "bld-linux64",
    ANDROID: "bld-linux64",
    TRY: "try-linux64",
    ANDROID_TRY: "try-linux64",
}
# Builder → jobs that wait at the beginning, and those that come when the first are done.
FIRST = {BUILD: 3, ANDROID: 2, TRY: 2, ANDROID_TRY: 1}
LATER = {BUILD: 2, TRY: 2}
LIMITS = {"bld-linux64": 3, "try-linux64": 2}
# Of the tasks that come with runner. Only root can have a small disk, and builds of another user:
# cleanslate would end what else the one runs who runs the demo.
IS_ROOT = os.geteuid() == 0
SHIPPED = ("1-purge_builds", "4-buildbot", "99-post_flight", "halt.sh")
SHIPPED_FOR_ROOT = ("1-cleanslate",)
CHORES = {
    "cleanslate": {"owner": "${MACHINE_USER}"},
    "purge_builds": {"paths": [f"/{DISK}"], "free_gib": 0.004},
    "halt": {"action": "terminate", "settle_s": 20},
}
RUNNER = {
    "sleep_time": 1,
    "retry_jitter": 1,
    "grace": 5,
    "round_interval": 1,
    "worker": {"builds": 2, "run_for_s": 1800, "notice_poll_s": 0.5},
    "chores": CHORES if IS_ROOT else {"halt": CHORES["halt"]},
    "pass_env": ["MACHINE_USER"],
}
STOP_IDLE = {"idle_s": {"spot": 5}, "min_age_s": {"spot": 10}}


def make_plan(directory: Path) -> FarmPlan:
    """Make the plan: minutes of a real farm are seconds here."""
    return FarmPlan(
        directory=directory,
        builders=BUILDERS,
        limits=LIMITS,
        watch={"stop_idle": STOP_IDLE},
        runner=RUNNER,
        shipped=SHIPPED + SHIPPED_FOR_ROOT if IS_ROOT else SHIPPED,
        disk=IS_ROOT,
        left_behind=True,
        build_seconds=1.5,
        boot_s=3.0,
        names=6,
    )
