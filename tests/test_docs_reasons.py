"""Every reason for which no machine starts, or none stops, has its row in the manual."""

from collections.abc import Iterable

from tests.manual import DOCS, ROOT, first_words, quoted_words, read_sections, read_table
from tests.reasons import find_arguments, find_texts
from watch_pending.stop_idle.models import Kept, Reason

NO_MACHINE = read_sections(DOCS / "why-no-machine.md")
NOT_STOPPED = read_sections(DOCS / "why-not-stopped.md")
# Where what `run` and `explain` say of launches is made.
LAUNCHING = (
    "ami_parameters",
    "apply",
    "aws",
    "backoffs",
    "bootstraps",
    "cloud",
    "demand",
    "explain",
    "holds",
    "http_reads",
    "inventory_rows",
    "inventory_server",
    "jacuzzi_server",
    "ledger",
    "pending",
    "plan",
    "request",
    "spot",
    "userdata",
)
STOPPING = ("apply", "judge", "plan", "rest", "run")
# Texts of those modules that say nothing by themselves.
NO_REASONS = {
    "(Amazon VPC)",
    "; and … more",
    "Originals | None",
    "and … more",
    "of … builders",
    "… and … more",
    "farm database",
    "scheduler database",
}


def said_by(folder: str, modules: Iterable[str]) -> set[str]:
    paths = [ROOT / folder / f"{module}.py" for module in modules]
    return find_texts(paths) - NO_REASONS


def cells(sections: Iterable[str], column: int) -> list[str]:
    """What is quoted in one column of the tables in these texts."""
    rows = [row for text in sections for row in read_table(text)]
    return [word for row in rows for word in quoted_words(row[column])]


def test_every_reason_not_to_launch_has_its_row_and_no_other_has() -> None:
    own = [text for name, text in NO_MACHINE.items() if name != "Why did no machine start?"]
    rows = cells(own, 0)
    printed = "Nothing that farmhand could start a machine for is waiting."
    assert printed in find_texts([ROOT / "watch_pending/report.py"])
    assert set(rows) == said_by("watch_pending", LAUNCHING) | {printed}
    assert len(rows) == len(set(rows))


def test_every_name_of_a_cut_stands_above_the_table_of_its_reasons() -> None:
    paths = [ROOT / f"watch_pending/{name}.py" for name in ("holds", "ledger", "plan")]
    names = {name.replace("….", "spot.") for name in find_arguments(paths, "by")}
    leads = {
        word
        for text in NO_MACHINE.values()
        for line in text.splitlines()
        if line.startswith("`")
        for word in quoted_words(line)
    }
    assert names <= leads


def test_every_verdict_on_a_machine_has_its_row_and_no_other_has() -> None:
    assert first_words(NOT_STOPPED["It stays"]) == [kept.value for kept in Kept]
    assert first_words(NOT_STOPPED["It would stop"]) == [reason.value for reason in Reason]


def test_every_reason_for_a_machine_to_stay_or_to_go_has_its_row_and_no_other_has() -> None:
    judged = cells((NOT_STOPPED["It stays"], NOT_STOPPED["It would stop"]), 1)
    going = cells((NOT_STOPPED["It is on its way out"], NOT_STOPPED["It could not be stopped"]), 0)
    # Judged as too short or as long enough, a machine is idle in the same words.
    assert len(judged) == len(set(judged)) + 1
    assert {*judged, *going} == said_by("watch_pending/stop_idle", STOPPING)
