"""The manual's pictures: `python -m tests.screenshots` takes them anew into docs/screenshots/.

A new page is one more line in SHOTS.
"""

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Browser, Page

from tests.browsers import running_chromium, watch
from tests.sites import BROKEN, PagesOfFarm, log_in, running_pages

FOLDER = Path(__file__).parent.parent / "docs/screenshots"
WORKERS = 10_000
WIDE, NARROW = (1120, 560), (390, 640)


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


@dataclass(frozen=True, kw_only=True, slots=True)
class Shot:
    """One picture, in `scheme`, of what a page looks like after `act`."""

    name: str
    path: str
    size: tuple[int, int] = WIDE
    scheme: str = "light"
    logged_in: bool = True
    act: Callable[[Page], None] = stay


SHOTS = (
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
        page.goto(site.url(shot.path))
        shot.act(page)
        page.screenshot(path=FOLDER / f"{shot.name}.png")
        return seen.complaints


def main() -> None:
    """Take all pictures of one farm, in order: what one changes, the next ones show."""
    FOLDER.mkdir(exist_ok=True)
    with (
        tempfile.TemporaryDirectory(prefix="farmhand-shots-") as folder,
        running_pages(Path(folder), WORKERS) as site,
        running_chromium() as browser,
    ):
        for shot in SHOTS:
            complaints = take(browser, site, shot)
            if complaints:
                raise SystemExit(f"{shot.name}: {complaints}")


if __name__ == "__main__":
    main()
