"""The tables that are made from facts kept elsewhere: ``python -m tutorial tables``.

The README, the map in 00 and the teachers' page list the chapters. A table stands between two
comments, which Markdown does not show, and everything between them is replaced.
"""

import re
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path

import nbformat
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from tutorial.commands.chapters import NOTEBOOKS, Chapter, chapters, parts
from tutorial.commands.environment import COURSE, VERSIONS
from tutorial.commands.execute import canonical, serialize
from tutorial.commands.progress import exercises
from tutorial.commands.teachers import teaching
from tutorial.exercises.checking import SOURCES

BEGIN = "<!-- made by python -m tutorial tables: {} -->"
END = "<!-- end -->"
PACKAGES = {"celery": "Celery", "kombu": "kombu", "sqlalchemy": "SQLAlchemy", "pandas": "pandas"}


class TableProblem(Exception):
    """A table cannot be made; the message says why."""


def run() -> int:
    """Replace all tables, and name the files that have changed.

    Returns
    -------
    int
        The exit code, 0.

    Raises
    ------
    TableProblem
        As `renewed` does.
    """
    for path, content in renewed():
        if path.read_bytes() != content:
            path.write_bytes(content)
            print(f"{path.relative_to(COURSE).as_posix()} has new tables.")
    return 0


def renewed() -> Iterator[tuple[Path, bytes]]:
    """Yield each file that has tables, and what it should contain.

    Yields
    ------
    tuple of pathlib.Path and bytes

    Raises
    ------
    TableProblem
        If a file lacks the two comments of a table.
    """
    for name in ("README.md", "notebooks/exercises/TEACHERS.md"):
        path = COURSE / name
        yield path, renew(path.read_text(encoding="utf-8"), path).encode()
    for path in sorted(NOTEBOOKS.glob("00-*.ipynb")):
        notebook = nbformat.read(path, as_version=4)
        for cell in notebook.cells:
            if cell.cell_type == "markdown":
                cell.source = renew(cell.source, path)
        yield path, serialize(canonical(notebook, path.stem))


def renew(text: str, path: Path) -> str:
    """Return a text with new tables.

    Parameters
    ----------
    text : str
        Markdown, in which a table stands between the two comments.
    path : pathlib.Path
        The file of the text, to which links are relative.

    Returns
    -------
    str

    Raises
    ------
    TableProblem
        If the text asks for a table that is not in `TABLES`, or lacks the second comment.
    """

    def table(found: re.Match[str]) -> str:
        name = found[1]
        if name not in TABLES or not found[2]:
            raise TableProblem(
                f"{path.name}: expected the table {name!r} to be one of "
                f"{', '.join(TABLES)}, and to end with {END}"
            )
        return f"{BEGIN.format(name)}\n\n{TABLES[name]()}\n\n{END}"

    begin = re.escape(BEGIN).replace(r"\{\}", r"([\w-]+)")
    return re.sub(rf"{begin}(?:.*?(^{END})|)", table, text, flags=re.DOTALL | re.MULTILINE)


# The tables


def parts_table() -> str:
    """For the README: each part, with its chapters."""
    blocks = []
    for number, part in zip(("I", "II", "III"), parts(), strict=True):
        blocks.append(f"**Part {number}. {part.title}.** {part.about}\n")
        rows = [
            f"| [{each.name}](notebooks/{each.name}.ipynb) | {each.question} |"
            for each in part.chapters
        ]
        blocks.append(
            "\n".join(["| notebook | the question that it answers |", "|---|---|", *rows]) + "\n"
        )
    return "\n".join(blocks)


def map_table() -> str:
    """For 00: the chapters after it, part by part."""
    rows = ["| Chapter | The question that it answers |", "|---|---|"]
    for part in parts():
        rows.append(f"| **{part.title}** | |")
        rows += [
            f"| [{each.title}]({each.name}.ipynb) | {each.question} |"
            for each in part.chapters
            if each.number != "00"
        ]
    return "\n".join(rows)


def teachers_table() -> str:
    """For teachers: how long a chapter takes, and how many points its exercises give."""
    rows = ["| chapter | minutes to read | exercises | points |", "|---|---|---|---|"]
    for chapter in chapters():
        has_exercises = (SOURCES / f"{chapter.name}.ipynb").exists()
        own = exercises(chapter.name) if has_exercises else []
        points = sum(exercise.points for exercise in own)
        rows.append(f"| {chapter.name} | {minutes(chapter)} | {len(own)} | {points} |")
    return "\n".join(rows)


