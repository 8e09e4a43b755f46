"""Package, tests and notebooks pass the linter and the formatter; the package's types agree."""

import subprocess
import sys

import pytest

from tutorial.workspace import COURSE


@pytest.mark.parametrize("command", ["ruff check", "ruff format --check", "mypy"])
def test_style(command: str) -> None:
    run = [sys.executable, "-m", *command.split()]
    done = subprocess.run(run, cwd=COURSE, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
