"""The exercises of chapter 11: crashes."""

import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa
from filelock import FileLock

from tutorial.broker import queue_engine
from tutorial.database import make_engine
from tutorial.deliveries import deliveries
from tutorial.exercises.checking import Wrong, call, exercise, shown
from tutorial.exercises.quiz import Choice, Question
from tutorial.exercises.scratch import Scratch, scratch
from tutorial.messages import load_messages
from tutorial.recovery import lost_tasks
from tutorial.results import load_results
from tutorial.tables import MESSAGE_TABLE
from tutorial.tasks import add

MOST_STEPS = 30  # statements and commits of a deposit, each of which the check breaks off


@exercise(
    points=1,
    hints=[
        "A lost task was received by a worker that is dead, and has not ended.",
        "lost_tasks(results, queue) of tutorial.recovery finds them, one row a task.",
        'list(table["task_id"]) makes a list of a column.',
    ],
)
def exercise_1(lost: list[str]) -> str:
    """See that the lost tasks of the learner's own workspace are found."""
    found = set(_list_of_ids(lost, "`lost`"))
    results, messages = load_results(make_engine()), load_messages(queue_engine())
    ended = set(results.loc[results["status"] == "SUCCESS", "task_id"])
    begun = set(results["task_id"]) - ended
    waiting = set(messages.loc[messages["waiting"], "task_id"])
    if found - set(messages["task_id"]):
        raise Wrong("`lost` holds something that is the id of no task.")
    if found & ended:
        raise Wrong("`lost` holds a task that is done: its row says SUCCESS.")
    if found & waiting:
        raise Wrong("`lost` holds a task that waits: the next worker will find its message.")
    right = set(lost_tasks(make_engine(), queue_engine())["task_id"])
    if not right:
        raise Wrong("No task is lost any more: run the cell with the crash again.")
    missing = right - found
    if missing & begun:
        raise Wrong("A task is missing in `lost` that a worker had begun: its row says STARTED.")
    if missing:
        raise Wrong("A task is missing in `lost` that a worker had received: it has no row.")
    return "Lost is what was begun and not ended, and what was only received."


def _list_of_ids(value: Any, name: str) -> list[str]:
    if not isinstance(value, list | tuple | set):
        raise Wrong(f"{name} is of the type {type(value).__name__}, and not a list of task ids.")
    for each in value:
        if not isinstance(each, str):
            raise Wrong(f"{name} holds {shown(each)}: a task id is a text.")
    return list(value)


@exercise(
    points=2,
    hints=[
        "The column deliveries of lost_tasks says how often a worker has received a task.",
        "requeue_lost(results, queue, task_ids) puts back only the tasks with these ids.",
        'lost[lost["deliveries"] < 3] are the rows to put back.',
    ],
)
def exercise_2(recover: Callable[[sa.Engine, sa.Engine], list[str]]) -> str:
    """See that a function puts lost tasks back, but for those that were lost three times."""
    with scratch() as databases, _a_worker_that_lives(databases) as alive:
        tasks = _tasks(databases, alive)
        left = _list_of_ids(call(recover, databases.results, databases.queue), "What it returns")
        messages = load_messages(databases.queue).set_index("task_id")["waiting"]
        for description, (task_id, comes_back, is_left) in tasks.items():
            if task_id not in messages.index:
                raise Wrong(f"The message of {description} is gone from the queue.")
            if messages[task_id] and not comes_back:
                raise Wrong(f"It has put back {description}.")
            if comes_back and not messages[task_id]:
                raise Wrong(f"It has not put back {description}.")
            if (task_id in left) != is_left:
                verb = "does not return" if is_left else "returns"
                raise Wrong(f"It {verb} the id of {description}.")
    return "What was lost once or twice came back, and what may kill workers was left alone."


@contextmanager
def _a_worker_that_lives(databases: Scratch) -> Iterator[str]:
    """Hold the lock of a consumer of the queue, as a worker does; yield the consumer's name."""
    name = f"worker-{uuid.uuid4().hex}"
    with FileLock(f"{databases.queue.url.database}-consumers/{name}"):
        yield name


