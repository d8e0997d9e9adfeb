"""What lines of the manual call that can't run here: each with the reason, and what is checked.

A stand-in is a shell script that comes first in the PATH of a page's lines.
"""

from collections.abc import Mapping
from pathlib import Path

from tests.manual import ROOT

# `options` leaves the first word that is no option.
HEAD = """#!/bin/bash
set -eu
repository={repository} folder={folder}
options() {{ rest=("$@"); while [[ ${{rest[0]-}} == -* ]]; do rest=("${{rest[@]:1}}"); done; }}
"""
UNITS = r"""options "$@"; verb=${rest[0]-}
for unit in "${rest[@]:1}"; do
  name=$(sed -E 's/@[^.]*/@/' <<< "$unit"); [[ $name == *.* ]] || name=$name.service
  case $name in -*|mariadb.*|nginx.*|puppet.*|buildbot-worker.*) continue;; esac
  compgen -G "$repository/cron/systemd/$name" >/dev/null && continue
  echo "there is no unit $unit" >&2; exit 5
done"""
# A new environment has our programs already, and a pip.
VENV = r"""[ "${1-} ${2-}" = "-m venv" ] || exec /usr/bin/env -i "PATH=/usr/bin:/bin" python3 "$@"
mkdir -p "$3/bin"; cp "$folder"/programs/* "$folder"/bin/pip "$3/bin" """
PIP = r"""[ "$1" = install ]; shift; what=
while [ $# -gt 0 ]; do case $1 in
  -r) [ -f "$2" ] || { echo "there is no $2" >&2; exit 1; }; what=$2; shift 2;;
  -*) shift;;
  *) what=$1; case $1 in .|./*|/*) [ -e "$1" ];; esac; shift;;
esac; done; [ -n "$what" ]"""
SERVICE = r"""while [ $# -gt 0 ]; do case $1 in
  --exec) program=$2; shift 2;; --) shift; exec "$program" -n 1 "$@";; *) shift;;
esac; done"""
TARGETS = r"""for target in "$@"; do
  case $target in *=*) ;; *) grep -q "^$target:" "$repository/Makefile";; esac
done"""
CHANGES = "it would change this machine"
AWS = 'exec "$folder/aws" "$@"'
SERVERS = "test_restore.py runs these lines on real servers; the database here is SQLite"
ONE_USER = "there is one user here"
# Program → (why it is not run, what is done in its place).
STAND_INS: Mapping[str, tuple[str, str]] = {
    "apt-get": (CHANGES, 'options "$@"; [[ $rest == @(update|install) ]]'),
    "aws": ("it is not installed; the stand-in for AWS is asked the same", AWS),
    "buildbot": ("its master is Buildbot's own", '[ "$1 $2 $3" = "stop --clean --no-wait" ]'),
    "chown": (ONE_USER, 'options "$@"; for file in "${rest[@]:1}"; do [ -e "$file" ]; done'),
    "groupadd": (CHANGES, 'options "$@"; [ -n "$rest" ]'),
    "groupdel": (CHANGES, 'options "$@"; [ -n "$rest" ]'),
    **dict.fromkeys(("createdb", "dropdb", "pg_dump", "pg_restore"), (SERVERS, "true")),
    **dict.fromkeys(("mariadb", "mariadb-dump"), (SERVERS, "true")),
    "install": (ONE_USER, 'exec /usr/bin/install $(sed -E "s/-[og] [^ ]+//g" <<< "$*")'),
    "journalctl": ("no systemd runs here", 'options "$@"'),
    "make": ("its targets run in CI and in tests of their own", TARGETS),
    "pip": ("test_packaging.py installs, from the internet", PIP),
    "puppet": ("there is no puppet server; test_puppet.py applies the manifests", "true"),
    "python3": ("as pip", VENV),
    "reboot": ("it would end this machine", "true"),
    "shutdown": ("it would end this machine", "true"),
    "start-stop-daemon": ("it leaves a service behind", SERVICE),
    "sudo": (ONE_USER, 'options "$@"; exec "${rest[@]}"'),
    "systemctl": ("no systemd runs here", UNITS),
    "useradd": (CHANGES, 'options "$@"; [ -n "$rest" ]'),
    "userdel": (CHANGES, 'options "$@"; [ -n "$rest" ]'),
    "twistd": ("test_worker.py and others start real workers", "true"),
}


def write_stand_ins(folder: Path) -> None:
    """Put them into the directory `bin` of a directory."""
    (folder / "bin").mkdir()
    for name, (_, script) in STAND_INS.items():
        path = folder / "bin" / name
        path.write_text(f"{HEAD.format(repository=ROOT, folder=folder)}{script}\n")
        path.chmod(0o755)
