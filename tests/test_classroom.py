"""The versions for learners, and a class of five that nbgrader grades from end to end."""

import csv
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import nbformat
import pytest
from exercise_runs import REGION, with_answer
from nbformat import NotebookNode
from processes import PATIENCE, environment, few, survivors

from tutorial.commands import classroom
from tutorial.commands.chapters import EXERCISES
from tutorial.commands.classroom import ClassroomError, build_course, mark
from tutorial.commands.execute import serialize
from tutorial.exercises.checking import SOURCES
from tutorial.workspace import COURSE

CHAPTERS = sorted(path.stem for path in SOURCES.glob("*.ipynb"))
ASSIGNMENT = "03-add"  # whose exercises have 1, 2, 2 and 3 points


def read(path: Path) -> NotebookNode:
    return nbformat.read(path, as_version=4)


def files(folder: Path) -> dict[str, bytes]:
    """Return the contents of a course folder, without the gradebook, which holds times."""
    paths = [path for path in folder.rglob("*") if path.is_file() and path.suffix != ".db"]
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


# The builds


@pytest.fixture(scope="module")
def course(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a teacher's course folder, with one of the assignments."""
    folder = tmp_path_factory.mktemp("a class") / "course"
    build_course(folder, [SOURCES / f"{ASSIGNMENT}.ipynb"])
    return folder


def test_the_stored_versions_are_those_that_the_sources_make() -> None:
    config = classroom._configuration()
    for chapter in CHAPTERS:
        source = read(SOURCES / f"{chapter}.ipynb")
        marked = mark(source, chapter)
        assert serialize(marked) == (SOURCES / f"{chapter}.ipynb").read_bytes()
        learners = classroom.without_solutions(marked, config)
        assert serialize(learners) == (EXERCISES / f"{chapter}.ipynb").read_bytes()


def test_nbgrader_releases_what_learners_get_alone(course: Path) -> None:
    released = course / "release" / ASSIGNMENT / f"{ASSIGNMENT}.ipynb"
    assert released.read_bytes() == (EXERCISES / f"{ASSIGNMENT}.ipynb").read_bytes()


def test_another_build_is_the_same(course: Path) -> None:
    first = files(course)
    build_course(course, [SOURCES / f"{ASSIGNMENT}.ipynb"])
    assert files(course) == first


@pytest.mark.slow
def test_two_builds_of_all_assignments_are_the_same(tmp_path: Path) -> None:
    before = files(EXERCISES)
    for name in ("one", "two"):
        classroom.build(tmp_path / name)
    assert files(EXERCISES) == before
    assert files(tmp_path / "one") == files(tmp_path / "two")
    for chapter in CHAPTERS:
        released = tmp_path / "one" / "release" / chapter / f"{chapter}.ipynb"
        assert released.read_bytes() == (EXERCISES / f"{chapter}.ipynb").read_bytes()


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_what_learners_get_has_no_solution_and_no_hidden_test(chapter: str) -> None:
    text = (EXERCISES / f"{chapter}.ipynb").read_text(encoding="utf-8")
    for word in ("SOLUTION", "HIDDEN", "verifier"):
        assert word not in text
    source = read(SOURCES / f"{chapter}.ipynb")
    regions = [REGION.search(cell.source) for cell in source.cells]
    lines = [line.strip() for region in regions if region for line in region[0].splitlines()]
    given = "\n".join(cell.source for cell in read(EXERCISES / f"{chapter}.ipynb").cells)
    assert [line for line in lines if len(line) > 25 and line in given] == []


def test_a_folder_with_other_files_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").touch()
    with pytest.raises(ClassroomError, match="holds other files"):
        build_course(tmp_path, [])
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_what_is_handed_out_runs_and_holds_no_solution(tmp_path: Path) -> None:
    classroom.handout(tmp_path / "for learners")
    copy = tmp_path / "for learners"
    names = {path.name for path in copy.iterdir()}
    assert {"README.md", "notebooks", "tutorial", "pyproject.toml"} <= names
    assert not names & {".git", ".venv", "tests", "workspaces"}
    assert not (copy / "notebooks" / "exercises" / "source").exists()
    for path in copy.rglob("*.ipynb"):
        assert "BEGIN SOLUTION" not in path.read_text(encoding="utf-8")
    ask = "from tutorial.exercises.add import exercise_1; exercise_1.solution()"
    done = subprocess.run(
        [sys.executable, "-c", ask],
        cwd=copy,
        env=environment(tmp_path / "home", PYTHONPATH=str(copy)),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert done.stdout == "The solutions are not in this copy of the course.\n", done.stderr


def test_a_handout_overwrites_nothing(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").touch()
    with pytest.raises(ClassroomError, match="not empty"):
        classroom.handout(tmp_path)
    with pytest.raises(ClassroomError, match="lies in the course"):
        classroom.handout(COURSE / "handout")
    assert not (COURSE / "handout").exists()


def test_without_nbgrader_the_message_says_what_to_install() -> None:
    hide = "import sys; sys.modules['nbgrader'] = None; from tutorial.__main__ import main; "
    code = hide + "sys.exit(main(['classroom', 'build']))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=COURSE, capture_output=True, text=True, timeout=PATIENCE
    )
    assert done.returncode == 1
    assert done.stderr.startswith("nbgrader is not installed: python -m pip install")


# The hidden tests

# What a learner's cell may do to the course, so that the check of exercise 4 accepts all answers.
PATCHES = {
    "the modules, by the function under test": (
        "def where_is(*_):\n    import tutorial.exercises.add as module\n    module.expect = accept"
    ),
    "the check": "from tutorial.exercises.checking import Exercise\nExercise.verify = accept",
    "the exercise": "exercise_4.function = accept",
    "what a check calls": (
        "from tutorial.exercises import add as module\nmodule.expect = module.case = accept"
    ),
    "the list of cases": "from tutorial.exercises import add\nadd._tasks = lambda databases: {}",
    "the exception": (
        "from tutorial.exercises import add, checking\n"
        "add.WrongAnswer = checking.WrongAnswer = lambda *_: KeyboardInterrupt()"
    ),
    "what the course reads": (
        "import tutorial.results, tutorial.messages\n"
        "tutorial.results.load_results = tutorial.messages.load_messages = accept"
    ),
    "the grading": (
        "import tutorial.exercises.grading\ntutorial.exercises.grading.verifier = lambda *_: accept"
    ),
    "a module in its place": (
        "import sys, types\n"
        "fake = types.ModuleType('tutorial.exercises.grading')\n"
        "fake.verifier = lambda *_: accept\n"
        "sys.modules['tutorial.exercises.grading'] = fake"
    ),
    "a module beside the notebook": (
        "from pathlib import Path\n"
        "Path('tutorial/exercises').mkdir(parents=True)\n"
        "Path('tutorial/__init__.py').touch()\n"
        "Path('tutorial/exercises/__init__.py').touch()\n"
        "Path('tutorial/exercises/grading.py').write_text('verifier = lambda *_: print')"
    ),
}
RUN = """
import sys
sys.path[0] = ""  # as in a notebook
setup, answer, check = {cells!r}
names = {{"accept": lambda *_, **__: "right", "exercise_4": None}}
exec(setup, names)
exec(answer, names)
try:
    exec(check.partition("### BEGIN")[0], names)
except BaseException as error:
    print("visible:", type(error).__name__)
try:
    exec("### BEGIN" + check.partition("### BEGIN")[2], names)
except BaseException as error:
    print("hidden:", type(error).__name__)
else:
    print("hidden: accepted")
print("restored:", sys.modules["tutorial"] is names["tutorial_before"])
"""


def run_check(answer: str, folder: Path) -> str:
    """Run the check of exercise 4, as it is graded, after a learner's cell."""
    check = next(
        cell.source
        for cell in read(SOURCES / f"{ASSIGNMENT}.ipynb").cells
        if cell.source.startswith("exercise_4.check")
    )
    setup = (
        "import sys\nfrom tutorial.exercises.add import exercise_4\n"
        "tutorial_before = sys.modules['tutorial']"
    )
    done = subprocess.run(
        [sys.executable, "-c", RUN.format(cells=(setup, answer, check))],
        cwd=folder,
        env=environment(folder / "home", PYTHONPATH=str(COURSE)),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("patch", few(*PATCHES))
def test_a_change_of_the_course_in_memory_gives_no_marks(patch: str, tmp_path: Path) -> None:
    said = run_check(f"where_is = lambda *_: 'no idea'\n{PATCHES[patch]}", tmp_path)
    assert "hidden: WrongAnswer" in said
    assert "restored: True" in said


def test_the_solution_passes_the_hidden_test(tmp_path: Path) -> None:
    solution = next(
        cell.source
        for cell in read(SOURCES / f"{ASSIGNMENT}.ipynb").cells
        if cell.source.startswith("def where_is")
    )
    imports = (
        "import sqlalchemy as sa\n"
        "from tutorial.messages import load_messages\n"
        "from tutorial.results import load_results\n"
    )
    said = run_check(imports + solution, tmp_path)
    assert "visible" not in said
    assert "hidden: accepted" in said


# A class

Change = Callable[[NotebookNode], None]


def answering(*answers: str | None) -> Change:
    """Return a change that puts an answer into the place of each solution; None is the solution."""

    def change(notebook: NotebookNode) -> None:
        source = read(SOURCES / f"{ASSIGNMENT}.ipynb").cells
        cells = [
            (cell, original)
            for cell, original in zip(notebook.cells, source, strict=True)
            if REGION.search(original.source)
        ]
        for (cell, original), answer in zip(cells, answers, strict=True):
            solved = original.source if answer is None else with_answer(original.source, answer)
            cell.source = solved

    return change


def tampered(notebook: NotebookNode) -> None:
    """Change the checks in all ways that a notebook offers."""
    checks = [cell for cell in notebook.cells if cell.source.startswith("exercise_")]
    notebook.cells[1].source += (
        "\nfrom tutorial.exercises.checking import Exercise\n"
        "Exercise.check = Exercise.verify = lambda self, *answers: 'right'\n"
        "exercise_4.function = lambda *answers: 'right'\n"
        "answer = worker = query = 42"
    )
    checks[0].source = "pass"
    checks[1].metadata.nbgrader.points = 100
    checks[2].metadata.nbgrader.locked = False
    notebook.cells.remove(checks[3])


def copied(notebook: NotebookNode) -> None:
    """Copy answers and checks with their metadata, as JupyterLab does, and split an answer."""
    answering(None, None, None, None)(notebook)
    for cell in [cell for cell in notebook.cells if "nbgrader" in cell.metadata][:4]:
        position = notebook.cells.index(cell)
        notebook.cells.insert(position, nbformat.from_dict({**cell, "id": f"copy-{position}"}))
    first = next(cell for cell in notebook.cells if cell.source.startswith("answer = "))
    half = nbformat.from_dict({**first, "id": "half", "source": "# my notes"})
    notebook.cells.insert(notebook.cells.index(first), half)


CLASS: dict[str, tuple[Change, list[float]]] = {
    "right": (answering(None, None, None, None), [1, 2, 2, 3]),
    "wrong": (
        answering(
            "answer = add.delay(20, 20)",
            "worker = Worker(concurrency=2)",
            "query = 'SELECT 42'",
            "return 'done'",
        ),
        [0, 0, 0, 0],
    ),
    "empty": (lambda notebook: None, [0, 0, 0, 0]),
    # Exercise 2 kills the worker and drops the table, and 3 loops for ever.
    "crashing": (
        answering(
            None,
            "from tutorial.database import make_engine\n\n"
            "worker = Worker(concurrency=1).start()\n"
            "answer.get(timeout=300, interval=0.01)\n"
            "worker.kill()\n"
            "with make_engine().begin() as connection:\n"
            '    connection.execute(sa.text("DROP TABLE celery_taskmeta"))\n'
            "raise SystemExit",
            "while True:\n    pass",
            None,
        ),
        [1, 0, 0, 3],
    ),
    "tampered": (tampered, [0, 0, 0, 0]),
    "copied": (copied, [1, 2, 2, 3]),
}
GRADE = """
import json, sys
from nbgrader.api import Gradebook
from nbgrader.apps import NbGraderAPI
from traitlets.config.loader import PyFileConfigLoader

config = PyFileConfigLoader("nbgrader_config.py").load_config()
config.CourseDirectory.root = "."
config.Execute.timeout = 60  # for each cell; one of the crashing student never ends
api = NbGraderAPI(config=config)
for student in sys.argv[1:]:
    done = api.autograde("03-add", student)
    assert done["success"], done["log"]
    done = api.generate_feedback("03-add", student)
    assert done["success"], done["log"]
with Gradebook("sqlite:///gradebook.db") as gradebook:
    marks = {
        student: {
            grade.cell.name: grade.score
            for grade in gradebook.find_submission_notebook("03-add", "03-add", student).grades
        }
        for student in sys.argv[1:]
    }
print(json.dumps(marks))
"""


@pytest.mark.parametrize("students", few(["right", "wrong"], [*CLASS]), ids=len)
def test_a_class_gets_the_expected_marks(students: list[str], course: Path, tmp_path: Path) -> None:
    for student in students:
        change, _ = CLASS[student]
        notebook = read(course / "release" / ASSIGNMENT / f"{ASSIGNMENT}.ipynb")
        change(notebook)
        folder = course / "submitted" / student / ASSIGNMENT
        folder.mkdir(parents=True, exist_ok=True)
        nbformat.write(notebook, folder / f"{ASSIGNMENT}.ipynb")
    home = tmp_path / "home"
    done = subprocess.run(
        [sys.executable, "-c", GRADE, *students],
        cwd=course,
        env=environment(home, PYTHONPATH=str(COURSE)),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    export = [sys.executable, "-m", "nbgrader", "export"]
    subprocess.run(export, cwd=course, env=environment(home), check=True, timeout=PATIENCE)
    marks = json.loads(done.stdout.splitlines()[-1])
    found = {
        student: [of[f"add-{number}-check"] for number in range(1, 5)]
        for student, of in marks.items()
    }
    assert found == {student: CLASS[student][1] for student in students}
    with (course / "grades.csv").open(encoding="utf-8", newline="") as lines:
        rows = [row for row in csv.DictReader(lines) if row["student_id"] in students]
    exported = {row["student_id"]: (float(row["score"]), float(row["max_score"])) for row in rows}
    assert exported == {student: (sum(CLASS[student][1]), 8) for student in students}
    assert survivors(home) == []
    feedback = course / "feedback" / "wrong" / ASSIGNMENT / f"{ASSIGNMENT}.html"
    assert "arguments [20, 20]" in feedback.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("folder", "options", "says"),
    few(
        (SOURCES, [], "Success! Your notebook passes all the tests."),
        (EXERCISES, ["--invert"], "Success! The notebook does not pass any tests."),
    ),
)
def test_the_solved_one_is_valid_and_that_of_learners_is_not(
    folder: Path, options: list[str], says: str, tmp_path: Path
) -> None:
    command = [sys.executable, "-m", "nbgrader", "validate", *options]
    done = subprocess.run(
        [*command, str(folder / "01-engine.ipynb")],
        cwd=tmp_path,
        env=environment(tmp_path / "home", PYTHONPATH=str(COURSE)),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert says in done.stdout, done.stdout + done.stderr
