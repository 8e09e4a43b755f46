"""The recipes of chapter 17, as the tables' owner, beside workers, in a zone that is not UTC."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import nbformat
import pandas as pd
import pytest
import sqlalchemy as sa
from celery import Celery
from celery.exceptions import BackendStoreError
from processes import PATIENCE, environment, few, needs_fork, python, wait_for
from test_expiry import writer

from tutorial import servers
from tutorial.inspection import inspect
from tutorial.workspace import COURSE

CHAPTER = nbformat.read(COURSE / "notebooks/17-capacity.ipynb", as_version=4)
BACKENDS = {
    "stock": "celery.backends.database:DatabaseBackend+",
    "EngineBackend": "tutorial.backend:EngineBackend+",
}
RIGHTS = "SELECT, INSERT, UPDATE, DELETE"


def recipes() -> dict[str, Any]:
    """Return the statements that the chapter shows."""
    names: dict[str, Any] = {}
    for cell in CHAPTER.cells:
        if cell.source.startswith(("ADD_DAYS", "DROP_DAYS", "SPLIT", "COPY_RIGHTS")):
            exec(cell.source, names)
    return names


RECIPES = recipes()


class Shop:
    """A database in Los Angeles, with an owner, a role for workers and one for an analyst."""

    def __init__(self, server: servers.Server, name: str) -> None:
        self.url = sa.make_url(server.url).set(database=name)
        roles = {"owner", "worker", "analyst"}
        with connected(sa.make_url(server.url)) as connection:
            for role in roles - set(connection.scalars(sa.text("SELECT rolname FROM pg_roles"))):
                connection.execute(sa.text(f"CREATE ROLE {role} LOGIN PASSWORD '{role}'"))
            connection.execute(sa.text(f"CREATE DATABASE {name} OWNER owner"))
            zone = f"ALTER DATABASE {name} SET timezone = 'America/Los_Angeles'"
            connection.execute(sa.text(zone))
        with connected(self.url) as connection:
            connection.execute(sa.text("ALTER SCHEMA public OWNER TO owner"))
        Celery(
            "owner", backend=f"db+{self.address('owner')}", set_as_current=False
        ).backend.cleanup()
        self.run(
            f"GRANT {RIGHTS} ON celery_taskmeta, celery_tasksetmeta TO worker",
            "GRANT USAGE ON SEQUENCE task_id_sequence, taskset_id_sequence TO worker",
            "GRANT SELECT ON celery_taskmeta TO analyst",
        )

    def address(self, role: str) -> str:
        url = self.url.set(username=role, password=role)
        return url.render_as_string(hide_password=False)

    def run(self, *statements: str, role: str = "owner") -> list[Any]:
        """Run statements in one transaction, and return the first value of the last one."""
        engine = sa.create_engine(self.address(role), poolclass=sa.NullPool)
        with engine.begin() as connection:
            results = [connection.execute(sa.text(statement)) for statement in statements]
            return list(results[-1].scalars()) if results[-1].returns_rows else []

    def split(self) -> None:
        names = ("ADD_DAYS", "DROP_DAYS")
        self.run(*(RECIPES[name] for name in names), *RECIPES["SPLIT"], RECIPES["COPY_RIGHTS"])

    def app(self, kind: str, role: str = "worker") -> Celery:
        app = Celery(kind, set_as_current=False)
        app.conf.result_backend = BACKENDS[kind] + self.address(role)
        return app


@contextmanager
def connected(url: sa.URL) -> Iterator[sa.Connection]:
    engine = sa.create_engine(url, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
    with engine.connect() as connection:
        yield connection


@pytest.fixture(scope="module")
def server() -> Iterator[servers.Server]:
    if reason := servers.missing("postgresql", private=True):
        pytest.skip(reason)
    with servers.postgresql(private=True) as server:
        yield server


@pytest.fixture
def shop(server: servers.Server, request: pytest.FixtureRequest) -> Shop:
    return Shop(server, f"shop_{abs(hash(request.node.name))}")


# Partitions


APP = """
import os
from tutorial.tasks import add, app
app.conf.result_backend = os.environ["BESIDE_BACKEND"]
"""
WORK = """
import sys, threading
from beside import add
from tutorial.worker import Worker

