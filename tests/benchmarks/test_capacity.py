"""What a table of results costs: bytes, reads, the clean-up, and a partition dropped instead.

A small table by default. The figures of chapter 17, printed and written to
``notebooks/measured/capacity.csv``; a round takes ten minutes or more, and for a while 10 GB of the
disk::

    nice python tests/benchmarks/test_capacity.py --rounds 3

The servers are those that the environment names, or private ones.
"""

import datetime as dt
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from celery import Celery
from measured import DATABASES, asked_rounds, empty_database, write_measured
from tables import START, fill_table, seconds_of_rows

from tutorial import servers
from tutorial.backend import engine_backend
from tutorial.database import make_engine
from tutorial.results import count_results

SIZES = {
    "SQLite": [10**5, 10**6, 10**7],
    "PostgreSQL": [10**5, 10**6, 10**7],
    "MariaDB": [10**5, 10**6],
}
READS = 200
COLUMNS = [
    *("database", "rows", "bytes a row", "and of indexes", "read one, ms", "count by state, s"),
    *("clean up none, s", "clean up a tenth, s", "then vacuum, s", "drop a tenth, s"),
]
BYTES = {  # of the rows and of the indexes
    "sqlite": """
        SELECT sum(pgsize * (name = 'celery_taskmeta')),
               sum(pgsize * (name LIKE '%ix%celery_taskmeta%' OR name LIKE '%auto%taskmeta%'))
        FROM dbstat""",
    "postgresql": "SELECT pg_table_size('celery_taskmeta'), pg_indexes_size('celery_taskmeta')",
    "mysql": """
        SELECT data_length, index_length FROM information_schema.tables
        WHERE table_schema = database() AND table_name = 'celery_taskmeta'""",
}
COUNT_PAGES = {  # so that the sizes are up to date
    "sqlite": "PRAGMA wal_checkpoint(TRUNCATE)",
    "postgresql": "VACUUM ANALYZE celery_taskmeta",
    "mysql": "ANALYZE TABLE celery_taskmeta",
}
# A unique index of a partitioned table must hold date_done, so task_id is not unique any more.
# A row without a date belongs to a task that runs; it moves when it gets one.
PARTITIONED = """
CREATE TABLE partitioned (LIKE celery_taskmeta INCLUDING DEFAULTS) PARTITION BY RANGE (date_done);
CREATE TABLE first_tenth PARTITION OF partitioned FOR VALUES FROM (MINVALUE) TO ('{tenth}');
CREATE TABLE others PARTITION OF partitioned FOR VALUES FROM ('{tenth}') TO (MAXVALUE);
CREATE TABLE undated PARTITION OF partitioned DEFAULT;
INSERT INTO partitioned SELECT * FROM celery_taskmeta;
CREATE INDEX ON partitioned (task_id);
CREATE INDEX ON partitioned (date_done)
"""


def measure(database: str, rows: int, folder: Path) -> dict[str, Any]:
    """Fill a table, return what it costs, and remove it."""
    with empty_database(database, folder) as url:
        engine = make_engine(url)
        app = Celery("capacity", backend=engine_backend(engine), set_as_current=False)
        app.conf.result_extended = True
        app.backend.ResultSession().close()  # makes the tables
        fill_table(engine, rows)
        _execute(engine, COUNT_PAGES[engine.dialect.name])
        try:
            return {"database": database, "rows": rows, **_figures(app, engine, rows)}
        finally:
            engine.dispose()


def _figures(app: Celery, engine: sa.Engine, rows: int) -> dict[str, Any]:
    with engine.connect() as connection:
        table, indexes = connection.execute(sa.text(BYTES[engine.dialect.name])).one()
    # Half a row later, because the clean-up looks at the clock a little after we did.
    tenth = START + dt.timedelta(seconds=seconds_of_rows(rows // 10 + 0.5))
    figures = {
        "bytes a row": round(table / rows),
        "and of indexes": round(indexes / rows),
        "read one, ms": round(_milliseconds_to_read_one(app, engine, rows), 2),
        "count by state, s": _seconds(lambda: count_results(engine)),
        "clean up none, s": _seconds(lambda: _clean_up(app, START)),
    }
    if engine.dialect.name == "postgresql":
        for statement in PARTITIONED.format(tenth=tenth).split(";"):
            _execute(engine, statement)
        figures["drop a tenth, s"] = _seconds(lambda: _execute(engine, "DROP TABLE first_tenth"))
        with engine.connect() as connection:
            kept = connection.scalar(sa.text("SELECT count(*) FROM partitioned"))
    figures["clean up a tenth, s"] = _seconds(lambda: _clean_up(app, tenth))
    if engine.dialect.name == "postgresql":
        # What is deleted stays in its place until this has run, by itself or by hand.
        vacuum = COUNT_PAGES["postgresql"]
        figures["then vacuum, s"] = _seconds(lambda: _execute(engine, vacuum))
        assert kept == count_results(engine).sum()  # both ways leave the same
    deleted = rows - count_results(engine).sum()
    assert abs(deleted - rows // 10) <= 4  # MariaDB stores no fractions of a second
    return figures


def _milliseconds_to_read_one(app: Celery, engine: sa.Engine, rows: int) -> float:
    some = sa.text("SELECT task_id FROM celery_taskmeta WHERE id % :step = 1")
    with engine.connect() as connection:
        task_ids = connection.scalars(some, {"step": max(2, rows // READS)}).all()
    times = []
    for task_id in task_ids:
        start = time.perf_counter()
        app.backend.get_task_meta(task_id, cache=False)
        times.append(time.perf_counter() - start)
    return 1000 * statistics.median(times)


def _clean_up(app: Celery, before: dt.datetime) -> None:
    """Have Celery delete what was done before a time."""
    app.backend.expires = app.now().replace(tzinfo=None) - before
    app.backend.cleanup()


def _execute(engine: sa.Engine, statement: str) -> None:
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(sa.text(statement))


def _seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return round(time.perf_counter() - start, 3)


def test_the_median_of_some_rounds() -> None:
    rounds = [{"database": "SQLite", "rows": 10, "count by state, s": n} for n in (3.0, 1.0, 2.0)]
    assert median(rounds) == {"database": "SQLite", "rows": 10, "count by state, s": 2.0}


@pytest.mark.parametrize("database", DATABASES)
def test_capacity(database: str, tmp_path: Path) -> None:
    if reason := database != "SQLite" and servers.missing(DATABASES[database]):
        pytest.skip(reason)
    figures = measure(database, 2000, tmp_path)
    print(figures)
    assert 100 < figures["bytes a row"] < 1000
    assert 20 < figures["and of indexes"] < 400


def median(rounds: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the median of each figure over some rounds."""
    names = {name: value for name, value in rounds[0].items() if isinstance(value, str)}
    figures = [name for name in rounds[0] if name not in names]
    return names | {name: statistics.median(one[name] for one in rounds) for name in figures}


def main(folder: str, rounds: int) -> None:
    """Measure all sizes, and write the file of the chapter after each."""
    rows: list[dict[str, Any]] = []
    for database, sizes in SIZES.items():
        for size in sizes:
            measured = [measure(database, size, Path(folder)) for _round in range(rounds)]
            rows.append(dict.fromkeys(COLUMNS) | median(measured))
            print(rows[-1], flush=True)
            write_measured("capacity", rows)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        main(folder, asked_rounds())
