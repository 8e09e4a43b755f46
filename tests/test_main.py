"""The commands of ``python -m tutorial``."""

import subprocess
import sys

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
