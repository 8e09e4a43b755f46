"""``python -m tutorial classroom grade``: nbgrader's autograde, for a whole class at a time."""

import hashlib
import json
import os
import shutil
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import nbformat
import psutil
import sqlalchemy as sa
from nbformat import NotebookNode
from nbgrader.api import Gradebook
from nbgrader.apps import NbGraderAPI
from traitlets.config import Config

from tutorial.commands.grading import report
from tutorial.commands.grading.cells import grade_id
from tutorial.commands.grading.report import Exercise, Outcome
from tutorial.commands.grading.running import RunExercises
from tutorial.commands.grading.submissions import CannotBeGraded, Submission, find
from tutorial.exercises.checking import SOURCES
from tutorial.workspace import COURSE, HOME_VARIABLE

STAGE = "being_graded"  # what nbgrader reads: notebooks without what could be damaged
CHECKS = [COURSE / "tutorial" / "exercises", COURSE / "tutorial" / "commands" / "grading"]


class GradingProblem(Exception):
    """Nothing can be graded here; the message says why."""


class Class:
    """A teacher's course folder for nbgrader, with one assignment to grade.

    Parameters
    ----------
    folder : pathlib.Path
    assignment : str
        Such as ``"03-add"``.
    config : traitlets.config.Config
        The settings of nbgrader.

    Raises
    ------
    GradingProblem
        If the folder does not hold the assignment, or not as this copy of the course has it.
    """

    def __init__(self, folder: Path, assignment: str, config: Config) -> None:
        self.folder = folder.resolve()
        self.assignment = assignment
        self.config = config
        config.CourseDirectory.root = str(self.folder)
        self._see_that_it_can_be_graded()
        name = Path(assignment, f"{assignment}.ipynb")
        self.source = nbformat.read(self.folder / "source" / name, as_version=4)
        self.released = nbformat.read(self.folder / "release" / name, as_version=4).cells

    def _see_that_it_can_be_graded(self) -> None:
        build = f"python -m tutorial classroom build {self.folder}"
        name = Path(self.assignment, f"{self.assignment}.ipynb")
        original = SOURCES / name.name
        if not original.exists():
            raise GradingProblem(f"There is no assignment {self.assignment!r}: name one as 03-add.")
        built = [self.folder / step / name for step in ("source", "release")]
        if not all(file.exists() for file in [*built, self.folder / "gradebook.db"]):
            raise GradingProblem(f"{self.folder} is not a class with {name.stem}: run {build}")
        if built[0].read_bytes() != original.read_bytes():
            raise GradingProblem(
                f"{self.folder} was built from another version of {name.stem}: run {build}"
            )
        for place in (self.folder, self.folder / "gradebook.db", *self.folder.iterdir()):
            if place.name != "submitted" and not os.access(place, os.W_OK):
                raise GradingProblem(f"This account, which grades, cannot write to {place}.")

    def learners(self) -> list[str]:
        """Return the names of all learners: in the gradebook, or with a folder in ``submitted``."""
        with self.gradebook() as gradebook:
            names = {student.id for student in gradebook.students}
        submitted = self.folder / "submitted"
        if submitted.is_dir():
            names |= {path.name for path in submitted.iterdir() if path.is_dir()}
        return sorted(name for name in names if not name.startswith("."))

    def gradebook(self) -> Gradebook:
        """Open the gradebook of the class."""
        url = self.config.CourseDirectory.get("db_url") or f"sqlite:///{self.folder}/gradebook.db"
        return Gradebook(url, self.config.CourseDirectory.get("course_id", ""))

    def points(self) -> dict[str, float]:
        """Return the points of each exercise, by the ``grade_id`` of its check."""
        return {
            cell.metadata.nbgrader.grade_id: cell.metadata.nbgrader.points
            for cell in self.source.cells
            if cell.metadata.get("nbgrader", {}).get("grade")
        }


def grade(folder: Path, assignment: str, config: Config, *, again: bool = False) -> bool:
    """Grade what is new in an assignment, report on everyone, and write the marks for export.

    Parameters
    ----------
    folder : pathlib.Path
        The class, as ``classroom build`` makes it.
    assignment : str
        Such as ``"03-add"``.
    config : traitlets.config.Config
        The settings of nbgrader.
    again : bool
        Also grade what has not changed since it was graded.

    Returns
    -------
    bool
        Whether everything that was handed in could be graded.

    Raises
    ------
    GradingProblem
        If nobody could get any points here; the message says why.
    """
    own = Class(folder, assignment, config)
    try_solutions(own)
    version = _digest(*_files(CHECKS), own.folder / "source" / assignment)
    before = {} if again else report.load(own.folder, assignment)
    outcomes = {}
    for learner in own.learners():
        outcomes[learner] = _outcome(own, learner, version, before.get(learner))
        report.save(own.folder, assignment, outcomes | _rest(before, outcomes))
        print(report.line(learner, outcomes[learner], own.points()), flush=True)
    report.save(own.folder, assignment, outcomes)
    with own.gradebook() as gradebook:
        for file in report.export(own.folder, assignment, gradebook, outcomes, own.points()):
            print(f"Written: {file}")
    return not any(outcome.problem for outcome in outcomes.values())


def _rest(before: Mapping[str, Outcome], done: Mapping[str, Outcome]) -> dict[str, Outcome]:
    return {learner: outcome for learner, outcome in before.items() if learner not in done}


