"""The slides: what is on them, and how they look in a real browser."""

from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from playwright.sync_api import Browser
from processes import few
from test_browser import browser  # noqa: F401 (a fixture)
from test_site_browser import listen

from tutorial.commands import slides
from tutorial.commands.chapters import NOTEBOOKS, parts
from tutorial.commands.teachers import Teaching, teaching

PRESENTED = [chapter.name for part in parts()[:2] for chapter in part.chapters]


@pytest.fixture(scope="module")
def decks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("decks")
    assert slides.run(folder) == 0
    yield folder


def shown(*cells: nbformat.NotebookNode) -> list[slides.Slide]:
    return slides.slides(new_notebook(cells=list(cells)))


def printing(text: str, source: str = "print(1)") -> nbformat.NotebookNode:
    return new_code_cell(source, outputs=[new_output("stream", name="stdout", text=text)])


def test_a_deck_for_each_chapter_of_the_first_two_parts(decks: Path) -> None:
    assert sorted(path.stem for path in decks.glob("*.html")) == [*PRESENTED, "index"]
    index = (decks / "index.html").read_text(encoding="utf-8")
    assert all(f'href="{name}.html"' in index for name in PRESENTED)


@pytest.mark.slow
def test_new_slides_replace_the_older_ones(decks: Path) -> None:
    before = {path: path.read_bytes() for path in decks.glob("*.html")}
    (decks / "03-add.html").write_text("old", encoding="utf-8")
    assert slides.run(decks) == 0
    assert {path: path.read_bytes() for path in decks.glob("*.html")} == before


@pytest.mark.parametrize("name", few(*PRESENTED))
def test_each_cell_with_code_is_on_a_slide_with_its_output(name: str) -> None:
    notebook = nbformat.read(NOTEBOOKS / f"{name}.ipynb", as_version=4)
    found = slides.slides(notebook)
    assert all(slide.title for slide in found)
    page = "\n".join(slide.body + slide.answer for slide in found)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            assert slides._code(cell.source) in page
            assert all(output in page for output in slides._outputs(cell))


def test_prose_is_for_the_speaker_and_a_question_for_all() -> None:
    [slide] = shown(
        new_markdown_cell("# One\n\nSome prose. *Predict:* what comes?"), printing("five <5>")
    )
    assert (slide.title, slide.notes) == ("One", ["Some prose. *Predict:* what comes?"])
    assert "Predict:" in slide.body
    assert "Some prose" not in slide.body
    assert slide.answer == '<pre class="output">five &lt;5&gt;</pre>'


def test_what_follows_the_last_code_of_a_section_is_said_to_it() -> None:
    first, second = shown(
        new_markdown_cell("## One\n\nBefore."),
        printing("5"),
        new_markdown_cell("After.\n\n## Two\n\nNo code here. It ends."),
    )
    assert first.notes == ["Before.", "After."]
    assert (second.title, second.body) == ("Two", "<p>No code here.</p>")


def test_metadata_leaves_a_cell_out_or_to_the_speaker() -> None:
    hidden, quiet = printing("1"), new_markdown_cell("| a |\n|---|\n| 1 |")
    hidden.metadata["slideshow"] = {"slide_type": "skip"}
    quiet.metadata["slideshow"] = {"slide_type": "notes"}
    [slide] = shown(new_markdown_cell("## One"), hidden, quiet, printing("2"))
    assert (slide.body.count("<table>"), slide.notes) == (0, ["| a |\n|---|\n| 1 |"])
    assert ">2<" in slide.answer


def test_the_notes_tell_what_to_ask_what_to_show_and_what_goes_wrong(decks: Path) -> None:
    for part in parts()[:2]:
        for chapter in part.chapters:
            page, told = (decks / f"{chapter.name}.html").read_text("utf-8"), teaching(chapter)
            assert page.index("Ask the room.") < page.index("Show live.")
            assert page.count("<li>Exercise ") == len(told.exercises) > 0


def test_a_section_to_show_must_exist() -> None:
    told = Teaching(section="Gone", how="Run it.")
    with pytest.raises(slides.SlidesProblem, match="'Gone', which no slide is called"):
        slides._advise(shown(new_markdown_cell("## One"), printing("1")), told)


def test_a_long_output_has_a_slide_of_its_own_and_is_cut() -> None:
    code, output = shown(new_markdown_cell("## One"), printing("line\n" * 100))
    assert "print" in code.body
    assert output.body.count("line") == slides.LINES - 1
    assert "…" in output.body


def test_links_lead_to_websites_only() -> None:
    text = "[here](02-configuration.ipynb), [there](https://example.org) ![x](images/life.svg)"
    found = slides._markdown(text)
    assert found.count("<a ") == found.count('href="https://example.org"') == 1
    assert 'src="images/life.svg"' in found


def test_a_folder_with_something_else_is_left_alone(tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    mine.write_text("mine")
    for folder, reason in {tmp_path: "something other than slides", mine: "is a file"}.items():
        with pytest.raises(slides.SlidesProblem, match=reason):
            slides.run(folder)
    assert mine.read_text() == "mine"


# Of the part of a slide below its title: by how much it is too high and too wide, and its letters.
MEASURE = """() => {
    const content = document.querySelector(".current .content");
    return [
        content.scrollHeight - content.clientHeight, content.scrollWidth - content.clientWidth,
        parseInt(content.style.getPropertyValue("--size")),
    ];
}"""


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_slide_fits_on_the_screen(
    decks: Path,
    browser: Browser,  # noqa: F811
    scheme: str,
) -> None:
    context = browser.new_context(color_scheme=scheme, viewport={"width": 1280, "height": 720})  # type: ignore[arg-type]
    page = context.new_page()
    complaints = listen(page)
    for path in sorted(decks.glob("[0-9]*.html")):
        page.goto(path.as_uri())
        for number in range(page.locator("section").count()):
            while page.evaluate("current") < number:
                page.keyboard.press("ArrowRight")
            too_high, too_wide, size = page.evaluate(MEASURE)
            if too_high > 0 or too_wide > 0 or size < 14:
                complaints.append(f"{path.name}, slide {number + 1}: {too_high, too_wide, size}")
    assert complaints == []
    context.close()


@pytest.mark.slow
def test_a_second_window_shows_the_notes(decks: Path, browser: Browser) -> None:  # noqa: F811
    context = browser.new_context(viewport={"width": 1280, "height": 720})
    page = context.new_page()
    page.goto(f"{(decks / '03-add.html').as_uri()}#slide-3")
    with context.expect_page() as opening:
        page.keyboard.press("s")
    notes = opening.value.locator("body")
    assert notes.inner_text().startswith("3 of")
    page.keyboard.press("End")
    assert "Next: the end" in notes.inner_text()
    context.close()
