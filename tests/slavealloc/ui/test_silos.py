from slavealloc.ui.silos import PARTS, Count, make_pivot

NAMES = {table: {1: f"{part}-a", 2: f"{part}-b"} for part, table in PARTS.items()}


def count(pool: int, distro: int | None = 1, live: int = 1, silent: int = 0) -> Count:
    silo = (pool, distro, 1, 1, 1, 1, 1, 1)
    return Count(silo=silo, live=live, silent=silent, disabled=0)


def test_silos_stand_below_each_other_and_pools_side_by_side() -> None:
    pivot = make_pivot([count(2), count(1, distro=2, live=3, silent=4)], NAMES)
    assert pivot.pools == ["pool-a", "pool-b"]
    assert [row.parts for row in pivot.rows] == [("distro-a",), ("distro-b",)]
    first, second = pivot.rows
    assert first.cells[0] is None
    assert second.cells[1] is None
    cell = second.cells[0]
    assert cell is not None
    assert (cell.live, cell.silent, cell.disabled, cell.total) == (3, 4, 0, 7)


def test_what_all_silos_agree_in_is_said_once() -> None:
    pivot = make_pivot([count(1), count(1, distro=2)], NAMES)
    assert pivot.differing == ["distro"]
    assert pivot.alike["environment"] == "environment-a"
    assert len(pivot.alike) == 6


def test_a_cell_leads_to_its_workers() -> None:
    pivot = make_pivot([count(1, distro=None)], NAMES)
    cell = pivot.rows[0].cells[0]
    assert cell is not None
    assert cell.link.startswith("/ui/workers?pool=pool-a&distro=-&bitlength=bitlength-a&")


def test_no_workers_make_no_pivot() -> None:
    assert make_pivot([], NAMES).rows == []
