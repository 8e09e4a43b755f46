"""The notebooks keep to the rules of course_checks, and each rule notices when one does not."""

import re
from collections.abc import Callable
from pathlib import Path

import course_checks
import nbformat
import pytest
from course_checks import CHAPTER_CHECKS, Chapter
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_output

from tutorial.commands.chapters import LIST, NOTEBOOKS, parts
from tutorial.commands.execute import canonical, serialize
from tutorial.commands.outputs import RULES
from tutorial.workspace import COURSE

CHAPTERS = [Chapter.read(path) for path in sorted(NOTEBOOKS.glob("*.ipynb"))]
EXERCISES = [Chapter.read(path) for path in sorted(NOTEBOOKS.glob("exercises/source/*.ipynb"))]
PAGES = [
    *(COURSE / name for name in ("README.md", "CHANGELOG.md", ".github/CONTRIBUTING.md")),
    *sorted(NOTEBOOKS.glob("*.md")),
    *sorted(NOTEBOOKS.glob("exercises/*.md")),
]


# The course as it is


@pytest.mark.parametrize("check", CHAPTER_CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda chapter: chapter.name)
def test_chapter(chapter: Chapter, check: Callable) -> None:
    assert check(chapter) == []


@pytest.mark.parametrize("exercises", EXERCISES, ids=lambda exercises: exercises.name)
def test_an_exercise_is_stated_in_few_words(exercises: Chapter) -> None:
    assert course_checks.check_words(exercises) == []


def test_the_notebooks_are_those_of_the_map() -> None:
    assert course_checks.map_complaints(chapter.name for chapter in CHAPTERS) == []


def test_no_run_has_left_a_file_beside_the_notebooks() -> None:
    """A relative path in a cell leads to this folder, not to the workspace."""
    found = [path.name for path in NOTEBOOKS.iterdir() if path not in PAGES and path != LIST]
    found = [name for name in found if not name.endswith(".ipynb")]
    assert set(found) <= {"exercises", "images", "measured", ".ipynb_checkpoints"}


def test_few_outputs_are_not_compared() -> None:
    assert course_checks.ignored_complaints(CHAPTERS) == []


def test_pytest_compares_outputs_with_the_rules_of_the_tool(pytestconfig: pytest.Config) -> None:
    options = pytestconfig.option
    assert options.nbval
    assert not options.nbval_lax
    assert options.nbval_sanitize_with == str(RULES)
    assert options.nbval_cell_timeout <= 300


def test_one_module_knows_what_nbval_does_not_make_public() -> None:
    sources = [path for folder in ("tutorial", "tests") for path in (COURSE / folder).rglob("*.py")]
    imports = re.compile(r"^\s*(from|import) nbval\b", re.MULTILINE)
    found = [path.name for path in sources if imports.search(path.read_text(encoding="utf-8"))]
    assert found == ["outputs.py"]


