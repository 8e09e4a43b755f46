"""A class on a real JupyterHub: with accounts of the system, and nbgrader's exchange."""

import csv
import grp
import json
import os
import pwd
import secrets
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import nbformat
import psutil
import pytest
import requests
import websocket
from processes import PATIENCE, wait_for
from submissions import ADD, solved, unsolved
from test_class_of_thirty import rows

from tutorial.commands.environment import VERSIONS
from tutorial.commands.uv import find_uv
from tutorial.processes.private import free_port
from tutorial.workspace import COURSE

GROUP = "learners"
GONE = 20  # seconds after a stop in which everything of a learner has to end
# The ready settings, with what a test needs: its own port, token and exchange.
SETTINGS = """
load_subconfig("{ready}")
c.Spawner.environment["NBGRADER_EXCHANGE"] = "{exchange}"
c.JupyterHub.bind_url = "http://127.0.0.1:{port}"
c.JupyterHub.hub_port = {hub_port}
c.ConfigurableHTTPProxy.api_url = "http://127.0.0.1:{proxy_port}"
c.JupyterHub.services = [{{"name": "test", "api_token": "{token}"}}]
c.JupyterHub.load_roles = [
    {{
        "name": "test",
        "services": ["test"],
        "scopes": ["admin:users", "admin:servers", "access:servers"],
    }}
]
"""
STOCK_APP = """
from celery import Celery

app = Celery("mine", broker="sqla+sqlite:///queue.db", backend="db+sqlite:///results.db")
"""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(3600),
    pytest.mark.skipif(
        not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root makes accounts"
    ),
]


def run(command: list[str], **options: Any) -> str:
    """Run a program that has to succeed, and return what it prints."""
    done = subprocess.run(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=PATIENCE * 4,
        **options,
    )
    assert done.returncode == 0, f"{command}: {done.stdout}"
    return done.stdout


# The machine, as TEACHERS.md sets it up


class Machine:
    """A shared copy of the course with its environment, a teacher and learners."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.course = folder / "course"
        self.exchange = folder / "exchange"
        self.environment = self.course / ".venv"
        self.python = self.environment / "bin" / "python"
        self.teacher = ""
        self.learners: list[str] = []

    def home(self, name: str) -> Path:
        return self.folder / "home" / name

    def workspace(self, name: str) -> Path:
        return self.home(name) / "course" / "workspaces" / ADD

    @property
    def class_of_teacher(self) -> Path:
        return self.home(self.teacher) / "class"

    def full_course(self) -> Path:
        """Return the teacher's own copy of the course, with solutions."""
        copy = self.home(self.teacher) / "celery-course"
        skip = shutil.ignore_patterns(".*", "workspaces", "__pycache__", "slides", "site")
        shutil.copytree(COURSE, copy, ignore=skip)
        run(["chown", "--recursive", self.teacher, str(copy)])
        self.home(self.teacher).chmod(0o700)
        return copy

    def add(self, name: str) -> str:
        (self.folder / "home").mkdir(exist_ok=True)
        home = ["--create-home", "--home-dir", str(self.home(name))]
        run(["useradd", *home, "--gid", GROUP, "--shell", "/bin/bash", name])
        return name

    def run_as(self, name: str, *command: str, cwd: Path | None = None, **variables: str) -> str:
        """Run a program as somebody in a terminal of JupyterLab would."""
        own = {
            "HOME": str(self.home(name)),
            "PATH": f"{self.environment}/bin:{os.environ['PATH']}",
            "NBGRADER_EXCHANGE": str(self.exchange),
        }
        return run(
            [*command],
            cwd=cwd or self.home(name),
            env=own | variables,
            user=name,
            group=GROUP,
            extra_groups=[],
        )


def readable_python() -> str:
    """Return a Python that every account may run."""
    for path in (getattr(sys, "_base_executable", sys.executable), "/usr/bin/python3"):
        real = Path(path).resolve()
        if real.exists() and all(each.stat().st_mode & 0o005 == 0o005 for each in real.parents):
            return str(real)
    pytest.skip("no Python of this machine is for everybody")


def proxy_program(folder: Path) -> str:
    """Return the folder of configurable-http-proxy, and install it if it is missing."""
    if found := shutil.which("configurable-http-proxy"):
        return str(Path(found).parent)
    if not shutil.which("npm"):
        pytest.skip("configurable-http-proxy is missing, and npm, which would install it")
    run(["npm", "install", "--no-audit", "--no-fund", "configurable-http-proxy@5"], cwd=folder)
    return str(folder / "node_modules" / ".bin")


