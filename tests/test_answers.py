"""Each check refuses the wrong answers of tests/answers, says why, and accepts the right ones."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from pathlib import Path

import pytest
from exercise_runs import SECONDS, Answers, Outcome, run
from processes import survivors

from tutorial.commands.progress import NOTEBOOKS, exercises

CHAPTERS = sorted(path.stem for path in NOTEBOOKS.glob("*.ipynb"))
pytestmark = pytest.mark.timeout(SECONDS + 10)


def answers(chapter: str) -> dict[int, Answers]:
    word = chapter.partition("-")[2].replace("-", "_")
    return import_module(f"answers.{word}").ANSWERS


def cases() -> Iterator[tuple[str, int, int, str, str]]:
    """Yield chapter, exercise, place of the outcome, kind and message of all answers."""
    for chapter in CHAPTERS:
        for number, given in answers(chapter).items():
            yield chapter, number, 0, "NotAttempted", "must still be made"
            for place, message in enumerate(given.wrong.values(), start=1):
                kind = "YourCodeRaised" if message.startswith("raised ") else "Wrong"
                yield chapter, number, place, kind, message.removeprefix("raised ")
            for place in range(len(given.right) + 1):
                yield chapter, number, len(given.wrong) + 1 + place, "Right", ""


@pytest.fixture(scope="session")
def outcomes(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory):
    """Return a function that gives the outcomes of a chapter: two chapters run at once."""

    def outcomes_of(chapter: str, home: Path) -> dict[str, list[Outcome]]:
        found = run(chapter, answers(chapter), home)
        assert survivors(home) == []
        return found

    selected = [item for item in request.session.items if item.name.startswith("test_answer[")]
    chapters = dict.fromkeys(item.callspec.params["chapter"] for item in selected)
    with ThreadPoolExecutor(2) as pool:
        running = {
            chapter: pool.submit(outcomes_of, chapter, tmp_path_factory.mktemp(chapter))
            for chapter in chapters
        }
        yield lambda chapter: running[chapter].result()
        pool.shutdown(cancel_futures=True)


@pytest.mark.parametrize(("chapter", "number", "place", "kind", "message"), list(cases()))
def test_answer(chapter: str, number: int, place: int, kind: str, message: str, outcomes) -> None:
    found = outcomes(chapter)[str(number)][place]
    code = ["(no answer)", *answers(chapter)[number].wrong, *answers(chapter)[number].right]
    assert (found.kind, message in found.message) == (kind, True), (code[place:], found)
    assert found.changed == ""


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_there_are_enough_answers(chapter: str) -> None:
    given = answers(chapter)
    assert 3 <= len(exercises(chapter)) <= 5
    assert list(given) == list(range(1, len(exercises(chapter)) + 1))
    for number, each in given.items():
        assert len(each.wrong) >= 5, number
        assert len(each.right) >= 1, number  # the solution is another one
