"""The exercises of chapter 06: failures."""

import sys
from collections.abc import Callable
from datetime import datetime
from random import randint
from types import ModuleType
from typing import Any

import pandas as pd
from celery.result import AsyncResult, EagerResult
from kombu.exceptions import EncodeError

from tutorial.broker import queue_engine
from tutorial.database import make_engine
from tutorial.exercises.checking import (
    WrongAnswer,
    case,
    exercise,
    expect,
    first_line,
    shown,
    wait_until,
)
from tutorial.messages import load_messages
from tutorial.results import load_results
from tutorial.tasks import app, divide


@exercise(
    points=1,
    hints=[
        "Python raises a TypeError when you divide something that is not a number.",
        "Send the task with delay, like one that succeeds: it fails on the worker.",
    ],
)
def exercise_1(answer: AsyncResult) -> str:
    """Check that the task ``divide`` has failed on the worker, with a TypeError."""
    messages = messages_of(answer, "answer")
    if messages["name"].iloc[0] != divide.name:
        raise WrongAnswer(f"The message asks for the task {messages['name'].iloc[0]}.")
    if messages["queue"].iloc[0] != "celery":
        raise WrongAnswer(
            f"The message is waiting in the queue {messages['queue'].iloc[0]!r}, but the worker "
            "listens on the queue 'celery'."
        )
    if not wait_until(lambda: row_of(answer.id) is not None):
        raise WrongAnswer("The task has no row: was its result ignored, or is no worker running?")
    row = row_of(answer.id)
    if row["status"] == "SUCCESS":
        raise WrongAnswer(f"The task did not fail: it returned {shown(row['result'])}.")
    if row["status"] != "FAILURE":
        raise WrongAnswer(f"The row: expected the status FAILURE, got {row['status']}.")
    if row["exception"] != "TypeError":
        raise WrongAnswer(f"The task failed with a {row['exception']}: expected a TypeError.")
    return "The row says FAILURE, with a TypeError and its traceback."


def messages_of(answer: Any, name: str) -> pd.DataFrame:
    """Return the messages of a task that the learner has sent: at least one."""
    if isinstance(answer, EagerResult):
        raise WrongAnswer("The task ran here, in the notebook: no worker has received it.")
    if not isinstance(answer, AsyncResult):
        raise WrongAnswer(
            f"`{name}` should be what sending a task returns, but is {shown(answer)}."
        )
    messages = load_messages(queue_engine())
    own = messages[messages["task_id"] == answer.id]
    if own.empty:
        raise WrongAnswer(f"There is no message with the task id of `{name}` in the queue.")
    return own


def row_of(task_id: str) -> Any:
    """Return the row of a task in the learner's table, or None."""
    results = load_results(make_engine())
    own = results[results["task_id"] == task_id]
    return None if own.empty else own.iloc[0]


@exercise(
    points=2,
    hints=[
        "The sum of a column is a NumPy integer: int turns it into one of Python's.",
        "tolist turns a column into a list of Python's numbers.",
        "If all days are missing, max is NaT, which would come back as a day in the year 1. "
        "pd.isna recognizes it, and to_pydatetime turns any other Timestamp into a datetime.",
    ],
)
def exercise_2(report: Callable[[pd.DataFrame], dict[str, Any]]) -> str:
    """Check that a function returns a report that comes back from the table unchanged."""
    sold = [randint(10, 99) for _ in range(randint(3, 6))]
    latest = datetime(2026, 1, len(sold))
    days = pd.Series(pd.date_range("2026-01-01", latest)[::-1])
    days.iloc[[0, 1]] = [pd.NaT, latest]
    for description, day, last in [
        ("days, one of which is missing", days, latest),
        ("days that are all missing", days.where(days.isna()), None),
    ]:
        right = {"total": sum(sold), "sold": sold, "last": last}
        with case(description) as call:
            returned = call(report, pd.DataFrame({"day": day, "sold": sold}))
            if isinstance(returned, pd.DataFrame):
                raise WrongAnswer("expected a dictionary, got a DataFrame: JSON has no such type.")
            if type(returned) is not dict:
                raise WrongAnswer(f"expected a dictionary, got {shown(returned)}.")
            for key, value in right.items():
                if key not in returned:
                    raise WrongAnswer(f"the report has no {key!r}.")
                _see_it_comes_back(key, returned[key], value)
            expect(sorted(map(str, returned)), sorted(right), "the keys: ")
    return "The report can be stored, and comes back with the same values of the same types."


def _see_it_comes_back(key: str, returned: Any, right: Any) -> None:
    """Check that a value of a report is right, and is the same after it was stored and read."""
    try:
        back = app.backend.decode(app.backend.encode(returned))
    except EncodeError as error:
        raise WrongAnswer(f"Celery cannot store {key!r}: {first_line(error)}.") from None
    if repr(back) != repr(returned):
        raise WrongAnswer(f"{key!r} is {shown(returned)}, but comes back as {shown(back)}.")
    expect(back, right, f"{key!r}: ")


@exercise(
    points=2,
    hints=[
        "Celery stores the arguments in args, which super().__init__ sets, and calls the class "
        "with them to build the exception again.",
        "So __init__ must accept by position exactly what it passes to super().__init__.",
        "Set the attributes in __init__; a message of your own belongs in __str__.",
    ],
)
def exercise_3(error_class: type[Exception]) -> str:
    """Check that an exception of the learner's comes back from the result backend as it was."""
    if not (isinstance(error_class, type) and issubclass(error_class, Exception)):
        raise WrongAnswer(
            f"`error_class` should be an exception class, but is {shown(error_class)}."
        )
    for item, left in [("lamp", 0), ("chair", 3)]:
        with case(f"the arguments {item!r} and {left}") as call:
            made = call(error_class, item, left)
            _see_it_is_whole(made, "when it is made", error_class, item, left)
            back = _stored_and_read(made)
            _see_it_is_whole(back, "when it comes back", error_class, item, left)
    return "The exception comes back with its class, its attributes and its text."


def _see_it_is_whole(
    error: Any, moment: str, error_class: type[Exception], item: str, left: int
) -> None:
    """Check that an exception has its class, its attributes and its text."""
    if type(error) is not error_class:
        raise WrongAnswer(f"{moment}, it is of the type {type(error).__name__}.")
    for name, value in {"item": item, "left": left}.items():
        if not hasattr(error, name):
            raise WrongAnswer(f"{moment}, it has no attribute {name!r}.")
        expect(getattr(error, name), value, f"{moment}, {name!r}: ")
    expect(str(error), f"{item}: only {left} left", f"{moment}, its text: ")


def _stored_and_read(error: Exception) -> Any:
    """Return what ``get`` would raise for an exception that a task has raised."""
    backend = app.backend
    try:
        stored = backend.prepare_exception(error)
        stored = backend.decode(backend.encode(stored))
    except EncodeError as reason:
        raise WrongAnswer(f"Celery cannot store it: {first_line(reason)}.") from None
    # As in a project, where the class is in a module that the client can import.
    module = ModuleType("shop_of_the_check")
    setattr(module, type(error).__name__, type(error))
    sys.modules[module.__name__] = module
    try:
        if stored["exc_type"] == type(error).__name__:
            stored["exc_module"] = module.__name__
        return backend.exception_to_python(stored)
    finally:
        del sys.modules[module.__name__]
