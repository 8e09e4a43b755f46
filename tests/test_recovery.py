"""Tasks that are lost with a killed worker are found and put back, and no other task is.

The long stress test, 10,000 tasks for each pool::

    pytest -m slow tests/test_recovery.py

TUTORIAL_SEED repeats a run with the random choices of an earlier one.
"""

import os
import random
import signal
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from threading import Thread
from typing import Any

import pandas as pd
import pytest
import sqlalchemy as sa
from celery import Signature, chord
from celery.exceptions import ImproperlyConfigured, WorkerLostError
from celery.result import AsyncResult
from processes import LONG, PATIENCE, few, needs_fork, started, survivors, wait_for
from stress import TASKS, stress

from tutorial import tasks
from tutorial.broker import queue_engine
from tutorial.database import make_engine
from tutorial.deliveries import is_alive, name_here
from tutorial.recovery import lost_tasks, requeue_lost
from tutorial.worker import Worker

POOLS = ["prefork", "threads", "solo"] if hasattr(os, "fork") else ["threads", "solo"]


@pytest.fixture(autouse=True)
def tables(home: Path) -> Iterator[None]:
    """Give each test its tables, and check that it leaves no process."""
    _ = tasks.app.backend  # makes the tables
    with tasks.app.connection_for_write() as connection:
        connection.default_channel._open()
    yield
    left = survivors(home)
    for process in left:
        process.kill()
    assert left == []


@pytest.fixture
def engines() -> Iterator[tuple[sa.Engine, sa.Engine]]:
    results, queue = make_engine(), queue_engine()
    yield results, queue
    results.dispose()
    queue.dispose()


# A task that ends when a test lets it, and then at once, also when it runs again.
GATE = """
import time
from tutorial.tasks import app
from tutorial.workspace import home

@app.task
def wait_at_gate(number):
    while not (home() / "gate is open").exists():
        time.sleep(0.01)
    return number
"""


