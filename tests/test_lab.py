"""``python -m tutorial lab``: a real server, as a learner starts it."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError

import psutil
import pytest
import websocket
from processes import ENDING, PATIENCE, few, wait_for

from tutorial.commands.lab import FIRST_NOTEBOOK
from tutorial.processes.private import free_port
from tutorial.workspace import COURSE

LAB = [sys.executable, "-m", "tutorial", "lab", "--no-browser"]
# What nohup and a script's "&" do to the programs that they start.
IGNORING_SIGINT = ("sh", "-c", 'trap "" INT; exec "$@"', "sh")
posix = pytest.mark.skipif(os.name != "posix", reason="Windows has no such signals and shells")


@dataclass
class Lab:
    """A running JupyterLab."""

    process: subprocess.Popen
    address: str  # of the first notebook, with the token
    port: int
    token: str

    def ask(self, path: str, method: str = "GET", token: str | None = None) -> str:
        """Send a request with the token, and return the answer."""
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", method=method)
        request.add_header("Authorization", f"token {token or self.token}")
        with urllib.request.urlopen(request, timeout=PATIENCE) as response:
            return response.read().decode()

    def listens(self) -> bool:
        try:
            return bool(self.ask("/api/status"))
        except URLError:
            return False

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(timeout=PATIENCE)

    def processes(self) -> list[psutil.Process]:
        """Return the server and all that it has started."""
        server = psutil.Process(self.process.pid)
        return [server, *server.children(recursive=True)]


def launch(
    folder: Path,
    *options: str,
    stdin: int = subprocess.DEVNULL,
    prefix: Sequence[str] = (),
    **variables: str,
) -> Lab:
    """Start JupyterLab for a learner with this home folder, and wait until it answers."""
    log = folder / "lab.log"
    with log.open("w") as file:
        process = subprocess.Popen(
            [*prefix, *LAB, *(options or [f"--port={free_port()}"])],
            cwd=COURSE,
            env=os.environ | a_home(folder) | variables,
            stdin=stdin,
            stdout=file,
            stderr=file,
        )
    deadline = time.monotonic() + PATIENCE
    while True:
        found = re.search(r"http://localhost:(\d+)/\S*\?token=(\w+)", log.read_text())
        # Jupyter prints the address a moment before it listens.
        if found and (lab := Lab(process, found[0], int(found[1]), found[2])).listens():
            return lab
        if process.poll() is not None or time.monotonic() > deadline:
            process.kill()
            pytest.fail(log.read_text())
        time.sleep(0.1)


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A JupyterLab for all tests that only look at it."""
    running = launch(tmp_path_factory.mktemp("home"))
    yield running
    running.stop()


@pytest.fixture
def start_lab(tmp_path: Path) -> Iterator[Callable[..., Lab]]:
    """Start JupyterLab in ways of one's own, and end it with the test."""
    started = []

    def start(*options: str, **others: Any) -> Lab:
        started.append(launch(tmp_path, *options, **others))
        return started[-1]

    yield start
    for running in started:
        running.stop()


def a_home(folder: Path) -> dict[str, str]:
    """Return the variables that keep Jupyter's and IPython's own files in a folder."""
    names = ["IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR"]
    return {name: str(folder / name) for name in names} | {"HOME": str(folder), "SHELL": "/bin/sh"}


def test_the_address_opens_the_first_notebook(lab: Lab) -> None:
    assert lab.address.split("?")[0].endswith(f"/tree/{FIRST_NOTEBOOK}")
    with urllib.request.urlopen(lab.address, timeout=PATIENCE) as response:
        page = response.read().decode()
    options = json.loads(re.search(r'id="jupyter-config-data"[^>]*>(.*?)</script>', page, re.S)[1])
    assert options["treePath"] == FIRST_NOTEBOOK
    # The file browser shows the package and the workspaces too.
    folder = json.loads(lab.ask("/api/contents/"))
    assert {"notebooks", "tutorial"} <= {entry["name"] for entry in folder["content"]}


@pytest.mark.slow
def test_an_option_replaces_the_courses_own(start_lab: Callable[..., Lab]) -> None:
    running = start_lab("--LabApp.default_url=/lab/tree/notebooks/03-add.ipynb")
    assert "/lab/tree/notebooks/03-add.ipynb?token=" in running.address


def test_without_the_token_nothing_opens(lab: Lab) -> None:
    with pytest.raises(HTTPError, match="403"):
        lab.ask("/api/contents/", token="wrong")
    with urllib.request.urlopen(lab.address.split("?")[0], timeout=PATIENCE) as response:
        assert "/login" in response.url


def test_no_question_greets_the_learner(lab: Lab) -> None:
    answer = lab.ask("/lab/api/settings/@jupyterlab/apputils-extension:notification")
    properties = json.loads(answer)["schema"]["properties"]
    # With "none", its own default, JupyterLab asks whether it may fetch news.
    assert properties["fetchNews"]["default"] == "false"
    assert properties["checkForUpdates"]["default"] is False


