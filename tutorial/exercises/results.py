"""The exercises of chapter 04: results in pandas."""

import pickle
import random
import tempfile
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from random import choice, randint
from typing import Any

import numpy as np
import pandas as pd
import sqlalchemy as sa
from celery.result import AsyncResult

from tutorial.broker import queue_engine
from tutorial.database import make_engine
from tutorial.exercises.checking import (
    WrongAnswer,
    YourCodeRaised,
    case,
    exercise,
    expect,
    shown,
    wait_until,
)
from tutorial.exercises.scratch import Scratch, local_zone, scratch
from tutorial.messages import load_messages
from tutorial.results import load_results
from tutorial.tasks import add, divide, nap, sample
from tutorial.worker import Worker


def send_orders() -> list[AsyncResult]:
    """Send the orders of six customers, one of whom makes every order with a wrong amount.

    Returns
    -------
    list of celery.result.AsyncResult
    """
    customers = random.sample(range(100, 1000), 6)
    broken, *others = customers
    orders = [add.delay(broken, choice(["12 EUR", "n/a", None])) for _ in range(3)]
    orders += [add.delay(customer, randint(1, 99)) for customer in others for _ in range(4)]
    return [*orders, divide.delay(others[0], 0), divide.delay(others[1], 0)]


@exercise(
    points=1,
    hints=[
        "load_results(engine) reads the table; status and exception are columns of it.",
        "Keep the rows with the name tutorial.tasks.add, the status FAILURE and the exception "
        "TypeError.",
        "The column args holds a list for each task: its first item is the customer.",
    ],
)
def exercise_1(customer: int) -> str:
    """Check that the customer was found whose orders failed."""
    results = load_results(make_engine())
    orders = results[results["name"] == add.name]
    failed = orders[orders["status"] == "FAILURE"]
    customers = set(orders["args"].str[0])
    right = set(failed["args"].str[0])  # one, but for each time that the orders were sent
    if isinstance(customer, list | tuple | set | pd.Series | np.ndarray):
        raise WrongAnswer(f"`customer` should be a single number, but is {shown(customer)}.")
    if isinstance(customer, bool) or not isinstance(customer, int | np.integer):
        raise WrongAnswer(f"`customer` should be a whole number, but is {shown(customer)}.")
    if customer not in customers:
        raise WrongAnswer(f"No order has the customer {shown(customer)} as its first argument.")
    if customer not in right:
        wrong = results[(results["args"].str[0] == customer) & (results["status"] == "FAILURE")]
        also = f" The failed task of this customer is {wrong['name'].iloc[0]}." * bool(len(wrong))
        raise WrongAnswer(f"All orders of the customer {customer} have succeeded.{also}")
    return "All of this customer's orders have failed, and nobody else's."


@exercise(
    points=2,
    hints=[
        "A comparison of the column status gives True or False for each row.",
        "The mean of such a column is the share of True.",
        "groupby makes one group for each name, and the mean of the groups is a Series.",
    ],
)
def exercise_2(failure_shares: Callable[[pd.DataFrame], pd.Series]) -> str:
    """Check that a function returns the share of failed tasks for each task name."""
    results = _some_results()
    with case(f"a table of {len(results)} tasks") as call:
        shares = call(failure_shares, results.copy())
        if isinstance(shares, pd.DataFrame):
            raise WrongAnswer("expected a Series, got a DataFrame: take one of its columns.")
        if not isinstance(shares, pd.Series):
            raise WrongAnswer(f"expected a Series, got {shown(shares)}.")
        if not pd.api.types.is_numeric_dtype(shares):
            raise WrongAnswer(f"expected numbers from 0 to 1, got {shown(shares.iloc[0])}.")
    for name, status in results.astype({"name": str})[["name", "status"]].groupby("name")["status"]:
        failed, tasks = sum(status == "FAILURE"), len(status)
        with case(f"{name}, {failed} of whose {tasks} tasks failed"):
            if name not in shares.index:
                raise WrongAnswer("the name is missing from the Series.")
            if not np.isclose(shares[name], failed / tasks):
                raise WrongAnswer(f"expected {failed / tasks:g}, got {shares[name]:g}.")
    if len(shares) > results["name"].nunique():
        raise WrongAnswer("The Series also has names of tasks that are not in the table.")
    return "The share is right for each task, and is 0 for a task that never failed."


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
        "date_done is in UTC, with its time zone: dt.tz_convert returns the same moments in "
        "another zone.",
        "dt.hour is the hour of each time, and value_counts counts the hours.",
    ],
)
def exercise_3(done_by_hour: Callable[[pd.DataFrame, str], pd.Series]) -> str:
    """Check that a function counts tasks by the hour of the day in a time zone."""
    results = _some_results()
    with local_zone("Asia/Tokyo"):
        for zone in ("America/New_York", "Asia/Kolkata"):
            for day in ("2026-01-15", "2026-07-15"):
                for hour in (randint(10, 17), 4 if zone == "America/New_York" else 18):
                    done_at = pd.Timestamp(f"{day} {hour}:{randint(31, 59)}", tz="UTC")
                    _see_hour(done_by_hour, results, done_at, zone)
    return "The hours are those of the zone, in winter and in summer."


