"""The exercises of chapter 01: the engine."""

import sqlite3
import tempfile
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from tutorial.exercises.checking import Wrong, call, exercise, shown
from tutorial.exercises.quiz import Choice, Question
from tutorial.workspace import home

PASSWORD = "p@ss/word"  # that of exercise 1, which is nobody's
PARTS = {
    "drivername": "postgresql+psycopg",
    "username": "ada",
    "password": PASSWORD,
    "host": "db.example.org",
    "port": 5433,
    "database": "results",
}


@exercise(
    points=1,
    hints=[
        "The characters @ and / of the password have a meaning in a URL.",
        "URL.create of SQLAlchemy takes each part for itself, and writes them correctly.",
        "The word before :// is dialect+driver, and the port is a number.",
    ],
)
def exercise_1(url: sa.URL | str) -> str:
    """See that a URL is right whose password holds characters with a meaning in a URL."""
    try:
        read = sa.make_url(url)
    except (sa.exc.ArgumentError, ValueError):
        raise Wrong("SQLAlchemy cannot read the URL: is a special character in it?") from None
    if read.password == "***":
        raise Wrong("The password is three stars: str(url) hides it, and is no way to copy a URL.")
    for name, right in PARTS.items():
        found = getattr(read, name)
        if found != right:
            # A part of the password can be anywhere, but this password is nobody's.
            raise Wrong(f"The {name} is {shown(found)}, and {right!r} is right.")
    return "Every part of the URL is in its place."


@exercise(
    points=2,
    hints=[
        "make_engine takes a URL, and sqlite_url makes one of a path; both are in "
        "tutorial.database.",
        "Nothing is in the file before the engine has connected, and nothing stays in it "
        "without a commit.",
        "engine.begin() opens a connection, and commits at the end of its with block.",
    ],
)
def exercise_2(engine: sa.Engine) -> str:
    """See that an engine has made a file, and in it a table with three rows."""
    if not isinstance(engine, sa.Engine):
        raise Wrong(f"`engine` is {shown(engine)}, and not an engine.")
    file = home() / "files" / "shop.db"
    path = Path(engine.url.database or "")
    if not path.is_absolute():
        raise Wrong(f"The path {str(path)!r} is relative: from another folder it is another file.")
    if path != file:
        raise Wrong(f"The engine's file is {path.name!r} in the folder {path.parent.name!r}.")
    if not file.exists():
        raise Wrong("There is no file yet: an engine that has not connected makes none.")
    with closing(sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True)) as connection:
        try:
            found = connection.execute("SELECT number FROM orders ORDER BY number").fetchall()
        except sqlite3.OperationalError as error:
            raise Wrong(f"Another connection cannot read the orders: {error}.") from None
    if not found:
        raise Wrong("Another connection sees no row in the table: was there a commit?")
    if [number for (number,) in found] != [1, 2, 3]:
        raise Wrong(f"The table holds {shown([number for (number,) in found])}, not 1, 2, 3.")
    return "The file holds the three orders, and other connections see them."


@exercise(
    points=3,
    hints=[
        "SQLAlchemy's connect_args hands sqlite3 its parameter timeout, in seconds.",
        "PRAGMA busy_timeout, in milliseconds, holds for one connection only. sa.event.listen "
        'on "connect" reaches each new one.',
        "The journal mode is kept in the file: it is enough that one connection sets it.",
    ],
)
def exercise_3(patient_engine: Callable[[Path], sa.Engine]) -> str:
    """See that every connection of an engine waits for another writer."""
    # Windows cannot delete a file that a learner's engine still has open.
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        file = Path(folder, "numbers.db")
        with closing(sqlite3.connect(file)) as connection:
            connection.execute("CREATE TABLE numbers (n INTEGER)")
        engine = call(patient_engine, file)
        if not isinstance(engine, sa.Engine):
            raise Wrong(f"The function returns {shown(engine)}, and not an engine.")
        if engine.url.database != str(file):
            raise Wrong(f"The engine's file is {shown(engine.url.database)}, not the one given.")
        try:
            _look_at(engine)
            call(_write_beside_another, engine, file)
        finally:
            engine.dispose()
    return "Two connections at once, and each waits for a writer instead of failing."


def _look_at(engine: sa.Engine) -> None:
    """See what is set on two connections of an engine that are open at once."""
    with engine.connect() as first, engine.connect() as second:
        modes = [one.exec_driver_sql("PRAGMA journal_mode").scalar() for one in (first, second)]
        waits = [
            int(one.exec_driver_sql("PRAGMA busy_timeout").scalar_one()) for one in (first, second)
        ]
    if min(waits) < 30_000:
        which = "each" if max(waits) < 30_000 else "the second"
        raise Wrong(f"A connection waits {min(waits)} milliseconds: {which} must wait 30 seconds.")
    if max(waits) > 30_000:
        raise Wrong(f"A connection waits {max(waits) // 1000} seconds, not 30.")
    if modes != ["wal", "wal"]:
        raise Wrong(f"The journal mode is {modes[0]!r}: a reader can still keep a writer waiting.")


def _write_beside_another(engine: sa.Engine, file: Path) -> None:
    writer: Any = sqlite3.connect(file, isolation_level=None, check_same_thread=False)
    with closing(writer):
        writer.execute("BEGIN IMMEDIATE")
        timer = threading.Timer(0.2, writer.execute, ["COMMIT"])
        timer.start()
        try:
            with engine.begin() as connection:
                connection.exec_driver_sql("INSERT INTO numbers VALUES (1)")
        finally:
            timer.join()


question_1 = Question(
    "When does an engine connect to its database?",
    Choice("When it is made.", "create_engine opens nothing, so a wrong password is not seen yet."),
    Choice(
        "When it is first used.",
        "So a mistake in the URL often shows far from the line that holds it.",
        right=True,
    ),
    Choice("When the program ends.", "That is when its pool is closed, at the latest."),
)
question_2 = Question(
    "A client waits for ever; the worker stored the result. Both use sqlite:///results.db. Why?",
    Choice(
        "They were started in different folders.",
        "Three slashes and a name are a relative path: two folders, two files.",
        right=True,
    ),
    Choice("SQLite files serve one process only.", "They serve many: one writes at a time."),
    Choice("The worker forgot to commit.", "Celery commits every result that it stores."),
)
question_3 = Question(
    "What is psycopg in postgresql+psycopg://ada@localhost/results?",
    Choice("The dialect.", "The dialect is the kind of database: postgresql."),
    Choice("The database.", "The database's name is results, at the end."),
    Choice(
        "The driver.",
        "It is the Python package that does the talking, and it must be installed.",
        right=True,
    ),
)
question_4 = Question(
    "An insert ended in `database is locked`. What has happened?",
    Choice("The file is damaged.", "Nothing is broken: another connection was writing."),
    Choice(
        "The insert was not done.",
        "Another writer held the file for longer than the timeout. Without a new try it is lost.",
        right=True,
    ),
    Choice("The insert will be done later.", "SQLite keeps no list of writes that wait."),
)
question_5 = Question(
    "Which way gives the URL with its password?",
    Choice("str(url)", "It writes three stars, and a program that logs in with them fails."),
    Choice("repr(url)", "It hides the password too, so that it gets into no output."),
    Choice(
        "url.render_as_string(hide_password=False)",
        "The long name is a warning: keep what it returns out of outputs and logs.",
        right=True,
    ),
)
