"""The exercises of chapter 17: capacity."""

import datetime as dt
import math
import uuid
from collections.abc import Callable, Sequence
from numbers import Real

import sqlalchemy as sa

from tutorial.database import explain, make_engine
from tutorial.exercises.checking import WrongAnswer, case, exercise, expect, shown
from tutorial.exercises.scratch import local_zone, scratch
from tutorial.servers import Server
from tutorial.tasks import add

DAY = dt.timedelta(days=1)
ROWS = 6000  # so many that the few pages of the empty tables do not count


@exercise(
    points=2,
    hints=[
        "CREATE TABLE name PARTITION OF table FOR VALUES FROM ('2026-03-01') TO ('2026-03-02') "
        "makes a partition for one day.",
        "FROM belongs to the partition, TO does not: midnight is in the new day.",
        "first + timedelta(days=n) also counts from one month to the next. The date can be a part "
        "of the partition's name.",
    ],
)
def exercise_1(partitions: Callable[[str, dt.date, int], Sequence[str]], server: Server) -> str:
    """Check that statements split a table of results into one partition for each day."""
    engine = make_engine(server.url)
    try:
        for first, days in PERIODS:
            with case(f"{days} days from {first}") as call, engine.connect() as connection:
                table = f"results_{uuid.uuid4().hex}"
                statements = call(partitions, table, first, days)
                if not isinstance(statements, list | tuple) or not all(
                    isinstance(statement, str) for statement in statements
                ):
                    raise WrongAnswer(f"expected a list of strings, got {shown(statements)}.")
                _see_partitions(connection, statements, table, first, days)  # never committed
    finally:
        engine.dispose()
    return "Each day has a partition, midnight belongs to the new day, and no row lands elsewhere."


# Over the end of a year, of a leap February and of summer time in Los Angeles.
PERIODS = [(dt.date(2026, 12, 30), 4), (dt.date(2028, 2, 28), 3), (dt.date(2026, 10, 31), 3)]


def _see_partitions(
    connection: sa.Connection, statements: Sequence[str], table: str, first: dt.date, days: int
) -> None:
    """Make the partitions, and see where rows at the limits of the days are stored."""
    connection.exec_driver_sql("SET LOCAL TIME ZONE 'America/Los_Angeles'")
    connection.exec_driver_sql("SET LOCAL statement_timeout = '5s'")
    columns = "(task_id text, status text, date_done timestamp NOT NULL)"
    connection.exec_driver_sql(f"CREATE TABLE {table} {columns} PARTITION BY RANGE (date_done)")
    for statement in statements:
        try:
            connection.exec_driver_sql(statement)
        except sa.exc.DBAPIError as error:
            short = shown(statement.replace(table, "TABLE"))
            raise WrongAnswer(f"PostgreSQL refuses {short}: {explain(error)}.") from None
    begin = dt.datetime.combine(first, dt.time())
    places = set()
    for number in range(days):
        midnight = begin + number * DAY
        early, late = (
            _place(connection, table, moment)
            for moment in (midnight, midnight + DAY - dt.timedelta(microseconds=1))
        )
        if not early or not late:
            moment = midnight if not early else midnight + DAY
            raise WrongAnswer(
                f"no partition takes a row {'of' if not early else 'before'} {moment}."
            )
        if early != late:
            raise WrongAnswer(f"the rows of {midnight:%Y-%m-%d} are in two partitions.")
        if early in places:
            raise WrongAnswer(f"{midnight:%Y-%m-%d} has no partition of its own.")
        places.add(early)
    for moment in (begin - dt.timedelta(microseconds=1), begin + days * DAY):
        if _place(connection, table, moment):
            raise WrongAnswer(f"a row of {moment} is stored, but this day was not asked for.")
    count = sa.text("SELECT count(*) FROM pg_inherits WHERE inhparent = CAST(:table AS regclass)")
    expect(connection.scalar(count, {"table": table}), days, "the number of partitions: ")


def _place(connection: sa.Connection, table: str, moment: dt.datetime) -> str:
    """Return the partition in which PostgreSQL stores a row, or an empty string."""
    insert = f"INSERT INTO {table} VALUES ('id', 'SUCCESS', :moment) RETURNING tableoid::regclass"
    savepoint = connection.begin_nested()
    try:
        return str(connection.scalar(sa.text(insert), {"moment": moment}))
    except sa.exc.DBAPIError:
        return ""
    finally:
        savepoint.rollback()


def _see_number(value: object) -> None:
    if not isinstance(value, Real) or isinstance(value, bool):
        hint = ": the function has no `return`" * (value is None)
        raise WrongAnswer(f"expected a number, got {shown(value)}{hint}.")


