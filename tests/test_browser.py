"""The course as a learner sees it: in JupyterLab, in a real browser.

``BROWSER_FOR_TESTS`` names the browser's program, if it is not found. ``README_PICTURE=1`` also
writes the picture that the README shows.
"""

import io
import json
import os
import re
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import nbformat
import pytest
from nbformat import NotebookNode
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from playwright.sync_api import Browser, Error, Locator, Page, ViewportSize, expect, sync_playwright
from test_course_run import MARK, processes

from tutorial.exercises.checking import SOURCES
from tutorial.workspace import COURSE

PROGRAMS = ["chromium", "chromium-browser", "google-chrome"]
# A container has no sandbox for the browser; the others stop what it does beside its work.
OPTIONS = [
    *["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"],
    *["--disable-background-networking", "--disable-component-update", "--disable-sync"],
]
SCREEN: ViewportSize = {"width": 1280, "height": 820}
PICTURE = COURSE / "notebooks" / "images" / "jupyterlab.png"
PICTURED = COURSE / "notebooks" / "03-add.ipynb"
PICTURE_WANTED = bool(os.environ.get("README_PICTURE"))
PATIENCE = 300  # seconds; it ends only what hangs
expect.set_options(timeout=PATIENCE * 1000)

WORKER_PANEL = ".jp-RenderedHTML:has-text('Worker celery@notebook: ready')"
PLOT = ".jp-RenderedImage img"
# A dialog or a notification can be gone before one looks.
REMEMBER_POPUPS = """
    window.popups = new Map();
    new MutationObserver(() => {
        for (const popup of document.querySelectorAll(".jp-Dialog, .Toastify__toast")) {
            if (popup.innerText) popups.set(popup, popup.innerText);
        }
    }).observe(document, {childList: true, subtree: true});
"""


def test_the_course_in_jupyterlab(course: Path, browser: Browser) -> None:
    with jupyterlab(course) as address:
        page = browser.new_page(viewport=SCREEN, device_scale_factor=2 if PICTURE_WANTED else 1)
        page.set_default_timeout(PATIENCE * 1000)
        page.add_init_script(REMEMBER_POPUPS)

        page.goto(address)
        wait_for_kernel(page, "00-start-here")
        expect(page).to_have_title(re.compile("^00-start"))
        expect(tab(page)).to_have_text("00-start-here.ipynb")
        expect(page.locator("h1")).to_have_text(re.compile(r"^00\. "))
        expect(page.locator("h1")).to_be_in_viewport()
        assert [len(each) > 40 for each in descriptions(page)] == [True]

        for name, command, output in [
            ("03-add", "Restart Kernel and Run All Cells…", WORKER_PANEL),
            ("04-results", "Run All Cells", PLOT),
        ]:
            page.locator(f".jp-DirListing-item[title^='Name: {name}.ipynb']").dblclick()
            wait_for_kernel(page, name)
            run_all(page, command)
            assert complaints(course / "notebooks" / f"{name}.ipynb") == []
            see(notebook(page).locator(output).first)
            assert all(len(each) > 40 for each in descriptions(page)), descriptions(page)
            if name == PICTURED.stem and PICTURE_WANTED:
                take_picture(page)

        popups = page.evaluate("[...popups.values()].map(text => text.split('\\n')[0])")
        assert popups == ["Restart Kernel?"], "only this one was asked for"
        page.close()
        assert any("ipykernel" in process for process in processes(course))
    assert wait(lambda: not processes(course)), processes(course)


@pytest.mark.slow  # nbgrader's own command does the same in test_classroom.py
def test_nbgraders_validate_button(course: Path, browser: Browser) -> None:
    exercises = course / "notebooks" / "exercises"
    name = "01-engine"  # which starts no worker
    solved = with_solutions(read(exercises / f"{name}.ipynb"), read(SOURCES / f"{name}.ipynb"))
    nbformat.write(solved, exercises / "solved.ipynb")
    with jupyterlab(course, classroom=True) as address:
        page = browser.new_page(viewport=SCREEN)
        page.set_default_timeout(PATIENCE * 1000)
        page.goto(address.replace("00-start-here", f"exercises/{name}"))
        for file, says, failures in [
            (name, "Not attempted: `url` is still None.", 3),
            ("solved", "Success! Your notebook passes all the tests.", 0),
        ]:
            page.locator(f".jp-DirListing-item[title^='Name: {file}.ipynb']").dblclick()
            expect(tab(page)).to_have_text(f"{file}.ipynb")
            notebook(page).locator(".validate-button").click()
            dialog = page.locator(".jp-Dialog")
            expect(dialog).to_contain_text(says)
            assert dialog.get_by_text("The following cell failed:").count() == failures
            dialog.locator(".jp-mod-accept").click()
        page.close()
    assert wait(lambda: not processes(course)), processes(course)


