import json
import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from celery.exceptions import ImproperlyConfigured
from processes import PATIENCE, environment, needs_fork, processes, python, started, survivors

from tutorial import workspace
from tutorial.commands import reset
from tutorial.workspace import COURSE, LOCK, MARK, RUN, home, open_workspace

CHAPTERS = sorted((COURSE / "notebooks").rglob("*.ipynb"))

OPEN_AND_WAIT = """
from tutorial.workspace import open_workspace
print(open_workspace("03-add"), flush=True)
input()"""


@pytest.fixture
def kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Make this process a fresh kernel whose workspaces are in the folder that is returned."""
    monkeypatch.setattr(workspace, "WORKSPACES", tmp_path)
    monkeypatch.setattr(workspace, "_locks", {})
    monkeypatch.setattr(workspace, "_used", {})
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
    assert {path.name for path in folder.iterdir()} == {LOCK, MARK}
    if os.name == "posix":
        assert folder.stat().st_mode & 0o777 == 0o700  # results are nobody else's business
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


@pytest.mark.parametrize("chosen", ["absolute", "~/of my own", "of my own"])
def test_tutorial_home_names_the_same_folder_everywhere(
    chosen: str, kernel: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workspace, "COURSE", kernel)  # where a relative path starts
    for variable in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(variable, str(kernel))
    folder = kernel / "of my own"
    monkeypatch.setenv("TUTORIAL_HOME", str(folder) if chosen == "absolute" else chosen)
    (kernel / "elsewhere").mkdir()
    monkeypatch.chdir(kernel / "elsewhere")
    assert home() == open_workspace("03-add") == folder
    assert list((kernel / "elsewhere").iterdir()) == []


@pytest.mark.parametrize("chosen", ["~nobody-of-this-name/x", "a\0b", "{folder}/file/x"])
def test_tutorial_home_that_names_no_folder_is_one_sentence(
    chosen: str, kernel: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (kernel / "file").touch()
    chosen = chosen.format(folder=kernel)
    monkeypatch.setattr(os, "environ", os.environ | {"TUTORIAL_HOME": chosen})
    for action in (home, lambda: open_workspace("03-add")):
        with pytest.raises(
            ImproperlyConfigured, match=r"set (TUTORIAL_HOME|it) to .* empty"
        ) as error:
            action()
        assert "\n" not in str(error.value)


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
    assert "(Permission denied): make it writable, or set TUTORIAL_HOME to a new or empty" in last
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
    time.sleep(900)
    os._exit(0)
print(folder, flush=True)
time.sleep(900)"""
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
    [child] = processes(tmp_path)
    child.kill()
    assert first.stdout
    first.stdout.close()


@needs_fork
def test_a_restart_while_an_old_worker_still_dies(tmp_path: Path) -> None:
    code = """
import os, sys, time
from tutorial.workspace import open_workspace
open_workspace("03-add")
from tutorial.tasks import add, nap
from tutorial.worker import Worker
worker = Worker(concurrency=1).start()
for _ in range(3):
    nap.delay(900)
while "received" not in worker.logs():
    time.sleep(0.01)
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


def a_users_folder(folder: Path) -> dict[Path, str]:
    """Fill the folder with a person's own files, under the names of the course's; return them."""
    names = [
        "files/a",
        "logs/celery@notebook.log",
        "previous/b",
        "previous/files/c",
        "solved/add-1",
    ]
    names += ["results.db", "results.db.sql", "queue.db", "queue.db-consumers/1-2", "beside-2/d"]
    names += [".lock", "room", "bank-is-open", "__pycache__/e", "celery@notebook.schedule"]
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"mine: {name}")
    return contents(folder)


def contents(folder: Path) -> dict[Path, str]:
    return {path: path.read_text() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def project(kernel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that is not in the course's."""
    return tmp_path_factory.mktemp("project")


