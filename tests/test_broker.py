import json
import os
import subprocess
import sys
import time
from collections import Counter
from itertools import chain
from pathlib import Path
from queue import Empty

import pytest
import sqlalchemy as sa
from celery.exceptions import ImproperlyConfigured
from kombu import Connection
from kombu.transport import TRANSPORT_ALIASES, get_transport_cls
from processes import PATIENCE, environment, needs_fork, python, started

from tutorial.broker import Transport, broker_url, queue_engine
from tutorial.database import BUSY_TIMEOUT, make_engine, sqlite_url
from tutorial.workspace import home

MORE_TASKS = """
from celery import chain
from tutorial.tasks import add, app

@app.task
def spread(count):
    for number in range(count):
        add.delay(number, 0)

@app.task(bind=True, max_retries=2)
def stubborn(self, number):
    if self.request.retries < 2:
        raise self.retry(countdown=0)
    return number
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TUTORIAL_HOME", str(tmp_path))
    monkeypatch.delenv("CELERY_BROKER_URL", raising=False)
    return tmp_path


def test_the_default_is_a_file_in_the_workspace(folder: Path) -> None:
    assert broker_url() == f"sqla+{sqlite_url(folder / 'queue.db')}"
    assert queue_engine().url.database == str(folder / "queue.db")


@pytest.mark.parametrize("url", ["amqp://u@host//", "redis://host", "sqla+sqlite:////tmp/x.db"])
def test_the_environment_replaces_it(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CELERY_BROKER_URL", url)
    assert broker_url() == url


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        (
            "your_broker_url",
            "CELERY_BROKER_URL is not a URL: it needs a scheme, as in amqp://",
        ),
        ("localhost:5672", "is not a URL"),
        ("nosuch://u:secret@host", "has the scheme 'nosuch', which kombu does not know: use amqp"),
        ("db+sqlite:///x.db", r"has the scheme 'db\+sqlite', which kombu does not know"),
        ("sqla+nosuch://u:secret@host/x", "knows no database with the scheme 'nosuch'"),
        ("sqla+mysql+mysqldb://u:secret@host/x", "The driver 'MySQLdb' .* is not installed"),
        ("sqla://u:secret@host/x", "SQL.* database"),
    ],
)
def test_a_bad_url_is_one_sentence(
    url: str, sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CELERY_BROKER_URL", url)
    with pytest.raises(ImproperlyConfigured, match=sentence) as raised:
        broker_url()
    assert "secret" not in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_broker_without_sql_cannot_be_read_as_a_table(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CELERY_BROKER_URL", "amqp://u:secret@host//")
    with pytest.raises(ImproperlyConfigured, match="names a broker that is not a SQL database"):
        queue_engine()


def test_the_scheme_names_this_transport_and_leaves_kombus_own_alone() -> None:
    assert get_transport_cls("sqla") is Transport
    shipped = get_transport_cls("sqlalchemy")
    assert shipped.polling_interval == 1.0
    assert "tutorial" not in TRANSPORT_ALIASES["sqlalchemy"]


def test_a_connection_is_refused_when_it_is_made_not_with_the_first_message() -> None:
    with Connection("sqla+postgresql+psycopg://u:secret@127.0.0.1:1/x") as connection:
        with pytest.raises(sa.exc.OperationalError) as raised:
            connection.connect()
        assert "secret" not in str(raised.value)


def test_only_this_transport_notes_who_has_received_a_message(folder: Path) -> None:
    for scheme in ("sqla", "sqlalchemy"):
        url = f"{scheme}+{sqlite_url(folder / scheme)}"
        with Connection(url) as connection, connection.SimpleQueue("line") as queue:
            queue.put(1)
            queue.get(timeout=5).ack()
    ours, kombus = (
        sa.inspect(make_engine(sqlite_url(folder / name))) for name in ("sqla", "sqlalchemy")
    )
    assert set(ours.get_table_names()) - set(kombus.get_table_names()) == {"tutorial_delivery"}


def test_a_message_is_the_row_that_kombu_stores(folder: Path) -> None:
    rows = {}
    for scheme in ("sqla", "sqlalchemy"):
        url = f"{scheme}+{sqlite_url(folder / scheme)}"
        with Connection(url) as connection:
            channel = connection.default_channel
            for number in range(2):
                channel._put("line", {"number": number})
            assert channel._get("line") == {"number": 0}
            with pytest.raises(Empty):
                channel._get("another")
            assert channel._size("line") == 1
        query = (
            "SELECT id, visible, version, timestamp IS NULL, payload, queue_id FROM kombu_message"
        )
        with make_engine(sqlite_url(folder / scheme)).connect() as connection:
            rows[scheme] = connection.exec_driver_sql(query).all()
    assert rows["sqla"] == rows["sqlalchemy"]


def test_a_message_is_taken_once(folder: Path) -> None:
    code = """
