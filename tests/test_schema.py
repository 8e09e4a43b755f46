"""What chapter 14 says of an upgrade, as the tables' owner, beside a worker, not in UTC."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import nbformat
import pandas as pd
import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.operations import Operations
from celery.backends.database.models import ResultModelBase
from old_tables import old_table
from processes import PATIENCE, wait_for
from stored_results import make_app, store
from test_expiry import drop_index, has_index, ids, live_database, writer

from tutorial.commands.chapters import NOTEBOOKS
from tutorial.results import load_results

CELLS = nbformat.read(NOTEBOOKS / "14-schema.ipynb", as_version=4).cells
CONVERSION = next(cell.source for cell in CELLS if "read_pickle(stored)" in cell.source)
ZONE = "America/Los_Angeles"
TABLES = ("celery_taskmeta", "celery_tasksetmeta")
SEQUENCES = ("task_id_sequence", "taskset_id_sequence")
INDEX = "ix_celery_taskmeta_date_done"
BIGINT = "MODIFY id BIGINT NOT NULL"


def migration() -> list[str]:
    """Return the statements that the chapter recommends."""
    source = next(cell.source for cell in CELLS if "ADD COLUMN IF NOT EXISTS" in cell.source)
    statements: list[str] = []
    recipe = source.partition("worker.backend")[0]
    exec(recipe, {"as_owner": lambda *found: statements.extend(found)})
    return statements


@contextmanager
def roles(admin: sa.Engine) -> Iterator[tuple[sa.Engine, sa.URL]]:
    """Yield an engine of the tables' owner, who is no superuser, and the URL of a worker's role."""
    owner, worker = (f"{word}_{uuid.uuid4().hex[:8]}" for word in ("owner", "worker"))
    with admin.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
        for statement in (
            f"ALTER DATABASE {admin.url.database} SET timezone TO '{ZONE}'",
            *(f"CREATE ROLE {role} LOGIN PASSWORD 'secret'" for role in (owner, worker)),
            f"ALTER SCHEMA public OWNER TO {owner}",
            *(f"ALTER TABLE {table} OWNER TO {owner}" for table in TABLES),
            *(f"ALTER SEQUENCE {name} OWNER TO {owner}" for name in SEQUENCES),
            f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {worker}",
            f"GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO {worker}",
        ):
            connection.exec_driver_sql(statement)
        url = admin.url.set(password="secret")
        engine = sa.create_engine(url.set(username=owner), isolation_level="AUTOCOMMIT")
        try:
            yield engine, url.set(username=worker)
        finally:
            engine.dispose()
            for role in (worker, owner):
                connection.exec_driver_sql(f"DROP OWNED BY {role} CASCADE")
                connection.exec_driver_sql(f"DROP ROLE {role}")


def run(engine: sa.Engine, statements: list[str]) -> None:
    with engine.connect() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)


def stock_answers(worker: sa.URL, task_id: str) -> bool:
    """Tell whether Celery's own backend can store and read as the worker's role."""
    app = make_app(worker.render_as_string(hide_password=False))
    store(app, task_id, 5)
    return bool(app.AsyncResult(task_id).get(timeout=PATIENCE) == 5)


@pytest.mark.parametrize("version", ["5.2.7", pytest.param("5.6.3", marks=pytest.mark.slow)])
def test_a_table_is_migrated_while_a_worker_stores(version: str, tmp_path: Path) -> None:
    with (
        old_table("postgresql", version, "json", tmp_path) as admin,
        roles(admin) as (owner, worker),
    ):
        before = ids(admin)
        with writer(worker) as stored:
            run(owner, migration())
            run(owner, migration())  # again, as after an error
        with owner.connect() as connection:
            context = MigrationContext.configure(connection)
            assert compare_metadata(context, ResultModelBase.metadata) == []
        assert ids(admin) == before | set(stored)
        assert stock_answers(worker, "after")
        done = load_results(owner, progress=False).set_index("task_id").loc["after", "date_done"]
        assert abs(done - pd.Timestamp.now("UTC")) < pd.Timedelta(hours=1)


@pytest.mark.parametrize("kind", ["sqlite", "postgresql", "mariadb"])
def test_old_pickles_become_json_and_what_is_refused_stays(kind: str, tmp_path: Path) -> None:
    with old_table(kind, "5.2.7", "json", tmp_path) as engine:
        before = load_results(engine, progress=False)
        exec(CONVERSION, {"sa": sa, "engine": engine})
        after = load_results(engine, progress=False)
        query = sa.text("SELECT task_id, result FROM celery_taskmeta")
        with engine.connect() as connection:
            stored = {id: bytes(result or b"") for id, result in connection.execute(query)}
    pickled = {id for id, result in stored.items() if result.startswith(b"\x80")}
    assert {"python-set", "python-complex"} <= pickled  # JSON has neither
    assert {"value-integer", "value-dict", "value-datetime", "failed-zero"}.isdisjoint(pickled)
    assert list(after["result"].map(in_json)) == list(before["result"].map(in_json))
    columns = ["task_id", "status", "exception", "undecodable"]
    pd.testing.assert_frame_equal(after[columns], before[columns])


@pytest.mark.parametrize("kind", ["sqlite", "postgresql", "mariadb"])
def test_a_row_that_a_worker_stores_while_pickles_are_converted_is_spared(
    kind: str, tmp_path: Path
) -> None:
    with live_database(kind, tmp_path) as (owner, worker), writer(worker) as others:
        url = worker.render_as_string(hide_password=False)
        store(make_app(url, result_serializer="pickle"), "running", {"pid": 7}, "STARTED")
        new, engine = make_app(url), sa.create_engine(owner)
        updates = []

        @sa.event.listens_for(engine, "before_cursor_execute")
        def store_first(connection, cursor, statement, *others: object) -> None:  # type: ignore[no-untyped-def]
            if statement.startswith("UPDATE") and not updates:
                updates.append(statement)
                store(new, "running", 5)

        exec(CONVERSION, {"sa": sa, "engine": engine})
        assert updates and others
        row = load_results(engine, progress=False).set_index("task_id").loc["running"]
        assert (row["status"], row["result"]) == ("SUCCESS", 5)
        engine.dispose()


def in_json(value: object) -> object:
    """Return a value as JSON gives it back: with lists in place of tuples."""
    if isinstance(value, dict):
        return {key: in_json(each) for key, each in value.items()}
    return [in_json(each) for each in value] if isinstance(value, list | tuple) else value


def test_the_migration_gives_up_while_a_transaction_reads(tmp_path: Path) -> None:
    with (
        old_table("postgresql", "5.2.7", "json", tmp_path) as admin,
        roles(admin) as (owner, worker),
    ):
        with admin.connect() as reader, writer(worker):
            reader.execute(sa.text("SELECT count(*) FROM celery_taskmeta"))
            with pytest.raises(sa.exc.OperationalError, match="lock timeout"):
                run(owner, migration())
        run(owner, migration())
        assert stock_answers(worker, "after")


def test_an_index_that_was_interrupted_is_taken_for_a_good_one(tmp_path: Path) -> None:
    def is_valid() -> bool:
        query = f"SELECT indisvalid FROM pg_index WHERE indexrelid = '{INDEX}'::regclass"
        with owner.connect() as connection:
            return bool(connection.scalar(sa.text(query)))

    with (
        old_table("postgresql", "5.2.7", "json", tmp_path) as admin,
        roles(admin) as (owner, _worker),
    ):
        create = next(statement for statement in migration() if INDEX in statement)
        with (
            admin.begin() as writing,
            pytest.raises(sa.exc.OperationalError, match="lock timeout"),
        ):
            writing.exec_driver_sql("UPDATE celery_taskmeta SET retries = 0")
            run(owner, ["SET lock_timeout = '100ms'", create])
        run(owner, ["RESET lock_timeout", create])
        assert not is_valid()
        run(owner, [f"DROP INDEX CONCURRENTLY {INDEX}", create])
        assert is_valid()


def test_alembic_creates_an_index_concurrently(tmp_path: Path) -> None:
    with live_database("postgresql", tmp_path) as (owner, worker):
        engine = sa.create_engine(owner)
        drop_index(engine)
        with writer(worker), engine.connect() as connection:
            context = MigrationContext.configure(connection)
            # As an env.py does, in whose transaction PostgreSQL refuses CONCURRENTLY.
            with context.begin_transaction(_per_migration=True), context.autocommit_block():
                names = (INDEX, "celery_taskmeta", ["date_done"])
                Operations(context).create_index(*names, postgresql_concurrently=True)
        assert has_index(engine)
        engine.dispose()


def test_columns_of_mariadb_are_widened_while_a_worker_stores(tmp_path: Path) -> None:
    prose = "\n".join(
        cell.source
        for name in ("14-schema", "17-capacity")
        for cell in nbformat.read(NOTEBOOKS / f"{name}.ipynb", as_version=4).cells
    )
    changes = ["MODIFY result LONGBLOB", "CONVERT TO CHARACTER SET utf8mb4", BIGINT]
    with live_database("mariadb", tmp_path) as (owner, worker):
        engine = sa.create_engine(owner, isolation_level="AUTOCOMMIT")
        with writer(worker) as stored:
            for change in changes:
                assert change in prose
                run(engine, [f"ALTER TABLE celery_taskmeta {change}"])
            run(engine, [f"ALTER SEQUENCE task_id_sequence RESTART WITH {2**31}"])
            before = len(stored)
            wait_for(lambda: len(stored) > before + 5)
        assert ids(engine) == {"first", *stored}
        with engine.connect() as connection:
            assert connection.scalar(sa.text("SELECT max(id) FROM celery_taskmeta")) >= 2**31
        engine.dispose()
        app = make_app(worker.render_as_string(hide_password=False))
        store(app, "large", "x" * 100_000)
        assert len(app.AsyncResult("large").get(timeout=PATIENCE)) == 100_000
