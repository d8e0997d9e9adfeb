"""`make bench`: measure every part, or those named, and write the page.

`python -m benchmarks gettac` measures one part again and puts it in the place of what was stored of
it; `--render` only writes the page anew. The whole takes at most LIMIT_S: what is not done by then
keeps what was stored.
"""

import argparse
import json
import os
import signal
import sys
import time
import traceback
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType

from benchmarks import (
    gettac,
    launch,
    pages,
    pending,
    runner,
    scan,
    startup,
    stop_idle,
    whole_farm,
)
from benchmarks.machine import Surroundings, read_surroundings
from benchmarks.report import make_markdown
from benchmarks.report_html import make_html
from benchmarks.results import Found, Part, from_json, replace, to_json

ROOT = Path(__file__).parent.parent
MODULES = (pending, gettac, launch, stop_idle, scan, runner, startup, pages, whole_farm)
PARTS = {module.PART.name: module.PART for module in MODULES}
STORED = ROOT / "docs"
TRIED = ROOT / "benchmarks/results"
LIMIT_S = 1500
# Left for a part to close its servers after the limit.
CLOSING_S = 15


class OutOfTime(BaseException):
    """The limit for the whole has passed; no part may take it for its own."""


def main(args: Sequence[str] | None = None) -> int:
    """Measure, store after each part, write the page; 0 where every part was measured."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}")
    parser.add_argument("--quick", action="store_true", help="less work: to see that it runs")
    parser.add_argument("--render", action="store_true", help="measure nothing")
    parser.add_argument(
        "--to",
        type=Path,
        metavar="DIRECTORY",
        help="default: docs; with --quick benchmarks/results",
    )
    asked = parser.parse_args(args)
    unknown = set(asked.parts) - PARTS.keys()
    if unknown:
        parser.error(f"no such part: {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    folder: Path = asked.to or (TRIED if asked.quick else STORED)
    folder.mkdir(parents=True, exist_ok=True)
    failed: list[str] = []
    if not asked.render:
        chosen = [part for name, part in PARTS.items() if not asked.parts or name in asked.parts]
        failed = measure_all(chosen, folder, read_surroundings(), quick=asked.quick)
    write_page(folder, read_stored(folder))
    say(f"The page: {folder / 'benchmarks.html'} and {folder / 'benchmarks.md'}")
    for name in failed:
        say(f"Not measured: {name}. Again: python -m benchmarks {name}")
    return 1 if failed else 0


def measure_all(
    chosen: Sequence[Part], folder: Path, around: Surroundings, *, quick: bool
) -> list[str]:
    """Measure parts in turn and store each; return the names of those that failed."""
    about_s = sum(part.about_s for part in chosen)
    said = "quickly" if quick else f"about {about_s // 60} min {about_s % 60:02} s"
    say(f"{len(chosen)} parts, {said}, at most {LIMIT_S // 60} min")
    failed = []
    signal.signal(signal.SIGALRM, stop)
    signal.alarm(LIMIT_S - CLOSING_S)
    try:
        for number, part in enumerate(chosen, 1):
            say(f"[{number}/{len(chosen)}] {part.name}: {part.title}, about {part.about_s} s …")
            found = measure(part, around, quick=quick)
            if found is None:
                failed.append(part.name)
                continue
            store(folder, replace(read_stored(folder), found, list(PARTS)))
            say(f"[{number}/{len(chosen)}] {part.name}: {found.seconds:.0f} s")
    except OutOfTime:
        say(f"The {LIMIT_S // 60} minutes are over.")
        failed += [each.name for each in chosen[number - 1 :]]
    finally:
        signal.alarm(0)
    return failed


def measure(part: Part, around: Surroundings, *, quick: bool) -> Found | None:
    """Measure one part; None where it failed, its traceback on stderr."""
    load, began, date = os.getloadavg()[0], time.monotonic(), datetime.now(UTC)
    try:
        rows = part.measure(quick)
    except (Exception, SystemExit):  # noqa: BLE001 - the other parts can be measured all the same
        traceback.print_exc()
        return None
    if not rows:
        say(f"{part.name}: what it needs is not installed; see tools/install-services")
        return None
    return Found(
        name=part.name,
        title=part.title,
        about=part.about,
        sized_by=part.sized_by,
        date=date.strftime("%Y-%m-%d %H:%M UTC"),
        seconds=time.monotonic() - began,
        quick=quick,
        machine=around.machine,
        versions=around.versions,
        load=load,
        rows=tuple(rows),
    )


def stop(_: int, __: FrameType | None) -> None:
    """End what is measured now."""
    raise OutOfTime


def read_stored(folder: Path) -> list[Found]:
    """Read what was measured before."""
    path = folder / "benchmarks.json"
    return from_json(json.loads(path.read_text("utf-8"))) if path.exists() else []


def store(folder: Path, found: Sequence[Found]) -> None:
    """Write what was measured, whole or not at all."""
    path = folder / "benchmarks.json"
    new = path.with_suffix(".new")
    new.write_text(json.dumps(to_json(found), indent=1, ensure_ascii=False) + "\n", "utf-8")
    new.replace(path)


def write_page(folder: Path, found: Sequence[Found]) -> None:
    """Write both forms of the page."""
    (folder / "benchmarks.md").write_text(make_markdown(found), "utf-8")
    (folder / "benchmarks.html").write_text(make_html(found), "utf-8")


def say(text: str) -> None:
    """Show progress."""
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    raise SystemExit(main())
