"""How quick load_results is, and how much memory it takes, beside other ways.

A small table by default. All figures at a million rows, printed as ratios; and what a row costs in
tables of different sizes (the largest needs 6 GB of memory and 3 GB of disk)::

    python tests/benchmarks/test_load.py 1000000
    python tests/benchmarks/test_load.py --curve 10000 100000 1000000 10000000
"""

import json
import os
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import sqlalchemy as sa
from celery.backends.database.models import TaskExtended
from celery.backends.database.session import ResultModelBase
from pytest_benchmark.fixture import BenchmarkFixture
from tables import COLUMNS, fill_table, make_table

from tutorial.database import make_engine
from tutorial.results import count_results, iter_results, load_results
from tutorial.servers import VARIABLES
from tutorial.tables import TASK_TABLE

ROWS = int(os.environ.get("TUTORIAL_BENCHMARK_ROWS", "2000"))
SAMPLE = 100  # results that AsyncResult reads one by one


def load(path: Path) -> int:
    return len(load_results(make_engine(f"sqlite:///{path}"), progress=False))


def fetchall(path: Path) -> int:
    connection = sqlite3.connect(path)
    return len(connection.execute(f"SELECT {', '.join(COLUMNS)} FROM {TASK_TABLE}").fetchall())


def read_sql_table(path: Path) -> int:
    frame = pd.read_sql_table(TASK_TABLE, make_engine(f"sqlite:///{path}"))
    for column in ("result", "args", "kwargs"):
        frame[column] = [json.loads(raw) for raw in frame[column]]
    return len(frame)


def iterate(path: Path) -> int:
    return sum(map(len, iter_results(make_engine(f"sqlite:///{path}"))))


def count(path: Path) -> int:
    return int(count_results(make_engine(f"sqlite:///{path}"), by=["name", "status"]).sum())


def one_by_one(path: Path) -> int:
    from celery import Celery

    app = Celery("reader", backend=f"db+sqlite:///{path}", set_as_current=False)
    app.conf.result_extended = True
    query = sa.text(f"SELECT task_id FROM {TASK_TABLE} LIMIT {SAMPLE}")
    with make_engine(f"sqlite:///{path}").connect() as connection:
        results = [app.AsyncResult(task_id) for task_id in connection.scalars(query)]
    for result in results:
        assert result.state and result.name
        _read = result.result, result.args, result.kwargs
    return len(results)


WAYS: dict[str, Callable[[Path], int]] = {
    way.__name__: way for way in (load, fetchall, read_sql_table, iterate, count, one_by_one)
}


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("benchmark") / "results.db"
    make_table(path, ROWS).dispose()
    return path