def test_a_users_own_files_are_left_alone(
    project: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    mine = a_users_folder(project)
    inside = project / "tutorial-workspace"
    for _ in range(3):
        monkeypatch.setenv("TUTORIAL_HOME", str(project))
        assert home() == open_workspace("03-add") == inside
        assert f"{project} holds files that are not the course's" in capfd.readouterr().err
        for name in ("results.db", "files/big.db", "logs/celery@notebook.log", "bank-is-open"):
            assert not (inside / name).exists()
            (inside / name).parent.mkdir(exist_ok=True)
            (inside / name).touch()
        end_kernel()
    assert mine.items() <= contents(project).items()

    monkeypatch.setenv("TUTORIAL_HOME", str(project))
    assert reset.run() == 0
    removed, kept = capfd.readouterr().out.splitlines()
    assert removed.startswith("removed") and removed.endswith("tutorial-workspace")
    assert "files, logs, previous" in kept
    assert contents(project) == mine


def test_reset_touches_nothing_where_the_course_has_never_been(
    project: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    mine = a_users_folder(project)
    monkeypatch.setenv("TUTORIAL_HOME", str(project))
    assert reset.run() == 0
    assert capfd.readouterr().out.startswith(f"kept     {project}  it holds files that")
    monkeypatch.delenv("TUTORIAL_HOME")
    assert reset.run() == 0
    assert contents(project) == mine


def test_a_users_file_in_the_place_of_the_courses_folder_is_refused(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = a_users_folder(project / "tutorial-workspace")
    monkeypatch.setenv("TUTORIAL_HOME", str(project))
    with pytest.raises(ImproperlyConfigured, match="not the course's: set TUTORIAL_HOME to a new"):
        open_workspace("03-add")
    assert contents(project) == mine


def test_an_earlier_releases_workspace_is_known_by_its_lock(kernel: Path) -> None:
    for name in (LOCK, "results.db"):
        (kernel / "03-add" / name).parent.mkdir(exist_ok=True)
        (kernel / "03-add" / name).touch()
    folder = open_workspace("03-add")
    assert folder == kernel / "03-add"
    assert (folder / "previous" / "results.db").exists()


def test_many_kernels_at_once_make_one_new_folder(tmp_path: Path) -> None:
    code = "from tutorial.workspace import home; print(home())"
    folder = tmp_path / "new" / "home"
    command = [sys.executable, "-c", code]
    run = [
        subprocess.Popen(command, env=environment(folder), stdout=subprocess.PIPE, text=True)
        for _ in range(6)
    ]
    assert {process.communicate(timeout=PATIENCE)[0].strip() for process in run} == {str(folder)}


def test_work_before_the_first_cell_asks_for_a_restart(
    kernel: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = home()  # as the app does when a task is sent
    for _ in range(2):
        with pytest.raises(
            ImproperlyConfigured, match=f"worked in .*{before.name}.*restart"
        ) as error:
            open_workspace("03-add")
        assert "\n" not in str(error.value)
    assert "TUTORIAL_HOME" not in os.environ
    monkeypatch.setattr(workspace, "_used", {})  # the restart
    assert open_workspace("03-add") == kernel / "03-add"


def test_a_task_before_the_first_cell_is_not_sent_to_two_places(tmp_path: Path) -> None:
    code = """
from pathlib import Path
from tutorial import workspace
workspace.WORKSPACES = Path(r"{folder}")
from tutorial.tasks import add
add.delay(2, 3)
workspace.open_workspace("03-add")"""
    done = python(code.format(folder=tmp_path), home="")
    assert "restart the kernel, and run the cells from the top" in done.stderr.splitlines()[-1]
    # With the folder chosen beforehand there is no other place, and it goes on.
    done = python(code.format(folder=tmp_path), home=tmp_path / "chosen")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("notebook", CHAPTERS, ids=lambda path: path.stem)
def test_what_a_notebook_writes_is_known(notebook: Path) -> None:
    """A chapter writes into `files`, or under a name that is in `RUN`, where reset finds it."""
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    source = "".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")
    names = set(re.findall(r"""\bhome(?:\(\))? / f?["']([^"'/]+)""", source))
    assert [name for name in names if not any(Path(name).match(known) for known in RUN)] == []
