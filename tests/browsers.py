"""A real Chromium; what it complains of while a test uses a page fails the test."""

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass, field

from playwright.sync_api import Browser, ConsoleMessage, Error, Page, sync_playwright

from tests.services import find_program

WAIT_MS = 15_000


@contextlib.contextmanager
def running_chromium() -> Iterator[Browser]:
    """Run Chromium, without a window.

    As long as it runs, asyncio.run() can't be used: Playwright's own loop counts as running.
    """
    program = find_program("chromium")
    assert program is not None
    # Root has no sandbox; and a container's /dev/shm may be too small for it.
    arguments = ["--disable-dev-shm-usage", "--disable-gpu"] + (
        ["--no-sandbox"] if os.geteuid() == 0 else []
    )
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=arguments)
        try:
            yield browser
        finally:
            browser.close()


@dataclass(kw_only=True)  # Playwright keeps something of its own in it
class Watch:
    """What a page complained of; `expected`: parts of complaints that a test causes on purpose."""

    complaints: list[str] = field(default_factory=list)
    expected: list[str] = field(default_factory=list)

    def unexpected(self) -> list[str]:
        """List what no test asked for."""
        return [each for each in self.complaints if not any(part in each for part in self.expected)]

    def note(self, message: ConsoleMessage) -> None:
        """Note what stands in the console; a violated content security policy does, too."""
        if message.type in {"error", "warning"}:
            self.complaints.append(f"{message.type}: {message.text} ({message.location})")

    def note_exception(self, error: Error) -> None:
        """Note what a script did not catch."""
        self.complaints.append(f"exception: {error}")


def watch(page: Page) -> Watch:
    """Note from now on what goes wrong in a page."""
    seen = Watch()
    page.on("console", seen.note)
    page.on("pageerror", seen.note_exception)
    page.set_default_timeout(WAIT_MS)
    return seen


def forget(page: Page, seen: Watch) -> None:
    """Let a page be as new: nobody is logged in, nothing is kept, and no one watches."""
    page.context.set_offline(False)
    page.context.clear_cookies()
    page.emulate_media(color_scheme="light")
    if page.url.startswith("http"):
        page.evaluate("() => sessionStorage.clear()")
    page.remove_listener("console", seen.note)
    page.remove_listener("pageerror", seen.note_exception)


@contextlib.contextmanager
def without_scripts(page: Page) -> Iterator[None]:
    """Let a page run no scripts meanwhile, as where somebody has forbidden them."""
    session = page.context.new_cdp_session(page)
    session.send("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        yield
    finally:
        session.detach()
