"""An inspection of a large table reads little of it, for a bounded time, beside a writer."""

import datetime as dt
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from databases import empty_database
from processes import PATIENCE, few, wait_for
from spoils import put, run
from stored_results import make_app, store

from tutorial.database import make_engine
from tutorial.inspecting import source as source_module
from tutorial.inspecting.source import NotChecked, Source
from tutorial.inspection import Report, inspect
from tutorial.processes.kinds import find_program
from tutorial.processes.private import free_port
from tutorial.reading.table import Table

ROWS = 30_000
MOST = 2_000  # rows that the inspection may read, of which half are a sample
COLUMNS = "id, task_id, status, result, date_done, name, worker, queue, retries"


@contextmanager
def large_table(kind: str, folder: Path, rows: int = ROWS) -> Iterator[sa.Engine]:
    """Yield a table that Celery's backend made, filled with one row a second until now."""
    with empty_database(kind, folder) as url:
        app = make_app(url.render_as_string(hide_password=False))
        store(app, "first", 1)
        engine = make_engine(url)
        numbers = {
            "sqlite": "(WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n "
            f"WHERE i < {rows}) SELECT i FROM n) AS numbers",
            "postgresql": f"generate_series(1, {rows}) AS numbers(i)",
        }[kind]
        ended = {
            "sqlite": f"strftime('%Y-%m-%d %H:%M:%f', 'now', (i - {rows}) || ' seconds') || '000'",
            "postgresql": f"now() AT TIME ZONE 'UTC' + (i - {rows}) * interval '1 second'",
        }[kind]
        name = {"sqlite": "'shop.' || i % 5", "postgresql": "'shop.' || mod(i, 5)"}[kind]
        run(
            engine,
            "DELETE FROM celery_taskmeta",
            f"INSERT INTO celery_taskmeta ({COLUMNS}) SELECT i, 'task-' || i, 'SUCCESS', "
            f"'5', {ended}, {name}, 'one', 'celery', 0 FROM {numbers}",
        )
        if kind == "postgresql":
            run(engine, "ANALYZE celery_taskmeta")
            run(engine, f"SELECT setval('task_id_sequence', {rows})")
        else:
            run(engine, "UPDATE celery_taskmeta SET result = CAST(result AS BLOB)")
        yield engine
        engine.dispose()


@contextmanager
def queries() -> Iterator[list[tuple[str, Any]]]:
    """Note the statements that are run on any engine, with their parameters."""
    noted: list[tuple[str, Any]] = []

    def note(*event: Any) -> None:
        noted.append((event[2], event[3]))

    sa.event.listen(sa.Engine, "before_cursor_execute", note)
    try:
        yield noted
    finally:
        sa.event.remove(sa.Engine, "before_cursor_execute", note)


def rows_read(plan: dict[str, Any]) -> int:
    """Return how many rows the scans of a plan have returned and thrown away."""
    own = (plan["Actual Rows"] + plan.get("Rows Removed by Filter", 0)) * plan["Actual Loops"]
    inner = plan.get("Plans", [])
    return sum(map(rows_read, inner)) if inner else own


def inspected(engine: sa.Engine, **options: Any) -> Report:
    return inspect(engine, rows=MOST, seconds=PATIENCE, progress=False, **options)


def test_no_query_reads_the_whole_table_of_postgresql(tmp_path: Path) -> None:
    with large_table("postgresql", tmp_path) as engine:
        with queries() as noted:
            report = inspected(engine)
        with engine.connect() as connection:
            for statement, values in noted:
                if "FROM celery_taskmeta" in statement:
                    explain = f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}"
                    plan = connection.exec_driver_sql(explain, values).scalar_one()[0]["Plan"]
                    assert rows_read(plan) <= MOST + 1, statement
    assert report.summary["Rows"].startswith("about ")


def test_no_query_reads_the_whole_table_of_sqlite(tmp_path: Path) -> None:
    with large_table("sqlite", tmp_path) as engine:
        with queries() as noted:
            report = inspected(engine)
        with engine.connect() as connection:
            for statement, values in noted:
                if "FROM celery_taskmeta" in statement:
                    explain = f"EXPLAIN QUERY PLAN {statement}"
                    steps = [row[3] for row in connection.exec_driver_sql(explain, values)]
                    scans = [s for s in steps if s.startswith("SCAN")]
                    assert not scans or "LIMIT" in statement, statement
                    assert not any("TEMP B-TREE" in step for step in steps), statement
    assert "30,000" in report.summary["Rows"]


def test_a_wide_gap_in_the_ids_is_not_taken_for_rows(tmp_path: Path) -> None:
    with large_table("sqlite", tmp_path) as engine:
        run(engine, "UPDATE celery_taskmeta SET id = id + 1000000 WHERE id > 1")
        words = inspected(engine).summary["Rows"].split()
    assert words[0] == "about"
    assert 0.9 * ROWS < int(words[1].strip(";").replace(",", "")) < 1.1 * ROWS


def test_a_view_without_a_key_is_not_counted(tmp_path: Path) -> None:
    with large_table("sqlite", tmp_path) as engine:
        run(engine, "CREATE VIEW results AS SELECT * FROM celery_taskmeta")
        rows = inspected(engine, table="results").summary["Rows"]
    assert rows == f"not counted; {MOST + 1:,} were read"


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_what_an_index_leads_to_is_found_in_a_large_table(kind: str, tmp_path: Path) -> None:
    with large_table(kind, tmp_path) as engine:
        names = {finding.check for finding in inspected(engine).findings}
        put("id = 12345", status="STARTED", date_done=None)(engine)
        put("id = 3456", date_done=dt.datetime(2020, 1, 1))(engine)
        put("id = 13456", date_done=dt.datetime(2090, 1, 1))(engine)
        found = {finding.check: finding for finding in inspected(engine).findings}
    assert found.keys() - names == {"expired-rows", "future-dates"}  # the task may be running
    assert found["expired-rows"].evidence.startswith("1 of ")
    assert " rows read" in found["expired-rows"].evidence


