"""The report in a real browser: the page and the panel of a notebook, in light and in dark."""

from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import Browser
from spoils import put
from test_browser import browser  # noqa: F401 (a fixture)
from test_inspection import fresh_table
from test_site_browser import AXE, RUN_AXE

from tutorial.inspection import Report, inspect

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]
NOTEBOOK = """<!DOCTYPE html><html lang="en"><head><title>A notebook</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>:root {{ color-scheme: light dark; }}</style></head><body><main><h1>A notebook</h1>
{}</main></body></html>"""


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Report:
    """Return a report with findings of every severity, counts, and something unchecked."""
    with fresh_table("sqlite", "4.4.7", tmp_path_factory.mktemp("report")) as engine:
        put(name="shop." + "long_" * 40, result=b'{"a": [1, 2', status="FAILURE")(engine)
        put("task_id = 'value-true'", date_done=None)(engine)
        found = inspect(engine, progress=False)
        found.unchecked.append(("ids", "permission denied for sequence task_id_sequence"))
        assert {each.severity for each in found.findings} == {"critical", "warning", "notice"}
        return found


@pytest.mark.parametrize("width", [320, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_page_and_panel(
    report: Report,
    browser: Browser,  # noqa: F811
    tmp_path: Path,
    scheme: Literal["light", "dark"],
    width: int,
) -> None:
    context = browser.new_context(color_scheme=scheme, viewport={"width": width, "height": 800})
    page = context.new_page()
    page.add_init_script(AXE)
    requests: list[str] = []
    page.on("request", lambda sent: requests.append(sent.url))
    complaints = []
    for name, text in (
        ("page", report.to_html()),
        ("panel", NOTEBOOK.format(report._repr_html_().replace("<details>", "<details open>"))),
    ):
        file = tmp_path / f"{name}.html"
        file.write_text(text, encoding="utf-8")
        page.goto(file.as_uri())
        if page.evaluate("document.documentElement.scrollWidth") > width:
            complaints.append(f"the {name} is wider than {width} px")
        for violation in page.evaluate(RUN_AXE)["violations"]:
            places = [node["html"][:200] for node in violation["nodes"][:3]]
            complaints.append(f"{name}: {violation['id']} {places}")
        page.screenshot(path=tmp_path / f"{name}-{scheme}-{width}.png", full_page=True)
    context.close()
    assert complaints == []
    assert all(url.startswith("file:") for url in requests)
