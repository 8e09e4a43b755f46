"""The alarms of chapter 16: asked as an analyst, beside a writer, and not in UTC."""

import re
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from uuid import uuid4

import nbformat
import pandas as pd
import pytest
import sqlalchemy as sa
from celery import Celery
from conftest import configure_again
from databases import database_of_its_own, empty_database
from processes import LONG, wait_for
from redis import Redis
from stored_results import make_app, store

from tutorial import servers
from tutorial.broker import BROKER_VARIABLE
from tutorial.database import RESULT_BACKEND_VARIABLE, make_engine, sqlite_url
from tutorial.exercises.scratch import local_zone
from tutorial.tables import TASK_TABLE
from tutorial.tasks import add, nap
from tutorial.watching import alarms, watch
from tutorial.worker import Worker
from tutorial.workspace import COURSE

CHAPTER = COURSE / "notebooks" / "16-watching.ipynb"
ZONE = "America/Los_Angeles"
SHIFT = {
    "sqlite": "datetime(date_done, '{} hours')",
    "postgresql": "date_done + interval '{} hours'",
    "mysql": "date_done + INTERVAL {} * 60 MINUTE",
}


@dataclass
class Place:
    """A database with the tables of results, and three roles."""

    owner: sa.Engine
    worker: str
    analyst: sa.Engine

    def app(self) -> Celery:
        return make_app(self.worker)

    def count(self) -> int:
        with self.owner.connect() as connection:
            return connection.scalar(sa.text(f"SELECT count(*) FROM {TASK_TABLE}"))

    def shift(self, hours: float, *task_ids: str) -> None:
        """Move the date of some rows, as if they had been stored then."""
        moved = SHIFT[self.owner.dialect.name].format(f"{hours:+g}")
        statement = sa.text(f"UPDATE {TASK_TABLE} SET date_done = {moved} WHERE task_id = :id")
        with self.owner.begin() as connection:
            connection.execute(statement, [{"id": task_id} for task_id in task_ids])


@contextmanager
def roles(kind: str, url: sa.URL) -> Iterator[Place]:
    owner = make_engine(url)
    database = url.database
    mark = uuid4().hex[:8]  # roles belong to all databases of a server
    worker, analyst = f"worker_{mark}", f"analyst_{mark}"
    make_app(text(url)).backend.ResultSession().close()  # the owner makes the tables
    statements = {
        "postgresql": [
            f"ALTER DATABASE {database} SET timezone TO '{ZONE}'",
            f"CREATE ROLE {worker} LOGIN PASSWORD 'w'",
            f"CREATE ROLE {analyst} LOGIN PASSWORD 'a'",
            "GRANT SELECT, INSERT, UPDATE, DELETE ON celery_taskmeta, celery_tasksetmeta "
            f"TO {worker}",
            f"GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO {worker}",
            f"GRANT SELECT ON celery_taskmeta TO {analyst}",
        ],
        "mariadb": [
            "SET GLOBAL time_zone = '-08:00'",
            f"CREATE USER {worker} IDENTIFIED BY 'w'",
            f"CREATE USER {analyst} IDENTIFIED BY 'a'",
            f"GRANT SELECT, INSERT, UPDATE, DELETE ON {database}.* TO {worker}",
            f"GRANT SELECT ON {database}.celery_taskmeta TO {analyst}",
        ],
    }
    with owner.begin() as connection:
        for statement in statements[kind]:
            connection.exec_driver_sql(statement)
    owner.dispose()  # whose sessions still have the old zone
    reader = make_engine(url.set(username=analyst, password="a"))
    yield Place(owner, text(url.set(username=worker, password="w")), reader)
    reader.dispose()
    if kind == "postgresql":
        with owner.begin() as connection:
            connection.exec_driver_sql(f"DROP OWNED BY {worker}, {analyst}")
            connection.exec_driver_sql(f"DROP ROLE {worker}, {analyst}")
    owner.dispose()


def text(url: sa.URL) -> str:
    return url.render_as_string(hide_password=False)


