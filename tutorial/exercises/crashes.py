"""The exercises of chapter 11: crashes."""

import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import sqlalchemy as sa
from filelock import FileLock

from tutorial.deliveries import deliveries
from tutorial.exercises.checking import Death, WrongAnswer, case, exercise, expect, shown
from tutorial.exercises.scratch import Scratch, scratch
from tutorial.messages import load_messages
from tutorial.tables import MESSAGE_TABLE
from tutorial.tasks import add

MOST_STEPS = 30  # statements and commits of a deposit, each of which the check breaks off


@exercise(
    points=1,
    hints=[
        "lost_tasks(results, queue) finds the tasks that a dead worker had; its column task_id has "
        "their ids.",
        "load_messages(queue) has a row for each message; its column waiting is True as long as no "
        "worker has received it.",
        "A task with a final row has ended. A task that is not done, waiting or lost is running.",
    ],
)
def exercise_1(diagnose: Callable[[str, sa.Engine, sa.Engine], str]) -> str:
    """Check that a function tells lost tasks from those that are waiting, running or done."""
    with scratch() as databases, _a_worker_that_lives(databases) as alive:
        for description, (task_id, right) in _diagnoses(databases, alive).items():
            with case(description) as call:
                expect(call(diagnose, task_id, databases.results, databases.queue), right)
    return "Only the tasks of a dead worker are lost; the others need a worker, or patience."


def _diagnoses(databases: Scratch, alive: str) -> dict[str, tuple[str, str]]:
    """Fill the databases; return, for each description, the task's id and the right word."""
    return {
        "a task that no worker has received": (databases.send(add, (2, 3)), "waiting"),
        "a task that a dead worker had begun": (
            *(_received(databases, 1, "dead", "STARTED"), "lost"),
        ),
        "a task that a dead worker had only received": (
            *(_received(databases, 1, "dead"), "lost"),
        ),
        "a task that a living worker has begun": (
            *(_received(databases, 1, alive, "STARTED"), "running"),
        ),
        "a task that a living worker has only received": (
            *(_received(databases, 1, alive), "running"),
        ),
        "a task that has succeeded": (_received(databases, 1, "dead", "SUCCESS"), "done"),
        "a task that has failed": (_received(databases, 1, alive, "FAILURE"), "done"),
    }


def _received(databases: Scratch, times: int, consumer: str, status: str | None = None) -> str:
    """Send a task that a worker has received a number of times; return its id."""
    task_id = databases.send(add, (2, 3), received=True)
    with databases.queue.begin() as connection:
        find = sa.text(f"SELECT max(id) FROM {MESSAGE_TABLE}")
        message = {"message_id": connection.scalar(find), "consumer": consumer}
        connection.execute(sa.insert(deliveries), message)
        count = sa.text(f"UPDATE {MESSAGE_TABLE} SET version = 2 * :n WHERE id = :message_id")
        connection.execute(count, message | {"n": times})
    if status:
        result = ValueError("no") if status == "FAILURE" else None
        databases.store(add, (2, 3), result, status=status, task_id=task_id)
    return task_id


def _list_of_ids(value: Any) -> list[str]:
    if not isinstance(value, list | tuple | set) or not all(isinstance(id_, str) for id_ in value):
        raise WrongAnswer(f"expected a list of task ids, got {shown(value)}.")
    return list(value)


@exercise(
    points=2,
    hints=[
        "The column deliveries of lost_tasks is how many times a worker has received the task.",
        "requeue_lost(results, queue, task_ids) puts back only the tasks with these ids.",
        'lost[lost["deliveries"] < 3] are the rows to put back.',
    ],
)
def exercise_2(recover: Callable[[sa.Engine, sa.Engine], list[str]]) -> str:
    """Check that a function puts lost tasks back, except those that were lost three times."""
    with scratch() as databases, _a_worker_that_lives(databases) as alive:
        tasks = _tasks(databases, alive)
        with case(f"{len(tasks)} tasks") as call:
            left = _list_of_ids(call(recover, databases.results, databases.queue))
        messages = load_messages(databases.queue).set_index("task_id")["waiting"]
        for description, (task_id, comes_back, is_left) in tasks.items():
            with case(description):
                if task_id not in messages.index:
                    raise WrongAnswer("its message is gone from the queue.")
                if messages[task_id] and not comes_back:
                    raise WrongAnswer("it was put back.")
                if comes_back and not messages[task_id]:
                    raise WrongAnswer("it was not put back.")
                if (task_id in left) != is_left:
                    verb = "is missing from" if is_left else "should not be in"
                    raise WrongAnswer(f"its id {verb} the list.")
    return "Tasks that were lost once or twice came back; those that may kill workers did not."