@pytest.fixture(scope="module")
def machine() -> Iterator[Machine]:
    folder = Path(tempfile.mkdtemp(prefix="hub-"))
    folder.chmod(0o755)
    own = Machine(folder)
    uv = find_uv()
    try:
        run([sys.executable, "-m", "tutorial", "classroom", "handout", str(own.course)], cwd=COURSE)
        run([uv, "venv", "--no-project", "--python", readable_python(), str(own.environment)])
        run(
            [
                *(uv, "pip", "install", "--compile-bytecode", "--python", str(own.python)),
                *("--constraints", str(VERSIONS)),
                *("--editable", f"{own.course}[classroom,servers,hub]"),
            ]
        )
        own.exchange.mkdir()
        own.exchange.chmod(0o1777)
        yield own
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def people(machine: Machine, learners: int) -> Iterator[None]:
    """Make the accounts of a class, and remove them."""
    mark = secrets.token_hex(2)
    made_group = GROUP not in {group.gr_name for group in grp.getgrall()}
    if made_group:
        run(["groupadd", GROUP])
    made: list[str] = []
    try:
        for name in ("teacher", *(f"learner{number}" for number in range(learners))):
            made.append(machine.add(f"{name}-{mark}"))
        machine.teacher, *machine.learners = made
        yield
    finally:
        shutil.rmtree(machine.exchange / "celery-sql-results", ignore_errors=True)
        for name in made:
            subprocess.run(["pkill", "-KILL", "--uid", name], check=False)
            subprocess.run(["userdel", "--remove", name], check=False, capture_output=True)
        if made_group:
            subprocess.run(["groupdel", GROUP], check=False)


# The hub


class Hub:
    """A running JupyterHub, asked by its API."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.port, hub_port, proxy_port = free_port(), free_port(), free_port()
        self.token = secrets.token_hex()
        place = machine.folder / "hub"
        place.mkdir(mode=0o700, exist_ok=True)
        for old in place.glob("jupyterhub*"):
            old.unlink()
        settings = place / "settings.py"
        settings.write_text(
            SETTINGS.format(
                ready=machine.course / "notebooks" / "exercises" / "jupyterhub_config.py",
                exchange=machine.exchange,
                port=self.port,
                hub_port=hub_port,
                proxy_port=proxy_port,
                token=self.token,
            )
        )
        self.log = place / "log"
        path = f"{proxy_program(place)}:{os.environ['PATH']}"
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                [str(machine.environment / "bin" / "jupyterhub"), "-f", str(settings)],
                cwd=place,
                env={"PATH": path, "HOME": "/root", "LANG": "C.UTF-8"},
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def answers(self) -> bool:
        assert self.process.poll() is None, self.log.read_text()[-3000:]
        with suppress(requests.ConnectionError):
            return requests.get(self.url("/hub/api/"), timeout=PATIENCE).ok
        return False

    def url(self, path: str, scheme: str = "http") -> str:
        return f"{scheme}://127.0.0.1:{self.port}{path}"

    def ask(self, method: str, path: str, /, **content: Any) -> Any:
        answer = requests.request(
            method,
            self.url(path),
            headers={"Authorization": f"token {self.token}"},
            json=content or None,
            timeout=PATIENCE,
        )
        assert answer.ok, f"{method} {path}: {answer.status_code} {answer.text}\n{self.tail()}"
        return answer.json() if answer.content else None

    def tail(self) -> str:
        return self.log.read_text()[-3000:]

    def start(self, name: str) -> None:
        self.ask("POST", f"/hub/api/users/{name}")
        self.ask("POST", f"/hub/api/users/{name}/server")

        def ready() -> bool:
            servers = self.ask("GET", f"/hub/api/users/{name}")["servers"]
            assert servers, self.tail()  # it has failed
            return bool(servers[""]["ready"])

        wait_for(ready)

    def stop(self, name: str) -> None:
        self.ask("DELETE", f"/hub/api/users/{name}/server")

    def connect(self, path: str) -> websocket.WebSocket:
        header = {"Authorization": f"token {self.token}"}
        return websocket.create_connection(self.url(path, "ws"), header=header, timeout=PATIENCE)

    def close(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(PATIENCE)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, 9)


@contextmanager
def running(machine: Machine) -> Iterator[Hub]:
    hub = Hub(machine)
    try:
        wait_for(hub.answers)
        yield hub
    finally:
        hub.close()


def run_notebook(hub: Hub, name: str, notebook: str) -> None:
    """Run all cells of a notebook in a kernel of a learner's server."""
    place = f"course/notebooks/{notebook}"
    cells = nbformat.read(hub.machine.home(name) / place, as_version=4).cells
    with kernel(hub, name, place) as channels:
        for number, cell in enumerate(cells):
            if cell.cell_type == "code":
                fails = "raises-exception" in cell.metadata.get("tags", [])
                reply = execute(channels, cell.source)
                assert fails or reply["status"] == "ok", f"{name}, cell {number}: {reply}"


