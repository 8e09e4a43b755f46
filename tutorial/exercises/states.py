"""The exercises of chapter 07: states."""

import uuid
from collections.abc import Callable
from typing import Any

import pandas as pd
import sqlalchemy as sa
from celery import Task
from celery.exceptions import BackendStoreError
from celery.result import AsyncResult

from tutorial.exercises.checking import WrongAnswer, case, exercise, shown, wait_until
from tutorial.exercises.failures import messages_of, row_of
from tutorial.exercises.scratch import Scratch, scratch
from tutorial.messages import load_messages
from tutorial.tasks import add, count_to, fetch


@exercise(
    points=2,
    hints=[
        "The messages are in the table kombu_message. Its column payload is JSON, which holds the "
        "task id: json_extract(payload, '$.headers.id').",
        "Workers ignore a message with visible = 0.",
        "The rowcount of an UPDATE is the number of changed rows; engine.begin() commits.",
    ],
)
def exercise_1(take_back: Callable[[str, sa.Engine], bool]) -> str:
    """Check that a function takes a task's message out of the queue, if it is still waiting."""
    with scratch() as databases:
        never_sent = str(uuid.uuid4())
        other = databases.send(add, (2, 3), root_id=never_sent)
        waiting = databases.send(add, (2, 3), root_id=other)
        # Messages name other tasks too, as those of a chain do.
        last = databases.send(add, (2, 3), root_id=waiting)
        received = databases.send(add, (2, 3), received=True)
        for description, task_id, right, left in [
            ("a task that was never sent", never_sent, False, {other, waiting, last}),
            ("a task that is waiting", waiting, True, {other, last}),
            ("a task that was received", received, False, {other, last}),
            ("a task that was taken back before", waiting, False, {other, last}),
        ]:
            with case(description) as call:
                returned = call(take_back, task_id, databases.queue)
                _see_taken(databases, returned, task_id, right, left)
    return "Your function takes back a waiting task and no other, and says whether it was in time."


def _see_taken(
    databases: Scratch, returned: Any, task_id: str, right: bool, left: set[str]
) -> None:
    """Check what the function returned for one task, and which messages are waiting afterwards."""
    if type(returned) not in (bool, int):  # an int can be a count of rows
        raise WrongAnswer(f"expected {right}, got {shown(returned)}.")
    messages = load_messages(databases.queue)
    waiting = set(messages.loc[messages["waiting"], "task_id"])
    if task_id in waiting:
        raise WrongAnswer(
            f"it returned {returned}, but the message is still waiting: "
            "did the query find it, and was it committed?"
        )
    if left - waiting:
        raise WrongAnswer("it took another task's message.")
    if waiting - left:
        raise WrongAnswer("it put a message back into the queue.")
    if returned != right:
        raise WrongAnswer(f"expected {right}, got {returned}.")


@exercise(
    points=2,
    hints=[
        "apply_async takes the arguments as a list, and a task_id.",
        "A row with the status SUCCESS is never changed again, but it can be deleted.",
        "first.forget() deletes the row; then the id is free again.",
    ],
)
def exercise_2(again: AsyncResult, first: AsyncResult) -> str:
    """Check that a task ran again with the same id, and that its new result is stored."""
    messages = messages_of(again, "again")
    if again.id != first.id:
        raise WrongAnswer("`again` has a different task id from `first`.")
    if messages["queue"].iloc[-1] != "celery":
        raise WrongAnswer(
            f"The message is waiting in the queue {messages['queue'].iloc[-1]!r}, but the worker "
            "listens on the queue 'celery'."
        )
    arguments = [[*args, *kwargs.values()] for args, kwargs in messages[["args", "kwargs"]].values]
    if [20, 22] not in arguments:
        raise WrongAnswer(f"The last message with this id has the arguments {arguments[-1]}.")
    if not wait_until(lambda: row_of(first.id) is not None):
        raise WrongAnswer("There is no row with this id: was it forgotten after the second run?")
    row = row_of(first.id)
    result = row["result"]
    if result == 2:
        raise WrongAnswer(
            "The row still says 2: Celery does not store another result over a SUCCESS."
        )
    if result != 42:
        raise WrongAnswer(f"The row: expected 42, got {shown(result)}.")
    if pd.isna(row["worker"]):
        raise WrongAnswer(
            "The row says 42, but no worker has stored it: the task itself should have run."
        )
    return "The row with this id now says 42."


@exercise(
    points=3,
    hints=[
        "A trigger AFTER UPDATE ON celery_taskmeta runs whenever a state is stored, including the "
        "first one.",
        "Inside a trigger, OLD and NEW are the row before and after the change.",
        "A trigger can have a condition: AFTER UPDATE ON celery_taskmeta WHEN ... BEGIN ... END.",
    ],
)
def exercise_3(keep_steps: Callable[[sa.Engine], object]) -> str:
    """Check that a function makes the database record each change of a task's state once."""
    with scratch() as databases:
        databases.store(add, (2, 3), 5)  # Celery makes its tables
        with case("a database with one finished task") as call:
            call(keep_steps, databases.results)
        for task, states in SEQUENCES:
            with case(f"a task that goes through {' → '.join(states)}"):
                _see_steps(databases, task, states)
    return "Each change of state is one step, and the steps are in order."


# Tasks, not their names: to ask for a name here would read the configuration too early.
SEQUENCES = [
    (add, ["SUCCESS"]),
    (count_to, ["STARTED", "PROGRESS", "PROGRESS", "PROGRESS", "SUCCESS"]),
    (fetch, ["STARTED", "RETRY", "STARTED", "RETRY", "STARTED", "FAILURE"]),
]


def _see_steps(databases: Scratch, task: Task, states: list[str]) -> None:
    """Store the states of one task, and see which steps are recorded."""
    task_id = str(uuid.uuid4())
    try:
        for number, state in enumerate(states):
            failed = state in ("RETRY", "FAILURE")
            result = ConnectionError("no answer") if failed else {"done": number}
            databases.store(task, (2,), result, status=state, task_id=task_id)
    except BackendStoreError as error:
        reason = getattr(error.__cause__ or error.__context__, "orig", error)
        raise WrongAnswer(f"Celery can no longer store anything: {reason}.") from None
    query = sa.text("SELECT status FROM steps WHERE task_id = :id ORDER BY id")
    try:
        with databases.results.connect() as connection:
            found = list(connection.scalars(query, {"id": task_id}))
    except sa.exc.OperationalError as error:
        raise WrongAnswer(f"the steps cannot be read: {error.orig}.") from None
    right = [new for old, new in zip(["", *states], states, strict=False) if old != new]
    if found != right:
        raise WrongAnswer(
            f"Celery has stored {' → '.join(states)}, and the steps are "
            f"{' → '.join(map(str, found)) or 'none'}."
        )
