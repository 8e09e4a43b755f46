"""The website: ``python -m tutorial site`` builds it from the notebooks as they are stored.

Sphinx makes the pages, because the documentation that people come from is made with it (Celery,
SQLAlchemy, pandas), and because it brings a search, ``objects.inv`` and a complaint about every
broken link. MyST-NB reads the notebooks, and runs none of them. The theme, Furo, loads nothing from
elsewhere. What only the website has is in the folder ``website``.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterable
from pathlib import Path
from string import Template

import nbformat
from nbformat import NotebookNode

from tutorial.commands.chapters import EXERCISES, NOTEBOOKS, Chapter, chapters, parts
from tutorial.commands.environment import COURSE
from tutorial.commands.tables import versions_table
from tutorial.exercises.checking import SOURCES
from tutorial.workspace import HOME_VARIABLE

SITE = COURSE / "site"  # which git ignores
MARK = "objects.inv"  # a folder without it holds something other than a website of Sphinx's
WEBSITE = Path(__file__).with_name("website")
# The pages in Markdown, and their names on the website.
TEXTS = {
    NOTEBOOKS / "QUESTIONS.md": "questions.md",
    NOTEBOOKS / "GLOSSARY.md": "glossary.md",
    NOTEBOOKS / "CARDS.md": "cards.md",
    NOTEBOOKS / "INSTALL.md": "install.md",
    EXERCISES / "TEACHERS.md": "exercises/teachers.md",
    COURSE / "CHANGELOG.md": "changes.md",
    COURSE / ".github" / "CONTRIBUTING.md": "contributing.md",
}
SCOPED_STYLE = re.compile(r"<style scoped>.*?</style>", re.DOTALL)
MODULES = [path.stem for path in sorted((COURSE / "tutorial").glob("[a-z]*.py"))]


class SiteProblem(Exception):
    """The website cannot be built; the message says why."""


def run(folder: Path | None = None, repository: str = "", epub: bool = False) -> int:
    """Build the website, and print where its first page is.

    Parameters
    ----------
    folder : pathlib.Path, optional
        Where the website goes: a new folder, or one that holds an older website. By default
        ``site`` in the folder of the course.
    repository : str, optional
        The address of the repository on GitHub. Without it, the website has no link that leads
        there.
    epub : bool, optional
        Whether to add the course as a book.

    Returns
    -------
    int
        The exit code, 0.

    Raises
    ------
    SiteProblem
        If the folder holds something else, or if Sphinx finds a fault such as a broken link.
    """
    target = (folder or SITE).resolve()
    if repository and not repository.startswith("https://"):
        raise SiteProblem(
            f"{repository!r} is not the address of a repository: it begins with https://."
        )
    if target.is_file():
        raise SiteProblem(f"{target} is a file: name a new folder.")
    if target.exists() and not (target / MARK).exists() and any(target.iterdir()):
        raise SiteProblem(f"{target} holds something other than a website: name a new folder.")
    if not target.exists():  # it is refused now, and not after a minute of work
        target.mkdir(parents=True)
        target.rmdir()
    with tempfile.TemporaryDirectory() as temporary:
        source, built = Path(temporary, "source"), Path(temporary, "built")
        # The pages about the package import it, and its workspace should not be the reader's.
        os.environ[HOME_VARIABLE] = temporary
        assemble(source)
        build("html", source, built, repository.rstrip("/"))
        if epub:
            build("epub", source, Path(temporary, "epub"), repository.rstrip("/"))
            for book in Path(temporary, "epub").glob("*.epub"):
                shutil.copy(book, built)
        if target.exists():
            shutil.rmtree(target)
        shutil.copytree(built, target)
    print(f"The website begins with {target / 'index.html'}")
    return 0


def build(builder: str, source: Path, target: Path, repository: str) -> None:
    """Let Sphinx build the assembled pages.

    Each builder runs in its own process: a second one in the same process would register the same
    directives again, and warn about each.

    Parameters
    ----------
    builder : str
        The name of Sphinx's builder.
    source, target : pathlib.Path
    repository : str
        As in `run`.

    Raises
    ------
    SiteProblem
        If Sphinx finds a fault.
    """
    # In one process: several would spend more on handing the pages over than they gain.
    options = ["--quiet", "--fail-on-warning", "--keep-going", "--no-color"]
    options += [f"--builder={builder}", f"--conf-dir={WEBSITE}"]
    options += [f"--doctree-dir={source.with_name('doctrees')}", f"-Arepository={repository}"]
    if builder == "html":  # a book has no notebooks to download
        options.append(f"-Dhtml_extra_path={source / 'files'}")
    command = [sys.executable, "-m", "sphinx", *options, str(source), str(target)]
    environment = os.environ | {"PYTHONPATH": str(COURSE)}
    done = subprocess.run(command, env=environment, stdout=subprocess.DEVNULL)
    if done.returncode:
        raise SiteProblem("Sphinx found the faults that are listed above.")


# The pages


def assemble(source: Path) -> None:
    """Write all pages of the website as Sphinx reads them.

    Parameters
    ----------
    source : pathlib.Path
        A new folder.
    """
    shutil.copytree(NOTEBOOKS / "images", source / "images")
    for chapter in chapters():
        name = f"{chapter.name}.ipynb"
        _add_notebook(source, name, described(read(NOTEBOOKS / name)), NOTEBOOKS / name)
        if (EXERCISES / name).exists():
            notebook = asked(read(EXERCISES / name), read(SOURCES / name))
            _add_notebook(source, f"exercises/{name}", notebook, EXERCISES / name)
    for path, name in TEXTS.items():
        _add_text(source, name, path.read_text(encoding="utf-8"))
    for module in MODULES:
        _add_text(source, f"api/{module}.md", _template("module.md", module=module))
    _add_text(source, "api/index.md", _template("modules.md", modules=_lines(MODULES)))
    practised = [each.name for each in chapters() if (EXERCISES / f"{each.name}.ipynb").exists()]
    _add_text(source, "exercises/index.md", _template("exercises.md", names=_lines(practised)))
    _add_text(source, "about.md", _template("about.md", versions=versions_table(), **_citation()))
    _add_text(source, "index.md", _template("index.md", parts=_parts(), contents=_contents()))


def read(path: Path) -> NotebookNode:
    """Return a notebook as it is stored."""
    return nbformat.read(path, as_version=4)


def described(notebook: NotebookNode) -> NotebookNode:
    """Give each picture among the outputs its stored description, and leave out pandas' styles.

    Parameters
    ----------
    notebook : nbformat.NotebookNode
        MyST-NB looks for the description in the metadata of the cell.

    Returns
    -------
    nbformat.NotebookNode
        The same notebook.
    """
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            if "text/html" in data:  # a book is XML; course.css has the styles of tables
                html = SCOPED_STYLE.sub("", data["text/html"])
                data["text/html"] = html.replace("<details open>", '<details open="">')
            if alt := output.get("metadata", {}).get("image/png", {}).get("alt"):
                cell.metadata["mystnb"] = {"image": {"alt": alt}}
    return notebook


def asked(notebook: NotebookNode, solved: NotebookNode) -> NotebookNode:
    """Let exercises show the questions of their quiz, and no solution.

    Parameters
    ----------
    notebook : nbformat.NotebookNode
        The exercises as learners get them: no cell has been run.
    solved : nbformat.NotebookNode
        The same exercises with their solutions and outputs.

    Returns
    -------
    nbformat.NotebookNode
        The first notebook, with the outputs of the cells that ask a question.
    """
    for cell, run_cell in zip(notebook.cells, solved.cells, strict=True):
        if re.search(r"^question_\d+\.ask\(\)$", cell.source, re.MULTILINE):
            cell.outputs = run_cell.outputs
    return notebook


def _add_notebook(source: Path, name: str, notebook: NotebookNode, original: Path) -> None:
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = _links_of_the_website(cell.source)
    path = source / name
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(notebook, path)
    download = source / "files" / name
    download.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(original, download)


def _add_text(source: Path, name: str, text: str) -> None:
    path = source / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(_links_of_the_website(text), encoding="utf-8")


def _links_of_the_website(text: str) -> str:
    """Let a link to a page in Markdown lead to the page of the website."""
    for path, name in TEXTS.items():
        text = re.sub(rf"(\]\([^)\s]*?)\b{path.name}\b", rf"\g<1>{Path(name).name}", text)
    return text


def _template(name: str, **values: str) -> str:
    return Template((WEBSITE / name).read_text(encoding="utf-8")).substitute(values)


def _lines(names: Iterable[str]) -> str:
    return "\n".join(names)


def _parts() -> str:
    """Return a heading, a sentence and the chapters for each part."""
    blocks = []
    for number, part in zip(("I", "II", "III"), parts(), strict=True):
        links = " · ".join(f"[{_short(each)}]({each.name}.ipynb)" for each in part.chapters)
        blocks.append(
            f":::{{container}}\n## {number}. {part.title}\n\n{part.about}\n\n{links}\n:::"
        )
    return "\n\n".join(blocks)


def _short(chapter: Chapter) -> str:
    return f"{chapter.number} {chapter.module.replace('_', ' ')}"


def _contents() -> str:
    """Return the chapters and their exercises for the navigation."""
    groups = {
        f"{number}. {part.title}": [chapter.name for chapter in part.chapters]
        for number, part in zip(("I", "II", "III"), parts(), strict=True)
    }
    return "\n\n".join(
        f":::{{toctree}}\n:hidden:\n:caption: {caption}\n\n{_lines(names)}\n:::"
        for caption, names in groups.items()
    )


def _citation() -> dict[str, str]:
    """Return the version of the course, and the year of its release."""
    text = (COURSE / "pyproject.toml").read_text(encoding="utf-8")
    version = tomllib.loads(text)["project"]["version"]
    return {"version": version, "year": version.partition(".")[0]}
