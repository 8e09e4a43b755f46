"""What chapter 09 says and recommends, on real servers whose zone is not UTC."""

import datetime as dt
import re
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import nbformat
import pandas as pd
import pytest
import sqlalchemy as sa
from celery import Celery
from celery.backends.database.models import TaskExtended
from databases import database_of_its_own as database
from processes import PATIENCE, wait_for

from tutorial.backend import EngineBackend, engine_backend
from tutorial.commands.chapters import NOTEBOOKS
from tutorial.database import make_engine, sqlite_url
from tutorial.results import load_results

CELLS = nbformat.read(NOTEBOOKS / "09-expiry.ipynb", as_version=4).cells
DATABASES = ["sqlite", "postgresql", "mariadb"]
NEW_YORK = "America/New_York"
DAY = dt.timedelta(days=1)
results = TaskExtended.__table__


def module(name: str) -> dict[str, Any]:
    """Return what a module holds that the chapter writes."""
    first = f"%%writefile {name}\n"
    source = next(cell.source for cell in CELLS if cell.source.startswith(first))
    names: dict[str, Any] = {}
    exec(source.removeprefix(first), names)
    return names


archive: Callable[..., int] = module("retention.py")["archive"]


def in_zone(url: sa.URL, zone: str) -> sa.URL:
    """Return a URL whose sessions are in a time zone; SQLite's have none."""
    if url.get_backend_name() == "postgresql":
        return url.update_query_dict({"options": f"-c timezone={zone}"})
    if url.get_backend_name() == "mysql":
        hours = offset(zone)
        return url.update_query_dict({"init_command": f"SET time_zone = '{hours:+03d}:00'"})
    return url


