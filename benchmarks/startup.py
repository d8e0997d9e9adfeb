"""How long commands take to start: against the bare interpreter, eager imports, and the AWS CLI."""

import os
import sys
import tempfile
from pathlib import Path

import sqlalchemy as sa
import yaml

from benchmarks.measure import commands
from benchmarks.results import Kind, Part, Row
from tests import scheduler_schemas

REPEATS = 15
BIN = Path(sys.executable).parent
PEERS = Path(__file__).parent.parent / ".venv-peers/bin"
EAGER = "import click, sqlalchemy, pymysql, boto3, requests, jinja2, pydantic, rich.table, yaml"


KINDS = {
    "watch-pending, nothing to do": Kind.OURS,
    "watch-pending --help": Kind.OURS,
    "watch-pending run --help": Kind.OURS,
    "all libraries, imported eagerly": Kind.NAIVE,
    "aws --version": Kind.PEER,
    "python -I -c pass": Kind.FLOOR,
}


def measure_all(quick: bool) -> list[Row]:
    """Measure help, version, and a run that finds nothing to do."""
    with tempfile.TemporaryDirectory(prefix="farmhand-bench-") as folder:
        environ = {"PATH": os.environ["PATH"], "HOME": folder, "FARMHAND_STATE": f"{folder}/state"}
        config = make_idle_farm(Path(folder))
        watch = str(BIN / "watch-pending")
        named = {
            "python -I -c pass": [sys.executable, "-I", "-c", "pass"],
            "watch-pending --help": [watch, "--help"],
            "watch-pending run --help": [watch, "run", "--help"],
            "watch-pending, nothing to do": [watch, "run", "-c", str(config)],
            "all libraries, imported eagerly": [sys.executable, "-I", "-c", EAGER],
        }
        if (PEERS / "aws").exists():
            named["aws --version"] = [str(PEERS / "aws"), "--version"]
        seconds = commands(named, 2 if quick else REPEATS, **environ)
    return [
        Row(
            case="median of a whole process",
            method=name,
            kind=kind,
            value=seconds[name] * 1000,
            unit="ms",
        )
        for name, kind in KINDS.items()
        if name in seconds
    ]


def make_idle_farm(directory: Path) -> Path:
    """Write a configuration whose scheduler database is Buildbot's, and empty."""
    url = f"sqlite:///{directory}/scheduler.sqlite"
    scheduler_schemas.create_shape(sa.create_engine(url), "C")
    settings = {
        "farm": "bench",
        "watch_pending": {
            "scheduler_db": url,
            "buildermap": {"Linux": "bld-linux64"},
            "region_priorities": {"us-east-1": 1},
            "instance_types": {
                "bld-linux64": {
                    "names": "bld-linux64-%03d",
                    "regions": {"us-east-1": {"subnets": ["subnet-1"]}},
                }
            },
        },
    }
    path = directory / "farmhand.yml"
    path.write_text(yaml.safe_dump(settings, sort_keys=False))
    return path


PART = Part(
    name="startup",
    title="How long commands take to start",
    about="Cron starts them every minute: beside the bare interpreter, the same libraries imported "
    "eagerly, and the AWS CLI.",
    sized_by="",
    about_s=40,
    measure=measure_all,
)
