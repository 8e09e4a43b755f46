"""The versions for learners, the folder of a class, and the hidden tests."""

import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from exercise_runs import REGION
from nbformat import NotebookNode
from processes import PATIENCE, environment, few

from tutorial.__main__ import main
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
        assert (tmp_path / name).stat().st_mode & 0o777 == 0o700  # the solutions are in it
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
    assert names == classroom.HANDED_OUT & {path.name for path in COURSE.iterdir()}
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


def test_what_a_teacher_keeps_beside_the_course_is_not_handed_out() -> None:
    kept = ["tests", ".git", ".venv", ".hypothesis", "workspaces", "site", "slides", "marks.csv"]
    names = [*kept, "notebooks", "README.md"]
    assert classroom._not_handed_out(str(COURSE), names) == set(kept)


def test_a_handout_overwrites_nothing(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").touch()
    with pytest.raises(ClassroomError, match="not empty"):
        classroom.handout(tmp_path)
    with pytest.raises(ClassroomError, match="is inside the course"):
        classroom.handout(COURSE / "handout")
    assert not (COURSE / "handout").exists()


def test_an_update_of_a_handout_keeps_all_work(tmp_path: Path) -> None:
    for name in ("notebooks", "tutorial/commands"):
        (tmp_path / name).mkdir(parents=True)
    work = tmp_path / "notebooks" / "01-engine.ipynb"
    old = tmp_path / "tutorial" / "commands" / "classroom.py"
    mine = tmp_path / "workspaces" / "mine"
    mine.parent.mkdir()
    for path in (work, old, mine):
        path.write_text("older")
    classroom.handout(tmp_path)
    assert work.read_text() == mine.read_text() == "older"
    assert old.read_bytes() == Path(classroom.__file__).read_bytes()
    added = tmp_path / "notebooks" / "00-start-here.ipynb"
    assert added.read_bytes() == (COURSE / "notebooks" / added.name).read_bytes()


def test_without_nbgrader_the_message_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "nbgrader", None)
    assert main(["classroom", "build"]) == 1
    assert capsys.readouterr().err.startswith("nbgrader is not installed: python -m pip install")


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
    "how Python imports": (
        "import builtins, types\n"
        "before = builtins.__import__\n"
        "fake = types.ModuleType('tutorial.exercises.grading')\n"
        "fake.verifier = lambda *_: accept\n"
        "def find(name, *rest):\n"
        "    return fake if name.endswith('grading') else before(name, *rest)\n"
        "builtins.__import__ = find"
    ),
    "where Python finds modules": (
        "import sys, importlib.util\n"
        "class Finder:\n"
        "    find_spec = lambda name, *_: name.endswith('grading') and "
        "importlib.util.spec_from_loader(name, Finder)\n"
        "    create_module = lambda spec: None\n"
        "    exec_module = lambda module: setattr(module, 'verifier', lambda *_: accept)\n"
        "sys.meta_path.insert(0, Finder)"
    ),
    "the importing of modules": (
        "import importlib, types\n"
        "exercise = types.SimpleNamespace(verify=accept)\n"
        "importlib.import_module = lambda name: types.SimpleNamespace(exercise_4=exercise)"
    ),
    "the importing of modules, by a learner whose app is in use": (
        "import importlib, types\n"
        "from tutorial.tasks import add\n"
        "add.name\n"
        "exercise = types.SimpleNamespace(verify=accept)\n"
        "importlib.import_module = lambda *_, **__: types.SimpleNamespace(exercise_4=exercise)"
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


@pytest.mark.slow
@pytest.mark.parametrize(
    ("folder", "options", "says"),
    [
        (SOURCES, [], "Success! Your notebook passes all the tests."),
        (EXERCISES, ["--invert"], "Success! The notebook does not pass any tests."),
    ],
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