sent, over = [], threading.Event()

def send():
    while not over.is_set():
        sent.append(add.delay(len(sent), 1))
        over.wait(0.005)

with Worker("beside", concurrency=2, loglevel="warning"):
    add.delay(0, 1).get(timeout=60)
    thread = threading.Thread(target=send)
    thread.start()
    print("working", flush=True)
    sys.stdin.readline()
    over.set()
    thread.join()
    print(sum(result.get(timeout=60) == n + 1 for n, result in enumerate(sent)), len(sent))
"""


@needs_fork
@pytest.mark.parametrize("kind", few(*reversed(BACKENDS)))
def test_a_table_is_split_while_workers_store(kind: str, shop: Shop, tmp_path: Path) -> None:
    shop.run(
        "INSERT INTO celery_taskmeta (id, task_id, status, date_done) SELECT -n, 'old ' || n,"
        " 'SUCCESS', current_date - n FROM generate_series(1, 5) AS n"
    )
    backend = BACKENDS[kind] + shop.address("worker")
    with working(tmp_path, backend) as work:
        stored = "SELECT count(*) FROM celery_taskmeta"
        wait_for(lambda: shop.run(stored)[0] > 50)
        shop.split()
        split = shop.run(stored)[0]
        wait_for(lambda: shop.run(stored)[0] > split + 50)
        shop.run("SELECT add_days()")  # the daily job, and again
        shop.run("SELECT add_days()", "SELECT drop_days(3)")
        done, sent = work.communicate("\n", timeout=PATIENCE)[0].split()
    assert done == sent
    twice = "SELECT task_id FROM celery_taskmeta GROUP BY task_id HAVING count(*) > 1"
    assert shop.run(twice) == []
    assert shop.run("SELECT count(*) FROM undated") == [0]
    old = "SELECT task_id FROM celery_taskmeta WHERE task_id LIKE 'old%' ORDER BY task_id"
    assert shop.run(old, role="analyst") == ["old 1", "old 2", "old 3"]


@contextmanager
def working(home: Path, backend: str) -> Iterator[subprocess.Popen[str]]:
    """Run workers and a client that sends without a pause, until a line is written to it."""
    (home / "beside.py").write_text(APP)
    path = os.pathsep.join([str(home), str(COURSE)])
    variables = environment(home, PYTHONPATH=path, BESIDE_BACKEND=backend)
    command = [sys.executable, "-c", WORK]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, env=variables, stdin=pipe, stdout=pipe, text=True) as work:
        assert work.stdout is not None
        assert work.stdout.readline() == "working\n"
        try:
            yield work
        finally:
            if work.poll() is None:
                work.kill()


def test_a_split_can_leave_old_rows_behind(shop: Shop) -> None:
    prose = "\n".join(cell.source for cell in CHAPTER.cells if cell.cell_type == "markdown")
    (kept,) = re.findall("`(FROM unsplit WHERE .*?)`", prose)
    days = ["current_date - 500", "current_date - 30", "NULL"]
    for number, day in enumerate(days):
        values = f"({-number - 1}, '{day}', 'STARTED', {day})"
        shop.run(f"INSERT INTO celery_taskmeta (id, task_id, status, date_done) VALUES {values}")
    split = [re.sub("FROM unsplit$", kept, statement) for statement in RECIPES["SPLIT"]]
    shop.run(*(RECIPES[name] for name in ("ADD_DAYS", "DROP_DAYS")), *split)
    ids = "SELECT task_id FROM {} ORDER BY id DESC"
    assert shop.run(ids.format("celery_taskmeta")) == days[1:]
    assert shop.run(ids.format("unsplit")) == days
    parts = "SELECT count(*) FROM pg_inherits WHERE inhparent = 'celery_taskmeta'::regclass"
    assert shop.run(parts) == [30 + 1 + 2 + 1], "a day each, and the default one"


def test_a_task_moves_from_the_default_partition_to_the_day_of_the_session(shop: Shop) -> None:
    shop.split()
    where = "SELECT tableoid::regclass::text FROM celery_taskmeta WHERE task_id = 'new'"
    app = shop.app("stock")
    app.backend.store_result("new", {"pid": 1}, "STARTED")
    assert shop.run(where) == ["undated"]
    app.backend.store_result("new", 5, "SUCCESS")
    assert shop.run(where) == shop.run("SELECT 'results_' || to_char(current_date, 'YYYYMMDD')")
    assert app.AsyncResult("new").get(timeout=PATIENCE) == 5


def test_an_inspection_takes_a_split_table_for_granted(shop: Shop) -> None:
    shop.split()
    values = "SELECT n, 'new ' || n, 'SUCCESS', now() FROM generate_series(1, 10000) AS n"
    shop.run(f"INSERT INTO celery_taskmeta (id, task_id, status, date_done) {values}")
    engine = sa.create_engine(shop.address("analyst"))
    report = inspect(engine, progress=False)
    engine.dispose()
    assert {each.check for each in report.findings} <= {"session-not-utc", "no-details"}
    assert "MB" in report.summary["Size"]


def test_a_right_to_single_columns_is_copied(shop: Shop) -> None:
    shop.run(
        "REVOKE ALL ON celery_taskmeta FROM analyst",
        "GRANT SELECT (task_id, status) ON celery_taskmeta TO analyst",
        "GRANT SELECT (status) ON celery_taskmeta TO PUBLIC",
    )
    shop.split()
    assert shop.run("SELECT task_id FROM celery_taskmeta", role="analyst") == []
    with pytest.raises(sa.exc.ProgrammingError, match="permission denied"):
        shop.run("SELECT result FROM celery_taskmeta", role="analyst")
    everybody = "has_column_privilege('public', 'celery_taskmeta', '{}', 'SELECT')"
    assert shop.run(f"SELECT {everybody.format('status')}") == [True]
    assert shop.run(f"SELECT {everybody.format('result')}") == [False]
    delete = "SELECT has_table_privilege('worker', 'celery_taskmeta', 'DELETE')"
    assert shop.run(delete) == [True]


def test_the_jobs_give_up_while_an_analyst_reads(shop: Shop) -> None:
    shop.split()
    engine = sa.create_engine(shop.address("analyst"))
    with engine.connect() as connection:
        connection.execute(sa.text("SELECT count(*) FROM celery_taskmeta"))
        for job in ("SELECT drop_days(-2)", "SELECT add_days(current_date - 10)"):
            with pytest.raises(sa.exc.OperationalError, match="lock timeout"):
                shop.run(job)
        app = shop.app("stock")
        app.backend.store_result("meanwhile", 1, "SUCCESS")
        assert app.AsyncResult("meanwhile").state == "SUCCESS"
    engine.dispose()


def test_a_split_table_that_is_published_refuses_updates(shop: Shop) -> None:
    shop.split()
    with connected(shop.url) as connection:
        connection.execute(sa.text("CREATE PUBLICATION everything FOR ALL TABLES"))
    app = shop.app("stock")
    app.conf.result_backend_max_retries = 0
    with pytest.raises(BackendStoreError) as refused:
        app.backend.store_result("one", 1, "SUCCESS")
    assert "does not have a replica identity" in str(refused.value.__cause__)


def test_a_day_cannot_be_created_once_its_rows_are_in_the_default_partition(shop: Shop) -> None:
    shop.split()
    day = "current_date + 5"
    shop.run(
        "INSERT INTO celery_taskmeta (id, task_id, status, date_done)"
        f" VALUES (1, 'late', 'SUCCESS', {day})"
    )
    assert shop.run("SELECT count(*) FROM undated WHERE date_done IS NOT NULL") == [1]
    with pytest.raises(sa.exc.IntegrityError, match="would be violated by some row"):
        create = "EXECUTE format('CREATE TABLE day PARTITION OF celery_taskmeta FOR VALUES FROM"
        shop.run(f"DO $$ BEGIN {create} (%L) TO (%L)', {day}, {day} + 1); END $$")
    with (
        connected(sa.make_url(shop.address("owner"))) as connection,
        pytest.raises(sa.exc.DBAPIError, match="default partition exists"),
    ):
        today = connection.scalar(sa.text("SELECT to_char(current_date, 'YYYYMMDD')"))
        detach = f"ALTER TABLE celery_taskmeta DETACH PARTITION results_{today} CONCURRENTLY"
        connection.execute(sa.text(detach))


@needs_fork
@pytest.mark.parametrize("kind", few(*reversed(BACKENDS)))
def test_results_in_the_default_partition_get_their_day_while_workers_store(
    kind: str, shop: Shop, tmp_path: Path
) -> None:
    repair = statements_of("CREATE TEMP TABLE late")
    dated = "SELECT count(*) FROM undated WHERE date_done IS NOT NULL"
    undated = "INSERT INTO celery_taskmeta (id, task_id, status) VALUES (-1, 'begun', 'STARTED')"
    shop.split()
    days = "results_%' AND relname >= 'results_' || to_char(current_date, 'YYYYMMDD')"
    names = shop.run(f"SELECT relname FROM pg_class WHERE relname LIKE '{days} AND relkind = 'r'")
    assert len(names) == 3  # today and the next two days, which the job has not made
    shop.run(f"DROP TABLE {', '.join(names)}", undated)
    with working(tmp_path, BACKENDS[kind] + shop.address("worker")) as work:
        wait_for(lambda: shop.run(dated)[0] > 50)
        shop.run(*repair)
        assert shop.run(dated) == [0]
        stored = "SELECT count(*) FROM celery_taskmeta"
        repaired = shop.run(stored)[0]
        wait_for(lambda: shop.run(stored)[0] > repaired + 50)
        done, sent = work.communicate("\n", timeout=PATIENCE)[0].split()
    assert done == sent
    assert shop.run(dated) == [0]
    assert shop.run("SELECT task_id FROM undated") == ["begun"]
    shop.run(*repair)  # again, with nothing to do


def statements_of(mark: str) -> list[str]:
    """Return the statements of the block of SQL in the text that contains a mark."""
    prose = "\n".join(cell.source for cell in CHAPTER.cells if cell.cell_type == "markdown")
    (block,) = (block for block in re.findall("```sql\n(.*?)```", prose, re.S) if mark in block)
    return [statement for statement in block.split(";\n") if statement.strip()]


# Ids


BIGINT = """
import sys, sqlalchemy as sa
from celery import Celery
from celery.backends.database.models import Task

