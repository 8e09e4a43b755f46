"""How much quicker lost tasks are found among many than by asking for each result."""

import os
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from pytest_benchmark.fixture import BenchmarkFixture
from stored_results import make_app

from tutorial.broker import BROKER_VARIABLE, queue_engine
from tutorial.database import RESULT_BACKEND_VARIABLE, make_engine
from tutorial.recovery import lost_tasks, requeue_lost
from tutorial.workspace import HOME_VARIABLE

MESSAGES = int(os.environ.get("TUTORIAL_BENCHMARK_ROWS", "5000"))
ONE_IN = 100  # was lost
SAMPLE = 200  # results that AsyncResult reads one by one
TIMES_QUICKER = 10
AGE = timedelta(days=1)  # without it the app is configured, for all tests that follow

NUMBERS = """
WITH RECURSIVE number(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM number WHERE i < :messages)
"""
# Copies of a message that Celery has sent, each received by a process that is no more.
MESSAGE = f"""
{NUMBERS} INSERT INTO kombu_message (visible, version, payload, queue_id)
SELECT 0, 2, replace(payload, 'task-0', 'task-' || i), queue_id FROM kombu_message, number
"""
DELIVERY = """
INSERT INTO tutorial_delivery (message_id, consumer) SELECT id, 'dead' FROM kombu_message
"""
RESULT = f"""
{NUMBERS} INSERT INTO celery_taskmeta (task_id, status, date_done)
SELECT 'task-' || i, 'SUCCESS', CURRENT_TIMESTAMP FROM number WHERE i % :one_in
"""


def seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def test_times_quicker_than_async_result(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, benchmark: BenchmarkFixture
) -> None:
    monkeypatch.setenv(HOME_VARIABLE, str(tmp_path))
    monkeypatch.delenv(BROKER_VARIABLE, raising=False)
    monkeypatch.delenv(RESULT_BACKEND_VARIABLE, raising=False)
    results, queue = make_engine(), queue_engine()
    app = make_app(str(results.url), broker_url=f"sqla+{queue.url}")
    app.send_task("tutorial.tasks.add", ["a" * 500, 1], task_id="task-0")
    with queue.begin() as connection, results.begin() as stored:
        connection.execute(sa.text(MESSAGE), {"messages": MESSAGES})
        connection.execute(sa.text(DELIVERY))
        stored.execute(sa.text(RESULT), {"messages": MESSAGES, "one_in": ONE_IN})

    def ask() -> None:
        for number in range(SAMPLE):
            assert app.AsyncResult(f"task-{number}").state in ("SUCCESS", "PENDING")

    def find() -> None:
        assert len(lost_tasks(results, queue, max_age=AGE)) == MESSAGES // ONE_IN

    one_by_one = min(seconds(ask) for _ in range(3)) * MESSAGES / SAMPLE
    together = min(seconds(find) for _ in range(5))
    benchmark.pedantic(find, rounds=5)
    benchmark.extra_info["times_quicker"] = one_by_one / together
    print(
        f"{MESSAGES} messages: lost_tasks takes {together:.2f} s, "
        f"{one_by_one / together:.0f} times quicker than AsyncResult"
    )
    assert one_by_one / together >= TIMES_QUICKER
    put_back = seconds(lambda: requeue_lost(results, queue, max_age=AGE))
    print(f"requeue_lost takes {put_back:.2f} s")
    assert len(lost_tasks(results, queue, max_age=AGE)) == 0
    results.dispose()
    queue.dispose()
