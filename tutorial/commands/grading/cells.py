"""A step of the grading: put the cells of a submission back where they belong.

JupyterLab copies nbgrader's metadata along with a cell, and lets learners delete, move, split and
retype cells. None of this should cost them points.
"""

import re
import uuid
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode
from nbgrader.preprocessors import NbGraderPreprocessor

CHECK = re.compile(r"^\s*exercise_(\d+)\.check\(", re.MULTILINE)


class RestoreCells(NbGraderPreprocessor):
    """Give each answer and each check of a submission one cell, in the order of the exercises."""

    def preprocess(
        self, notebook: NotebookNode, resources: dict[str, Any]
    ) -> tuple[NotebookNode, dict[str, Any]]:
        """Restore the cells of a submission from the class's notebooks.

        Parameters
        ----------
        notebook : nbformat.NotebookNode
        resources : dict
            nbgrader's, with the names of the assignment and of the notebook.

        Returns
        -------
        nbformat.NotebookNode, dict
            Both as they were given, and changed in place.
        """
        assignment = Path(resources["nbgrader"]["assignment"])
        name = f"{resources['nbgrader']['notebook']}.ipynb"
        # nbgrader works in the folder of the class.
        source, released = (
            nbformat.read(folder / assignment / name, as_version=4).cells
            for folder in (Path("source"), Path("release"))
        )
        notebook.cells = restored(notebook.cells, source, released)
        return notebook, resources


def grade_id(cell: Mapping[str, Any]) -> str | None:
    """Return the name that nbgrader gives to a cell, or None for an ordinary cell.

    Parameters
    ----------
    cell : mapping
        A cell of a notebook; its metadata may be anything.

    Returns
    -------
    str or None
    """
    facts = cell.get("metadata", {}).get("nbgrader")
    name = facts.get("grade_id") if isinstance(facts, Mapping) else None
    return name if isinstance(name, str) else None


def identified(
    cells: Sequence[NotebookNode], released: Sequence[NotebookNode]
) -> dict[int, str | None]:
    """Say for each cell of a submission which answer or check it is.

    Parameters
    ----------
    cells : sequence of nbformat.NotebookNode
        The learner's.
    released : sequence of nbformat.NotebookNode
        What learners were given.

    Returns
    -------
    dict
        For each position the ``grade_id``, or None for an ordinary cell.
    """
    names = {name for cell in released if (name := grade_id(cell))}
    by_id = {cell.id: name for cell in released if (name := grade_id(cell))}
    found: dict[int, str | None] = {}
    for position, cell in enumerate(cells):
        name = grade_id(cell)
        if name is None:
            name = by_id.get(cell.get("id")) or _retyped_check(cell, names)
        found[position] = name if name in names else None
    return found


def _retyped_check(cell: NotebookNode, names: Collection[str]) -> str | None:
    """Return which check it is that was typed again, in a cell of the learner's own."""
    found = CHECK.search(cell.source) if cell.cell_type == "code" else None
    return found and next((name for name in names if name.endswith(f"-{found[1]}-check")), None)


def restored(
    cells: Sequence[NotebookNode],
    source: Sequence[NotebookNode],
    released: Sequence[NotebookNode],
) -> list[NotebookNode]:
    """Return the cells of a submission with one cell for each answer, and each check after it.

    Parameters
    ----------
    cells : sequence of nbformat.NotebookNode
        The learner's.
    source, released : sequence of nbformat.NotebookNode
        The teacher's, with solutions and hidden tests, and what learners were given.

    Returns
    -------
    list of nbformat.NotebookNode
    """
    names = identified(cells, released)
    given = {name: cell for cell in released if (name := grade_id(cell))}
    checks = {
        name: cell
        for cell in source
        if (name := grade_id(cell)) and cell.metadata.nbgrader.get("grade")
    }
    kept: list[tuple[str | None, NotebookNode]] = []
    for position, cell in enumerate(cells):
        name = names[position]
        cell.metadata.pop("nbgrader", None)
        if name in checks:
            kept.append((name, cell))  # its place counts, not its text
        elif name is None or position == _answer(name, names, cells, given):
            kept.append((name, _as_answer(cell, given[name]) if name else cell))
        elif not _untouched(cell, given[name]):
            kept.append((None, cell))  # an earlier try, which may define what the last one needs
    for number, name in enumerate(checks):
        _place_check(kept, name, checks[name], list(checks)[number + 1 :])
    _put_back_ordinary_cells(kept, released)
    cells = [cell for _name, cell in kept]
    for position, cell in enumerate(cells):
        if cell.id in {other.id for other in cells[:position]}:
            cell.id = uuid.uuid4().hex
    return cells


def _untouched(cell: NotebookNode, given: NotebookNode) -> bool:
    return cell.source.strip() in ("", given.source.strip())


def _answer(
    name: str,
    names: Mapping[int, str | None],
    cells: Sequence[NotebookNode],
    given: Mapping[str, NotebookNode],
) -> int:
    """Return the position of the copy of an answer that counts: the last one with work in it."""
    copies = [position for position, other in names.items() if other == name]
    touched = [position for position in copies if not _untouched(cells[position], given[name])]
    code = [position for position in touched if cells[position].cell_type == "code"]
    return (code or touched or copies)[-1]


def _as_answer(cell: NotebookNode, given: NotebookNode) -> NotebookNode:
    """Return a cell as nbgrader knows it, whatever type and metadata it has now."""
    return nbformat.v4.new_code_cell(
        cell.source, id=cell.get("id", given.id), metadata={"nbgrader": given.metadata.nbgrader}
    )


def _place_check(
    kept: list[tuple[str | None, NotebookNode]],
    name: str,
    check: NotebookNode,
    later: Sequence[str],
) -> None:
    """Put the teacher's check where the learner has it, but never before its answer."""
    own = [position for position, (other, _) in enumerate(kept) if other == name]
    answer = next(
        (position for position, (other, _) in enumerate(kept) if other == _answer_of(name)), None
    )
    ahead = {each for other in later for each in (other, _answer_of(other))}
    following = [position for position, (other, _) in enumerate(kept) if other in ahead]
    if answer is None:
        place = own[-1] if own else min(following, default=len(kept))
    else:
        place = min((position for position in own if position > answer), default=answer + 1)
    copy = nbformat.from_dict(check)
    for position in reversed(own):
        del kept[position]
    place -= sum(position < place for position in own)
    kept.insert(place, (name, copy))


def _answer_of(check: str) -> str:
    return f"{check.removesuffix('check')}answer"


def _put_back_ordinary_cells(
    kept: list[tuple[str | None, NotebookNode]], released: Sequence[NotebookNode]
) -> None:
    """Put back what learners were given to run before an exercise, such as the imports."""
    for number, cell in enumerate(released):
        if cell.cell_type != "code" or grade_id(cell):
            continue
        later = [other for other in released[number + 1 :] if other.cell_type == "code"]
        names = {name for other in later if (name := grade_id(other))}
        places = [
            position
            for position, (name, own) in enumerate(kept)
            if name in names or (name is None and any(_same(own, other) for other in later))
        ]
        graded = [position for position in places if kept[position][0]]
        if graded and not any(name is None and _same(own, cell) for name, own in kept[: graded[0]]):
            kept.insert(places[0], (None, nbformat.from_dict(cell)))


def _same(own: NotebookNode, given: NotebookNode) -> bool:
    """Tell whether a learner's ordinary cell is one that learners were given."""
    is_it = own.get("id") == given.id or own.source.strip() == given.source.strip()
    return own.cell_type == "code" and is_it
