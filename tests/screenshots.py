"""The manual's pictures: `python -m tests.screenshots` takes them anew into docs/screenshots/.

A new page is one more line in SHOTS.
"""

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Browser, Page

from tests.browsers import running_chromium, watch
from tests.site_lives import FIXED, live_a_while
from tests.sites import BROKEN, PagesOfFarm, log_in, running_pages

FOLDER = Path(__file__).parent.parent / "docs/screenshots"
WORKERS = 10_000
WIDE, TALL, NARROW = (1120, 560), (1120, 860), (390, 640)


def stay(_: Page) -> None:
    """Take the page as it opens."""


def disable_the_broken(page: Page) -> None:
    """Disable a worker, and stay where it is said."""
    page.get_by_label(f"Select {BROKEN}").check()
    page.get_by_label("Reason").fill("bug 1234567: disk errors")
    page.get_by_role("button", name="Disable").click()
    page.get_by_role("button", name="Undo").wait_for()


def select_some(page: Page) -> None:
    """Select three rows."""
    for n in (1, 2, 3):
        page.locator("input[name=id]").nth(n).check()
    page.get_by_label("Reason").fill("bug 1300000: power supply is changed on Friday")


def disable_it(page: Page) -> None:
    """Disable the worker of this page."""
    page.get_by_label("Why disable it?").fill("bug 1300001: the fan died")
    page.get_by_role("button", name="Disable").click()
    page.get_by_role("button", name="Undo").first.wait_for()


def be_outrun(page: Page) -> None:
    """Save what somebody else has changed meanwhile."""
    page.get_by_label("notes", exact=True).fill("bug 1300001: the fan is loud")
    other = page.context.new_page()
    for field, value in (("notes", "bug 1300002: new disk on Friday"), ("basedir", "/mnt/builds")):
        other.goto(page.url.replace("notes", field))
        other.get_by_label(field, exact=True).fill(value)
        other.get_by_role("button", name="Save").click()
        other.locator("#done").wait_for()
    page.get_by_role("button", name="Save").click()
    page.locator("form.conflict").wait_for()


@dataclass(frozen=True, kw_only=True, slots=True)
class Shot:
    """One picture, in `scheme`, of what a page looks like after `act`.

    `expected` is what the browser may complain of.
    """

    name: str
    path: str
    size: tuple[int, int] = WIDE
    scheme: str = "light"
    logged_in: bool = True
    act: Callable[[Page], None] = stay
    expected: str | None = None


SHOTS = (
    Shot(name="worker", path="/ui/workers/bld-linux64-0005", size=TALL, act=disable_it),
    Shot(name="worker-dark", path=f"/ui/workers/{FIXED}?edit=notes", size=TALL, scheme="dark"),
    Shot(
        name="conflict",
        path="/ui/workers/tst-linux64-0002?edit=notes",
        size=(1120, 340),
        act=be_outrun,
        expected="409",
    ),
    Shot(name="masters", path="/ui/masters"),
    Shot(name="master", path="/ui/masters/bm2", size=(1120, 700)),
    Shot(name="silos", path="/ui/silos", size=(1120, 740)),
    Shot(name="jacuzzis", path="/ui/jacuzzis", size=(1120, 300)),
    Shot(name="changes", path="/ui/changes", size=(1120, 420)),
    Shot(name="dashboard", path="/ui/", size=(1120, 1060)),
    Shot(name="dashboard-dark", path="/ui/", size=(1120, 1060), scheme="dark"),
    Shot(name="workers", path="/ui/workers?q=linux64", act=select_some),
    Shot(name="workers-dark", path="/ui/workers?state=disabled", scheme="dark"),
    Shot(name="workers-narrow", path="/ui/workers?sort=notes", size=NARROW, logged_in=False),
    Shot(
        name="disabled", path="/ui/workers?q=disk+errors", size=(1120, 400), act=disable_the_broken
    ),
    Shot(name="login", path="/ui/login", size=(1120, 320), logged_in=False),
)


def take(browser: Browser, site: PagesOfFarm, shot: Shot) -> list[str]:
    """Take one picture; returns what the browser complained of."""
    width, height = shot.size
    with browser.new_context(
        viewport={"width": width, "height": height},
        color_scheme="dark" if shot.scheme == "dark" else "light",
        reduced_motion="reduce",
    ) as context:
        page = context.new_page()
        seen = watch(page)
        if shot.logged_in:
            log_in(page, site)
        seen.expected += [shot.expected] if shot.expected else []
        page.goto(site.url(shot.path))
        shot.act(page)
        page.screenshot(path=FOLDER / f"{shot.name}.png")
        return seen.unexpected()


def main() -> None:
    """Take all pictures of one farm, in order: what one changes, the next ones show."""
    FOLDER.mkdir(exist_ok=True)
    with (
        tempfile.TemporaryDirectory(prefix="farmhand-shots-") as folder,
        running_pages(Path(folder), WORKERS) as site,
        running_chromium() as browser,
    ):
        live_a_while(site)
        for shot in SHOTS:
            complaints = take(browser, site, shot)
            if complaints:
                raise SystemExit(f"{shot.name}: {complaints}")


if __name__ == "__main__":
    main()