def run_on_hub(hub: Hub, name: str, *command: str) -> None:
    """Run a program in a learner's home, in the environment of the server."""
    code = (
        "import subprocess\n"
        f"done = subprocess.run({command!r}, capture_output=True, text=True)\n"
        "assert done.returncode == 0, done.stdout + done.stderr"
    )
    with kernel(hub, name, "") as channels:
        reply = execute(channels, code)
    assert reply["status"] == "ok", f"{name}: {reply}"


@contextmanager
def kernel(hub: Hub, name: str, place: str) -> Iterator[websocket.WebSocket]:
    """Start a kernel, which stays when the connection to it ends, as if a browser was closed."""
    facts = hub.ask("POST", f"/user/{name}/api/kernels", name="python3", path=place)
    channels = hub.connect(f"/user/{name}/api/kernels/{facts['id']}/channels")
    try:
        yield channels
    except websocket.WebSocketException as error:
        raise AssertionError(f"{name}: {error}\n{hub.tail()}") from error
    finally:
        channels.close()


def execute(channels: websocket.WebSocket, code: str) -> dict[str, Any]:
    identity = secrets.token_hex()
    content = {"code": code, "silent": False, "store_history": True, "stop_on_error": False}
    header = {"msg_id": identity, "msg_type": "execute_request", "session": "x", "username": "x"}
    parts = {"header": header, "parent_header": {}, "metadata": {}, "content": content}
    channels.send(json.dumps({**parts, "channel": "shell", "buffers": []}))
    while True:
        message = json.loads(channels.recv())
        mine = message["parent_header"].get("msg_id") == identity
        if mine and message["msg_type"] == "execute_reply":
            reply: dict[str, Any] = message["content"]
            return reply


def type_into_terminal(hub: Hub, name: str, line: str) -> None:
    terminal = hub.ask("POST", f"/user/{name}/api/terminals")["name"]
    keyboard = hub.connect(f"/user/{name}/terminals/websocket/{terminal}")
    keyboard.send(json.dumps(["stdin", f"{line}\r"]))
    keyboard.close()


def at_once(work: Callable[[str], None], names: list[str]) -> None:
    with ThreadPoolExecutor(len(names)) as pool:
        list(pool.map(work, names))


def processes_of(name: str) -> list[psutil.Process]:
    uid = pwd.getpwnam(name).pw_uid
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.uids().real == uid and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


def memory_of(name: str) -> int:
    """Return the bytes of a learner's processes, where a page that many share counts in part."""
    total = 0
    for process in processes_of(name):
        with suppress(psutil.Error):
            total += process.memory_full_info().pss
    return total


# The class


@pytest.mark.parametrize("learners", [2, 12])
def test_a_class_on_a_hub(machine: Machine, learners: int) -> None:
    with people(machine, learners), running(machine) as hub:
        at_once(hub.start, machine.learners)
        run_the_same_notebook_at_once(hub)
        exchange(hub)
        others_are_closed(machine)
        nothing_is_left_after_a_stop(hub)


def run_the_same_notebook_at_once(hub: Hub) -> None:
    machine = hub.machine
    began = time.perf_counter()
    at_once(lambda name: run_notebook(hub, name, f"{ADD}.ipynb"), machine.learners)
    taken = time.perf_counter() - began
    for name in machine.learners:  # ports of kernels that start at once can be the same
        assert any(each.is_socket() for each in (machine.home(name) / ".jupyter-runtime").iterdir())
    memory = [memory_of(name) for name in machine.learners]
    stored = [rows(machine.workspace(name) / "results.db") for name in machine.learners]
    assert len({len(ids) for ids in stored}) == 1
    assert len(set().union(*stored)) == sum(map(len, stored))  # nothing mixes
    print(
        f"{len(stored)} learners: {taken:.0f} s, {min(memory) / 1e6:.0f} to "
        f"{max(memory) / 1e6:.0f} MB each, {len(stored[0])} results each"
    )


