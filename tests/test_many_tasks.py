"""Many tasks through the embedded broker: memory stays flat, and the last run like the first."""

import statistics
from pathlib import Path

import psutil
import pytest
import sqlalchemy as sa
from kernels import Kernel, kernel
from processes import PATIENCE, needs_fork

from tutorial import tasks

SEND = """
import time
from collections import deque
from tutorial.results import load_results
from tutorial.database import make_engine

def run(first, size, waiting=200):
    began = time.perf_counter()
    sent = deque()
    for number in range(first, first + size):
        sent.append(add.delay(number, 1))
        if len(sent) > waiting:
            assert sent.popleft().get(timeout=300, interval=0.05) > 0
    while sent:
        sent.popleft().get(timeout=300, interval=0.05)
    return size / (time.perf_counter() - began)

"""
CHECK = """
results = load_results(make_engine(), columns=["status", "result"])
values = sorted(results["result"])
print(values == sorted([5, *range(1, {tasks} + 1)]), set(results["status"]))
"""


class Sender:
    """A kernel with a worker, which sends tasks and waits for each result."""

    def __init__(self, learner: Kernel) -> None:
        self.learner = learner
        worker = psutil.Process(learner.start_worker())
        self.programs = [psutil.Process(learner.pid), worker, *worker.children()]
        self.sent = 0
        learner.run(SEND)

    def send(self, tasks: int) -> float:
        """Run so many tasks; return how many were done in a second."""
        rate = float(self.learner.run(f"print(run({self.sent}, {tasks}))", timeout=600))
        self.sent += tasks
        return rate

    def memory(self) -> int:
        """Return the bytes that the kernel and the worker's processes hold together."""
        return sum(program.memory_info().rss for program in self.programs)

    def check(self) -> None:
        printed = self.learner.run(CHECK.format(tasks=self.sent), timeout=PATIENCE)
        assert printed == "True {'SUCCESS'}\n"


@needs_fork
def test_some_hundred_tasks_leave_the_memory_flat(tmp_path: Path) -> None:
    with kernel(tmp_path) as learner:
        sender = Sender(learner)
        sender.send(200)
        before = sender.memory()
        sender.send(300)
        assert sender.memory() < before + 5e6
        sender.check()


@pytest.mark.usefixtures("home")
def test_a_message_that_waits_again_is_found_by_an_index() -> None:
    """The queue keeps all messages, so a search among them grows longer with each task."""
    asked = []
    with tasks.app.connection_for_write() as connection:
        channel = connection.default_channel
        tasks.add.delay(2, 3)
        engine, _session_class = channel._open()
        sa.event.listen(engine, "before_cursor_execute", lambda *seen: asked.append(seen[2:4]))
        assert channel._get("celery")
        ordered = [(sql, values) for sql, values in asked if "ORDER BY" in sql]
        assert len(ordered) == 1
        with engine.connect() as plain:
            sql, values = ordered[0]
            plan = plain.exec_driver_sql(f"EXPLAIN QUERY PLAN {sql}", values).all()
    messages, *queue = [row[-1] for row in plan]
    assert messages == "SEARCH kombu_message USING INDEX ix_kombu_message_waiting (queue_id=?)"
    assert queue[0] == "SCALAR SUBQUERY 1"  # it finds the number of the queue by its name
    assert all(step.startswith("SEARCH kombu_queue USING") for step in queue[1:]), queue


@needs_fork
@pytest.mark.slow
@pytest.mark.timeout(4 * 3600)
def test_the_last_of_a_hundred_thousand_tasks_run_like_the_first(tmp_path: Path) -> None:
    homes = [tmp_path / "old", tmp_path / "new"]
    for home in homes:
        home.mkdir()
    memory = []
    with kernel(homes[0]) as old:
        many = Sender(old)
        for _ in range(20):
            rate = many.send(5_000)
            memory.append(many.memory())
            print(f"{many.sent:7} tasks: {rate:4.0f}/s, {memory[-1] / 1e6:.1f} MB", flush=True)
        # In turns, because the machine may do other things too, at one time more than at another.
        with kernel(homes[1]) as new:
            few = Sender(new)
            rates = [(many.send(250), few.send(250)) for _ in range(12)]
            few.check()
        many.check()
    last, first = (statistics.median(column) for column in zip(*rates, strict=True))
    ratio = statistics.median(one / other for one, other in rates)
    print(f"after 100,000 tasks {last:.0f}/s, in a new workspace {first:.0f}/s, ratio {ratio:.2f}")
    assert ratio > 0.8
    assert memory[-1] < 1.05 * memory[1]
