"""A result that the database refuses leaves its cause; one that it cannot take now is kept."""

import json
import re
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from celery import Celery
from celery.exceptions import BackendStoreError
from celery.result import GroupResult, ResultSet
from databases import DATABASES, database_of_its_own, empty_database, server_url
from processes import few, needs_fork, python, survivors

from tutorial import servers, tasks
from tutorial.backend import engine_backend
from tutorial.database import make_engine
from tutorial.results import load_results
from tutorial.servers import VARIABLES, Server
from tutorial.workflows import as_completed

pytestmark = needs_fork

REFUSED = """
import os
from tutorial.tasks import app

if backend := os.environ.get("BACKEND"):
    os.environ.pop("CELERY_RESULT_BACKEND", None)  # which would be stronger
    app.conf.result_backend = f"{backend}+{os.environ['RESULTS']}"

@app.task(name="n" * 200)
def long_name():
    return 5

@app.task(name="started" + "n" * 200, track_started=True)
def long_name_that_starts():
    return 5

@app.task
def fail(text):
    raise ValueError(text)

@app.task
def repeat(text, times):
    return text * times
"""
SEND = """
import json, os
from refused import fail, long_name, long_name_that_starts, repeat
from tutorial.worker import Worker

with Worker("refused", pool=os.environ["POOL"], concurrency=1):
    sent = [
        long_name.delay(),
        long_name_that_starts.delay(),
        repeat.apply_async(["a", 1], task_id="i" * 200),
        fail.delay("a\\0b"),
        fail.delay("\\U0001f600"),
        fail.delay("\\ud800"),
        repeat.delay("a", 100_000),
        repeat.delay("a", 20_000_000),
        fail.delay("a" * 100_000),
    ]
    repeat.delay("the next task", 1).get(timeout=300, interval=0.02)
print(json.dumps([each.id[:155] for each in sent]))
"""
BACKENDS = {"stock": "", "engine": "tutorial.backend:EngineBackend"}
ANSWERS = {"postgresql": ["SUCCESS"] * 2 + ["FAILURE"], "mariadb": ["FAILURE"] * 3}


@pytest.fixture
def refused(tmp_path: Path) -> Iterator[Path]:
    (tmp_path / "refused.py").write_text(REFUSED)
    yield tmp_path
    assert survivors(tmp_path) == []


def as_utf8mb3(url: sa.URL) -> None:
    """Let the tables of a MariaDB database be of the character set of older versions."""
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        connection.execute(sa.text(f"ALTER DATABASE {url.database} CHARACTER SET utf8mb3"))
    engine.dispose()


@pytest.mark.parametrize(
    ("kind", "pool", "backend"),
    few(
        ("postgresql", "prefork", "stock"),
        ("mariadb", "prefork", "engine"),
        ("postgresql", "threads", "engine"),
        ("postgresql", "solo", "stock"),
        ("mariadb", "threads", "stock"),
        ("mariadb", "solo", "engine"),
    ),
)
def test_what_a_server_refuses_leaves_its_cause_and_the_next_task_runs(
    kind: str, pool: str, backend: str, refused: Path
) -> None:
    with database_of_its_own(kind, refused) as url:
        if kind == "mariadb":
            as_utf8mb3(url)
        text = url.render_as_string(hide_password=False)
        done = python(
            SEND,
            refused,
            PYTHONPATH=str(refused),
            CELERY_RESULT_BACKEND=f"db+{text}",
            RESULTS=text,
            POOL=pool,
            BACKEND=BACKENDS[backend],
        )
        assert done.returncode == 0, done.stderr
        engine = make_engine(url)
        rows = load_results(engine, columns=["task_id", "status", "result"]).set_index("task_id")
        engine.dispose()
    rows = rows.loc[json.loads(done.stdout)]
    assert list(rows["status"]) == ["FAILURE"] * 6 + ANSWERS[kind]
    results = [str(result) for result in rows["result"]]
    for result in results[:3]:
        assert "The database refused to store S" in result
        assert "too long for" in result
    for result, text in zip(results[3:6], ["a\0b", "\U0001f600", "\ud800"], strict=True):
        assert "ValueError" in result
        assert repr(text)[1:-1] in result
    if kind == "mariadb":
        assert all("The database refused to store" in result for result in results[6:])


# Task ids that a column does not take


LOOSE = "init_command=SET+sql_mode%3D''"  # then MariaDB cuts what is too long, without an error
ODD_IDS = {
    "long": "i" * 156,
    "long and wide": "\u4e00" * 156,
    "huge": "h" * 100_000,
    "NUL": "a\0b",
    "surrogate": "\ud800",
    "emoji": "\U0001f600",
}
REFUSED_IDS = {
    "sqlite": {"surrogate"},
    "postgresql": {*ODD_IDS} - {"emoji"},
    "mariadb": {*ODD_IDS} - {"NUL", "emoji"},
    "mariadb, loose": {*ODD_IDS} - {"NUL", "emoji"},
    "mariadb, utf8mb3": {*ODD_IDS} - {"NUL"},
}


