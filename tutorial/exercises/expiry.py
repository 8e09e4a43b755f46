"""The exercises of chapter 09: expiry."""

import tempfile
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import sqlalchemy as sa
from celery import Celery
from celery.backends.database import DatabaseBackend
from celery.result import AsyncResult

from tutorial.database import database_url, make_engine
from tutorial.exercises.checking import Wrong, YourCodeRaised, call, exercise, shown
from tutorial.exercises.quiz import Choice, Question
from tutorial.exercises.scratch import Scratch, scratch
from tutorial.results import load_results
from tutorial.tasks import add, divide, nap
from tutorial.worker import Worker

WEEK = 7 * 24  # hours
STORED = "SELECT task_id, result FROM celery_taskmeta"


@exercise(
    points=1,
    hints=[
        "Celery(name, backend=...) makes an app, and app.conf.result_backend is the course's URL.",
        "The setting is result_expires, in its conf.",
        "A number counts as seconds; timedelta(days=...) is easier to read.",
    ],
)
def exercise_1(week: Celery) -> str:
    """See that an app keeps the results of seven days in the notebook's database."""
    if not isinstance(week, Celery):
        raise Wrong(f"`week` is {shown(week)}, and not a Celery app.")
    backend = week.backend
    if not isinstance(backend, DatabaseBackend):
        raise Wrong(f"`week` stores nothing in a database: its backend is {shown(backend)}.")
    database = sa.make_url(backend.url).database
    if database != database_url().database:
        raise Wrong(f"The results of `week` are in the file {database!r}, not in the notebook's.")
    with scratch() as databases:
        left = _left_by(week, databases, {"young": WEEK - 1, "old": WEEK + 1})
    setting = f"result_expires is {shown(week.conf.result_expires)}"
    if week.conf.timezone not in (None, "UTC"):
        setting += f", and the time zone {week.conf.timezone!r}"
    if "young" not in left:
        raise Wrong(f"A clean-up deletes a result that is an hour too young for it: {setting}.")
    if "old" in left:
        raise Wrong(f"A clean-up leaves a result that is a week and an hour old: {setting}.")
    return "A clean-up deletes what is older than seven days, and nothing else."


def _left_by(app: Celery, databases: Scratch, hours: dict[str, int]) -> list[str]:
    """Let the clean-up of an app delete results of these ages; return the ids of those left."""
    try:
        backend = DatabaseBackend(app=app, url=str(databases.results.url))
        for task_id, age in hours.items():
            backend.store_result(task_id, 5, "SUCCESS")
            _age(databases, task_id, age)
        backend.cleanup()
    except (TypeError, ValueError, OverflowError) as error:
        raise Wrong(
            f"With result_expires = {shown(app.conf.result_expires)} the clean-up ends in "
            f"{type(error).__name__}: {error}."
        ) from None
    return list(_stored(databases))


def _age(databases: Scratch, task_id: str, hours: float) -> None:
    """Put back the clock of a row."""
    earlier = "UPDATE celery_taskmeta SET date_done = datetime(date_done, :by) WHERE task_id = :id"
    with databases.results.begin() as connection:
        connection.execute(sa.text(earlier), {"by": f"-{hours} hours", "id": task_id})


def _stored(databases: Scratch) -> dict[str, bytes]:
    """Return the ids in the table, and the stored results."""
    with databases.results.connect() as connection:
        return {row.task_id: row.result for row in connection.execute(sa.text(STORED))}


@exercise(
    points=2,
    hints=[
        "A Worker has a method start, and a method kill, which leaves it no time for anything.",
        "Most tasks store their first row when they end. count_to has track_started=True.",
        "Start the worker, send a count_to that takes long, wait for its row, and kill.",
    ],
)
def exercise_2(lost: AsyncResult, worker: Worker) -> str:
    """See that a worker was killed in the middle of a task that has a row already."""
    if not isinstance(lost, AsyncResult):
        raise Wrong(f"`lost` is {shown(lost)}, and not what sending a task returns.")
    if not isinstance(worker, Worker):
        raise Wrong(f"`worker` is {shown(worker)}, and not a Worker.")
    if worker.status != "killed":
        raise Wrong(f"The worker was not killed: its status is {worker.status!r}.")
    rows = load_results(make_engine()).set_index("task_id")
    if lost.id not in rows.index:
        raise Wrong("The task has no row: no worker began it, or it stores a row at its end only.")
    row = rows.loc[lost.id]
    if pd.notna(row["date_done"]):
        raise Wrong(
            f"The task has ended as {row['status']}, and a clean-up deletes its row one day."
        )
    if row["worker"] != worker.hostname:
        raise Wrong("The row does not say that this worker began the task.")
    return f"The row of {row['name']} has no date: no clean-up will ever delete it."