def test_the_readmes_picture_is_new() -> None:
    """CONTRIBUTING.md says how to take another one."""
    shown = json.loads(Image.open(PICTURE).info["shows"])
    assert len(shown) > 3
    sources = [cell.source for cell in read(PICTURED).cells]
    assert set(shown) <= set(sources), "the README's picture shows cells that have changed"


# The parts: a browser, a copy of the course, its JupyterLab


@pytest.fixture
def browser() -> Iterator[Browser]:
    found = filter(None, map(shutil.which, PROGRAMS))
    program = os.environ.get("BROWSER_FOR_TESTS") or next(found, None)
    with sync_playwright() as playwright:
        try:
            # Without a program Playwright looks where Windows and macOS keep Chrome.
            browser = playwright.chromium.launch(
                executable_path=program, channel=None if program else "chrome", args=OPTIONS
            )
        except Error as error:
            if program:
                raise
            reason = f"There is no Chromium: {error.message.splitlines()[0]}"
            if os.environ.get("CI") == "true":
                pytest.fail(reason)
            pytest.skip(reason)
        yield browser
        browser.close()


@pytest.fixture
def course(tmp_path: Path) -> Path:
    """Return a learner's copy of the course."""
    copy = tmp_path / "a course"
    for folder in ("tutorial", "notebooks"):
        ignored = shutil.ignore_patterns(".ipynb_checkpoints")
        shutil.copytree(COURSE / folder, copy / folder, ignore=ignored)
    shutil.copy(COURSE / "pyproject.toml", copy)  # names the packages, all of which are there
    return copy


