"""What all exercises share: checks that end, hints in steps, solutions, the quiz, the progress."""

import ast
import re
import time
from pathlib import Path

import course_checks
import pytest
from course_checks import Chapter
from exercise_runs import REGION, code_cells

from tutorial.commands import progress
from tutorial.commands.chapters import EXERCISES
from tutorial.commands.progress import exercises
from tutorial.exercises import checking as module
from tutorial.exercises.checking import (
    SOURCES,
    NotAttempted,
    Wrong,
    YourCodeRaised,
    call,
    exercise,
    wait_until,
)
from tutorial.exercises.quiz import Choice, Question
from tutorial.urls import usable_url
from tutorial.workspace import HOME_VARIABLE, MARK

CHAPTERS = sorted(path.stem for path in EXERCISES.glob("*.ipynb"))


@exercise(points=2, hints=["It is a number.", "It is less than six.", "It is five."])
def exercise_7(number: int) -> str:
    """See that a number is five."""
    if number != 5:
        raise Wrong(f"{number} is not five.")
    return "It is five."


# The contract


def test_a_right_answer_is_praised_and_noted(
    capsys: pytest.CaptureFixture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(HOME_VARIABLE, str(tmp_path))
    exercise_7.check(5)
    assert capsys.readouterr().out == "Right. It is five.\n"
    assert progress.solved() == {"test_exercises-7"}


def test_a_right_answer_needs_no_place_for_a_note(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv(HOME_VARIABLE, str(tmp_path / "file"))
    exercise_7.check(5)


def test_a_wrong_answer_is_told_and_not_noted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(HOME_VARIABLE, str(tmp_path))
    with pytest.raises(Wrong, match=r"^6 is not five\.$"):
        exercise_7.check(6)
    assert progress.solved() == set()


def dots() -> None: ...


def passes() -> None:
    pass


@pytest.mark.parametrize(
    "answer", [None, ..., dots, passes], ids=["None", "Ellipsis", "dots", "passes"]
)
def test_no_answer(answer: object) -> None:
    with pytest.raises(NotAttempted, match=r"^`number` must still be made\. exercise_7\.hint"):
        exercise_7.check(answer)


@pytest.mark.parametrize(
    "answer",
    [0, "", [], lambda: 5, lambda: "", int],
    ids=["zero", "empty text", "empty list", "returns 5", "returns empty text", "type"],
)
def test_an_answer_that_is_false_or_short_is_one(answer: object) -> None:
    with pytest.raises(Wrong, match="is not five"):
        exercise_7.check(answer)


def test_an_answer_that_the_check_cannot_use() -> None:
    class Odd:
        def __ne__(self, other: object) -> bool:
            raise KeyError("odd")

    with pytest.raises(Wrong, match="could not use the answer, it met KeyError: 'odd'"):
        exercise_7.check(Odd())


def test_the_notebook_shows_the_message_without_the_lines_of_the_check() -> None:
    assert Wrong("6 is not five.")._render_traceback_() == ["Wrong: 6 is not five."]


def test_hints_in_steps(capsys: pytest.CaptureFixture) -> None:
    for _ in range(4):
        exercise_7.hint()
    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == ["Hint 1 of 3: It is a number.", "Hint 2 of 3: It is less than six."]
    last = [
        "Hint 3 of 3: It is five.",
        "It was the last one. exercise_7.solution() shows a solution.",
    ]
    assert lines[2:] == last * 2


def test_a_copy_without_solutions_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.setattr(module, "SOURCES", tmp_path / "none")
    exercise_7.solution()
    assert capsys.readouterr().out == "The solutions are not in this copy of the course.\n"


# Calling the learner's code


def test_the_code_raises() -> None:
    def divide(x: float) -> float:
        return x / 0

    with pytest.raises(YourCodeRaised, match=r"ZeroDivisionError: .*at the line: return x / 0$"):
        call(divide, 5)


def test_the_course_raises_in_the_code() -> None:
    with pytest.raises(YourCodeRaised, match=r"at the line: call\(lambda: usable_url\("):
        call(lambda: usable_url("nonsense"))


def test_the_code_leaves_python() -> None:
    with pytest.raises(YourCodeRaised, match=r"^SystemExit"):
        call(exit)


def test_no_function() -> None:
    with pytest.raises(Wrong, match=r"^5 is no function"):
        call(5)  # type: ignore[arg-type]


def loop() -> None:
    while True:
        pass


def swallow() -> None:
    while True:
        try:
            time.sleep(1)
        except Exception:
            continue


@pytest.mark.parametrize("function", [loop, swallow, lambda: time.sleep(900)])
def test_an_endless_function_is_interrupted(
    function: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PATIENCE", 0.2)
    with pytest.raises(Wrong, match=r"still running after 0\.2 seconds"):
        call(function)  # type: ignore[arg-type]


def test_the_learner_can_interrupt() -> None:
    def interrupted() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        call(interrupted)


def test_waiting_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PATIENCE", 0.1)
    started = time.monotonic()
    assert not wait_until(lambda: False)
    assert time.monotonic() - started >= 0.1
    assert wait_until(lambda: True)


# Every chapter


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_hints_points_and_solutions(chapter: str) -> None:
    answer_cells = [
        cell for cell in code_cells(SOURCES / f"{chapter}.ipynb") if REGION.search(cell)
    ]
    for number, (each, cell) in enumerate(
        zip(exercises(chapter), answer_cells, strict=True), start=1
    ):
        assert each.function.__name__ == f"exercise_{number}"
        assert 2 <= len(each.hints) <= 4
        assert each.points in (1, 2, 3)
        solution = each.solution_code()
        ast.parse(solution)
        assert "SOLUTION" not in solution
        assert set(solution.splitlines()) <= set(cell.splitlines())


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_the_quiz(chapter: str) -> None:
    found = vars(progress.import_module(progress.module_name(chapter)))
    questions = [value for value in found.values() if isinstance(value, Question)]
    assert len(questions) == 5
    for question in questions:
        choices = list(question.choices.values())
        assert len(choices) >= 3
        assert sum(choice.right for choice in choices) == 1
        assert len({choice.explanation for choice in choices}) == len(choices)
    letters = {next(key for key, choice in q.choices.items() if choice.right) for q in questions}
    assert len(letters) > 1, "the right answer has always the same letter"
    cells = "\n".join(code_cells(EXERCISES / f"{chapter}.ipynb"))
    assert re.findall(r"^question_(\d)\.ask\(\)$", cells, re.MULTILINE) == list("12345")


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_the_notebook_of_exercises(chapter: str) -> None:
    notebook = Chapter.read(EXERCISES / f"{chapter}.ipynb")
    assert f'open_workspace("exercises-{chapter}")' in notebook.code[0].source
    assert notebook.notebook.cells[0].source.startswith(f"# {chapter[:2]}. Exercises: ")
    for check in (
        course_checks.check_headings,
        course_checks.check_links,
        course_checks.check_names,
    ):
        assert check(notebook) == []
    source = Chapter.read(SOURCES / f"{chapter}.ipynb")
    for check in (
        course_checks.check_executed,
        course_checks.check_machine,
        course_checks.check_canonical,
        course_checks.check_errors,
        course_checks.check_ignored,
        course_checks.check_real,
    ):
        assert check(source) == []


def test_each_source_has_its_version_for_learners() -> None:
    assert sorted(path.stem for path in SOURCES.glob("*.ipynb")) == CHAPTERS


# The quiz and the progress


def test_a_question(capsys: pytest.CaptureFixture) -> None:
    question = Question("2 + 3?", Choice("6", "That is 2 * 3."), Choice("5", "Yes.", right=True))
    question.ask()
    for letter in ("a", " B ", "c"):
        question.answer(letter)
    assert capsys.readouterr().out.splitlines() == [
        *["2 + 3?", "  a) 6", "  b) 5"],
        *["No. That is 2 * 3.", "Right. Yes.", "The answer is one of the letters a, b."],
    ]


def test_the_progress(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.setenv(HOME_VARIABLE, str(tmp_path))
    solved = ["solved/engine-1", "solved/engine-3", "beside-2/solved/engine-3"]
    for name in [MARK, f"beside-2/{MARK}", *solved]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert progress.run() == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(CHAPTERS)
    assert "01-engine         2 of 3   to solve: exercise_2" in lines
