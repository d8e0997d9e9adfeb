"""The list of 10,000 workers in Chromium, against a plain HTML table of the same rows.

The plain table is a ready file with all rows in it, the best case for one: no database is asked.
Its filter hides each row that does not hold what was typed. It changes a thousand workers as a
script on such a page would, with one PUT each, six at a time.
"""

import html
import http.server
import statistics
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import sqlalchemy as sa
from playwright.sync_api import Page

from benchmarks.results import Kind, Part, Row
from farmhand.tables.farm import masters, pools, workers
from tests import services
from tests.browsers import WAIT_MS, running_chromium
from tests.sites import PagesOfFarm, log_in, running_pages

WORKERS = 10_000
REPEATS = 5
CHANGED = 1000
ASKED = "lion-r5-1"  # a thousand workers, whether of 10,000 or more
TYPED = "tst-linux32-077"
PAINT = """() => new Promise((done) => {
  const told = () => {
    const paint = performance.getEntriesByName("first-contentful-paint")[0];
    const page = performance.getEntriesByType("navigation")[0];
    if (!paint || !page.loadEventEnd) return setTimeout(told, 5);
    done([paint.startTime, page.loadEventEnd, page.transferSize / 1024]);
  };
  told();
})"""
# From a keystroke to the frame that shows what it found.
KEYSTROKE = """([text, isOurs]) => new Promise((done) => {
  const field = document.querySelector("input[type=search]");
  const painted = () => requestAnimationFrame(() => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => done(performance.now() - start);
    port2.postMessage(0);
  });
  const start = performance.now();
  if (isOurs) {
    const seen = new MutationObserver(() => { seen.disconnect(); painted(); });
    seen.observe(document.querySelector("#found"), { childList: true });
  }
  field.value = text;
  field.dispatchEvent(new Event("input", { bubbles: true }));
  if (!isOurs) painted();
})"""
PUTS = """async ([ids, enabled]) => {
  const left = [...ids];
  const start = performance.now();
  const put = async () => {
    for (let id = left.pop(); id !== undefined; id = left.pop()) {
      const answer = await fetch(`/api/v1/slaves/${id}`, {
        method: "PUT",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify({ enabled }),
      });
      if (!answer.ok) throw new Error(await answer.text());
    }
  };
  await Promise.all(Array.from({ length: 6 }, put));
  return performance.now() - start;
}"""
FILTER = """const rows = [...document.querySelectorAll("tbody tr")];
document.querySelector("input").addEventListener("input", (event) => {
  const text = event.target.value.toLowerCase();
  for (const row of rows) row.hidden = !row.textContent.toLowerCase().includes(text);
});"""


