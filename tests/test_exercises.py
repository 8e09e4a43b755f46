"""What all exercises share: checks that end, hints in steps, solutions, the quiz, the progress."""

import ast
import gc
import re
import sys
import time
from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import course_checks
import numpy as np
import pandas as pd
import pyarrow
import pytest
import sqlalchemy as sa
from course_checks import Chapter
from exercise_runs import REGION, code_cells

from tutorial.commands import progress
from tutorial.commands.chapters import EXERCISES
from tutorial.commands.progress import exercises
from tutorial.exercises import checking as module
from tutorial.exercises.checking import (
    SOURCES,
    NotAttempted,
    NotSolved,
    WrongAnswer,
    YourCodeRaised,
    case,
    exercise,
    expect,
    shown,
    wait_until,
)
from tutorial.exercises.quiz import FOLDER, Choice, Question, questions
from tutorial.urls import usable_url
from tutorial.workspace import HOME_VARIABLE, MARK

CHAPTERS = sorted(path.stem for path in EXERCISES.glob("*.ipynb"))


@exercise(points=2, hints=["It is a number.", "It is less than six.", "It is five."])
def exercise_7(number: int) -> str:
    """See that a number is five."""
    if number != 5:
        raise WrongAnswer(f"{number} is not five.")
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
    with pytest.raises(WrongAnswer, match=r"^6 is not five\.$"):
        exercise_7.check(6)
    assert progress.solved() == set()


def dots() -> None: ...


def passes() -> None:
    pass


@pytest.mark.parametrize(
    ("answer", "says"),
    [(None, "None"), (..., "missing"), (dots, "missing"), (passes, "missing")],
    ids=["None", "Ellipsis", "dots", "passes"],
)
def test_no_answer(answer: object, says: str) -> None:
    with pytest.raises(NotAttempted, match=rf"^`number` is still {says}\. exercise_7\.hint"):
        exercise_7.check(answer)


@pytest.mark.parametrize(
    "answer",
    [0, "", [], lambda: 5, lambda: "", int],
    ids=["zero", "empty text", "empty list", "returns 5", "returns empty text", "type"],
)
def test_an_answer_that_is_false_or_short_is_one(answer: object) -> None:
    with pytest.raises(WrongAnswer, match="is not five"):
        exercise_7.check(answer)


def test_an_answer_that_the_check_cannot_use() -> None:
    class Odd:
        def __ne__(self, other: object) -> bool:
            raise KeyError("odd")

    says = "could not use the answer: KeyError: 'odd', at the line: raise KeyError"
    with pytest.raises(WrongAnswer, match=says):
        exercise_7.check(Odd())


def test_the_notebook_shows_the_message_without_the_lines_of_the_check() -> None:
    assert WrongAnswer("6 is not five.")._render_traceback_() == ["Wrong: 6 is not five."]


def test_hints_in_steps(capsys: pytest.CaptureFixture) -> None:
    for _ in range(4):
        exercise_7.hint()
    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == ["Hint 1 of 3: It is a number.", "Hint 2 of 3: It is less than six."]
    last = [
        "Hint 3 of 3: It is five.",
        "That was the last hint. exercise_7.solution() shows a solution.",
    ]
    assert lines[2:] == last * 2


def test_a_copy_without_solutions_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.setattr(module, "SOURCES", tmp_path / "none")
    exercise_7.solution()
    assert capsys.readouterr().out == "The solutions are not in this copy of the course.\n"


# Calling the learner's code


def check_function(function: Any, *arguments: Any) -> None:
    with case("a case") as call:
        call(function, *arguments)


def divide(x: float) -> float:
    return x / 0


def asks_for_one_row() -> object:
    with sa.create_engine("sqlite://").connect() as connection:
        return connection.execute(sa.text("SELECT 1 WHERE 0")).one()


def makes_an_array() -> object:
    return pyarrow.array([1, "two"])


def calls_another() -> object:
    return divide(5)


def recursive(x: int) -> int:
    return recursive(x + 1)


def nested() -> object:
    def inner() -> object:
        return [divide(number) for number in (1, 2)]

    return inner()


def through_a_library() -> object:
    return sorted([1, 2], key=lambda number: number / 0)


def compiles() -> None:
    exec("x = = 5")


def takes_a_path_for_a_url() -> object:
    return sa.create_engine(Path("results.db"))  # type: ignore[call-overload]


def of_several_lines() -> object:
    return int(
        "five",
    )


def takes_one(number: int) -> int:
    return number


class Callable:
    def __call__(self, number: int) -> int:
        return number


class Mute(Exception):
    def __str__(self) -> str:
        raise ValueError("no words")


class Own(BaseException):
    """Not an Exception."""


def raises(error: BaseException) -> Any:
    def function() -> None:
        raise error

    return function


def finishes() -> None:
    next(iter([]))


def groups() -> None:
    raise ExceptionGroup("two", [ValueError(1), KeyError(2)])


