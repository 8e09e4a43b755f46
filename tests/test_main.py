"""The commands of ``python -m tutorial``."""

import subprocess
import sys
from pathlib import Path

import pytest

from tutorial.workspace import COURSE


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=COURSE,
        capture_output=True,
        text=True,
        timeout=600,
    )


def test_help_names_the_commands() -> None:
    help_text = run("-m", "tutorial", "--help").stdout
    for name in (
        *("lab", "test", "doctor", "reset", "progress", "classroom", "new", "execute", "inspect"),
        *("tables", "versions", "site", "TUTORIAL_HOME", "TUTORIAL_REDIS_URL", "CELERY_BROKER_URL"),
    ):
        assert name in help_text


@pytest.mark.parametrize("arguments", [[], ["cure"], ["doctor", "--quick"]], ids=str)
def test_a_wrong_command_is_told(arguments: list[str]) -> None:
    finished = run("-m", "tutorial", *arguments)
    assert finished.returncode == 2
    assert finished.stderr.startswith("usage: python -m tutorial")


@pytest.mark.parametrize(
    "command",
    [
        ["new"],
        ["site"],
        ["slides"],
        pytest.param(["classroom", "build"], marks=pytest.mark.slow),  # which loads nbgrader
        pytest.param(["classroom", "handout"], marks=pytest.mark.slow),
    ],
    ids=" ".join,
)
def test_a_folder_that_cannot_be_made_is_one_sentence(command: list[str], tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    finished = run("-m", "tutorial", *command, str(tmp_path / "file" / "new"))
    assert finished.returncode == 1
    assert "Not a directory." in finished.stderr
    assert len(finished.stderr.splitlines()) == 1
