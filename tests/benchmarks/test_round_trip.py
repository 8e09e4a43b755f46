"""From ``add.delay(2, 3)`` to 5, and two hundred tasks to their stored results.

Beside the embedded default stands the same with the settings of kombu and Celery as they are
shipped, on the same two kinds of file: a look at the queue each second, and at the result each
half second.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from processes import environment, needs_fork, python, started
from pytest_benchmark.fixture import BenchmarkFixture

pytestmark = needs_fork

# The client is a process of its own, because an app reads its configuration only once.
COURSE = """
import sys
from tutorial.tasks import add
from tutorial.worker import Worker
with Worker(concurrency=2):
    print("ready", flush=True)
    for line in sys.stdin:
        print(add.delay(2, 3).get(timeout=10, interval=0.002), flush=True)
"""
SHIPPED = """
import sys
from shipped import add
add.delay(2, 3).get(timeout=30)
print("ready", flush=True)
for line in sys.stdin:
    print(add.delay(2, 3).get(timeout=10), flush=True)
"""
SHIPPED_TASKS = """
import os
from celery import Celery
home = os.environ["TUTORIAL_HOME"]
queue, results = f"sqlalchemy+sqlite:///{home}/queue.db", f"db+sqlite:///{home}/results.db"
app = Celery("shipped", broker=queue, backend=results)
@app.task
def add(x, y):
    return x + y
"""
THROUGHPUT = """
import time
import sqlalchemy as sa
from tutorial.database import make_engine
from tutorial.tasks import add
from tutorial.worker import Worker
stored = sa.text("SELECT count(*) FROM celery_taskmeta WHERE status = 'SUCCESS'")
rates = []
with Worker(concurrency=2), make_engine().connect() as connection:
    add.delay(2, 3).get(timeout=10, interval=0.002)
    for expected in (201, 401, 601):
        started = time.perf_counter()
        for number in range(200):
            add.delay(number, number)
        while connection.scalar(stored) < expected:
            connection.rollback()
            time.sleep(0.005)
        connection.rollback()
        rates.append(200 / (time.perf_counter() - started))
print(max(rates))
"""


@contextmanager
def round_trip(code: str, home: Path) -> Iterator[Callable[[], str]]:
    """Start a client; give a function that has it make one round trip."""
    client, line = started(code, home, PYTHONPATH=str(home))
    assert line == "ready"

    def once() -> str:
        assert client.stdin and client.stdout
        client.stdin.write("\n")
        client.stdin.flush()
        return client.stdout.readline()

    try:
        yield once
    finally:
        client.communicate(timeout=20)


@pytest.fixture(scope="module")
def quickest() -> dict[str, float]:
    return {}


@pytest.mark.benchmark(group="round trip of add")
def test_as_the_course_calls_it(
    benchmark: BenchmarkFixture, tmp_path: Path, quickest: dict[str, float]
) -> None:
    with round_trip(COURSE, tmp_path) as once:
        assert benchmark.pedantic(once, rounds=100, warmup_rounds=10) == "5\n"
    if benchmark.stats:  # none with --benchmark-disable
        quickest["course"] = benchmark.stats.stats.min


@pytest.mark.benchmark(group="round trip of add")
def test_as_kombu_and_celery_are_shipped(
    benchmark: BenchmarkFixture, tmp_path: Path, quickest: dict[str, float]
) -> None:
    (tmp_path / "shipped.py").write_text(SHIPPED_TASKS)
    command = [sys.executable, "-m", "celery", "-A", "shipped", "worker", "--concurrency=2"]
    with (tmp_path / "worker.log").open("wb") as log:
        worker = subprocess.Popen(
            command,
            env=environment(tmp_path, PYTHONPATH=str(tmp_path)),
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        with round_trip(SHIPPED, tmp_path) as once:
            assert benchmark.pedantic(once, rounds=5) == "5\n"
    finally:
        os.killpg(worker.pid, signal.SIGKILL)  # to stop it in order takes five seconds
        worker.wait()
    if benchmark.stats:
        quickest["shipped"] = benchmark.stats.stats.min


def test_the_round_trip_is_far_quicker_than_as_shipped(quickest: dict[str, float]) -> None:
    if len(quickest) < 2:
        pytest.skip("the round trips were not measured")
    # The medians differ by 60 times and more on a machine that has nothing else to do.
    assert quickest["shipped"] / quickest["course"] > 30


def test_two_hundred_tasks(tmp_path: Path) -> None:
    done = python(THROUGHPUT, tmp_path)
    assert done.returncode == 0, done.stderr
    print(f"{float(done.stdout):.0f} tasks in a second")
    # 200 and more on a machine that has nothing else to do
    assert float(done.stdout) > 20
