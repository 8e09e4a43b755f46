"""A class is graded: each submission gets what it deserves, or a sentence that names the cause."""

import csv
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterable
from pathlib import Path

import nbformat
import pytest
import zmq
from jupyter_client.channels import HBChannel
from processes import PATIENCE, environment
from submissions import ADD, CASES, ENGINE, KILL, REPRESENTATIVES, ZOE, Case, hand_in, read, solved

from tutorial.__main__ import main
from tutorial.commands import classroom
from tutorial.commands.classroom import ClassroomError, build_course
from tutorial.exercises.checking import SOURCES
from tutorial.workspace import COURSE

GRADE = [sys.executable, "-m", "tutorial", "classroom", "grade"]


def built(folder: Path, assignments: Iterable[str]) -> Path:
    build_course(folder, [SOURCES / f"{assignment}.ipynb" for assignment in assignments])
    return folder


@pytest.fixture(scope="module")
def course(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a teacher's folder for a class, with one of the assignments."""
    return built(tmp_path_factory.mktemp("a class") / "course", [ENGINE])


def grade(
    course: Path, assignment: str, *options: str, **variables: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*GRADE, str(course), assignment, *options],
        cwd=COURSE,
        # The command finds what it needs without the environment's folder in PATH.
        env=environment(course / "home", **{"PATH": os.defpath} | variables),
        capture_output=True,
        text=True,
        timeout=12 * PATIENCE,
    )


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let kernels that this process starts have what `grade` gives to a process of its own."""
    own = environment(tmp_path)
    for name in os.environ.keys() - own.keys():
        monkeypatch.delenv(name)
    for name, value in own.items():
        monkeypatch.setenv(name, value)


def rows(course: Path, assignment: str, kind: str = "") -> list[dict[str, str]]:
    with (course / "marks" / f"{assignment}{kind}.csv").open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


def given(course: Path, assignment: str) -> dict[str, list[float] | str]:
    """Return each learner's points as a class gets them; or a sentence."""
    found: dict[str, list] = {}
    for row in rows(course, assignment):
        found.setdefault(row["learner"], []).append(row)
    return {
        learner: [float(row["points"]) for row in of]
        if of[0]["points"]
        else f"{of[0]['state']}: {of[0]['message']}"
        for learner, of in found.items()
    }


def complaints(course: Path, cases: dict[str, Case]) -> list[str]:
    """Hand in, grade all assignments, and return what the marks should not be."""
    found = []
    for learner, case in cases.items():
        hand_in(case, course / "submitted" / learner)
    for assignment in sorted({case.assignment for case in cases.values()}):
        done = grade(course, assignment)
        if done.stderr:  # no warnings
            found.append(f"{assignment}: {done.stderr}")
        marks = given(course, assignment)
        for learner, case in cases.items():
            own = case.deserves if case.assignment == assignment else "not handed in"
            got = marks.get(learner, "no row")
            if got != own and not (isinstance(own, str) and own in str(got)):
                found.append(f"{assignment}, {learner}: {own} deserved, {got} given")
    return found


# Marks


@pytest.fixture(scope="module")
def wrongly_graded(course: Path) -> list[str]:
    """Grade a class in which each of the five words is needed; return what is not as deserved."""
    return complaints(course, {name: CASES[name] for name in REPRESENTATIVES})


def test_each_submission_gets_what_it_deserves(course: Path, wrongly_graded: list[str]) -> None:
    assert wrongly_graded == []
    assert not (course / "being_graded").exists()
    line = f'"{ZOE}": {{'
    assert line in (course / "marks" / f"{ENGINE}.json").read_text(encoding="utf-8")


def test_the_report_tells_five_words_apart(course: Path, wrongly_graded: list[str]) -> None:
    states = {(row["learner"], row["exercise"]): row["state"] for row in rows(course, ENGINE)}
    assert [states[ZOE, number] for number in "123"] == ["right", "wrong", "not attempted"]
    assert states["nothing", "1"] == "not handed in"
    assert states["another-chapter", "1"] == "could not be graded"


@pytest.mark.parametrize("name", ["01-2-answer", None])
def test_an_answer_that_ends_its_kernel_is_wrong_also_if_it_was_retyped(name: str | None) -> None:
    from tutorial.commands.grading import report  # nbgrader takes long, in each of the processes
    from tutorial.commands.grading.running import _error

    given = {"nbgrader": {"grade_id": name}} if name else {}
    own = nbformat.v4.new_code_cell(KILL, metadata=given)
    check = nbformat.v4.new_code_cell("exercise_2.check(total)")
    check.outputs = [_error("NotAttempted" if name else "NameError", "no total")]
    before = [nbformat.v4.new_markdown_cell("Mine"), own]
    assert report.verdict(check, before).verdict == report.NOT_ATTEMPTED
    own.outputs = [_error("KernelDied", "This cell has ended the kernel.")]
    found = report.verdict(check, before)
    assert found.verdict == report.WRONG
    assert found.message.endswith("has failed: KernelDied: This cell has ended the kernel.")


def test_only_what_has_changed_is_graded_again(
    course: Path,
    wrongly_graded: list[str],
    here: None,
    capsys: pytest.CaptureFixture[str],
) -> None:
    graded = {path: path.stat().st_mtime_ns for path in course.glob("autograded/*/*/*.ipynb")}
    hand_in(Case(ENGINE, [1, 2, 3]), course / "submitted" / "half-a-file")
    classroom.grade(course, ENGINE)
    assert "half-a-file: 6 of 6\n" in capsys.readouterr().out
    again = {path: path.stat().st_mtime_ns for path in course.glob("autograded/*/*/*.ipynb")}
    changed = {path.parts[-3] for path in again if again[path] != graded.get(path)}
    assert changed == {"half-a-file"}

    moodle = {row["Username"]: row[ENGINE] for row in rows(course, ENGINE, "-moodle")}
    expected = {ZOE: "1", "half-a-file": "6", "another-chapter": "", "nothing": ""}
    assert moodle == expected
    canvas = rows(course, ENGINE, "-canvas")
    assert [*canvas[0]] == ["Student", "ID", "SIS User ID", "SIS Login ID", "Section", ENGINE]
    assert canvas[0]["Student"] == "    Points Possible"
    assert canvas[0][ENGINE] == "6"
    assert {row["SIS Login ID"]: row[ENGINE] for row in canvas[1:]} == moodle


