"""``python -m tutorial reset``, with workspaces that are and that are not in use."""

import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from processes import PATIENCE, python

from tutorial import workspace
from tutorial.commands import reset
from tutorial.workspace import COURSE, LOCK, MARK


def run_reset(home: Path) -> subprocess.CompletedProcess[str]:
    """Run the command on one workspace."""
    return subprocess.run(
        [sys.executable, "-m", "tutorial", "reset"],
        cwd=COURSE,
        env=os.environ | {"TUTORIAL_HOME": str(home)},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )


def a_run(folder: Path) -> Path:
    """Leave in the folder what a notebook leaves, and a worker that was killed."""
    (folder / "logs" / "pymp-x1y2").mkdir(parents=True)
    (folder / "logs" / "pool-x1y2").mkdir()
    (folder / "logs" / "pool-x1y2" / "tasks").touch()
    (folder / "queue.db-consumers").mkdir()
    (folder / "logs" / "celery@notebook.log").touch()
    for name in ("results.db", "queue.db"):
        with closing(sqlite3.connect(folder / name)) as connection:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("CREATE TABLE t (x)")
    locks = [LOCK, ".celery@notebook.lock", "queue.db-consumers/1-abc"]
    files = ["files/big.db", "files/keys/key", "bank-is-open", "hungry.py", "full.py", "room"]
    others = ["celery@notebook.schedule.dat", "__pycache__/hungry.cpython-311.pyc", "solved/add-1"]
    for name in [*locks, *files, *others, "other.db"]:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return folder


def a_workspace(folder: Path) -> Path:
    """Leave a run in a folder that the course has made."""
    (a_run(folder) / MARK).touch()
    return folder


HOLD_THE_WORKSPACE = """
from tutorial.workspace import open_workspace
open_workspace("03-add")
print("ready", flush=True)
input()
"""
HOLD_THE_QUEUE = """
from tutorial.database import make_engine, sqlite_url
from tutorial.workspace import home
connection = make_engine(sqlite_url(home() / "queue.db")).connect()
print("ready", flush=True)
input()
"""


RUN_A_WORKER = """
from tutorial.tasks import add
from tutorial.worker import Worker
from tutorial.workspace import open_workspace
open_workspace("03-add")
for end in (Worker.stop, Worker.kill):
    worker = Worker(concurrency=1).start()
    add.delay(2, 3).get(timeout=60)
    end(worker)
"""


@pytest.fixture
def holding() -> Iterator[Callable[[str, Path], subprocess.Popen]]:
    """Start processes that use a workspace, and end them when the test ends."""
    processes = []

    def hold(source: str, folder: Path) -> subprocess.Popen:
        process = subprocess.Popen(
            [sys.executable, "-c", source],
            env=os.environ | {"TUTORIAL_HOME": str(folder)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        processes.append(process)
        assert process.stdout and process.stdout.readline() == b"ready" + os.linesep.encode()
        return process

    yield hold
    for process in processes:
        process.kill()
        process.communicate()


@pytest.fixture
def workspaces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of workspaces in place of the learner's own."""
    monkeypatch.delenv("TUTORIAL_HOME", raising=False)
    monkeypatch.setattr(workspace, "WORKSPACES", tmp_path / "workspaces")
    return tmp_path / "workspaces"


def test_reset_deletes_what_nothing_uses(
    workspaces: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    a_workspace(workspaces / "03-add")
    a_run(workspaces / "03-add" / "previous")
    a_workspace(workspaces / "03-add" / "beside-2")
    (workspaces / "default").mkdir()
    (workspaces / "default" / MARK).touch()
    (workspaces / "notes.txt").touch()
    assert reset.run() == 0
    assert [path.name for path in workspaces.iterdir()] == ["notes.txt"]
    assert capsys.readouterr().out.count("removed") == 3
    assert reset.run() == 0
    assert capsys.readouterr().out == "There is no workspace.\n"


@pytest.mark.parametrize("source", [HOLD_THE_WORKSPACE, HOLD_THE_QUEUE], ids=["notebook", "worker"])
def test_reset_keeps_a_workspace_in_use(source: str, holding: Callable, tmp_path: Path) -> None:
    user = holding(source, a_workspace(tmp_path / "03-add"))
    before = sorted(path for path in tmp_path.rglob("*") if path.suffix in (".db", ".log"))
    finished = run_reset(tmp_path / "03-add")
    assert finished.returncode == 0
    assert finished.stdout.startswith("kept")
    assert "uses it" in finished.stdout
    assert sorted(path for path in tmp_path.rglob("*") if path.suffix in (".db", ".log")) == before

    user.kill()
    user.wait()
    finished = run_reset(tmp_path / "03-add")
    assert finished.stdout.startswith("removed")
    assert list(tmp_path.iterdir()) == []


def test_reset_leaves_what_is_not_the_courses(tmp_path: Path) -> None:
    a_workspace(tmp_path)
    mine = [tmp_path / "notes.txt", tmp_path / "logs" / "diary.txt", tmp_path / "my.db"]
    mine += [tmp_path / "results.db.sql", tmp_path / "solved" / "how.txt"]
    for path in mine:
        path.touch()
    finished = run_reset(tmp_path)
    assert finished.returncode == 0
    assert finished.stdout.startswith("kept")
    others = "logs, my.db, notes.txt, results.db.sql, solved"
    assert finished.stdout.endswith(f"it holds other files: {others}\n")
    left = {path for path in tmp_path.rglob("*") if path.is_file()}
    assert left == {*mine, tmp_path / MARK}  # still the course's place for the next run


def test_reset_deletes_what_a_worker_leaves(tmp_path: Path) -> None:
    home = tmp_path / "03-add"
    ran = python(RUN_A_WORKER, home, cwd=COURSE)
    assert ran.returncode == 0, ran.stderr
    assert (home / "logs").is_dir()
    finished = run_reset(home)
    assert finished.stdout.startswith("removed")
    assert not home.exists()


def test_reset_follows_no_link(workspaces: Path, tmp_path: Path) -> None:
    elsewhere = a_workspace(tmp_path / "elsewhere")
    workspaces.mkdir()
    try:
        (workspaces / "link").symlink_to(elsewhere, target_is_directory=True)
    except OSError:
        pytest.skip("this user cannot make links")
    assert reset.run() == 0
    assert (elsewhere / "results.db").exists()
