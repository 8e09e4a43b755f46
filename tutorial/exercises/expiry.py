"""The exercises of chapter 09: expiry."""

import datetime as dt
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pandas as pd
import sqlalchemy as sa
from celery import Celery
from celery.backends.database import DatabaseBackend
from celery.result import AsyncResult

from tutorial.database import database_url, make_engine
from tutorial.exercises.checking import WrongAnswer, YourCodeRaised, case, exercise, expect, shown
from tutorial.exercises.scratch import Scratch, local_zone, scratch
from tutorial.results import load_results
from tutorial.tasks import add, divide, nap
from tutorial.worker import Worker

WEEK = 7 * 24 * 60  # minutes
DAY = dt.timedelta(days=1)
STORED = "SELECT task_id, result FROM celery_taskmeta"


@exercise(
    points=1,
    hints=[
        "Celery(name, backend=...) makes an app, and app.conf.result_backend is the course's URL.",
        "The setting is result_expires, in the app's conf.",
        "A number means seconds; timedelta(days=...) is easier to read.",
    ],
)
def exercise_1(week: Celery) -> str:
    """Check that an app keeps the results of seven days in the notebook's database."""
    if not isinstance(week, Celery):
        raise WrongAnswer(f"`week` should be a Celery app, but is {shown(week)}.")
    backend = week.backend
    if not isinstance(backend, DatabaseBackend):
        raise WrongAnswer(
            f"`week` does not store results in a database: its backend is {shown(backend)}."
        )
    database = sa.make_url(backend.url).database
    if database != database_url().database:
        raise WrongAnswer(
            f"The results of `week` are in the file {database!r}, not in the notebook's."
        )
    zone = str(week.conf.timezone or ("UTC" if week.conf.enable_utc else "local time"))
    setting = f"result_expires is {shown(week.conf.result_expires)}, in the time zone {zone}"
    for local in ("America/Los_Angeles", "Asia/Tokyo"):
        with scratch() as databases, local_zone(local):
            left = _left_by(week, databases, {"young": WEEK - 2, "old": WEEK + 2})
        if "young" not in left:
            raise WrongAnswer(f"A clean-up deletes a result two minutes too early: {setting}.")
        if "old" in left:
            raise WrongAnswer(
                f"A clean-up leaves a result that is a week and two minutes old: {setting}."
            )
    if offsets := _offsets(week) - {dt.timedelta()}:
        raise WrongAnswer(
            f"In summer or in winter, a clean-up is wrong by {max(offsets)}: {setting}, but "
            "date_done is in UTC."
        )
    return "A clean-up deletes what is older than seven days, and nothing else."


def _offsets(app: Celery) -> set[dt.timedelta]:
    """Return by how much the clock of an app differs from UTC, in winter and in summer."""
    moments = [dt.datetime(2026, month, 15, tzinfo=app.timezone) for month in (1, 7)]
    return {moment.utcoffset() or dt.timedelta() for moment in moments}


def _left_by(app: Celery, databases: Scratch, minutes: dict[str, int]) -> list[str]:
    """Let the clean-up of an app delete results of these ages; return the ids of those left."""
    try:
        backend = DatabaseBackend(app=app, url=str(databases.results.url))
        for task_id, age in minutes.items():
            backend.store_result(task_id, 5, "SUCCESS")
            _age(databases, task_id, age)
        backend.cleanup()
    except (TypeError, ValueError, OverflowError) as error:
        raise WrongAnswer(
            f"With result_expires = {shown(app.conf.result_expires)} the clean-up fails with "
            f"{type(error).__name__}: {error}."
        ) from None
    return list(_stored(databases))


def _age(databases: Scratch, task_id: str, minutes: float) -> None:
    """Backdate a row."""
    earlier = "UPDATE celery_taskmeta SET date_done = datetime(date_done, :by) WHERE task_id = :id"
    with databases.results.begin() as connection:
        connection.execute(sa.text(earlier), {"by": f"-{minutes} minutes", "id": task_id})


def _stored(databases: Scratch) -> dict[str, bytes]:
    """Return the ids in the table, and the stored results."""
    with databases.results.connect() as connection:
        return {row.task_id: row.result for row in connection.execute(sa.text(STORED))}


