"""The exercises of chapter 00: the whole course in small."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from numbers import Integral
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from celery.result import AsyncResult

from tutorial.database import make_engine
from tutorial.exercises.checking import Wrong, call, exercise, shown, wait_until
from tutorial.exercises.quiz import Choice, Question
from tutorial.exercises.scratch import Scratch, scratch
from tutorial.results import load_results
from tutorial.tasks import add, divide
from tutorial.workspace import QUEUE_FILE, RESULTS_FILE, home


@exercise(
    points=1,
    hints=[
        "add.delay sends the task, and returns the slip at once.",
        "The slip's method get waits for the result, and returns it.",
    ],
)
def exercise_1(number: int, answer: AsyncResult, total: int) -> str:
    """See that a worker has added 2 to a number, and that the sum came back."""
    if answer == number + 2:
        raise Wrong("`answer` is the sum itself, and not the slip that sending a task returns.")
    if not isinstance(answer, AsyncResult):
        raise Wrong(f"`answer` is {shown(answer)}, and not the slip that sending a task returns.")
    row = _row(answer)
    arguments = [*(row["args"] or []), *(row["kwargs"] or {}).values()]
    if row["name"] != add.name or arguments not in ([number, 2], [2, number]):
        raise Wrong(f"The worker was asked for {row['name']} with the arguments {arguments}.")
    if isinstance(total, AsyncResult):
        raise Wrong("`total` is a slip and not the sum: its method get waits for the sum.")
    if type(total) is not int or total != number + 2:
        raise Wrong(f"`total` is {shown(total)}, and the row says {row['result']}.")
    return "The worker added, and the sum came back through the database."


def _row(answer: AsyncResult) -> dict[str, Any]:
    """Return the stored row of a task that has ended."""
    wait_until(answer.ready)
    results = load_results(make_engine())
    rows = results[results["task_id"] == answer.id].to_dict("records")
    if not rows:
        raise Wrong("The task of `answer` has no row in the database: no worker has done it.")
    return rows[0]


@exercise(
    points=2,
    hints=[
        "home is the path of the workspace, and home / name that of a file in it.",
        "One of the two is the broker, the other the result backend.",
        "The chapter lists the files of its own workspace with home.glob, in the section "
        "'Where things are'.",
    ],
)
def exercise_2(queue_file: Path, results_file: Path) -> str:
    """See that two paths lead to the files of the broker and of the result backend."""
    _look_at("queue_file", queue_file, "kombu_message", QUEUE_FILE)
    _look_at("results_file", results_file, "celery_taskmeta", RESULTS_FILE)
    return "One file holds the messages, the other one the results."


def _look_at(name: str, answer: Path | str, table: str, file: str) -> None:
    """See that a path leads to the workspace's file that holds a table."""
    if not isinstance(answer, (Path, str)):
        raise Wrong(f"`{name}` is {shown(answer)}, and not a path.")
    path = Path(answer)
    if not path.is_absolute():
        raise Wrong(
            f"`{name}` is the relative path {str(path)!r}: from another folder it is another file."
        )
    if not path.is_file():
        raise Wrong(
            f"`{name}` leads to no file: there is no {path.name!r} in {path.parent.name!r}."
        )
    found = _tables(path)
    if table not in found:
        raise Wrong(f"The file of `{name}` has no table {table}, but {shown(sorted(found))}.")
    if path.resolve() != home() / file:
        raise Wrong(f"`{name}` is a file of another workspace, in the folder {path.parent.name!r}.")


def _tables(path: Path) -> set[str]:
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as connection:
        try:
            rows = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
            return {name for (name,) in rows}
        except sqlite3.DatabaseError:
            raise Wrong(f"The file {path.name!r} is no database.") from None


@exercise(
    points=3,
    hints=[
        "load_results(engine) reads the table, one row a task.",
        "Its column worker names the worker, and its column status says how the task ended.",
        "results[results['worker'] == hostname] are the rows of one worker, and len counts rows.",
    ],
)
def exercise_3(count_done: Callable[[sa.Engine, str], int]) -> str:
    """See that a function counts the tasks that a worker has done well."""
    with scratch() as databases:
        for hostname, right in _workers(databases).items():
            found = call(count_done, databases.results, hostname)
            if isinstance(found, bool) or not isinstance(found, Integral):
                raise Wrong(f"For {hostname} it returns {shown(found)}, and not a whole number.")
            if found != right:
                raise Wrong(f"For {hostname} it returns {found}, and {right} is right.")
    return "It counts the successes of one worker, and no others."


def _workers(databases: Scratch) -> dict[str, int]:
    """Fill the database; return of each worker how many tasks it has done well."""
    databases.store(add, (2, 3), 5, worker="celery@ada")
    databases.store(divide, (3, 2), 1.5, worker="celery@ada")
    failed = ZeroDivisionError("division by zero")
    databases.store(divide, (3, 0), failed, status="FAILURE", worker="celery@ada")
    databases.store(add, (2, 3), 5, worker="celery@ada-2")
    databases.store(add, (2, 3), status="STARTED", worker="celery@ada-2")
    return {"celery@ada": 2, "celery@ada-2": 1, "celery@nobody": 0}


question_1 = Question(
    "add.delay(2, 3): which part computes 5?",
    Choice("The client.", "The notebook only sends a message, and waits."),
    Choice("The broker.", "It keeps messages, and never looks at what they ask for."),
    Choice(
        "The worker.",
        "It is a process of its own, and has the function itself.",
        right=True,
    ),
)
question_2 = Question(
    "You call add.delay(2, 3), and no worker runs. What happens?",
    Choice(
        "The message waits in the queue.",
        "A worker that starts later, even tomorrow, takes it.",
        right=True,
    ),
    Choice("delay raises an exception.", "It has done its work when the message is stored."),
    Choice("The notebook computes 5 itself.", "Only add(2, 3), a plain call, would do that."),
)
question_3 = Question(
    "Where does pandas find the 5 an hour later?",
    Choice("In the queue.", "There is the message that asked for it, without an answer."),
    Choice(
        "In the table of the result backend.",
        "The row stays when the worker has stopped, and when the notebook is closed.",
        right=True,
    ),
    Choice("In the memory of the worker.", "It forgets the result as soon as it is stored."),
)
question_4 = Question(
    "You close the browser tab of a notebook that has started a worker. And the worker?",
    Choice("It stops at once.", "The kernel behind the tab goes on, and so does the worker."),
    Choice("It runs for ever.", "It ends with the notebook's kernel, at the latest."),
    Choice(
        "It runs until the kernel ends.",
        "So you can come back to it. Shutting the kernel down stops it.",
        right=True,
    ),
)
question_5 = Question(
    "You have run cells out of order, and the outputs are strange. What helps?",
    Choice(
        "Restart Kernel and Run All Cells.",
        "The workspace is emptied first, so nothing of the earlier run disturbs.",
        right=True,
    ),
    Choice(
        "Interrupt Kernel.", "It ends the cell that runs. Variables and files stay as they are."
    ),
    Choice(
        "python -m tutorial reset.", "It makes room on the disk, and leaves alone what is in use."
    ),
)