def chains() -> None:
    try:
        divide(5)
    except ZeroDivisionError as error:
        raise LookupError("no") from error


class Tasks:
    @property
    def name(self) -> str:
        return self.missing


def reads_an_attribute() -> object:
    return Tasks().name


@pytest.fixture
def uncollected() -> Iterator[None]:
    """Collect what other tests have left, now: a finalizer fails at the bottom of a recursion."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("uncollected")
@pytest.mark.parametrize("function", [partial(recursive, 1), lambda: recursive(1)])
def test_an_endless_recursion_has_its_case_and_line(function: Any) -> None:
    says = "RecursionError: .*, at the line: return recursive"
    with pytest.raises(YourCodeRaised, match=f"^For a case: {says}"):
        check_function(function)


@pytest.mark.parametrize(
    ("function", "says"),
    [
        (nested, "ZeroDivisionError: .*, at the line: return x / 0$"),
        (lambda: (lambda: 1 // 0)(), "ZeroDivisionError: .*, at the line: .*1 // 0"),
        (through_a_library, "ZeroDivisionError: .*, at the line: return sorted"),
        (compiles, "SyntaxError: .*, at the line: exec"),
        (of_several_lines, r"ValueError: .*, at the line: return int\($"),
        (finishes, "StopIteration, at the line: next"),
        (groups, "ExceptionGroup: two .*, at the line: raise ExceptionGroup"),
        (chains, 'LookupError: no, at the line: raise LookupError\\("no"\\) from error'),
        (reads_an_attribute, "AttributeError: .*, at the line: return self.missing$"),
        (raises(Mute()), "Mute, at the line: raise error$"),
        (raises(Own("no")), "Own: no, at the line: raise error$"),
        (raises(GeneratorExit()), "GeneratorExit, at the line: raise error$"),
        # Not entered, because it takes other arguments: then the line that defines it.
        (takes_one, r"TypeError: .*, at the line: def takes_one\(number: int\)"),
        (lambda number: number, "TypeError: .*, at the line: .lambda number: number,"),
        (partial(takes_one, 1, 2), r"TypeError: .*, at the line: def takes_one\(number: int\)"),
        (Callable(), r"TypeError: .*, at the line: def __call__\(self, number: int\)"),
        (partial(divide, 5), "ZeroDivisionError: .*, at the line: return x / 0$"),
        (calls_another, "ZeroDivisionError: .*, at the line: return x / 0$"),
        # Compiled libraries leave frames without lines in the traceback.
        (asks_for_one_row, "NoResultFound: .*, at the line: return connection.execute"),
        (makes_an_array, "ArrowInvalid: .*, at the line: return pyarrow.array"),
        # SQLAlchemy makes code when it is imported, and its lines can be read.
        (takes_a_path_for_a_url, "ArgumentError: .*, at the line: return sa.create_engine"),
        (lambda: usable_url("nonsense"), "ImproperlyConfigured: .*, at the line: .*usable_url"),
        (lambda: sys.exit(), "SystemExit, at the line: .*sys.exit"),
        (lambda: eval("1 / 0"), "ZeroDivisionError: .*, at the line: .*eval"),
        # No line is the learner's: then the message names the function.
        (exit, "SystemExit: .*, in the call to "),
        (partial(int, "five"), "ValueError: .*, in the call to functools.partial"),
    ],
)
def test_what_the_code_raises_has_its_case_and_line(function: Any, says: str) -> None:
    with pytest.raises(YourCodeRaised, match=f"^For a case: {says}"):
        check_function(function)


def test_a_check_that_fails_has_its_case_and_the_line() -> None:
    def generator() -> Iterator[int]:
        yield 1 // 0

    with (
        pytest.raises(
            WrongAnswer, match=r"^For a case: .*ZeroDivisionError.*at the line: yield 1 // 0$"
        ),
        case("a case") as call,
    ):
        list(call(generator))


def test_no_function() -> None:
    with pytest.raises(WrongAnswer, match=r"^For a case: .* 5 is not a function\.$"):
        check_function(5)


class Liar:
    """Claims to be equal to everything."""

    def __eq__(self, other: object) -> bool:
        return True

    def __ne__(self, other: object) -> bool:
        return False

    __hash__ = object.__hash__


class Unspeakable:
    def __repr__(self) -> str:
        raise ValueError("no words")


@pytest.mark.parametrize("right", [5, True, None, "five", [5], (5,), 5.0])
def test_only_the_right_value_of_the_right_type_is_expected(right: object) -> None:
    expect(right, right)
    for wrong in (Liar(), Unspeakable(), 6, False, "six", [6], None if right else 1, b"five"):
        with pytest.raises(WrongAnswer, match=r"^the word: expected .*, got "):
            expect(wrong, right, "the word: ")


def test_a_number_of_numpy_counts_as_one_of_python() -> None:
    expect(np.int64(5), 5)
    expect(np.bool_(True), True)
    with pytest.raises(WrongAnswer, match=r"^expected 5, got 4\.$"):
        expect(np.int64(4), 5)


def test_a_message_does_not_print_a_table() -> None:
    assert shown(pd.DataFrame({"x": [1, 2]})) == "a DataFrame with 2 rows"
    assert shown(pd.Series([608])) == "a Series with 1 row"
    assert shown(pd.Timestamp("2026-01-02")) == "Timestamp('2026-01-02 00:00:00')"


@pytest.mark.parametrize(
    ("answers", "says"),
    [
        ((), "The check takes 1 answer, but none were given: run exercise_7.check(number)."),
        ((5, 5), "The check takes 1 answer, but 2 were given: run exercise_7.check(number)."),
    ],
)
def test_a_wrong_number_of_answers(answers: tuple[int, ...], says: str) -> None:
    with pytest.raises(NotSolved, match=f"^{re.escape(says)}$"):
        exercise_7.check(*answers)


def loop() -> None:
    while True:
        pass


def swallow() -> None:
    while True:
        try:
            time.sleep(1)
        except Exception:
            continue


@pytest.mark.parametrize(
    ("function", "line"),
    [(loop, "(pass|while True:)"), (swallow, "time.sleep"), (lambda: time.sleep(900), ".*sleep")],
)
def test_an_endless_function_is_interrupted(
    function: object, line: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "TIME_LIMIT", 0.2)
    says = rf"^For a case: .* still running after 0\.2 seconds, at the line: {line}"
    with pytest.raises(WrongAnswer, match=says):
        check_function(function)


def test_the_learner_can_interrupt() -> None:
    def interrupted() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        check_function(interrupted)


def test_waiting_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "TIME_LIMIT", 0.1)
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


WITH_QUIZ = [
    chapter
    for chapter in CHAPTERS
    if (FOLDER / f"{progress.module_name(chapter).rpartition('.')[2]}.toml").exists()
]


@pytest.mark.parametrize("chapter", WITH_QUIZ)
def test_the_quiz(chapter: str) -> None:
    word = progress.module_name(chapter).rpartition(".")[2]
    quiz = questions(word)
    assert len(quiz) == 5
    for question in quiz:
        choices = list(question.choices.values())
        assert list(question.choices) == list("abcd")[: len(choices)]
        assert len(choices) >= 3
        assert question.right in question.choices
        assert len({choice.text for choice in choices}) == len(choices)
        assert len({choice.explanation for choice in choices}) == len(choices)
        assert all(choice.text and choice.explanation for choice in choices)
    assert len({question.right for question in quiz}) > 1, "the right letter is always the same"
    cells = "\n".join(code_cells(EXERCISES / f"{chapter}.ipynb"))
    assert f'questions("{word}")' in cells
    assert re.findall(r"^question_(\d)\.ask\(\)$", cells, re.MULTILINE) == list("12345")


def test_each_file_of_questions_belongs_to_a_chapter() -> None:
    words = {progress.module_name(chapter).rpartition(".")[2] for chapter in CHAPTERS}
    assert {path.stem for path in FOLDER.glob("*.toml")} <= words


def test_neither_length_nor_letter_gives_a_right_answer_away() -> None:
    quizzes = [
        question
        for chapter in CHAPTERS
        for question in questions(progress.module_name(chapter).rpartition(".")[2])
    ]
    longest = 0
    for question in quizzes:
        lengths = {letter: len(choice.text) for letter, choice in question.choices.items()}
        longest += lengths[question.right] == max(lengths.values())
    assert longest <= len(quizzes) / 3
    letters = Counter(question.right for question in quizzes)
    for letter in "abc":
        assert 0.25 <= letters[letter] / len(quizzes) <= 0.42, letters


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


def five() -> Question:
    choices = {
        "a": Choice("6", "That is `2 * 3`."),
        "b": Choice("5", "Three & two, as `2 < 3` > 1."),
    }
    return Question("What is `2 + 3`?", "b", choices)


def test_a_question_is_asked_and_answered(capsys: pytest.CaptureFixture) -> None:
    question = five()
    question.ask()
    for letter in ("a", " B ", "c", ""):
        question.answer(letter)
    assert capsys.readouterr().out.splitlines() == [
        *["What is `2 + 3`?", "  a) 6", "  b) 5"],
        *["No. That is `2 * 3`.", "Right. Three & two, as `2 < 3` > 1."],
        *["Answer with one of the letters a, b."] * 2,
    ]


def test_a_question_in_a_notebook_opens_without_a_kernel() -> None:
    html = five()._repr_html_()
    assert html.splitlines() == [
        "<p>What is <code>2 + 3</code>?</p>",
        "<details><summary>a) 6</summary><p>No. That is <code>2 * 3</code>.</p></details>",
        "<details><summary>b) 5</summary>"
        "<p>Right. Three &amp; two, as <code>2 &lt; 3</code> &gt; 1.</p></details>",
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
