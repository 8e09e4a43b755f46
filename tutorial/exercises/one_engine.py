"""The exercises of chapter 10: one engine for Celery."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import Any

import sqlalchemy as sa
from celery import Celery
from celery.backends.database import DatabaseBackend
from celery.exceptions import ImproperlyConfigured
from sqlalchemy.orm import Session

from tutorial.exercises.checking import Wrong, YourCodeRaised, call, exercise, shown
from tutorial.exercises.quiz import Choice, Question
from tutorial.exercises.scratch import scratch
from tutorial.tasks import add

READS = 5  # enough to see a difference


@contextmanager
def _opened(pool: Any = sa.Pool) -> Iterator[list[int]]:
    """Note the connections that are opened, by all pools or by an engine's."""
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
        "Celery's argument backend= takes a URL, or something to call, and an engine is neither.",
        "engine_backend makes something to call of an engine.",
    ],
)
def exercise_1(shop: Celery, engine: sa.Engine) -> str:
    """See that an app reads its results through the learner's engine."""
    if not isinstance(shop, Celery):
        raise Wrong(f"`shop` is {shown(shop)}, and not a Celery app.")
    try:
        backend = shop.backend
    except (TypeError, ValueError, ImproperlyConfigured) as error:
        raise Wrong(f"Celery cannot make a backend of it: {error}.") from None
    if not isinstance(backend, DatabaseBackend):
        raise Wrong(f"`shop` stores nothing in a database: its backend is {shown(backend)}.")
    bound = _bound(backend)
    if bound is not engine:
        other = "a new one for each call" if _bound(backend) is not bound else "one of its own"
        raise Wrong(f"The backend of `shop` does not use `engine`, but {other}.")
    with _opened() as opened:
        for _ in range(READS):
            backend.get_task_meta("never-sent", cache=False)
    if len(opened) > 1:
        raise Wrong(f"{READS} reads have opened {len(opened)} connections.")
    return f"The backend uses your engine, and {READS} reads need no connection but one."


def _bound(backend: DatabaseBackend) -> Any:
    """Return the engine of a new session."""
    session = backend.ResultSession()
    try:
        return session.get_bind()
    finally:
        session.close()


@exercise(
    points=2,
    hints=[
        'sa.event.listen(engine, "connect", function) calls the function for each new connection '
        "of this engine, with two arguments.",
        "The function can append to a list, whose length is the answer.",
        "sa.event.remove takes the same three arguments. In a finally it comes in any case.",
    ],
)
def exercise_2(count_connections: Callable[[sa.Engine, Callable[[], object]], int]) -> str:
    """See that a function counts the connections that an engine opens during some work."""
    with scratch() as databases:
        url = databases.results.url
        keeping, forgetting = sa.create_engine(url), sa.create_engine(url, poolclass=sa.NullPool)
        other = sa.create_engine(url, poolclass=sa.NullPool)

        def counted(engine: sa.Engine, *used: sa.Engine) -> Any:
            def work() -> None:
                for each in used:
                    _ask(each)

            return call(count_connections, engine, work)

        for text, found, right in [
            ("with NullPool asks 4 times", counted(forgetting, *[forgetting] * 4), 4),
            ("with NullPool asks 3 times", counted(forgetting, *[forgetting] * 3), 3),
            ("asks 3 times", counted(keeping, keeping, keeping, keeping), 1),
            ("whose pool holds a connection asks twice", counted(keeping, keeping, keeping), 0),
            ("does nothing, and another engine asks", counted(keeping, other), 0),
        ]:
            if type(found) is not int or found != right:
                raise Wrong(
                    f"When an engine {text}, the number of opened connections is {right}; "
                    f"the function returns {shown(found)}."
                )
        _leaves_no_listener(count_connections, forgetting)
        for engine in (keeping, forgetting, other):
            engine.dispose()
    return "It counts what this engine opens, and leaves no listener behind."


def _ask(engine: sa.Engine) -> None:
    with engine.connect() as connection:
        connection.execute(sa.text("SELECT 1"))


def _leaves_no_listener(count: Callable[..., int], engine: sa.Engine) -> None:
    """Call the function with work that fails, and see that it stops to listen all the same."""

    def listeners() -> int:
        return len(engine.pool.dispatch.connect)

    def fail() -> None:
        raise LookupError("the work failed")

    before = listeners()
    call(count, engine, lambda: None)
    if listeners() > before:
        raise Wrong(
            "After the work the function still listens: each call costs more than the last."
        )
    with suppress(YourCodeRaised):
        call(count, engine, fail)
        raise Wrong("The work raised an exception, and the function has swallowed it.")
    if listeners() > before:
        raise Wrong("When the work raises an exception, the function goes on listening.")


