"""The demo's farm: small, and quicker than any real one."""

from pathlib import Path

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
TASKS = {
    "1-check-disk": "df -P / | tail -1\n",
    "2-clean": 'rm -rf "$TMPDIR"/*\n',
    "6-tidy": "echo tidied\n",
    # With -v, so that the machine's log tells the worker's life too.
    "4-buildbot": "exec runner worker -v\n",
    "halt.sh": "exec shutdown -h now\n",
}
RUNNER = {
    "sleep_time": 1,
    "retry_jitter": 1,
    "grace": 5,
    "round_interval": 1,
    "worker": {"builds": 2, "run_for_s": 1800},
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
        tasks=TASKS,
        build_seconds=1.5,
        boot_s=3.0,
        names=6,
    )
