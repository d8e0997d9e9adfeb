"""The list of workers in Chromium: search, filters, order, pages, and changing many at once."""

from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

import pytest
import sqlalchemy as sa
from playwright.sync_api import Page, expect

from farmhand.tables import farm
from tests.accessibility import find_barriers, find_faint_texts, tab_to
from tests.browsers import Watch, without_scripts
from tests.sites import BROKEN, BUG_URL, PagesOfFarm, log_in, running_pages

pytestmark = pytest.mark.integration
COUNT = 300
DISABLED = 13  # every 23rd


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PagesOfFarm]:
    with running_pages(tmp_path_factory.mktemp("workers"), COUNT) as site:
        yield site


def rows_of(page: Page) -> list[str]:
    """Name the workers that are shown, in order."""
    return page.locator("tbody th a").all_inner_texts()


def shows(page: Page, count: str) -> None:
    expect(page.locator("#count")).to_have_text(count)


def disabled_in(site: PagesOfFarm) -> int:
    with site.allocator.engine.connect() as connection:
        column = farm.workers.c.enabled
        found = connection.scalar(sa.select(sa.func.count()).where(sa.not_(column)))
    return int(found or 0)


def test_a_stranger_disables_a_broken_worker_and_undoes_it_by_keyboard_alone(
    site: PagesOfFarm, page: Page
) -> None:
    page.goto(site.url("/ui/workers"))
    page.keyboard.press("/")
    page.keyboard.type("disk errors")
    shows(page, f"1 of {COUNT}")
    tab_to(page, "Log in to change")
    page.keyboard.press("Enter")
    expect(page.get_by_label("Token")).to_be_focused()
    page.keyboard.type(site.token)
    page.keyboard.press("Enter")
    shows(page, f"1 of {COUNT}")  # the search came along
    tab_to(page, f"Select {BROKEN}")
    page.keyboard.press("Space")
    tab_to(page, "Reason (kept with the change)")
    page.keyboard.type("bug 7: <b>disk</b> errors")
    tab_to(page, "Disable")
    page.keyboard.press("Enter")
    expect(page.get_by_role("status").filter(has_text="Undo")).to_contain_text(
        f"{BROKEN} disabled. just now by stranger: bug 7: <b>disk</b> errors".replace(
            "just now", page.locator(".notice time").inner_text()
        )
    )
    row = page.get_by_role("row", name=BROKEN)
    expect(row).to_contain_text("disabled")
    expect(row).to_contain_text("by stranger: bug 7: <b>disk</b> errors")
    expect(row.get_by_role("link", name="bug 7")).to_have_attribute("href", f"{BUG_URL}7")
    tab_to(page, "Undo")
    page.keyboard.press("Enter")
    expect(page.get_by_text(f"{BROKEN} enabled.")).to_be_visible()
    expect(page.get_by_role("row", name=BROKEN)).not_to_contain_text("disabled")
    assert disabled_in(site) == DISABLED


def test_a_search_is_in_the_address_and_back_leads_to_it(site: PagesOfFarm, page: Page) -> None:
    page.goto(site.url("/ui/workers"))
    page.get_by_label("Search").type("LION bm2")
    shows(page, f"19 of {COUNT}")
    assert parse_qs(urlsplit(page.url).query) == {"q": ["LION bm2"]}
    page.get_by_label("State").select_option("disabled")
    expect(page).to_have_url(site.url("/ui/workers?q=LION+bm2&state=disabled"))
    shows(page, f"0 of {COUNT}")
    page.go_back()
    shows(page, f"19 of {COUNT}")
    expect(page.get_by_label("Search")).to_have_value("LION bm2")
    with page.context.new_page() as other:
        other.goto(page.url)
        shows(other, f"19 of {COUNT}")


def test_a_column_sorts_both_ways_and_pages_follow(site: PagesOfFarm, page: Page) -> None:
    page.goto(site.url("/ui/workers?state=enabled"))
    head = page.get_by_role("columnheader", name="Worker")
    expect(head).to_have_attribute("aria-sort", "ascending")
    head.get_by_role("link").click()
    expect(head).to_have_attribute("aria-sort", "descending")
    first = rows_of(page)
    page.get_by_role("link", name="Next").click()
    page.get_by_role("link", name="Next").click()
    shows(page, f"{COUNT - DISABLED} of {COUNT}")
    last = rows_of(page)
    assert (len(first), len(last)) == (100, 87)
    assert first == sorted(first, reverse=True)
    assert max(last) < min(first)
    page.goto(site.url("/ui/workers?state=enabled&sort=-name&page=99"))
    assert rows_of(page) == last
    page.get_by_role("columnheader", name="Last seen").get_by_role("link").click()
    expect(page.locator("tbody tr").first).to_contain_text("never")


def test_it_works_without_scripts(site: PagesOfFarm, page: Page) -> None:
    with without_scripts(page):
        log_in(page, site)
        page.goto(site.url("/ui/workers"))
        page.get_by_label("Search").fill("lion")
        page.get_by_label("State").select_option("disabled")
        page.get_by_role("button", name="Show").click()
        before = rows_of(page)
        assert before
        page.get_by_label(f"Select {before[0]}").check()
        page.get_by_label("Reason").fill("mended")
        page.get_by_role("button", name="Enable").click()
        expect(page.get_by_text(f"{before[0]} enabled.")).to_be_visible()
        assert rows_of(page) == before[1:]
        page.get_by_role("button", name="Undo").click()
        assert rows_of(page) == before