def try_solutions(own: Class) -> None:
    """Grade the solutions: where they get no points, nobody does.

    Parameters
    ----------
    own : Class

    Raises
    ------
    GradingProblem
        If a solution gets no points; the message says what the check says.
    """
    notebook = nbformat.from_dict(own.source)
    try:
        with _workspace():
            RunExercises(config=own.config).preprocess(notebook, {"metadata": {"path": ""}})
    except Exception as error:
        raise GradingProblem(
            f"No kernel of this environment can run the notebooks: {_last_line(str(error))} "
            "python -m tutorial doctor says more."
        ) from error
    for cell in notebook.cells:
        if cell.metadata.get("nbgrader", {}).get("grade") and (failed := report.error(cell)):
            printed = _printed(notebook.cells[: notebook.cells.index(cell)])
            raise GradingProblem(
                f"In this environment the solution of {cell.metadata.nbgrader.grade_id} gets no "
                f"points, so nobody would: {failed} {printed}"
                "python -m tutorial doctor says what is missing."
            )


def _printed(cells: list[NotebookNode]) -> str:
    """Return what the cells before a check have complained about."""
    for cell in reversed(cells):
        for output in cell.get("outputs", []):
            if output.output_type == "error":
                return f"An earlier cell raised {output.ename}: {_last_line(output.evalue)} "
            if output.output_type == "stream" and "missing" in output.text:
                return f"{_last_line(output.text)} "
    return ""


def _outcome(own: Class, learner: str, version: str, before: Outcome | None) -> Outcome:
    """Grade what a learner has handed in, unless it was graded as it is."""
    try:
        submission = find(own.folder / "submitted" / learner, own.assignment, own.released)
        if submission is None:
            return Outcome()
        digest = f"{_digest_of_cells(submission.notebook.cells)}-{version}"
        if before and before.digest == digest and not before.problem:
            return before
        if set("[]*?") & set(learner):
            raise CannotBeGraded("the folder's name holds one of the characters [ ] * ?")
        with _staged(own, learner, submission), _workspace():
            return Outcome(_exercises(own, learner), digest=digest)
    except CannotBeGraded as problem:
        return Outcome(problem=str(problem))


def _digest_of_cells(cells: list[NotebookNode]) -> str:
    """Return a digest of a submission, without the ids of its cells, which older ones lack."""
    content = [(cell.cell_type, cell.source, grade_id(cell)) for cell in cells]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()


@contextmanager
def _staged(own: Class, learner: str, submission: Submission) -> Iterator[None]:
    """Put a submission where nbgrader reads it, under the right name."""
    stage = own.folder / STAGE
    target = stage / learner / own.assignment
    shutil.rmtree(stage, ignore_errors=True)
    try:
        skip = shutil.ignore_patterns("*.ipynb", ".*")
        shutil.copytree(submission.file.parent, target, ignore=skip, dirs_exist_ok=True)
        nbformat.write(submission.notebook, target / f"{own.assignment}.ipynb")
        yield
    finally:
        shutil.rmtree(stage, ignore_errors=True)


def _exercises(own: Class, learner: str) -> dict[str, Exercise]:
    """Let nbgrader grade a submission, and say how each exercise was solved."""
    config = Config(own.config)
    config.CourseDirectory.submitted_directory = STAGE
    nbgrader = NbGraderAPI(config=config)
    nbgrader.log.setLevel("ERROR")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", sa.exc.SAWarning)  # nbgrader's queries flush too early
        done = nbgrader.autograde(own.assignment, learner)
    graded = own.folder / "autograded" / learner / own.assignment / f"{own.assignment}.ipynb"
    if not done["success"] or not graded.exists():
        raise CannotBeGraded(f"nbgrader failed: {_cause(done)}")
    verdicts: dict[str, Exercise] = {}
    before: list[NotebookNode] = []
    for cell in nbformat.read(graded, as_version=4).cells:
        name = grade_id(cell)
        if name and name in own.points():
            verdicts[name] = report.verdict(cell, before)
            before = []
        else:
            before.append(cell)
    return verdicts


def _cause(done: Mapping[str, Any]) -> str:
    """Return the line of nbgrader's log that names the error."""
    text = f"{done.get('log') or ''}\n{done.get('error') or ''}"
    named = [line for line in text.splitlines() if line[:1].isalpha() and "Error" in line]
    return named[0] if named else _last_line(text)


def _last_line(text: str) -> str:
    line = (text.strip().splitlines() or [""])[-1]
    return line if line.endswith((".", "!", "?")) else f"{line}."


@contextmanager
def _workspace() -> Iterator[None]:
    """Give kernels a workspace of their own, and end what they leave behind."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        own = {HOME_VARIABLE: folder, "IPYTHONDIR": str(Path(folder, "ipython"))}
        before = {name: os.environ.get(name) for name in own}
        os.environ.update(own)
        try:
            yield
        finally:
            for name, value in before.items():
                if value is None:
                    del os.environ[name]
                else:
                    os.environ[name] = value
            _end_processes(folder)


def _end_processes(workspace: str) -> None:
    """Kill what works in a workspace still: a submission may have started anything."""
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.pid != os.getpid() and process.environ().get(HOME_VARIABLE) == workspace:
                process.kill()


def _files(folders: list[Path]) -> list[Path]:
    return [file for folder in folders for file in sorted(folder.glob("*.py"))]


def _digest(*paths: Path) -> str:
    """Return a digest of the contents of files, and of the files in folders."""
    digest = hashlib.sha256()
    for path in paths:
        for file in sorted(path.iterdir()) if path.is_dir() else [path]:
            digest.update(json.dumps(file.name).encode() + file.read_bytes())
    return digest.hexdigest()
