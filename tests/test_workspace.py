import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from celery.exceptions import ImproperlyConfigured
from processes import PATIENCE, needs_fork, python, started, survivors

from tutorial import workspace
from tutorial.workspace import home, open_workspace

OPEN_AND_WAIT = """
from tutorial.workspace import open_workspace
print(open_workspace("03-add"), flush=True)
input()"""


@pytest.fixture
def kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Make this process a fresh kernel whose workspaces are in the folder that is returned."""
    monkeypatch.setattr(workspace, "WORKSPACES", tmp_path)
    monkeypatch.setattr(workspace, "_locks", {})
    monkeypatch.setenv("TUTORIAL_HOME", "")  # set, so that the test's own value is undone
    monkeypatch.delenv("TUTORIAL_HOME")
    yield tmp_path
    end_kernel()


def end_kernel() -> None:
    for lock in workspace._locks.values():
        lock.release()
    workspace._locks.clear()
    os.environ.pop("TUTORIAL_HOME", None)


def test_the_first_run_has_an_empty_folder_of_the_notebooks_name(kernel: Path) -> None:
    folder = open_workspace("03-add")
    assert folder == kernel / "03-add"
    assert [path.name for path in folder.iterdir()] == [".lock"]
    assert os.environ["TUTORIAL_HOME"] == str(folder)
    assert home() == folder


def test_a_second_time_in_a_kernel_changes_nothing(kernel: Path) -> None:
    folder = open_workspace("03-add")
    (folder / "results.db").write_text("kept")
    assert open_workspace("03-add") == folder
    assert (folder / "results.db").read_text() == "kept"
    assert not (folder / "previous").exists()


def test_another_name_in_a_kernel_is_refused(kernel: Path) -> None:
    open_workspace("03-add")
    with pytest.raises(ImproperlyConfigured, match=r"'03-add': restart the kernel .* '04-results'"):
        open_workspace("04-results")


def test_each_run_keeps_the_one_before_it_and_what_is_not_a_runs(kernel: Path) -> None:
    for run in ("first", "second", "third"):
        folder = open_workspace("03-add")
        for name in ("results.db", "results.db-wal", "queue.db", "logs/celery@notebook.log"):
            assert not (folder / name).exists()
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_text(run)
        assert (folder / "notes.txt").exists() == (run != "first")
        (folder / "notes.txt").write_text("mine")
        end_kernel()
    previous = folder / "previous"
    assert {path.name for path in previous.iterdir()} == {
        *("results.db", "results.db-wal", "queue.db", "logs")
    }
    assert (previous / "results.db").read_text() == "second"
    assert (previous / "logs/celery@notebook.log").read_text() == "second"


def test_tutorial_home_names_the_folder(kernel: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(kernel)
    monkeypatch.setenv("TUTORIAL_HOME", "of my own")
    folder = open_workspace("03-add")
    assert folder == kernel / "of my own"
    monkeypatch.chdir("/")  # the relative path has become an absolute one
    assert home() == folder


@pytest.mark.parametrize("name", ["", "..", "a/b", "../x", "/tmp/x"])
def test_a_name_that_is_no_folder_name_is_refused(kernel: Path, name: str) -> None:
    with pytest.raises(ImproperlyConfigured, match="does not name a notebook"):
        open_workspace(name)
    assert list(kernel.iterdir()) == []


def test_a_file_in_its_place_is_refused(kernel: Path) -> None:
    (kernel / "03-add").touch()
    with pytest.raises(ImproperlyConfigured, match=r"cannot be written to .*set TUTORIAL_HOME"):
        open_workspace("03-add")


@needs_fork
@pytest.mark.parametrize("make", ["home()", "open_workspace('03-add')"])
def test_a_folder_without_permission_is_refused(tmp_path: Path, make: str) -> None:
    tmp_path.chmod(0o555)
    code = f"""
import os
from tutorial.workspace import home, open_workspace
if os.geteuid() == 0:  # root may write everywhere
    os.seteuid(65534)
{make}"""
    done = python(code, tmp_path / "home")
    last = done.stderr.splitlines()[-1]
    assert "ImproperlyConfigured: The workspace" in last
    assert "(Permission denied): make it writable, or set TUTORIAL_HOME" in last
    tmp_path.chmod(0o755)


@needs_fork
def test_a_workspace_of_another_user_is_refused() -> None:
    code = """
import os
from tutorial.workspace import open_workspace
if os.geteuid() != 0:
    raise SystemExit("only root can be two users")