@exercise(
    points=2,
    hints=[
        "PRAGMA page_count is the number of pages of the file, PRAGMA page_size is their size.",
        "Deleted rows leave empty pages in the file. PRAGMA freelist_count is their number.",
        "connection.scalar(sa.text('PRAGMA page_size')) returns a number. Divide the bytes of the "
        "pages in use by the number of rows.",
    ],
)
def exercise_2(bytes_per_row: Callable[[sa.Engine], float]) -> str:
    """Check that a function returns how many bytes of the file a row takes."""
    for result in ("x", "x" * 500):
        description = f"{ROWS // 2} rows with a result of {len(result)} characters"
        with scratch() as databases, case(description) as call:
            results = databases.results
            databases.store(add, [2, 3], result)
            _copy_row(results, [None] * ROWS)
            half = f"DELETE FROM celery_taskmeta WHERE id > {ROWS // 2}"
            with results.begin() as connection:
                connection.execute(sa.text(half))
            before = _sizes(results)
            said = call(bytes_per_row, results)
            _see_number(said)
            if _sizes(results) != before:
                raise WrongAnswer("the function has changed the database: it should only measure.")
            pages, empty, page_size, rows = before
            used = (pages - empty) * page_size
            mistakes = {
                "the empty pages are counted too": pages * page_size / rows,
                "these are pages, not bytes": (pages - empty) / rows,
                "these are pages, not bytes, and the empty ones are counted too": pages / rows,
                "this is the size of all rows together": used,
                "this is the size of the whole file": pages * page_size,
            }
            right = used / rows
            for mistake, value in mistakes.items():
                if math.isclose(said, value, rel_tol=0.001):
                    raise WrongAnswer(f"expected {right:.0f} bytes, got {shown(said)}: {mistake}.")
            if not math.isclose(said, right, rel_tol=0.05):
                raise WrongAnswer(f"expected {right:.0f} bytes, got {shown(said)}.")
    return "The pages in use were counted, including the indexes and without the empty pages."


def _sizes(engine: sa.Engine) -> tuple[int, ...]:
    """Return the numbers of pages and of empty pages, the bytes of a page, the number of rows."""
    pragmas = ["PRAGMA page_count", "PRAGMA freelist_count", "PRAGMA page_size"]
    with engine.connect() as connection:
        return tuple(
            connection.execute(sa.text(query)).scalar_one()
            for query in [*pragmas, "SELECT count(*) FROM celery_taskmeta"]
        )


def _copy_row(engine: sa.Engine, dates: Sequence[dt.datetime | None]) -> list[str]:
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
        "The rowcount of what execute returns is the number of rows that were deleted.",
        "A transaction ends with its block `with results.begin()`. So put the loop around the "
        "block, and end it when a DELETE has found nothing.",
    ],
)
def exercise_3(clean_up: Callable[[sa.Engine, dt.datetime, int], int]) -> str:
    """Check that a function deletes old rows in small transactions, and no others."""
    # Not a whole second: SQLite compares dates as strings, which would then be shorter.
    before = dt.datetime.now(dt.UTC).replace(tzinfo=None, microsecond=500_000) - 30 * DAY
    moment = dt.timedelta(microseconds=1)
    others = {
        "a row of that very moment": before,
        "a row that is younger": before + DAY,
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
            description = f"{old} old rows and batches of {batch}"
            # `before` is in UTC, and local time must not pass for it.
            with case(description) as call, local_zone("America/Los_Angeles"):
                said = call(clean_up, results, before, batch)
                _see_left(results, before, kept, old)
                _see_transactions(sizes, old, batch)
                expect(said, old, "the number of deleted rows: ")
    return "Only the old rows are gone, and no transaction deleted more than a batch."


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
        if not connection.connection.in_transaction:  # SQLite has committed by itself
            commit(connection)

    sa.event.listen(engine, "begin", begin)
    sa.event.listen(engine, "commit", commit)
    sa.event.listen(engine, "after_cursor_execute", execute)
    return sizes


def _see_left(engine: sa.Engine, before: dt.datetime, kept: dict[str, str], old: int) -> None:
    """Check that the old rows are gone, and the others are not."""
    table = sa.Table("celery_taskmeta", sa.MetaData(), autoload_with=engine)
    with engine.connect() as connection:
        left = connection.scalars(sa.select(table.c.task_id)).all()
        is_old = table.c.date_done < before
        too_many = connection.scalars(sa.select(sa.func.count()).where(is_old)).one()
    for task_id, description in kept.items():
        if task_id not in left:
            raise WrongAnswer(f"the table has lost {description}.")
    if too_many:
        raise WrongAnswer(f"another connection still finds {too_many} of {old} old rows.")


def _see_transactions(sizes: list[int], old: int, batch: int) -> None:
    """Check that each transaction has deleted a batch, and the last one the rest."""
    if old and not sizes:
        raise WrongAnswer(
            "no transaction of the engine `results` has deleted a row: use this engine."
        )
    if max(sizes, default=0) > batch:
        raise WrongAnswer(f"a transaction has deleted {max(sizes)} rows, but `batch` is {batch}.")
    batches = [min(batch, old - done) for done in range(0, old, batch)]
    if sizes != batches:
        raise WrongAnswer(f"the rows of each transaction: expected {batches}, got {sizes}.")
