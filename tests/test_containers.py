"""The container file and the unit file of chapter 15, run as they are printed, by podman."""

import re
import shutil
import subprocess
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import nbformat
import pytest
from celery import Celery
from celery.result import AsyncResult
from processes import wait_for

from tutorial import servers
from tutorial.commands.chapters import NOTEBOOKS

PROSE = "\n".join(
    cell.source for cell in nbformat.read(NOTEBOOKS / "15-production.ipynb", as_version=4).cells
)
PROJECT = f"""
[build-system]
requires = ["setuptools"]
build-backend = "setuptools.build_meta"

[project]
name = "shop"
version = "1"
dependencies = [
    "celery[redis]=={version("celery")}",
    "sqlalchemy=={version("sqlalchemy")}",
    "psycopg[binary]",
]

[tool.setuptools]
py-modules = ["shop"]
"""
SHOP = """
import os, time
from pathlib import Path
from celery import Celery

app = Celery("shop", broker=os.environ["BROKER"], backend=os.environ["BACKEND"])
app.conf.task_track_started = True

@app.task
def wait(name):
    while not Path("/orders", name).exists():
        time.sleep(0.01)
    return os.getuid()
"""
SYSTEMD = """
FROM {image}
USER root
RUN apt-get update -qq && apt-get install -qq --yes --no-install-recommends systemd systemd-sysv
RUN cp -a /home/shop /srv/shop && sed -i s:/home/shop:/srv/shop: /srv/shop/.venv/bin/*
COPY worker.service /etc/systemd/system/
RUN systemctl enable worker
CMD ["/sbin/init"]
"""
pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]


def block(kind: str) -> str:
    """Return the only block of code of a kind that the chapter shows."""
    (found,) = re.findall(rf"```{kind}\n(.*?)```", PROSE, re.DOTALL)
    return str(found)


def podman(*arguments: str, **options: Any) -> str:
    """Run podman, and return what it prints."""
    done = subprocess.run(["podman", *arguments], capture_output=True, text=True, **options)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def printed(container: str) -> str:
    """Return what a container has printed."""
    command = ["podman", "logs", container]
    both = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    return subprocess.run(command, **both, text=True, check=True).stdout


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Build the chapter's container with a small shop in it."""
    if not shutil.which("podman"):
        pytest.skip("Podman is not installed.")
    containerfile = block("dockerfile")
    base = containerfile.split()[1]
    ways = (["image", "exists", base], ["pull", "--quiet", base])
    if all(subprocess.run(["podman", *way]).returncode for way in ways):
        pytest.skip(f"The image {base} cannot be downloaded.")
    folder = tmp_path_factory.mktemp("shop")
    (folder / "pyproject.toml").write_text(PROJECT)
    (folder / "shop.py").write_text(SHOP)
    (folder / "Dockerfile").write_text(containerfile)
    name = podman("build", "--quiet", str(folder))
    yield name
    podman("image", "rm", "--force", name)


class Shop:
    """The client of a shop in a container: it sends tasks, and says when they may end."""

    def __init__(self, broker: str, database: str, folder: Path) -> None:
        self.variables = {"BROKER": broker, "BACKEND": f"db+{database}"}
        self.app = Celery("client", broker=broker, backend=f"db+{database}", set_as_current=False)
        self.orders = folder / "orders"
        self.orders.mkdir(mode=0o755)
        self.containers: list[str] = []

    def run(self, image: str, *options: str) -> str:
        """Run a container, and return its id."""
        given = [word for item in self.variables.items() for word in ("-e", "=".join(item))]
        place = ["--network=host", f"--volume={self.orders}:/orders:ro"]
        container = podman("run", "--detach", *place, *given, *options, image)
        self.containers.append(container)
        return container

    def send(self, name: str) -> AsyncResult:
        """Send a task, and return when it has begun."""
        result = self.app.send_task("shop.wait", [name])
        wait_for(lambda: result.state == "STARTED")
        return result

    def allow(self, name: str) -> None:
        """Let a task end."""
        (self.orders / name).touch()


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    with servers.redis() as broker, servers.postgresql() as database:
        shop = Shop(broker.url, database.url, tmp_path)
        yield shop
        for container in shop.containers:
            podman("rm", "--force", "--time=0", container)
        shop.app.close()


