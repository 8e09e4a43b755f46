"""The notebooks that learners have handed in: which file counts, and whether it can be graded."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from tutorial.commands.chapters import chapters
from tutorial.commands.grading.cells import grade_id, identified

LARGEST = 100_000_000  # bytes; outputs count, and grading does not need them


class CannotBeGraded(Exception):
    """A submission cannot be graded; the message names the file and the cause."""


@dataclass(frozen=True)
class Submission:
    """A notebook that a learner has handed in.

    Parameters
    ----------
    file : pathlib.Path
    notebook : nbformat.NotebookNode
        Only what is graded: sources, types and nbgrader's names of the cells.
    """

    file: Path
    notebook: NotebookNode


def find(folder: Path, assignment: str, released: Sequence[NotebookNode]) -> Submission | None:
    """Find the notebook of an assignment among the files that a learner has handed in.

    Parameters
    ----------
    folder : pathlib.Path
        The learner's folder in ``submitted``.
    assignment : str
        Such as ``"03-add"``.
    released : sequence of nbformat.NotebookNode
        The cells that learners were given.

    Returns
    -------
    Submission or None
        None if there is no notebook for this assignment.

    Raises
    ------
    CannotBeGraded
        If no file, or more than one, can be the one.
    """
    own = folder / assignment
    expected = own / f"{assignment}.ipynb"
    inside = sorted(own.glob("*.ipynb")) if own.is_dir() else []
    # Some learners put the notebook beside the folder, or let the browser number it.
    files = inside or sorted(folder.glob(f"{assignment}*.ipynb"))
    files = [expected] * (expected in files) + [file for file in files if file != expected]
    good, problems = [], []
    for file in files:
        try:
            good.append(Submission(file, read(file, assignment, released)))
        except CannotBeGraded as problem:
            problems.append(problem)
        if good and file == expected:
            break
    if len(good) > 1:
        names = " and ".join(repr(each.file.name) for each in good)
        raise CannotBeGraded(
            f"{names} are all notebooks of {assignment}, and none of them is called "
            f"{expected.name}: delete all but one."
        )
    if problems and not good:
        raise problems[0]
    if not files and own.is_dir() and any(own.iterdir()):
        raise CannotBeGraded(f"the folder {own.name} holds files, but no notebook.")
    return good[0] if good else None


def read(file: Path, assignment: str, released: Sequence[NotebookNode]) -> NotebookNode:
    """Read a notebook that a learner has handed in.

    Parameters
    ----------
    file : pathlib.Path
    assignment : str
    released : sequence of nbformat.NotebookNode
        As for `find`.

    Returns
    -------
    nbformat.NotebookNode
        A new notebook with the cells that have some text.

    Raises
    ------
    CannotBeGraded
        If it is not a notebook, or not one of this assignment.
    """
    name = repr(file.name)
    try:
        if file.stat().st_size > LARGEST:
            raise CannotBeGraded(
                f"{name} is larger than {LARGEST // 1_000_000} MB: clear its outputs."
            )
        content = file.read_bytes()
    except OSError as error:
        raise CannotBeGraded(f"{name} cannot be read: {error.strerror}.") from error
    if not content.strip():
        raise CannotBeGraded(f"{name} is empty.")
    try:
        notebook = nbformat.reads(content.decode("utf-8-sig"), as_version=4)
        cells = [_plain(cell) for cell in notebook.cells]
    except (UnicodeDecodeError, json.JSONDecodeError, nbformat.reader.NotJSONError):
        raise CannotBeGraded(f"{name} is not a notebook, or only a part of one.") from None
    except Exception as error:  # a file may break the rules of the format in any way
        raise CannotBeGraded(
            f"{name} cannot be read as a notebook ({type(error).__name__})."
        ) from error
    if not any(identified(cells, released).values()):
        raise CannotBeGraded(f"{name} {_what_else(cells, assignment)}")
    return nbformat.v4.new_notebook(cells=cells)


def _plain(cell: NotebookNode) -> NotebookNode:
    """Return a cell of the same text and type, with nothing else that could be damaged."""
    source = cell.source if isinstance(cell.source, str) else "".join(cell.source)
    make = {
        "code": nbformat.v4.new_code_cell,
        "markdown": nbformat.v4.new_markdown_cell,
    }.get(cell.cell_type, nbformat.v4.new_raw_cell)
    plain = make(source)
    if re.fullmatch(r"[\w-]{1,64}", str(cell.get("id", "")), re.ASCII):
        plain.id = cell.id
    if name := grade_id(cell):
        plain.metadata.nbgrader = {"grade_id": name}
    return plain


def _what_else(cells: Sequence[NotebookNode], assignment: str) -> str:
    """Say what a notebook holds that has none of the exercises of its assignment."""
    words = {name.split("-")[0] for cell in cells if (name := grade_id(cell))}
    for chapter in chapters():
        if chapter.module in words:
            return f"holds the exercises of {chapter.name}, not those of {assignment}."
    return f"holds none of the exercises of {assignment}."
