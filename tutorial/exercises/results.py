"""The exercises of chapter 04: results in pandas."""

import pickle
import tempfile
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from random import randint
from typing import Any

import numpy as np
import pandas as pd
import sqlalchemy as sa
from celery.result import AsyncResult

from tutorial.broker import queue_engine
from tutorial.database import make_engine
from tutorial.exercises.checking import Wrong, YourCodeRaised, call, exercise, shown, wait_until
from tutorial.exercises.quiz import Choice, Question
from tutorial.exercises.scratch import Scratch, scratch
from tutorial.messages import load_messages
from tutorial.results import RESULT_COLUMNS, load_results
from tutorial.tasks import add, divide, nap, sample
from tutorial.worker import Worker


@exercise(
    points=1,
    hints=[
        "tutorial.results has a function for each of the tables.",
        "load_results(engine) reads all rows and columns of celery_taskmeta, and decodes them.",
    ],
)
def exercise_1(results: pd.DataFrame) -> str:
    """See that the table ``celery_taskmeta`` was loaded, all of it and decoded."""
    if not isinstance(results, pd.DataFrame):
        raise Wrong(f"`results` is {shown(results)}, and not a DataFrame.")
    if "sent_at" in results.columns:
        raise Wrong("`results` holds the messages of the queue, not the stored results.")
    missing = [name for name in RESULT_COLUMNS if name not in results.columns]
    if missing:
        raise Wrong(f"Columns are missing: {', '.join(missing)}.")
    stored = load_results(make_engine(), columns=["task_id"])["task_id"]
    if len(results) != len(stored):
        raise Wrong(f"The table has {len(stored)} rows, and `results` has {len(results)}.")
    if set(results["task_id"]) != set(stored):
        raise Wrong("`results` has other tasks than the table.")
    if any(isinstance(value, bytes) for value in results["args"]):
        raise Wrong("The arguments are still bytes, as they are stored: nothing was decoded.")
    return "All rows and columns of the table are there, and decoded."


@exercise(
    points=2,
    hints=[
        "A comparison of the column status gives True or False for each row.",
        "The mean of True and False is the share of True.",
        "groupby makes one group for each name, and its mean is a Series.",
    ],
)
def exercise_2(failure_shares: Callable[[pd.DataFrame], pd.Series]) -> str:
    """See that a function gives for each task's name the share of its tasks that failed."""
    results = _some_results()
    shares = call(failure_shares, results.copy())
    if isinstance(shares, pd.DataFrame):
        raise Wrong("The function returns a DataFrame, and not a Series: take one of its columns.")
    if not isinstance(shares, pd.Series):
        raise Wrong(f"The function returns {shown(shares)}, and not a Series.")
    if not pd.api.types.is_numeric_dtype(shares):
        raise Wrong(f"The Series holds {shown(shares.iloc[0])}, and not numbers from 0 to 1.")
    for name, status in results.astype({"name": str})[["name", "status"]].groupby("name")["status"]:
        failed, tasks = sum(status == "FAILURE"), len(status)
        if name not in shares.index:
            raise Wrong(f"{name} is missing: {failed} of its {tasks} tasks failed.")
        if not np.isclose(shares[name], failed / tasks):
            raise Wrong(
                f"For {name} it says {shares[name]:g}: {failed} of {tasks} tasks failed, and so "
                f"the share is {failed / tasks:g}."
            )
    if len(shares) > results["name"].nunique():
        raise Wrong("The Series also has names of tasks that are not in the table.")
    return "Each task's share of failures, and 0 for a task that never failed."


def _some_results() -> pd.DataFrame:
    """Return rows that Celery has stored, each several times."""
    with scratch() as databases:
        databases.store(add, (2, 3), 5)
        databases.store(divide, (3, 2), 1.5)
        databases.store(divide, (3, 0), ZeroDivisionError("division by zero"), status="FAILURE")
        databases.store(nap, (9,), TypeError("no"), status="FAILURE")
        databases.store(nap, (9,), RuntimeError("expired"), status="REVOKED")
        results = load_results(databases.results)
    return results.loc[results.index.repeat([randint(2, 5) for _ in results.index])].reset_index()


