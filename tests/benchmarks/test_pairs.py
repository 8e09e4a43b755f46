"""How quick each pair of a queue and a result database is, with 1, 2, 4 and 8 worker processes.

A few pairs by default, which shows that they work. All of them, printed and written to
``notebooks/measured/pairs.csv``, which chapter 17 shows; a round takes a quarter of an hour::

    nice python tests/benchmarks/test_pairs.py --rounds 3

Redis as the result backend is the yardstick. The servers are those that the environment names, or
private ones.
"""

import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from measured import DATABASES, asked_rounds, empty_database, write_measured
from processes import needs_fork, python

from tutorial import servers
from tutorial.workspace import COURSE

pytestmark = needs_fork

QUEUES = {"embedded": "", "Redis": "redis", "RabbitMQ": "rabbitmq"}
PREFIXES = {
    "stock": "celery.backends.database:DatabaseBackend+",
    "EngineBackend": "tutorial.backend:EngineBackend+",
}
BACKENDS = [(base, kind) for base in DATABASES for kind in PREFIXES] + [("Redis", "stock")]
PROCESSES = [1, 2, 4, 8]

# The app of the course, with other addresses. Worker and client import it.
APP = """
import json, os
from tutorial.tasks import add, app, nap
app.conf.update(json.loads(os.environ["PAIR_SETTINGS"]))
"""
# The queue is filled before the worker starts, so that the clock sees the worker's work alone; it
# runs from the first stored result that is seen to the last.
CLIENT = """
import json, os, statistics, time
import pair, sqlalchemy as sa
from tutorial.database import make_engine
from tutorial.worker import Worker
plan = json.loads(os.environ["PAIR_PLAN"])
url = pair.app.conf.result_backend
if url.startswith("redis"):
    keys = pair.app.backend.get_key_for_task("*").decode()
    def stored():
        return len(pair.app.backend.client.keys(keys))
else:
    engine = make_engine(url.split("Backend+")[1])
    query = sa.text("SELECT count(*) FROM celery_taskmeta WHERE status = 'SUCCESS'")
    pair.app.backend.ResultSession().close()  # makes the tables
    def stored():
        with engine.connect() as connection:
            return connection.scalar(query)
send = [lambda: pair.add.delay(2, 3), lambda: pair.nap.delay(0.02)][plan["naps"]]
for _ in range(plan["tasks"]):
    send()
with Worker("pair", concurrency=plan["processes"], loglevel="warning"):
    while not (first := stored()):
        time.sleep(0.002)
    start = time.perf_counter()
    while stored() < plan["tasks"]:
        time.sleep(0.005)
    seconds = time.perf_counter() - start
    trips = []
    for _ in range(plan["trips"]):
        start = time.perf_counter()
        send().get(timeout=60, interval=0.002)  # the stock backend looks every half second
        trips.append(time.perf_counter() - start)
rate = (plan["tasks"] - first) / seconds
print(json.dumps({"rate": rate, "trip": 1000 * statistics.median(trips)}))
"""


@contextmanager
def result_backend(base: str, kind: str, folder: Path) -> Iterator[str]:
    """Yield the URL of an empty result backend."""
    if base == "Redis":
        with servers.redis() as server:
            yield server.url
    else:
        with empty_database(base, folder) as url:
            yield PREFIXES[kind] + url.render_as_string(hide_password=False)


@contextmanager
def broker(queue: str) -> Iterator[dict[str, str]]:
    """Yield the settings of an empty queue."""
    if queue == "embedded":
        yield {}
    else:
        with getattr(servers, QUEUES[queue])() as server:
            yield {"broker_url": server.url}


def measure(
    queue: str, base: str, kind: str, processes: int, tasks: int, trips: int, naps: bool = False
) -> dict[str, float]:
    """Return tasks a second, and the median round trip in ms."""
    plan = {"processes": processes, "tasks": tasks, "trips": trips, "naps": naps}
    with (
        tempfile.TemporaryDirectory() as folder,
        broker(queue) as settings,
        result_backend(base, kind, Path(folder)) as url,
    ):
        (Path(folder) / "pair.py").write_text(APP)
        variables = {
            "PYTHONPATH": os.pathsep.join([folder, str(COURSE)]),
            "PAIR_SETTINGS": json.dumps(settings | {"result_backend": url}),
            "PAIR_PLAN": json.dumps(plan),
        }
        done = python(CLIENT, folder, timeout=100, **variables)
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


@pytest.mark.parametrize(
    ("queue", "base", "kind"),
    [
        ("embedded", "SQLite", "stock"),
        ("RabbitMQ", "PostgreSQL", "EngineBackend"),
        ("Redis", "MariaDB", "stock"),
        ("Redis", "Redis", "stock"),
    ],
)
def test_pair(queue: str, base: str, kind: str) -> None:
    for server in {QUEUES[queue], (QUEUES | DATABASES)[base]} - {""}:
        if reason := servers.missing(server):
            pytest.skip(reason)
    seen = measure(queue, base, kind, processes=2, tasks=40, trips=5)
    print(f"{queue} and {base}: {seen['rate']:.0f} tasks/s, {seen['trip']:.1f} ms")
    # Even the slowest pair does 60 tasks/s, and a round trip in 30 ms, on a machine of two cores.
    assert seen["rate"] > 5
    assert seen["trip"] < 1000


def plans() -> list[dict[str, Any]]:
    """Return what is measured: each pair, and then RabbitMQ with tasks that wait for 20 ms."""
    pairs = [("add", queue, *backend) for queue in QUEUES for backend in BACKENDS]
    pairs += [("nap 20 ms", "RabbitMQ", *backend) for backend in BACKENDS]
    names = ["task", "queue", "results", "backend", "processes"]
    return [dict(zip(names, [*pair, n], strict=True)) for pair in pairs for n in PROCESSES]


def main(rounds: int) -> None:
    """Measure all, print each row, and write the file of the chapter.

    Of the rounds the quickest counts: the one that other programs disturbed least.
    """
    rows = plans()
    for _round in range(rounds):
        for row in rows:
            pair = row["queue"], row["results"], row["backend"], row["processes"]
            naps = row["task"] != "add"
            seen = measure(*pair, tasks=400 if naps else 1000, trips=50, naps=naps)
            row["tasks/s"] = max(round(seen["rate"]), row.get("tasks/s", 0))
            row["round trip, ms"] = min(round(seen["trip"], 1), row.get("round trip, ms", 1e6))
            print(*(f"{value!s:14}" for value in row.values()), flush=True)
    write_measured("pairs", rows)


if __name__ == "__main__":
    main(asked_rounds())
