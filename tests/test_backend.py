"""Celery over one engine: the same rows, one connection for each that works, and nothing lost."""

import os
import pickle
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import accumulate, count
from pathlib import Path
from types import SimpleNamespace
from uuid import uuid4

import pytest
import sqlalchemy as sa
import trustme
from celery import Celery
from celery.backends.database import DatabaseBackend
from celery.exceptions import BackendGetMetaError, ImproperlyConfigured, TimeoutError
from databases import DATABASES, empty_database, server_url
from kombu.exceptions import DecodeError
from processes import PATIENCE, few

from tutorial import database
from tutorial.backend import EngineBackend, engine_backend
from tutorial.broker import BROKER_VARIABLE, broker_url
from tutorial.database import RESULT_BACKEND_VARIABLE, make_engine, sqlite_url
from tutorial.servers import VARIABLES
from tutorial.worker import Worker
from tutorial.workspace import HOME_VARIABLE

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="Windows has no fork")

# The module that the workers load. It notes each connection that a process opens or closes.
APP = """
import os
from pathlib import Path

import sqlalchemy as sa
from celery import Celery

from tutorial.backend import engine_backend
from tutorial.database import make_engine

url = os.environ["ENGINE_URL"]
engine = make_engine(url)
stock = f"celery.backends.database:DatabaseBackend+{url}"
backends = {"stock": stock, "engine": engine_backend(engine)}
app = Celery("engine_app", backend=backends[os.environ["BACKEND"]], include=["engine_app"])
app.config_from_object("tutorial.celeryconfig")
app.conf.worker_pool_start_method = os.environ.get("START_METHOD", "fork")
if os.environ.get("FORK_HOOK") == "no":
    engine.dispose = lambda **_: None


def note(sign):
    with Path("connections.txt").open("a") as file:
        file.write(f"{os.getpid()} {sign}1\\n")


sa.event.listen(engine, "connect", lambda *_: note("+"))
sa.event.listen(engine, "close", lambda *_: note("-"))


@app.task
def add(x, y):
    return x + y


@app.task
def divide(x, y):
    return x / y


@app.task(bind=True, max_retries=1)
def retry(self):
    raise self.retry(countdown=0)


@app.task
def pid():
    return os.getpid()
"""


def client(engine: sa.Engine) -> Celery:
    """Return an app that sends to the workers' queue and reads from the engine."""
    app = Celery("engine_app", broker=broker_url(), backend=engine_backend(engine))
    app.conf.result_extended = True
    return app


@pytest.fixture(params=DATABASES)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[sa.URL]:
    with empty_database(request.param, tmp_path) as url:
        yield url


@pytest.fixture
def engine(url: sa.URL) -> Iterator[sa.Engine]:
    engine = make_engine(url)
    yield engine
    engine.dispose()


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Write the module `APP` where all processes find it."""
    (tmp_path / "engine_app.py").write_text(APP, encoding="utf-8")
    search = [str(tmp_path), os.environ.get("PYTHONPATH", "")]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, search)))
    monkeypatch.delenv(BROKER_VARIABLE, raising=False)
    monkeypatch.delenv(RESULT_BACKEND_VARIABLE, raising=False)


def use(folder: Path, url: sa.URL, backend: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let workers have this workspace, this database and this backend."""
    monkeypatch.setenv(HOME_VARIABLE, str(folder))
    monkeypatch.setenv("ENGINE_URL", url.render_as_string(hide_password=False))
    monkeypatch.setenv("BACKEND", backend)
    monkeypatch.chdir(folder)


@pytest.fixture
def workspace(module: None, url: sa.URL, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    use(tmp_path, url, "engine", monkeypatch)
    return tmp_path


# One engine


def test_an_app_uses_the_engine_itself(engine: sa.Engine) -> None:
    app = Celery("myapp", backend=engine_backend(engine))
    assert app.backend.engine is engine
    app.backend.store_result("one", 5, "SUCCESS")
    assert app.AsyncResult("one").get(timeout=5) == 5


def test_every_thread_uses_it_and_has_at_most_one_connection(engine: sa.Engine) -> None:
    app = Celery("myapp", backend=engine_backend(engine))
    changes = []
    sa.event.listen(engine, "connect", lambda *_: changes.append(1))
    sa.event.listen(engine, "close", lambda *_: changes.append(-1))

    def work(number: int) -> tuple[bool, int]:
        app.backend.store_result(f"task {number}", number, "SUCCESS")
        return app.backend.engine is engine, app.AsyncResult(f"task {number}").result

    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(work, range(200))) == [(True, number) for number in range(200)]
    assert 1 <= max(accumulate(changes)) <= 8


