"""The frame of all pages, and those of one worker and of one master, in Chromium."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.accessibility import find_barriers, find_faint_texts, tab_to
from tests.browsers import Watch, without_scripts
from tests.site_lives import FIXED, LOCKED, OFF, edit, live_a_while
from tests.sites import BROKEN, BUG_URL, FARM, WHO, PagesOfFarm, log_in, running_pages

pytestmark = pytest.mark.integration
EVERY_PAGE = (
    "",
    f"workers/{OFF}?edit=notes",
    f"workers/{LOCKED}",
    "masters",
    "masters/bm2?edit=pool_id",
    "silos",
    "jacuzzis",
    "changes",
)
AGO = r"(just now|\d+ s ago)"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PagesOfFarm]:
    with running_pages(tmp_path_factory.mktemp("rows"), 60) as site:
        live_a_while(site)
        yield site


def field(page: Page, label: str) -> str:
    """Read what a field of the page says."""
    name = re.compile(f"^{label}$")
    row = page.locator("dl.fields > div").filter(has=page.locator("dt", has_text=name))
    return row.locator(".value").inner_text()


def test_the_farm_s_name_is_in_sight_on_every_page_in_its_colour(
    site: PagesOfFarm, page: Page
) -> None:
    page.goto(site.url("/ui/login"))
    banner = page.get_by_role("banner")
    expect(banner.get_by_role("link", name=FARM)).to_be_visible()
    assert banner.evaluate("e => getComputedStyle(e).backgroundColor") == "rgb(138, 83, 0)"
    assert page.title() == f"Log in · {FARM} · slavealloc"


def test_a_page_that_is_not_there_says_so_as_a_page(
    site: PagesOfFarm, watched: tuple[Page, Watch]
) -> None:
    page, seen = watched
    seen.expected.append("404")
    answer = page.goto(site.url("/ui/nothing"))
    assert answer is not None
    assert answer.status == 404
    expect(page.get_by_role("heading", level=1)).to_have_text("Not Found")


def test_a_file_is_kept_for_ever_under_its_own_digest_only(site: PagesOfFarm, page: Page) -> None:
    page.goto(site.url("/ui/login"))
    path = page.locator("link[rel=stylesheet]").first.get_attribute("href") or ""
    own = site.allocator.get(path)
    other = site.allocator.get("/ui/static/0123456789ab/page.css")
    assert own.headers["content-type"] == "text/css; charset=utf-8"
    assert "immutable" in own.headers["cache-control"]
    assert (other.text, other.headers["cache-control"]) == (own.text, "no-cache")


def test_a_worker_is_disabled_with_a_reason_seen_and_undone(site: PagesOfFarm, page: Page) -> None:
    page.goto(site.url(f"/ui/workers/{BROKEN}"))
    expect(page.get_by_role("button", name="Disable")).to_have_count(0)
    page.get_by_role("link", name="Log in to change it").click()
    page.get_by_label("Token").fill(site.token)
    page.get_by_role("button", name="Log in").click()

    page.get_by_role("button", name=f"Disable {BROKEN}").click()
    assert page.evaluate("document.activeElement.matches('#switch-why:invalid')")
    page.get_by_label("Why disable it?").fill("bug 8: the <fan> died")
    page.get_by_role("button", name=f"Disable {BROKEN}").click()
    said = page.get_by_role("status")
    expect(said).to_have_text(
        re.compile(rf"Disabled {AGO} by {WHO}: bug 8: the <fan> died\.\s+Undo")
    )
    expect(said).to_be_focused()
    expect(said.get_by_role("link", name="bug 8")).to_have_attribute("href", f"{BUG_URL}8")

    page.get_by_role("link", name="Dashboard").click()
    first = page.locator(".card", has_text="Disabled workers").get_by_role("row").nth(1)
    expect(first).to_have_text(re.compile(rf"{BROKEN}\s*{AGO} {WHO}\s*bug 8: the <fan> died"))
    first.get_by_role("link", name=BROKEN).click()

    page.get_by_role("status").get_by_role("button", name="Undo").click()
    expect(said).to_have_text(
        re.compile(rf"Enabled {AGO} by {WHO}: undo: disabled, bug 8: the <fan> died\.\s+Undo")
    )
    page.get_by_role("link", name="Changes").click()
    did = page.get_by_role("row").filter(has_text=BROKEN)
    expect(did.nth(0)).to_contain_text("enabled")
    expect(did.nth(1)).to_contain_text("disabled")


def test_a_field_is_edited_in_place_by_keyboard(site: PagesOfFarm, page: Page) -> None:
    log_in(page, site)
    page.goto(site.url(f"/ui/workers/{FIXED}"))
    page.get_by_role("link", name="Edit basedir").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_label("basedir", exact=True)).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.get_by_label("basedir", exact=True)).to_have_count(0)

    page.get_by_role("link", name="Edit basedir").press("Enter")
    expect(page.get_by_label("basedir", exact=True)).to_be_focused()
    page.keyboard.press("Control+a")
    page.keyboard.type("/builds/other")
    tab_to(page, "Reason for changing basedir, if you like")
    page.keyboard.type("bigger disk")
    page.keyboard.press("Enter")
    expect(page.locator("#done")).to_contain_text("basedir: /builds/slave → /builds/other")
    assert field(page, "basedir") == "/builds/other"
    first = page.get_by_role("region", name=f"History of {FIXED}").get_by_role("row").nth(1)
    expect(first).to_contain_text(re.compile(rf"{WHO}\s*edited[\s\S]*bigger disk"))


def test_history_tells_of_edits_and_of_masters(site: PagesOfFarm, page: Page) -> None:
    page.goto(site.url(f"/ui/workers/{FIXED}"))
    history = page.get_by_role("region", name=f"History of {FIXED}")
    expect(history).to_contain_text(
        re.compile(r"5 h ago\s*manager1\s*sent to\s*master: none → bm4")
    )
    expect(history).to_contain_text(re.compile(r"disabled\s*notes: none → bug 1234: no disk"))


@pytest.mark.fault("the browser runs no scripts", "everything works all the same")
def test_all_works_without_script(site: PagesOfFarm, page: Page) -> None:
    with without_scripts(page):
        log_in(page, site)
        page.goto(site.url("/ui/workers/tst-linux64-0003"))
        page.get_by_role("link", name="Edit notes").click()
        page.get_by_label("notes", exact=True).fill("two\nlines")
        page.get_by_role("button", name="Save").click()
        assert field(page, "notes") == "two\nlines"
        page.locator("#done").get_by_role("button", name="Undo").click()
        assert field(page, "notes") == "none"


@pytest.mark.fault(
    "notes of 16,000 letters that take three bytes each", "they are saved, shown and replaced"
)
def test_the_longest_notes_in_any_letters_are_saved_and_replaced(
    site: PagesOfFarm, page: Page
) -> None:
    log_in(page, site)
    page.goto(site.url("/ui/workers/tst-linux64-0004"))
    for notes in ("\N{EM DASH}" * 16_000, "\N{EURO SIGN}" * 16_000, ""):
        page.get_by_role("link", name="Edit notes").click()
        page.get_by_label("notes", exact=True).fill(notes)
        page.get_by_role("button", name="Save").click()
        assert field(page, "notes") == (notes or "none")


@pytest.mark.fault(
    "two people edit one worker on the page",
    "the second sees both versions side by side and chooses; nothing is overwritten",
)
def test_two_edits_of_one_worker_are_put_side_by_side(
    site: PagesOfFarm, watched: tuple[Page, Watch]
) -> None:
    page, seen = watched
    seen.expected.append("409")
    name = "tst-linux32-0002"
    log_in(page, site)
    page.goto(site.url(f"/ui/workers/{name}"))
    page.get_by_role("link", name="Edit notes").click()
    page.get_by_label("notes", exact=True).fill("mine: fan")
    edit(site, f"slaves/{name}", {"notes": "theirs: disk", "basedir": "/theirs"})
    page.get_by_role("button", name="Save").click()

    expect(page.get_by_role("heading", level=1)).to_have_text(
        f"Worker {name} was changed meanwhile"
    )
    notes = page.get_by_role("row", name="notes")
    expect(notes).to_contain_text(re.compile(r"both changed it\s*none\s*mine: fan\s*theirs: disk"))
    expect(page.get_by_role("row", name="basedir")).to_contain_text("/theirs")
    assert not notes.get_by_role("radio").nth(0).is_checked()
    assert not notes.get_by_role("radio").nth(1).is_checked()
    notes.get_by_role("radio", name="mine: fan").check()
    page.get_by_role("button", name="Save what is chosen").click()
    assert (field(page, "notes"), field(page, "basedir")) == ("mine: fan", "/theirs")


def test_an_edit_that_nobody_touched_is_kept_beside_theirs(
    site: PagesOfFarm, watched: tuple[Page, Watch]
) -> None:
    page, seen = watched
    seen.expected.append("409")
    name = "tst-linux32-0003"
    log_in(page, site)
    page.goto(site.url(f"/ui/workers/{name}"))
    edit(site, f"slaves/{name}", {"basedir": "/theirs"})
    page.get_by_label("Why disable it?").fill("mine")
    page.get_by_role("button", name=f"Disable {name}").click()
    expect(page.get_by_role("row", name="enabled").get_by_role("radio").nth(0)).to_be_checked()
    page.get_by_role("button", name="Save what is chosen").click()
    expect(page.locator("#done")).to_contain_text(re.compile(rf"Disabled {AGO} by {WHO}: mine"))
    assert field(page, "basedir") == "/theirs"


@pytest.mark.fault(
    "a value on the page can't be saved",
    "Not saved, with the reason; what was typed is still there",
)
def test_what_can_t_be_saved_is_shown_again_as_it_was(
    site: PagesOfFarm, watched: tuple[Page, Watch]
) -> None:
    page, seen = watched
    seen.expected.append("400")
    log_in(page, site)
    page.goto(site.url("/ui/masters/bm5?edit=pb_port"))
    page.get_by_label("worker port", exact=True).fill("90000")
    page.get_by_label("Reason for changing worker port").fill("moved")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("alert")).to_contain_text(re.compile("Not saved. worker port: .*65535"))
    expect(page.get_by_label("worker port", exact=True)).to_have_value("90000")
    expect(page.get_by_label("Reason for changing worker port")).to_have_value("moved")


def test_the_tac_is_shown_without_its_password(site: PagesOfFarm, page: Page) -> None:
    page.goto(site.url(f"/ui/workers/{BROKEN}"))
    page.get_by_text("The tac it would get now").click()
    expect(page.locator("pre")).to_contain_text(re.compile(r"passwd = ['\"]\*{8}['\"]"))
    shown = site.allocator.get(f"/ui/workers/{BROKEN}").text
    assert "pw-build-scl3" in site.allocator.gettac(BROKEN).text
    assert "pw-build-scl3" not in shown


def test_a_master_is_drained_and_what_that_breaks_is_said(site: PagesOfFarm, page: Page) -> None:
    log_in(page, site)
    page.goto(site.url("/ui/masters"))
    page.get_by_role("link", name="bm1", exact=True).click()
    expect(page.get_by_role("link", name="its own page")).to_have_attribute(
        "href", "http://bm1.example.com:8001/"
    )
    page.get_by_label("Why disable it?").fill("new kernel")
    page.get_by_role("button", name="Disable bm1").click()
    expect(page.get_by_role("status")).to_contain_text(re.compile(rf"Disabled {AGO} by {WHO}"))
    page.goto(site.url("/ui/masters"))
    expect(page.get_by_role("row").nth(1)).to_contain_text(re.compile(r"bm1\s*disabled"))

    page.goto(site.url(f"/ui/workers/{LOCKED}"))
    expect(page.get_by_role("heading", level=1)).to_contain_text("gets no tac")
    expect(page.locator(".verdict")).to_contain_text(
        "it would get nothing: it is locked to master bm2, which is disabled: bug 99"
    )


def test_every_page_can_be_read_by_everybody(site: PagesOfFarm, page: Page) -> None:
    log_in(page, site)
    for path in EVERY_PAGE:
        page.goto(site.url(f"/ui/{path}"))
        assert (path, find_barriers(page), find_faint_texts(page)) == (path, [], [])