@pytest.fixture
def gate(home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the file that opens the gate; the module ``gates`` has the task."""
    (home / "gates.py").write_text(GATE)
    monkeypatch.setenv("PYTHONPATH", str(home))
    return home / "gate is open"


def at_gate(number: int) -> Signature:
    return tasks.app.signature("gates.wait_at_gate", [number])


Engines = tuple[sa.Engine, sa.Engine]


def received(queue: sa.Engine) -> int:
    with queue.connect() as connection:
        query = "SELECT count(*) FROM kombu_message WHERE NOT visible"
        return connection.execute(sa.text(query)).scalar_one()


def values(results: list[AsyncResult]) -> list[Any]:
    return [result.get(timeout=PATIENCE, interval=0.005) for result in results]


# What is lost


@pytest.mark.parametrize("acks_late", [False, True], ids=["early", "late"])
@pytest.mark.parametrize("pool", few(*POOLS))
def test_what_a_killed_worker_had_begun_and_what_it_held_is_lost(
    pool: str, acks_late: bool, engines: Engines, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    setting = f"from tutorial.tasks import app\napp.conf.task_acks_late = {acks_late}\n"
    (home / "acks.py").write_text(setting)
    monkeypatch.setenv("PYTHONPATH", str(home))
    with Worker("acks", pool=pool) as worker:
        done = tasks.add.delay(2, 3)
        assert done.get(timeout=PATIENCE, interval=0.005) == 5
        naps = [tasks.nap.delay(LONG) for _ in range(6)]
        held = 2 if pool == "solo" else 4  # as many as run at once, and some more
        running = 1 if pool == "solo" else 2
        wait_for(lambda: received(engines[1]) >= 1 + running)
        assert len(lost_tasks(*engines)) == 0
        worker.kill()
    lost = lost_tasks(*engines)
    assert running <= len(lost) <= held
    assert list(lost["task_id"]) == [nap.id for nap in naps[: len(lost)]]
    assert lost["status"].isna().all()
    assert set(lost["deliveries"]) == {1}
    assert requeue_lost(*engines) == len(lost)
    assert received(engines[1]) == 1


def test_a_task_comes_back_whatever_its_row_says(engines: Engines, gate: Path) -> None:
    with Worker("gates", concurrency=4) as worker:
        counts = tasks.count_to.delay(200, pause=0.02)
        held = at_gate(7).delay()
        later = tasks.add.apply_async([1, 2], countdown=4)
        retried = tasks.fetch.delay(1)  # waits for a second before it tries again
        # Each of these stays true: a state that lasts a second can be missed.
        wait_for(lambda: counts.state in ("PROGRESS", "SUCCESS"))
        wait_for(lambda: retried.state in ("RETRY", "SUCCESS"))
        wait_for(lambda: received(engines[1]) == 5)  # the message of the retry too
        worker.kill()
    lost = lost_tasks(*engines).set_index("task_id")
    states = {counts.id: "PROGRESS", held.id: None, later.id: None, retried.id: "RETRY"}
    # On a busy machine some of them end before the worker does.
    left = {task.id for task in (counts, held, later, retried) if not task.ready()}
    assert held.id in left
    found = {
        task_id: None if pd.isna(state) else state for task_id, state in lost["status"].items()
    }
    assert found == {task_id: states[task_id] for task_id in left}
    assert requeue_lost(*engines) == len(left)
    gate.touch()
    with Worker("gates", concurrency=4):
        found = values([counts, held, later, retried])
    assert found == [200, 7, 3, "answer to attempt 2"]
    assert len(lost_tasks(*engines)) == 0


def test_tasks_that_have_ended_are_left_alone(engines: Engines) -> None:
    with Worker() as worker:
        ended = [tasks.add.delay(1, 1), tasks.divide.delay(1, 0), tasks.decline.delay("reject")]
        ended.append(tasks.add.apply_async([1, 1], expires=-1))
        wait_for(lambda: all(task.ready() for task in ended))
        worker.kill()
    assert [task.state for task in ended] == ["SUCCESS", "FAILURE", "FAILURE", "REVOKED"]
    assert requeue_lost(*engines) == 0


@pytest.mark.slow
def test_what_a_stopping_worker_gave_back_is_not_lost(engines: Engines, gate: Path) -> None:
    def open_when_it_stops() -> None:
        wait_for(lambda: "Warm shutdown" in worker.logs())
        gate.touch()

    with Worker("gates", concurrency=1) as worker:
        held = [at_gate(number).delay() for number in range(4)]
        wait_for(lambda: received(engines[1]) >= 2)
        opening = Thread(target=open_when_it_stops)
        opening.start()
        worker.stop(timeout=PATIENCE)
        opening.join()
    assert received(engines[1]) < 4
    assert requeue_lost(*engines) == 0
    with Worker("gates"):
        assert values(held) == [0, 1, 2, 3]


# The first process of the pool that has read a task dies before it says which one.
SILENT = """
import os, signal
from billiard.pool import Worker
from tutorial.tasks import app
from tutorial.workspace import home

receive = Worker._make_protected_receive

def receive_and_die(worker, connection):
    inner = receive(worker, connection)

    def outer():
        task = inner()
        if task and not (home() / "died").exists():
            (home() / "died").touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return task

    return outer

Worker._make_protected_receive = receive_and_die
"""


@pytest.mark.slow
@needs_fork
def test_a_task_that_a_pool_process_never_reported_comes_back_when_the_worker_ends(
    engines: Engines, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (home / "silent.py").write_text(SILENT)
    monkeypatch.setenv("PYTHONPATH", str(home))
    with Worker("silent", concurrency=2) as worker:
        result = tasks.add.delay(2, 3)
        wait_for((home / "died").exists)
        assert tasks.add.delay(1, 1).get(timeout=PATIENCE) == 2  # the worker goes on
        assert requeue_lost(*engines) == 0  # and nobody knows that it has lost a task
        worker.kill()
    assert requeue_lost(*engines) == 1
    with Worker(concurrency=1):
        assert result.get(timeout=PATIENCE) == 5


DEADLY = """
import os, signal
from tutorial.tasks import app
from tutorial.workspace import home

app.conf.worker_lost_wait = 0.1

@app.task(retry_on_worker_lost=True, max_retries=1, default_retry_delay=0)
def deadly():
    with (home() / "deaths").open("a") as deaths:
        deaths.write("x")
    os.kill(os.getpid(), signal.SIGKILL)
"""


@needs_fork
def test_a_task_that_kills_its_process_ends_after_its_retries(
    engines: Engines, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As chapter 11 says of ``retry_on_worker_lost``."""
    (home / "deadly.py").write_text(DEADLY)
    monkeypatch.setenv("PYTHONPATH", str(home))
    with Worker("deadly", concurrency=1):
        sent = tasks.app.send_task("deadly.deadly")
        with pytest.raises(WorkerLostError):
            sent.get(timeout=PATIENCE)
    assert (home / "deaths").read_text() == "xx"


@pytest.mark.slow
def test_a_task_that_ignores_its_result_is_left_alone(engines: Engines) -> None:
    with Worker() as worker:
        tasks.nap.apply_async([LONG], ignore_result=True)
        wait_for(lambda: received(engines[1]))
        worker.kill()
    assert requeue_lost(*engines) == 0


@pytest.mark.slow
def test_a_chord_is_done_though_the_task_that_watches_it_was_lost(
    engines: Engines, gate: Path
) -> None:
    with Worker("gates", concurrency=1, pool="threads") as worker:
        sums = chord([tasks.add.s(1, 1), at_gate(1)], tasks.total.s()).delay()
        wait_for(lambda: received(engines[1]) == 3)  # its message was the last of three
        worker.kill()
    assert "celery.chord_unlock" in lost_tasks(*engines)["name"].tolist()
    requeue_lost(*engines)
    gate.touch()
    with Worker("gates") as worker:
        assert sums.get(timeout=PATIENCE, interval=0.005) == 3
        worker.kill()
    assert len(lost_tasks(*engines)) == 0  # its result is ignored, but its chord is done


@pytest.mark.slow
def test_messages_of_long_ago_are_left_alone_unless_one_asks(engines: Engines) -> None:
    with Worker() as worker:
        tasks.nap.delay(LONG)
        wait_for(lambda: received(engines[1]))
        worker.kill()
    with engines[1].begin() as connection:
        old = "UPDATE tutorial_delivery SET received_at = datetime('now', '-25 hours')"
        connection.execute(sa.text(old))
    assert requeue_lost(*engines) == 0  # its result may have been there, and expired
    assert requeue_lost(*engines, max_age=timedelta(hours=26)) == 1


@pytest.mark.slow
def test_only_the_chosen_tasks_are_put_back_and_deliveries_are_counted(engines: Engines) -> None:
    for _ in range(2):
        with Worker() as worker:
            if not received(engines[1]):
                naps = [tasks.nap.delay(LONG), tasks.nap.delay(LONG)]
            wait_for(lambda: received(engines[1]) == 2)
            worker.kill()
        assert requeue_lost(*engines, [naps[0].id, "another"]) == 1
    with Worker() as worker:
        wait_for(lambda: received(engines[1]) == 2)
        worker.kill()
    assert lost_tasks(*engines)["deliveries"].tolist() == [3, 1]


def test_the_age_is_that_of_the_app_and_what_is_none_is_refused(
    engines: Engines, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Worker() as worker:
        tasks.nap.delay(60)
        wait_for(lambda: received(engines[1]))
        worker.kill()
    monkeypatch.setitem(tasks.app.conf, "result_expires", 0)
    assert len(lost_tasks(*engines)) == 0
    monkeypatch.setitem(tasks.app.conf, "result_expires", None)
    assert len(lost_tasks(*engines)) == 1
    assert len(lost_tasks(*engines, max_age=timedelta.max)) == 1
    with pytest.raises(TypeError, match=r"max_age must be a datetime\.timedelta, but is 5"):
        lost_tasks(*engines, max_age=5)
    with pytest.raises(TypeError, match="task_ids must be a collection of ids"):
        requeue_lost(*engines, "an id")


# Safe at any time


@needs_fork
def test_a_worker_lives_as_long_as_one_of_its_processes(engines: Engines, tmp_path: Path) -> None:
    """On Linux Celery's children die with their parent; on other systems they end their task."""
    queue = str(tmp_path / "queue.db")
    code = f"""
import os, signal
from tutorial.deliveries import name_here
print(name_here({queue!r}), flush=True)
if os.fork():
    os.kill(os.getpid(), signal.SIGKILL)
input()
"""
    process, name = started(code, tmp_path)
    process.wait(timeout=PATIENCE)
    assert process.returncode == -signal.SIGKILL
    assert is_alive(queue, name)
    process.communicate("\n", timeout=PATIENCE)
    wait_for(lambda: not is_alive(queue, name))


def test_a_process_has_one_name_and_lives(tmp_path: Path) -> None:
    queue = str(tmp_path / "queue.db")
    assert name_here(queue) == name_here(queue) != name_here(str(tmp_path / "other.db"))
    assert is_alive(queue, name_here(queue))
    assert not is_alive(queue, "another")


@needs_fork  # elsewhere an ordinary user makes no links
def test_a_worker_that_opens_the_queue_by_a_link_lives(tmp_path: Path) -> None:
    queue, link = tmp_path / "queue.db", tmp_path / "elsewhere" / "link.db"
    link.parent.mkdir()
    link.symlink_to(queue)
    assert is_alive(str(queue), name_here(str(link)))


@pytest.mark.slow
def test_two_recoveries_at_once_put_each_task_back_once(engines: Engines, home: Path) -> None:
    with Worker(pool="threads", concurrency=20) as worker:
        for _ in range(20):
            tasks.nap.delay(LONG)
        wait_for(lambda: received(engines[1]) == 20)
        worker.kill()
    code = """
from tutorial.broker import queue_engine
from tutorial.database import make_engine
from tutorial.recovery import requeue_lost
print(flush=True)
input()
print(sum(requeue_lost(make_engine(), queue_engine()) for _ in range(3)))
"""
    places = [started(code, home)[0] for _ in range(2)]
    for place in places:
        assert place.stdin
        place.stdin.write("\n")
        place.stdin.flush()
    counts = [int(place.communicate(timeout=PATIENCE)[0]) for place in places]
    assert sum(counts) == 20
    assert received(engines[1]) == 0


@pytest.mark.slow
def test_a_recovery_that_comes_late_takes_nothing_from_a_living_worker(
    engines: Engines, gate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tutorial import recovery

    with Worker("gates") as worker:
        held = at_gate(2).delay()
        wait_for(lambda: received(engines[1]))
        worker.kill()
    found = recovery._find(*engines, None, "celery_taskmeta", None)
    assert requeue_lost(*engines) == 1
    with Worker("gates", hostname="second@here"):
        wait_for(lambda: received(engines[1]))
        monkeypatch.setattr(recovery, "_find", lambda *_: found)  # what it saw before
        assert requeue_lost(*engines) == 0
        gate.touch()
        assert held.get(timeout=PATIENCE, interval=0.005) == 2


# What cannot be recovered


def test_messages_that_cannot_be_read_are_named_and_stay(engines: Engines) -> None:
    with Worker() as worker:
        tasks.nap.delay(LONG)
        wait_for(lambda: received(engines[1]))
        worker.kill()
    payloads: list[Any] = ["{", "[]", "null", '{"headers": 5}', b"\x80\x00", ""]
    with engines[1].begin() as connection:
        for payload in payloads:
            insert = "INSERT INTO kombu_message (visible, version, payload) VALUES (0, 2, :payload)"
            connection.execute(sa.text(insert), {"payload": payload})
    with pytest.warns(UserWarning, match="6 messages of the queue cannot be read, and stay as"):
        assert requeue_lost(*engines) == 1
    with engines[1].connect() as connection:
        kept = connection.execute(sa.text("SELECT payload FROM kombu_message WHERE NOT visible"))
        assert kept.scalars().all() == payloads


def test_a_broker_or_database_that_cannot_tell_is_refused(engines: Engines, tmp_path: Path) -> None:
    results, queue = engines
    (tmp_path / "empty.db").touch()  # a file that is missing is named as such
    empty = make_engine(f"sqlite:///{tmp_path}/empty.db")
    server = make_engine("postgresql+psycopg://u:secret@127.0.0.1:1/x")
    with pytest.raises(ImproperlyConfigured, match="only be found in a SQLite queue"):
        lost_tasks(results, server)
    with pytest.raises(ImproperlyConfigured, match="has no table kombu_message"):
        lost_tasks(results, empty)
    with pytest.raises(ImproperlyConfigured, match="has no table celery_taskmeta"):
        lost_tasks(empty, queue)


def test_results_in_a_table_of_another_name(engines: Engines) -> None:
    results, queue = engines
    rename = "ALTER TABLE {} RENAME TO {}"
    with results.begin() as connection:
        connection.exec_driver_sql(rename.format("celery_taskmeta", "my_tasks"))
    try:
        assert len(lost_tasks(results, queue, table="my_tasks")) >= 0
        assert requeue_lost(results, queue, [], table="my_tasks") == 0
        with pytest.raises(ImproperlyConfigured, match="has no table celery_taskmeta"):
            lost_tasks(results, queue)
    finally:
        with results.begin() as connection:
            connection.exec_driver_sql(rename.format("my_tasks", "celery_taskmeta"))


def test_the_frame_has_its_types_also_without_rows(engines: Engines) -> None:
    types = {name: str(kind) for name, kind in lost_tasks(*engines).dtypes.items()}
    assert types == {
        "task_id": "str",
        "name": "category",
        "status": "category",
        "deliveries": "int64",
        "received_at": "datetime64[us, UTC]",
    }


# A database that refuses results

REFUSING = """
import os
from pathlib import Path
import sqlalchemy as sa
from celery.signals import celeryd_init
from tutorial.database import configure_engine
from tutorial.tasks import app, store_until_it_works

if "AS_SHIPPED" in os.environ:
    celeryd_init.disconnect(store_until_it_works)

def with_little_room(engine):
    @sa.event.listens_for(configure_engine(engine), "connect")
    def limit(connection, _):
        pages = Path(os.environ["TUTORIAL_HOME"], "room").read_text()
        connection.execute(f"PRAGMA max_page_count = {pages}")
        connection.execute("PRAGMA busy_timeout = 50")
    return engine

app.conf.database_engine_callback = with_little_room
"""


@pytest.fixture
def refusing(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "refusing.py").write_text(REFUSING)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    (home / "room").write_text("1000000")
    return "refusing"


def refusals(worker: Worker) -> int:
    return worker.logs().count("Failed operation _store_result")


@pytest.mark.parametrize("pool", few(*POOLS))
def test_a_full_disk_makes_no_success_a_failure(refusing: str, pool: str, home: Path) -> None:
    with make_engine().connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(sa.text("VACUUM"))  # no room is left from deleted rows
    (home / "room").write_text("1")
    with Worker(refusing, pool=pool) as worker:
        large = [tasks.add.delay("x" * 50_000, "y") for _ in range(2)]
        wait_for(lambda: refusals(worker) >= 7)  # Celery gives up after the fourth
        assert "database or disk is full" in worker.logs()
        (home / "room").write_text("1000000")
        assert values(large) == ["x" * 50_000 + "y"] * 2


@pytest.mark.parametrize("as_shipped", [False, True], ids=["here", "as shipped"])
def test_a_locked_database_makes_no_success_a_failure(
    refusing: str, as_shipped: bool, engines: Engines, monkeypatch: pytest.MonkeyPatch
) -> None:
    if as_shipped:
        monkeypatch.setenv("AS_SHIPPED", "1")
    with Worker(refusing) as worker:
        with engines[0].connect() as lock:
            lock.exec_driver_sql("BEGIN IMMEDIATE")
            answer = tasks.add.delay(2, 3)
            wait_for(lambda: refusals(worker) >= (5 if as_shipped else 7))
        wait_for(lambda: answer.ready() or "Exception raised outside body" in worker.logs())
        if as_shipped:  # how it is without our setting: the test above sees what it says it sees
            assert answer.state != "SUCCESS"
        else:
            assert answer.get(timeout=PATIENCE) == 5


# Under stress


@pytest.fixture
def stress_home(home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (home / "stress_tasks.py").write_text(TASKS)
    (home / "runs").unlink(missing_ok=True)
    monkeypatch.setenv("PYTHONPATH", str(home))
    return home


def survive(home: Path, pool: str, capsys: pytest.CaptureFixture[str], **size: Any) -> None:
    seed = int(os.environ.get("TUTORIAL_SEED") or random.randrange(10**6))
    with capsys.disabled():
        print(f"\n{pool}, TUTORIAL_SEED={seed}: ", end="", flush=True)
        counts = stress(home, pool, seed, **size)
        print(counts)
    assert counts.not_done == counts.wrong == 0
    assert counts.rows == size["tasks"]
    kills = counts.killed.total()
    assert kills > 1
    assert counts.ran_twice <= 3 * kills  # no more than what the killed had begun


@pytest.mark.parametrize("pool", few(*POOLS))
def test_no_task_is_lost_when_workers_are_killed_at_random(
    stress_home: Path, pool: str, capsys: pytest.CaptureFixture[str]
) -> None:
    survive(stress_home, pool, capsys, tasks=120, workers=2, results_between_kills=30)


@pytest.mark.slow
@pytest.mark.timeout(4 * 3600)
@pytest.mark.parametrize("pool", POOLS)
def test_no_task_of_ten_thousand_is_lost(
    stress_home: Path, pool: str, capsys: pytest.CaptureFixture[str]
) -> None:
    survive(stress_home, pool, capsys, tasks=10_000, workers=4, results_between_kills=100)