def questions_table() -> str:
    """For teachers: what to ask the room in each chapter."""
    asked = ((chapter.number, teaching(chapter).ask) for chapter in chapters())
    rows = [f"| {number} | {ask} |" for number, ask in asked if ask]
    return "\n".join(["| chapter | questions |", "|---|---|", *rows])


def exercises_table() -> str:
    """For teachers: what a chapter teaches, and what goes wrong in its exercises."""
    blocks = []
    for chapter in chapters():
        told = teaching(chapter).exercises
        if not told:
            continue
        rows = ["| exercise | minutes | a common mistake | the check says |", "|---|---|---|---|"]
        titles = _titles(chapter)
        for number, each in told.items():
            says = each.says.strip(" ,.:")
            cells = f"{number}. {titles[number]}", each.minutes, each.mistake, f"… {says} …"
            rows.append(f"| {' | '.join(map(str, cells))} |")
        blocks.append("\n".join([f"**{chapter.name}.** {_goal(chapter)}", "", *rows]))
    return "\n\n".join(blocks)


def _goal(chapter: Chapter) -> str:
    """Return what a chapter's first cell says that one learns."""
    opening = nbformat.read(NOTEBOOKS / f"{chapter.name}.ipynb", as_version=4).cells[0].source
    found = re.search(r"^\| \*\*What you'll learn\*\* \| (.*) \|$", opening, re.MULTILINE)
    if not found:
        raise TableProblem(f"{chapter.name}: the first cell has no row '| **What you'll learn** |'")
    return found[1]


def _titles(chapter: Chapter) -> dict[str, str]:
    """Return the titles of a chapter's exercises, by their numbers."""
    cells = nbformat.read(SOURCES / f"{chapter.name}.ipynb", as_version=4).cells
    text = "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    return dict(re.findall(r"^## Exercise (\d+): (.*)$", text, re.MULTILINE))


def minutes(chapter: Chapter) -> int:
    """Return the time that a chapter's first cell promises.

    Parameters
    ----------
    chapter : Chapter

    Returns
    -------
    int

    Raises
    ------
    TableProblem
        If the first cell has no row *Time*.
    """
    path = NOTEBOOKS / f"{chapter.name}.ipynb"
    opening = nbformat.read(path, as_version=4).cells[0].source
    found = re.search(r"^\| \*\*Time\*\* \| (\d+) minutes \|", opening, re.MULTILINE)
    if not found:
        raise TableProblem(f"{path.name}: the first cell has no row '| **Time** | NN minutes |'")
    return int(found[1])


def versions_table() -> str:
    """For the README: what this version of the course is for."""
    project = tomllib.loads((COURSE / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    recorded = recorded_versions()
    return "\n".join(
        [
            f"| course | Python | {' | '.join(PACKAGES.values())} |",
            "|---" * (2 + len(PACKAGES)) + "|",
            f"| {project['version']} | {supported_pythons(project['requires-python'])} | "
            f"{' | '.join(recorded[name] for name in PACKAGES)} |",
        ]
    )


def recorded_versions() -> dict[str, str]:
    """Return the recorded version of each package, for this Python and system.

    Returns
    -------
    dict of str to str
        Package name, as its index writes it, to version.
    """
    lines = VERSIONS.read_text(encoding="utf-8").splitlines()
    recorded = [Requirement(line) for line in lines if not line.startswith("#")]
    return {
        each.name: str(each.specifier).removeprefix("==")
        for each in recorded
        if not each.marker or each.marker.evaluate()
    }


def supported_pythons(requires_python: str) -> str:
    """Return the first and the last Python version, such as ``"3.11 to 3.14"``."""
    minors = [f"3.{minor}" for minor in range(50)]
    supported = [minor for minor in minors if minor in SpecifierSet(requires_python)]
    return f"{supported[0]} to {supported[-1]}"


TABLES: dict[str, Callable[[], str]] = {
    "parts": parts_table,
    "map": map_table,
    "exercises": exercises_table,
    "questions": questions_table,
    "teachers": teachers_table,
    "versions": versions_table,
}