def write_plain(engine: sa.Engine, folder: Path) -> None:
    """Write all workers as one table, with a search that runs in the browser."""
    joined = workers.outerjoin(masters, masters.c.id == workers.c.current_master_id).outerjoin(
        pools, pools.c.id == workers.c.pool_id
    )
    columns = (workers.c.name, workers.c.enabled, workers.c.last_seen_at, masters.c.nickname)
    statement = sa.select(*columns, pools.c.name, workers.c.notes).select_from(joined)
    with engine.connect() as connection:
        rows = connection.execute(statement.order_by(workers.c.name)).all()
    body = "\n".join(
        "<tr>" + "".join(f"<td>{html.escape(str(value or ''))}</td>" for value in row) + "</tr>"
        for row in rows
    )
    (folder / "index.html").write_text(
        f"<!doctype html><meta charset=utf-8><title>Workers</title><input type=search>"
        f"<table><tbody>{body}</tbody></table><script>{FILTER}</script>"
    )


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def end_headers(self) -> None:
        """Let nobody keep it, as nobody keeps our page."""
        self.send_header("Cache-Control", "no-store")
        super().end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def _served(folder: Path) -> Iterator[str]:
    handler = partial(_Quiet, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


def measure_paint(page: Page, url: str) -> list[float]:
    """Open a page again and again: median ms until something shows, until all is there, KiB."""
    found = []
    for _ in range(REPEATS):
        page.goto(url)
        found.append(page.evaluate(PAINT))
    return [statistics.median(values) for values in zip(*found, strict=True)]


def measure_keystroke(page: Page, url: str, *, ours: bool) -> float:
    """Type the last letter of a search: median ms until its rows show."""
    page.goto(url)
    found = []
    for n in range(REPEATS):
        page.evaluate(KEYSTROKE, [f"{TYPED[:-1]}", ours])
        found.append(page.evaluate(KEYSTROKE, [f"{TYPED[:-1]}{n}", ours]))
    return float(statistics.median(found))


def measure_bulk(page: Page, site: PagesOfFarm) -> float:
    """Disable and enable a thousand workers: median ms from the click until it is said."""
    found = []
    for n in range(2 * REPEATS):
        page.goto(site.url(f"/ui/workers?q={ASKED}"))
        page.get_by_label("that match").check()
        page.get_by_label("Reason").fill("measured")
        page.evaluate("sessionStorage.start = 0")
        page.evaluate(
            "addEventListener('submit', () => { sessionStorage.start = Date.now(); }, true)"
        )
        page.get_by_role("button", name="Enable" if n % 2 == 0 else "Disable").click()
        page.wait_for_url("**done=*", timeout=WAIT_MS)
        paint = page.evaluate(PAINT)[0]
        found.append(page.evaluate("performance.timeOrigin - sessionStorage.start") + paint)
    return float(statistics.median(found[1:]))  # the first enables but those that are not


def measure_puts(page: Page, site: PagesOfFarm) -> float:
    """Do the same with one PUT each."""
    with site.allocator.engine.connect() as connection:
        statement = sa.select(workers.c.id).where(workers.c.name.contains(ASKED))
        ids = list(connection.scalars(statement))
    page.goto(site.url("/ui/workers"))
    return float(page.evaluate(PUTS, [ids[:CHANGED], True]))


def measure_all(_: bool) -> list[Row]:
    """Measure all, quick or not: the search needs its workers. Nothing without Chromium."""
    if "chromium" in services.missing_services():
        return []
    with (
        tempfile.TemporaryDirectory(prefix="farmhand-bench-") as folder,
        running_pages(Path(folder), WORKERS) as site,
        running_chromium() as browser,
        browser.new_context(viewport={"width": 1280, "height": 800}) as context,
    ):
        plain_folder = Path(folder) / "plain"
        plain_folder.mkdir()
        write_plain(site.allocator.engine, plain_folder)
        page = context.new_page()
        log_in(page, site)
        with _served(plain_folder) as plain:
            ours_paint = measure_paint(page, site.url("/ui/workers"))
            plain_paint = measure_paint(page, plain)
            ours_typed = measure_keystroke(page, site.url("/ui/workers"), ours=True)
            plain_typed = measure_keystroke(page, plain, ours=False)
        bulk, puts = measure_bulk(page, site), measure_puts(page, site)
    names = ("first useful paint", "all there", "read over the network")
    units = ("ms", "ms", "KiB")
    found = [*zip(names, units, ours_paint, plain_paint, strict=True)]
    found.append(("a filter keystroke", "ms", ours_typed, plain_typed))
    found.append((f"{CHANGED:,} workers changed", "ms", bulk, puts))
    return [
        Row(case=case, method=method, kind=kind, value=value, unit=unit)
        for case, unit, ours, plain_table in found
        for method, kind, value in (
            ("the page of workers", Kind.OURS, ours),
            ("a plain table", Kind.NAIVE, plain_table),
        )
    ]


PART = Part(
    name="pages",
    title="A list of 10,000 workers in Chromium",
    about="slavealloc's page beside a ready file with all rows in one HTML table, which asks no "
    "database; it changes workers with one PUT each, six at a time.",
    sized_by="workers",
    about_s=40,
    measure=measure_all,
)
