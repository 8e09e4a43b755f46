"""What pytest notices when it runs notebooks, and what a run leaves behind: nothing."""

import os
import shutil
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import nbformat
import psutil
import pytest
from course_checks import Chapter, check_executed
from nbformat.v4 import new_code_cell, new_notebook, new_output
from processes import ENDING

from tutorial.commands.execute import canonical, serialize
from tutorial.servers import VARIABLES
from tutorial.workspace import COURSE

MARK = "COURSE_TEST_RUN"  # every process of a run inherits this variable
# What the tools themselves keep in a home folder: IPython, Jupyter, matplotlib
KEPT_BY_TOOLS = {".cache", ".config", ".ipython", ".jupyter", ".local", ".matplotlib", "Library"}
ADD = """\
from tutorial.tasks import add
from tutorial.worker import Worker

with Worker():
    total = add.delay(2, 3).get(timeout=300, interval=0.01)
total"""

LEAVE_A_PROCESS = """\
import subprocess
import sys

command = [sys.executable, "-c", "import time; time.sleep(900)"]
process = subprocess.Popen(command, start_new_session=True)"""


def write(course: Path, name: str, *cells: tuple[str, str]) -> Path:
    """Write an executed notebook of cells that show a value, as (code, what is stored)."""
    start = f'from tutorial.workspace import open_workspace\n\nopen_workspace("{name}").name'
    notebook = new_notebook()
    for count, (source, shown) in enumerate([(start, repr(name)), *cells], start=1):
        output = new_output("execute_result", {"text/plain": shown}, execution_count=count)
        notebook.cells.append(new_code_cell(source, execution_count=count, outputs=[output]))
    path = course / "notebooks" / f"{name}.ipynb"
    path.write_bytes(serialize(canonical(notebook, name)))
    return path


@pytest.fixture
def course(tmp_path: Path) -> Path:
    """Return a copy of the course without its notebooks."""
    copy = tmp_path / "a course"
    shutil.copytree(COURSE / "tutorial", copy / "tutorial")  # compiled already
    shutil.copy(COURSE / "pyproject.toml", copy)
    (copy / "notebooks").mkdir()
    return copy


def run_pytest(
    course: Path, patience: float = ENDING
) -> tuple[subprocess.CompletedProcess[str], list[str]]:
    """Run the notebooks of a copy; return also what the run left on the disk or running.

    A worker whose kernel was killed has `patience` seconds to end.
    """
    outside = [course.parent / folder for folder in ("home", "temporary")]
    for folder in outside:
        folder.mkdir()
    before = files(course)
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-n0", "notebooks"]
    done = subprocess.run(
        command, cwd=course, env=run_environment(course), capture_output=True, text=True
    )
    left = [f"{path}" for path, content in files(course).items() if before.get(path) != content]
    left += [path.name for path in outside[0].iterdir() if path.name not in KEPT_BY_TOOLS]
    left += [path.name for path in outside[1].iterdir()]
    deadline = time.monotonic() + patience
    while (running := processes(course)) and time.monotonic() < deadline:
        time.sleep(0.1)
    return done, left + running


def run_environment(course: Path) -> dict[str, str]:
    """Return the variables of a run, which mark its processes."""
    home, temporary = str(course.parent / "home"), str(course.parent / "temporary")
    environment = {name: text for name, text in os.environ.items() if not name.startswith("PYTEST")}
    environment.pop("TUTORIAL_HOME", None)
    environment |= {"HOME": home, "USERPROFILE": home, "PYTHONPATH": str(course), MARK: str(course)}
    environment |= dict.fromkeys(("TMPDIR", "TEMP", "TMP"), temporary)
    return environment


def files(course: Path) -> dict[Path, bytes]:
    """Return the content of all files outside the workspaces, but not what Python compiles."""
    paths = [path for path in course.rglob("*") if path.is_file() and path.suffix != ".pyc"]
    return {path: path.read_bytes() for path in paths if course / "workspaces" not in path.parents}


def marked(course: Path) -> list[psutil.Process]:
    """Return the run's processes that are still there."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):  # it has just ended, or belongs to somebody else
            if process.environ().get(MARK) == str(course):
                found.append(process)
    return found


def processes(course: Path) -> list[str]:
    """Return the command lines of the run's processes that are still there."""
    found = []
    for process in marked(course):
        with suppress(psutil.Error):
            found.append(" ".join(process.cmdline()))
    return found


def test_a_broken_task_and_a_changed_digit_fail_and_cleared_outputs_are_seen(course: Path) -> None:
    write(course, "03-add", (ADD, "5"))
    tasks = course / "tutorial" / "tasks.py"
    tasks.write_text(tasks.read_text(encoding="utf-8").replace("x + y", "x - y"), encoding="utf-8")
    write(course, "04-digit", ("2 + 3", "6"))
    cleared = write(course, "05-cleared", ("2 + 3", "6"))
    notebook = nbformat.read(cleared, as_version=4)
    for cell in notebook.cells:
        cell.outputs, cell.execution_count = [], None
    cleared.write_bytes(serialize(notebook))

    done, left = run_pytest(course)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "FAILED notebooks/03-add.ipynb::Cell 1" in done.stdout
    assert "FAILED notebooks/04-digit.ipynb::Cell 1" in done.stdout
    # nbval takes a cleared notebook for one without expectations. The course's own check does not.
    assert "2 failed, 4 passed" in done.stdout
    assert check_executed(Chapter.read(cleared))
    assert left == []


@pytest.mark.slow
def test_what_a_run_leaves_is_seen(course: Path) -> None:
    write(course, "03-add", (LEAVE_A_PROCESS, ""), ("open('left.txt', 'w').write('x')", "1"))
    _, left = run_pytest(course, patience=0.2)
    assert [Path(item).name for item in left[:1]] == ["left.txt"]
    assert "time.sleep(900)" in left[1]
    for process in marked(course):
        process.kill()


@pytest.mark.slow
def test_a_cell_that_needs_a_missing_server_is_skipped_in_whatever_folder_pytest_starts(
    course: Path, tmp_path: Path
) -> None:
    path = write(course, "12-servers", ("2 + 3", "6"))
    notebook = nbformat.read(path, as_version=4)
    notebook.cells[1].metadata["tags"] = ["needs-rabbitmq"]
    nbformat.write(notebook, path)
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-n0", str(path)]
    environment = run_environment(course)
    environment.pop(VARIABLES["rabbitmq"], None)
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert "1 passed, 1 skipped" in done.stdout, done.stdout + done.stderr