def _tasks(databases: Scratch, alive: str) -> dict[str, tuple[str, bool, bool]]:
    """Fill the databases.

    Return of each task a description, its id, whether it comes back, and whether it is a task that
    was lost and must be left alone.
    """

    def received(times: int, consumer: str, status: str | None = None) -> str:
        task_id = databases.send(add, (2, 3), received=True)
        with databases.queue.begin() as connection:
            find = sa.text(f"SELECT max(id) FROM {MESSAGE_TABLE}")
            message = {"message_id": connection.scalar(find), "consumer": consumer}
            connection.execute(sa.insert(deliveries), message)
            count = sa.text(f"UPDATE {MESSAGE_TABLE} SET version = 2 * :n WHERE id = :message_id")
            connection.execute(count, message | {"n": times})
        if status:
            databases.store(add, (2, 3), status=status, task_id=task_id)
        return task_id

    return {
        "a task that waits for its first worker": (databases.send(add, (2, 3)), True, False),
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
        "Both statements belong into one transaction: with engine.begin() either both stay or "
        "neither does.",
        "INSERT OR IGNORE skips a key that is there. Its result's rowcount says whether it did.",
        "The balance changes only if the insert has made a row.",
    ],
)
def exercise_3(deposit: Callable[[sa.Engine, str, int], None]) -> str:
    """See that a deposit counts once, however often it is made and wherever it is broken off."""
    with scratch() as databases:
        engine = databases.results
        with engine.begin() as connection:
            connection.exec_driver_sql("CREATE TABLE deposits (key TEXT PRIMARY KEY, amount INT)")
            connection.exec_driver_sql("CREATE TABLE account (balance INT)")
            connection.exec_driver_sql("INSERT INTO account VALUES (0)")
        key = str(uuid.uuid4())
        _expect(engine, deposit, key, 70, 70, "After a deposit of 70")
        _expect(engine, deposit, key, 70, 70, "After the same deposit of 70 for the second time")
        _expect(engine, deposit, str(uuid.uuid4()), 70, 140, "After 70 with another key")
        for place in range(1, MOST_STEPS):
            key, before = str(uuid.uuid4()), 135 + 5 * place
            if not _dies(engine, deposit, key, place):
                break
            when = (
                f"Killed before its step {place} and run again, after a deposit of 5 to {before},"
            )
            _expect(engine, deposit, key, 5, before + 5, when)
    return "Killed at any step and run again, a deposit counts once."


def _expect(
    engine: sa.Engine, deposit: Callable[..., None], key: str, amount: int, right: int, when: str
) -> None:
    call(deposit, engine, key, amount)
    with engine.connect() as connection:
        balance = connection.exec_driver_sql("SELECT balance FROM account").scalar()
        noted = connection.execute(
            sa.text("SELECT amount FROM deposits WHERE key = :key"), {"key": key}
        ).all()
    if balance != right:
        raise Wrong(f"{when} the balance is {shown(balance)}, and {right} is right.")
    if [*map(tuple, noted)] != [(amount,)]:
        raise Wrong(f"{when} the table deposits holds {shown(noted)} for the key.")


class _Death(BaseException):
    """The end of a worker; no `except Exception` outlives it."""


def _dies(engine: sa.Engine, deposit: Callable[..., None], key: str, place: int) -> bool:
    """Make a deposit, and die before a statement or a commit; return whether it came so far."""
    steps = 0

    def step(*_: Any) -> None:
        nonlocal steps
        steps += 1
        if steps == place:
            raise _Death

    events = ("before_cursor_execute", "commit")
    for event in events:
        sa.event.listen(engine, event, step)
    try:
        call(deposit, engine, key, 5)
    except _Death:
        return True
    finally:
        for event in events:
            sa.event.remove(engine, event, step)
    return False


question_1 = Question(
    "A worker was killed. Which task is not lost?",
    Choice(
        "The one that it had begun.",
        "Its row says STARTED, and will for ever, unless somebody puts its message back.",
    ),
    Choice(
        "The one that it held until a process was free.",
        "Its message waits no more, and it has no row: only the table of deliveries knows of it.",
    ),
    Choice(
        "The one whose message still waits.",
        "No worker has received it, so the next one will.",
        right=True,
    ),
)
question_2 = Question(
    "A task is put back after a crash. What does its second run know of the first?",
    Choice(
        "Nothing: it begins again.",
        "What the first run has done stays done, so the task must be idempotent.",
        right=True,
    ),
    Choice("Where the first one stopped.", "Nobody has written that down, on no broker."),
    Choice("Its return value.", "There is none: a task with a result was not lost."),
)
question_3 = Question(
    "acks_late=True, the embedded queue, and the whole worker is killed. What of its tasks?",
    Choice("They are delivered again at once.", "RabbitMQ does so: a server sees the death."),
    Choice(
        "They are lost until requeue_lost puts them back.",
        "The queue is a file, and a file does not notice that a consumer is gone.",
        right=True,
    ),
    Choice("They are recorded as FAILURE.", "Who should write the row? The worker is dead."),
)
question_4 = Question(
    "Memory ran out, and the system killed one process of the pool. What does the row say?",
    Choice("STARTED, for ever.", "So it would if the main process had died with it."),
    Choice("PENDING.", "A task that has ended badly has a row."),
    Choice(
        "FAILURE, with a WorkerLostError.",
        "The main process has noticed. With reject_on_worker_lost it would have put it back.",
        right=True,
    ),
)
question_5 = Question(
    "Why does the course's worker try for so long to store a result in a file?",
    Choice(
        "Otherwise a full disk turns a success into a FAILURE.",
        "After four tries Celery records a BackendStoreError in place of the result.",
        right=True,
    ),
    Choice("The task would run again.", "Nothing runs it again: its message was received."),
    Choice("SQLite loses every tenth row.", "What it has committed it keeps."),
)
