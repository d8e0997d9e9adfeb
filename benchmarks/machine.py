"""What the numbers were measured on: the machine, and the versions of what took part."""

import os
import platform
import re
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

from farmhand import __version__
from tests.services import find_program

PEERS = Path(__file__).parent.parent / ".venv-peers/bin"
# Name → what prints its version.
PROGRAMS: Mapping[str, Sequence[str]] = {
    "MariaDB": ("mariadbd", "--version"),
    "Chromium": ("chromium", "--version"),
    "awscli": (str(PEERS / "aws"), "--version"),
}
PACKAGES = ("buildbot", "Twisted", "moto", "playwright")


@dataclass(frozen=True, kw_only=True, slots=True)
class Surroundings:
    """The machine, and the versions of everything that takes part."""

    machine: Mapping[str, str]
    versions: Mapping[str, str]


def read_surroundings() -> Surroundings:
    """Look around."""
    return Surroundings(machine=describe_machine(), versions=list_versions())


def describe_machine() -> dict[str, str]:
    """Say what machine this is."""
    cpu = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    memory = re.search(r"MemTotal:\s*(\d+)", Path("/proc/meminfo").read_text())
    return {
        "processor": cpu[1] if cpu else platform.machine(),
        "cores": str(os.cpu_count()),
        "memory": f"{int(memory[1]) / 2**20:.0f} GiB" if memory else "unknown",
        "kernel": f"{platform.system()} {platform.release()}",
    }


def list_versions() -> dict[str, str]:
    """Say which versions of everything are here; what is not here is left out."""
    found = {"Python": platform.python_version(), "farmhand": __version__}
    for name, (program, *args) in PROGRAMS.items():
        if path := find_program(program):
            said = subprocess.run([path, *args], capture_output=True, text=True, check=False)
            if number := re.search(r"\d+\.\d+[\w.+-]*", said.stdout + said.stderr):
                found[name] = number[0]
    wanted = [line for line in requires("farmhand") or () if "extra ==" not in line]
    names = [re.split(r"[\[<>=!~; ]", line)[0] for line in wanted]
    for name in (*names, *PACKAGES):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
