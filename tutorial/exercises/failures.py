"""The exercises of chapter 06: failures."""

import uuid
from collections.abc import Callable
from datetime import datetime
from random import randint
from typing import Any

import pandas as pd
import sqlalchemy as sa
from celery import Task
from celery.exceptions import BackendStoreError
from celery.result import AsyncResult, EagerResult
from kombu.exceptions import EncodeError

from tutorial.broker import queue_engine
from tutorial.database import make_engine
from tutorial.exercises.checking import Wrong, call, exercise, first_line, shown, wait_until
from tutorial.exercises.quiz import Choice, Question
from tutorial.exercises.scratch import Scratch, scratch
from tutorial.messages import load_messages
from tutorial.results import load_results
from tutorial.tasks import add, app, count_to, divide, fetch


@exercise(
    points=1,
    hints=[
        "Python raises a TypeError when you divide what is no number.",
        "The task is sent with delay, like one that succeeds: it fails at the worker.",
    ],
)
def exercise_1(answer: AsyncResult) -> str:
    """See that the task ``divide`` has failed at the worker, with a TypeError."""
    messages = _messages_of(answer, "answer")
    if messages["name"].iloc[0] != divide.name:
        raise Wrong(f"The message asks for the task {messages['name'].iloc[0]}.")
    if messages["queue"].iloc[0] != "celery":
        raise Wrong(
            f"The message waits in the queue {messages['queue'].iloc[0]!r}, and the worker "
            "listens on the queue 'celery'."
        )
    if not wait_until(lambda: _row(answer.id) is not None):
        raise Wrong("The task has no row: was its result ignored, or does the worker not run?")
    row = _row(answer.id)
    if row["status"] == "SUCCESS":
        raise Wrong(f"The task did not fail: it returned {shown(row['result'])}.")
    if row["status"] != "FAILURE":
        raise Wrong(f"The row says {row['status']}, and not FAILURE.")
    if row["exception"] != "TypeError":
        raise Wrong(f"The task failed with a {row['exception']}, and not with a TypeError.")
    return "The row says FAILURE, with a TypeError and its traceback."


def _messages_of(answer: Any, name: str) -> pd.DataFrame:
    """Return the messages of a task that the learner has sent; there is one at least."""
    if isinstance(answer, EagerResult):
        raise Wrong("The task ran here, in the notebook, and no worker knows of it.")
    if not isinstance(answer, AsyncResult):
        raise Wrong(f"`{name}` is {shown(answer)}, and not what sending a task returns.")
    messages = load_messages(queue_engine())
    own = messages[messages["task_id"] == answer.id]
    if own.empty:
        raise Wrong(f"There is no message with the task id of `{name}` in the queue.")
    return own


def _row(task_id: str) -> Any:
    """Return the row of a task in the learner's table, or None."""
    results = load_results(make_engine())
    own = results[results["task_id"] == task_id]
    return None if own.empty else own.iloc[0]


@exercise(
    points=2,
    hints=[
        "The sum of a column is a NumPy integer: int makes one of Python's of it.",
        "tolist makes a list of Python's numbers of a column.",
        "The latest of no days is NaT, which would come back as a day in the year 1. pd.isna "
        "knows it, and to_pydatetime makes a datetime of any other Timestamp.",
    ],
)
def exercise_2(report: Callable[[pd.DataFrame], dict[str, Any]]) -> str:
    """See that a function returns a report that comes back from the table as it was."""
    sold = [randint(10, 99) for _ in range(randint(3, 6))]
    latest = datetime(2026, 1, len(sold))
    days = pd.Series(pd.date_range("2026-01-01", latest)[::-1])
    days.iloc[[0, 1]] = [pd.NaT, latest]
    for day, last in [(days, latest), (days.where(days.isna()), None)]:
        right = {"total": sum(sold), "sold": sold, "last": last}
        returned = call(report, pd.DataFrame({"day": day, "sold": sold}))
        if isinstance(returned, pd.DataFrame):
            raise Wrong("The function returns a DataFrame, for which JSON has no word.")
        if not isinstance(returned, dict):
            raise Wrong(f"The function returns {shown(returned)}, and not a dictionary.")
        for key, value in right.items():
            if key not in returned:
                raise Wrong(f"The report has no {key!r}.")
            _see_it_comes_back(key, returned[key], value)
        if set(returned) != set(right):
            raise Wrong(f"The report has the keys {shown(list(returned))}, which are too many.")
    return "The report can be stored, and comes back with the same values of the same types."