@exercise(
    points=2,
    hints=[
        "A clean-up compares the column date_done with a moment.",
        "The column is empty as long as the task has not ended, whatever its state is called.",
        "In SQL nothing is equal to NULL, not even NULL: write IS NULL.",
    ],
)
def exercise_3(query: str) -> str:
    """See that a query finds the tasks whose rows no clean-up deletes."""
    if not isinstance(query, str):
        raise Wrong(f"`query` is {shown(query)}, and not a text.")
    with scratch() as databases:
        tasks = _states(databases)
        found = _first_column(databases.results, query)
        for description, (task_id, stays) in tasks.items():
            if stays and task_id not in found:
                raise Wrong(f"The query does not find {description}, which no clean-up deletes.")
            if task_id in found and not stays:
                raise Wrong(
                    f"The query finds {description}, which a clean-up deletes when it is old."
                )
        if len(found) != sum(stays for _, stays in tasks.values()):
            raise Wrong(f"The query finds more than the ids of such tasks: {shown(found)}.")
    return "It finds every row without a date, whatever the state is called."


def _states(databases: Scratch) -> dict[str, tuple[str, bool]]:
    """Fill the database; return of each task a description, its id and whether its row stays."""

    def store(result: Any, status: str) -> str:
        return databases.store(nap, [1], result, status=status)

    return {
        "a task with the state STARTED": (store(None, "STARTED"), True),
        "a task with the state RETRY": (store(ConnectionError("no"), "RETRY"), True),
        "a task with a state of its own, LOADING": (store({"done": 3}, "LOADING"), True),
        "a task with the state SUCCESS": (store(1.0, "SUCCESS"), False),
        "a task with the state FAILURE": (store(ValueError("no"), "FAILURE"), False),
        "a task with the state REVOKED": (store(ValueError("revoked"), "REVOKED"), False),
    }


def _first_column(engine: sa.Engine, query: str) -> list[Any]:
    with engine.connect() as connection:
        try:
            rows = connection.execute(sa.text(query)).all()
        except sa.exc.ResourceClosedError:
            raise Wrong("The query returns no rows: it is no SELECT.") from None
        except sa.exc.SQLAlchemyError as error:
            reason = getattr(error, "orig", None) or error
            raise Wrong(f"The database does not run the query: {reason}.") from None
    if rows and len(rows[0]) != 1:
        raise Wrong(f"The query gives {len(rows[0])} columns, and task_id alone is asked for.")
    return [row[0] for row in rows]


@exercise(
    points=3,
    hints=[
        "load_results takes until, a moment, and with decode=False it leaves the results as bytes.",
        "What is deleted first cannot be written any more. And what is not committed is not "
        "deleted.",
        "Take the moment once. Read with it, write the file with to_parquet, and delete the ids "
        "that you have read.",
    ],
)
def exercise_4(archive: Callable[[sa.Engine, Path], None]) -> str:
    """See that a function moves old rows into a file, and loses none when the file fails."""
    with (
        scratch() as databases,
        # Windows cannot delete a file that a learner's function has left open.
        tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder,
    ):
        tasks = _ages(databases)
        before = _stored(databases)
        _fail_to_write(archive, databases, Path(folder, "missing", "archive.parquet"))
        if lost := set(before) - set(_stored(databases)):
            raise Wrong(
                f"The file could not be written, and {len(lost)} rows are deleted all the same."
            )
        file = Path(folder, "archive.parquet")
        call(archive, databases.results, file)
        archived, left = _archived(file), _stored(databases)
    for description, (task_id, old) in tasks.items():
        if old and task_id not in archived:
            raise Wrong(f"The file lacks {description}.")
        if not old and task_id in archived:
            raise Wrong(f"The file also holds {description}.")
        if old and archived[task_id] != before[task_id]:
            raise Wrong(
                f"In the file the result of {description} is {shown(archived[task_id])}, "
                f"and the table held {shown(before[task_id])}."
            )
        if old and task_id in left:
            raise Wrong(f"Another connection still finds {description} in the table.")
        if not old and task_id not in left:
            raise Wrong(f"The table has lost {description}.")
    return "Old rows are in the file alone, the others in the table alone, and none gets lost."