os.chmod(os.environ["TUTORIAL_HOME"], 0o777)
open(os.environ["TUTORIAL_HOME"] + "/.lock", "w").close()
os.chmod(os.environ["TUTORIAL_HOME"] + "/.lock", 0o600)
os.seteuid(65534)
open_workspace('03-add')"""
    with tempfile.TemporaryDirectory() as folder:  # pytest's own are closed to others
        done = python(code, folder)
    if "two users" in done.stderr:
        pytest.skip("only root can be two users")
    assert "cannot be written to (Permission denied)" in done.stderr.splitlines()[-1]


def test_what_cannot_be_moved_away_is_named_and_the_cell_can_be_run_again(kernel: Path) -> None:
    folder = open_workspace("03-add")
    end_kernel()
    (folder / "results.db").touch()
    (folder / "previous").touch()  # a file, as an open one on Windows, is not removed as a folder
    for _ in range(2):
        with pytest.raises(ImproperlyConfigured, match="cannot be moved away"):
            open_workspace("03-add")
    (folder / "previous").unlink()
    assert open_workspace("03-add") == folder
    assert not (folder / "results.db").exists()


def test_two_at_once_have_two_folders(tmp_path: Path) -> None:
    beside = []
    for _ in range(3):
        beside.append(started(OPEN_AND_WAIT, tmp_path))
    folders = [Path(line) for _, line in beside]
    assert folders == [tmp_path, tmp_path / "beside-2", tmp_path / "beside-3"]
    for process, _ in beside[1:]:
        process.communicate("\n", timeout=PATIENCE)
    (tmp_path / "beside-2" / "results.db").write_text("kept")

    again, line = started(OPEN_AND_WAIT, tmp_path)
    assert Path(line) == tmp_path / "beside-2"
    assert (tmp_path / "beside-2" / "previous" / "results.db").read_text() == "kept"
    again.communicate("\n", timeout=PATIENCE)
    beside[0][0].communicate("\n", timeout=PATIENCE)


@needs_fork
def test_a_killed_kernel_frees_the_folder_though_a_forked_child_lives(tmp_path: Path) -> None:
    code = """
import os, time
from tutorial.workspace import open_workspace
folder = open_workspace("03-add")
if os.fork() == 0:
    time.sleep(30)
    os._exit(0)
print(folder, flush=True)
time.sleep(30)"""
    first, _ = started(code, tmp_path)
    # While it lives, the folder is taken, also when the child has gone.
    second, line = started(OPEN_AND_WAIT, tmp_path)
    assert Path(line) == tmp_path / "beside-2"
    second.communicate("\n", timeout=PATIENCE)
    first.kill()
    first.wait()
    third, line = started(OPEN_AND_WAIT, tmp_path)
    assert Path(line) == tmp_path
    third.communicate("\n", timeout=PATIENCE)
    [child] = survivors(tmp_path, within=0)
    child.kill()
    assert first.stdout
    first.stdout.close()


@needs_fork
def test_a_restart_while_an_old_worker_still_dies(tmp_path: Path) -> None:
    code = """
import os, sys
from tutorial.workspace import open_workspace
open_workspace("03-add")
from tutorial.tasks import add, nap
from tutorial.worker import Worker
worker = Worker(concurrency=1).start()
for _ in range(3):
    nap.delay(30)
while "received" not in worker.logs():
    pass
print(worker.pid, flush=True)
os.kill(os.getpid(), 9)"""
    first, pid = started(code, tmp_path)
    first.communicate(timeout=PATIENCE)
    assert first.returncode == -signal.SIGKILL
    code = """
from tutorial.workspace import open_workspace
print(open_workspace("03-add"))
from tutorial.tasks import add
from tutorial.worker import Worker
with Worker(pool="solo") as worker:
    print(add.delay(2, 3).get(timeout=300, interval=0.005), worker.pid)
"""
    done = python(code, tmp_path)
    assert done.returncode == 0, done.stderr
    folder, result = done.stdout.splitlines()
    assert Path(folder) == tmp_path
    assert result.startswith("5 ")
    assert (tmp_path / "previous" / "queue.db").exists()
    assert survivors(tmp_path, int(pid)) == []


def test_everything_in_one_line_of_a_terminal(tmp_path: Path) -> None:
    code = "from tutorial.workspace import home; print(home())"
    command = [sys.executable, "-c", code]
    chosen = os.environ | {"TUTORIAL_HOME": "here"}
    done = subprocess.run(command, env=chosen, cwd=tmp_path, capture_output=True, text=True)
    assert Path(done.stdout.strip()) == tmp_path / "here"
