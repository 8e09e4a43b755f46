"""What learners hand in: submissions of all kinds, and the points that each deserves."""

import json
import random
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
from exercise_runs import REGION, with_answer
from nbformat import NotebookNode

from tutorial.commands.chapters import EXERCISES
from tutorial.exercises.checking import SOURCES

ZOE = "Zoë O'Neil"
ENGINE, CONFIGURATION, ADD = "01-engine", "02-configuration", "03-add"
FAILURES, SCHEMA = "06-failures", "14-schema"
KILL = "import os\n\nos._exit(0)"
LOOP = "while True:\n    pass"
# Ctrl+C does not end it, and neither does the interrupt of a grader.
STUBBORN = """\
while True:
    try:
        while True:
            pass
    except KeyboardInterrupt:
        pass"""
Change = Callable[[NotebookNode], Any]


@dataclass(frozen=True)
class Case:
    """A submission, and what it deserves.

    Parameters
    ----------
    assignment : str
    deserves : sequence of float, or str
        The points of each exercise; or a part of the sentence for a submission that cannot be
        graded, ``"not handed in"`` for none.
    change : callable
        What the learner does to a notebook in which all exercises are solved.
    file : str
        The name of the file, in ``submitted/<learner>``; empty if nothing is handed in.
    content : callable, optional
        Takes the notebook as text, and returns the bytes of the file.
    """

    assignment: str
    deserves: Sequence[float] | str
    change: Change = lambda notebook: None
    file: str = "{assignment}/{assignment}.ipynb"
    content: Callable[[str], bytes] = str.encode


def read(path: Path) -> NotebookNode:
    return nbformat.read(path, as_version=4)


def solved(assignment: str) -> NotebookNode:
    """Return the notebook of a learner who has solved everything."""
    notebook = read(EXERCISES / f"{assignment}.ipynb")
    sources = read(SOURCES / f"{assignment}.ipynb").cells
    for cell, source in zip(notebook.cells, sources, strict=True):
        if REGION.search(source.source):
            cell.source = re.sub(r"^ *### (BEGIN|END) SOLUTION\n?", "", source.source, flags=re.M)
    return notebook


def hand_in(case: Case, folder: Path) -> None:
    """Write a submission into a learner's folder."""
    folder.mkdir(parents=True, exist_ok=True)
    if not case.file:
        return
    notebook = solved(case.assignment)
    case.change(notebook)
    file = folder / case.file.format(assignment=case.assignment)
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(case.content(nbformat.writes(notebook)))


# What a learner does


def cells(notebook: NotebookNode, kind: str) -> list[NotebookNode]:
    """Return the cells of the answers, or of the checks, in their order."""
    return [
        cell
        for cell in notebook.cells
        if str(cell.metadata.get("nbgrader", {}).get("grade_id", "")).endswith(kind)
    ]


def answer(number: int, code: str) -> Change:
    """Put an answer into the place of a solution."""

    def change(notebook: NotebookNode) -> None:
        cell = cells(notebook, "answer")[number - 1]
        name = f"{cell.metadata.nbgrader.grade_id}"
        source = next(
            each
            for path in SOURCES.glob("*.ipynb")
            for each in read(path).cells
            if each.metadata.get("nbgrader", {}).get("grade_id") == name
        )
        cell.source = with_answer(source.source, code)

    return change


def first(number: int, code: str) -> Change:
    """Put lines before an answer that is right."""

    def change(notebook: NotebookNode) -> None:
        cell = cells(notebook, "answer")[number - 1]
        cell.source = f"{code}\n\n{cell.source}"

    return change


def inside(number: int, code: str) -> Change:
    """Put a line at the beginning of a function that is right."""

    def change(notebook: NotebookNode) -> None:
        cell = cells(notebook, "answer")[number - 1]
        head, _, body = cell.source.partition("\n")
        cell.source = f"{head}\n    {code}\n{body}"

    return change


def all_of(*changes: Change) -> Change:
    def change(notebook: NotebookNode) -> None:
        for each in changes:
            each(notebook)

    return change


