"""From ``add.delay(2, 3)`` to 5, and two hundred tasks to their results.

Beside the embedded default stand two others. Redis keeps messages and results for Celery as it is
shipped; the ratio to it is the goal. And the settings of kombu and Celery as they are shipped, on
the same two kinds of file: a look at the queue each second, and at the result each half second.
"""

import os
import signal
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from processes import environment, needs_fork, python, started
from pytest_benchmark.fixture import BenchmarkFixture

from tutorial import servers

pytestmark = needs_fork

# The client is a process of its own, because an app reads its configuration only once.
COURSE = """
import sys
from tutorial.tasks import add
from tutorial.worker import Worker
with Worker(concurrency=2):
    print("ready", flush=True)
    for line in sys.stdin:
        print(add.delay(2, 3).get(timeout=10), flush=True)
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
REDIS_TASKS = """
import os
from celery import Celery
url = os.environ["REDIS_URL"]
app = Celery("redis_tasks", broker=url, backend=url)
app.conf.worker_prefetch_multiplier = 1  # as in the course
@app.task
def add(x, y):
    return x + y
"""
# It answers each line, such as "trips 20", with the seconds that one task took.
CLIENT = """
import sys, time
from {module} import add
from tutorial.worker import Worker
with Worker("{module}", concurrency=2):
    for _ in range(20):
        add.delay(2, 3).get(timeout=60)
    print("ready", flush=True)
    for line in sys.stdin:
        kind, count = line.split()
        numbers = range(int(count))
        start = time.perf_counter()
        if kind == "trips":
            sums = [add.delay(number, 1).get(timeout=60) for number in numbers]
        else:
            results = [add.delay(number, 1) for number in numbers]
            sums = [result.get(timeout=60) for result in results]
        print((time.perf_counter() - start) / len(numbers), flush=True)
        assert sums == [number + 1 for number in numbers]
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
    add.delay(2, 3).get(timeout=10)
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


@contextmanager
def seconds_for_a_task(
    module: str, home: Path, **variables: str
) -> Iterator[Callable[[str], float]]:
    """Start a client and its worker; give a function that measures what a line asks for."""
    code = CLIENT.format(module=module)
    client, line = started(code, home, PYTHONPATH=str(home), **variables)
    assert line == "ready"

    def measured(command: str) -> float:
        assert client.stdin and client.stdout
        client.stdin.write(f"{command}\n")
        client.stdin.flush()
        return float(client.stdout.readline())

    try:
        yield measured
    finally:
        client.communicate(timeout=30)


# On a machine that has nothing else to do, the embedded default takes 1.2 times as long as Redis
# for a round trip, and does as many tasks per second.
@pytest.mark.parametrize(("command", "limit"), [("trips 20", 2.0), ("many 100", 1 / 0.6)])
def test_beside_redis(command: str, limit: float, tmp_path: Path) -> None:
    if reason := servers.missing("redis"):
        pytest.skip(reason)
    home = tmp_path / "redis"
    home.mkdir()
    (home / "redis_tasks.py").write_text(REDIS_TASKS)
    with (
        servers.redis() as server,
        seconds_for_a_task("tutorial.tasks", tmp_path) as embedded,
        seconds_for_a_task("redis_tasks", home, REDIS_URL=server.url) as redis,
    ):
        ratios: list[float] = []
        # They take turns; on a busy machine it takes more of them to see through the noise.
        while len(ratios) < 15 or (statistics.median(ratios) > limit and len(ratios) < 60):
            ratios.append(embedded(command) / redis(command))
        kind = command.split()[0]
        print(
            f"{kind}: {embedded(command) * 1000:.1f} ms, {redis(command) * 1000:.1f} ms on Redis;"
        )
        print(f"median of the ratios {statistics.median(ratios):.2f}")
    assert statistics.median(ratios) <= limit


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