@contextmanager
def _a_worker_that_lives(databases: Scratch) -> Iterator[str]:
    """Hold the lock of a consumer of the queue, as a worker does; yield the consumer's name."""
    name = f"worker-{uuid.uuid4().hex}"
    with FileLock(f"{databases.queue.url.database}-consumers/{name}"):
        yield name


def _tasks(databases: Scratch, alive: str) -> dict[str, tuple[str, bool, bool]]:
    """Fill the databases.

    Return, for each description, the task's id, whether it comes back, and whether it is a lost
    task that must be left alone.
    """
    received = partial(_received, databases)

    return {
        "a task that is waiting for its first worker": (databases.send(add, (2, 3)), True, False),
        "a lost task that was received once": (received(1, "dead"), True, False),
        "a lost task that was received twice": (received(2, "dead", "STARTED"), True, False),
        "a lost task that was received three times": (
            *(received(3, "dead", "STARTED"), False, True),
        ),
        "a lost task that was received five times": (received(5, "dead"), False, True),
        "a task that a living worker has": (received(3, alive, "STARTED"), False, False),
        "a task that is done": (received(1, "dead", "SUCCESS"), False, False),
    }


@exercise(
    points=3,
    hints=[
        "Both statements belong in one transaction: with engine.begin() either both are stored or "
        "neither is.",
        "INSERT OR IGNORE skips a key that exists. The rowcount of its result is 0 then.",
        "Change the balance only if the insert has made a row.",
    ],
)
def exercise_3(deposit: Callable[[sa.Engine, str, int], None]) -> str:
    """Check that a deposit counts once, however often it is made and wherever it is interrupted."""
    with scratch() as databases:
        engine = databases.results
        with engine.begin() as connection:
            connection.exec_driver_sql("CREATE TABLE deposits (key TEXT PRIMARY KEY, amount INT)")
            connection.exec_driver_sql("CREATE TABLE account (balance INT)")
            connection.exec_driver_sql("INSERT INTO account VALUES (0)")
        key = str(uuid.uuid4())
        _expect(engine, deposit, key, 70, 70, "a deposit of 70")
        _expect(engine, deposit, key, 70, 70, "the same deposit of 70, made again")
        _expect(engine, deposit, str(uuid.uuid4()), 70, 140, "a deposit of 70 with another key")
        for place in range(1, MOST_STEPS):
            key, before = str(uuid.uuid4()), 135 + 5 * place
            when = f"a deposit of 5 to {before}, killed before step {place}"
            if not _dies(engine, deposit, key, place, when):
                break
            when += " and run again"
            _expect(engine, deposit, key, 5, before + 5, when)
    return "Wherever your function is killed, a deposit counts once after the second run."


def _expect(
    engine: sa.Engine, deposit: Callable[..., None], key: str, amount: int, right: int, when: str
) -> None:
    with case(when) as call:
        call(deposit, engine, key, amount)
        noted = sa.text("SELECT amount FROM deposits WHERE key = :key")
        with engine.connect() as connection:
            balance = connection.exec_driver_sql("SELECT balance FROM account").scalar()
            amounts = list(connection.scalars(noted, {"key": key}))
        expect(balance, right, "the balance: ")
        expect(amounts, [amount], "the amounts in the table deposits: ")


def _dies(engine: sa.Engine, deposit: Callable[..., None], key: str, place: int, when: str) -> bool:
    """Make a deposit, and die before a statement or a commit; return whether it got that far."""
    steps = 0

    def step(*_: Any) -> None:
        nonlocal steps
        steps += 1
        if steps == place:
            raise Death

    events = ("before_cursor_execute", "commit")
    for event in events:
        sa.event.listen(engine, event, step)
    try:
        with case(when) as call:
            call(deposit, engine, key, 5)
    except Death:
        return True
    finally:
        for event in events:
            sa.event.remove(engine, event, step)
    return False