@pytest.mark.slow
@pytest.mark.timeout(4 * 3600)
def test_all_submissions_get_what_they_deserve(tmp_path: Path) -> None:
    assert len(CASES) >= 40
    assignments = {case.assignment for case in CASES.values()}
    assert len(assignments) == 5
    course = built(tmp_path / "course", sorted(assignments))
    assert complaints(course, CASES) == []
    feedback = [sys.executable, "-m", "nbgrader", "generate_feedback", ENGINE]
    variables = {"PYTHONPATH": str(COURSE)}
    subprocess.run(feedback, cwd=course, env=environment(tmp_path, **variables), check=True)
    pages = [path.stat().st_size for path in course.glob("feedback/*/*/*.html")]
    assert len(pages) > 10
    assert max(pages) < 2_000_000


# Kernels


def test_the_heartbeat_of_a_kernel_ends_before_its_context(
    here: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise the context waits for ever for a socket that the heartbeat has just opened."""
    from tutorial.commands.grading.running import RunExercises

    alive = []

    def destroy(context: zmq.Context, linger: int | None = None) -> None:
        alive.append([t for t in threading.enumerate() if isinstance(t, HBChannel)])
        destroyed(context, linger)

    destroyed = zmq.Context.destroy
    monkeypatch.setattr(zmq.Context, "destroy", destroy)
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("5")])
    RunExercises().preprocess(notebook, {"metadata": {"path": ""}})
    assert notebook.cells[0].outputs[0].data == {"text/plain": "5"}
    assert alive
    assert not any(alive)


# Refusals


def refusal(course: Path, assignment: str) -> str:
    with pytest.raises(ClassroomError) as refused:
        classroom.grade(course, assignment)
    return str(refused.value)


def test_an_environment_in_which_nobody_gets_points_is_refused(
    course: Path,
    tmp_path: Path,
    here: None,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "sitecustomize.py").write_text(
        "import sys\nif 'ipykernel_launcher' in ' '.join(sys.orig_argv):\n"
        "    sys.modules['sqlalchemy'] = None\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    says = refusal(course, ENGINE)
    assert capsys.readouterr().out == ""
    assert "the solution of engine-1-check gets no points, so nobody would" in says
    assert "import of sqlalchemy halted" in says


def test_a_class_from_another_version_is_refused(course: Path) -> None:
    source = course / "source" / ENGINE / f"{ENGINE}.ipynb"
    content = source.read_bytes()
    source.write_bytes(content.replace(b"exercise_1", b"exercise_one"))
    try:
        says = refusal(course, ENGINE)
    finally:
        source.write_bytes(content)
    assert "was built from another version of 01-engine: run" in says


def test_an_assignment_that_is_not_there_is_refused(
    course: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "is not a class with 03-add: run" in refusal(course, ADD)
    assert main(["classroom", "grade", str(course), "99-none"]) == 1
    assert capsys.readouterr() == ("", "There is no assignment '99-none': name one as 03-add.\n")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write all")
def test_a_class_that_this_account_cannot_write_is_refused(course: Path) -> None:
    gradebook = course / "gradebook.db"
    gradebook.chmod(0o400)
    try:
        says = refusal(course, ENGINE)
    finally:
        gradebook.chmod(0o600)
    assert f"This account, which grades, cannot write to {gradebook}." in says


# An update of the course in mid-term


@pytest.mark.slow
def test_an_update_in_mid_term_is_graded_again(tmp_path: Path) -> None:
    """The points of an exercise change, and a new check is in force for what is handed in."""
    course = built(tmp_path / "course", [ENGINE])
    hand_in(Case(ENGINE, [1, 2, 3]), course / "submitted" / "ada")
    assert "ada: 6 of 6" in grade(course, ENGINE).stdout
    copy = tmp_path / "updated"
    shutil_copy(COURSE, copy)
    module = copy / "tutorial" / "exercises" / "engine.py"
    module.write_text(module.read_text().replace("points=3", "points=2", 1))
    command = [sys.executable, "-m", "tutorial", "classroom"]
    variables = environment(tmp_path / "home", PYTHONPATH=str(copy))
    subprocess.run([*command, "build", str(course)], cwd=copy, env=variables, check=True)
    done = subprocess.run(
        [*command, "grade", str(course), ENGINE],
        cwd=copy,
        env=variables,
        capture_output=True,
        text=True,
    )
    assert "ada: 5 of 5" in done.stdout, done.stderr


def shutil_copy(source: Path, target: Path) -> None:
    import shutil

    skip = shutil.ignore_patterns(".*", "workspaces", "__pycache__", "tests")
    shutil.copytree(source, target, ignore=skip)


# The sentence for each file is made without a kernel, so it is quick to try more of them.


@pytest.mark.parametrize("assignment", [ENGINE])
def test_solved_notebooks_are_solved(assignment: str) -> None:
    text = nbformat.writes(solved(assignment))
    assert "SOLUTION" not in text
    assert json.loads(text)["cells"]
    assert len(solved(assignment).cells) == len(read(SOURCES / f"{assignment}.ipynb").cells)
