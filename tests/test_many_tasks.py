"""Many tasks through the embedded broker: memory stays flat, and the last run like the first."""

import statistics
from pathlib import Path

import psutil
import pytest
import sqlalchemy as sa
from kernels import kernel
from processes import needs_fork

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
            assert sent.popleft().get(timeout=120, interval=0.05) > 0
    while sent:
        sent.popleft().get(timeout=120, interval=0.05)
    return size / (time.perf_counter() - began)

"""
CHECK = """
results = load_results(make_engine(), columns=["status", "result"])
values = sorted(results["result"])
print(values == sorted([5, *range(1, {tasks} + 1)]), set(results["status"]))
"""


def run_many(home: Path, total: int, step: int) -> tuple[list[float], list[float], list[int]]:
    """Run tasks; return, for each step, tasks per second, CPU seconds per task, and bytes held."""
    rates, costs, sizes = [], [], []
    with kernel(home) as learner:
        worker = psutil.Process(learner.start_worker())
        programs = [psutil.Process(learner.pid), worker, *worker.children()]
        learner.run(SEND)
        for first in range(0, total, step):
            before = cpu(programs)
            rates.append(float(learner.run(f"print(run({first}, {step}))", timeout=600)))
            costs.append((cpu(programs) - before) / step)
            held = [program.memory_info().rss for program in programs]
            sizes.append(sum(held))
            print(
                f"{first + step:7} tasks: {rates[-1]:4.0f} a second,"
                f" {1000 * costs[-1]:.2f} ms of CPU each;"
                f" MB held {[round(size / 1e6, 1) for size in held]}",
                flush=True,
            )
        printed = learner.run(CHECK.format(tasks=total), timeout=300)
        assert printed == "True {'SUCCESS'}\n"
    return rates, costs, sizes


def cpu(programs: list[psutil.Process]) -> float:
    return sum(sum(program.cpu_times()[:2]) for program in programs)


@needs_fork
@pytest.mark.timeout(180)
def test_a_thousand_tasks_leave_the_memory_flat(tmp_path: Path) -> None:
    _rates, _costs, sizes = run_many(tmp_path, 1000, 250)
    assert sizes[-1] < sizes[0] + 5e6


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
    assert [row[-1] for row in plan] == [
        "SEARCH kombu_message USING INDEX ix_kombu_message_waiting (queue_id=?)"
    ]


@needs_fork
@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_a_hundred_thousand_tasks(tmp_path: Path) -> None:
    rates, costs, sizes = run_many(tmp_path, 100_000, 5_000)
    first, last = statistics.median(rates[:4]), statistics.median(rates[-4:])
    cheap, dear = statistics.median(costs[:4]), statistics.median(costs[-4:])
    print(f"tasks a second: {first:.0f} at first, {last:.0f} at last")
    print(f"CPU for a task: {1000 * cheap:.2f} ms at first, {1000 * dear:.2f} ms at last")
    print(f"held: {sizes[1] / 1e6:.1f} MB after 10,000 tasks, {sizes[-1] / 1e6:.1f} MB at the end")
    # On a machine that does other things too, the time passes at its own rate; the work does not.
    assert last > 0.8 * first or dear < 1.2 * cheap
    assert sizes[-1] < 1.05 * sizes[1]
