"""The website in a real browser: every page, on a phone, a tablet and a screen, light and dark."""

import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Literal
from urllib.parse import quote

import axe_playwright_python
import pytest
from playwright.sync_api import Browser, Page, expect
from test_browser import browser  # noqa: F401 (a fixture)
from test_site import QUESTIONS, website  # noqa: F401 (a fixture)

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]
AXE = Path(axe_playwright_python.__file__).with_name("axe.min.js").read_text(encoding="utf-8")
# Without preload: it would fetch the style sheets, which a browser refuses on a file system.
RUN_AXE = """axe.run(document, {preload: false, runOnly: [
    "wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]})"""


@pytest.mark.parametrize("width", [320, 768, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_page(
    website: Path,  # noqa: F811
    browser: Browser,  # noqa: F811
    width: int,
    scheme: Literal["light", "dark"],
) -> None:
    context = browser.new_context(
        color_scheme=scheme, viewport={"width": width, "height": 800}, reduced_motion="reduce"
    )
    page = context.new_page()
    page.add_init_script(AXE)
    complaints = listen(page)
    for path in sorted(website.rglob("*.html")):
        page.goto(path.as_uri())
        if page.evaluate("document.documentElement.scrollWidth") > width:
            complaints.append(f"{path.name} is wider than {width} px")
        for violation in page.evaluate(RUN_AXE)["violations"]:
            places = [node["html"][:200] for node in violation["nodes"][:3]]
            complaints.append(f"{path.name}: {violation['id']} {places}")
    assert complaints == []
    context.close()


def listen(page: Page) -> list[str]:
    """Return a list that grows with each error, and with each request to another host."""
    found: list[str] = []
    page.on("pageerror", lambda error: found.append(str(error)))
    page.on("console", lambda line: found.append(line.text) if line.type == "error" else None)
    own = ("file:", "data:", "http://127.0.0.1:")
    page.on("request", lambda sent: None if sent.url.startswith(own) else found.append(sent.url))
    return found


@pytest.fixture(scope="module")
def served(website: Path) -> Iterator[str]:  # noqa: F811
    """Serve the folder above the website, so that the website is below a path."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=website.parent))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/{website.name}"
    server.shutdown()


def test_the_search_finds_each_question(served: str, browser: Browser) -> None:  # noqa: F811
    page = browser.new_page()
    complaints = listen(page)
    for question in QUESTIONS:
        words = question.replace("`", "").replace("...", "").partition(":")[0]
        page.goto(f"{served}/search.html?q={quote(words)}")
        expect(page.locator("#search-results a[href*='questions.html']").first).to_be_visible()
    assert complaints == []
    page.close()
