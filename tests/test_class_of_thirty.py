"""A class on one machine: many learners run the same notebook at once, as one user."""

import shutil
import sqlite3
import subprocess
import sys
import time
from contextlib import closing, suppress
from pathlib import Path

import psutil
import pytest
from processes import ENDING, needs_fork
from test_course_run import MARK, course, processes, run_environment

from tutorial.workspace import COURSE

__all__ = ["course"]  # a fixture

NOTEBOOK = "03-add.ipynb"
COMMAND = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-n0", "-q"]
# Thirty kernels that start at once on two cores take longer than the minute that nbval allows.
PATIENCE = ["--nbval-kernel-startup-timeout=300", "--nbval-cell-timeout=300"]


def run_class(course: Path, learners: int) -> None:
    """Run a notebook for each learner, and see that each gets the stored outputs and no other's."""
    shutil.copy(COURSE / "notebooks" / NOTEBOOK, course / "notebooks")
    for folder in ("home", "temporary"):
        (course.parent / folder).mkdir()
    command = [*COMMAND, *PATIENCE, f"notebooks/{NOTEBOOK}"]
    began = time.perf_counter()
    running = []
    for learner in range(learners):
        with (course.parent / f"learner-{learner}").open("w") as log:
            running.append(
                subprocess.Popen(
                    command, cwd=course, env=run_environment(course), stdout=log, stderr=log
                )
            )
    memory = 0
    while any(run.poll() is None for run in running):
        memory = max(memory, memory_of_kernels_and_workers(course))
        time.sleep(2)
    taken = time.perf_counter() - began

    failed = [number for number, run in enumerate(running) if run.returncode]
    said = [(course.parent / f"learner-{number}").read_text()[-3000:] for number in failed]
    assert not failed, said[0]
    deadline = time.monotonic() + ENDING
    while (left := processes(course)) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert left == []
    stored = [rows(path) for path in sorted((course / "workspaces").rglob("results.db"))]
    # A kernel that starts when another one has ended gets its folder, and the results before the
    # last two runs are gone.
    assert learners / 2 < len(stored) <= learners
    assert len({len(ids) for ids in stored}) == 1
    assert len(set().union(*stored)) == sum(map(len, stored))
    print(
        f"{learners} notebooks, {len(stored)} workspaces: {taken:.0f} s, kernels and workers held"
        f" {memory / 1e6:.0f} MB at most, {len(stored[0])} results in each workspace"
    )


def memory_of_kernels_and_workers(course: Path) -> int:
    """Return the bytes of memory, where a page that several processes share counts once."""
    total = 0
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            command = " ".join(process.cmdline())
            if "pytest" not in command and process.environ().get(MARK) == str(course):
                # Only Linux tells how much of it is shared.
                memory = process.memory_full_info()
                total += getattr(memory, "pss", memory.rss)
    return total


def rows(path: Path) -> set[str]:
    """Return the ids of the tasks in a database of results; the worker does not know one task."""
    with closing(sqlite3.connect(path)) as database:
        found = database.execute("SELECT task_id, status FROM celery_taskmeta").fetchall()
    assert sorted({status for _task_id, status in found}) == ["FAILURE", "SUCCESS"]
    assert [status for _task_id, status in found].count("FAILURE") == 1
    return {task_id for task_id, _status in found}


@needs_fork
@pytest.mark.slow
@pytest.mark.timeout(4 * 3600)
def test_three_learners_at_once(course: Path) -> None:
    run_class(course, 3)


@needs_fork
@pytest.mark.slow
@pytest.mark.timeout(4 * 3600)
def test_a_class_of_thirty(course: Path) -> None:
    run_class(course, 30)