def unsolved(*numbers: int) -> Change:
    """Leave answers as they were given."""

    def change(notebook: NotebookNode) -> None:
        for number in numbers:
            cell = cells(notebook, "answer")[number - 1]
            cell.source = given(cell)

    return change


def given(cell: NotebookNode) -> str:
    """Return the text of an answer's cell as learners get it."""
    name = cell.metadata.nbgrader.grade_id
    for path in EXERCISES.glob("*.ipynb"):
        for each in read(path).cells:
            if each.metadata.get("nbgrader", {}).get("grade_id") == name:
                return each.source
    raise LookupError(name)


def copy(cell: NotebookNode, **changes: Any) -> NotebookNode:
    """Copy a cell with its metadata, as JupyterLab does, under another id."""
    identity = f"copy-{random.randrange(10**12)}"
    return nbformat.from_dict({**json.loads(json.dumps(cell)), "id": identity, **changes})


def copied(kind: str, above: bool = True, **changes: Any) -> Change:
    def change(notebook: NotebookNode) -> None:
        for cell in cells(notebook, kind):
            place = notebook.cells.index(cell) + (not above)
            notebook.cells.insert(place, copy(cell, **changes))

    return change


def untouched_copies(notebook: NotebookNode) -> None:
    """Copy the answers before solving them, and leave the copies below."""
    for cell in cells(notebook, "answer"):
        notebook.cells.insert(notebook.cells.index(cell) + 1, copy(cell, source=given(cell)))


def split(notebook: NotebookNode) -> None:
    for cell in cells(notebook, "answer"):
        half = copy(cell, source="# The first half of a split cell")
        notebook.cells.insert(notebook.cells.index(cell), half)


def deleted(kind: str, *numbers: int) -> Change:
    def change(notebook: NotebookNode) -> None:
        found = cells(notebook, kind)
        for number in numbers:
            notebook.cells.remove(found[number - 1])

    return change


def retyped(notebook: NotebookNode) -> None:
    """Write all answers and checks again, in new cells."""
    for position, cell in enumerate(notebook.cells):
        if "nbgrader" in cell.metadata:
            notebook.cells[position] = nbformat.v4.new_code_cell(cell.source)


def answered_below(notebook: NotebookNode) -> None:
    """Leave the cells for the answers empty, and answer in new cells below them."""
    for cell in cells(notebook, "answer"):
        below = nbformat.v4.new_code_cell(cell.source)
        cell.source = given(cell)
        notebook.cells.insert(notebook.cells.index(cell) + 1, below)


def moved(kind: str, place: int) -> Change:
    """Move all checks, or all answers, to the beginning or the end."""

    def change(notebook: NotebookNode) -> None:
        found = cells(notebook, kind)
        others = [cell for cell in notebook.cells if cell not in found]
        notebook.cells = found + others if place == 0 else others + found

    return change


def without_imports(notebook: NotebookNode) -> None:
    del notebook.cells[next(n for n, cell in enumerate(notebook.cells) if is_plain(cell))]


def imports_last(notebook: NotebookNode) -> None:
    position = next(n for n, cell in enumerate(notebook.cells) if is_plain(cell))
    notebook.cells.append(notebook.cells.pop(position))


def is_plain(cell: NotebookNode) -> bool:
    return cell.cell_type == "code" and "nbgrader" not in cell.metadata


def typed_as(cell_type: str, kind: str) -> Change:
    """Change the type of all answers, or of all checks."""

    def change(notebook: NotebookNode) -> None:
        for cell in cells(notebook, kind):
            cell.cell_type = cell_type
            cell.pop("outputs", None)
            cell.pop("execution_count", None)

    return change


def foreign_kernel(notebook: NotebookNode) -> None:
    notebook.metadata.kernelspec = {"name": "ir", "display_name": "R", "language": "R"}


def broken_metadata(notebook: NotebookNode) -> None:
    for cell in notebook.cells:
        cell.metadata.tags = "not a list"
        if "nbgrader" not in cell.metadata:
            cell.metadata.nbgrader = "mine"


# What happens to a file


def older(text: str) -> bytes:
    """Return a notebook of format 4.4, whose cells have no ids."""
    notebook = json.loads(text)
    notebook["nbformat_minor"] = 4
    for cell in notebook["cells"]:
        del cell["id"]
    return json.dumps(notebook).encode()


