"""However a kernel ends, its workers end too: with real kernels, and no process is left."""

import random
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from kernels import (
    SLEEP,
    Kernel,
    LabKernel,
    can_limit_memory,
    interrupted,
    kernel,
    killed,
    lab_closed,
    lab_killed,
    needs_memory_limit,
    out_of_memory,
    restarted,
    shut_down,
    terminated,
)
from processes import PATIENCE, few, needs_fork, processes, survivors

pytestmark = needs_fork

ENDS = [killed, terminated, restarted, shut_down, interrupted, lab_closed, lab_killed]
CHILD = """
import multiprocessing, time
child = multiprocessing.get_context("fork").Process(target=time.sleep, args=(900,))
child.start()
print(child.pid)
"""


def end_a_kernel(
    home: Path,
    end: Callable[[Kernel], None],
    pool: str = "prefork",
    busy: bool = True,
    child: bool = False,
    headless: bool = False,
) -> float:
    """End a kernel; return after how many seconds its worker had gone.

    `child` is a forked process of the kernel that stays. A `headless` worker has lost its main
    process before.
    """
    with kernel(home, LabKernel if end in (lab_closed, lab_killed) else Kernel) as victim:
        worker = victim.start_worker(pool, busy)
        assert "beside" not in victim.run("import os; print(os.environ['TUTORIAL_HOME'])")
        assert len(processes(home, worker)) >= (4 if pool == "prefork" else 2)
        stays = {int(victim.run(CHILD))} if child else set()
        if headless:
            psutil.Process(worker).kill()
        end(victim)
        ended = time.perf_counter()
        if end is restarted:
            stays.add(victim.pid)
        left = survivors(home, worker, spared=stays)
        assert left == [], [process.cmdline() for process in left]
        return time.perf_counter() - ended


@pytest.mark.parametrize(
    ("pool", "busy"),
    few(("prefork", True), ("prefork", False), ("threads", True), ("solo", True)),
)
def test_a_killed_kernel_leaves_nothing(tmp_path: Path, pool: str, busy: bool) -> None:
    end_a_kernel(tmp_path, killed, pool, busy)


@pytest.mark.slow
@needs_memory_limit
def test_a_kernel_out_of_memory_leaves_nothing(tmp_path: Path) -> None:
    end_a_kernel(tmp_path, out_of_memory)


@pytest.mark.slow
def test_a_closed_jupyterlab_leaves_nothing(tmp_path: Path) -> None:
    end_a_kernel(tmp_path, lab_closed)


def test_interrupt_spares_the_worker_and_restart_and_shutdown_end_it(tmp_path: Path) -> None:
    with kernel(tmp_path) as victim:
        first = victim.start_worker()
        victim.begin(SLEEP)
        victim.manager.interrupt_kernel()
        check = "print(worker.status, add.delay(2, 3).get(timeout=300, interval=0.005))"
        assert victim.run(check) == "ready 5\n"

        victim.manager.restart_kernel()
        victim.client.wait_for_ready(timeout=PATIENCE)
        assert not psutil.pid_exists(first) or psutil.Process(first).status() == "zombie"
        second = victim.start_worker(busy=True)
        assert "beside" not in victim.run("import os; print(os.environ['TUTORIAL_HOME'])")

        victim.manager.shutdown_kernel()
        assert survivors(tmp_path, second) == []


@pytest.mark.slow
def test_a_forked_child_of_the_kernel_does_not_keep_the_worker(tmp_path: Path) -> None:
    with kernel(tmp_path) as victim:
        worker = victim.start_worker(busy=True)
        child = int(victim.run(CHILD))
        psutil.Process(victim.pid).kill()
        assert survivors(tmp_path, worker, spared={child}) == []
        with kernel(tmp_path) as successor:  # gets the same folder, and a worker of the same name
            successor.start_worker()
            assert "beside" not in successor.run("import os; print(os.environ['TUTORIAL_HOME'])")


@pytest.mark.slow
@pytest.mark.timeout(4 * 3600)
def test_two_hundred_kernels_leave_nothing(tmp_path: Path) -> None:
    """The next notebook starts on what the one before has left: all have the same folder."""
    seed = random.randrange(10**6)
    chance = random.Random(seed)
    ends = ENDS + [out_of_memory] * can_limit_memory()
    print(f"seed {seed}")
    taken = []
    kinds: Counter[str] = Counter()
    for trial in range(200):
        end = ends[trial % len(ends)]
        pool = chance.choice(["prefork", "prefork", "threads", "solo"])
        busy, child = chance.random() < 0.5, chance.random() < 0.3
        headless = end is not interrupted and pool == "prefork" and chance.random() < 0.2
        kind = f"{end.__name__} {pool}{' busy' * busy}{' child' * child}{' headless' * headless}"
        kinds.update(kind.split())
        taken.append(end_a_kernel(tmp_path, end, pool, busy, child, headless))
        print(f"{trial + 1:3} {kind}: {taken[-1]:.2f} s", flush=True)
    with kernel(tmp_path) as last:
        last.start_worker()
    print(f"{len(taken)} kernels ended, the last worker gone after {max(taken):.2f} s at most")
    print(dict(kinds))