@exercise(
    points=2,
    hints=[
        "self.engine is the engine, and sessionmaker(engine) makes something that makes sessions.",
        "In an empty database the tables are missing: "
        "self.session_manager.prepare_models(engine) makes them.",
        "Each call returns a new session: two threads must not share one.",
    ],
)
def exercise_3(OneEngine: type[DatabaseBackend], ResultSession: Callable[..., Session]) -> str:
    """See that a result backend takes its sessions from one engine."""
    app = Celery("check", set_as_current=False)
    with scratch() as databases, ExitStack() as sessions:
        engine = databases.results
        backend = call(lambda: OneEngine(engine, app=app))
        first, second = (call(ResultSession, backend) for _ in range(2))
        for session in (first, second):
            if not isinstance(session, Session):
                raise Wrong(f"ResultSession returns {shown(session)}, and not a session.")
            sessions.callback(session.close)
        if first is second:
            raise Wrong("Two calls return the same session, which two threads would then share.")
        for session in (first, second):
            if session.get_bind() is not engine:
                raise Wrong("The session uses another engine than self.engine.")
        if not sa.inspect(engine).has_table("celery_taskmeta"):
            raise Wrong("In an empty database there is no table celery_taskmeta: who makes it?")
        task_id = databases.store(add, (20, 22), 42)
        with _opened() as opened:
            found = [backend.get_task_meta(task_id, cache=False) for _ in range(READS)]
        if len(opened) > 1 or found[-1]["result"] != 42:
            raise Wrong(f"{READS} reads have opened {len(opened)} connections.")
    return "It makes the tables, and each session comes from the one engine."


THREADS = (3, 8)  # fewer and more than the pool keeps by default, which is 5


@exercise(
    points=3,
    hints=[
        "create_engine has the options pool_size, max_overflow and pool_timeout, in seconds.",
        "pool_size is the number of connections that are kept, max_overflow the number of those "
        "that are opened beyond it and closed after use.",
        "With as many kept as there are threads and max_overflow 0, the pool opens no other.",
    ],
)
def exercise_4(engine_for: Callable[[sa.URL, int], sa.Engine]) -> str:
    """See that an engine has a connection for each thread, keeps them, and opens no more."""
    with scratch() as databases:
        for threads in THREADS:
            engine = call(engine_for, databases.results.url, threads)
            if not isinstance(engine, sa.Engine):
                raise Wrong(f"The function returns {shown(engine)}, and not an engine.")
            if engine.url != databases.results.url:
                raise Wrong("The engine is not one for the URL that the function gets.")
            try:
                _see_pool(engine, threads)
            finally:
                engine.dispose()
    return "Each thread has a connection, they are kept, and who asks for more soon gets an error."


def _see_pool(engine: sa.Engine, threads: int) -> None:
    """Take as many connections as there are threads, twice, and then one more."""
    with _opened(engine) as opened:
        for _ in range(2):
            with ExitStack() as connections:
                try:
                    taken = {_take(engine, connections) for _ in range(threads)}
                except sa.exc.TimeoutError:
                    raise Wrong(f"{threads} threads get no connection each.") from None
            if len(taken) < threads:
                raise Wrong(f"{threads} threads get no connection each, but share {len(taken)}.")
        if len(opened) > threads:
            raise Wrong(
                f"{threads} threads have used the engine twice, and {len(opened)} connections "
                f"were opened: they are not all kept."
            )
        with ExitStack() as connections:
            for _ in range(threads):
                _take(engine, connections)
            timeout = getattr(engine.pool, "_timeout", 0)
            if timeout > 1:
                raise Wrong(f"Who finds no connection free waits for {timeout:g} seconds, not one.")
            with suppress(sa.exc.TimeoutError):
                _take(engine, connections)
                raise Wrong(f"Beyond those of the {threads} threads the engine opens one more.")


def _take(engine: sa.Engine, connections: ExitStack) -> int:
    """Take a connection out of the pool until the end of a block; return which one it is."""
    connection = connections.enter_context(engine.connect())
    return id(connection.connection.dbapi_connection)


question_1 = Question(
    "Celery('shop', backend=make_engine()) fails when the backend is used. Why?",
    Choice("The engine has no connection.", "An engine connects when it is first used."),
    Choice(
        "backend= takes a URL, or something to call.",
        "An engine is neither, and Celery says that it is not callable.",
        right=True,
    ),
    Choice("Celery knows no SQLAlchemy.", "Its database backend is built on it."),
)
question_2 = Question(
    "How many connections does the stock backend open for 100 reads in a notebook?",
    Choice("One, which it keeps.", "It would, if it kept its engine."),
    Choice("Five, the size of a pool.", "It uses NullPool there, which keeps nothing."),
    Choice(
        "100",
        "Each read makes a new engine with NullPool, opens a connection and closes it.",
        right=True,
    ),
)
question_3 = Question(
    "Why does Celery drop the option pool_size in a process that was not forked?",
    Choice(
        "NullPool would refuse it.",
        "So the backend passes on no option that begins with pool.",
        right=True,
    ),
    Choice("It is a default already.", "There is no pool at all that could have a size."),
    Choice("SQLite has no pools.", "The pool belongs to SQLAlchemy, and a file can have one."),
)
question_4 = Question(
    "A worker forks, and a child uses a connection that its parent has opened. What can happen?",
    Choice("Nothing, since it is a copy.", "The other end, at the server, is not copied."),
    Choice(
        "Both talk into one conversation, and results get lost.",
        "So a child must forget what it inherits, without closing it: dispose(close=False).",
        right=True,
    ),
    Choice("The child waits for its parent.", "Neither knows of the other, and nobody waits."),
)
question_5 = Question(
    "A row holds a pickle in place of JSON. What does the course's backend do?",
    Choice("It runs what the pickle says.", "The stock backend does: loads runs any code."),
    Choice("It returns the bytes.", "Then a program would take them for a result."),
    Choice(
        "It raises a DecodeError.",
        "It decodes what the app accepts, and nothing else: delete such a row.",
        right=True,
    ),
)