@exercise(
    points=2,
    hints=[
        "A Worker has the methods start and kill; kill leaves it no time to clean up.",
        "Most tasks store their row when they end. count_to has track_started=True.",
        "Start the worker, send a count_to that takes long, wait for its row, and kill the worker.",
    ],
)
def exercise_2(lost: AsyncResult, worker: Worker) -> str:
    """Check that a worker was killed in the middle of a task that already has a row."""
    if not isinstance(lost, AsyncResult):
        raise WrongAnswer(f"`lost` should be what sending a task returns, but is {shown(lost)}.")
    if not isinstance(worker, Worker):
        raise WrongAnswer(f"`worker` should be a Worker, but is {shown(worker)}.")
    if worker.status != "killed":
        raise WrongAnswer(f"The worker was not killed: its status is {worker.status!r}.")
    rows = load_results(make_engine()).set_index("task_id")
    if lost.id not in rows.index:
        raise WrongAnswer(
            "The task has no row: no worker began it, or it stores its row only when it ends."
        )
    row = rows.loc[lost.id]
    if pd.notna(row["date_done"]):
        raise WrongAnswer(
            f"The task has ended as {row['status']}: some day a clean-up will delete its row."
        )
    if row["worker"] != worker.hostname:
        raise WrongAnswer("The row does not say that this worker began the task.")
    return f"The row of {row['name']} has no date: no clean-up will ever delete it."


@exercise(
    points=2,
    hints=[
        "A clean-up compares the column date_done with a point in time.",
        "The column is empty until the task has ended, whatever its state is called.",
        "In SQL nothing is equal to NULL, not even NULL: write IS NULL.",
    ],
)
def exercise_3(query: str) -> str:
    """Check that a query finds the tasks whose rows no clean-up deletes."""
    if not isinstance(query, str):
        raise WrongAnswer(f"`query` should be a string, but is {shown(query)}.")
    with scratch() as databases:
        tasks = _states(databases)
        found = _first_column(databases.results, query)
        for description, (task_id, stays) in tasks.items():
            with case(description):
                if stays and task_id not in found:
                    raise WrongAnswer("the query does not find it, but no clean-up deletes it.")
                if task_id in found and not stays:
                    raise WrongAnswer("the query finds it, but a clean-up will delete it some day.")
        if len(found) != sum(stays for _, stays in tasks.values()):
            raise WrongAnswer(f"The query finds more than the ids of such tasks: {shown(found)}.")
    return "The query finds every row without a date, whatever the state is called."


def _states(databases: Scratch) -> dict[str, tuple[str, bool]]:
    """Fill the database; return, for each description, the task's id and whether its row stays."""

    def store(result: Any, status: str) -> str:
        return databases.store(nap, [1], result, status=status)

    return {
        "a task with the state STARTED": (store(None, "STARTED"), True),
        "a task with the state RETRY": (store(ConnectionError("no"), "RETRY"), True),
        "a task with the custom state LOADING": (store({"done": 3}, "LOADING"), True),
        "a task with the state SUCCESS": (store(1.0, "SUCCESS"), False),
        "a task with the state FAILURE": (store(ValueError("no"), "FAILURE"), False),
        "a task with the state REVOKED": (store(ValueError("revoked"), "REVOKED"), False),
    }


def _first_column(engine: sa.Engine, query: str) -> list[Any]:
    with engine.connect() as connection:
        try:
            rows = connection.execute(sa.text(query)).all()
        except sa.exc.ResourceClosedError:
            raise WrongAnswer("The query returns no rows: it is not a SELECT.") from None
        except sa.exc.SQLAlchemyError as error:
            reason = getattr(error, "orig", None) or error
            raise WrongAnswer(f"The database cannot run the query: {reason}.") from None
    if rows and len(rows[0]) != 1:
        raise WrongAnswer(f"The query returns {len(rows[0])} columns: expected only task_id.")
    return [row[0] for row in rows]


@exercise(
    points=3,
    hints=[
        "load_results takes a moment as until; with decode=False it leaves the results as bytes.",
        "Write first: deleted rows cannot be written any more. And nothing is deleted without a "
        "commit.",
        "Read the clock once, in UTC. Read up to this moment, write the file with to_parquet, and "
        "delete the ids that you have read.",
    ],
)
def exercise_4(archive: Callable[[sa.Engine, Path], None]) -> str:
    """Check that a function moves old rows into a file, and loses none if it cannot be written."""
    for zone in ("America/Los_Angeles", "Asia/Tokyo"):  # local time must not pass for UTC
        with (
            scratch() as databases,
            local_zone(zone),
            # Windows cannot delete a file that a learner's function has left open.
            tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder,
        ):
            _see_archive(archive, databases, Path(folder))
    return "Old rows are only in the file, the others are only in the table, and none is lost."


