"""Real workers: what they store is loaded while they write, and joined with the queue."""

import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest
from processes import PATIENCE, environment, few

from tutorial.messages import join_timings, load_messages
from tutorial.results import load_results
from tutorial.worker import Worker

pytestmark = pytest.mark.usefixtures("home")

SENDER = """
import sys
from tutorial.tasks import add, app
with app.connection_for_write() as connection, app.amqp.Producer(connection) as producer:
    for number in range(int(sys.argv[1])):
        add.apply_async((number, number), producer=producer)
"""


def frames() -> tuple[pd.DataFrame, pd.DataFrame]:
    from tutorial.broker import queue_engine
    from tutorial.database import make_engine

    return load_results(make_engine()), load_messages(queue_engine())


def wait_until_done(task_ids: set[str]) -> int:
    """Load again and again while the workers write; return how many times."""
    loads, before = 0, len(task_ids)
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        results, _messages = frames()
        loads += 1
        assert results["undecodable"].isna().all()
        left = len(task_ids - set(results["task_id"]))
        if not left:
            return loads
        if left < before:
            before, end = left, time.monotonic() + PATIENCE
    raise TimeoutError(f"{len(task_ids - set(results['task_id']))} tasks are not done.")


def test_waiting_and_running_time() -> None:
    from tutorial.tasks import add, divide, nap

    began = pd.Timestamp.now("UTC")
    sent = [nap.delay(0.3), add.delay(1, 2), divide.delay(1, 0)]
    ids = [task.id for task in sent]
    waiting = join_timings(*frames()).set_index("task_id").loc[ids]
    assert waiting[["status", "received_at", "waiting", "running"]].isna().all(axis=None)
    with Worker(concurrency=1, hostname="timings"):
        wait_until_done(set(ids))
    late = add.delay(3, 4)
    results, messages = frames()
    timings = join_timings(results, messages)
    done = timings.set_index("task_id").loc[ids]
    assert list(done["status"]) == ["SUCCESS", "SUCCESS", "FAILURE"]
    assert list(done["messages"]) == [1, 1, 1]
    assert pd.Timedelta("0.3s") <= done["running"].iloc[0]
    assert (done["waiting"] > pd.Timedelta(0)).all()
    total = done["date_done"] - done["sent_at"]
    assert (done["waiting"] + done["running"] == total).all()
    assert done["received_at"].between(began, pd.Timestamp.now("UTC")).all()
    row = messages.set_index("task_id").loc[late.id]
    assert row["waiting"]
    assert row["args"] == [3, 4]
    assert row["queue"] == "celery"
    assert timings["task_id"].is_unique


@pytest.mark.parametrize(("tasks", "count"), few((100, 2), (10_000, 4)))
def test_loading_while_workers_write(home: Path, tasks: int, count: int) -> None:
    before = set(load_messages_ids())
    workers = [Worker(concurrency=1, hostname=f"writer{number}") for number in range(count)]
    for worker in workers:
        worker.start()
    try:
        command = [sys.executable, "-c", SENDER, str(tasks)]
        with subprocess.Popen(command, env=environment(home)) as sender:
            loads = 0
            while sender.poll() is None:
                frames()
                loads += 1
        assert sender.returncode == 0
        ids = set(load_messages_ids()) - before
        assert len(ids) == tasks
        loads += wait_until_done(ids)
        assert loads > 2
        for worker in workers:
            assert "database is locked" not in worker.logs()
            assert "ERROR" not in worker.logs()
    finally:
        for worker in workers:
            worker.stop()
    results, _messages = frames()
    mine = results[results["task_id"].isin(ids)]
    assert len(mine) == tasks
    assert (mine["status"] == "SUCCESS").all()
    assert (mine["result"] == mine["args"].str[0] * 2).all()
    assert mine["worker"].nunique() > 1


def load_messages_ids() -> list[str]:
    from tutorial.broker import queue_engine

    return list(load_messages(queue_engine())["task_id"])
