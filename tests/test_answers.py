"""Each check refuses the wrong answers of tests/answers, says why, and accepts the right ones."""

import re
from dataclasses import replace
from importlib import import_module
from itertools import islice
from pathlib import Path

import pytest
from exercise_runs import Answers, Outcome, run
from nbformat import read
from processes import survivors

from tutorial.commands.chapters import EXERCISES, chapters
from tutorial.commands.progress import exercises
from tutorial.commands.tables import minutes
from tutorial.commands.teachers import teaching

TAUGHT = {chapter.name: teaching(chapter).exercises for chapter in chapters()}
CHAPTERS = sorted(path.stem for path in EXERCISES.glob("*.ipynb"))
# The quickest chapter; the solutions of all chapters run with the notebooks.
QUICK = ("01-engine",)
QUIZ = 5  # minutes, as the teachers' page says


def answers(chapter: str) -> dict[int, Answers]:
    word = chapter.partition("-")[2].replace("-", "_")
    return import_module(f"answers.{word}").ANSWERS


def a_few(answers: Answers) -> Answers:
    """Return one wrong answer; the solution, which is right, is checked in any case."""
    return replace(answers, wrong=dict(islice(answers.wrong.items(), 1)), right=[])


def complaints(given: Answers, outcomes: list[Outcome]) -> list[tuple[str, Outcome]]:
    """Return the answers to an exercise on which the check did not say what it should."""
    expected = [
        ("(no answer)", "NotAttempted", ".hint() helps you to begin"),
        *(
            (code, kind(message), message.removeprefix("raised "))
            for code, message in given.wrong.items()
        ),
        *((code, "Right", "") for code in (*given.right, "(the solution)")),
    ]
    return [
        (code, outcome)
        for (code, kind, message), outcome in zip(expected, outcomes, strict=True)
        if outcome.kind != kind or message not in outcome.message or outcome.changed
    ]


def kind(message: str) -> str:
    return "YourCodeRaised" if message.startswith("raised ") else "WrongAnswer"


def check(chapter: str, given: dict[int, Answers], home: Path) -> None:
    found = run(chapter, given, home)
    for number, each in given.items():
        assert complaints(each, found[str(number)]) == [], f"exercise {number}"
    assert survivors(home) == []


@pytest.mark.parametrize("chapter", QUICK)
def test_no_answer_a_wrong_one_and_the_solution(chapter: str, tmp_path: Path) -> None:
    given = {number: a_few(each) for number, each in answers(chapter).items()}
    check(chapter, given, tmp_path)


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_the_teachers_page_quotes_what_the_checks_say(chapter: str) -> None:
    given, facts = answers(chapter), TAUGHT[chapter]
    if not facts:
        pytest.skip("a new chapter, of which teachers have told nothing yet")
    assert [*facts] == [str(number) for number in given]
    for number, each in facts.items():
        says = [message for message in given[int(number)].wrong.values() if each.says in message]
        assert says, f"exercise {number}: no wrong answer of tests/answers gets {each.says!r}"


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_the_exercises_take_the_minutes_that_their_first_cell_names(chapter: str) -> None:
    if not TAUGHT[chapter]:
        pytest.skip("a new chapter, of which teachers have told nothing yet")
    first = read(EXERCISES / f"{chapter}.ipynb", as_version=4).cells[0].source
    exercises_and_quiz = sum(each.minutes for each in TAUGHT[chapter].values()) + QUIZ
    assert f"\n| **Time** | {exercises_and_quiz} minutes |\n" in f"{first}\n"


def test_the_plans_leave_time_for_what_they_plan() -> None:
    page = (EXERCISES / "TEACHERS.md").read_text(encoding="utf-8")
    row = r"^\| (\d\d)(?: or (\d\d))?(?: together| read alone|), and its exercises \| (\d+) \|$"
    planned = re.findall(row, page, re.MULTILINE)
    assert len(planned) >= 8
    for *numbers, given in planned:
        for chapter in chapters():
            if chapter.number in numbers:
                own = sum(each.minutes for each in TAUGHT[chapter.name].values())
                assert minutes(chapter) + own <= int(given), chapter.name


@pytest.mark.slow
@pytest.mark.parametrize("chapter", CHAPTERS)
def test_all_answers(chapter: str, tmp_path: Path) -> None:
    check(chapter, answers(chapter), tmp_path)


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_there_are_enough_answers(chapter: str) -> None:
    given = answers(chapter)
    assert 3 <= len(exercises(chapter)) <= 5
    assert list(given) == list(range(1, len(exercises(chapter)) + 1))
    for number, each in given.items():
        assert len(each.wrong) >= 5, number
        assert len(each.right) >= 1, number  # the solution is another one


def test_there_are_at_least_700_wrong_answers() -> None:
    each = [given for chapter in CHAPTERS for given in answers(chapter).values()]
    assert sum(len(given.wrong) for given in each) >= 700
