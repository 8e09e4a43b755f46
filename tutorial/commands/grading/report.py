"""What became of each learner's exercises, for the teacher, for Moodle and for Canvas."""

import csv
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from nbformat import NotebookNode
from nbgrader.api import Gradebook

from tutorial.commands.grading.cells import grade_id

RIGHT, WRONG, NOT_ATTEMPTED = "right", "wrong", "not attempted"
NOT_HANDED_IN, NOT_GRADED = "not handed in", "could not be graded"


@dataclass(frozen=True)
class Exercise:
    """How an exercise was solved.

    Parameters
    ----------
    verdict : str
        ``"right"``, ``"wrong"`` or ``"not attempted"``.
    message : str
        What the check said, unless the answer is right.
    """

    verdict: str
    message: str = ""


@dataclass(frozen=True)
class Outcome:
    """What became of a submission.

    Parameters
    ----------
    exercises : mapping of str to Exercise
        By the ``grade_id`` of the check; empty if there is no submission.
    problem : str
        Why it could not be graded, with the name of the file.
    digest : str
        What was graded, and with which checks.
    """

    exercises: Mapping[str, Exercise] = field(default_factory=dict)
    problem: str = ""
    digest: str = ""

    def state(self, exercise: str) -> str:
        """Return one of the five words for an exercise.

        Parameters
        ----------
        exercise : str
            The ``grade_id`` of its check.

        Returns
        -------
        str
        """
        if self.problem:
            return NOT_GRADED
        if not self.exercises:
            return NOT_HANDED_IN
        return self.exercises[exercise].verdict if exercise in self.exercises else NOT_GRADED


def error(cell: NotebookNode) -> str:
    """Return the error that a cell has ended in, in one line; empty if it has run to its end.

    Parameters
    ----------
    cell : nbformat.NotebookNode

    Returns
    -------
    str
    """
    for output in cell.get("outputs", []):
        if output.output_type == "error":
            lines = output.evalue.splitlines() or [output.get("traceback", [""])[-1]]
            return f"{output.ename}: {lines[0]}"
    return ""


def verdict(check: NotebookNode, before: Sequence[NotebookNode]) -> Exercise:
    """Tell from a check that has run how its exercise was solved.

    Parameters
    ----------
    check : nbformat.NotebookNode
        The cell with its outputs.
    before : sequence of nbformat.NotebookNode
        The cells between the check before it and this one, with their outputs. The answer is in one
        of them, or in a new cell that the learner has put into its place.

    Returns
    -------
    Exercise
    """
    failed = error(check)
    if not failed:
        return Exercise(RIGHT)
    kind, _, message = failed.partition(": ")
    is_there = any((grade_id(cell) or "").endswith("-answer") for cell in before)
    if kind == "NotAttempted" or (kind == "NameError" and not is_there):
        raised = next(filter(None, map(error, before)), "")
        if raised:
            return Exercise(WRONG, f"the cell of the answer has failed: {raised}")
        return Exercise(NOT_ATTEMPTED, message)
    return Exercise(WRONG, message if kind == "WrongAnswer" else failed)


def line(learner: str, outcome: Outcome, points: Mapping[str, float]) -> str:
    """Return what is printed of a learner.

    Parameters
    ----------
    learner : str
    outcome : Outcome
    points : mapping of str to float
        What each exercise counts.

    Returns
    -------
    str
        One line.
    """
    if outcome.problem:
        return f"{learner}: {NOT_GRADED}: {outcome.problem}"
    if not outcome.exercises:
        return f"{learner}: {NOT_HANDED_IN}"
    score = sum(points[name] for name in points if outcome.state(name) == RIGHT)
    words = [
        f"exercise {_number(name)} {outcome.state(name)}"
        for name in points
        if outcome.state(name) != RIGHT
    ]
    return f"{learner}: {score:g} of {sum(points.values()):g}{''.join(f', {w}' for w in words)}"


def _number(exercise: str) -> str:
    return exercise.split("-")[1]


def _file(course: Path, assignment: str, kind: str) -> Path:
    return course / "marks" / f"{assignment}{kind}"


