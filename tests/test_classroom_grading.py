"""A class is graded: each submission gets what it deserves, or a sentence that names the cause."""

import csv
import json
import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import nbformat
import pytest
from processes import PATIENCE, environment
from submissions import ADD, CASES, ENGINE, REPRESENTATIVES, Case, hand_in, read, solved

from tutorial.commands.classroom import build_course
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


def test_each_submission_gets_what_it_deserves(course: Path) -> None:
    assert complaints(course, {name: CASES[name] for name in REPRESENTATIVES}) == []
    assert not (course / "being_graded").exists()
    line = '"half": {'
    assert line in (course / "marks" / f"{ENGINE}.json").read_text(encoding="utf-8")

    # What has not changed is not graded again; a second submission is.
    graded = {path: path.stat().st_mtime_ns for path in course.glob("autograded/*/*/*.ipynb")}
    hand_in(Case(ENGINE, [1, 2, 3]), course / "submitted" / "half-a-file")
    hand_in(Case(ENGINE, [1, 2, 3]), course / "submitted" / "half")
    done = grade(course, ENGINE)
    assert "half: 6 of 6\nhalf-a-file: 6 of 6\n" in done.stdout, done
    again = {path: path.stat().st_mtime_ns for path in course.glob("autograded/*/*/*.ipynb")}
    changed = {path.parts[-3] for path in again if again[path] != graded.get(path)}
    assert changed == {"half", "half-a-file"}

    # Each of the five words has its own fields for Moodle and Canvas.
    moodle = {row["Username"]: row[ENGINE] for row in rows(course, ENGINE, "-moodle")}
    assert moodle["half"] == "6"
    assert moodle["nothing"] == moodle["another-chapter"] == ""
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


# Words


def test_the_report_tells_five_words_apart(course: Path, tmp_path: Path) -> None:
    """It reads what the first test of this file has graded, or grades it."""
    if not (course / "marks" / f"{ENGINE}.csv").exists():
        complaints(course, {name: CASES[name] for name in REPRESENTATIVES})
    states = {(row["learner"], row["exercise"]): row["state"] for row in rows(course, ENGINE)}
    assert states["retyped", "1"] == "right"
    assert states["killed", "2"] == "wrong"
    assert states["nothing", "1"] == "not handed in"
    assert states["another-chapter", "1"] == "could not be graded"


# Refusals


def test_an_environment_in_which_nobody_gets_points_is_refused(course: Path) -> None:
    (course / "home").mkdir(exist_ok=True)
    (course / "home" / "sitecustomize.py").write_text(
        "import sys\nif 'ipykernel_launcher' in ' '.join(sys.orig_argv):\n"
        "    sys.modules['sqlalchemy'] = None\n"
    )
    done = grade(course, ENGINE, PYTHONPATH=str(course / "home"))
    assert done.returncode == 1
    assert done.stdout == ""
    assert "the solution of engine-1-check gets no points, so nobody would" in done.stderr
    assert "import of sqlalchemy halted" in done.stderr


def test_a_class_from_another_version_is_refused(course: Path) -> None:
    source = course / "source" / ENGINE / f"{ENGINE}.ipynb"
    content = source.read_bytes()
    source.write_bytes(content.replace(b"exercise_1", b"exercise_one"))
    try:
        done = grade(course, ENGINE)
    finally:
        source.write_bytes(content)
    assert done.returncode == 1
    assert "was built from another version of 01-engine: run" in done.stderr


@pytest.mark.parametrize(
    ("assignment", "says"),
    [
        ("99-none", "There is no assignment '99-none'"),
        (ADD, "is no class with 03-add: run"),
    ],
)
def test_an_assignment_that_is_not_there_is_refused(
    assignment: str, says: str, course: Path
) -> None:
    done = grade(course, assignment)
    assert done.returncode == 1
    assert says in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write all")
def test_a_class_that_this_account_cannot_write_is_refused(course: Path) -> None:
    gradebook = course / "gradebook.db"
    gradebook.chmod(0o400)
    try:
        done = grade(course, ENGINE)
    finally:
        gradebook.chmod(0o600)
    assert f"{gradebook} is not writable for this account" in done.stderr


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
