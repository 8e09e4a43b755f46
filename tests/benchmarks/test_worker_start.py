"""How long a worker takes to be ready, beside the import of what it cannot do without."""

import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from processes import environment
from pytest_benchmark.fixture import BenchmarkFixture

from tutorial.worker import Worker

pytestmark = [
    pytest.mark.benchmark(group="worker start"),
    pytest.mark.usefixtures("home"),
]
ROUNDS = 5


@pytest.fixture(autouse=True)
def compiled(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
    subprocess.run([sys.executable, "-c", "import tutorial.tasks"], check=True)
    yield


def imports(home: Path) -> None:
    command = [sys.executable, "-c", "import celery, sqlalchemy, tutorial.tasks"]
    subprocess.run(command, env=environment(home), check=True)


def test_the_imports_alone(benchmark: BenchmarkFixture, home: Path) -> None:
    benchmark.pedantic(imports, [home], rounds=ROUNDS, warmup_rounds=1)


def test_until_it_is_ready(benchmark: BenchmarkFixture) -> None:
    worker = Worker()

    def again() -> None:
        worker.kill()  # to stop it takes longer than to start it

    benchmark.pedantic(worker.start, setup=again, rounds=ROUNDS, warmup_rounds=1)
    before = time.perf_counter()
    worker.stop()
    stopped = time.perf_counter() - before
    print(f"{stopped:.2f} s to stop it")
    assert stopped < 4  # under 1 s on a machine that has nothing else to do


def test_it_costs_little_while_it_has_nothing_to_do() -> None:
    with Worker(concurrency=2) as worker:
        time.sleep(2)  # billiard looks more often at first
        main = psutil.Process(worker.pid)
        family = [main, *main.children(recursive=True)]

        def processor_time() -> float:
            return sum(sum(process.cpu_times()[:2]) for process in family)

        before, start = processor_time(), time.perf_counter()
        time.sleep(6)
        used = (processor_time() - before) / (time.perf_counter() - start)
    print(f"{used:.1%} of a core")
    assert used < 0.08  # 1.5 % on a machine that has nothing else to do


def test_the_worker_adds_little_to_the_imports(home: Path) -> None:
    """In turns, since the machine's speed can change between two series of measurements."""
    worker, ratios = Worker(), []
    for _ in range(3 * ROUNDS):
        start = time.perf_counter()
        imports(home)
        imported = time.perf_counter()
        worker.start()
        ratios.append((time.perf_counter() - imported) / (imported - start))
        worker.kill()
    ratio = statistics.median(ratios)
    print(f"{ratio:.2f} times the imports")
    assert ratio < 3  # 1.6 on a machine that does nothing else
