"""The faults that an inspection finds do what the chapters say of them."""

import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from celery import Celery
from celery.exceptions import BackendGetMetaError, BackendStoreError, Retry
from celery.exceptions import TimeoutError as ResultTimeoutError
from celery.result import GroupResult
from kombu.exceptions import DecodeError
from stored_results import make_app, store
from test_expiry import database

from tutorial import servers
from tutorial.database import make_engine, sqlite_url

LONG_AGO = "2020-01-01 00:00:00.000000"


@contextmanager
def results(kind: str, folder: Path) -> Iterator[tuple[Celery, sa.Engine]]:
    """Yield an app that has stored ten results in a database, and an engine for the same one."""
    with database(kind, folder) as url:
        app, engine = make_app(url.render_as_string(hide_password=False)), make_engine(url)
        for number in range(10):
            store(app, f"task-{number}", number)
        yield app, engine
        engine.dispose()


def run(engine: sa.Engine, *statements: str) -> None:
    with engine.begin() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)


def ask(engine: sa.Engine, query: str) -> list[Any]:
    with engine.connect() as connection:
        return list(connection.exec_driver_sql(query).scalars())


# 06. Failures


def test_a_task_without_a_limit_is_always_tried_again() -> None:
    app = Celery("patient", broker="memory://", set_as_current=False)

    @app.task(max_retries=None)
    def fetch() -> None:
        """Do nothing: the test says when it is tried again."""

    task = app.tasks[fetch.name]
    task.push_request(retries=1000, called_directly=False)
    with pytest.raises(Retry):
        task.retry(exc=ConnectionError("no answer"))


# 07. States


TRIGGERS = {
    "changes": "UPDATE celery_taskmeta SET result = NULL WHERE id = NEW.id",
    "deletes": "DELETE FROM celery_taskmeta WHERE id = NEW.id",
    "fails": "INSERT INTO a_table_that_is_missing VALUES (1)",
}


@pytest.mark.parametrize("action", TRIGGERS)
def test_a_trigger_is_noticed_only_if_it_fails(action: str, tmp_path: Path) -> None:
    with results("sqlite", tmp_path) as (app, engine):
        body = f"BEGIN {TRIGGERS[action]}; END"
        run(engine, f"CREATE TRIGGER t AFTER UPDATE OF status ON celery_taskmeta {body}")
        if action == "fails":
            with pytest.raises(BackendStoreError):
                store(app, "new", 5)
        else:
            store(app, "new", 5)
        stored = ask(engine, "SELECT result FROM celery_taskmeta WHERE task_id = 'new'")
    assert stored == {"changes": [None], "deletes": [], "fails": []}[action]


@pytest.mark.parametrize("state", ["NULL", "''", "'success'"])
def test_a_state_that_celery_does_not_know_never_ends(state: str, tmp_path: Path) -> None:
    with results("sqlite", tmp_path) as (app, engine):
        assert app.AsyncResult("task-5").get(timeout=60) == 5
        run(engine, f"UPDATE celery_taskmeta SET status = {state} WHERE task_id = 'task-5'")
        assert not app.AsyncResult("task-5").ready()
        with pytest.raises(ResultTimeoutError):
            app.AsyncResult("task-5").get(timeout=0.2, interval=0.05)


# 08. Workflows, and 09. Expiry


def test_a_saved_group(tmp_path: Path) -> None:
    with results("sqlite", tmp_path) as (app, engine):
        for name in ("old", "undated", "damaged"):
            members = [app.AsyncResult("task-1"), app.AsyncResult("task-2")]
            app.backend.save_group(name, GroupResult(name, members, app=app))
        run(
            engine,
            "UPDATE celery_tasksetmeta SET date_done = NULL WHERE taskset_id = 'undated'",
            "UPDATE celery_tasksetmeta SET result = 'x' WHERE taskset_id = 'damaged'",
        )
        with pytest.raises(Exception, match="Expecting value"):
            GroupResult.restore("damaged", app=app)
        assert GroupResult.restore("old", app=app).ready()
        run(
            engine,
            "DELETE FROM celery_taskmeta WHERE task_id = 'task-2'",
            f"UPDATE celery_tasksetmeta SET date_done = '{LONG_AGO}' WHERE taskset_id = 'old'",
        )
        assert not GroupResult.restore("old", app=app).ready()
        app.backend.cleanup()
        kept = ask(engine, "SELECT taskset_id FROM celery_tasksetmeta ORDER BY id")
    assert kept == ["undated", "damaged"]