@contextmanager
def jupyterlab(course: Path, classroom: bool = False) -> Iterator[str]:
    """Run the first command's JupyterLab on a copy of the course; yield the address it prints.

    Unless `classroom` is true, it is that of a learner, who has not installed this extra.
    """
    home = course.parent / "home"
    log = home / "log.txt"
    settings = home / "settings" / "@jupyterlab" / "notebook-extension"
    settings.mkdir(parents=True)
    # By default JupyterLab empties the cells that are not on the screen.
    every_cell = json.dumps({"windowingMode": "none"})
    (settings / "tracker.jupyterlab-settings").write_text(every_cell, encoding="utf-8")
    if not classroom:
        leave_out_classroom(home / "config")
    with log.open("wb") as output:
        server = subprocess.Popen(
            [sys.executable, "-m", "tutorial", "lab", "--no-browser"],
            cwd=course,
            env=learner_environment(course, home),
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        printed = wait(
            lambda: (
                re.search(r"http\S+/lab\S+token=\w+", log.read_text(encoding="utf-8"))
                or server.poll() is not None
            )
        )
        assert isinstance(printed, re.Match), log.read_text(encoding="utf-8")
        yield printed[0]
        shut_down(printed[0])
        server.wait(PATIENCE)
    finally:
        server.terminate()
        server.wait(PATIENCE)


def leave_out_classroom(folder: Path) -> None:
    """Switch off what the extra "classroom" adds to JupyterLab: nbgrader, and Jupyter Notebook."""
    (folder / "labconfig").mkdir(parents=True)
    pages = dict.fromkeys(("@jupyter/nbgrader", "@jupyter-notebook/lab-extension"), True)
    settings = json.dumps({"disabledExtensions": pages})
    (folder / "labconfig" / "page_config.json").write_text(settings, encoding="utf-8")
    names = ("formgrader", "validate_assignment", "assignment_list", "course_list")
    servers = dict.fromkeys(
        ["notebook", *(f"nbgrader.server_extensions.{n}" for n in names)], False
    )
    settings = json.dumps({"ServerApp": {"jpserver_extensions": servers}})
    (folder / "jupyter_server_config.json").write_text(settings, encoding="utf-8")


def learner_environment(course: Path, home: Path) -> dict[str, str]:
    """Return the environment of somebody who has not used Jupyter before."""
    others = ("CELERY_", "JUPYTER", "PYTEST", "TUTORIAL_")
    environment = {name: text for name, text in os.environ.items() if not name.startswith(others)}
    environment |= {MARK: str(course), "PYTHONPATH": str(course), "IPYTHONDIR": str(home)}
    for folder in ("CONFIG", "DATA", "RUNTIME"):
        environment[f"JUPYTER_{folder}_DIR"] = str(home / folder.lower())
    return environment | {"JUPYTERLAB_SETTINGS_DIR": str(home / "settings")}


def read(path: Path) -> NotebookNode:
    return nbformat.read(path, as_version=4)


def with_solutions(notebook: NotebookNode, source: NotebookNode) -> NotebookNode:
    """Put the solutions of a source into the notebook that learners get."""
    for cell, original in zip(notebook.cells, source.cells, strict=True):
        if cell.metadata.get("nbgrader", {}).get("solution"):
            cell.source = original.source
    return notebook


def shut_down(address: str) -> None:
    """Stop the server as its own menu does, in the same way on every system."""
    url, token = re.split(r"/lab/.*token=", address)
    headers = {"Authorization": f"token {token}"}
    request = urllib.request.Request(f"{url}/api/shutdown", method="POST", headers=headers)
    no_proxy = urllib.request.ProxyHandler({})
    urllib.request.build_opener(no_proxy).open(request, timeout=PATIENCE).close()


def wait(condition: Callable[[], object], seconds: float = PATIENCE, pause: float = 0.1) -> object:
    """Return the condition's first true value, or its last one."""
    deadline = time.monotonic() + seconds
    while not (value := condition()) and time.monotonic() < deadline:
        time.sleep(pause)
    return value


# The words under each picture: a line in italics in a text, what a plot prints in an output.
DESCRIPTIONS = """images => images.map(image => {
    const place = image.closest(".jp-RenderedMarkdown")
        ? image.closest("p").nextElementSibling?.querySelector("em")
        : image.closest(".jp-OutputArea");
    return place?.innerText.trim() ?? "";
})"""

# What a learner does, and looks at


def notebook(page: Page) -> Locator:
    return page.locator(".jp-NotebookPanel:not(.lm-mod-hidden)")


def tab(page: Page) -> Locator:
    return page.locator(".lm-DockPanel-tabBar .lm-TabBar-tab.lm-mod-current")


def choose(page: Page, menu: str, item: str) -> None:
    page.locator(".lm-MenuBar-item").get_by_text(menu, exact=True).click()
    page.locator(".lm-Menu-itemLabel").get_by_text(item, exact=True).click()


def wait_for_kernel(page: Page, name: str) -> None:
    """Wait for the word in the status bar: the sign in the notebook's toolbar comes too early."""
    status = page.get_by_title(f"Change kernel for {name}.ipynb")
    expect(status).to_contain_text("Idle")


def descriptions(page: Page) -> list[str]:
    """Return what a learner can read under each picture of the notebook that is open."""
    found: list[str] = notebook(page).locator(".jp-Notebook img").evaluate_all(DESCRIPTIONS)
    return found


def run_all(page: Page, command: str) -> None:
    """Run all cells, wait until they are done, and save the notebook."""
    choose(page, "Edit", "Clear Outputs of All Cells")
    choose(page, "Run", command)
    if command.startswith("Restart"):
        page.locator(".jp-Dialog").get_by_text("Restart", exact=True).click()
    prompts = notebook(page).locator(".jp-CodeCell .jp-InputPrompt")
    numbers = [f"[{count}]:" for count in range(1, prompts.count() + 1)]
    # If they never do, the saved file says why. Each look lays out the page, which takes time.
    wait(lambda: prompts.all_inner_texts() == numbers, pause=1)
    choose(page, "File", "Save Notebook")
    expect(tab(page)).not_to_have_class(re.compile("jp-mod-dirty"))


def complaints(path: Path) -> list[str]:
    """Return what a saved notebook says of errors, warnings, and cells that did not run."""
    code = [cell for cell in read(path).cells if cell.cell_type == "code"]
    found = [
        output.get("evalue") or output.text
        for cell in code
        for output in cell.outputs
        if output.output_type == "error" or output.get("name") == "stderr"
        if "raises-exception" not in cell.metadata.get("tags", [])
    ]
    for count, cell in enumerate(code, start=1):
        if cell.execution_count != count:
            found.append(f"cell {count} of a new kernel has the number {cell.execution_count}")
    return found


def see(output: Locator) -> None:
    output.scroll_into_view_if_needed()
    expect(output).to_be_in_viewport(ratio=0.9)
    box = output.bounding_box()
    assert box, "it is not on the screen"
    assert box["width"] > 200, box
    assert box["height"] > 100, box


def take_picture(page: Page) -> None:
    """Write what the screen shows around the start of the worker, and remember the cells."""
    heading = notebook(page).get_by_role("heading", name="A worker in the background")
    heading.evaluate("heading => heading.scrollIntoView()")
    page.mouse.move(0, 0)
    picture = Image.open(io.BytesIO(page.screenshot(animations="disabled")))
    on_screen = notebook(page).locator(".jp-Notebook .jp-Cell").evaluate_all(ON_SCREEN)
    assert len(on_screen) == len(read(PICTURED).cells)
    shown = PngInfo()
    shown.add_text("shows", json.dumps(pictured_sources(on_screen)))
    PICTURE.parent.mkdir(exist_ok=True)
    picture.convert("RGB").quantize(256).save(PICTURE, optimize=True, pnginfo=shown)


# Whether each of the cells is on the screen.
ON_SCREEN = """cells => cells.map(cell => {
    const box = cell.getBoundingClientRect();
    return box.bottom > 0 && box.top < window.innerHeight;
})"""


def pictured_sources(on_screen: Sequence[bool]) -> list[str]:
    cells = read(PICTURED).cells
    return [cell.source for cell, shown in zip(cells, on_screen, strict=True) if shown]
