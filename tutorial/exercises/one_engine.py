"""The exercises of chapter 10: one engine for Celery."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from typing import Any

import sqlalchemy as sa
from celery.backends.database.models import TaskExtended

from tutorial.exercises.checking import (
    WrongAnswer,
    YourCodeRaised,
    case,
    exercise,
    expect,
    first_line,
    shown,
)
from tutorial.exercises.scratch import scratch
from tutorial.tasks import add

QUERIES = 5  # enough to see a difference


@contextmanager
def _opened(pool: Any = sa.Pool) -> Iterator[list[int]]:
    """Record the connections that are opened by all pools, or by an engine's."""
    opened: list[int] = []
    listen: tuple[Any, str, Any] = (pool, "connect", lambda *_: opened.append(1))
    sa.event.listen(*listen)
    try:
        yield opened
    finally:
        sa.event.remove(*listen)


@exercise(
    points=1,
    hints=[
        "A pool does not notice that the server has closed a connection.",
        "create_engine has an option that tests each connection before the pool hands it out.",
        "The option is pool_pre_ping=True. NullPool would survive too, but opens a connection for "
        "each query.",
    ],
)
def exercise_1(lasting_engine: Callable[[sa.URL], sa.Engine]) -> str:
    """Check that an engine keeps its connections, but survives when they break."""
    with scratch() as databases, case("a database whose connections break") as call:
        databases.store(add, (20, 22), 42)
        engine = call(lasting_engine, databases.results.url)
        if not isinstance(engine, sa.Engine):
            raise WrongAnswer(f"expected an engine, got {shown(engine)}.")
        try:
            if engine.url != databases.results.url:
                raise WrongAnswer("the engine does not have the given URL.")
            with _opened(engine) as opened:
                for _ in range(QUERIES):
                    _count_rows(engine)
            if len(opened) > 1:
                raise WrongAnswer(f"{QUERIES} queries have opened {len(opened)} connections.")
            for _ in range(2):
                _break_connection(engine)
                _count_rows(engine)
            with engine.connect() as one, engine.connect() as other:
                if one.connection.dbapi_connection is other.connection.dbapi_connection:
                    raise WrongAnswer("two users of the engine share one connection.")
        except sa.exc.DBAPIError as error:
            reason = first_line(error.orig or error)
            raise WrongAnswer(f"a connection broke, and the next query failed: {reason}") from None
        finally:
            engine.dispose()
    return f"{QUERIES} queries need one connection, and a broken connection is replaced."


def _count_rows(engine: sa.Engine) -> None:
    with engine.connect() as connection:
        count = connection.scalar(sa.text("SELECT count(*) FROM celery_taskmeta"))
    expect(count, 1, "the number of rows: ")


def _break_connection(engine: sa.Engine) -> None:
    """Close a connection under the pool that holds it, as a server does when it restarts."""
    pooled = engine.raw_connection()
    connection: Any = pooled.dbapi_connection
    pooled.close()  # back into the pool
    connection.close()


@exercise(
    points=2,
    hints=[
        'sa.event.listen(engine, "connect", function) calls the function for each new connection '
        "of this engine, with two arguments.",
        "The function can append to a list; the length of the list is the answer.",
        "sa.event.remove takes the same three arguments. Put it into a finally block.",
    ],
)
def exercise_2(count_connections: Callable[[sa.Engine, Callable[[], object]], int]) -> str:
    """Check that a function counts the connections that an engine opens during some work."""
    with scratch() as databases:
        url = databases.results.url
        keeping, forgetting = sa.create_engine(url), sa.create_engine(url, poolclass=sa.NullPool)
        other = sa.create_engine(url, poolclass=sa.NullPool)
        for description, engine, used, right in [
            ("an engine with NullPool that queries 4 times", forgetting, [forgetting] * 4, 4),
            ("an engine with NullPool that queries 3 times", forgetting, [forgetting] * 3, 3),
            ("a new engine that queries 3 times", keeping, [keeping] * 3, 1),
            ("an engine that has a connection and queries twice", keeping, [keeping] * 2, 0),
            ("an idle engine, while another engine queries", keeping, [other], 0),
        ]:
            with case(description) as call:
                expect(call(count_connections, engine, partial(_query, used)), right)
        _leaves_no_listener(count_connections, forgetting)
        for engine in (keeping, forgetting, other):
            engine.dispose()
    return "Your function counts the connections of this engine, and leaves no listener behind."


def _query(engines: Iterable[sa.Engine]) -> None:
    for engine in engines:
        with engine.connect() as connection:
            connection.execute(sa.text("SELECT 1"))


def _leaves_no_listener(count: Callable[..., int], engine: sa.Engine) -> None:
    """Call the function with work that fails, and see that it stops listening all the same."""

    def listeners() -> int:
        return len(engine.pool.dispatch.connect)

    def fail() -> None:
        raise LookupError("the work failed")

    before = listeners()
    with case("work that does nothing") as call:
        call(count, engine, lambda: None)
        if listeners() > before:
            raise WrongAnswer("afterwards the function still listens: each call costs more.")
    with case("work that raises an exception") as call:
        with suppress(YourCodeRaised):
            call(count, engine, fail)
            raise WrongAnswer("the function has swallowed the exception.")
        if listeners() > before:
            raise WrongAnswer("afterwards the function still listens.")


