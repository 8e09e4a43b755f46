"""The exercises of chapter 17: capacity."""

import math
import random
import uuid
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from numbers import Real

import sqlalchemy as sa

from tutorial.exercises.checking import Wrong, call, exercise, shown
from tutorial.exercises.quiz import Choice, Question
from tutorial.exercises.scratch import scratch
from tutorial.tasks import add

LAST_ID = 2**31 - 1  # of a signed integer with 32 bits, as Celery's column id is
DAY = 24 * 60 * 60  # seconds
ROWS = 6000  # so many that the few pages of the empty tables do not count


@exercise(
    points=2,
    hints=[
        "The ids that are left are 2,147,483,647 less the last one.",
        "Ids divided by ids in a second are seconds, and a day has 86,400 of them.",
        "Python does not divide by 0: that rate needs an if, and math.inf.",
    ],
)
def exercise_1(days_left: Callable[[int, float], float]) -> str:
    """See that a function says how many days the ids of the table last."""
    cases = [(0, 400.0), (LAST_ID - DAY, 1.0), (10**9, random.uniform(1, 1000))]
    for last_id, rate in cases:
        days = call(days_left, last_id, rate)
        right = (LAST_ID - last_id) / rate / DAY
        said = f"days_left({last_id}, {rate}) is {shown(days)}"
        _see_number(days, said)
        mistakes = {
            "the number of seconds": right * DAY,
            "the number of minutes": right * 24 * 60,
            "the number of hours": right * 24,
            "what all ids last, and some are used": LAST_ID / rate / DAY,
            "what an unsigned integer would give": (2**32 - 1 - last_id) / rate / DAY,
            "what a bigint would give": (2**63 - 1 - last_id) / rate / DAY,
            "an id too many, for the last one is 2,147,483,647": right + 1 / rate / DAY,
        }
        if math.isclose(days, right, rel_tol=1e-6):
            continue
        for mistake, value in mistakes.items():
            if math.isclose(days, value, rel_tol=1e-6):
                raise Wrong(f"{said}: that is {mistake}.")
        raise Wrong(f"{said}, and the ids last for {right} days.")
    if (days := call(days_left, 10**9, 0.0)) != math.inf:
        raise Wrong(f"Without results the ids last for ever, and the function says {shown(days)}.")
    return "It knows the last id, what is left of the ids, and that without results they last."


def _see_number(value: object, said: str) -> None:
    if not isinstance(value, Real) or isinstance(value, bool):
        hint = ": without `return` a function gives nothing back" if value is None else ""
        raise Wrong(f"{said}, and not a number{hint}.")


@exercise(
    points=2,
    hints=[
        "PRAGMA page_count and PRAGMA page_size say how many pages the file has, and their bytes.",
        "Deleted rows leave empty pages in the file. PRAGMA freelist_count says how many.",
        "connection.scalar(sa.text('PRAGMA page_size')) gives a number. Divide the bytes of the "
        "pages in use by the number of rows.",
    ],
)
def exercise_2(bytes_per_row: Callable[[sa.Engine], float]) -> str:
    """See that a function says how many bytes of the file a row takes."""
    for result in ("x", "x" * 500):
        with scratch() as databases:
            results = databases.results
            databases.store(add, [2, 3], result)
            _copy_row(results, [None] * ROWS)
            half = f"DELETE FROM celery_taskmeta WHERE id > {ROWS // 2}"
            with results.begin() as connection:
                connection.execute(sa.text(half))
            before = _sizes(results)
            said = call(bytes_per_row, results)
            after = _sizes(results)
        _see_number(said, f"The function returns {shown(said)}")
        if after != before:
            raise Wrong("The function has changed the database, and it should measure it only.")
        pages, empty, page_size, rows = before
        used = (pages - empty) * page_size
        mistakes = {
            "counts the empty pages too": pages * page_size / rows,
            "counts pages, not bytes": (pages - empty) / rows,
            "counts pages, not bytes, and the empty ones too": pages / rows,
            "is what all rows take together": used,
            "is the size of the whole file": pages * page_size,
        }
        if math.isclose(said, used / rows, rel_tol=0.05):
            continue
        for mistake, value in mistakes.items():
            if math.isclose(said, value, rel_tol=0.001):
                raise Wrong(f"The function returns {shown(said)}: that {mistake}.")
        raise Wrong(f"The function returns {shown(said)}, and a row takes {used / rows:.0f} bytes.")
    return "It counts the pages that are in use, with the indexes and without the empty ones."


def _sizes(engine: sa.Engine) -> tuple[int, ...]:
    """Return the number of pages, and of empty ones; the bytes of a page; the number of rows."""
    pragmas = ["PRAGMA page_count", "PRAGMA freelist_count", "PRAGMA page_size"]
    with engine.connect() as connection:
        return tuple(
            connection.execute(sa.text(query)).scalar_one()
            for query in [*pragmas, "SELECT count(*) FROM celery_taskmeta"]
        )


def _copy_row(engine: sa.Engine, dates: Sequence[datetime | None]) -> list[str]:
    """Copy a row of the table, once for each date; return the ids of the new tasks."""
    # As the database describes it: Celery's class would unpickle what it reads.
    table = sa.Table("celery_taskmeta", sa.MetaData(), autoload_with=engine)
    copies = [{"task_id": str(uuid.uuid4()), "date_done": date} for date in dates]
    with engine.begin() as connection:
        row = dict(connection.execute(sa.select(table).limit(1)).mappings().one())
        del row["id"]
        if copies:
            connection.execute(table.insert(), [{**row, **copy} for copy in copies])
    return [str(copy["task_id"]) for copy in copies]