@pytest.fixture(
    scope="module",
    params=["sqlite", "postgresql", pytest.param("mariadb", marks=pytest.mark.slow)],
)
def database(request: pytest.FixtureRequest, home_of_module: Path) -> Iterator[Place]:
    kind = request.param
    if kind == "sqlite":
        url = sqlite_url(home_of_module / "results.db")
        make_app(str(url)).backend.ResultSession().close()
        reader = sa.create_engine(
            f"sqlite:///file:{home_of_module / 'results.db'}?mode=ro&uri=true"
        )
        yield Place(make_engine(url), str(url), reader)
        reader.dispose()
        return
    if kind == "postgresql":
        with database_of_its_own(kind, home_of_module) as url, roles(kind, url) as found:
            yield found
        return
    if reason := servers.missing(kind, private=True):  # since the zone is that of the server
        pytest.skip(reason)
    with (
        servers.mariadb(private=True, host="127.0.0.1") as server,
        roles(kind, sa.make_url(server.url)) as found,
    ):
        yield found


@pytest.fixture
def place(database: Place, home: Path) -> Iterator[Place]:
    """Yield the database without rows, in a process that is not in UTC."""
    with database.owner.begin() as connection:
        connection.exec_driver_sql(f"DELETE FROM {TASK_TABLE}")
    with local_zone(ZONE):
        yield database


@contextmanager
def writer(place: Place, monkeypatch: pytest.MonkeyPatch) -> Iterator[Future[None]]:
    """Let a real worker, under its own role, store results all the time."""
    monkeypatch.setenv(RESULT_BACKEND_VARIABLE, f"db+{place.worker}")
    enough = Event()

    def send() -> None:
        while not enough.wait(0.01):
            add.delay(1, 1)

    with Worker(concurrency=1), ThreadPoolExecutor() as thread:
        try:
            yield thread.submit(send)
        finally:
            enough.set()


def spoil(place: Place) -> None:
    """Store what each alarm is for, and beside it what must not raise it."""
    worker = place.app()
    store(worker, "old", 5)
    store(worker, "began-long-ago", {"pid": 1}, "STARTED")
    store(worker, "done-two-hours-ago", 5)
    store(worker, "failed-two-hours-ago", ValueError("no"), "FAILURE")
    store(worker, "revoked-two-hours-ago", None, "REVOKED")
    store(worker, "again-long-ago", ValueError("no"), "RETRY")
    store(worker, "again-long-ago", {"pid": 1}, "STARTED")
    place.shift(-49, "old")
    ids = [f"{word}-two-hours-ago" for word in ("done", "failed", "revoked")]
    place.shift(-2, "again-long-ago", *ids)
    store(worker, "began-now", {"pid": 1}, "STARTED")
    store(worker, "again-now", ValueError("no"), "RETRY")
    store(worker, "failed-now", ValueError("no"), "FAILURE")


