"""``python -m tutorial progress`` with notebooks and workspaces that it cannot know."""

from pathlib import Path

import pytest
from processes import python

from tutorial.commands import progress
from tutorial.commands.chapters import chapters
from tutorial.workspace import MARK, SOLVED

RUN = "import sys; from tutorial.commands import progress; sys.exit(progress.run())"


def test_a_chapter_without_exercises_has_no_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TUTORIAL_HOME", str(tmp_path))
    assert progress.exercises("03-add-Copy1") == progress.exercises("Untitled") == []
    assert progress.run() == 0
    first = [line.split()[0] for line in capsys.readouterr().out.splitlines()]
    assert first == [one.name for one in chapters() if progress.exercises(one.name)]


def test_only_a_workspace_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TUTORIAL_HOME", str(tmp_path))
    (tmp_path / SOLVED).mkdir()
    (tmp_path / SOLVED / "add-1").touch()
    assert progress.solved() == set()
    (tmp_path / MARK).touch()
    assert progress.solved() == {"add-1"}


@pytest.mark.parametrize(
    ("home", "code", "sentence"),
    [("~nobody-of-this-name", 1, "TUTORIAL_HOME does not name a folder"), ("{file}/x", None, "")],
)
def test_without_a_workspace_it_ends_in_one_sentence(
    home: str, code: int | None, sentence: str, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    done = python(RUN, home.format(file=tmp_path / "file"))
    assert done.returncode == code or code is None
    assert sentence in done.stderr
    assert len(done.stderr.splitlines()) <= 1


def test_to_list_the_exercises_needs_no_workspace(tmp_path: Path) -> None:
    """An account for grading, for example, can read the course but not write to it."""
    code = (
        "from tutorial.commands.chapters import chapters\n"
        "from tutorial.commands.progress import exercises\n"
        "print(all(exercises(chapter.name) for chapter in chapters()))"
    )
    assert python(code, tmp_path / "workspace").stdout == "True\n"
    assert not (tmp_path / "workspace").exists()