def _see_it_comes_back(key: str, returned: Any, right: Any) -> None:
    """See that one value of a report is right, and is the same after it was stored and read."""
    try:
        back = app.backend.decode(app.backend.encode(returned))
    except EncodeError as error:
        raise Wrong(f"Celery cannot store {key!r}: {first_line(error)}.") from None
    if repr(back) != repr(returned):
        raise Wrong(f"{key!r} is {shown(returned)}, and comes back as {shown(back)}.")
    if back != right:
        raise Wrong(f"{key!r} is {shown(back)}, and {shown(right)} is right.")


@exercise(
    points=2,
    hints=[
        "The messages are in the table kombu_message. The task's id is in the JSON of its column "
        "payload: json_extract(payload, '$.headers.id').",
        "A message with visible = 0 is received by nobody. It was received already if it has that.",
        "An UPDATE says in its rowcount how many rows it has changed; engine.begin() commits it.",
    ],
)
def exercise_3(take_back: Callable[[str, sa.Engine], bool]) -> str:
    """See that a function takes a task's message out of the queue, if it still waits."""
    with scratch() as databases:
        never_sent = str(uuid.uuid4())
        other = databases.send(add, (2, 3), root_id=never_sent)
        waiting = databases.send(add, (2, 3), root_id=other)
        # Messages name other tasks too, as those of a chain do.
        last = databases.send(add, (2, 3), root_id=waiting)
        received = databases.send(add, (2, 3), received=True)
        _take_back(
            take_back, databases, "was never sent", never_sent, False, {other, waiting, last}
        )
        _take_back(take_back, databases, "waits", waiting, True, {other, last})
        _take_back(take_back, databases, "was received", received, False, {other, last})
        _take_back(take_back, databases, "was taken back before", waiting, False, {other, last})
    return "It takes back a task that waits, leaves all others, and says whether it was in time."


def _take_back(
    function: Callable[..., Any],
    databases: Scratch,
    description: str,
    task_id: str,
    right: bool,
    left: set[str],
) -> None:
    """See what the function says of one task, and which messages wait afterwards."""
    found = call(function, task_id, databases.queue)
    if found not in (True, False):
        raise Wrong(f"The function returns {shown(found)}, neither True nor False.")
    messages = load_messages(databases.queue)
    waiting = set(messages.loc[messages["waiting"], "task_id"])
    if task_id in waiting:
        raise Wrong(
            f"For a task that {description} it returns {found}, and the message still waits: "
            "did the query find it, and was there a commit?"
        )
    if left - waiting:
        raise Wrong(f"For a task that {description} it took another task's message.")
    if waiting - left:
        raise Wrong(f"For a task that {description} it put a message back into the queue.")
    if found != right:
        raise Wrong(f"For a task that {description} it returns {found}, and {right} is right.")


@exercise(
    points=2,
    hints=[
        "apply_async takes the arguments as a list, and a task_id.",
        "A row that says SUCCESS is never changed again, but it can be deleted.",
        "first.forget() deletes the row; then the same id is free again.",
    ],
)
def exercise_4(again: AsyncResult, first: AsyncResult) -> str:
    """See that a task ran a second time with the same id, and that its new result is stored."""
    messages = _messages_of(again, "again")
    if again.id != first.id:
        raise Wrong("`again` has another task id than `first`.")
    if messages["queue"].iloc[-1] != "celery":
        raise Wrong(
            f"The message waits in the queue {messages['queue'].iloc[-1]!r}, and the worker "
            "listens on the queue 'celery'."
        )
    arguments = [[*args, *kwargs.values()] for args, kwargs in messages[["args", "kwargs"]].values]
    if [20, 22] not in arguments:
        raise Wrong(f"The last message with this id asks for the arguments {arguments[-1]}.")
    if not wait_until(lambda: _row(first.id) is not None):
        raise Wrong("There is no row of this id: was it forgotten after the second run?")
    row = _row(first.id)
    result = row["result"]
    if result == 2:
        raise Wrong("The row still says 2: the second run's result is not stored over a SUCCESS.")
    if result != 42:
        raise Wrong(f"The row says {shown(result)}, and 42 is right.")
    if pd.isna(row["worker"]):
        raise Wrong("The row says 42, and no worker has stored it: the task itself was to run.")
    return "The row of the same id says 42 now."