def test_each_alarm_counts_its_rows_beside_a_writer(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    spoil(place)
    with place.analyst.connect() as connection:
        query = sa.text(
            f"SELECT date_done IS NULL FROM {TASK_TABLE} WHERE status = 'STARTED' ORDER BY id"
        )
        assert list(connection.scalars(query)) == [True, False, True]
    with writer(place, monkeypatch) as sending:
        before = place.count()
        while place.count() < before + 20:
            assert_alarms(watch(place.analyst))
            assert not sending.done(), sending.exception()
    assert_alarms(watch(place.analyst))


def assert_alarms(numbers: pd.Series) -> None:
    assert 0 <= numbers["minutes since the last result"] < 60
    assert numbers["failures in the last hour"] == 1
    assert numbers["tasks that take too long"] == 2
    assert numbers["results kept too long"] == 1
    assert numbers["results from the future"] == 0
    if "ids left" in numbers:
        assert 2**31 - 2000 < numbers["ids left"] < 2**31 - 9


def test_an_index_makes_the_alarm_for_slow_tasks_quick(home: Path) -> None:
    prose = "\n".join(cell.source for cell in nbformat.read(CHAPTER, as_version=4).cells)
    (index,) = re.findall(r"```sql\n(CREATE INDEX .*?)```", prose, re.DOTALL)
    rows = f"""INSERT INTO {TASK_TABLE} (id, task_id, status, date_done)
        SELECT n, n::text, 'SUCCESS', now() - n * interval '1 hour'
        FROM generate_series(1000, 20000) AS n"""
    with empty_database("postgresql", home) as url:
        make_app(text(url)).backend.ResultSession().close()
        owner = sa.create_engine(url, isolation_level="AUTOCOMMIT")
        with owner.connect() as connection:
            for statement in (rows, index, f"ANALYZE {TASK_TABLE}"):
                connection.exec_driver_sql(statement)
            query = alarms("postgresql")["tasks that take too long"]
            plan = "\n".join(connection.scalars(sa.text(f"EXPLAIN {query}")))
        owner.dispose()
    assert "celery_taskmeta_unfinished" in plan
    assert "Seq Scan" not in plan


def test_rows_of_another_zone_raise_an_alarm(place: Place) -> None:
    store(place.app(), "done", 5)
    assert watch(place.analyst)["results from the future"] == 0
    place.shift(0.5, "done")
    assert watch(place.analyst)["results from the future"] == 1


def test_an_empty_table_has_no_last_result(place: Place) -> None:
    numbers = watch(place.analyst)
    assert numbers.isna().to_dict() == {
        name: name == "minutes since the last result" for name in numbers.index
    }


def test_the_analyst_may_only_read(place: Place) -> None:
    refused = "readonly database|permission denied|command denied"
    with pytest.raises(sa.exc.DBAPIError, match=refused), place.analyst.begin() as connection:
        connection.exec_driver_sql(f"DELETE FROM {TASK_TABLE}")


def test_the_queries_of_the_runbook_run_as_the_analyst(place: Place) -> None:
    spoil(place)
    prose = "\n".join(cell.source for cell in nbformat.read(CHAPTER, as_version=4).cells)
    queries = re.findall(r"`(SELECT [^`]+ FROM celery_taskmeta[^`]*)`", prose)
    assert len(queries) == 4
    with place.analyst.connect() as connection:
        for query in queries:
            assert connection.execute(sa.text(query)).all()


def test_the_runbook_counts_the_failures_of_the_last_hour_by_task(place: Place) -> None:
    worker, chronic = place.app(), [f"chronic-{number}" for number in range(3)]
    for task_id in chronic:
        store(worker, task_id, ValueError("no"), "FAILURE", task="shop.chronic")
    place.shift(-1.1, *chronic)
    store(worker, "sudden", ValueError("no"), "FAILURE", task="shop.sudden")
    prose = "\n".join(cell.source for cell in nbformat.read(CHAPTER, as_version=4).cells)
    words = r"Begin the alarm's query with `([^`]+)` and end it with `([^`]+)`"
    begin, end = re.findall(words, prose)[0]
    dialect = place.analyst.dialect.name
    alarm = alarms(dialect)["failures in the last hour"].removeprefix("SELECT count(*)")
    with place.analyst.connect() as connection:
        found = connection.execute(sa.text(f"{begin}{alarm} {end}")).all()
    assert [tuple(row) for row in found] == [("shop.sudden", 1)]


def test_alarms_use_the_indexes(home: Path) -> None:
    url = sqlite_url(home / "results.db")
    make_app(str(url)).backend.ResultSession().close()
    with make_engine(url).connect() as connection:
        plans = {
            name: str(connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {query}").all())
            for name, query in alarms("sqlite").items()
        }
    assert [name for name, plan in plans.items() if f"SCAN {TASK_TABLE}'" in plan] == []


def test_what_a_worker_holds_is_not_in_the_lists_of_redis(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with servers.redis() as broker, Redis.from_url(broker.url) as client:
        monkeypatch.setenv(BROKER_VARIABLE, broker.url)
        configure_again()
        with Worker(concurrency=1) as worker:
            nap.delay(LONG)
            wait_for(lambda: "received" in worker.logs())
            add.delay(1, 1)
            # For a moment after it was received, the first message is unacknowledged too.
            wait_for(lambda: (client.hlen("unacked"), client.llen("celery")) == (1, 0))
            worker.kill()


def test_no_alarms_for_another_database() -> None:
    with pytest.raises(ValueError, match="no alarms for 'oracle'"):
        alarms("oracle")