def exchange(hub: Hub) -> None:
    """Release, fetch, submit, collect, grade, and hand the feedback out."""
    machine = hub.machine
    own, folder = machine.full_course(), machine.class_of_teacher
    tutorial = [str(machine.python), "-m", "tutorial", "classroom"]
    machine.run_as(machine.teacher, *tutorial, "build", str(folder), cwd=own)
    nbgrader = partial(machine.run_as, machine.teacher, "nbgrader", cwd=folder, PYTHONPATH=str(own))
    nbgrader("release_assignment", ADD)
    course = ["--course", "celery-sql-results"]
    at_once(
        lambda name: run_on_hub(hub, name, "nbgrader", "fetch_assignment", ADD, *course),
        machine.learners,
    )
    deserved = {}
    for number, name in enumerate(machine.learners):
        notebook = solved(ADD)
        if number % 2:
            unsolved(4)(notebook)
        deserved[name] = 5.0 if number % 2 else 8.0
        nbformat.write(notebook, machine.home(name) / ADD / f"{ADD}.ipynb")
    at_once(
        lambda name: run_on_hub(hub, name, "nbgrader", "submit", ADD, *course), machine.learners
    )
    nbgrader("collect", ADD)
    machine.run_as(machine.teacher, *tutorial, "grade", str(folder), ADD, cwd=own)
    with (folder / "marks" / f"{ADD}-moodle.csv").open(encoding="utf-8", newline="") as lines:
        assert {row["Username"]: float(row[ADD]) for row in csv.DictReader(lines)} == deserved
    nbgrader("generate_feedback", ADD)
    nbgrader("release_feedback", ADD)
    at_once(
        lambda name: run_on_hub(hub, name, "nbgrader", "fetch_feedback", ADD, *course),
        machine.learners,
    )
    for name in machine.learners:
        [page] = (machine.home(name) / ADD).glob(f"feedback/*/{ADD}.html")
        assert f"(Score: {deserved[name]} / 8.0)" in page.read_text(encoding="utf-8")


def others_are_closed(machine: Machine) -> None:
    """What the first learner and the teacher have is out of the second learner's reach."""
    first, second = machine.learners[:2]
    workspace, courses = machine.workspace(first), machine.exchange / "celery-sql-results"
    for path in (machine.home(first), workspace / "results.db", workspace / "queue.db"):
        assert may_read(machine, first, path)
        assert not may_read(machine, second, path)
    folder = machine.class_of_teacher
    for path in (folder, folder / "gradebook.db", courses / "inbound", courses / "feedback"):
        assert may_read(machine, machine.teacher, path)
        assert not may_read(machine, second, path)
    search = ["grep", "-rls", "BEGIN SOLUTION", str(machine.folder)]
    search += ["--include=*.ipynb", "--exclude-dir=.venv"]  # nbgrader brings examples
    assert machine.run_as(second, "sh", "-c", f"{shlex.join(search)} || true") == ""
    assert machine.run_as(machine.teacher, "sh", "-c", f"{shlex.join(search)} || true") != ""


def may_read(machine: Machine, name: str, path: Path) -> bool:
    code = f"import os; print(os.access({str(path)!r}, os.R_OK))"
    return machine.run_as(name, str(machine.python), "-c", code).strip() == "True"


def nothing_is_left_after_a_stop(hub: Hub) -> None:
    """Also a worker of a stock app, which restarts itself when its terminal goes away, ends."""
    first, second = hub.machine.learners[:2]
    app = hub.machine.home(first) / "mine.py"
    app.write_text(STOCK_APP)
    type_into_terminal(hub, first, "cd; setsid sleep 900 & celery -A mine worker --concurrency=2")
    wait_for((app.parent / "queue.db").exists)
    assert any("celery" in " ".join(each.cmdline()) for each in processes_of(first))
    hub.stop(first)
    deadline = time.monotonic() + GONE
    while (left := processes_of(first)) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert left == []
    assert processes_of(second)  # others go on
