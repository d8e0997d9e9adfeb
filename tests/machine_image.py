"""What a machine has on its disk when it boots here, below a directory that stands for its `/`.

The user data, the systemd unit and the tasks are those that we ship. What they would do to a real
machine is done by the few commands in COMMANDS; what they say of its files is moved below that
directory.
"""

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parent.parent
SHIPPED = ROOT / "configs"
UNIT = ROOT / "cron/systemd/runner.service"
# Directories of a machine that are its own here; /usr and the like it shares with us.
OWN = re.compile(r"(?<![\w./-])/(?=(?:builds|etc|opt/farmhand|root|var/lib|var/log)/)")
DISK = "builds/objects"
SYSTEMCTL = """\
# systemctl start [--no-block] UNIT. What has ended is not started again.
for unit; do :; done
file={root}/etc/systemd/system/$unit
[ -f "$file" ] || {{ echo "Failed to start $unit: Unit $unit not found." >&2; exit 5; }}
set -a
eval "$(sed -n 's/^Environment=//p' "$file")"
for env in $(sed -n 's/^EnvironmentFile=//p' "$file"); do . "$env"; done
command=$(sed -n 's/^ExecStart=//p' "$file")
log={root}/var/log/${{unit%.service}}.log
setsid sh -c "exec $command" </dev/null >>"$log" 2>&1 &
"""
SHUTDOWN = """\
# shutdown -h now is the end of this machine. That of another time is forgotten.
case " $* " in *" now "*) kill -USR1 "$(cat {root}/run/init.pid)" ;; esac
"""
COMMANDS = {
    "hostnamectl": "# The name of this host stays as it is.\n",
    "shutdown": SHUTDOWN,
    "systemctl": SYSTEMCTL,
    "runner": 'exec {python} -m runner.cli "$@"\n',
    "runslave": 'exec {python} -m slavealloc.runslave "$@"\n',
}


@dataclass(frozen=True, kw_only=True, slots=True)
class MachineImage:
    """An AMI. `settings` is its farmhand.yml, `tasks` are shell scripts of its own.

    `shipped` names the tasks that it has of those that we ship. Not all: machines here share their
    processes' users, also with who runs them. With `disk`, which needs root, it has a small one,
    full of old builds.
    """

    settings: Mapping[str, Any]
    tasks: Mapping[str, str] = field(default_factory=dict)
    shipped: tuple[str, ...] = ("4-buildbot",)
    disk: bool = False

    def install(self, root: Path) -> None:
        """Lay out a new machine's disk."""
        for name in ("builds", "etc/systemd/system", "opt/farmhand/bin", "root", "run", "tmp"):
            (root / name).mkdir(parents=True)
        for name in ("lib/cloud/data", "lib/farmhand", "log"):
            (root / "var" / name).mkdir(parents=True)
        for name, script in COMMANDS.items():
            text = script.format(root=root, python=sys.executable)
            write_script(root / "opt/farmhand/bin" / name, f"#!/bin/sh\n{text}")
        unit = relocate(UNIT.read_text("utf-8"), root)
        (root / "etc/systemd/system" / UNIT.name).write_text(unit)
        (root / "etc/farmhand/tasks.d").mkdir(parents=True)
        for name in self.shipped:
            shutil.copy(SHIPPED / "tasks.d" / name, root / "etc/farmhand/tasks.d")
        for name, script in self.tasks.items():
            write_script(root / "etc/farmhand/tasks.d" / name, f"#!/bin/sh\n{script}")
        settings = relocate(yaml.safe_dump(dict(self.settings)), root)
        (root / "etc/farmhand/farmhand.yml").write_text(settings)
        if self.disk:
            mount_full(root / DISK)


def mount_full(disk: Path) -> None:
    """Mount a disk of 8 MiB with seven builds of 1 MiB, a day old, two days old, and so on."""
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "none", str(disk)], check=True)
    for days in range(1, 8):
        build = disk / f"build-{days}"
        build.mkdir()
        (build / "objects").write_bytes(bytes(1 << 20))
        then = time.time() - days * 86400
        for path in (build / "objects", build):
            os.utime(path, (then, then))


def unmount(root: Path) -> None:
    """Unmount the disk of a machine that is off, if it has one."""
    if (root / DISK).is_mount():
        subprocess.run(["umount", "--lazy", str(root / DISK)], check=True)


def boot_environ(root: Path) -> dict[str, str]:
    """Make the environment that user data gets, which is next to nothing."""
    places = [root / "opt/farmhand/bin", Path(sys.executable).parent, "/usr/local/bin"]
    return {
        "PATH": ":".join([*map(str, places), "/usr/bin", "/bin", "/usr/sbin", "/sbin"]),
        "HOME": str(root / "root"),
        "LANG": "C.UTF-8",
        "PYTHONPATH": str(ROOT),
        "TMPDIR": str(root / "tmp"),
    }


def relocate(text: str, root: Path) -> str:
    """Move what a text says of a machine's own directories below `root`.

    >>> relocate("cat >/etc/hosts; /usr/bin/id; ls a/etc/b", Path("/m1"))
    'cat >/m1/etc/hosts; /usr/bin/id; ls a/etc/b'
    """
    return OWN.sub(f"{root}/", text)


def write_script(path: Path, text: str) -> None:
    """Write an executable file."""
    path.write_text(text)
    path.chmod(0o755)