def test_the_class_can_be_named_in_the_configuration(engine: sa.Engine) -> None:
    name = "tutorial.backend:EngineBackend+" + engine.url.render_as_string(hide_password=False)
    first, second = Celery("one"), Celery("two")
    first.conf.result_backend = second.conf.result_backend = name
    assert type(first.backend) is EngineBackend
    assert first.backend.engine is second.backend.engine
    first.backend.store_result("one", 5, "SUCCESS")
    assert second.AsyncResult("one").result == 5


def test_a_configuration_can_have_it_used_for_every_sql_database(engine: sa.Engine) -> None:
    app = Celery("myapp")
    app.config_from_object(
        {
            "override_backends": {"db": "tutorial.backend:EngineBackend"},
            "result_backend": "db+" + engine.url.render_as_string(hide_password=False),
        }
    )
    assert type(app.backend) is EngineBackend
    assert app.backend.engine.url == engine.url


def test_an_override_that_is_assigned_to_the_settings_has_no_effect(engine: sa.Engine) -> None:
    app = Celery("myapp", set_as_current=False)
    app.conf.override_backends = {"db": "tutorial.backend:EngineBackend"}
    app.conf.result_backend = "db+" + engine.url.render_as_string(hide_password=False)
    assert type(app.backend) is DatabaseBackend


def test_an_engine_that_it_makes_has_the_apps_options_and_its_callback(tmp_path: Path) -> None:
    given = []
    app = Celery("myapp", backend=EngineBackend, set_as_current=False)
    app.conf.database_engine_options = {"pool_size": 3}
    app.conf.database_engine_callback = given.append
    backend = EngineBackend(url=sqlite_url(tmp_path / "results.db"), app=app)
    assert backend.engine.pool.size() == 3
    assert given == [backend.engine]


def test_it_pickles_without_its_engine(engine: sa.Engine) -> None:
    app = Celery("myapp", backend=engine_backend(engine))
    assert pickle.loads(pickle.dumps(app)).backend.engine is engine
    assert pickle.loads(pickle.dumps(app.backend)).engine is engine


@pytest.mark.parametrize("url", few(*DATABASES), indirect=True)
def test_a_spawned_process_makes_an_engine_of_its_own(engine: sa.Engine) -> None:
    app = Celery("myapp", backend=engine_backend(engine))
    app.backend.store_result("one", 5, "SUCCESS")
    code = "import pickle, sys; print(pickle.load(sys.stdin.buffer).AsyncResult('one').result)"
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, input=pickle.dumps(app), capture_output=True, timeout=PATIENCE)
    assert done.stdout.strip() == b"5", done.stderr.decode()


def test_the_password_is_kept_and_not_shown() -> None:
    pytest.importorskip("psycopg")
    engine = sa.create_engine("postgresql+psycopg://ada:secret@db.example.org/results")
    app = Celery("myapp", backend=engine_backend(engine))
    app.conf.database_create_tables_at_setup = False
    assert app.backend.url == engine.url.render_as_string(hide_password=False)
    assert pickle.loads(pickle.dumps(app)).backend.engine.url.password == "secret"
    shown = [repr(engine_backend(engine)), app.backend.as_uri(), app.bugreport()]
    assert not [text for text in shown if "secret" in text]


@pytest.mark.parametrize("wrong", ["sqlite://", None, sa.make_url("sqlite://")])
def test_what_is_no_engine_is_refused(wrong: object) -> None:
    with pytest.raises(ImproperlyConfigured, match=r"takes an engine, but got the type"):
        engine_backend(wrong)  # type: ignore[arg-type]


def test_a_backend_without_a_database_is_refused() -> None:
    with pytest.raises(ImproperlyConfigured, match="give it an engine or a URL"):
        _ = Celery("myapp", backend=EngineBackend).backend


# Waiting


def test_a_result_is_seen_soon_without_an_interval(engine: sa.Engine) -> None:
    app = Celery("myapp", backend=engine_backend(engine))
    looks = []

    def look() -> None:
        looks.append(time.monotonic())
        if len(looks) == 10:
            app.backend.store_result("one", 5, "SUCCESS")

    assert app.backend.wait_for("one", timeout=30, on_interval=look)["result"] == 5
    assert len(looks) == 10
    assert looks[9] - looks[0] < 3  # with half a second after each, which is Celery's default, 4.5