OLD_COLUMNS = (
    *("id", "task_id", "status", "result", "date_done", "traceback", "name"),
    *("args", "kwargs", "worker", "retries", "queue"),
)


@exercise(
    points=2,
    hints=[
        "sa.inspect(engine).get_columns('celery_taskmeta') lists the columns of the table.",
        "TaskExtended.__table__.columns are the columns that this Celery expects; each has a name "
        "and a type.",
        "ALTER TABLE celery_taskmeta ADD COLUMN name type adds a column; column.type.compile("
        "engine.dialect) is the type in SQL.",
    ],
)
def exercise_3(upgrade: Callable[[sa.Engine], object]) -> str:
    """Check that a function adds the columns that a table of an older Celery lacks."""
    right = {column.name: type(column.type) for column in TaskExtended.__table__.columns}
    for description, missing in {
        "a table of Celery 5.2": set(right) - set(OLD_COLUMNS),
        "a table that lacks the column stamps": {"stamps"},
        "a table that lacks nothing": set(),
    }.items():
        with scratch() as databases, case(description) as call:
            engine = databases.results
            databases.store(add, (20, 22), 42)
            _drop_columns(engine, sorted(missing))
            before = _rows(engine)
            call(upgrade, engine)
            _see_columns(engine, right)
            if [{name: row[name] for name in before[0]} for row in _rows(engine)] != before:
                raise WrongAnswer("the rows of the table have changed.")
            call(upgrade, engine)
            _see_columns(engine, right)
    return "The table has every column, its rows are as before, and a second upgrade does nothing."


def _drop_columns(engine: sa.Engine, names: Sequence[str]) -> None:
    with engine.begin() as connection:
        for name in names:
            connection.exec_driver_sql(f"ALTER TABLE celery_taskmeta DROP COLUMN {name}")


def _rows(engine: sa.Engine) -> list[dict[str, Any]]:
    with engine.connect() as connection:
        rows = connection.exec_driver_sql("SELECT * FROM celery_taskmeta").mappings()
        return [dict(row) for row in rows]


def _see_columns(engine: sa.Engine, right: dict[str, Any]) -> None:
    if not sa.inspect(engine).has_table("celery_taskmeta"):
        raise WrongAnswer("the table celery_taskmeta is gone.")
    found = {
        each["name"]: each["type"] for each in sa.inspect(engine).get_columns("celery_taskmeta")
    }
    for name in right:
        if name not in found:
            raise WrongAnswer(f"the column {name!r} is missing, or was not committed.")
    if others := set(found) - set(right):
        raise WrongAnswer(f"Celery has no column {min(others)!r}.")
    for name in set(right) - set(OLD_COLUMNS):
        if not isinstance(found[name], sa.LargeBinary):
            raise WrongAnswer(f"the column {name!r} should be a BLOB, but is {found[name]}.")


THREADS = (3, 8)  # fewer and more than the pool keeps by default, which is 5


@exercise(
    points=3,
    hints=[
        "create_engine has the options pool_size, max_overflow and pool_timeout, in seconds.",
        "pool_size connections are kept; max_overflow more can be opened, and are closed after "
        "use.",
        "With pool_size equal to the number of threads and max_overflow=0, the pool opens no more.",
    ],
)
def exercise_4(engine_for: Callable[[sa.URL, int], sa.Engine]) -> str:
    """Check that an engine has a connection for each thread, keeps them, and opens no more."""
    with scratch() as databases:
        for threads in THREADS:
            with case(f"{threads} threads") as call:
                engine = call(engine_for, databases.results.url, threads)
                if not isinstance(engine, sa.Engine):
                    raise WrongAnswer(f"expected an engine, got {shown(engine)}.")
                try:
                    if engine.url != databases.results.url:
                        raise WrongAnswer("the engine does not have the given URL.")
                    _see_pool(engine, threads)
                finally:
                    engine.dispose()
    return "There is a connection for each thread, all are kept, and no more are opened."


def _see_pool(engine: sa.Engine, threads: int) -> None:
    """Take as many connections as there are threads, twice, and then one more."""
    with _opened(engine) as opened:
        for _ in range(2):
            with ExitStack() as connections:
                try:
                    taken = {_take(engine, connections) for _ in range(threads)}
                except sa.exc.TimeoutError:
                    raise WrongAnswer("they do not get a connection each.") from None
            if len(taken) < threads:
                raise WrongAnswer(f"they share {len(taken)} connections.")
        if len(opened) > threads:
            raise WrongAnswer(
                f"they have used the engine twice, and {len(opened)} connections were opened: "
                "not all of them are kept."
            )
        with ExitStack() as connections:
            for _ in range(threads):
                _take(engine, connections)
            timeout = getattr(engine.pool, "_timeout", 0)
            if timeout > 1:
                raise WrongAnswer(
                    f"a thread without a connection waits {timeout:g} seconds: expected at most 1."
                )
            with suppress(sa.exc.TimeoutError):
                _take(engine, connections)
                raise WrongAnswer("the engine opens one connection more.")


def _take(engine: sa.Engine, connections: ExitStack) -> int:
    """Take a connection out of the pool until the end of a block; return which one it is."""
    connection = connections.enter_context(engine.connect())
    return id(connection.connection.dbapi_connection)
