"""The exercises of chapter 00: the whole course in miniature."""

from collections.abc import Callable
from typing import Any

import sqlalchemy as sa
from celery.result import AsyncResult

from tutorial.broker import queue_engine
from tutorial.database import make_engine
from tutorial.exercises.checking import WrongAnswer, case, exercise, expect, shown, wait_until
from tutorial.exercises.scratch import Scratch, scratch
from tutorial.messages import load_messages
from tutorial.results import load_results
from tutorial.tasks import add, divide


@exercise(
    points=1,
    hints=[
        "add.delay sends the task and returns an AsyncResult, a handle that carries the task id.",
        "The handle's method get waits for the result and returns it.",
    ],
)
def exercise_1(number: int, answer: AsyncResult, total: int) -> str:
    """Check that a worker has added 2 to a number, and that the sum came back."""
    if answer == number + 2:
        raise WrongAnswer("`answer` is the sum itself, not the handle that sending a task returns.")
    if not isinstance(answer, AsyncResult):
        raise WrongAnswer(
            f"`answer` should be what sending a task returns, but is {shown(answer)}."
        )
    row = _row(answer)
    arguments = [*(row["args"] or []), *(row["kwargs"] or {}).values()]
    if row["name"] != add.name or arguments not in ([number, 2], [2, number]):
        raise WrongAnswer(
            f"The task that you sent is {row['name']} with the arguments {arguments}."
        )
    if isinstance(total, AsyncResult):
        raise WrongAnswer("`total` is a handle, not the sum: its method get waits for the sum.")
    if type(total) is not int or total != number + 2:
        raise WrongAnswer(f"`total` is {shown(total)}, but the row says {row['result']}.")
    return "The worker computed the sum, which came back through the database."


def _row(answer: AsyncResult) -> dict[str, Any]:
    """Return the stored row of a task that has ended."""
    wait_until(add.AsyncResult(answer.id).ready)
    results = load_results(make_engine())
    rows = results[results["task_id"] == answer.id].to_dict("records")
    if not rows:
        raise WrongAnswer("The task of `answer` has no row in the database: no worker has run it.")
    return rows[0]


@exercise(
    points=2,
    hints=[
        "Our worker takes its messages from queue.db, and stores results in results.db.",
        "One program sends to a different queue. The other program sends to the worker's queue, "
        "but looks for its result in another database.",
        "The worker's result is in results.db, in the row with the other program's task id. "
        "load_results(make_engine(results)) reads the table, and add.AsyncResult(task_id).get() "
        "returns its result.",
    ],
)
def exercise_2(asked: dict[str, AsyncResult], stuck: str, total: int) -> str:
    """Check which of two programs sends where no worker listens, and the sum of the other one."""
    sent = set(load_messages(queue_engine())["task_id"])
    arrived = {name: handle for name, handle in asked.items() if handle.id in sent}
    if type(stuck) is not str or stuck not in asked:
        raise WrongAnswer(f"`stuck` should be one of {shown([*asked])}, but is {shown(stuck)}.")
    if stuck in arrived:
        raise WrongAnswer(
            f"The message of {stuck!r} is in our queue, and the worker has run the task, but that "
            "program looks for the result elsewhere."
        )
    if isinstance(total, AsyncResult):
        raise WrongAnswer("`total` is a handle, not the sum: its method get waits for the sum.")
    if isinstance(total, bytes):
        raise WrongAnswer(
            f"`total` is {shown(total)}, the bytes of a JSON text: load_results decodes them."
        )
    ((name, handle),) = arrived.items()
    if type(total) is not int or total != _row(handle)["result"]:
        raise WrongAnswer(
            f"`total` is {shown(total)}, which is not the result in the row of {name!r}."
        )
    return "Bob's program uses a different broker, and Ada's uses a different result backend."


@exercise(
    points=3,
    hints=[
        "load_results(engine) reads the table, with one row for each task.",
        "Its column worker names the worker, and its column status says how the task ended.",
        "results[results['worker'] == hostname] are the rows of one worker, and len counts them.",
    ],
)
def exercise_3(count_done: Callable[[sa.Engine, str], int]) -> str:
    """Check that a function counts the tasks that have succeeded on a worker."""
    with scratch() as databases:
        for hostname, right in _workers(databases).items():
            with case(f"the worker {hostname}") as call:
                expect(call(count_done, databases.results, hostname), right)
    return "Your function counts the successful tasks of one worker, and no others."


def _workers(databases: Scratch) -> dict[str, int]:
    """Fill the database; return how many tasks have succeeded on each worker."""
    databases.store(add, (2, 3), 5, worker="celery@ada")
    databases.store(divide, (3, 2), 1.5, worker="celery@ada")
    failed = ZeroDivisionError("division by zero")
    databases.store(divide, (3, 0), failed, status="FAILURE", worker="celery@ada")
    databases.store(add, (2, 3), 5, worker="celery@ada-2")
    databases.store(add, (2, 3), status="STARTED", worker="celery@ada-2")
    return {"celery@ada": 2, "celery@ada-2": 1, "celery@nobody": 0}
