"""Starts Python programs on a workspace, and finds the processes that work in it."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

import psutil
import pytest

from tutorial.broker import BROKER_VARIABLE
from tutorial.database import RESULT_BACKEND_VARIABLE
from tutorial.workspace import HOME_VARIABLE

PATIENCE = 300  # seconds; it ends only what hangs, on however busy a machine
ENDING = 60  # seconds; what a test leaves on purpose runs for much longer
LONG = 900  # seconds that a task takes which is not to end by itself


def few(first: Any, *others: Any) -> list[Any]:
    """Return parameters for a test: the first ones always run, the others on request."""
    tuples = [each if isinstance(each, tuple) else (each,) for each in others]
    return [first, *(pytest.param(*each, marks=pytest.mark.slow) for each in tuples)]


def interrupt_in(seconds: float) -> None:
    """Interrupt the main thread later, also while it sleeps."""
    main = threading.main_thread().ident
    threading.Timer(seconds, signal.pthread_kill, [main, signal.SIGINT]).start()


needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="Windows has no fork")


def environment(home: Path | str, **variables: str) -> dict[str, str]:
    """Return this process's environment with another workspace, and the default databases."""
    kept = {
        name: text
        for name, text in os.environ.items()
        if name not in (BROKER_VARIABLE, RESULT_BACKEND_VARIABLE)
        and not name.startswith(("PYTEST", "COV"))
    }
    return kept | {HOME_VARIABLE: str(home)} | variables


def python(
    code: str,
    home: Path | str,
    cwd: Path | None = None,
    timeout: float = PATIENCE,
    **variables: str,
) -> subprocess.CompletedProcess[str]:
    """Run a program to its end."""
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=cwd,
        env=environment(home, **variables),
        capture_output=True,
        text=True,
        timeout=timeout,
    )


def started(code: str, home: Path | str, **variables: str) -> tuple[subprocess.Popen[str], str]:
    """Start a program; return it with its first line, which is empty if it has ended."""
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        env=environment(home, **variables),
        stdin=subprocess.PIPE,  # a program that reads it goes on when the test lets it
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout
    return process, process.stdout.readline().strip()


def processes(home: Path | str, group: int | None = None) -> list[psutil.Process]:
    """Return the living processes of a workspace, by its variable or by their process group."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.pid == os.getpid() or process.status() == psutil.STATUS_ZOMBIE:
                continue
            inside = process.environ().get(HOME_VARIABLE, "").startswith(str(home))
            if inside or (group and os.getpgid(process.pid) == group):
                found.append(process)
        except (psutil.Error, OSError):  # it has just ended, or belongs to somebody else
            continue
    return found


def wait_for(condition: Callable[[], object]) -> None:
    """Wait until a condition holds."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "it has taken too long"
        time.sleep(0.01)


def survivors(
    home: Path | str,
    group: int | None = None,
    spared: Collection[int] = (),
) -> list[psutil.Process]:
    """Wait for the processes of a workspace to end; return those that do not."""
    deadline = time.monotonic() + ENDING
    while True:
        left = [process for process in processes(home, group) if process.pid not in spared]
        if not left or time.monotonic() > deadline:
            return left
        time.sleep(0.02)