@exercise(
    points=2,
    hints=[
        "date_done is in UTC, and knows it: dt.tz_convert gives the same moments in another zone.",
        "dt.hour takes the hour of each time, and value_counts counts them.",
    ],
)
def exercise_3(done_by_hour: Callable[[pd.DataFrame, str], pd.Series]) -> str:
    """See that a function counts tasks by the hour of the day, by the clocks of a time zone."""
    results = _some_results()
    for zone in ("America/New_York", "Asia/Kolkata"):
        for day in ("2026-01-15", "2026-07-15"):
            minute = randint(31, 59)
            done_at = pd.Timestamp(f"{day} {randint(10, 20)}:{minute}", tz="UTC")
            local = done_at.tz_convert(zone)
            results["date_done"] = pd.Series(done_at, results.index).dt.as_unit("us")
            counts = call(done_by_hour, results.copy(), zone)
            if not isinstance(counts, pd.Series):
                raise Wrong(f"The function returns {shown(counts)}, and not a Series.")
            found = {hour: count for hour, count in counts.items() if count}
            if any(not isinstance(hour, int | np.integer) for hour in found):
                raise Wrong(
                    f"The index holds {shown(next(iter(found)))}, and not an hour from 0 to 23."
                )
            if list(found) != [local.hour]:
                raise Wrong(
                    f"{done_at:%H:%M} UTC in {done_at:%B} is {local:%H:%M} in {zone}: that is "
                    f"the hour {local.hour}, and the function says {shown(list(found))[1:-1]}."
                )
            if found[local.hour] != len(results):
                raise Wrong(
                    f"{len(results)} tasks were done in one hour, and the function says "
                    f"{shown(found[local.hour])}."
                )
    return "The hours are those of the zone, in winter and in summer."


@exercise(
    points=2,
    hints=[
        "A task without a row may still have a message: load_messages(queue_engine()).",
        "The column task_id of the messages finds yours, and the column queue says where it waits.",
        "A Worker gets the queue's name as its parameter queues.",
    ],
)
def exercise_4(worker: Worker, lost: AsyncResult) -> str:
    """See that a worker has taken the task that waited in a queue without a worker."""
    if not isinstance(worker, Worker):
        raise Wrong(f"`worker` is {shown(worker)}, and not a Worker.")
    messages = load_messages(queue_engine())
    own = messages[messages["task_id"] == lost.id]
    queue = "" if own.empty else own["queue"].iloc[0]
    if not queue.startswith("desk-"):
        raise Wrong("`lost` is not the given task any more: that one was to be done, not another.")
    if worker.status != "ready":
        raise Wrong(f"The worker is made, and its status is {worker.status!r}: does it run?")
    if own["waiting"].any() and queue not in worker.queues.split(","):
        raise Wrong(
            f"The message still waits in the queue {queue!r}, and the worker listens on the queue "
            f"{worker.queues!r}."
        )

    def rows() -> pd.DataFrame:
        results = load_results(make_engine(), columns=["task_id", "status", "result"])
        return results[(results["task_id"] == lost.id) & (results["status"] == "SUCCESS")]

    if not wait_until(lambda: len(rows())):
        raise Wrong(
            f"The worker listens on the queue {queue!r}, and the task was not done in time."
        )
    if rows()["result"].item() != 42:
        raise Wrong(f"The row of the task says {shown(rows()['result'].item())}, not 42.")
    return "The worker found the message in its queue, and the row says 42."


