"""Kills workers at random while they run tasks, and counts what became of the tasks.

A worker is killed after so many results, and not after so many seconds: a busy machine would kill
workers faster than they start.
"""

import random
import signal
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import count, islice
from pathlib import Path

import psutil
import sqlalchemy as sa
from processes import PATIENCE

from tutorial.broker import queue_engine
from tutorial.database import make_engine
from tutorial.recovery import requeue_lost
from tutorial.worker import Worker

# The main process alone, a child of the pool alone, and all at once, as when the machine stops.
WAYS = {"prefork": ["main", "child", "group"], "threads": ["main"], "solo": ["main"]}
CONCURRENCY = 2
STALL = 30  # seconds without a result; on a busy machine a restart in vain does no harm

# Tasks that tell of each run. A pool process that is killed gives its task back here, which is
# Celery's own remedy for it.
TASKS = """
import os, time
from tutorial.tasks import app
from tutorial.workspace import home

runs = os.open(home() / "runs", os.O_WRONLY | os.O_APPEND | os.O_CREAT)

@app.task(acks_late=True, reject_on_worker_lost=True)
def square(number):
    os.write(runs, b"%d\\n" % number)  # one write of a few bytes: no two lines mix
    time.sleep(0.02)
    return number * number
"""


@dataclass
class Counts:
    """What happened in one run of the stress test."""

    killed: Counter[str] = field(default_factory=Counter)
    brought_back: int = 0
    not_done: int = 0
    wrong: int = 0
    rows: int = 0
    ran_twice: int = 0
    seconds: float = 0.0


class Crew:
    """Some workers, of which one can be killed and replaced at any time."""

    def __init__(self, pool: str, chance: random.Random) -> None:
        self.pool = pool
        self.chance = chance
        self.numbers = count(1)
        self.workers: list[Worker] = []
        self.starting: list[Future[None]] = []
        self.threads = ThreadPoolExecutor()

    def start(self) -> None:
        worker = Worker(
            "stress_tasks",
            pool=self.pool,
            concurrency=CONCURRENCY,
            hostname=f"{next(self.numbers)}@stress",
            loglevel="warning",
        )
        self.workers.append(worker.start())

    def kill_one(self) -> str:
        """Kill one of the workers in one of the ways; have another start in its place."""
        worker = self.chance.choice(self.workers)
        way = self.chance.choice(WAYS[self.pool])
        assert worker.pid
        if way == "group":
            worker.kill()
        else:
            with suppress(psutil.NoSuchProcess):
                process = psutil.Process(worker.pid)
                if way == "child":
                    process = self.chance.choice(process.children() or [process])
                process.send_signal(signal.SIGKILL)
        if way != "child":
            self.workers.remove(worker)
            worker.kill()
            self.starting.append(self.threads.submit(self.start))
        return way

    def restart(self) -> int:
        """Replace all workers, as an operator does, and return their number.

        A pool process can die after it has read a task and before it has said so. Its worker goes
        on and knows nothing of the task, which comes back when the worker ends.
        """
        for worker in self.workers:
            worker.kill()
            worker.start()
        return len(self.workers)

    def stop(self) -> None:
        self.threads.shutdown()
        for worker in self.workers:
            worker.kill()


@contextmanager
def crew(size: int, pool: str, chance: random.Random) -> Iterator[Crew]:
    crew = Crew(pool, chance)
    try:
        for _ in range(size):
            crew.start()
        yield crew
    finally:
        crew.stop()
    for start in crew.starting:
        start.result()


def stress(
    home: Path, pool: str, seed: int, *, tasks: int, workers: int, results_between_kills: int
) -> Counts:
    """Run so many tasks, and kill a worker again and again until all are done.

    Lost tasks are brought back all the time, beside the workers; what is missing in the end was
    lost for good.
    """
    from tutorial.tasks import app

    counts = Counts()
    started = time.monotonic()
    results, queue = make_engine(), queue_engine()
    ids = [f"{pool}-{number}" for number in range(tasks)]
    waiting = iter(enumerate(ids))

    def send(count: int) -> None:
        with app.producer_pool.acquire() as producer:
            for number, task_id in islice(waiting, count):
                app.send_task("stress_tasks.square", [number], task_id=task_id, producer=producer)

    # No more than this at once, so that all is not done before the first worker is killed.
    send(2 * results_between_kills)
    with crew(workers, pool, random.Random(seed)) as killed:
        done, progress = 0, time.monotonic()
        next_kill, next_restart = results_between_kills, progress + STALL
        while done < tasks and time.monotonic() - progress < PATIENCE:
            before, done = done, count_done(results)
            if done > before:
                progress = time.monotonic()
                next_restart = progress + STALL
            elif time.monotonic() > next_restart:
                counts.killed["restart"] += killed.restart()
                next_restart = time.monotonic() + STALL
            if done >= next_kill and killed.workers:
                next_kill = done + results_between_kills
                counts.killed[killed.kill_one()] += 1
                send(results_between_kills)
            counts.brought_back += requeue_lost(results, queue)
            time.sleep(0.1)
        counts.not_done = tasks - done
    with results.connect() as connection:
        query = "SELECT task_id, status, result FROM celery_taskmeta"
        rows = {row.task_id: row for row in connection.execute(sa.text(query))}
    counts.rows = len(rows)
    right = [
        task_id in rows
        and rows[task_id].status == "SUCCESS"
        and rows[task_id].result == str(number * number).encode()
        for number, task_id in enumerate(ids)
    ]
    counts.wrong = right.count(False)
    runs = Counter((home / "runs").read_text().split())
    counts.ran_twice = sum(times > 1 for times in runs.values())
    counts.seconds = round(time.monotonic() - started, 1)
    results.dispose()
    queue.dispose()
    return counts


def count_done(engine: sa.Engine) -> int:
    with engine.connect() as connection:
        query = "SELECT count(*) FROM celery_taskmeta WHERE status = 'SUCCESS'"
        return connection.execute(sa.text(query)).scalar_one()