def test_dates_that_are_none(tmp_path: Path) -> None:
    with results("sqlite", tmp_path) as (app, engine):
        for number, date in enumerate(["unknown", "", LONG_AGO]):
            change = f"UPDATE celery_taskmeta SET date_done = '{date}'"
            run(engine, f"{change} WHERE task_id = 'task-{number}'")
        app.backend.cleanup()
        kept = ask(engine, "SELECT task_id FROM celery_taskmeta ORDER BY id")
    assert kept == ["task-0", *(f"task-{number}" for number in range(3, 10))]


def test_dates_jump_back_when_the_zone_changes(tmp_path: Path) -> None:
    url = str(sqlite_url(tmp_path / "results.db"))
    for zone in ("Asia/Tokyo", "UTC"):
        store(make_app(url, timezone=zone), zone, 5)
    engine = make_engine(url)
    first, second = map(
        dt.datetime.fromisoformat, ask(engine, "SELECT date_done FROM celery_taskmeta ORDER BY id")
    )
    engine.dispose()
    now = dt.datetime.now(dt.UTC).replace(tzinfo=None)
    assert second < now + dt.timedelta(minutes=5) < first


# 13. Outages


def test_a_crash_empties_an_unlogged_table() -> None:
    if reason := servers.missing("postgresql", private=True):
        pytest.skip(reason)
    with servers.postgresql(private=True) as server:
        engine = make_engine(server.url)
        store(make_app(server.url), "old", 5)
        run(
            engine,
            "CREATE TABLE kept AS SELECT * FROM celery_taskmeta",
            "ALTER TABLE celery_taskmeta SET UNLOGGED",
        )
        engine.dispose()
        server.kill()
        server.start()
        counts = [ask(engine, f"SELECT count(*) FROM {t}") for t in ("kept", "celery_taskmeta")]
        engine.dispose()
    assert counts == [[1], [0]]


def test_a_transaction_that_reads_lets_the_wal_file_grow(tmp_path: Path) -> None:
    with results("sqlite", tmp_path) as (_, engine):
        ask(engine, "PRAGMA journal_mode = WAL")
        wal = Path(f"{engine.url.database}-wal")
        grow = "UPDATE celery_taskmeta SET result = randomblob(1000000) WHERE task_id = 'task-1'"
        for _ in range(20):
            run(engine, grow)
        assert wal.stat().st_size < 10_000_000
        with engine.connect() as reader:
            reader.exec_driver_sql("BEGIN")
            reader.exec_driver_sql("SELECT count(*) FROM celery_taskmeta").all()
            for _ in range(20):
                run(engine, grow)
            assert wal.stat().st_size > 20_000_000


def test_a_damaged_page_is_named(tmp_path: Path) -> None:
    with results("sqlite", tmp_path) as (app, engine):
        [page] = ask(engine, "SELECT rootpage FROM sqlite_master WHERE name = 'celery_taskmeta'")
        [size] = ask(engine, "PRAGMA page_size")
        ask(engine, "PRAGMA wal_checkpoint(TRUNCATE)")
        engine.dispose()
        with Path(str(engine.url.database)).open("r+b") as file:
            file.seek((page - 1) * size)
            file.write(b"\xff" * size)
        app.backend.always_retry = False
        with pytest.raises(Exception, match="database disk image is malformed"):
            store(app, "new", 5)


# 14. The schema, and 17. Capacity


REFUSALS = {
    "another type": ["ALTER TABLE celery_taskmeta ALTER status TYPE varchar(9)"],
    "a column that must not be empty": [
        "ALTER TABLE celery_taskmeta ADD tenant integer NOT NULL DEFAULT 0",
        "ALTER TABLE celery_taskmeta ALTER tenant DROP DEFAULT",
    ],
    "capital letters": ['ALTER TABLE celery_taskmeta RENAME task_id TO "TASK_ID"'],
    "the end of the sequence": ["ALTER SEQUENCE task_id_sequence MAXVALUE 10"],
}


@pytest.mark.parametrize("what", REFUSALS)
def test_a_table_that_refuses_new_results(what: str, tmp_path: Path) -> None:
    with results("postgresql", tmp_path) as (app, engine):
        run(engine, *REFUSALS[what])
        with pytest.raises(BackendStoreError):
            store(app, "new", 5, "PROGRESS-1")
        if what == "capital letters":
            with pytest.raises(BackendGetMetaError):
                _ = app.AsyncResult("task-1").state
        else:
            assert app.AsyncResult("new").state == "PENDING"
        if what == "the end of the sequence":
            run(engine, "ALTER SEQUENCE task_id_sequence NO MAXVALUE")
            store(app, "new", 5)


