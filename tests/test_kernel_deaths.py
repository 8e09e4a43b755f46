"""However a kernel ends, its workers end too: with real kernels, and no process left after 5 s."""

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest
from jupyter_client.blocking import BlockingKernelClient
from jupyter_client.manager import KernelManager
from processes import environment, needs_fork, processes, survivors

pytestmark = [needs_fork, pytest.mark.timeout(120)]

START = """
from tutorial.workspace import open_workspace
open_workspace("deaths")
from tutorial.tasks import add, nap
from tutorial.worker import Worker
worker = Worker(pool="{pool}", concurrency=2).start()
"""
WORK = """
naps = [nap.delay(60) for _ in range(4)]
while worker.logs().count("received") < {running}:
    pass
"""
CHILD = """
import multiprocessing, time
child = multiprocessing.get_context("fork").Process(target=time.sleep, args=(60,))
child.start()
"""


class Kernel:
    """A kernel in a workspace, and the code that runs in it."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.manager = KernelManager()
        self.manager.start_kernel(env=environment(home), cwd=str(home))
        self.client: BlockingKernelClient = self.manager.client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=60)

    @property
    def pid(self) -> int:
        pid: int = self.manager.provisioner.pid
        return pid

    def run(self, code: str) -> str:
        """Run a cell, and return what it prints."""
        printed: list[str] = []

        def note(message: dict) -> None:
            if message["msg_type"] == "stream":
                printed.append(message["content"]["text"])

        reply = self.client.execute_interactive(code, timeout=60, output_hook=note)
        assert reply["content"]["status"] == "ok", reply["content"]
        return "".join(printed)

    def start_worker(self, pool: str = "prefork", busy: bool = False) -> int:
        """Start a worker, idle or with as many tasks as it runs at once; return its process id."""
        running = 1 if pool == "solo" else 2
        code = START.format(pool=pool) + (WORK.format(running=running) if busy else "")
        return int(self.run(code + "print(worker.pid)"))


@contextmanager
def kernel(home: Path) -> Iterator[Kernel]:
    running = Kernel(home)
    try:
        yield running
    finally:
        running.client.stop_channels()
        with suppress(RuntimeError):  # it has no kernel any more
            running.manager.shutdown_kernel(now=True)
        for process in processes(home):
            process.kill()


def kill_a_kernel(home: Path, pool: str, busy: bool) -> float:
    """Kill a kernel; return after how many seconds its worker had gone."""
    with kernel(home) as victim:
        worker = victim.start_worker(pool, busy)
        assert len(processes(home, worker)) >= (4 if pool == "prefork" else 2)
        psutil.Process(victim.pid).send_signal(signal.SIGKILL)
        killed = time.perf_counter()
        left = survivors(home, worker)
        assert left == [], [process.cmdline() for process in left]
        return time.perf_counter() - killed


@pytest.mark.parametrize(
    ("pool", "busy"), [("prefork", False), ("prefork", True), ("threads", True), ("solo", True)]
)
def test_a_killed_kernel_leaves_nothing(tmp_path: Path, pool: str, busy: bool) -> None:
    kill_a_kernel(tmp_path, pool, busy)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_fifty_killed_kernels_leave_nothing(tmp_path: Path) -> None:
    pools = ["prefork"] * 8 + ["threads", "solo"]
    taken = []
    for trial in range(50):
        home = tmp_path / f"{trial}"
        home.mkdir()
        taken.append(kill_a_kernel(home, pools[trial % 10], busy=trial % 2 == 1))
    print(f"{len(taken)} kernels, the last worker gone after {max(taken):.2f} s at most")


def test_interrupt_spares_the_worker_and_restart_and_shutdown_end_it(tmp_path: Path) -> None:
    with kernel(tmp_path) as victim:
        first = victim.start_worker()
        victim.client.execute("import time; time.sleep(30)", stop_on_error=False)
        time.sleep(0.3)
        victim.manager.interrupt_kernel()
        check = "print(worker.status, add.delay(2, 3).get(timeout=10, interval=0.005))"
        assert victim.run(check) == "ready 5\n"

        victim.manager.restart_kernel()
        victim.client.wait_for_ready(timeout=60)
        assert not psutil.pid_exists(first) or psutil.Process(first).status() == "zombie"
        second = victim.start_worker(busy=True)
        assert "beside" not in victim.run("import os; print(os.environ['TUTORIAL_HOME'])")

        victim.manager.shutdown_kernel()
        assert survivors(tmp_path, second) == []


def test_a_forked_child_of_the_kernel_does_not_keep_the_worker(tmp_path: Path) -> None:
    with kernel(tmp_path) as victim:
        worker = victim.start_worker(busy=True)
        child = int(victim.run(CHILD + "print(child.pid)"))
        psutil.Process(victim.pid).kill()
        deadline = time.monotonic() + 5
        while {process.pid for process in processes(tmp_path, worker)} != {child}:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        with kernel(tmp_path) as successor:  # gets the same folder, and a worker of the same name
            successor.start_worker()
            assert "beside" not in successor.run("import os; print(os.environ['TUTORIAL_HOME'])")