@pytest.mark.slow  # JupyterLab's own doing
def test_a_taken_port_is_no_obstacle(start_lab: Callable[..., Lab]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        running = start_lab(f"--port={port}")
    assert running.port != port
    assert json.loads(running.ask("/api/status"))["started"]


@pytest.mark.slow
def test_the_kernel_is_that_of_the_environment(
    start_lab: Callable[..., Lab], tmp_path: Path
) -> None:
    # The learner has kernels of the same name, of other environments.
    for place in ("JUPYTER_DATA_DIR", "path"):
        folder = tmp_path / place / "kernels" / "python3"
        folder.mkdir(parents=True)
        spec = {"argv": ["elsewhere"], "display_name": "Elsewhere", "language": "python"}
        (folder / "kernel.json").write_text(json.dumps(spec))
    running = start_lab(JUPYTER_PATH=str(tmp_path / "path"))
    kernel = json.loads(running.ask("/api/kernelspecs"))["kernelspecs"]["python3"]
    assert kernel["spec"]["argv"][1:3] == ["-m", "ipykernel_launcher"]
    running.ask("/api/kernels", "POST")
    programs = []
    for process in running.processes():
        with suppress(psutil.NoSuchProcess):  # JupyterLab also runs programs that end at once
            programs += process.cmdline()[:1]
    assert sys.executable in programs


@posix
def test_a_terminal_finds_celery(start_lab: Callable[..., Lab]) -> None:
    running = start_lab(PATH="/usr/bin:/bin")
    name = json.loads(running.ask("/api/terminals", "POST"))["name"]
    address = f"ws://127.0.0.1:{running.port}/terminals/websocket/{name}?token={running.token}"
    terminal = websocket.create_connection(address, timeout=PATIENCE)
    terminal.send(json.dumps(["stdin", "echo found: $(command -v celery)\r"]))
    output = ""
    while not re.search("found: /.*\n", output):
        kind, *rest = json.loads(terminal.recv())
        output += rest[0] if kind == "stdout" else ""
    terminal.close()
    assert f"found: {Path(sys.executable).parent / 'celery'}\r\n" in output


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="the option of env is GNU's")
@pytest.mark.slow
@pytest.mark.parametrize(
    ("ending", "stays"), [("", False), (" --logfile=log", False), (" >log 2>&1", True)]
)
def test_a_stock_worker_outlives_its_terminal_only_without_its_output(
    ending: str, stays: bool, start_lab: Callable[..., Lab], tmp_path: Path
) -> None:
    app = "app = Celery('mine', broker='sqla+sqlite:///queue.db', backend='db+sqlite:///r.db')"
    (tmp_path / "mine.py").write_text(f"from celery import Celery\n{app}\n")
    running = start_lab()
    name = json.loads(running.ask("/api/terminals", "POST"))["name"]
    address = f"ws://127.0.0.1:{running.port}/terminals/websocket/{name}?token={running.token}"
    terminal = websocket.create_connection(address, timeout=PATIENCE)
    # Where this test itself is without a terminal, a hang-up may be ignored.
    worker = f"env --default-signal=HUP celery -A mine worker --concurrency=1{ending}"
    terminal.send(json.dumps(["stdin", f"cd '{tmp_path}'; {worker}\r"]))
    wait_for(lambda: (tmp_path / "queue.db").exists() and len(workers(tmp_path)) == 2)
    running.ask(f"/api/terminals/{name}", "DELETE")
    try:
        if stays:
            log = tmp_path / "log"
            wait_for(lambda: "Restarting celery worker" in log.read_text())
            wait_for(lambda: log.read_text().count(".> transport:") == 2)  # it has begun again
        else:
            wait_for(lambda: not workers(tmp_path))
    finally:
        for process in workers(tmp_path):
            process.kill()


def workers(folder: Path) -> list[psutil.Process]:
    """Return the worker processes that run in a folder."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.cwd() == str(folder) and "mine" in process.cmdline():
                found.append(process)
    return found


@pytest.mark.slow
@posix
def test_it_stops_where_the_parent_ignores_sigint(
    start_lab: Callable[..., Lab],
) -> None:
    running = start_lab(prefix=IGNORING_SIGINT)
    running.process.send_signal(signal.SIGINT)
    assert running.process.wait(timeout=PATIENCE) == 0


@posix
@pytest.mark.parametrize(
    ("in_terminal", "signals"),
    few(
        (True, [signal.SIGINT, signal.SIGINT]),
        (False, [signal.SIGTERM]),
        (False, [signal.SIGINT]),
    ),
    ids=["Ctrl+C twice in a terminal", "SIGTERM", "SIGINT"],
)
def test_it_stops_with_all_that_it_started(
    in_terminal: bool, signals: list[signal.Signals], start_lab: Callable[..., Lab]
) -> None:
    keyboard, stdin = os.openpty()
    running = start_lab(stdin=stdin if in_terminal else subprocess.DEVNULL)
    running.ask("/api/kernels", "POST")
    running.ask("/api/terminals", "POST")
    processes = running.processes()
    assert len(processes) >= 3
    for number in signals:
        running.process.send_signal(number)
        time.sleep(0.5)
    assert running.process.wait(timeout=PATIENCE) == 0
    _gone, alive = psutil.wait_procs(processes, timeout=ENDING)
    assert alive == []
    for descriptor in (keyboard, stdin):
        os.close(descriptor)
