"""Who is a stray: purely by user, baseline, descent and name."""

from runner.chores.strays import Process, choose_strays

BUILDER, OTHER = 1000, 33
ME = 50


def make(pid: int, parent: int = 1, **fields: object) -> Process:
    given = {"start": pid, "uid": BUILDER, "name": f"p{pid}", **fields}
    return Process(pid=pid, parent=parent, **given)  # type: ignore[arg-type]


def strays(
    *processes: Process, baseline: frozenset[tuple[int, int]] = frozenset(), protect: str = ""
) -> list[int]:
    table = {each.pid: each for each in (make(1, 0, uid=0), make(ME), *processes)}
    return [each.pid for each in choose_strays(table, BUILDER, ME, baseline, protect.split())]


def test_a_users_processes_are_strays_and_no_others() -> None:
    assert strays(make(7), make(8, uid=OTHER), make(9, uid=0)) == [7]


def test_the_kernels_and_the_dead_are_none() -> None:
    assert strays(make(7, kernel=True), make(8, dead=True)) == []


def test_neither_we_nor_whom_we_come_from_are() -> None:
    assert strays(make(40), make(ME, 41), make(41, 40), make(42, 40)) == [42]


def test_who_was_there_at_boot_is_none_but_who_got_its_number_is() -> None:
    baseline = frozenset({(7, 7), (8, 1)})
    assert strays(make(7), make(8), baseline=baseline) == [8]


def test_a_protected_name_protects_what_is_below_it() -> None:
    login = make(20, name="sshd-session", uid=0)
    assert strays(login, make(21, 20), make(22, 21), make(23), protect="sshd*") == [23]


def test_the_name_of_the_program_counts_too() -> None:
    renamed = make(7, name="MainThread", program="/opt/android/adb")
    assert strays(renamed, protect="adb") == []


def test_a_circle_of_parents_ends() -> None:
    assert strays(make(7, 8), make(8, 7)) == [7, 8]