def _see_hour(
    function: Callable[..., Any], results: pd.DataFrame, done_at: pd.Timestamp, zone: str
) -> None:
    """Check what the function returns for tasks that were all done at one moment."""
    hour = done_at.tz_convert(zone).hour
    results["date_done"] = pd.Series(done_at, results.index).dt.as_unit("us")
    with case(f"{len(results)} tasks done at {done_at:%H:%M} UTC in {done_at:%B}, {zone}") as call:
        counts = call(function, results.copy(), zone)
        if not isinstance(counts, pd.Series):
            raise WrongAnswer(f"expected a Series, got {shown(counts)}.")
        found = {hour: count for hour, count in counts.items() if count}
        if any(not isinstance(hour, int | np.integer) for hour in found):
            raise WrongAnswer(
                f"the index should hold hours from 0 to 23, but holds {shown(next(iter(found)))}."
            )
        expect(list(map(int, found)), [hour], "the hours: ")
        expect(found[hour], len(results), "the number of tasks: ")


@exercise(
    points=2,
    hints=[
        "A task without a row may still have a message: load_messages(queue_engine()).",
        "The column task_id has its id, and the column queue says where the message is waiting.",
        "The parameter queues of Worker takes the queue's name.",
    ],
)
def exercise_4(worker: Worker, lost: AsyncResult) -> str:
    """Check that a worker has run the task that was waiting in a queue without a worker."""
    if not isinstance(worker, Worker):
        raise WrongAnswer(f"`worker` should be a Worker, but is {shown(worker)}.")
    messages = load_messages(queue_engine())
    own = messages[messages["task_id"] == lost.id]
    queue = "" if own.empty else own["queue"].iloc[0]
    if not queue.startswith("desk-"):
        raise WrongAnswer("`lost` is no longer the given task: run that task, not another one.")
    if worker.status != "ready":
        raise WrongAnswer(
            f"The worker should be ready, but its status is {worker.status!r}: was it started?"
        )
    if own["waiting"].any() and queue not in worker.queues.split(","):
        raise WrongAnswer(
            f"The message is still waiting in the queue {queue!r}, but the worker listens on "
            f"the queue {worker.queues!r}."
        )

    def rows() -> pd.DataFrame:
        results = load_results(make_engine(), columns=["task_id", "status", "result"])
        return results[(results["task_id"] == lost.id) & (results["status"] == "SUCCESS")]

    if not wait_until(lambda: len(rows())):
        raise WrongAnswer(
            f"The worker listens on the queue {queue!r}, but the task was not done in time."
        )
    if rows()["result"].item() != 42:
        raise WrongAnswer(
            f"The row of the task: expected 42, got {shown(rows()['result'].item())}."
        )
    return "The worker found the message in its queue, and the row says 42."


class _Planted:
    """A value that was stored as a pickle: loading it makes a file."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.file,)


@exercise(
    points=3,
    hints=[
        "AsyncResult, like everything that reads through Celery's backend, unpickles what is not "
        "JSON. "
        "load_results never does.",
        "load_results leaves what it cannot decode as bytes. But a task may also return bytes.",
        "The column undecodable names the columns of a row that could not be decoded. Its "
        "value is missing if every column was decoded.",
    ],
)
def exercise_5(read_safely: Callable[[str, sa.Engine], Any]) -> str:
    """Check that a function returns what tasks have returned, and never runs planted code."""
    values = [randint(10, 99), None, datetime(2026, 1, 2, 3, 4), Decimal("0.10"), b"raw", "text"]
    with scratch() as databases, tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "code-has-run")
        stored = {databases.store(sample, (), value): value for value in values}
        planted = {
            "a pickle that runs code": _plant(databases, pickle.dumps(_Planted(file))),
            "an old pickle of a path": _plant(databases, pickle.dumps(Path("letter.pdf"))),
        }
        for task_id, right in stored.items():
            with case(f"a task that returned {right!r}") as call:
                expect(call(read_safely, task_id, databases.results), right)
        for description, task_id in planted.items():
            with case(f"a row that holds {description}") as call:
                raised, found = _raises_value_error(
                    call, read_safely, task_id, databases.results, file
                )
                if not raised:
                    raise WrongAnswer(f"expected a ValueError, got {shown(found)}.")
    return "Every kind of value comes back, and no planted code has run."


def _plant(databases: Scratch, stored: bytes) -> str:
    """Store a result that is not JSON, as Celery did before 5.7; return the task id."""
    task_id = databases.store(sample)
    change = sa.text("UPDATE celery_taskmeta SET result = :stored WHERE task_id = :id")
    with databases.results.begin() as connection:
        connection.execute(change, {"stored": stored, "id": task_id})
    return task_id


def _raises_value_error(
    call: Callable[..., Any], function: Any, task_id: str, engine: sa.Engine, file: Path
) -> tuple[bool, Any]:
    """Return whether a function of the learner's raises a ValueError, and else what it returns."""
    try:
        return False, call(function, task_id, engine)
    except YourCodeRaised as raised:
        if isinstance(raised.__cause__, ValueError):
            return True, None
        raise
    finally:
        if file.exists():
            raise WrongAnswer("code from the table has run: your function has loaded the pickle.")
