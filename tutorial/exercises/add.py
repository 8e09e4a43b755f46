"""The exercises of chapter 03: the life of ``add(2, 3)``."""

import uuid
from collections.abc import Callable
from typing import Any

import sqlalchemy as sa
from celery.result import AsyncResult

from tutorial.broker import queue_engine
from tutorial.exercises.checking import WrongAnswer, case, exercise, expect, shown, wait_until
from tutorial.exercises.scratch import Scratch, scratch
from tutorial.messages import load_messages
from tutorial.tasks import add, divide
from tutorial.worker import Worker

STATES = {  # of the five handles, after a worker that serves the default queue; and why
    "a": ("SUCCESS", "its message asks for a task that the worker has, with two numbers."),
    "b": ("FAILURE", "the worker runs the task, which divides by zero."),
    "c": ("FAILURE", "the worker gets the message, but has no task of that name."),
    "d": ("PENDING", "the worker serves the queue celery: is the message there?"),
    "e": ("PENDING", "no message has this id, so no worker stores a row for it."),
}


@exercise(
    points=1,
    hints=[
        "A worker stores a row for each message that it gets from its queue. Which of the five "
        "have such a message?",
        "PENDING means that there is no row. Two of the handles will have none.",
        "A worker cannot run a task that its module does not have, and it stores that as a "
        "FAILURE: see the section on NotRegistered.",
    ],
)
def exercise_1(states: dict[str, str]) -> str:
    """Check that the states of the five handles are those that a worker will bring about."""
    if not isinstance(states, dict) or {*states} != {*STATES}:
        raise WrongAnswer(
            f"`states` should be a dictionary with the keys {', '.join(STATES)}, "
            f"but is {shown(states)}."
        )
    for name, (right, why) in STATES.items():
        if type(states[name]) is not str or states[name] != right:
            raise WrongAnswer(f"{name} will not be {shown(states[name])}: {why}")
    return "Exercise 2 compares this with what a worker does."


@exercise(
    points=2,
    hints=[
        "load_messages(queue_engine()) shows in which queue each message is waiting; queue_engine "
        "is in tutorial.broker.",
        "A Worker serves the queue celery unless its parameter queues names others; its parameter "
        "concurrency is the number of tasks that run at once.",
        "queues takes a list of names. Make the Worker, then start it with its method start.",
    ],
)
def exercise_2(worker: Worker, handles: dict[str, AsyncResult]) -> str:
    """Check that a worker with one process is running, and has run all that was sent."""
    if not isinstance(worker, Worker):
        raise WrongAnswer(f"`worker` should be a Worker, but is {shown(worker)}.")
    if worker.status != "ready":
        raise WrongAnswer(
            f"The worker should be ready, but its status is {worker.status!r}: was it started?"
        )
    if worker.concurrency != 1:
        raise WrongAnswer(f"The worker runs {worker.concurrency} tasks at once: expected one.")
    messages = load_messages(queue_engine()).set_index("task_id")
    sent = {name: handle for name, handle in handles.items() if handle.id in messages.index}
    for name, handle in sent.items():
        queue = messages.loc[handle.id, "queue"]
        if queue not in worker.queues.split(","):
            raise WrongAnswer(
                f"The message of {name} is in the queue {queue!r}, "
                f"but the worker serves {worker.queues!r}."
            )
    if not wait_until(lambda: all(handle.ready() for handle in sent.values())):
        raise WrongAnswer("The worker is running, but it did not finish the tasks in time.")
    for name, handle in sent.items():
        expected = "SUCCESS" if name == "d" else STATES[name][0]
        if handle.state != expected:
            raise WrongAnswer(f"The task {name} ended as {handle.state}: {shown(handle.result)}.")
    return "The worker has run all four tasks that were sent; only e is still PENDING."


@exercise(
    points=2,
    hints=[
        "The chapter joins the two tables by the task's id, json_extract(payload, '$.headers.id').",
        "A message that was received has visible = 0.",
        "A LEFT JOIN keeps messages without a row; their task_id is NULL.",
    ],
)
def exercise_3(query: str) -> str:
    """Check that a query finds the tasks that were received and have no row."""
    if not isinstance(query, str):
        raise WrongAnswer(f"`query` should be a string, but is {shown(query)}.")
    with scratch() as databases:
        others = {
            databases.send(add, (2, 3)): "is still waiting",
            _done(databases): "has a row",
            databases.store(divide, (3, 2), 1.5): "has a row, and no message",
        }
        for number in (0, 2):
            right = [databases.send(add, (2, 3), received=True) for _ in range(number)]
            with case(f"{number} tasks that were received and have no row"):
                found = _ids(databases, query)
                for task_id in found:
                    if task_id not in right:
                        raise WrongAnswer(f"the query also returns {_kind(task_id, others)}.")
                expect(len(found), len(right), "the number of tasks: ")
    return "The query finds the tasks that are running or lost, and no others."


def _done(databases: Scratch) -> str:
    return databases.store(add, (2, 3), 5, task_id=databases.send(add, (2, 3), received=True))


def _kind(task_id: Any, others: dict[str, str]) -> str:
    return f"a task that {others[task_id]}" if task_id in others else shown(task_id)


def _ids(databases: Scratch, query: str) -> list[Any]:
    """Return the first column of what a query finds in the results, with the queue attached."""
    with databases.results.connect() as connection:
        connection.detach()  # the pool must not keep a connection with the attached file
        attach = sa.text("ATTACH :file AS queue")
        connection.execute(attach, {"file": databases.queue.url.database})
        try:
            return list(connection.execute(sa.text(query)).scalars())
        except sa.exc.ResourceClosedError:
            raise WrongAnswer("the query returns no rows: it is not a SELECT.") from None
        except sa.exc.SQLAlchemyError as error:
            reason = getattr(error, "orig", None) or error
            raise WrongAnswer(f"the database cannot run the query: {reason}.") from None


@exercise(
    points=3,
    hints=[
        "Look at the row in celery_taskmeta first: is its status a final one, or STARTED?",
        "Without a row, look at the message: load_messages(queue) has the columns task_id and "
        "waiting.",
        "A message that is no longer waiting, and has no final row, was taken.",
    ],
)
def exercise_4(where_is: Callable[[str, sa.Engine, sa.Engine], str]) -> str:
    """Check that a function tells from both databases where a task is."""
    with scratch() as databases:
        for description, (task_id, right) in _tasks(databases).items():
            with case(description) as call:
                expect(call(where_is, task_id, databases.results, databases.queue), right)
    return "Your function recognizes waiting, taken and finished tasks, and ids never sent."


def _tasks(databases: Scratch) -> dict[str, tuple[str, str]]:
    """Fill the databases; return, for each description, the task's id and where it is."""
    never_sent = str(uuid.uuid4())
    # Messages name other tasks too, as those of a chain do.
    waiting = databases.send(add, (2, 3), root_id=never_sent)
    taken, begun, done, failed = (databases.send(add, (2, 3), received=True) for _ in range(4))
    databases.store(add, (2, 3), status="STARTED", task_id=begun)
    databases.store(add, (2, 3), 5, task_id=done)
    databases.store(add, (2, 3), ValueError("no"), status="FAILURE", task_id=failed)
    return {
        "a task that was never sent": (never_sent, "unknown"),
        "a task that is waiting in the queue": (waiting, "waiting"),
        "a task whose message was received, without a row": (taken, "taken"),
        "a task with a row that says STARTED": (begun, "taken"),
        "a task with a row that says SUCCESS": (done, "done"),
        "a task with a row that says FAILURE": (failed, "done"),
    }