def _ages(databases: Scratch) -> dict[str, tuple[str, bool]]:
    """Fill the database; return of each task a description, its id and whether it is old."""
    results = {
        "a result that is 25 hours old": (databases.store(add, [2, 3], {"total": 5}), 25),
        "a result that is a month old": (databases.store(add, [2, 3], "five"), 30 * 24),
        "a failure that is two days old": (
            databases.store(divide, [1, 0], ZeroDivisionError("no"), status="FAILURE"),
            48,
        ),
        "a result that is 23 hours old": (databases.store(add, [2, 2], 4), 23),
        "a result that is new": (databases.store(add, [1, 1], 2), 0),
        "a task that runs": (databases.store(nap, [600], status="STARTED"), 0),
    }
    for task_id, hours in results.values():
        _age(databases, task_id, hours)
    day = timedelta(days=1) / timedelta(hours=1)
    return {text: (task_id, hours > day) for text, (task_id, hours) in results.items()}


def _fail_to_write(archive: Callable[..., None], databases: Scratch, file: Path) -> None:
    """Call the function with a file whose folder does not exist; it may raise what it likes."""
    try:
        call(archive, databases.results, file)
    except YourCodeRaised:
        return
    if file.exists():
        raise Wrong("The folder of the file did not exist, and the function has made it.")


def _archived(file: Path) -> dict[str, Any]:
    """Return the ids in the file, and the results."""
    if not file.exists():
        raise Wrong("The function has written no file.")
    try:
        rows = pd.read_parquet(file)
    except (ValueError, OSError):
        raise Wrong("pandas cannot read what was written: it is no Parquet file.") from None
    if not {"task_id", "result"} <= set(rows):
        raise Wrong(
            f"The file has the columns {shown(list(rows))}: task_id and result must be there."
        )
    return dict(zip(rows["task_id"], rows["result"], strict=True))


question_1 = Question(
    "result_expires is one day, and nothing else is set up. When is a row deleted?",
    Choice("After one day.", "The setting is only a number: something has to run a DELETE."),
    Choice("When its result is read.", "forget deletes a row. get leaves it where it is."),
    Choice(
        "Never.",
        "Without celery beat, or somebody who calls cleanup, all rows stay.",
        right=True,
    ),
)
question_2 = Question(
    "celery beat runs, and no worker does. What of the old rows?",
    Choice(
        "They stay.",
        "beat only sends the task celery.backend_cleanup. A worker must run it.",
        right=True,
    ),
    Choice("beat deletes them.", "beat is a clock that sends messages. It runs no task."),
    Choice("The database deletes them.", "A SQL database knows nothing of result_expires."),
)
question_3 = Question(
    "How do you keep results for ever, whoever calls cleanup by hand?",
    Choice("result_expires = 0", "Then a clean-up deletes all that is done, at once."),
    Choice(
        "result_expires = None",
        "beat sends nothing, and a clean-up by hand ends in a TypeError and deletes nothing.",
        right=True,
    ),
    Choice("Leave the setting out.", "Then its default holds, which is one day."),
)
question_4 = Question(
    "An app on SQLite has the time zone America/Los_Angeles. What does its clean-up delete?",
    Choice("What is as old as it should be.", "It would, if the zone were UTC."),
    Choice(
        "Results that are hours too young.",
        "date_done holds wall time without a zone, and is compared with UTC.",
        right=True,
    ),
    Choice("Results that are hours too old only.", "That happens east of Greenwich."),
)
question_5 = Question(
    "Nine rows of ten were deleted. Why is the SQLite file as large as before?",
    Choice("The rows are only marked.", "They are gone, and no query finds them."),
    Choice("Nobody has committed.", "After a commit the file is as large, too."),
    Choice(
        "It keeps the empty pages for new rows.",
        "VACUUM writes the file anew, without them. Usually tomorrow's results fill them.",
        right=True,
    ),
)