def finish(app: Celery, task_id: Any, value: Any = 5) -> None:
    """Store a result as a worker does."""
    try:
        app.backend.mark_as_done(task_id, value)
    except BackendStoreError as error:
        app.backend.mark_as_failure(task_id, error)


@contextmanager
def app_on(where: str, folder: Path) -> Iterator[tuple[Celery, sa.Engine]]:
    """Yield an app, and its engine, on one of the databases of `REFUSED_IDS`."""
    kind, _comma, mode = where.partition(", ")
    with ExitStack() as stack:
        url = stack.enter_context(database_of_its_own(kind, folder))
        if mode == "utf8mb3":
            as_utf8mb3(url)
        url = url.update_query_string(LOOSE if mode == "loose" else "")
        engine = make_engine(url)
        stack.callback(engine.dispose)
        yield Celery("ids", backend=engine_backend(engine), set_as_current=False), engine


@pytest.mark.parametrize("where", ["sqlite", *few(*list(REFUSED_IDS)[1:])])
def test_a_task_id_that_the_column_does_not_take_ends_in_a_failure(
    where: str, tmp_path: Path
) -> None:
    refused = REFUSED_IDS[where]
    with app_on(where, tmp_path) as (app, engine):
        states = {}
        for name, task_id in ODD_IDS.items():
            task = app.AsyncResult(task_id)
            assert task.state == "PENDING"
            for _ in range(2):  # the second run meets what the first one has left
                finish(app, task_id)
            (ended,) = as_completed(task, engine)
            states[name] = ended.state
            if ended.state == "FAILURE":
                with pytest.raises(BackendStoreError, match="refused to store SUCCESS") as raised:
                    task.get(timeout=300)
                assert "Duplicate" not in str(raised.value)
            else:
                assert task.get(timeout=300) == 5
        stored = load_results(engine, columns=["status", "task_id"])
        for task_id in ODD_IDS.values():
            app.AsyncResult(task_id).forget()
        assert load_results(engine).empty
    assert {name for name, state in states.items() if state == "FAILURE"} == refused
    assert set(states.values()) == {"SUCCESS", "FAILURE"}
    assert (stored["status"] == "FAILURE").sum() == len(refused)
    kept = {*stored["task_id"]} & {*ODD_IDS.values()}
    assert kept == {task_id for name, task_id in ODD_IDS.items() if name not in refused}


@pytest.mark.parametrize("where", ["sqlite", *few(*list(REFUSED_IDS)[1:])])
def test_a_group_that_the_database_does_not_take_names_the_cause(
    where: str, tmp_path: Path
) -> None:
    with app_on(where, tmp_path) as (app, _engine):
        names = set()
        for name, group_id in ODD_IDS.items():
            group = GroupResult(group_id, [app.AsyncResult("one")], app=app)
            assert GroupResult.restore(group_id, app=app) is None
            try:
                group.save()
                assert GroupResult.restore(group_id, app=app) == group
                with pytest.raises(BackendStoreError, match=r"(?i)unique|duplicate"):
                    group.save()
            except BackendStoreError as error:
                assert re.match("The database refused to store the group: .+", str(error))
                assert "\n" not in str(error)
                names.add(name)
            group.delete()
            assert GroupResult.restore(group_id, app=app) is None
        assert names == REFUSED_IDS[where]
        for group_id in (uuid.UUID(int=7), 5):
            group = GroupResult(group_id, [app.AsyncResult("one")], app=app)
            group.save()
            assert len(GroupResult.restore(group_id, app=app)) == 1


@pytest.mark.parametrize("where", few("mariadb, loose", "mariadb"))
def test_what_mariadb_would_cut_is_refused(where: str, tmp_path: Path) -> None:
    with app_on(where, tmp_path) as (app, engine):
        for state in (None, "STARTED"):
            if state:
                app.backend.store_result(state, None, state)
            finish(app, state or "new", "x" * 70_000)
            with pytest.raises(BackendStoreError, match=r"refused to store SUCCESS: .*too long fo"):
                app.AsyncResult(state or "new").get(timeout=300)
        many = [app.AsyncResult(uuid.uuid4().hex) for _ in range(2_000)]
        with pytest.raises(BackendStoreError, match=r"refused to store the group: .*too long for"):
            GroupResult("many", many, app=app).save()
        with engine.begin() as connection:
            connection.exec_driver_sql("ALTER TABLE celery_taskmeta MODIFY result LONGBLOB")
        finish(app, "wide", "x" * 70_000)
        assert len(app.AsyncResult("wide").get(timeout=300)) == 70_000


@pytest.mark.parametrize("kind", few("mariadb"))
def test_results_are_awaited_in_whatever_letters(kind: str, tmp_path: Path) -> None:
    with app_on(kind, tmp_path) as (app, engine):
        finish(app, "ORDER-A")
        tasks = [app.AsyncResult(task_id) for task_id in ("order-a", "ORDER-A", "Order-A ")]
        ended = list(as_completed(ResultSet(tasks, app=app), engine))
        assert {task.id: task.state for task in ended} == {task.id: "SUCCESS" for task in tasks}


