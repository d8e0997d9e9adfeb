"""The frame of all pages, in Chromium: which farm it is, style, scripts, and who is logged in."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.browsers import Watch
from tests.sites import FARM, PagesOfFarm, running_pages

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PagesOfFarm]:
    with running_pages(tmp_path_factory.mktemp("pages"), 30) as site:
        yield site


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
