"""Writes docs/faults.md from the marks above the tests: `python -m tests.faults`."""

import html
from collections.abc import Iterator, Sequence
from fnmatch import fnmatch
from itertools import groupby
from pathlib import Path

from tests.fault_marks import ROOT, Fault, read_faults

PAGE = ROOT / "docs/faults.md"
PARTS: dict[str, tuple[str, ...]] = {
    "watch-pending stop-idle": ("*/test_stop_*",),
    "watch-pending sanity": ("*/test_sanity*",),
    "watch-pending amis": ("*/test_amis_*", "*/test_prune_*", "*/test_publish_*"),
    "watch-pending status, check and explain": ("*/test_status*", "*/test_check*", "*/test_verbs*"),
    "slavealloc: pages and doors": ("*/test_pages*", "*/test_doors*", "slavealloc/ui/*"),
    "slavealloc: command line": ("*/test_client*", "slavealloc/client/*"),
    "slavealloc: its database": ("*/test_dbadmin*", "slavealloc/bulk/*"),
    "runslave": ("*/test_runslave*", "slavealloc/runslave/*"),
    "slavealloc: server": ("*/test_allocator*", "*/test_rest*", "*/test_nginx*", "slavealloc/*"),
    "runner: the worker": ("*/test_runner_worker*", "runner/test_worker*", "*/test_twistd_log*"),
    "runner: chores": ("*/test_*chore*", "runner/chores/*", "*/test_check_ami*", "*/test_puppet*"),
    "runner": ("*/test_runner*", "runner/*"),
    "scanner": ("*/test_scan*", "scanner/*"),
    "databases": ("*/test_database*", "*/test_farm_db*", "*/test_pool*", "*/test_conflicts*"),
    "configuration": ("farmhand/test_config*", "*/test_yaml*", "*/test_validation*"),
    "the host": ("*/test_host*", "farmhand/*"),
    "watch-pending": ("*",),
}
ORDER = (
    "watch-pending",
    "watch-pending stop-idle",
    "watch-pending sanity",
    "watch-pending amis",
    "watch-pending status, check and explain",
    "slavealloc: server",
    "slavealloc: pages and doors",
    "slavealloc: command line",
    "slavealloc: its database",
    "runslave",
    "runner",
    "runner: the worker",
    "runner: chores",
    "scanner",
    "databases",
    "configuration",
    "the host",
)
HEAD = """# What happens when…

Every fault that a test makes happen, and what you see then. Look for the word in the message, or
for the thing that broke. Exit codes: 0 done, 2 mend the configuration, 3 some of it failed, 4
nothing could be decided, 75 another run is at it ([commands](commands.md)).

`make faults` writes this page from the tests, {count} faults in all. A new one is a line above its
test: `@pytest.mark.fault("what goes wrong", "what happens then")`.
"""


def find_part(path: Path) -> str:
    """Say which part of the page a test file belongs to: the first pattern that it matches."""
    name = path.relative_to(ROOT / "tests").as_posix()
    return next(part for part, globs in PARTS.items() if any(fnmatch(name, glob) for glob in globs))


def format_page(faults: Sequence[Fault]) -> str:
    """Write the whole page."""
    return "\n".join(_format_lines(faults))


def _format_lines(faults: Sequence[Fault]) -> Iterator[str]:
    yield HEAD.format(count=len(faults))
    for part in ORDER:
        found = [fault for fault in faults if find_part(fault.path) == part]
        if not found:
            continue
        yield f"## {part}\n"
        yield "| fault | what happens | test |"
        yield "|---|---|---|"
        yield from sorted(map(_format_row, _group(found)), key=str.casefold)
        yield ""


def _group(faults: Sequence[Fault]) -> Iterator[list[Fault]]:
    """Put together the rows of one test that all lead to the same."""
    for _, group in groupby(faults, lambda fault: (fault.path, fault.test, fault.what)):
        yield list(group)


def _format_row(faults: Sequence[Fault]) -> str:
    names = [fault.name for fault in faults]
    stem = names[0][: names[0].rfind(": ") + 2]
    if not all(name.startswith(stem) for name in names):
        stem = ""
    joined = stem + " · ".join(name.removeprefix(stem) for name in names)
    first = faults[0]
    link = f"[`{first.test}`](../{first.path.relative_to(ROOT).as_posix()})"
    return f"| {_cell(joined)} | {_cell(first.what)} | {link} |"


def _cell(text: str) -> str:
    return html.escape(text, quote=False).replace("|", "\\|")


if __name__ == "__main__":
    PAGE.write_text(format_page(read_faults(ROOT / "tests")), "utf-8")
