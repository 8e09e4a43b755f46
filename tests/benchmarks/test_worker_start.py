"""How long a worker takes to be ready, beside the import of what it cannot do without."""

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


@pytest.fixture(scope="module")
def quickest() -> dict[str, float]:
    return {}


@pytest.fixture(autouse=True)
def compiled(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
    subprocess.run([sys.executable, "-c", "import tutorial.tasks"], check=True)
    yield


def test_the_imports_alone(
    benchmark: BenchmarkFixture, home: Path, quickest: dict[str, float]
) -> None:
    command = [sys.executable, "-c", "import celery, sqlalchemy, tutorial.tasks"]
    run = {"env": environment(home), "check": True}
    benchmark.pedantic(subprocess.run, [command], run, rounds=ROUNDS, warmup_rounds=1)
    if benchmark.stats:  # none with --benchmark-disable
        quickest["imports"] = benchmark.stats.stats.min


def test_until_it_is_ready(benchmark: BenchmarkFixture, quickest: dict[str, float]) -> None:
    worker = Worker()

    def again() -> None:
        worker.kill()  # to stop it takes longer than to start it

    benchmark.pedantic(worker.start, setup=again, rounds=ROUNDS, warmup_rounds=1)
    before = time.perf_counter()
    worker.stop()
    stopped = time.perf_counter() - before
    print(f"{stopped:.2f} s to stop it")
    assert stopped < 4  # under 1 s on a machine that has nothing else to do
    if benchmark.stats:
        quickest["worker"] = benchmark.stats.stats.min


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


def test_the_worker_adds_little_to_the_imports(quickest: dict[str, float]) -> None:
    if len(quickest) < 2:
        pytest.skip("the starts were not measured")
    print(f"{quickest['worker'] / quickest['imports']:.2f} times the imports")
    assert quickest["worker"] / quickest["imports"] < 3  # 1.6 on a machine that does nothing else