def offset(zone: str) -> int:
    """Return how many hours a zone is ahead of UTC now."""
    ahead = dt.datetime.now(ZoneInfo(zone)).utcoffset()
    assert ahead is not None
    return int(ahead.total_seconds() // 3600)


@contextmanager
def backend(url: sa.URL, **settings: Any) -> Iterator[EngineBackend]:
    """Yield a result backend over an engine of its own."""
    engine = make_engine(url)
    app = Celery("expiry", backend=engine_backend(engine), set_as_current=False)
    app.conf.update(timezone="UTC", result_extended=True, **settings)
    yield app.backend
    engine.dispose()


def ids(engine: sa.Engine) -> set[str]:
    with engine.connect() as connection:
        return set(connection.scalars(sa.select(results.c.task_id)))


def set_date(engine: sa.Engine, task_id: str, date: dt.datetime) -> None:
    change = sa.update(results).where(results.c.task_id == task_id).values(date_done=date)
    with engine.begin() as connection:
        connection.execute(change)


# Time zones: each row of the chapter's table is measured


def rows_of_the_table() -> list[list[str]]:
    text = next(c.source for c in CELLS if "| Database | App's `timezone` |" in c.source)
    first, _, _ = text.partition("| In the table |")  # the cell has a second table
    lines = [line for line in first.splitlines() if line.startswith("|")][2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


ZONES = ["UTC", "America/Los_Angeles", "Asia/Tokyo"]
KINDS = {"SQLite": "sqlite", "MariaDB": "mariadb", "PostgreSQL": "postgresql"}


def cases() -> Iterator[Any]:
    """Yield for each database of a row each combination of zones for which the row stands.

    The first one of each always runs, the others on request.
    """
    for number, (names, app, session, *expected) in enumerate(rows_of_the_table()):
        stored, _, cleaned = session.partition(", but ")
        for kind in (KINDS[name] for name in names.split(", ")):
            marks: list[Any] = []
            for app_zone in ZONES if app == "any" else [app]:
                for zone in ["UTC", NEW_YORK] if stored == "any" else [stored]:
                    cleaner = "UTC" if cleaned else zone
                    name = f"{number}-{kind}-{app_zone}-{zone}"
                    values = (kind, app_zone, zone, cleaner, *expected)
                    yield pytest.param(*values, id=name, marks=marks)
                    marks = [pytest.mark.slow]


@pytest.mark.parametrize(
    ("kind", "app_zone", "session", "cleaner", "holds", "deletes", "needs"), list(cases())
)
def test_time_zones(
    kind: str,
    app_zone: str,
    session: str,
    cleaner: str,
    holds: str,
    deletes: str,
    needs: str,
    tmp_path: Path,
) -> None:
    zone = {"Los Angeles": ZONES[1], "Tokyo": ZONES[2], "New York": NEW_YORK}.get(
        holds.removesuffix(" time"), holds
    )
    with database(kind, tmp_path) as url, backend(in_zone(url, session)) as storing:
        storing.app.conf.timezone = app_zone
        now = dt.datetime.now(dt.UTC)
        storing.store_result("now", 1, "SUCCESS")
        with storing.engine.connect() as connection:
            stored = connection.scalar(sa.select(results.c.date_done))
        there = now.astimezone(ZoneInfo(zone)).replace(tzinfo=None)
        assert abs(stored - there) < dt.timedelta(minutes=30)

        told = re.search(r'timezone="(.*?)"', needs)
        for reader, keyword in {
            (session, None if needs.startswith("nothing") else told and told[1]),
            ("UTC", told and told[1]),
        }:
            reading = make_engine(in_zone(url, reader))
            if reader == session or kind == "postgresql":
                loaded = load_results(reading, timezone=keyword)["date_done"][0]
                assert abs(loaded - now) < dt.timedelta(minutes=30)
            reading.dispose()

        assert hours_too_early(storing, in_zone(url, cleaner), zone) in numbers(deletes)


def numbers(deletes: str) -> set[int]:
    """Return by how many hours a clean-up deletes too early, as the table says."""
    if deletes == "on time":
        return {0}
    hours = set(map(int, re.findall(r"\d+", deletes)))
    return hours if deletes.endswith("too early") else {-number for number in hours}


def hours_too_early(storing: EngineBackend, url: sa.URL, zone: str) -> int:
    """Store results of all ages, an hour apart, and see which is the youngest to be deleted."""
    now, ages = dt.datetime.now(dt.UTC), range(12, 37)
    for age in ages:
        storing.store_result(f"{age}", 1, "SUCCESS")
        date = (now - dt.timedelta(hours=age + 0.5)).astimezone(ZoneInfo(zone))
        set_date(storing.engine, f"{age}", date.replace(tzinfo=None))
    with backend(url, result_expires=DAY) as cleaning:
        cleaning.app.conf.timezone = storing.app.conf.timezone
        cleaning.cleanup()
        return 24 - min(age for age in ages if f"{age}" not in ids(cleaning.engine))


def test_the_table_names_every_database() -> None:
    assert {kind for case in cases() for kind in [case.values[0]]} == set(DATABASES)


# Archive, then delete


@contextmanager
def live_database(kind: str, folder: Path) -> Iterator[tuple[sa.URL, sa.URL]]:
    """Yield the owner's URL, and a worker's that may not change a table, both not in UTC."""
    with database(kind, folder) as url:
        owner = in_zone(url, NEW_YORK)
        with backend(owner) as storing:
            storing.store_result("first", 1, "SUCCESS")
        if kind == "sqlite":
            yield owner, owner
            return
        role, postgresql = f"worker_{uuid.uuid4().hex[:8]}", kind == "postgresql"
        name = role if postgresql else f"'{role}'@'%%'"
        login = "LOGIN PASSWORD 'secret'" if postgresql else "IDENTIFIED BY 'secret'"
        tables = ["celery_taskmeta", "celery_tasksetmeta"]
        sequences = ["task_id_sequence", "taskset_id_sequence"]
        engine = sa.create_engine(owner, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.exec_driver_sql(f"CREATE {'ROLE' if postgresql else 'USER'} {name} {login}")
            for table in tables:
                rights = "SELECT, INSERT, UPDATE, DELETE"
                connection.exec_driver_sql(f"GRANT {rights} ON {table} TO {name}")
            for sequence in sequences:
                right = f"USAGE ON SEQUENCE {sequence}" if postgresql else f"ALL ON {sequence}"
                connection.exec_driver_sql(f"GRANT {right} TO {name}")
            try:
                yield owner, owner.set(username=role, password="secret")
            finally:
                if postgresql:
                    connection.exec_driver_sql(f"DROP OWNED BY {name}")
                connection.exec_driver_sql(f"DROP {'ROLE' if postgresql else 'USER'} {name}")
        engine.dispose()


@contextmanager
def writer(url: sa.URL) -> Iterator[list[str]]:
    """Store results in another thread, one after another; yield their growing list of ids."""
    stored: list[str] = []
    errors: list[Exception] = []
    stop = threading.Event()

    def write() -> None:
        with backend(url) as storing:
            for number in count():
                if stop.is_set():
                    return
                try:
                    storing.store_result(f"new {number}", number, "STARTED")
                    storing.store_result(f"new {number}", number, "SUCCESS")
                except Exception as error:
                    errors.append(error)
                    return
                stored.append(f"new {number}")

    thread = threading.Thread(target=write)
    thread.start()
    try:
        wait_for(lambda: stored or errors)
        yield stored
        before = len(stored)
        wait_for(lambda: len(stored) > before or errors)
    finally:
        stop.set()
        thread.join()
    assert not errors, errors


@pytest.mark.parametrize("kind", DATABASES)
def test_every_row_is_archived_or_stays(kind: str, tmp_path: Path) -> None:
    with live_database(kind, tmp_path) as (_, worker), backend(worker) as storing:
        until = dt.datetime.now(dt.UTC).replace(microsecond=0) - DAY
        old = {f"old {number}" for number in range(30)}
        young = {f"young {number}" for number in range(30)}
        for number, task_id in enumerate(sorted(old | young)):
            storing.store_result(task_id, number, "SUCCESS")
        for number in range(30):
            set_date(storing.engine, f"old {number}", until - dt.timedelta(seconds=number + 1))
            # Each becomes old soon after our moment; the first one is exactly as old.
            set_date(storing.engine, f"young {number}", until + dt.timedelta(seconds=number))
        file = tmp_path / "archive.parquet"
        with writer(worker) as stored:
            assert archive(storing.engine, file, until) == 30
        assert set(pd.read_parquet(file)["task_id"]) == old
        assert ids(storing.engine) == {"first", *young, *stored}
        assert archive(storing.engine, file, until) == 0  # and touches no file
        with pytest.raises(FileExistsError):
            archive(storing.engine, file, dt.datetime.now(dt.UTC))
        assert young <= ids(storing.engine)


@pytest.mark.parametrize("kind", DATABASES)
def test_a_row_that_is_stored_again_in_the_meantime_stays(kind: str, tmp_path: Path) -> None:
    with live_database(kind, tmp_path) as (_, worker), backend(worker) as storing:
        for task_id in ("old", "again"):
            storing.store_result(task_id, 1, "FAILURE")
            set_date(storing.engine, task_id, dt.datetime.now(dt.UTC) - 2 * DAY)
        engine = make_engine(worker)

        @sa.event.listens_for(engine, "begin")
        def store_again(_: sa.Connection) -> None:
            if (tmp_path / "archive.parquet").exists():
                storing.store_result("again", 2, "SUCCESS")

        until = dt.datetime.now(dt.UTC) - DAY
        archive(engine, tmp_path / "archive.parquet", until)
        engine.dispose()
        assert ids(storing.engine) == {"first", "again"}
        assert storing.get_task_meta("again", cache=False)["result"] == 2


def test_two_moments_lose_rows(tmp_path: Path) -> None:
    with database("sqlite", tmp_path) as url, backend(url, result_expires=DAY) as storing:
        now = dt.datetime.now(dt.UTC)
        for minutes in range(1, 11):
            storing.store_result(f"{minutes}", 1, "SUCCESS")
            age = DAY + dt.timedelta(minutes=minutes)
            set_date(storing.engine, f"{minutes}", now - age)
        file = tmp_path / "archive.parquet"
        until = now - DAY - dt.timedelta(minutes=7.5)  # when the archiving began
        assert archive(storing.engine, file, until) == 3
        storing.cleanup()
        assert not ids(storing.engine)  # and seven are in no archive


# The index


def create_index(kind: str) -> str:
    """Return the statement that the chapter recommends."""
    text = next(cell.source for cell in CELLS if "CREATE INDEX CONCURRENTLY" in cell.source)
    statements = re.findall(r"^CREATE INDEX .*;$", text, re.MULTILINE)
    return str(statements[DATABASES.index(kind) - 1])


def drop_index(engine: sa.Engine) -> None:
    with engine.begin() as connection:
        mysql = engine.dialect.name == "mysql"
        on = " ON celery_taskmeta" if mysql else ""
        connection.exec_driver_sql(f"DROP INDEX ix_celery_taskmeta_date_done{on}")


def has_index(engine: sa.Engine) -> bool:
    found = sa.inspect(engine).get_indexes("celery_taskmeta")
    return "ix_celery_taskmeta_date_done" in {index["name"] for index in found}


def test_a_plain_index_keeps_workers_waiting(tmp_path: Path) -> None:
    with live_database("postgresql", tmp_path) as (owner, worker):
        engine, storing = sa.create_engine(owner), sa.create_engine(worker)
        drop_index(engine)
        plain = create_index("postgresql").replace("CONCURRENTLY ", "")
        insert = sa.insert(results).values(id=sa.text("nextval('task_id_sequence')"))
        with engine.begin() as connection:
            connection.exec_driver_sql(plain)
            with (
                pytest.raises(sa.exc.OperationalError, match="lock timeout"),
                storing.begin() as other,
            ):
                other.exec_driver_sql("SET LOCAL lock_timeout = '200ms'")
                other.execute(insert.values(task_id="waits"))
        engine.dispose()
        storing.dispose()


def test_an_index_made_concurrently_lets_them_store(tmp_path: Path) -> None:
    with live_database("postgresql", tmp_path) as (owner, worker):
        engine = sa.create_engine(owner, isolation_level="AUTOCOMMIT")
        other = sa.create_engine(owner)
        drop_index(other)
        errors: list[Exception] = []

        def create() -> None:
            try:
                with engine.connect() as connection:
                    connection.exec_driver_sql(create_index("postgresql"))
            except Exception as error:
                errors.append(error)

        thread = threading.Thread(target=create)
        with writer(worker) as stored:
            with other.begin() as connection:
                # The index waits for this transaction to end, so that it takes as long as we like.
                connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
                connection.exec_driver_sql("UPDATE celery_taskmeta SET retries = 0 WHERE id = 1")
                thread.start()
                progress = "SELECT count(*) FROM pg_stat_progress_create_index"
                with engine.connect() as watching:
                    wait_for(lambda: errors or watching.exec_driver_sql(progress).scalar())
                    before = len(stored)
                    wait_for(lambda: len(stored) > before + 20)
            thread.join(PATIENCE)
        assert not errors, errors
        assert has_index(engine)
        engine.dispose()
        other.dispose()


def test_an_index_on_mariadb_lets_them_store(tmp_path: Path) -> None:
    with live_database("mariadb", tmp_path) as (owner, worker):
        engine = sa.create_engine(owner)
        drop_index(engine)
        with writer(worker), engine.begin() as connection:
            # LOCK = NONE is refused if it cannot be done.
            connection.exec_driver_sql(create_index("mariadb"))
        assert has_index(engine)
        engine.dispose()


def test_an_index_on_mariadb_gives_up_while_a_transaction_is_open(tmp_path: Path) -> None:
    """Every store waits behind it, for a day with MariaDB's default settings."""
    text = next(cell.source for cell in CELLS if "CREATE INDEX CONCURRENTLY" in cell.source)
    (limit,) = re.findall(r"^SET lock_wait_timeout = \d+;$", text, re.MULTILINE)
    with live_database("mariadb", tmp_path) as (owner, worker):
        engine = sa.create_engine(owner)
        drop_index(engine)
        with engine.connect() as reader, writer(worker):
            reader.exec_driver_sql("SELECT count(*) FROM celery_taskmeta")
            with (
                engine.connect() as connection,
                pytest.raises(sa.exc.OperationalError, match="Lock wait timeout"),
            ):
                connection.exec_driver_sql(limit)
                connection.exec_driver_sql(create_index("mariadb"))
        engine.dispose()


def test_only_the_owner_may_create_an_index(tmp_path: Path) -> None:
    with live_database("postgresql", tmp_path) as (_, worker):
        engine = sa.create_engine(worker, isolation_level="AUTOCOMMIT")
        with (
            engine.connect() as connection,
            pytest.raises(sa.exc.ProgrammingError, match="must be owner"),
        ):
            connection.exec_driver_sql(create_index("postgresql"))
        engine.dispose()


@pytest.mark.parametrize("indexed", [True, False])
def test_with_the_index_no_update_is_hot(indexed: bool, tmp_path: Path) -> None:
    with database("postgresql", tmp_path) as url, backend(url) as storing:
        storing.store_result("first", 1, "STARTED")
        if not indexed:
            drop_index(storing.engine)
        updates = "SELECT n_tup_upd, n_tup_hot_upd FROM pg_stat_user_tables WHERE relname = :name"
        with storing.engine.begin() as connection:
            connection.exec_driver_sql("TRUNCATE celery_taskmeta")
            connection.exec_driver_sql("SELECT pg_stat_reset()")
        for number in range(300):
            storing.store_result(f"{number}", None, "STARTED")
            storing.store_result(f"{number}", number, "SUCCESS")
        storing.engine.dispose()  # a session reports its numbers at its end at the latest

        def found() -> Any:
            with storing.engine.connect() as connection:
                query = sa.text(updates)
                return connection.execute(query, {"name": "celery_taskmeta"}).one()

        wait_for(lambda: found()[0] == 300)
        # Not quite all without it: a page can be full while somebody still sees its old rows.
        assert found()[1] == 0 if indexed else found()[1] > 150


# A copy of the file


def test_the_file_alone_lacks_the_last_rows(tmp_path: Path) -> None:
    with database("sqlite", tmp_path) as url, backend(url) as storing:
        storing.store_result("first", 1, "SUCCESS")
        with storing.engine.connect() as connection:
            connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
        storing.store_result("last", 1, "SUCCESS")
        assert url.database
        alone, whole = tmp_path / "alone.db", tmp_path / "whole.db"
        alone.write_bytes(Path(url.database).read_bytes())
        with storing.engine.connect() as connection:
            connection.execution_options(isolation_level="AUTOCOMMIT").execute(
                sa.text("VACUUM INTO :file"), {"file": str(whole)}
            )
        assert ids(make_engine(sqlite_url(alone))) == {"first"}
        assert ids(make_engine(sqlite_url(whole))) == {"first", "last"}