def test_a_container(image: str, shop: Shop) -> None:
    container = shop.run(image, "--cpus=1")
    result = shop.send("first")
    shop.allow("first")
    assert result.get(timeout=60) == 1000  # the account is not root
    assert "\n- *** --- * --- .> concurrency: 1 (prefork)" in printed(container)
    command = podman("exec", container, "cat", "/proc/1/cmdline").split("\0")
    assert command[1] == ".venv/bin/celery"

    result = shop.send("second")
    stop = ["podman", "stop", "--time=600", container]
    with subprocess.Popen(stop, stdout=subprocess.DEVNULL) as stopping:
        wait_for(lambda: "Warm shutdown" in printed(container))
        assert stopping.poll() is None
        shop.allow("second")
    assert result.state == "SUCCESS"
    assert podman("inspect", "--format={{.State.ExitCode}}", container) == "0"


def test_a_container_is_killed_ten_seconds_after_sigterm(image: str, shop: Shop) -> None:
    container = shop.run(image)
    result = shop.send("long")
    podman("stop", container)
    assert podman("inspect", "--format={{.State.ExitCode}}", container) == "137"
    assert result.state == "STARTED"


@pytest.fixture(scope="module")
def machine(image: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Build a container in which systemd runs the chapter's unit."""
    folder = tmp_path_factory.mktemp("machine")
    (folder / "worker.service").write_text(block("ini"))
    (folder / "Dockerfile").write_text(SYSTEMD.format(image=image))
    name = podman("build", "--quiet", str(folder))
    yield name
    podman("image", "rm", "--force", name)


def test_a_unit(machine: str, shop: Shop) -> None:
    options = ["--systemd=always"]
    second = Path("/sys/fs/cgroup/unified")
    if second.exists():  # with version 1 of cgroups, systemd does not see in a container who ends
        options = ["--systemd=false", "--privileged", "--env=container=podman", "--tmpfs=/run"]
        options += ["--tmpfs=/tmp", f"--volume={second}:/sys/fs/cgroup:rw"]
    container = shop.run(machine, *options)

    def systemctl(*words: str) -> str:
        return podman("exec", container, "systemctl", *words)

    def main_process() -> str:
        return systemctl("show", "--property=MainPID", "--value", "worker")

    def log() -> str:
        return podman("exec", container, "journalctl", "--unit=worker", "--output=cat")

    lines = [f"{name}={text}\n" for name, text in shop.variables.items()]
    variables = "".join([*lines, "export BROKER=redis://127.0.0.1:1/0\n"])  # is ignored
    write = "mkdir /etc/shop; cat > /etc/shop/worker.env; chmod 600 /etc/shop/worker.env"
    podman("exec", "--interactive", container, "sh", "-c", write, input=variables)
    wait_for(lambda: state(container) in ("running", "degraded"))
    systemctl("restart", "worker")

    result = shop.send("first")
    stop = ["podman", "exec", container, "systemctl", "stop", "worker"]
    with subprocess.Popen(stop) as stopping:
        wait_for(lambda: "Warm shutdown" in log())
        assert stopping.poll() is None
        shop.allow("first")
    assert result.get(timeout=60) == 1000
    assert systemctl("show", "--property=ActiveState", "--value", "worker") == "inactive"

    systemctl("start", "worker")
    killed = main_process()
    systemctl("kill", "--kill-whom=main", "--signal=KILL", "worker")
    wait_for(lambda: main_process() not in ("0", killed))

    result = shop.send("second")
    unit = "/etc/systemd/system/worker.service"
    podman("exec", container, "sed", "-i", "/^KillMode=/d", unit)
    systemctl("daemon-reload")
    systemctl("stop", "worker")
    assert result.state == "FAILURE"
    assert "signal 15 (SIGTERM)" in str(result.result)


def state(container: str) -> str:
    """Return how far the start of systemd in a container is."""
    command = ["podman", "exec", container, "systemctl", "is-system-running"]
    return subprocess.run(command, capture_output=True, text=True).stdout.strip()