@pytest.mark.parametrize("kind", DATABASES)
def test_a_task_id_that_is_no_text_is_stored_as_text(kind: str, tmp_path: Path) -> None:
    with empty_database(kind, tmp_path) as url:
        engine = make_engine(url)
        app = Celery("ids", backend=engine_backend(engine), set_as_current=False)
        for task_id in (uuid.UUID(int=7), 5, b"x"):
            finish(app, task_id)
            (task,) = as_completed(app.AsyncResult(task_id), engine)
            assert task.get(timeout=300) == 5
        assert {*load_results(engine)["task_id"]} == {str(uuid.UUID(int=7)), "5", "x"}
        assert app.AsyncResult("5").state == "SUCCESS"
        engine.dispose()


@pytest.mark.slow
def test_the_failure_of_a_long_id_is_not_mistaken_for_another_task(tmp_path: Path) -> None:
    """The first 155 characters can be the id of a task that has succeeded."""
    server_url(VARIABLES["postgresql"])
    with Server("postgresql") as server:
        engine = make_engine(server.url)
        app = Celery("ids", backend=engine_backend(engine), set_as_current=False)
        finish(app, "i" * 155)
        assert app.AsyncResult("i" * 156).state == "PENDING"
        engine.dispose()


# A database that is away


AWAY = """
import os, sys, time
from tutorial import servers
from tutorial.broker import BROKER_VARIABLE
from tutorial.database import RESULT_BACKEND_VARIABLE

broker = servers.redis(private=True)
database = servers.postgresql(private=True)
os.environ[BROKER_VARIABLE] = broker.url
os.environ[RESULT_BACKEND_VARIABLE] = f"db+{database.url}"

from tutorial.tasks import app, add, count_to, nap
from tutorial.worker import Worker

def wait_for(words, times=1):
    while worker.logs().count(words) < times:
        time.sleep(0.01)

worker = Worker(concurrency=1).start()
add.delay(1, 1).get(timeout=300)
"""
PING = (
    AWAY
    + """
late = nap.apply_async([60], time_limit=1)
wait_for("nap")
database.stop()
wait_for("will be stored when the database is back", 2)
print(sum(bool(app.control.ping(timeout=20, limit=1)) for _ in range(5)))
database.start()
while not late.ready():
    time.sleep(0.01)
print(late.state, type(late.result).__name__)
late = nap.apply_async([60], time_limit=1)
wait_for("nap", 3)
database.stop()
wait_for("Hard time limit", 2)
worker.stop()
print(f"The result of task {late.id} is lost: the database is down." in worker.logs())
"""
)
STARTED = (
    AWAY
    + """
database.stop()
begun = count_to.delay(2)
wait_for("Failed operation _store_result", 5)
database.start()
print(begun.get(timeout=300))
worker.stop()
"""
)


def needs_private_servers() -> None:
    for kind in ("redis", "postgresql"):
        if reason := servers.missing(kind, private=True):
            pytest.skip(reason)


@pytest.mark.slow
def test_the_main_process_answers_while_the_database_is_away(tmp_path: Path) -> None:
    needs_private_servers()
    done = python(PING, tmp_path)
    assert done.stdout.splitlines() == ["5", "FAILURE TimeLimitExceeded", "True"], done.stderr
    assert survivors(tmp_path) == []


@pytest.mark.slow
def test_a_task_that_cannot_be_marked_as_started_runs_when_the_database_is_back(
    tmp_path: Path,
) -> None:
    """With Celery's own number of tries, it never runs, and nothing tells that it was sent."""
    needs_private_servers()
    done = python(STARTED, tmp_path)
    assert done.stdout == "2\n", done.stderr
    assert survivors(tmp_path) == []


# Whose setting it is


class Started:
    """What Celery gives to the receivers of ``celeryd_init``, of a worker of some app."""

    def __init__(self, app: Celery) -> None:
        self.app = app


def settings(**conf: Any) -> Celery:
    app = Celery("one", set_as_current=False)
    app.conf.update(conf, database_create_tables_at_setup=False)
    return app


@pytest.mark.parametrize(
    ("conf", "tries"),
    [
        ({"result_backend": "db+sqlite:///results.db"}, float("inf")),
        ({"result_backend": "tutorial.backend:EngineBackend+sqlite:///x.db"}, float("inf")),
        ({"result_backend": "db+postgresql+psycopg://u@127.0.0.1:1/x"}, tasks.SERVER_TRIES),
        ({"result_backend": "db+sqlite:///x.db", "result_backend_max_retries": 7}, 7),
    ],
)
def test_a_worker_takes_its_tries_from_its_own_settings(
    conf: dict[str, Any], tries: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = settings(**conf)
    monkeypatch.setattr(tasks, "app", app)
    tasks.store_until_it_works(instance=Started(app), conf=app.conf)
    assert app.conf.result_backend_max_retries == tries


def test_the_worker_of_another_app_keeps_celerys_own_behaviour() -> None:
    app = settings(result_backend="db+sqlite://")
    before = app.conf.result_backend_max_retries
    tasks.store_until_it_works(instance=Started(app), conf=app.conf)
    assert app.conf.result_backend_max_retries == before
    assert type(app.backend).__module__ == "celery.backends.database"