def load(course: Path, assignment: str) -> dict[str, Outcome]:
    """Return the outcomes that were saved before, or none.

    Parameters
    ----------
    course : pathlib.Path
    assignment : str

    Returns
    -------
    dict
        By the learners' names.
    """
    try:
        saved = json.loads(_file(course, assignment, ".json").read_text(encoding="utf-8"))
        return {
            learner: Outcome(
                {name: Exercise(**each) for name, each in facts.pop("exercises").items()}, **facts
            )
            for learner, facts in saved.items()
        }
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return {}  # everything is graded again


def save(course: Path, assignment: str, outcomes: Mapping[str, Outcome]) -> None:
    """Keep the outcomes for the next time.

    Parameters
    ----------
    course : pathlib.Path
    assignment : str
    outcomes : mapping of str to Outcome
    """
    file = _file(course, assignment, ".json")
    file.parent.mkdir(mode=0o700, exist_ok=True)
    facts = {learner: asdict(outcome) for learner, outcome in outcomes.items()}
    file.write_text(json.dumps(facts, indent=1, ensure_ascii=False), encoding="utf-8")


def export(
    course: Path,
    assignment: str,
    gradebook: Gradebook,
    outcomes: Mapping[str, Outcome],
    points: Mapping[str, float],
) -> list[Path]:
    """Write the marks of an assignment: for the teacher, for Moodle and for Canvas.

    Points are those of the gradebook, in which a teacher may have changed them by hand. Without a
    submission, or if it could not be graded, the field is empty: neither Moodle nor Canvas then
    gives a mark.

    Parameters
    ----------
    course : pathlib.Path
    assignment : str
    gradebook : nbgrader.api.Gradebook
    outcomes : mapping of str to Outcome
    points : mapping of str to float
        What each exercise counts.

    Returns
    -------
    list of pathlib.Path
        The files.
    """
    people = {student.id: student for student in gradebook.students}
    graded = [learner for learner, outcome in outcomes.items() if outcome.exercises]
    given = {learner: _given(gradebook, assignment, learner) for learner in graded}
    scores = dict.fromkeys(outcomes, "") | {
        learner: _score(gradebook, assignment, learner) for learner in graded
    }
    files = [_file(course, assignment, kind) for kind in (".csv", "-moodle.csv", "-canvas.csv")]
    _write(
        files[0],
        ["learner", "exercise", "state", "points", "max_points", "message"],
        (
            row
            for learner, outcome in outcomes.items()
            for row in _details(learner, outcome, points, given.get(learner, {}))
        ),
    )
    _write(
        files[1],
        ["Username", "First name", "Last name", "Email address", assignment],
        (
            [name, *_facts(people.get(name), "first_name", "last_name", "email"), scores[name]]
            for name in outcomes
        ),
    )
    header = ["Student", "ID", "SIS User ID", "SIS Login ID", "Section", assignment]
    possible = ["    Points Possible", "", "", "", "", f"{sum(points.values()):g}"]
    _write(
        files[2],
        header,
        [possible, *(_canvas(name, people.get(name), scores[name]) for name in outcomes)],
    )
    return files


def _score(gradebook: Gradebook, assignment: str, learner: str) -> str:
    submission = gradebook.find_submission(assignment, learner)
    return f"{max(0.0, submission.score - submission.late_submission_penalty):g}"


def _given(gradebook: Gradebook, assignment: str, learner: str) -> dict[str, float]:
    """Return the points that a learner has in the gradebook, by the exercises' checks."""
    notebook = gradebook.find_submission_notebook(assignment, assignment, learner)
    return {grade.cell.name: grade.score for grade in notebook.grades}


def _details(
    learner: str, outcome: Outcome, points: Mapping[str, float], given: Mapping[str, float]
) -> Iterable[list[str]]:
    for name, most in points.items():
        score = f"{given[name]:g}" if name in given else ""
        message = outcome.exercises[name].message if name in outcome.exercises else outcome.problem
        yield [learner, _number(name), outcome.state(name), score, f"{most:g}", message]


def _canvas(name: str, person: Any, score: str) -> list[str]:
    first, last, number = _facts(person, "first_name", "last_name", "lms_user_id")
    full = f"{last}, {first}" if first and last else name
    return [full, number, "", name, "", score]


def _facts(person: Any, *names: str) -> list[str]:
    return [getattr(person, name, None) or "" for name in names]


def _write(file: Path, header: list[str], rows: Iterable[list[str]]) -> None:
    with file.open("w", encoding="utf-8", newline="") as target:
        writer = csv.writer(target)
        writer.writerow(header)
        writer.writerows(rows)
