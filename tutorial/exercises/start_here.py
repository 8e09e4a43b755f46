"""The exercises of chapter 00: the whole course in miniature."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from celery.result import AsyncResult

from tutorial.database import make_engine
from tutorial.exercises.checking import WrongAnswer, case, exercise, expect, shown, wait_until
from tutorial.exercises.scratch import Scratch, scratch
from tutorial.results import load_results
from tutorial.tasks import add, divide
from tutorial.workspace import QUEUE_FILE, RESULTS_FILE, home


@exercise(
    points=1,
    hints=[
        "add.delay sends the task and returns an AsyncResult, a handle that carries the task id.",
        "The handle's method get waits for the result and returns it.",
    ],
)
def exercise_1(number: int, answer: AsyncResult, total: int) -> str:
    """See that a worker has added 2 to a number, and that the sum came back."""
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
    return "The worker added, and the sum came back through the database."


def _row(answer: AsyncResult) -> dict[str, Any]:
    """Return the stored row of a task that has ended."""
    wait_until(answer.ready)
    results = load_results(make_engine())
    rows = results[results["task_id"] == answer.id].to_dict("records")
    if not rows:
        raise WrongAnswer("The task of `answer` has no row in the database: no worker has run it.")
    return rows[0]


@exercise(
    points=2,
    hints=[
        "home is the path of the workspace, and home / name is the path of a file in it.",
        "One of the two files is the broker, the other is the result backend.",
        "The chapter lists its two files in the section 'How the parts fit together'.",
    ],
)
def exercise_2(queue_file: Path, results_file: Path) -> str:
    """See that two paths lead to the files of the broker and of the result backend."""
    _look_at("queue_file", queue_file, "kombu_message", QUEUE_FILE)
    _look_at("results_file", results_file, "celery_taskmeta", RESULTS_FILE)
    return "One file holds the messages, the other file holds the results."


def _look_at(name: str, answer: Path | str, table: str, file: str) -> None:
    """See that a path leads to the workspace's file that holds a table."""
    if not isinstance(answer, (Path, str)):
        raise WrongAnswer(f"`{name}` should be a path, but is {shown(answer)}.")
    path = Path(answer)
    if not path.is_absolute():
        raise WrongAnswer(
            f"`{name}` is the relative path {str(path)!r}: in another folder it is another file."
        )
    if not path.is_file():
        raise WrongAnswer(
            f"`{name}` leads to no file: there is no {path.name!r} in {path.parent.name!r}."
        )
    found = _tables(path)
    if table not in found:
        raise WrongAnswer(
            f"The file of `{name}` should have a table {table}, but has {shown(sorted(found))}."
        )
    if path.resolve() != home() / file:
        raise WrongAnswer(
            f"`{name}` is a file of another workspace, in the folder {path.parent.name!r}."
        )


def _tables(path: Path) -> set[str]:
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as connection:
        try:
            rows = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
            return {name for (name,) in rows}
        except sqlite3.DatabaseError:
            raise WrongAnswer(f"The file {path.name!r} is not a database.") from None


@exercise(
    points=3,
    hints=[
        "load_results(engine) reads the table, with one row for each task.",
        "Its column worker names the worker, and its column status says how the task ended.",
        "results[results['worker'] == hostname] are the rows of one worker, and len counts them.",
    ],
)
def exercise_3(count_done: Callable[[sa.Engine, str], int]) -> str:
    """See that a function counts the tasks that have succeeded on a worker."""
    with scratch() as databases:
        for hostname, right in _workers(databases).items():
            with case(f"the worker {hostname}") as call:
                expect(call(count_done, databases.results, hostname), right)
    return "It counts the successful tasks of one worker, and no others."


def _workers(databases: Scratch) -> dict[str, int]:
    """Fill the database; return how many tasks have succeeded on each worker."""
    databases.store(add, (2, 3), 5, worker="celery@ada")
    databases.store(divide, (3, 2), 1.5, worker="celery@ada")
    failed = ZeroDivisionError("division by zero")
    databases.store(divide, (3, 0), failed, status="FAILURE", worker="celery@ada")
    databases.store(add, (2, 3), 5, worker="celery@ada-2")
    databases.store(add, (2, 3), status="STARTED", worker="celery@ada-2")
    return {"celery@ada": 2, "celery@ada-2": 1, "celery@nobody": 0}
