"""A real Chromium; what it complains of while a test uses a page fails the test."""

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass, field

from playwright.sync_api import Browser, ConsoleMessage, Page, sync_playwright

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


def watch(page: Page) -> Watch:
    """Note from now on what goes wrong in a page."""
    seen = Watch()
    page.on("console", seen.note)
    page.on("pageerror", lambda error: seen.complaints.append(f"exception: {error}"))
    page.set_default_timeout(WAIT_MS)
    return seen