class _Planted:
    """What somebody stored as a pickle: whoever loads it makes a file."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.file,)


@exercise(
    points=3,
    hints=[
        "AsyncResult, and each other way through Celery's backend, unpickles what is no JSON. "
        "load_results never does.",
        "load_results leaves what it cannot decode as bytes. But a task may also return bytes.",
        "The column undecodable names the columns that could not be decoded, and is missing "
        "where all is well.",
    ],
)
def exercise_5(read_safely: Callable[[str, sa.Engine], Any]) -> str:
    """See that a function returns what tasks returned, and never runs what was planted."""
    values = [randint(10, 99), None, datetime(2026, 1, 2, 3, 4), Decimal("0.10"), b"raw", "text"]
    with scratch() as databases, tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "code-has-run")
        stored = {databases.store(sample, (), value): value for value in values}
        planted = {
            "a pickle that runs code": _plant(databases, pickle.dumps(_Planted(file))),
            "an old pickle of a number": _plant(databases, pickle.dumps(42)),
        }
        for task_id, right in stored.items():
            found = call(read_safely, task_id, databases.results)
            if type(found) is not type(right) or found != right:
                raise Wrong(f"A task returned {right!r}, and the function returns {shown(found)}.")
        for description, task_id in planted.items():
            raised, found = _call_for_value_error(read_safely, task_id, databases.results)
            if file.exists():
                raise Wrong("Code from the table has run: your function has loaded the pickle.")
            if not raised:
                raise Wrong(
                    f"The row holds {description}. The function returns {shown(found)}, and a "
                    "ValueError is right."
                )
    return "Every kind of value comes back, and nothing that was planted has run."


def _plant(databases: Scratch, stored: bytes) -> str:
    """Store a result that is no JSON, as Celery did before 5.7; return the task id."""
    task_id = databases.store(sample)
    change = sa.text("UPDATE celery_taskmeta SET result = :stored WHERE task_id = :id")
    with databases.results.begin() as connection:
        connection.execute(change, {"stored": stored, "id": task_id})
    return task_id


def _call_for_value_error(function: Callable[..., Any], *arguments: Any) -> tuple[bool, Any]:
    """Return whether a function of the learner's raises a ValueError, and else what it returns."""
    try:
        return False, call(function, *arguments)
    except YourCodeRaised as raised:
        if isinstance(raised.__cause__, ValueError):
            return True, None
        raise


question_1 = Question(
    "Which time of a finished task does celery_taskmeta hold?",
    Choice("When it was sent.", "The course writes that into the message, for lack of a column."),
    Choice("When it started.", "Nothing keeps it: a row that says STARTED is written over."),
    Choice(
        "When its result was stored.",
        "That is date_done. The times before it come from the queue's table.",
        right=True,
    ),
)
question_2 = Question(
    "43 tasks were sent, and load_results gives 42 rows. What may the missing one have done?",
    Choice(
        "It waits in a queue that no worker serves.",
        "Only workers store results. A join with the messages finds the task.",
        right=True,
    ),
    Choice("It raised an exception.", "Then its row would say FAILURE, with the exception."),
    Choice("It returned None.", "None is a result like others, and is stored as null."),
)
question_3 = Question(
    "In your program's table the columns name, args and worker are empty. Why?",
    Choice("The tasks failed.", "Failed tasks have names and arguments too."),
    Choice(
        "result_extended is not set.",
        "Celery stores these columns with result_extended = True, and not by default.",
        right=True,
    ),
    Choice("They cannot be decoded.", "Then load_results would name them in undecodable."),
)
question_4 = Question(
    "Somebody else may write to your table. What may AsyncResult(task_id).state do?",
    Choice("Nothing but read: the state is a text.", "Celery decodes the whole row, for a state."),
    Choice(
        "Run code that was planted in the result.",
        "Celery's reader still accepts a pickle, whatever accept_content says.",
        right=True,
    ),
    Choice("Change the state.", "Reading changes no row."),
)
question_5 = Question(
    "How many tasks are in which state, of ten million? What is the best way to know?",
    Choice(
        'count_results(engine, by="status")',
        "The database counts, and sends a handful of lines.",
        right=True,
    ),
    Choice(
        'load_results(engine)["status"].value_counts()',
        "It is the right answer too, after ten million rows have been loaded and decoded.",
    ),
    Choice(
        "AsyncResult(task_id).state for each task",
        "A query for each task takes longest, and tasks without an id at hand are left out.",
    ),
)