def test_the_sanitizer_hides_little() -> None:
    assert course_checks.sanitizer_complaints(RULES.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_a_page_links_to_nothing_that_is_not_there(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert course_checks.broken_links(text, path) == []
    assert [source for source, alt in course_checks.images(text) if not alt] == []


@pytest.mark.parametrize("name", [chapter.name for chapter in parts()[0].chapters])
def test_part_one_asks_in_each_section_and_links_to_the_official_documentation(name: str) -> None:
    chapter = next(chapter for chapter in CHAPTERS if chapter.name == name)
    with_code = [
        "```\n" if cell.cell_type == "code" else cell.source for cell in chapter.notebook.cells
    ]
    sections = re.split(r"^## ", "\n".join(with_code), flags=re.MULTILINE)[1:]
    silent = [
        section.partition("\n")[0]
        for section in sections
        if "```\n" in section and not re.search(r"\*(Predict|Try it)(:\*|\*)", section)
    ]
    assert silent == []
    assert chapter.prose.count("Official documentation: ") == 1


def test_each_term_of_part_one_is_in_the_glossary() -> None:
    glossary = (NOTEBOOKS / "GLOSSARY.md").read_text(encoding="utf-8")
    known = {term.lower() for term in re.findall(r"^\*\*(.+)\*\*$", glossary, re.MULTILINE)}
    for part_one in parts()[0].chapters:
        chapter = next(chapter for chapter in CHAPTERS if chapter.name == part_one.name)
        prose = re.sub(r"^([|>]).*", "", chapter.prose, flags=re.MULTILINE)
        for term in re.findall(r"\*\*([^*`]+)\*\*", prose):
            one = term.lower()
            assert {one, one.removesuffix("s")} & known, f"{chapter.name}: {term}"


def test_spelling(tmp_path: Path) -> None:
    texts = {f"{chapter.name}.md": chapter.prose for chapter in CHAPTERS}
    texts |= {f"{chapter.name}.py": chapter.source for chapter in CHAPTERS}
    for path in [*PAGES, *COURSE.glob("tutorial/**/*.*")]:
        if path.suffix in (".md", ".py", ".html"):
            texts[f"{path.parent.name}-{path.name}"] = path.read_text(encoding="utf-8")
    assert course_checks.spelling_complaints(texts, tmp_path) == []


def test_for_ever_is_two_words() -> None:
    """One spelling of the adverb, in all that a learner or a teacher reads."""
    handed_out = sorted(NOTEBOOKS.glob("exercises/*.ipynb"))
    notebooks = [*CHAPTERS, *EXERCISES, *map(Chapter.read, handed_out)]
    texts = {chapter.path: chapter.prose + chapter.source for chapter in notebooks}
    others = [*PAGES, *COURSE.glob("tutorial/**/*.py"), *COURSE.glob("tutorial/**/*.toml")]
    texts |= {path: path.read_text(encoding="utf-8") for path in others}
    assert [path for path, text in texts.items() if re.search(r"\bforever\b", text)] == []


# The rules, on a good notebook and on bad ones

NAME = "03-add"


def code(source: str, *outputs: NotebookNode, tags: tuple[str, ...] = ()) -> NotebookNode:
    return new_code_cell(source, outputs=list(outputs), metadata={"tags": list(tags)})


def value(text: str) -> NotebookNode:
    return new_output("execute_result", {"text/plain": text})


def good_notebook() -> NotebookNode:
    """Return a notebook of which no rule complains; the bad ones are made from it."""
    error = new_output("error", ename="ZeroDivisionError", evalue="division by zero", traceback=[])
    printed = new_output("stream", name="stdout", text="SUCCESS\n")
    opening = [
        "# 03. The life of one task\n\nWe send a task. Then we read its result.\n",
        "| | |",
        "|---|---|",
        "| **What you'll do** | Send a task. |",
        "| **What you'll learn** | What happens to it. |",
        "| **Prerequisites** | [Chapter 02](#A-task) |",
        "| **Time** | 15 minutes |",
    ]
    exercises = course_checks.EXERCISES.format(f"exercises/{NAME}.ipynb")
    cells = [
        new_markdown_cell("\n".join(opening)),
        code(
            'from tutorial.workspace import open_workspace\n\n_ = open_workspace("03-add")\n'
            "%xmode Minimal"
        ),
        new_markdown_cell(
            "Errors are short now: Python shows each of them on one line, without a traceback.\n\n"
            "## A task\n\nIt stands in `tutorial/tasks.py` as `tutorial.tasks.add`."
        ),
        code("2 + 3", value("5")),
        new_markdown_cell("The sum is five."),
        code('print("SUCCESS")', printed),
        new_markdown_cell("It says so.\n\n### Failing\n\n![A failing task](03-add.ipynb)"),
        code("1 / 0", error, tags=("raises-exception",)),
        new_markdown_cell("See [the manual](https://docs.celeryq.dev/en/stable/)."),
        code("import time\n\ntime.sleep(0.1)"),
        new_markdown_cell("## Recap\n\nOne task."),
        new_markdown_cell(f"## What's next\n\n{exercises}\n\nMore of them."),
    ]
    run = [cell for cell in cells if cell.cell_type == "code"]
    for count, cell in enumerate(run, start=1):
        cell.execution_count = count
        for output in cell.outputs:
            if output.output_type == "execute_result":
                output.execution_count = count
    return canonical(nbformat.v4.new_notebook(cells=cells), NAME)


def saved(notebook: NotebookNode, folder: Path, name: str = NAME) -> Chapter:
    path = folder / f"{name}.ipynb"
    path.write_bytes(serialize(notebook))
    (folder / "exercises").mkdir(exist_ok=True)
    (folder / "exercises" / path.name).touch()
    return Chapter.read(path)


def replaced(cell: int, old: str, new: str) -> Callable[[NotebookNode], None]:
    def spoil(notebook: NotebookNode) -> None:
        assert old in notebook.cells[cell].source
        notebook.cells[cell].source = notebook.cells[cell].source.replace(old, new)

    return spoil


def outputs(cell: int, *outputs: NotebookNode) -> Callable[[NotebookNode], None]:
    def spoil(notebook: NotebookNode) -> None:
        notebook.cells[cell].outputs = list(outputs)

    return spoil


def tagged(cell: int, *tags: str) -> Callable[[NotebookNode], None]:
    def spoil(notebook: NotebookNode) -> None:
        notebook.cells[cell].metadata.tags = list(tags)

    return spoil


def counted(cell: int, count: int | None) -> Callable[[NotebookNode], None]:
    def spoil(notebook: NotebookNode) -> None:
        notebook.cells[cell].execution_count = count

    return spoil


def cleared(notebook: NotebookNode) -> None:
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None


def saved_by_an_editor(notebook: NotebookNode) -> None:
    notebook.metadata.language_info.version = "3.11.9"


def code_at_the_end(notebook: NotebookNode) -> None:
    notebook.cells.append(code("1 + 1"))


def without(cell: int) -> Callable[[NotebookNode], None]:
    def spoil(notebook: NotebookNode) -> None:
        del notebook.cells[cell]

    return spoil


def html(text: str) -> NotebookNode:
    return new_output("display_data", {"text/html": text})


HOSTNAME = course_checks.socket.gethostname()

BAD = [
    ("check_opening", "another number", replaced(0, "# 03.", "# 04.")),
    ("check_opening", "no title", replaced(0, "# 03. The life of one task", "")),
    ("check_opening", "no sentence", replaced(0, "We send a task. Then we read its result.", "")),
    ("check_opening", "a long start", replaced(0, "We send", "We do. We see. We send")),
    ("check_opening", "a row too few", replaced(0, "**Prerequisites**", "Prerequisites")),
    ("check_opening", "an empty row", replaced(0, "Send a task.", "")),
    ("check_opening", "no time", replaced(0, "15 minutes", "a while")),
    ("check_opening", "a long time", replaced(0, "15 minutes", "90 minutes")),
    ("check_workspace", "another chapter's workspace", replaced(1, "03-add", "04-results")),
    ("check_ending", "no recap", replaced(10, "Recap", "Summary")),
    ("check_ending", "nothing next", without(11)),
    ("check_ending", "code at the end", code_at_the_end),
    ("check_exercises", "another chapter's", replaced(11, "exercises/03", "exercises/04")),
    ("check_exercises", "other words", replaced(11, "First, try", "Then do")),
    ("check_exercises", "not first", replaced(11, "First, try", "More.\n\nFirst, try")),
    ("check_headings", "two titles", replaced(10, "One task.", "# Another title")),
    ("check_headings", "a level left out", replaced(6, "### Failing", "#### Failing")),
    ("check_headings", "a heading twice", replaced(6, "### Failing", "### A task")),
    ("check_images", "Markdown", replaced(6, "![A failing task]", "![]")),
    ("check_images", "HTML", replaced(6, "It says so.", '<img src="a.png">')),
    ("check_images", "an empty text", replaced(6, "It says so.", '<img src="a.png" alt="">')),
    ("check_images", "an output", outputs(9, html('<img src="data:image/png;base64,iVBOR">'))),
    ("check_size", "few cells", without(4)),
    ("check_size", "a long cell", replaced(9, "time.sleep(0.1)", "time.sleep(0.1)\n" * 12)),
    ("check_size", "an empty cell", replaced(3, "2 + 3", "# nothing")),
    ("check_words", "a long paragraph", replaced(4, "five", "five " * 118)),
    ("check_words", "a long list", replaced(6, "It says so.", "- It says so.\n" * 40)),
    ("check_density", "much prose", replaced(4, "five", "five " * 200)),
    ("check_density", "much code", replaced(9, "time.sleep(0.1)", "time.sleep(0.1)\n" * 9)),
    ("check_explained", "code after an output", without(4)),
    ("check_explained", "a heading after an output", replaced(4, "The sum", "## The sum")),
    ("check_executed", "cleared", cleared),
    ("check_executed", "out of order", counted(3, 7)),
    ("check_executed", "one cell not run", counted(9, None)),
    ("check_outputs_stored", "a value", outputs(3)),
    ("check_outputs_stored", "printed", outputs(5)),
    ("check_errors", "an unexpected error", tagged(7)),
    ("check_errors", "no error", tagged(3, "raises-exception")),
    ("check_errors", "a page of frames", replaced(1, "%xmode Minimal", "")),
    ("check_errors", "a warning", outputs(9, new_output("stream", name="stderr", text="Beware"))),
    ("check_ignored", "no reason", tagged(3, "nbval-ignore-output")),
    ("check_ignored", "skipped", tagged(3, "nbval-skip")),
    ("check_ignored", "a comment", replaced(3, "2", "# NBVAL_IGNORE_OUTPUT\n2")),
    ("check_machine", "the course's folder", outputs(3, value(f"{COURSE / 'workspaces'}"))),
    ("check_machine", "another's home", outputs(3, html("<pre>/home/ada/course</pre>"))),
    ("check_machine", "the host", outputs(3, value(f"worker@{HOSTNAME}"))),
    ("check_canonical", "an editor", saved_by_an_editor),
    (
        "check_links",
        "no such file",
        replaced(8, "https://docs.celeryq.dev/en/", "../"),
    ),
    ("check_links", "no such heading", replaced(0, "#A-task", "#Another-task")),
    (
        "check_links",
        "another's heading",
        replaced(8, "https://docs.celeryq.dev/en/stable/", "03-add.ipynb#Recap"),
    ),
    ("check_links", "an unknown host", replaced(8, "docs.celeryq.dev", "docs.example.org")),
    ("check_links", "a bare address", replaced(8, "See ", "See https://example.org or ")),
    ("check_links", "no https", replaced(8, "https:", "http:")),
    ("check_links", "no such image", replaced(6, "(03-add.ipynb)", "(images/a.png)")),
    ("check_names", "a file", replaced(2, "tutorial/tasks.py", "tutorial/task.py")),
    ("check_names", "a module", replaced(2, "tutorial.tasks.add", "tutorial.task")),
    ("check_names", "a function", replaced(2, "tutorial.tasks.add", "tutorial.tasks.plus()")),
    ("check_real", "eager", replaced(9, "time.sleep(0.1)", "app.conf.task_always_eager = True")),
    ("check_real", "asleep", replaced(9, "0.1", "3")),
]


@pytest.mark.parametrize("check", CHAPTER_CHECKS, ids=lambda check: check.__name__)
def test_a_good_notebook_passes(check: Callable, tmp_path: Path) -> None:
    assert check(saved(good_notebook(), tmp_path)) == []


@pytest.mark.parametrize(("name", "what", "spoil"), BAD, ids=[f"{bad[0]}-{bad[1]}" for bad in BAD])
def test_a_bad_notebook_does_not(name: str, what: str, spoil: Callable, tmp_path: Path) -> None:
    notebook = good_notebook()
    spoil(notebook)
    assert len(getattr(course_checks, name)(saved(notebook, tmp_path))) == 1


def test_every_check_was_seen_to_fail() -> None:
    assert {name for name, _, _ in BAD} == {check.__name__ for check in CHAPTER_CHECKS}


@pytest.mark.parametrize("names", [["00-start-here", "02-configuration"], ["01-engine"], []])
def test_a_notebook_beside_the_map(names: list[str]) -> None:
    assert course_checks.map_complaints(names)


def test_too_many_outputs_not_compared(tmp_path: Path) -> None:
    notebook = good_notebook()
    tagged(3, "nbval-ignore-output")(notebook)
    assert course_checks.ignored_complaints([saved(notebook, tmp_path)])


@pytest.mark.parametrize(
    "rules",
    [
        "# Why\n[a]\nregex: TASK\nreplace: T\n" * 11,
        "[no-reason]\nregex: TASK\nreplace: T\n",
        "# nbval reads no rule here\n[a]\nregex: TASK\n",
        "# Hides every number\n[a]\nregex: \\d+\nreplace: N\n",
    ],
    ids=["many", "no reason", "not read", "broad"],
)
def test_a_bad_sanitizer(rules: str) -> None:
    assert course_checks.sanitizer_complaints(rules)


def test_a_spelling_mistake(tmp_path: Path) -> None:
    texts = {"good.md": "The result is received.", "bad.md": "The result is rec" + "ieved."}
    complaints = course_checks.spelling_complaints(texts, tmp_path)
    assert [line.partition(":")[0] for line in complaints] == ["bad.md"]