import sys
from queue import Empty
from kombu import Connection
from tutorial.broker import broker_url
with Connection(broker_url()) as connection:
    channel = connection.default_channel
    print("ready", flush=True)
    sys.stdin.readline()
    try:
        while True:
            print(channel._get("line"))
    except Empty:
        pass"""
    with Connection(broker_url()) as connection:
        for number in range(200):
            connection.default_channel._put("line", number)
    consumers = [started(code, folder)[0] for _ in range(4)]
    for consumer in consumers:
        assert consumer.stdin
        consumer.stdin.write("\n")
        consumer.stdin.flush()
    taken = [[int(line) for line in c.communicate(timeout=40)[0].split()] for c in consumers]
    assert sorted(chain.from_iterable(taken)) == list(range(200))
    assert all(numbers == sorted(numbers) for numbers in taken)


def test_messages_come_in_the_order_of_sending() -> None:
    with Connection(broker_url()) as connection, connection.SimpleQueue("line") as queue:
        for number in range(30):
            queue.put(number)
        received = []
        for _ in range(30):
            message = queue.get(timeout=5)
            message.ack()
            received.append(message.payload)
    assert received == list(range(30))


def test_a_message_taken_and_not_done_goes_back_when_the_connection_ends() -> None:
    with Connection(broker_url()) as connection, connection.SimpleQueue("line") as queue:
        queue.put("again")
        assert queue.get(timeout=5).payload == "again"
    with Connection(broker_url()) as connection, connection.SimpleQueue("line") as queue:
        assert queue.get(timeout=5).payload == "again"


def test_looking_is_frequent_while_messages_come_and_seldom_when_none_come(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    naps: list[float] = []
    with Connection(broker_url()) as connection, connection.SimpleQueue("line") as queue:
        queue.put("one")
        queue.get(timeout=5).ack()
        sleep = time.sleep
        monkeypatch.setattr(time, "sleep", lambda seconds: (naps.append(seconds), sleep(seconds)))
        for _ in range(3):
            with pytest.raises(TimeoutError):
                connection.drain_events(timeout=3600)  # a worker that is told to stop notices it
    assert min(naps) < 0.002
    assert max(naps) == naps[-1] == Transport.polling_interval


def test_looking_can_be_made_seldom() -> None:
    options = {"polling_interval": 0.07}
    with Connection(broker_url(), transport_options=options) as connection:
        assert connection.transport.polling_interval == 0.07


def test_looking_takes_no_lock() -> None:
    with Connection(broker_url()) as connection, connection.SimpleQueue("line") as queue:
        engine = queue_engine()
        with engine.connect() as writer:
            writer.exec_driver_sql("BEGIN IMMEDIATE")  # nobody else can write now
            with pytest.raises(queue.Empty):  # and not an error after BUSY_TIMEOUT
                queue.get(timeout=0.3)


def test_the_queues_engine_has_the_settings() -> None:
    with Connection(broker_url()) as connection:
        engine, _ = connection.default_channel._open()
        with engine.connect() as checked:
            pragmas = ["journal_mode", "synchronous", "busy_timeout"]
            found = [checked.scalar(sa.text(f"PRAGMA {name}")) for name in pragmas]
    assert found == ["wal", 1, BUSY_TIMEOUT * 1000]


def waiting(engine: sa.Engine) -> list[tuple[int, int]]:
    """Return the arguments of the messages that wait, sorted."""
    with engine.connect() as connection:
        query = "SELECT payload FROM kombu_message WHERE visible"
        payloads = connection.exec_driver_sql(query).scalars()
        headers = [json.loads(payload)["headers"]["argsrepr"] for payload in payloads]
    return sorted(tuple(json.loads(text.replace("(", "[").replace(")", "]"))) for text in headers)


@pytest.mark.slow
def test_several_producers_at_once_on_a_new_file_lose_nothing(folder: Path) -> None:
    code = """