@pytest.mark.parametrize(("kind", "rows"), few(("sqlite", ROWS), ("postgresql", ROWS)))
def test_a_writer_and_an_inspection_do_not_wait_for_each_other(
    kind: str, rows: int, tmp_path: Path
) -> None:
    with large_table(kind, tmp_path, rows) as engine:
        app = make_app(engine.url.render_as_string(hide_password=False))
        app.conf.result_backend_always_retry = False
        written, stop = [0], threading.Event()

        def write() -> None:
            while not stop.wait(0.01):
                store(app, f"new-{written[0]}", 1)
                written[0] += 1

        writer = threading.Thread(target=write)
        writer.start()
        try:
            for _ in range(3):
                before = written[0]
                report = inspected(engine)
                assert report.unchecked == []
                wait_for(lambda before=before: written[0] > before or not writer.is_alive())
                assert writer.is_alive()
        finally:
            stop.set()
            writer.join()
        count = sa.text("SELECT count(*) FROM celery_taskmeta WHERE task_id LIKE 'new-%'")
        with engine.connect() as connection:
            assert connection.execute(count).scalar_one() == written[0]


@pytest.mark.slow
def test_memory_does_not_grow_with_the_table(tmp_path: Path) -> None:
    code = (
        "import resource, sys; from tutorial.database import make_engine; "
        "from tutorial.inspection import inspect; "
        "inspect(make_engine(sys.argv[1]), rows=2000, progress=False); "
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
    )
    peaks = []
    for rows in (10_000, 1_000_000):
        folder = tmp_path / str(rows)
        folder.mkdir()
        with large_table("sqlite", folder, rows) as engine:
            command = [sys.executable, "-c", code, str(engine.url)]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            peaks.append(int(done.stdout))
    assert peaks[1] < 1.2 * peaks[0]


ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"
SLEEP = "SELECT pg_sleep(3600)"


@pytest.fixture(params=["sqlite", "postgresql"])
def source(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Source]:
    with large_table(request.param, tmp_path, 10) as engine:
        monkeypatch.setattr(source_module, "QUERY_LIMIT", 1)
        with Source(Table(engine, "celery_taskmeta")).open() as source:
            yield source


def test_a_query_that_lasts_too_long_is_given_up(source: Source) -> None:
    with pytest.raises(NotChecked, match="took longer than 1 seconds"):
        source.rows(ENDLESS if source.kind == "sqlite" else SLEEP)
    assert source.scalar("SELECT count(*) FROM celery_taskmeta") == 10


def test_an_inspection_can_be_interrupted(source: Source, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source_module, "QUERY_LIMIT", PATIENCE)
    timer = threading.Timer(0.5, os.kill, [os.getpid(), signal.SIGINT])
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        source.rows(ENDLESS if source.kind == "sqlite" else SLEEP)
    timer.join()


def test_nothing_can_be_written(source: Source) -> None:
    with pytest.raises(NotChecked, match=r"read-?only"):
        source.rows("DELETE FROM celery_taskmeta")
    assert source.scalar("SELECT count(*) FROM celery_taskmeta") == 10


@contextmanager
def server(folder: Path, *settings: str) -> Iterator[sa.URL]:
    """Run a PostgreSQL server of our own, on the data in a folder."""
    program = find_program("postgresql").resolve()
    user: dict[str, Any] = {"user": "nobody"} if os.geteuid() == 0 else {}
    port = free_port()
    options = ["-D", "data", "-p", str(port), "-k", "", *settings]
    process = subprocess.Popen([program, *options], cwd=folder, stderr=subprocess.DEVNULL, **user)
    url = sa.make_url(f"postgresql+psycopg://nobody@127.0.0.1:{port}/postgres")
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    try:
        wait_for(lambda: answers(engine))
        yield url
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(PATIENCE)


def answers(engine: sa.Engine) -> bool:
    try:
        with engine.connect():
            return True
    except sa.exc.OperationalError:
        return False


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="its server needs an ordinary user")
def test_a_replica_in_recovery() -> None:
    program = find_program("postgresql")
    if program is None:
        pytest.skip("there is no PostgreSQL on this machine")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        user: dict[str, Any] = {}
        if os.geteuid() == 0:
            user = {"user": "nobody"}
            shutil.chown(folder, "nobody")
        initdb = program.resolve().with_name("initdb")
        make = [initdb, "-D", "data", "-U", "nobody", "--auth=trust", "--no-sync"]
        subprocess.run(make, cwd=folder, check=True, capture_output=True, **user)
        with server(folder) as url:
            store(make_app(str(url)), "stored", 5)
        (folder / "data" / "standby.signal").touch()
        with server(folder) as url:
            engine = make_engine(url)
            with engine.connect() as connection:
                assert connection.exec_driver_sql("SELECT pg_is_in_recovery()").scalar_one()
            report = inspect(engine, progress=False)
            engine.dispose()
    assert (report.findings, report.unchecked) == ([], [])
    assert report.summary["Rows"] == "1"