def test_bytes_in_a_column_of_text_are_not_read_again(tmp_path: Path) -> None:
    with results("postgresql", tmp_path) as (app, engine):
        run(engine, "ALTER TABLE celery_taskmeta ALTER kwargs TYPE text USING '{}'")
        store(app, "new", 5)
        assert app.AsyncResult("task-1").state == "SUCCESS"
        with pytest.raises(DecodeError):
            _ = app.AsyncResult("new").state


def test_rows_that_were_restored_without_their_sequence(tmp_path: Path) -> None:
    with results("postgresql", tmp_path) as (app, engine):
        app.backend.always_retry = False
        run(engine, "DROP SEQUENCE task_id_sequence")
        with pytest.raises(Exception, match='"task_id_sequence" does not exist'):
            store(app, "new", 5)
        run(engine, "CREATE SEQUENCE task_id_sequence")
        with pytest.raises(Exception, match="duplicate key value"):
            store(app, "new", 5)
        assert app.AsyncResult("new").state == "PENDING"
        run(engine, "SELECT setval('task_id_sequence', (SELECT max(id) FROM celery_taskmeta))")
        store(app, "new", 5)
        assert app.AsyncResult("new").get(timeout=60) == 5


def copy(engine: sa.Engine) -> None:
    run(
        engine,
        "ALTER TABLE celery_taskmeta RENAME TO original",
        "CREATE TABLE celery_taskmeta AS SELECT * FROM original",
    )


def test_a_copy_without_keys_takes_two_rows_of_one_task(tmp_path: Path) -> None:
    with results("postgresql", tmp_path) as (app, engine):
        copy(engine)
        other = "INSERT INTO celery_taskmeta (id, task_id, status) VALUES (100, 'new', 'STARTED')"
        with engine.begin() as connection:
            connection.exec_driver_sql(other)
            store(app, "new", 5)
        states = ask(engine, "SELECT status FROM celery_taskmeta WHERE task_id = 'new'")
        assert sorted(states) == ["STARTED", "SUCCESS"]
        assert app.AsyncResult("new").state in states


def test_a_copy_without_keys_takes_two_rows_with_one_id(tmp_path: Path) -> None:
    with results("postgresql", tmp_path) as (app, engine):
        copy(engine)
        run(engine, "UPDATE celery_taskmeta SET id = 1, status = 'STARTED' WHERE id <= 2")
        for task_id in ("task-0", "task-1"):
            with pytest.raises(BackendStoreError):
                store(app, task_id, 5)
        states = ask(engine, "SELECT status FROM celery_taskmeta WHERE id = 1")
    assert states == ["STARTED", "STARTED"]


def test_an_engine_without_transactions(tmp_path: Path) -> None:
    with results("mariadb", tmp_path) as (_, engine):
        run(engine, "ALTER TABLE celery_taskmeta ENGINE = MyISAM")
        with engine.connect() as connection:
            connection.exec_driver_sql("DELETE FROM celery_taskmeta WHERE task_id = 'task-1'")
            connection.rollback()
        assert ask(engine, "SELECT count(*) FROM celery_taskmeta") == [9]


def test_an_old_transaction_keeps_dead_rows(tmp_path: Path) -> None:
    with results("postgresql", tmp_path) as (_, engine):
        vacuum = engine.execution_options(isolation_level="AUTOCOMMIT")

        def update_and_vacuum() -> int:
            for _ in range(5):
                run(engine, "UPDATE celery_taskmeta SET status = 'SUCCESS'")
                with vacuum.connect() as connection:
                    connection.exec_driver_sql("VACUUM celery_taskmeta")
            return int(ask(engine, "SELECT pg_relation_size('celery_taskmeta')")[0])

        many = "SELECT n, 'more ' || n, 'SUCCESS' FROM generate_series(1000, 6000) AS n"
        run(engine, f"INSERT INTO celery_taskmeta (id, task_id, status) {many}")
        once = ask(engine, "SELECT pg_relation_size('celery_taskmeta')")[0]
        with engine.connect().execution_options(isolation_level="REPEATABLE READ") as old:
            old.exec_driver_sql("SELECT count(*) FROM celery_taskmeta").all()
            held = update_and_vacuum()
        assert held > 5 * once
        with vacuum.connect() as connection:
            connection.exec_driver_sql("VACUUM celery_taskmeta")
        assert update_and_vacuum() <= held  # in the room that the dead rows have left