def test_all_that_match_are_disabled_together_and_back(site: PagesOfFarm, page: Page) -> None:
    log_in(page, site)
    page.goto(site.url("/ui/workers?q=linux"))
    shows(page, f"240 of {COUNT}")
    page.get_by_label("select all 240 that match").check()
    expect(page.get_by_text("all 240 selected")).to_be_visible()
    page.get_by_label("Reason").fill("power cut")
    page.get_by_role("button", name="Disable").click()
    expect(page.get_by_role("status").filter(has_text="Undo")).to_contain_text("230 disabled.")
    assert disabled_in(site) == DISABLED + 230
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_role("status").filter(has_text="Undo")).to_contain_text("230 enabled.")
    assert disabled_in(site) == DISABLED


def test_shift_click_selects_a_range_and_the_head_all(site: PagesOfFarm, page: Page) -> None:
    log_in(page, site)
    page.goto(site.url("/ui/workers"))
    boxes = page.locator("input[name=id]")
    boxes.nth(2).click()
    boxes.nth(6).click(modifiers=["Shift"])
    expect(page.get_by_text("5 selected")).to_be_visible()
    page.get_by_label("Select all on this page").check()
    expect(page.get_by_text("100 selected")).to_be_visible()
    page.get_by_label("Select all on this page").uncheck()
    page.get_by_label("Reason").fill("nobody")
    page.get_by_role("button", name="Disable").click()
    expect(page.get_by_text("Select a worker first")).to_be_visible()
    assert disabled_in(site) == DISABLED


@pytest.mark.fault(
    "somebody who is not logged in changes workers on the page",
    "401 that asks for a token; nothing changes",
)
def test_who_is_not_logged_in_reads_all_and_changes_nothing(
    site: PagesOfFarm, watched: tuple[Page, Watch]
) -> None:
    page, seen = watched
    page.goto(site.url("/ui/workers"))
    assert len(rows_of(page)) == 100
    assert page.locator("input[type=checkbox], button:visible").count() == 0
    answer = page.request.post(site.url("/ui/workers"), form={"do": "disable", "id": "1"})
    assert answer.status == 401
    assert "token" in answer.text()
    assert disabled_in(site) == DISABLED
    assert seen.complaints == []


@pytest.mark.fault(
    "a change of many workers that can't be done: {id}",
    "HTTP {status}, the page says: {said}; nothing changes",
)
@pytest.mark.parametrize(
    ("form", "status", "said"),
    [
        pytest.param({"do": "disable", "id": "1"}, 400, "reason", id="no reason"),
        pytest.param({"do": "drop", "id": "1", "why": "x"}, 400, "enable or disable", id="verb"),
        pytest.param(
            {"do": "disable", "all": "1", "count": "299", "why": "x"}, 409, "look again", id="count"
        ),
        pytest.param({"do": "disable", "why": "x"}, 200, "no worker was selected", id="nobody"),
        pytest.param({"do": "disable", "id": "999", "why": "x"}, 200, "is so already", id="gone"),
    ],
)
def test_what_can_t_be_done_is_said_and_not_done(
    site: PagesOfFarm, page: Page, form: dict[str, str | float | bool], status: int, said: str
) -> None:
    log_in(page, site)
    answer = page.request.post(
        site.url("/ui/workers"), form=form, headers={"Origin": site.allocator.url}
    )
    assert (answer.status, said in answer.text()) == (status, True)
    assert disabled_in(site) == DISABLED


@pytest.mark.fault("somebody changed a worker before the undo", "the undo leaves that worker alone")
def test_an_undo_leaves_alone_what_was_changed_since(site: PagesOfFarm, page: Page) -> None:
    log_in(page, site)
    page.goto(site.url("/ui/workers?q=bld-linux64-002"))
    page.get_by_label("Select all on this page").check()
    page.get_by_label("Reason").fill("wrong rack")
    page.get_by_role("button", name="Disable").click()
    done = page.url
    page.get_by_label("Select bld-linux64-0021").check()
    page.get_by_label("Reason").fill("this one is fine")
    page.get_by_role("button", name="Enable").click()
    page.goto(done)
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_role("status").filter(has_text="Undo")).to_contain_text("8 enabled.")
    page.goto(done)
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_text("all of it was changed again since")).to_be_visible()
    assert disabled_in(site) == DISABLED


@pytest.mark.fault(
    "the server does not answer a search",
    "the page says that it is not up to date; the next search works",
)
def test_a_search_without_answer_says_so_and_the_next_one_goes_on(
    site: PagesOfFarm, watched: tuple[Page, Watch]
) -> None:
    page, seen = watched
    seen.expected += ["ERR_INTERNET_DISCONNECTED", "htmx:sendError", "htmx:afterRequest"]
    page.goto(site.url("/ui/workers"))
    page.context.set_offline(True)
    page.get_by_label("Search").fill("lion")
    expect(page.locator("#count")).to_contain_text("not up to date")
    page.context.set_offline(False)
    page.get_by_label("Search").fill("lion-r5")
    shows(page, f"60 of {COUNT}")


def test_everybody_can_read_and_use_it(site: PagesOfFarm, page: Page) -> None:
    for path in ("/ui/workers?q=nothing+at+all", "/ui/login?failed=1"):
        page.goto(site.url(path))
        assert (path, find_faint_texts(page), find_barriers(page)) == (path, [], [])
    log_in(page, site)
    page.goto(site.url("/ui/workers?sort=state&done=nobody"))
    page.get_by_text("More filters").click()
    page.locator("input[name=id]").first.check()
    assert (find_faint_texts(page), find_barriers(page)) == ([], [])