if sys.argv[2] == "told":
    Task.__table__.c.id.type = sa.BigInteger()
app = Celery("large", backend=sys.argv[1])
for state in ["STARTED", "SUCCESS"]:
    app.backend.store_result("one more", 3, state)
print(app.AsyncResult("one more").state)
"""
DRIVERS = [
    ("stock", "psycopg", "told", "SUCCESS"),
    ("stock", "psycopg", "untold", "BackendStoreError"),
    ("stock", "psycopg2", "untold", "SUCCESS"),
    ("EngineBackend", "psycopg", "untold", "SUCCESS"),
]


@pytest.mark.parametrize(("kind", "driver", "told", "expected"), DRIVERS)
def test_ids_beyond_32_bits(
    kind: str, driver: str, told: str, expected: str, shop: Shop, tmp_path: Path
) -> None:
    pytest.importorskip(driver)
    shop.run(*bigint(), "ALTER SEQUENCE task_id_sequence RESTART WITH 2147483648")
    url = BACKENDS[kind] + shop.address("worker").replace("+psycopg", f"+{driver}")
    program = f"import sys\nsys.argv = ['', {url!r}, {told!r}]\n{BIGINT}"
    done = python(program, tmp_path)
    assert expected in done.stdout + done.stderr


def bigint() -> list[str]:
    """Return the statements with which the chapter makes ids larger."""
    source = next(cell.source for cell in CHAPTER.cells if "TYPE bigint" in cell.source)
    statements: list[str] = []
    recipe = source[source.index("bigint =") :].partition("\ncommand")[0]
    exec(recipe, {"run": lambda *found: statements.extend(found)})
    return statements


def test_ids_are_made_larger_while_a_worker_stores(shop: Shop) -> None:
    with writer(sa.make_url(shop.address("worker"))) as stored:
        shop.run(*bigint())
        shop.run("ALTER SEQUENCE task_id_sequence RESTART WITH 2147483648")
        before = len(stored)
        wait_for(lambda: len(stored) > before + 5)
    done = "SELECT count(*) FROM celery_taskmeta WHERE status = 'SUCCESS'"
    assert shop.run(done) == [len(stored)]
    assert shop.run("SELECT max(id) FROM celery_taskmeta")[0] > 2**31


def test_larger_ids_give_up_while_an_analyst_reads(shop: Shop) -> None:
    engine = sa.create_engine(shop.address("analyst"))
    with engine.connect() as connection:
        connection.execute(sa.text("SELECT count(*) FROM celery_taskmeta"))
        with pytest.raises(sa.exc.OperationalError, match="lock timeout"):
            shop.run(*bigint())
    engine.dispose()
    shop.run(*bigint())


def test_ids_that_begin_again_meet_a_row_that_is_still_there(shop: Shop) -> None:
    app = shop.app("stock")
    app.backend.store_result("stuck for weeks", {"pid": 1}, "STARTED")  # its id is 1
    shop.run("ALTER SEQUENCE task_id_sequence MAXVALUE 2147483647 CYCLE RESTART WITH 1")
    app.conf.result_backend_always_retry = app.backend.always_retry = False
    with pytest.raises(Exception, match="duplicate key"):
        app.backend.store_result("new", 2, "SUCCESS")
    assert app.AsyncResult("new").state == "PENDING"


# Figures


def span(values: pd.Series) -> str:
    """Return the lowest and the highest value, as the text gives them."""
    return f"{values.min():.0f} to {values.max():.0f}"


def test_the_text_follows_from_the_measurements() -> None:
    folder = COURSE / "notebooks" / "measured"
    pairs = pd.read_csv(folder / "pairs.csv").set_index(["task", "results", "backend"]).sort_index()
    table = pd.read_csv(folder / "capacity.csv").set_index(["database", "rows"])
    trips, rates = pairs["round trip, ms"], pairs.loc["nap 20 ms"]
    naps = {n: rates["tasks/s"][rates["processes"] == n] for n in (4, 8)}
    all_rates = pairs.loc["add"].groupby(["results", "backend"])["tasks/s"].median()
    sizes = table["bytes a row"] + table["and of indexes"]
    none, tenth = table["clean up none, s"], table["clean up a tenth, s"]
    large = ("PostgreSQL", 10**7)
    prose = " ".join(cell.source for cell in CHAPTER.cells if cell.cell_type == "markdown")
    for sentence in (
        *(
            f"{name} ({span(trips['add', name, 'stock'])} ms)"
            for name in ("SQLite", "PostgreSQL", "MariaDB")
        ),
        f"PostgreSQL takes {span(trips['add', 'PostgreSQL', 'EngineBackend'])} ms",
        f"MariaDB {span(trips['add', 'MariaDB', 'EngineBackend'])} ms",
        *(
            f"{name} {'is ' * (name == 'PostgreSQL')}{all_rates[name, 'EngineBackend']:.0f} "
            f"instead of {all_rates[name, 'stock']:.0f}"
            for name in ("PostgreSQL", "MariaDB")
        ),
        f"between {naps[8].min():.0f} and {naps[8].max():.0f};",
        f"four processes reached {span(naps[4])} of 200",
        f"a row takes {span(sizes)} bytes",
        f"takes {span(1000 * none)} ms",
        f"takes PostgreSQL {tenth[large]:.1f} seconds and SQLite {tenth['SQLite', 10**7]:.0f}.",
        f"takes {span((table['then vacuum, s'] / tenth).dropna())} times as long",
        f"took {table['drop a tenth, s'][large]:.2f} s",
        f"{sizes[large]:.0f} GB on disk",
        f"all {table['bytes a row'][large]:.0f} GB of rows",
    ):
        assert sentence in prose