@exercise(
    points=3,
    hints=[
        "A trigger AFTER UPDATE ON celery_taskmeta runs after every storing, also of the first "
        "state.",
        "Inside a trigger, OLD and NEW are the row before and after.",
        "A trigger has a condition: AFTER UPDATE ON celery_taskmeta WHEN ... BEGIN ... END.",
    ],
)
def exercise_5(keep_steps: Callable[[sa.Engine], object]) -> str:
    """See that a function makes the database note each change of a task's state, once."""
    with scratch() as databases:
        databases.store(add, (2, 3), 5)  # Celery makes its tables
        call(keep_steps, databases.results)
        for task, states in STORIES:
            _see_steps(databases, task, states)
    return "Each change of state is a step, in order, and a state that stays is not noted again."


# Tasks, and not their names: to ask for a name here would read the configuration too early.
STORIES = [
    (add, ["SUCCESS"]),
    (count_to, ["STARTED", "PROGRESS", "PROGRESS", "PROGRESS", "SUCCESS"]),
    (fetch, ["STARTED", "RETRY", "STARTED", "RETRY", "STARTED", "FAILURE"]),
]


def _see_steps(databases: Scratch, task: Task, states: list[str]) -> None:
    """Store the states of one task, and see which steps are noted."""
    task_id = str(uuid.uuid4())
    try:
        for number, state in enumerate(states):
            failed = state in ("RETRY", "FAILURE")
            result = ConnectionError("no answer") if failed else {"done": number}
            databases.store(task, (2,), result, status=state, task_id=task_id)
    except BackendStoreError as error:
        reason = getattr(error.__cause__ or error.__context__, "orig", error)
        raise Wrong(f"Celery can store nothing any more: {reason}.") from None
    query = sa.text("SELECT status FROM steps WHERE task_id = :id ORDER BY id")
    try:
        with databases.results.connect() as connection:
            found = list(connection.scalars(query, {"id": task_id}))
    except sa.exc.OperationalError as error:
        raise Wrong(f"The steps cannot be read: {error.orig}.") from None
    right = [new for old, new in zip(["", *states], states, strict=False) if old != new]
    if found != right:
        raise Wrong(
            f"Celery has stored {' → '.join(states)}, and the steps are "
            f"{' → '.join(map(str, found)) or 'none'}."
        )


question_1 = Question(
    "With the embedded queue, what does app.control.revoke(task_id) do?",
    Choice("It deletes the message.", "It never touches the queue: it speaks to the workers."),
    Choice(
        "Nothing, and it raises no error.",
        "It is remote control, which needs Redis or RabbitMQ.",
        right=True,
    ),
    Choice("It sets the status REVOKED.", "Only a worker that hears of it would store that."),
)
question_2 = Question(
    "A task has worked for an hour, and returns a set. What is stored?",
    Choice("The set, as a list.", "So a tuple would be stored. JSON has no word for a set."),
    Choice("A SUCCESS without a result.", "The state comes with the result, or not at all."),
    Choice(
        "A FAILURE with an EncodeError.",
        "The work is lost, because its result could not be stored.",
        right=True,
    ),
)
question_3 = Question(
    "A row says SUCCESS. You send a task with the same id. What happens?",
    Choice(
        "The task runs, and the row stays as it was.",
        "Celery protects a SUCCESS, also from a message that is delivered twice.",
        right=True,
    ),
    Choice("The task does not run.", "The worker does not look at the row before it starts."),
    Choice("The row holds the new result.", "A FAILURE would be overwritten so; a SUCCESS not."),
)
question_4 = Question(
    "The row of a failed task has no traceback. What may have happened?",
    Choice("The exception had no message.", "A traceback is stored in any case of an exception."),
    Choice(
        "A hard time limit killed its process.",
        "The worker's main process stores the row, and does not know where the task was.",
        right=True,
    ),
    Choice("A soft time limit was reached.", "It raises inside the task, so there is one."),
)
question_5 = Question(
    "How can a program tell a task that waits from an id that was never sent?",
    Choice("By the state PENDING.", "Both are PENDING: neither has a row."),
    Choice("By get with a timeout.", "Both end in a TimeoutError."),
    Choice(
        "By a row that is stored just before publishing.",
        "before_task_publish is the place for it; the chapter's state SENT is such a row.",
        right=True,
    ),
)
