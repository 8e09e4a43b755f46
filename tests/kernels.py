"""Real kernels on a workspace, alone or in a JupyterLab, and the ways in which they end."""

import json
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest
from jupyter_client.blocking import BlockingKernelClient
from jupyter_client.manager import KernelManager
from processes import PATIENCE, environment, processes
from test_lab import Lab, launch

from tutorial.workspace import HOME_VARIABLE

CGROUPS = Path("/sys/fs/cgroup")
START = """
import time
from tutorial.workspace import open_workspace
open_workspace("deaths")
from tutorial.tasks import add, nap
from tutorial.worker import Worker
worker = Worker("{app}", pool="{pool}", concurrency=2).start()
assert add.delay(2, 3).get(timeout=300, interval=0.005) == 5
"""
WORK = """
naps = [nap.delay(900) for _ in range(4)]
while worker.logs().count("nap[") < {running}:
    time.sleep(0.01)
"""


# An interrupt at the moment at which one long sleep begins would wait for its end.
SLEEP = "import time; print('now', flush=True)\nwhile True: time.sleep(0.01)"


class Kernel:
    """A kernel in a workspace, and the code that runs in it."""

    lab: Lab | None = None

    def __init__(self, home: Path) -> None:
        self.home = home
        self.manager = KernelManager()
        self.manager.start_kernel(env=environment(home / "workspace"), cwd=str(home))
        self._connect(self.manager.client())

    def _connect(self, client: BlockingKernelClient) -> None:
        self.client = client
        client.start_channels()
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                return client.wait_for_ready(timeout=PATIENCE)
            except RuntimeError:  # a kernel whose heart beats late is called dead
                if time.monotonic() > deadline:
                    raise

    @property
    def pid(self) -> int:
        pid: int = self.manager.provisioner.pid
        return pid

    def run(self, code: str, timeout: float = PATIENCE) -> str:
        """Run a cell, and return what it prints."""
        printed: list[str] = []

        def note(message: dict) -> None:
            if message["msg_type"] == "stream":
                printed.append(message["content"]["text"])

        reply = self.client.execute_interactive(code, timeout=timeout, output_hook=note)
        assert reply["content"]["status"] == "ok", reply["content"]
        return "".join(printed)

    def begin(self, code: str) -> None:
        """Send a cell that prints ``now``, and return while it is running."""
        self.client.execute(code, stop_on_error=False)
        text = ""
        while not text.startswith("now"):  # the end of the line can come in a message of its own
            text = self.client.get_iopub_msg(timeout=PATIENCE)["content"].get("text", "")

    def start_worker(
        self, pool: str = "prefork", busy: bool = False, app: str = "tutorial.tasks"
    ) -> int:
        """Start a worker, idle or with as many tasks as it runs at once; return its process id."""
        running = 1 if pool == "solo" else 2
        code = START.format(pool=pool, app=app) + (WORK.format(running=running) if busy else "")
        return int(self.run(code + "print(worker.pid)"))

    def close(self) -> None:
        self.client.stop_channels()
        with suppress(RuntimeError):  # it has no kernel any more
            self.manager.shutdown_kernel(now=True)


class LabKernel(Kernel):
    """A kernel that a JupyterLab has started."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.lab = launch(home, **{HOME_VARIABLE: str(home / "workspace")})
        self.id = json.loads(self.lab.ask("/api/kernels", method="POST"))["id"]
        client = BlockingKernelClient()
        client.load_connection_file(str(home / "JUPYTER_RUNTIME_DIR" / f"kernel-{self.id}.json"))
        self._connect(client)

    @property
    def pid(self) -> int:
        assert self.lab
        return next(p.pid for p in self.lab.processes() if self.id in " ".join(p.cmdline()))

    def close(self) -> None:
        assert self.lab
        self.client.stop_channels()
        self.lab.process.kill()
        self.lab.process.wait()


@contextmanager
def kernel(home: Path, kind: type[Kernel] = Kernel) -> Iterator[Kernel]:
    running = kind(home)
    try:
        yield running
    finally:
        running.close()
        for process in processes(home):
            process.kill()


# The ways to end


def killed(victim: Kernel) -> None:
    psutil.Process(victim.pid).kill()


def terminated(victim: Kernel) -> None:
    psutil.Process(victim.pid).terminate()


def restarted(victim: Kernel) -> None:
    victim.manager.restart_kernel()


def shut_down(victim: Kernel) -> None:
    victim.manager.shutdown_kernel()


def interrupted(victim: Kernel) -> None:
    """Interrupt a cell, which spares the worker, and the start of a second one, which ends it."""
    second = "second = Worker(hostname='second@notebook'); print('now', flush=True); second.start()"
    for cell in (SLEEP, second):
        victim.begin(cell)
        victim.manager.interrupt_kernel()
    assert victim.run("print(worker.status, second.status == 'starting')") == "ready False\n"
    victim.manager.shutdown_kernel()


def lab_closed(victim: Kernel) -> None:
    assert victim.lab
    victim.lab.process.send_signal(signal.SIGTERM)
    victim.lab.process.wait(timeout=PATIENCE)


def lab_killed(victim: Kernel) -> None:
    assert victim.lab
    victim.lab.process.kill()
    victim.lab.process.wait()


def out_of_memory(victim: Kernel) -> None:
    """Let the system kill the kernel when it asks for more memory than its control group has."""
    with memory_limit(300_000_000) as join:
        join.write_text(str(victim.pid))
        victim.client.execute("much = [bytes(range(256)) * 40_000 for _ in range(100)]")
        psutil.Process(victim.pid).wait(timeout=PATIENCE)


def can_limit_memory() -> bool:
    try:
        with memory_limit(300_000_000):
            return True
    except OSError:
        return False


@contextmanager
def memory_limit(size: int) -> Iterator[Path]:
    """Make a control group with so many bytes; yield the file that takes a process into it."""
    first = CGROUPS / "memory" if (CGROUPS / "memory").is_dir() else CGROUPS
    group = first / f"tutorial-{os.getpid()}-{time.monotonic_ns()}"
    group.mkdir()
    try:
        limits = [group / name for name in ("memory.limit_in_bytes", "memory.max")]
        next(limit for limit in limits if limit.exists()).write_text(str(size))
        yield group / "cgroup.procs"
    except StopIteration:
        raise OSError("no memory controller") from None
    finally:
        group.rmdir()


needs_memory_limit = pytest.mark.skipif(
    not can_limit_memory(), reason="only root of a Linux machine can limit the memory of a kernel"
)