@exercise(
    points=3,
    hints=[
        "DELETE takes a subquery: ... WHERE id IN (SELECT id ... LIMIT :batch).",
        "The rowcount of what execute returns says how many rows a DELETE has found.",
        "A transaction ends with its block `with results.begin()`. So the loop stands around the "
        "block, and ends when a DELETE has found nothing.",
    ],
)
def exercise_3(clean_up: Callable[[sa.Engine, datetime, int], int]) -> str:
    """See that a function deletes old rows in small transactions, and no others."""
    # Not a whole second: SQLite compares dates as texts, which would then be shorter.
    before = datetime.now(UTC).replace(tzinfo=None, microsecond=500_000) - timedelta(days=30)
    moment = timedelta(microseconds=1)
    others = {
        "a row of that very moment": before,
        "a row that is younger": before + timedelta(days=1),
        "a row without a date": None,
    }
    with scratch() as databases:
        results = databases.results
        databases.store(add, [2, 3], 5)
        kept = dict(zip(_copy_row(results, list(others.values())), others, strict=True))
        sizes = _watch_transactions(results)
        for old, batch in [(7, 3), (4, 2), (0, 2)]:  # with a remainder, without one, with no row
            _copy_row(results, [before - n * moment for n in range(old, 0, -1)])
            sizes.clear()
            said = call(clean_up, results, before, batch)
            _see_left(results, before, kept, old)
            _see_transactions(sizes, old, batch)
            if said != old or isinstance(said, bool):
                raise Wrong(f"The function returns {shown(said)}, and has deleted {old} rows.")
    return "All old rows are gone and no others, and each transaction deleted a batch at most."


def _watch_transactions(engine: sa.Engine) -> list[int]:
    """Return a list to which each transaction that is committed adds its number of rows."""
    sizes: list[int] = []

    def begin(connection: sa.Connection) -> None:
        connection.info["changes"] = connection.connection.total_changes

    def commit(connection: sa.Connection) -> None:
        if size := connection.connection.total_changes - connection.info["changes"]:
            sizes.append(size)
        begin(connection)

    def execute(connection: sa.Connection, *_: object) -> None:
        if not connection.connection.in_transaction:  # SQLite has committed it by itself
            commit(connection)

    sa.event.listen(engine, "begin", begin)
    sa.event.listen(engine, "commit", commit)
    sa.event.listen(engine, "after_cursor_execute", execute)
    return sizes


def _see_left(engine: sa.Engine, before: datetime, kept: dict[str, str], old: int) -> None:
    """See that the old rows are gone, and the others are not."""
    table = sa.Table("celery_taskmeta", sa.MetaData(), autoload_with=engine)
    with engine.connect() as connection:
        left = connection.scalars(sa.select(table.c.task_id)).all()
        is_old = table.c.date_done < before
        too_many = connection.scalars(sa.select(sa.func.count()).where(is_old)).one()
    for task_id, description in kept.items():
        if task_id not in left:
            raise Wrong(f"The table has lost {description}.")
    if too_many:
        raise Wrong(f"Another connection still finds {too_many} of {old} old rows.")


def _see_transactions(sizes: list[int], old: int, batch: int) -> None:
    """See that each transaction has deleted a batch, and the last one the rest."""
    if old and not sizes:
        raise Wrong("No transaction of the engine `results` has deleted a row: use this engine.")
    if max(sizes, default=0) > batch:
        raise Wrong(f"A transaction has deleted {max(sizes)} rows, and `batch` is {batch}.")
    batches = [min(batch, old - done) for done in range(0, old, batch)]
    if sizes != batches:
        raise Wrong(f"The transactions have deleted {sizes} rows, and should delete {batches}.")


question_1 = Question(
    "Clients of a PostgreSQL wait for the result of each short task. What helps them most?",
    Choice("Another queue.", "Down a column of the chapter's table the queue hardly matters."),
    Choice(
        "An engine that is shared.",
        "The stock backend opens a connection for each look, and a server's connection is dear.",
        right=True,
    ),
    Choice("More worker processes.", "They do more tasks in a second, and each takes as long."),
)
question_2 = Question(
    "The table grows from a hundred thousand rows to ten million. What stays as quick?",
    Choice(
        "Reading one result by its id.",
        "The index on task_id finds it in a few steps, however many rows there are.",
        right=True,
    ),
    Choice("Counting by state.", "It reads all of the table: seconds, for ten million rows."),
    Choice("Deleting a tenth of it.", "A tenth is a hundred times as many rows then."),
)
question_3 = Question(
    "The sequence of the ids on PostgreSQL has come to its end. What becomes of the next task?",
    Choice("It does not run.", "The queue and the task need no id of the table."),
    Choice("It takes the id of a row that was deleted.", "A sequence does not look for gaps."),
    Choice(
        "It runs, and stays PENDING.",
        "Its result cannot be stored, and a task without a row is PENDING.",
        right=True,
    ),
)
question_4 = Question(
    "A DELETE has taken a million of ten million rows on PostgreSQL. What is left to do?",
    Choice("Nothing: the file is smaller now.", "On disk the table is as large as before."),
    Choice(
        "VACUUM, which takes longer than the DELETE.",
        "It makes the space usable again. Dropping a partition leaves nothing to vacuum.",
        right=True,
    ),
    Choice("Make the indexes again.", "They go on working: VACUUM takes the old entries out."),
)
question_5 = Question(
    "Results are to come at a billion a month. What do you ask first?",
    Choice(
        "Who reads them?",
        "With ignore_result=True most of the rows are often never written.",
        right=True,
    ),
    Choice("Which disk is large enough?", "A third of a terabyte is the smaller trouble."),
    Choice("How do I make the id a bigint?", "SQLAlchemy still sends it as a 32-bit integer."),
)