import sys
from tutorial.tasks import add, app
app.conf, app.backend
print("ready", flush=True)
sys.stdin.readline()
for number in range(25):
    add.delay(int(sys.argv[1]), number)"""
    producers = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(producer)],
            env=environment(folder),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for producer in range(4)
    ]
    for producer in producers:
        assert producer.stdout
        assert producer.stdout.readline() == "ready\n"
    for producer in producers:
        assert producer.stdin
        producer.stdin.write("\n")
        producer.stdin.flush()
    for producer in producers:
        _, errors = producer.communicate(timeout=PATIENCE)
        assert errors == ""
    assert waiting(queue_engine()) == [(i, j) for i in range(4) for j in range(25)]


@needs_fork
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_forked_children_publish_beside_their_parent(folder: Path) -> None:
    code = """
import multiprocessing
from tutorial.tasks import add
def publish(producer):
    for number in range(20):
        add.delay(producer, number)
add.delay(9, 9)  # the parent is connected before the fork
fork = multiprocessing.get_context("fork")
children = [fork.Process(target=publish, args=(producer,)) for producer in range(1, 4)]
for child in children:
    child.start()
publish(0)
for child in children:
    child.join()
print([child.exitcode for child in children])"""
    done = python(code, folder)
    assert done.stdout == "[0, 0, 0]\n", done.stderr
    assert done.stderr == ""
    assert waiting(queue_engine()) == [*((i, j) for i in range(4) for j in range(20)), (9, 9)]


@needs_fork
def test_children_of_a_prefork_pool_publish_and_nothing_is_lost(folder: Path) -> None:
    home()  # marks the folder as the course's before there are other files in it
    (folder / "more_tasks.py").write_text(MORE_TASKS)
    code = """
from celery import chain
from more_tasks import add, spread, stubborn
from tutorial.workspace import home
from tutorial.worker import Worker
with Worker("more_tasks", concurrency=3) as worker:
    results = [spread.delay(20) for _ in range(3)]
    results += [chain(add.s(1, 1), add.s(1), add.s(1)).delay() for _ in range(10)]
    results += [stubborn.delay(number) for number in range(10)]
    values = [result.get(timeout=300, interval=0.01) for result in results]
    import sqlalchemy as sa, time
    from tutorial.database import make_engine
    count = sa.text("SELECT count(*) FROM celery_taskmeta WHERE status = 'SUCCESS'")
    with make_engine().connect() as connection:
        for _ in range(500):
            if connection.scalar(count) == 3 + 60 + 30 + 10:
                break
            time.sleep(0.02)
print(values)
log = worker.logs()
print(log.count("database is locked"), log.count("Traceback"), worker.status)"""
    done = python(code, folder, PYTHONPATH=str(folder))
    assert done.returncode == 0, done.stderr
    values, log = done.stdout.splitlines()
    assert json.loads(values.replace("None", "null")) == [None] * 3 + [4] * 10 + [*range(10)]
    assert log == "0 0 stopped"
    with make_engine(sqlite_url(folder / "results.db")).connect() as connection:
        rows = connection.exec_driver_sql("SELECT name, status FROM celery_taskmeta").all()
    assert Counter(map(tuple, rows)) == {
        ("tutorial.tasks.add", "SUCCESS"): 60 + 30,
        ("more_tasks.spread", "SUCCESS"): 3,
        ("more_tasks.stubborn", "SUCCESS"): 10,
    }
    assert waiting(queue_engine()) == []


@pytest.mark.parametrize(
    "url", ["amqp://guest:secret@127.0.0.1:1//", "redis://:secret@127.0.0.1:1"]
)
def test_sending_to_a_broker_that_does_not_answer_ends_soon(folder: Path, url: str) -> None:
    done = python("from tutorial.tasks import add; add.delay(2, 3)", folder, CELERY_BROKER_URL=url)
    assert "OperationalError" in done.stderr.splitlines()[-1]
    assert "Connection refused" in done.stderr or os.name == "nt"
    assert "secret" not in done.stdout + done.stderr