@pytest.fixture(scope="module")
def different(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("benchmark") / "different.db"
    make_table(path, ROWS, different=True).dispose()
    return path


@pytest.fixture(scope="module", params=["postgresql", "mariadb"])
def server(request: pytest.FixtureRequest) -> Iterator[sa.Engine]:
    """Yield an engine for a database of its own with the table."""
    from databases import server_url  # beside the tests; this file also runs by itself

    url = server_url(VARIABLES[request.param])
    name = f"tutorial_{uuid.uuid4().hex[:12]}"
    administration = sa.create_engine(url, isolation_level="AUTOCOMMIT")
    with administration.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
        engine = make_engine(url.set(database=name))
        ResultModelBase.metadata.create_all(engine, tables=[TaskExtended.__table__])
        fill_table(engine, ROWS)
        yield engine
        engine.dispose()
        force = " WITH (FORCE)" if request.param == "postgresql" else ""
        connection.exec_driver_sql(f"DROP DATABASE {name}{force}")
    administration.dispose()


def fetch_from_server(engine: sa.Engine) -> int:
    with engine.connect() as connection:
        cursor: Any = connection.connection.cursor()
        cursor.execute(f"SELECT {', '.join(COLUMNS)} FROM {TASK_TABLE}")
        return len(cursor.fetchall())


def load_from_server(engine: sa.Engine) -> int:
    return len(load_results(engine, progress=False))


@pytest.mark.parametrize("way", ["load", "fetchall"])
def test_different_arguments(benchmark: BenchmarkFixture, different: Path, way: str) -> None:
    assert benchmark.pedantic(WAYS[way], args=[different], rounds=3) == ROWS


@pytest.mark.parametrize("way", [load_from_server, fetch_from_server])
def test_server(
    benchmark: BenchmarkFixture, server: sa.Engine, way: Callable[[sa.Engine], int]
) -> None:
    assert benchmark.pedantic(way, args=[server], rounds=3) == ROWS


@pytest.mark.parametrize("way", WAYS)
def test_way(benchmark: BenchmarkFixture, path: Path, way: str) -> None:
    rows = benchmark.pedantic(WAYS[way], args=[path], rounds=1 if ROWS > 10_000 else 3)
    assert rows == (min(SAMPLE, ROWS) if way == "one_by_one" else ROWS)


def measure(way: str, path: Path) -> dict[str, Any]:
    """Run one way in a process of its own; return its seconds and its peak memory in MB."""
    command = [sys.executable, __file__, "--way", way, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return dict(json.loads(done.stdout))


def run(way: str, path: Path) -> None:
    import resource

    start = time.perf_counter()
    rows = WAYS[way](path)
    seconds = time.perf_counter() - start
    unit = 1024 if sys.platform != "darwin" else 1024**2
    used = [resource.getrusage(who).ru_maxrss for who in (0, resource.RUSAGE_CHILDREN)]
    print(json.dumps({"rows": rows, "seconds": seconds, "memory": sum(used) / unit}))


def compare(rows: int, rounds: int = 5) -> None:
    """Print the ratios, each a median of rounds in which all ways take turns."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "results.db"
        make_table(path, rows).dispose()
        print(f"{rows:,} rows, {path.stat().st_size / 1e6:.0f} MB; {os.cpu_count()} cores")
        ways = ["fetchall", "load", "read_sql_table", "iterate", "count", "one_by_one"]
        figures: dict[str, list[dict[str, Any]]] = {way: [] for way in ways}
        for _round in range(rounds):
            for way in ways:
                figures[way].append(measure(way, path))

    def median(way: str, what: str) -> float:
        return statistics.median(figure[what] for figure in figures[way])

    def ratio(way: str, other: str, what: str = "seconds") -> float:
        pairs = zip(figures[way], figures[other], strict=True)
        return statistics.median(a[what] / b[what] for a, b in pairs)

    for way in ways:
        print(f"{way:15} {median(way, 'seconds'):8.2f} s {median(way, 'memory'):8.0f} MB")
    print(f"load / fetchall, seconds:          {ratio('load', 'fetchall'):6.2f}   (at most 1.2)")
    print(
        f"read_sql_table / load, seconds:    {ratio('read_sql_table', 'load'):6.2f}   (at least 4)"
    )
    memory = ratio("load", "read_sql_table", "memory")
    print(f"load / read_sql_table, memory:     {memory:6.2f}   (at most 0.5)")
    times = rows / SAMPLE * ratio("one_by_one", "load")
    print(f"one by one / load, seconds a row:  {times:6.0f}   (at least 100)")


def curve(sizes: list[int], rounds: int = 3) -> None:
    """Print what a row costs, and the peak memory, in tables of different sizes."""
    for rows in sizes:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "results.db"
            make_table(path, rows).dispose()
            for way in ("load", "iterate"):
                figures = [measure(way, path) for _round in range(rounds)]
                seconds = statistics.median(figure["seconds"] for figure in figures)
                memory = statistics.median(figure["memory"] for figure in figures)
                microseconds = seconds / rows * 1e6
                print(f"{way:8}{rows:12,} rows {microseconds:7.2f} us a row {memory:7.0f} MB")


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["--way", way, path]:
            run(way, Path(path))
        case ["--curve", *sizes]:
            curve([int(size) for size in sizes])
        case sizes:
            for size in sizes:
                compare(int(size))