def _see_archive(archive: Callable[..., None], databases: Scratch, folder: Path) -> None:
    tasks = _ages(databases)
    before = _stored(databases)
    with case("a folder that does not exist") as call:
        _fail_to_write(call, archive, databases, folder / "missing" / "archive.parquet")
        if lost := set(before) - set(_stored(databases)):
            raise WrongAnswer(
                f"the file could not be written, but {len(lost)} rows were deleted all the same."
            )
    file = folder / "archive.parquet"
    with case("a database with old and new rows") as call, _rows_that_come_of_age(databases):
        before = _stored(databases)
        call(archive, databases.results, file)
        archived, left = _archived(file), _stored(databases)
    for description, (task_id, old) in tasks.items():
        with case(description):
            if old and task_id not in archived:
                raise WrongAnswer("the file lacks it.")
            if not old and task_id in archived:
                raise WrongAnswer("the file also holds it.")
            if old:
                expect(archived[task_id], before[task_id], "the result in the file: ")
            if old and task_id in left:
                raise WrongAnswer("another connection still finds it in the table.")
            if not old and task_id not in left:
                raise WrongAnswer("the table has lost it.")
    with case("rows that became a day old in the meantime"):
        if lost := set(before) - set(archived) - set(left):
            raise WrongAnswer(f"{len(lost)} were deleted, but are not in the file: use one moment.")
        if both := set(archived) & set(left):
            raise WrongAnswer(f"{len(both)} are in the file and in the table: use one moment.")


@contextmanager
def _rows_that_come_of_age(databases: Scratch) -> Iterator[None]:
    """Store rows of which one becomes a day old every few milliseconds, as in a busy table.

    Statements begin a little later, so that some do between any two readings of a clock; a DELETE
    begins in another second, since SQLite's ``datetime('now')`` knows no smaller unit.
    """
    table = sa.Table("celery_taskmeta", sa.MetaData(), autoload_with=databases.results)
    start = dt.datetime.now(dt.UTC).replace(tzinfo=None) - DAY
    step = dt.timedelta(milliseconds=5)
    rows = [
        {"task_id": str(uuid.uuid4()), "status": "SUCCESS", "result": b"1", "date_done": date}
        for date in (start + number * step for number in range(6000))
    ]
    with databases.results.begin() as connection:
        connection.execute(table.insert(), rows)

    waits = {"SELECT": lambda: 0.02, "DELETE": lambda: 1.01 - time.time() % 1}  # seconds

    def first_of_many(connection: Any, cursor: Any, statement: str, *_: Any) -> None:
        if seconds := waits.pop(statement.lstrip()[:6].upper(), None):
            time.sleep(seconds())

    sa.event.listen(databases.results, "before_cursor_execute", first_of_many)
    try:
        yield
    finally:
        sa.event.remove(databases.results, "before_cursor_execute", first_of_many)


def _ages(databases: Scratch) -> dict[str, tuple[str, bool]]:
    """Fill the database; return, for each description, the task's id and whether it is old."""
    results = {
        "a result that is a day and two minutes old": (
            databases.store(add, [2, 3], {"total": 5}),
            24 * 60 + 2,
        ),
        "a result that is a month old": (databases.store(add, [2, 3], "five"), 30 * 24 * 60),
        "a failure that is two days old": (
            databases.store(divide, [1, 0], ZeroDivisionError("no"), status="FAILURE"),
            48 * 60,
        ),
        "a result that is two minutes short of a day old": (
            databases.store(add, [2, 2], 4),
            24 * 60 - 2,
        ),
        "a result that is new": (databases.store(add, [1, 1], 2), 0),
        "a task that is running": (databases.store(nap, [600], status="STARTED"), 0),
    }
    for task_id, minutes in results.values():
        _age(databases, task_id, minutes)
    return {text: (task_id, minutes > 24 * 60) for text, (task_id, minutes) in results.items()}


def _fail_to_write(
    call: Callable[..., Any], archive: Callable[..., None], databases: Scratch, file: Path
) -> None:
    """Call the function with a file whose folder does not exist; it may raise what it likes."""
    with suppress(YourCodeRaised):
        call(archive, databases.results, file)
    if file.parent.exists():
        raise WrongAnswer("the function has made the folder.")


def _archived(file: Path) -> dict[str, Any]:
    """Return the ids in the file, and the results."""
    if not file.exists():
        raise WrongAnswer("the function has written no file.")
    try:
        rows = pd.read_parquet(file)
    except (ValueError, OSError):
        raise WrongAnswer("pandas cannot read the file: it is not a Parquet file.") from None
    if not {"task_id", "result"} <= set(rows):
        raise WrongAnswer(
            f"the file has the columns {shown(list(rows))}: task_id or result is missing."
        )
    return dict(zip(rows["task_id"], rows["result"], strict=True))
