"""What everybody must be able to read and to use, checked in the page that Chromium shows."""

from typing import Any, Literal

from playwright.sync_api import Page

ENOUGH = 4.5  # WCAG 2, AA
NAMED = {
    "button",
    "checkbox",
    "combobox",
    "link",
    "radio",
    "searchbox",
    "textbox",
    "region",
}
LANDMARKS = {"banner", "navigation", "main", "contentinfo"}

# Every visible text → [text, its contrast with what is behind it].
CONTRASTS = """() => {
  const parse = (colour) => {
    const [r, g, b, a = 1] = colour.match(/[\\d.]+/g).map(Number);
    return { r, g, b, a };
  };
  const over = (top, under) => ({
    r: top.r * top.a + under.r * (1 - top.a),
    g: top.g * top.a + under.g * (1 - top.a),
    b: top.b * top.a + under.b * (1 - top.a),
    a: 1,
  });
  const known = new Map([[null, { r: 255, g: 255, b: 255, a: 1 }]]);
  const behind = (element) => {
    if (!known.has(element)) {
      const own = parse(getComputedStyle(element).backgroundColor);
      known.set(element, over(own, behind(element.parentElement)));
    }
    return known.get(element);
  };
  const channel = (value) => {
    const share = value / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  };
  const light = (c) => 0.2126 * channel(c.r) + 0.7152 * channel(c.g) + 0.0722 * channel(c.b);
  const found = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    const text = walker.currentNode.textContent.trim();
    if (!text || !element.checkVisibility() || element.closest("noscript, script")) continue;
    const ground = behind(element);
    const ink = over(parse(getComputedStyle(element).color), ground);
    const [low, high] = [light(ground), light(ink)].sort((a, b) => a - b);
    found.push([text, (high + 0.05) / (low + 0.05)]);
  }
  return found;
}"""
REPEATED_IDS = """() => [...document.querySelectorAll("[id]")].map((each) => each.id)
  .filter((id, at, all) => all.indexOf(id) !== at)"""


def find_faint_texts(page: Page) -> list[tuple[str, str, float]]:
    """List texts that are too close in colour to what is behind them, by dark or by light."""
    return [*_find_faint(page, "dark"), *_find_faint(page, "light")]


def _find_faint(page: Page, scheme: Literal["dark", "light"]) -> list[tuple[str, str, float]]:
    page.emulate_media(color_scheme=scheme)
    found = page.evaluate(CONTRASTS)
    assert len(found) > 5
    return [(scheme, text, round(contrast, 2)) for text, contrast in found if contrast < ENOUGH]


def find_barriers(page: Page) -> list[str]:
    """List what a screen reader's user would miss: names, landmarks, the one heading."""
    nodes = _read_tree(page)
    roles = [role for role, _ in nodes]
    found = [f"a {role} without a name" for role, name in nodes if role in NAMED and not name]
    found += [f"no {role}" for role in sorted(LANDMARKS - set(roles))]
    found += [f"the id {id_} twice" for id_ in page.evaluate(REPEATED_IDS)]
    if page.locator("h1").count() != 1:
        found.append("not one h1")
    if not page.locator("html[lang]").count():
        found.append("no language")
    return found


def _read_tree(page: Page) -> list[tuple[str, str]]:
    """Read role and name of all that a screen reader is told of."""
    session = page.context.new_cdp_session(page)
    tree: dict[str, Any] = session.send("Accessibility.getFullAXTree")
    session.detach()
    return [
        (node["role"]["value"], node.get("name", {}).get("value", "").strip())
        for node in tree["nodes"]
        if not node["ignored"] and "role" in node
    ]


def tab_to(page: Page, name: str, *, most: int = 80) -> None:
    """Press Tab until what is focused is called so; fails if it never is."""
    focused = "() => document.activeElement.getAttribute('aria-label') || \
        document.activeElement.labels?.[0]?.innerText || document.activeElement.innerText"
    passed = []
    for _ in range(most):
        page.keyboard.press("Tab")
        passed.append(str(page.evaluate(focused)).strip())
        if passed[-1] == name:
            return
    raise AssertionError(f"Tab leads to {passed}, never to {name}")