def test_looks_are_the_rarer_the_longer_it_waits_and_the_interval_is_the_most(
    engine: sa.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = Celery("myapp", backend=engine_backend(engine))
    naps: list[float] = []
    now = [0.0]

    def sleep(seconds: float) -> None:
        naps.append(seconds)
        now[0] += seconds

    app.backend.get_task_meta("one")  # makes the tables, and may wait for it
    monkeypatch.setattr(
        "tutorial.backend.time", SimpleNamespace(sleep=sleep, monotonic=lambda: now[0])
    )
    with pytest.raises(TimeoutError):
        app.AsyncResult("one").get(timeout=60)
    assert naps[0] < 0.001
    assert naps[:-1] == sorted(naps[:-1])
    assert max(naps) == 0.5
    assert len(naps) < 400
    assert sum(naps) == pytest.approx(60)


def test_the_time_limit_is_the_clocks(engine: sa.Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    app = Celery("myapp", backend=engine_backend(engine))
    read = app.backend.get_task_meta

    def slow(task_id: str) -> dict[str, object]:
        time.sleep(0.1)
        return dict(read(task_id))

    monkeypatch.setattr(app.backend, "get_task_meta", slow)
    looks: list[None] = []
    with pytest.raises(TimeoutError):
        app.backend.wait_for(
            "one", timeout=0.5, interval=0.001, on_interval=lambda: looks.append(None)
        )
    assert len(looks) <= 6  # counting naps of 1 ms, the stock backend would look 500 times


# Reading


def callers(server: socket.socket) -> int:
    """Count those who have tried to connect since the last time, and hang up."""
    server.setblocking(False)
    for number in count():
        try:
            server.accept()[0].close()
        except BlockingIOError:
            return number
    raise AssertionError


def test_a_silent_database_ends_the_wait_and_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "CONNECT_OPTIONS", {"pymysql": {"read_timeout": 1}})
    with socket.create_server(("127.0.0.1", 0)) as silent:
        place = f"127.0.0.1:{silent.getsockname()[1]}"
        engine = make_engine(f"mysql+pymysql://u:secret@{place}/x")
        app = Celery("silent", backend=engine_backend(engine), set_as_current=False)
        app.conf.database_create_tables_at_setup = False
        with pytest.raises(TimeoutError, match=f"has not answered in time: .*{place}"):
            app.AsyncResult("one").get(timeout=0.5)
        assert callers(silent) == 1
        with pytest.raises(BackendGetMetaError, match=f"cannot be read: .*{place}") as raised:
            _ = app.AsyncResult("one").state
        assert callers(silent) == 4  # and not forty
    assert "secret" not in str(raised.value)


def test_reading_never_unpickles(engine: sa.Engine, tmp_path: Path) -> None:
    class Payload:
        def __reduce__(self):  # type: ignore[no-untyped-def]
            return Path(tmp_path / "code has run").touch, ()

    app = Celery("myapp", backend=engine_backend(engine))
    app.backend.store_result("planted", 5, "SUCCESS")
    update = sa.text("UPDATE celery_taskmeta SET result = :result")
    with engine.begin() as connection:
        connection.execute(update, {"result": pickle.dumps(Payload())})
    assert app.AsyncResult("planted").state == "SUCCESS"
    for read in (lambda result: result.result, lambda result: result.get(timeout=9)):
        with pytest.raises(DecodeError, match=r"^The pickle cannot be read safely: it calls "):
            read(app.AsyncResult("planted"))
    assert not (tmp_path / "code has run").exists()

    stock = Celery("myapp", backend="db+" + engine.url.render_as_string(hide_password=False))
    _ = stock.AsyncResult("planted").state  # the danger is real
    assert (tmp_path / "code has run").exists()


@pytest.mark.parametrize(
    "stored", [pickle.dumps(print), b"[" * 100_000, b"NaN", b'"x"', b"", b"[5]"]
)
def test_children_that_cannot_be_read_hide_no_state(stored: bytes, tmp_path: Path) -> None:
    engine = make_engine(sqlite_url(tmp_path / "results.db"))
    app = Celery("children", backend=engine_backend(engine), set_as_current=False)
    app.backend.store_result("one", 5, "SUCCESS")
    with engine.begin() as connection:
        connection.execute(sa.text("UPDATE celery_taskmeta SET children = :c"), {"c": stored})
    task = app.AsyncResult("one")
    assert (task.state, task.get(timeout=60), task.children) == ("SUCCESS", 5, None)


@pytest.mark.parametrize("column", ["children", "stamps", "worker"])
def test_a_table_that_lacks_a_column_is_read_and_written_without_it(
    column: str, engine: sa.Engine, caplog: pytest.LogCaptureFixture
) -> None:
    app = Celery("myapp", backend=engine_backend(engine))
    app.conf.result_extended = True
    app.backend.store_result("one", 5, "SUCCESS")
    with engine.begin() as connection:  # after the backend has looked for missing columns
        connection.execute(sa.text(f"ALTER TABLE celery_taskmeta DROP COLUMN {column}"))
    assert app.AsyncResult("one").result == 5
    for state in ("STARTED", "RETRY", "SUCCESS"):
        app.backend.store_result("two", 6, state)
    assert app.AsyncResult("two").get(timeout=5) == 6
    assert app.AsyncResult("two").exists()
    assert len(caplog.messages) == 1
    assert f"celery_taskmeta has no column {column}, and this role may not add it" in caplog.text


@pytest.mark.parametrize("url", ["postgresql"], indirect=True)
def test_an_old_table_that_the_role_may_not_alter_is_read_and_written(engine: sa.Engine) -> None:
    """The table of Celery 5.4 lacks three columns, and the role is not its owner."""
    role = f"worker_{uuid4().hex[:12]}"
    schema = engine.url.query["application_name"]
    EngineBackend(engine=engine, app=Celery("owner")).ResultSession().close()
    with engine.begin() as connection:
        connection.execute(sa.text("ALTER TABLE celery_taskmeta DROP COLUMN children"))
        connection.execute(sa.text(f"CREATE ROLE {role}"))
        connection.execute(sa.text(f"GRANT USAGE ON SCHEMA {schema} TO {role}"))
        rights = f"ALL TABLES IN SCHEMA {schema} TO {role}"
        connection.execute(sa.text(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {rights}"))
        connection.execute(sa.text(f"GRANT ALL ON ALL SEQUENCES IN SCHEMA {schema} TO {role}"))
    worker = make_engine(
        engine.url.update_query_dict({"options": f"-csearch_path={schema} -crole={role}"})
    )
    try:
        app = Celery("myapp", backend=engine_backend(worker))
        assert app.AsyncResult("one").state == "PENDING"
        app.backend.store_result("one", None, "STARTED")
        app.backend.store_result("one", 5, "SUCCESS")
        assert app.AsyncResult("one").get(timeout=5) == 5
    finally:
        worker.dispose()
        with engine.begin() as connection:
            connection.execute(sa.text(f"DROP OWNED BY {role}"))
            connection.execute(sa.text(f"DROP ROLE {role}"))


OLD_TABLES = [
    "CREATE TABLE celery_taskmeta (id INTEGER NOT NULL AUTO_INCREMENT PRIMARY KEY, "
    "task_id VARCHAR(155) UNIQUE, status VARCHAR(50), result BLOB, date_done DATETIME, "
    "traceback TEXT)",
    "CREATE TABLE celery_tasksetmeta (id INTEGER NOT NULL AUTO_INCREMENT PRIMARY KEY, "
    "taskset_id VARCHAR(155) UNIQUE, result BLOB, date_done DATETIME)",
]


def test_mariadb_tables_made_before_sqlalchemy_had_sequences_take_new_rows(
    caplog: pytest.LogCaptureFixture,
) -> None:
    url = server_url(VARIABLES["mariadb"])
    name = f"tutorial_{uuid4().hex[:12]}"
    server = sa.create_engine(url)
    with server.begin() as connection:
        connection.execute(sa.text(f"CREATE DATABASE {name}"))
    engine = make_engine(url.set(database=name))
    try:
        with engine.begin() as connection:
            for table in OLD_TABLES:
                connection.execute(sa.text(table))
        app = Celery("myapp", backend=engine_backend(engine))
        for number in range(2):
            app.backend.store_result(str(number), number, "SUCCESS")
            assert app.AsyncResult(str(number)).get(timeout=5) == number
        group = app.GroupResult("group", [app.AsyncResult("1")])
        group.save()
        assert app.GroupResult.restore("group").get(timeout=5) == [1]
    finally:
        engine.dispose()
        with server.begin() as connection:
            connection.execute(sa.text(f"DROP DATABASE {name}"))
        server.dispose()
    assert caplog.text.count("made without a sequence") == 1


@pytest.mark.parametrize(("options", "reads"), [({}, 3), ({"ssl_disabled": "true"}, 0)])
def test_pymysql_reads_all_certificates_for_each_connection_unless_told(
    options: dict[str, str], reads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = server_url(VARIABLES["mariadb"]).set(query=options)
    engine = make_engine(url, poolclass=sa.NullPool)
    with count_reads_of_certificates(monkeypatch) as counted:
        for _ in range(3):
            with engine.connect() as connection:
                assert connection.scalar(sa.text("SELECT 1")) == 1
    assert len(counted) == reads


def test_pymysql_reads_the_named_certificate_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "ca.pem"
    trustme.CA().cert_pem.write_to_path(str(file))
    url = server_url(VARIABLES["mariadb"]).set(query={"ssl_ca": str(file)})
    with (
        count_reads_of_certificates(monkeypatch) as counted,
        pytest.raises(sa.exc.OperationalError, match="SSL"),  # this server has no certificate
    ):
        make_engine(url).connect()
    assert not counted


@contextmanager
def count_reads_of_certificates(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[None]]:
    """Let the list grow by one whenever all certificates of the system are read."""
    counted: list[None] = []
    read = ssl.SSLContext.load_default_certs

    def count(context: ssl.SSLContext, *purpose: ssl.Purpose) -> None:
        counted.append(None)
        read(context, *purpose)

    with monkeypatch.context() as patch:
        patch.setattr(ssl.SSLContext, "load_default_certs", count)
        yield counted


@pytest.mark.parametrize("kind", DATABASES)
def test_each_store_of_an_unfinished_row_adds_or_removes_its_date(
    kind: str, tmp_path: Path
) -> None:
    """What chapters 07 and 16 say of Celery's own backend, and the course's does the same."""
    with empty_database(kind, tmp_path) as url:
        engine = make_engine(url)
        stock = "db+" + url.render_as_string(hide_password=False)
        for name, backend in (("stock", stock), ("shared", engine_backend(engine))):
            app = Celery(name, backend=backend)
            dates = []
            for number in range(4):
                app.backend.store_result(name, {"done": number}, "STARTED")
                query = sa.text("SELECT date_done FROM celery_taskmeta WHERE task_id = :id")
                with engine.connect() as connection:
                    dates.append(connection.scalar(query, {"id": name}))
            assert [date is None for date in dates] == [True, False, True, False], name
        engine.dispose()


# Writing


def test_a_success_is_never_written_over(engine: sa.Engine) -> None:
    app = Celery("myapp", backend=engine_backend(engine))
    app.backend.store_result("one", 5, "SUCCESS")
    app.backend.store_result("one", ValueError("late"), "FAILURE")
    assert app.AsyncResult("one").get(timeout=5) == 5


def test_of_two_runs_that_end_at_once_the_success_stays(engine: sa.Engine) -> None:
    """The other run stores its SUCCESS after this one has read the row."""
    app = Celery("myapp", backend=engine_backend(engine))
    app.backend.store_result("one", None, "STARTED")
    row = app.backend._row

    def row_and_then_a_success(connection: sa.Connection, task_id: str) -> object:
        seen = row(connection, task_id)
        app.backend._row = row
        with engine.begin() as other:
            other.execute(sa.text("UPDATE celery_taskmeta SET status = 'SUCCESS', result = '5'"))
        return seen

    app.backend._row = row_and_then_a_success
    app.backend.store_result("one", ValueError("late"), "FAILURE")
    assert app.AsyncResult("one").get(timeout=5) == 5


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
def test_a_results_file_that_was_moved_away_is_replaced(engine: sa.Engine, url: sa.URL) -> None:
    app = Celery("myapp", backend=engine_backend(engine))
    app.backend.store_result("one", 5, "SUCCESS")
    for path in Path(url.database or "").parent.glob("results.db*"):
        path.rename(path.with_name(f"old-{path.name}"))
    app.backend.store_result("two", 6, "SUCCESS")
    assert app.AsyncResult("two").result == 6


@pytest.mark.parametrize("url", ["postgresql"], indirect=True)
def test_connections_that_the_server_has_closed_are_replaced(engine: sa.Engine) -> None:
    app = Celery("myapp", backend=engine_backend(engine))
    app.backend.store_result("one", 5, "SUCCESS")
    others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = :name"
    server = sa.create_engine(os.environ["TUTORIAL_POSTGRESQL_URL"])
    with server.connect() as connection:
        name = engine.url.query["application_name"]
        ended = connection.scalars(sa.text(others), {"name": name}).all()
    server.dispose()
    assert any(ended)
    assert app.AsyncResult("one").result == 5
    app.backend.store_result("two", 6, "SUCCESS")
    assert app.AsyncResult("two").result == 6


# Forking

FORKS = """
import os, sys
import sqlalchemy as sa
from celery import Celery
from tutorial.backend import engine_backend

engine = sa.create_engine(sys.argv[1])
app = Celery("myapp", backend=engine_backend(engine))
if sys.argv[2] == "without the hook":
    engine.dispose = lambda **_: None
used = []
sa.event.listen(engine, "connect", lambda _, record: record.info.update(pid=os.getpid()))
sa.event.listen(engine, "checkout", lambda _, record, proxy: used.append(record.info["pid"]))
app.backend.store_result("the parent's", 0, "SUCCESS")

children = []
for child in range(4):
    if not (pid := os.fork()):
        used.clear()
        for number in range(20):
            app.backend.store_result(f"child {child} {number}", number, "SUCCESS")
        os._exit(set(used) != {os.getpid()})
    children.append(pid)
codes = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in children]
print(codes)
"""


def fork(url: sa.URL, how: str) -> str:
    text = url.render_as_string(hide_password=False)
    command = [sys.executable, "-c", FORKS, text, how]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE)
    return done.stdout.strip() or done.stderr


@needs_fork
def test_a_forked_child_never_uses_its_parents_connections(engine: sa.Engine) -> None:
    assert fork(engine.url, "with the hook") == "[0, 0, 0, 0]"
    with engine.connect() as connection:
        rows = "SELECT count(*) FROM celery_taskmeta WHERE task_id LIKE 'child %'"
        assert connection.scalar(sa.text(rows)) == 80
        if engine.dialect.name == "sqlite":
            assert connection.scalar(sa.text("PRAGMA integrity_check")) == "ok"


@needs_fork
@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
def test_without_the_hook_it_does(engine: sa.Engine) -> None:
    assert fork(engine.url, "without the hook") == "[1, 1, 1, 1]"


@pytest.mark.slow
@needs_fork
@pytest.mark.parametrize("url", ["postgresql"], indirect=True)
def test_without_the_hook_a_worker_loses_tasks(
    engine: sa.Engine, workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORK_HOOK", "no")
    sent = lost = 0
    with Worker("engine_app", concurrency=4) as worker:
        while not lost and sent < 5000:  # children that never ran at the same moment lose nothing
            send(client(engine), 100)
            sent += 100
            lost = sent - wait_for_rows(engine, sent, limit=10)
        worker.kill()  # some of its children wait for ever for an answer that another one got
    print(f"{lost} of {sent} tasks lost")
    assert lost > 0


# Workers


def send(app: Celery, count: int) -> None:
    with app.producer_or_acquire() as producer:
        for number in range(count):
            arguments = {"args": [number, 1], "task_id": f"task {number}", "producer": producer}
            app.send_task("engine_app.add", **arguments)


def wait_for_rows(engine: sa.Engine, count: int, limit: float) -> int:
    """Wait until so many tasks have succeeded, at most for `limit` seconds without a new one."""
    rows = sa.text("SELECT count(*) FROM celery_taskmeta WHERE status = 'SUCCESS'")
    found, latest = 0, time.monotonic()
    while found < count and time.monotonic() - latest < limit:
        time.sleep(0.05)
        with engine.connect() as connection:
            now = (
                connection.scalar(rows)
                if sa.inspect(connection).has_table("celery_taskmeta")
                else 0
            )
        if now > found:
            found, latest = now, time.monotonic()
    return found


POOLS = [
    pytest.param("prefork", 2, "fork", marks=needs_fork),
    pytest.param("prefork", 4, "fork", marks=[needs_fork, pytest.mark.slow]),
    pytest.param("prefork", 8, "fork", marks=[needs_fork, pytest.mark.slow]),
    pytest.param("prefork", 2, "spawn", marks=[needs_fork, pytest.mark.slow]),
    pytest.param("threads", 8, "fork", marks=pytest.mark.slow),
    pytest.param("solo", 1, "fork", marks=pytest.mark.slow),
]


@pytest.mark.parametrize("count", [50, pytest.param(10_000, marks=pytest.mark.slow)])
@pytest.mark.parametrize(("pool", "concurrency", "start_method"), POOLS)
def test_no_task_is_lost(
    pool: str,
    concurrency: int,
    start_method: str,
    count: int,
    engine: sa.Engine,
    workspace: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("START_METHOD", start_method)
    app = client(engine)
    with Worker("engine_app", pool=pool, concurrency=concurrency) as worker:
        send(app, count)
        wait_for_rows(engine, count, limit=PATIENCE)
        main = worker.pid
    wrong = [n for n in range(count) if app.AsyncResult(f"task {n}").result != n + 1]
    assert not wrong, f"{len(wrong)} of {count} tasks lost\n{worker.logs(tail=40)}"

    peaks = most_connections(workspace / "connections.txt")
    of_main = peaks.pop(main, 0)
    print(f"connections: {of_main} in the main process, {list(peaks.values())} in its pool")
    assert of_main <= (concurrency if pool == "threads" else 1)
    assert all(number == 1 for number in peaks.values())
    assert len(peaks) <= (concurrency if pool == "prefork" else 0)
    assert peaks or pool != "prefork"


def most_connections(notes: Path) -> dict[int, int]:
    """Return how many connections each process had at once, at most."""
    changes: dict[int, list[int]] = {}
    for line in notes.read_text().splitlines():
        pid, change = map(int, line.split())
        changes.setdefault(pid, []).append(change)
    return {pid: max(accumulate(changed)) for pid, changed in changes.items()}


def rows(url: sa.URL) -> list[tuple[object, ...]]:
    """Return all that both tables hold but the times, each value with its type in the database."""
    type_of = "typeof" if url.get_backend_name() == "sqlite" else "pg_typeof"
    found = []
    engine = sa.create_engine(url)
    with engine.connect() as connection:
        for table in ("celery_taskmeta", "celery_tasksetmeta"):
            names = [column["name"] for column in sa.inspect(connection).get_columns(table)]
            values = [name for name in names if name != "date_done"]
            values += [f"CAST({type_of}({name}) AS TEXT)" for name in names]
            values += ["length(CAST(date_done AS TEXT)) > 18"]
            select = f"SELECT {', '.join(values)} FROM {table} ORDER BY id"
            found += [(table, *row) for row in connection.exec_driver_sql(select)]
    engine.dispose()
    return found


@pytest.mark.parametrize("kind", few(*DATABASES))
def test_the_rows_are_those_of_the_stock_backend_byte_for_byte(
    kind: str, module: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = {}
    command = [sys.executable, "-c", EVERY_KIND_OF_ROW]
    for backend in ("stock", "engine"):
        folder = tmp_path / backend
        folder.mkdir()
        with empty_database(kind, folder) as url:
            use(folder, url, backend, monkeypatch)
            with Worker("engine_app", pool="solo"):
                subprocess.run(command, check=True, timeout=PATIENCE)
            found[backend] = rows(url)
    assert len(found["stock"]) == 9
    assert found["engine"] == found["stock"]


EVERY_KIND_OF_ROW = """
from celery import chain, states
from celery.result import GroupResult
from engine_app import add, app, divide, retry

def run(task, task_id, *args, **options):
    sent = task.apply_async(args, task_id=task_id, **options)
    sent.get(timeout=300, interval=0.005, propagate=False)
    return sent

done = [run(add, "sum", 2, 3), run(add, "text", "\u00e9", "\U0001f600")]
run(divide, "failure", 1, 0)
run(retry, "retry")
linked = add.s(5).set(task_id="the second")
run(add, "the first", 1, 2, link=linked)
app.AsyncResult("the second").get(timeout=300, interval=0.005)
app.backend.store_result("custom", {"done": 3}, "PROGRESS")
app.backend.store_result("custom", {"done": 4}, "PROGRESS")
app.backend.mark_as_revoked("revoked", "no more")
GroupResult("group", done, app=app).save()
app.backend.store_result("forgotten", 1, states.SUCCESS)
app.AsyncResult("forgotten").forget()
"""