def oldest(text: str) -> bytes:
    """Return a notebook of format 3."""
    notebook = nbformat.convert(nbformat.reads(text, as_version=4), 3)
    return nbformat.writes(notebook, version=3).encode()


def another(assignment: str) -> Callable[[str], bytes]:
    return lambda text: nbformat.writes(solved(assignment)).encode()


PARTIAL = "get_ipython().displayhook(1)"
NO_CODE = "get_ipython().input_transformers_post.append(lambda lines: [])"
NO_TREE = """\
import ast

class Nothing(ast.NodeTransformer):
    def visit_Module(self, node):
        return ast.Module([], [])

get_ipython().ast_transformers.append(Nothing())"""
NO_ERRORS = "get_ipython().set_custom_exc((BaseException,), lambda *_: None)"
NOTHING_RUNS = """\
from IPython.core.interactiveshell import ExecutionResult

shell = get_ipython()
async def nothing(*_, **__):
    return ExecutionResult(None)
shell.run_cell_async = nothing"""
WRONG_URL = answer(1, "url = 'sqlite://'")

# The points of the exercises: 01, 02 and 14 have 1, 2 and 3; 03 has 1, 2, 2 and 3; 06 has 1, 2, 2.
CASES: dict[str, Case] = {
    # All right, in every state of disorder
    "right": Case(ENGINE, [1, 2, 3]),
    "numbered": Case(ENGINE, [1, 2, 3], file="{assignment}/{assignment} (1).ipynb"),
    "renamed": Case(CONFIGURATION, [1, 2, 3], file="{assignment}/{assignment}-Copy1.ipynb"),
    "beside": Case(SCHEMA, [1, 2, 3], file="{assignment}.ipynb"),
    "format-4.4": Case(ENGINE, [1, 2, 3], content=older),
    "format-3": Case(FAILURES, [1, 2, 2], content=oldest),
    "bom": Case(CONFIGURATION, [1, 2, 3], content=lambda text: b"\xef\xbb\xbf" + text.encode()),
    "foreign-kernel": Case(CONFIGURATION, [1, 2, 3], foreign_kernel),
    "broken-metadata": Case(ENGINE, [1, 2, 3], broken_metadata),
    "copied-answers": Case(ADD, [1, 2, 2, 3], copied("answer")),
    "copied-checks": Case(ENGINE, [1, 2, 3], copied("check", above=False)),
    "untouched-copies": Case(CONFIGURATION, [1, 2, 3], untouched_copies),
    "split": Case(FAILURES, [1, 2, 2], split),
    "checks-deleted": Case(ADD, [1, 2, 2, 3], deleted("check", 1, 2, 3, 4)),
    "retyped": Case(ENGINE, [1, 2, 3], retyped),
    "retyped-old": Case(FAILURES, [1, 2, 2], retyped, content=older),
    "answered-below": Case(ADD, [1, 2, 2, 3], answered_below),
    "checks-first": Case(CONFIGURATION, [1, 2, 3], moved("check", 0)),
    "checks-last": Case(SCHEMA, [1, 2, 3], moved("check", -1)),
    "answers-first": Case(SCHEMA, [1, 2, 3], moved("answer", 0)),
    "without-imports": Case(FAILURES, [1, 2, 2], without_imports),
    "imports-last": Case(ENGINE, [1, 2, 3], imports_last),
    "markdown-answers": Case(CONFIGURATION, [1, 2, 3], typed_as("markdown", "answer")),
    "raw-checks": Case(SCHEMA, [1, 2, 3], typed_as("raw", "check")),
    "names-taken": Case(ENGINE, [1, 2, 3], first(1, "exercise_1 = exercise_2 = exercise_3 = 5")),
    "warns": Case(
        ENGINE,
        [1, 2, 3],
        inside(3, "import sys, warnings; warnings.warn('old'); sys.stderr.write('log')"),
    ),
    "flood": Case(ENGINE, [1, 2, 3], first(1, "for _ in range(100):\n    print('x' * 1_000_000)")),
    "flood-in-check": Case(CONFIGURATION, [1, 2, 3], inside(2, "print('x\\n' * 5_000_000)")),
    "flood-of-displays": Case(
        SCHEMA, [1, 2, 3], first(1, "for number in range(20_000):\n    display(number)")
    ),
    "leaves-a-process": Case(
        ENGINE,
        [1, 2, 3],
        first(1, "import subprocess\nsubprocess.Popen(['sleep', '900'])"),
    ),
    "empties-its-folder": Case(
        FAILURES,
        [1, 2, 2],
        first(2, "import os, shutil\nshutil.rmtree(os.getcwd(), ignore_errors=True)"),
    ),
    # A part of it
    ZOE: Case(
        ENGINE,
        [1, 0, 0],
        all_of(answer(2, KILL), unsolved(3)),
        file="{assignment}/{assignment} (1).ipynb",
    ),
    "half": Case(ENGINE, [1, 0, 3], all_of(unsolved(2))),
    "empty": Case(ADD, [0, 0, 0, 0], unsolved(1, 2, 3, 4)),
    "answer-and-check-deleted": Case(
        CONFIGURATION, [1, 0, 3], all_of(deleted("answer", 2), deleted("check", 2))
    ),
    "wrong": Case(ENGINE, [0, 2, 3], WRONG_URL),
    "killed": Case(ENGINE, [1, 0, 3], answer(2, KILL)),
    "retyped-and-killed": Case(ENGINE, [1, 0, 3], all_of(answer(2, KILL), retyped)),
    "killed-twice": Case(ADD, [1, 0, 0, 3], all_of(answer(2, KILL), answer(3, KILL))),
    "killed-by-the-check": Case(CONFIGURATION, [1, 0, 3], answer(2, KILL)),
    "exits": Case(SCHEMA, [1, 0, 3], all_of(answer(2, "return 5"), first(2, "exit()"))),
    "sys-exit": Case(FAILURES, [0, 2, 2], answer(1, "import sys\n\nsys.exit(0)")),
    "loop": Case(ENGINE, [1, 0, 3], answer(2, LOOP)),
    "loop-in-check": Case(SCHEMA, [1, 2, 0], answer(3, LOOP)),
    "stubborn": Case(FAILURES, [0, 2, 2], answer(1, STUBBORN)),
    "syntax-error": Case(ADD, [1, 2, 0, 3], answer(3, "query = = 5")),
    # Not by patching
    "partial-credit": Case(ENGINE, [1, 2, 0], answer(3, f"{PARTIAL}\nreturn 5")),
    "code-removed": Case(ENGINE, [0, 0, 0], all_of(WRONG_URL, unsolved(2, 3), first(3, NO_CODE))),
    "tree-removed": Case(CONFIGURATION, [1, 0, 0], all_of(unsolved(2, 3), first(2, NO_TREE))),
    "errors-hidden": Case(ENGINE, [0, 2, 3], all_of(WRONG_URL, first(1, NO_ERRORS))),
    "nothing-runs": Case(FAILURES, [1, 2, 0], all_of(unsolved(3), first(3, NOTHING_RUNS))),
    # Nothing to grade
    "another-chapter": Case(
        ENGINE, "holds the exercises of 03-add, not those of 01-engine", content=another(ADD)
    ),
    "a-chapter": Case(
        ENGINE,
        "holds none of the exercises of 01-engine",
        content=lambda text: nbformat.writes(nbformat.v4.new_notebook()).encode(),
    ),
    "half-a-file": Case(
        ENGINE, "is not a notebook, or only a part", content=lambda text: text[:2000].encode()
    ),
    "empty-file": Case(ADD, "'03-add.ipynb' is empty", content=lambda text: b""),
    "a-list": Case(SCHEMA, "cannot be read as a notebook", content=lambda text: b"[1, 2]"),
    "a-picture": Case(CONFIGURATION, "is not a notebook", content=lambda text: b"\x89PNG\r\n\xff"),
    "a-letter": Case(FAILURES, "holds files, but no notebook", file="{assignment}/letter.pdf"),
    "nothing": Case(ENGINE, "not handed in", file=""),
}
# One for each kind; only the first one needs kernels.
REPRESENTATIVES = [ZOE, "another-chapter", "half-a-file", "nothing"]
