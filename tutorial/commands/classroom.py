"""The exercises for learners and for a class: ``python -m tutorial classroom``.

One source notebook for each chapter, in the form of nbgrader, holds tasks, solutions and tests.
The versions without solutions are made from it, and are never edited by hand.
"""

import re
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode

from tutorial.commands.chapters import EXERCISES
from tutorial.commands.execute import canonical, serialize
from tutorial.commands.progress import exercises
from tutorial.exercises.checking import SOURCES
from tutorial.workspace import COURSE

# What learners get of the course's folder: neither the tests nor what has been put there since.
HANDED_OUT = {
    *(".devcontainer", ".github", ".gitignore", "CHANGELOG.md", "CITATION.cff", "LICENSE"),
    *("README.md", "environment.yml", "notebooks", "postBuild", "pyproject.toml", "tutorial"),
}
CONFIGURATION = EXERCISES / "nbgrader_config.py"
SOLUTION = "### BEGIN SOLUTION"
CHECK = r"exercise_(\d+)\.check\((.*)\)"
# A class's own check, which learners do not see. Their cells may have changed what the course has
# in memory, and how Python imports, so all of it is loaded again by Python's own importers, not
# from their folder, and kept out of their reach.
HIDDEN = """\
exercise_{number}.check({answers})
### BEGIN HIDDEN TESTS
import sys

sys.path[:] = [place for place in sys.path if place]
theirs = {{name: sys.modules.pop(name) for name in [*sys.modules] if name.startswith("tutorial")}}
own, builtins = sys.modules["_frozen_importlib"], sys.modules["builtins"]
importlib = sys.modules["importlib"]
files = sys.modules["_frozen_importlib_external"].PathFinder
kept = builtins.__import__, importlib.import_module, [*sys.meta_path]
builtins.__import__, importlib.import_module = own.__import__, own._gcd_import
sys.meta_path[:] = [own.BuiltinImporter, files]
try:
    verify = own._gcd_import("tutorial.exercises.grading").verifier("{chapter}", {number})
finally:
    builtins.__import__, importlib.import_module, sys.meta_path[:] = kept
    for name in [name for name in sys.modules if name.startswith("tutorial")]:
        del sys.modules[name]
    sys.modules.update(theirs)
verify({answers})
### END HIDDEN TESTS"""


class ClassroomError(Exception):
    """The notebooks for a class cannot be made; the message says why."""


def build(course: Path | None = None) -> None:
    """Make the versions without solutions, and a teacher's course folder for nbgrader.

    Parameters
    ----------
    course : pathlib.Path, optional
        As for `build_course`.

    Raises
    ------
    ClassroomError
        As `build_course` does, or if nbgrader is not installed.
    """
    config = _configuration()
    sources = sorted(SOURCES.glob("*.ipynb"))
    for source in sources:
        marked = mark(nbformat.read(source, as_version=4), source.stem)
        _write(source, marked)
        _write(EXERCISES / source.name, without_solutions(marked, config))
        print(f"{source.stem}: {len(exercises(source.stem))} exercises")
    if course:
        build_course(course, sources)
        print(f"The course of nbgrader is in {course}.")


def _write(path: Path, notebook: NotebookNode) -> None:
    """Store a notebook, unless it is there: a class can be built from a course for reading only."""
    content = serialize(notebook)
    if path.exists() and path.read_bytes() == content:
        return
    try:
        path.write_bytes(content)
    except OSError as error:
        raise ClassroomError(f"{path} cannot be written: {error.strerror}.") from error


def grade(folder: Path, assignment: str, *, again: bool = False) -> bool:
    """Grade an assignment of a class, and write the marks.

    Parameters
    ----------
    folder : pathlib.Path
        The class, as `build` makes it.
    assignment : str
        Such as ``"03-add"``.
    again : bool
        Also grade what has not changed since it was graded.

    Returns
    -------
    bool
        Whether everything that was handed in could be graded.

    Raises
    ------
    ClassroomError
        If nothing can be graded here.
    """
    config = _configuration(folder / CONFIGURATION.name)
    from tutorial.commands.grading import grade as grading

    try:
        return grading.grade(folder, assignment, config, again=again)
    except grading.GradingProblem as problem:
        raise ClassroomError(str(problem)) from problem


def handout(folder: Path) -> None:
    """Write a copy of the course without solutions, answers and history, for a class.

    Parameters
    ----------
    folder : pathlib.Path
        A folder that does not exist or is empty, outside the course; or one that holds an older
        copy. Notebooks that are there stay as they are, and everything else is renewed.

    Raises
    ------
    ClassroomError
        If the folder holds other files or lies in the course, or cannot be written to.
    """
    folder = folder.expanduser().resolve()
    if folder.is_relative_to(COURSE):
        raise ClassroomError(f"{folder} is inside the course: name a folder elsewhere.")
    try:
        if folder.exists() and any(folder.iterdir()) and not _is_handout(folder):
            raise ClassroomError(f"{folder} is not empty: name a new folder.")
        shutil.copytree(
            COURSE, folder, ignore=_not_handed_out, copy_function=_renew, dirs_exist_ok=True
        )
    except OSError as error:
        raise ClassroomError(f"{folder} cannot be written to: {error.strerror}.") from error
    print(f"The course without solutions is in {folder}.")


def _is_handout(folder: Path) -> bool:
    """Tell an older copy for learners from any other folder."""
    classroom = folder / Path(__file__).resolve().relative_to(COURSE)
    return classroom.is_file() and not (folder / SOURCES.relative_to(COURSE)).exists()


def _renew(source: str, target: str) -> None:
    """Copy a file, unless it is a notebook that a learner may have worked in."""
    if not (target.endswith(".ipynb") and Path(target).exists()):
        shutil.copy2(source, target)


def _not_handed_out(folder: str, names: list[str]) -> set[str]:
    """Return what stays with the teacher: solutions, what programs have made, a class's files."""
    place = Path(folder)
    made = {"__pycache__", ".ipynb_checkpoints"}
    return {
        name
        for name in names
        if (place == COURSE and name not in HANDED_OUT) or place / name == SOURCES or name in made
    }


def mark(notebook: NotebookNode, name: str) -> NotebookNode:
    """Say in the notebook what its cells are to nbgrader, and add the hidden tests.

    Parameters
    ----------
    notebook : nbformat.NotebookNode
        A source: the cell with an exercise's solution stands before the cell with its check.
    name : str
        The notebook's name, such as ``"03-add"``.

    Returns
    -------
    nbformat.NotebookNode
        A copy in the course's canonical form.
    """
    marked = canonical(notebook, name)
    own = {exercise.function.__name__: exercise for exercise in exercises(name)}
    answer_cell = None
    for cell in marked.cells:
        cell.metadata.pop("nbgrader", None)
        if SOLUTION in cell.source:
            answer_cell = cell
        elif answer_cell and (found := re.match(CHECK, cell.source)):
            number, answers = found.groups()
            exercise = own[f"exercise_{number}"]
            chapter = exercise.name.partition("-")[0]
            cell.source = HIDDEN.format(number=number, answers=answers, chapter=chapter)
            cell.metadata.nbgrader = _facts(f"{exercise.name}-check", points=exercise.points)
            answer_cell.metadata.nbgrader = _facts(f"{exercise.name}-answer")
            answer_cell = None
    return marked


def _facts(grade_id: str, points: int | None = None) -> dict[str, Any]:
    """Return nbgrader's metadata of an answer, or of a check, which has points."""
    is_check = points is not None
    return {
        "grade_id": grade_id,
        "grade": is_check,
        "locked": is_check,
        "solution": not is_check,
        "task": False,
        "schema_version": 3,
    } | ({"points": points} if is_check else {})


def without_solutions(source: NotebookNode, config: Any) -> NotebookNode:
    """Return what a learner gets: as nbgrader releases it, from the same settings.

    Parameters
    ----------
    source : nbformat.NotebookNode
        A marked source; it stays as it is.
    config : traitlets.config.Config
        The settings of nbgrader.

    Returns
    -------
    nbformat.NotebookNode
    """
    from nbgrader import preprocessors as steps

    notebook = nbformat.from_dict(source)
    resources: dict[str, Any] = {}
    # The steps of nbgrader.converters.GenerateAssignment that need no gradebook.
    for step in [
        *(steps.LockCells, steps.ClearSolutions, steps.ClearOutput),
        *(steps.ClearHiddenTests, steps.ComputeChecksums, steps.CheckCellMetadata),
    ]:
        notebook, resources = step(config=config).preprocess(notebook, resources)
    return notebook


def _configuration(file: Path = CONFIGURATION) -> Any:
    try:
        import nbgrader  # noqa: F401
    except ModuleNotFoundError:
        raise ClassroomError(
            'nbgrader is not installed: python -m pip install "nbgrader==0.9.*"'
        ) from None
    from traitlets.config.loader import PyFileConfigLoader

    try:
        return PyFileConfigLoader(file.name, path=str(file.parent.resolve())).load_config()
    except Exception as error:  # a teacher may have changed the file in any way
        raise ClassroomError(
            f"The settings in {file} cannot be read ({type(error).__name__}: {error}): run "
            f"python -m tutorial classroom build {file.parent}"
        ) from error


def build_course(course: Path, sources: Sequence[Path]) -> None:
    """Make a teacher's course folder for nbgrader.

    Parameters
    ----------
    course : pathlib.Path
        A folder that does not exist, is empty or is a course that was built before. It gets
        nbgrader's configuration, ``source``, ``release`` and the gradebook. Submissions and marks
        in it stay.
    sources : sequence of pathlib.Path
        The notebooks with solutions; each becomes an assignment of its name.

    Raises
    ------
    ClassroomError
        If the folder is something else, or if nbgrader refuses a notebook.
    """
    from nbgrader.apps import NbGraderAPI

    course = course.resolve()
    if course.exists() and any(course.iterdir()) and not (course / CONFIGURATION.name).exists():
        raise ClassroomError(f"{course} holds other files: name a new folder.")
    # The solutions, all submissions and the marks are in it.
    course.mkdir(mode=0o700, parents=True, exist_ok=True)
    shutil.copy(CONFIGURATION, course)
    config = _configuration()
    config.CourseDirectory.root = str(course)
    nbgrader = NbGraderAPI(config=config)
    nbgrader.log.setLevel("ERROR")
    for source in sources:
        folder = course / "source" / source.stem
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, folder)
        done = nbgrader.generate_assignment(source.stem)
        if not done["success"]:
            raise ClassroomError(f"nbgrader cannot make {source.stem}: {done['log']}")
