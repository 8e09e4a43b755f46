"""The exercises of chapter 01: the engine."""

import sqlite3
import tempfile
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from tutorial.exercises.checking import WrongAnswer, case, exercise, shown
from tutorial.workspace import home

PASSWORD = "p@ss/word"  # the one of exercise 1; no such server exists
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
        "The characters @ and / in the password have a meaning in a URL.",
        "SQLAlchemy's URL.create takes each part separately, and escapes special characters.",
        "dialect+driver comes before ://, and the port is a number.",
    ],
)
def exercise_1(url: sa.URL | str) -> str:
    """Check that a URL is right although its password has special characters."""
    try:
        read = sa.make_url(url)
    except (sa.exc.ArgumentError, ValueError):
        raise WrongAnswer(
            "SQLAlchemy cannot read the URL: does it contain a special character?"
        ) from None
    if read.password == "***":
        raise WrongAnswer(
            "The password is three stars: str(url) hides it, so do not use it to copy a URL."
        )
    for name, right in PARTS.items():
        found = getattr(read, name)
        if found != right:
            # This password protects nothing, so the message may show it.
            raise WrongAnswer(f"The {name}: expected {right!r}, got {shown(found)}.")
    return "Every part of the URL is in its place."


@exercise(
    points=2,
    hints=[
        "make_engine takes a URL, and sqlite_url makes a URL from a path; both are in "
        "tutorial.database.",
        "The file does not exist before the engine has connected, and no row stays in it "
        "without a commit.",
        "engine.begin() opens a connection, and commits at the end of the with block.",
    ],
)
def exercise_2(engine: sa.Engine) -> str:
    """Check that an engine has made a file with a table of three rows."""
    if not isinstance(engine, sa.Engine):
        raise WrongAnswer(f"`engine` should be an engine, but is {shown(engine)}.")
    file = home() / "files" / "shop.db"
    path = Path(engine.url.database or "")
    if not path.is_absolute():
        raise WrongAnswer(
            f"The path {str(path)!r} is relative: it means a different file in each folder."
        )
    if path != file:
        raise WrongAnswer(f"The engine's file is {path.name!r} in the folder {path.parent.name!r}.")
    if not file.exists():
        raise WrongAnswer("There is no file yet: an engine makes it when it first connects.")
    with closing(sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True)) as connection:
        try:
            found = connection.execute("SELECT number FROM orders ORDER BY number").fetchall()
        except sqlite3.OperationalError as error:
            raise WrongAnswer(f"Another connection cannot read the orders: {error}.") from None
    if not found:
        raise WrongAnswer("Another connection sees no row in the table: was there a commit?")
    if [number for (number,) in found] != [1, 2, 3]:
        raise WrongAnswer(
            f"The table: expected [1, 2, 3], got {shown([number for (number,) in found])}."
        )
    return "The file holds the three orders, and other connections see them."


@exercise(
    points=3,
    hints=[
        "SQLAlchemy's connect_args passes the parameter timeout, in seconds, to sqlite3.",
        "PRAGMA busy_timeout, in milliseconds, is set for one connection only. sa.event.listen "
        'on "connect" reaches each new one.',
        "The journal mode is stored in the file: it is enough to set it once.",
    ],
)
def exercise_3(patient_engine: Callable[[Path], sa.Engine]) -> str:
    """Check that every connection of an engine waits for another writer."""
    # Windows cannot delete a file that a learner's engine still has open.
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        file = Path(folder, "numbers.db")
        with case("a new SQLite file") as call:
            engine = call(patient_engine, file)
            if not isinstance(engine, sa.Engine):
                raise WrongAnswer(f"expected an engine, got {shown(engine)}.")
            try:
                if engine.url.database != str(file):
                    raise WrongAnswer(f"the engine's file is {shown(engine.url.database)} instead.")
                _look_at(engine)
                call(_write_beside_another, engine, file)
            finally:
                engine.dispose()
    return "Each of two connections waits for a writer instead of failing."


def _look_at(engine: sa.Engine) -> None:
    """Look at the settings of two connections of an engine that are open at once."""
    with engine.connect() as first, engine.connect() as second:
        modes = [one.exec_driver_sql("PRAGMA journal_mode").scalar() for one in (first, second)]
        waits = [
            int(one.exec_driver_sql("PRAGMA busy_timeout").scalar_one()) for one in (first, second)
        ]
    if min(waits) < 30_000:
        which = "The first one" if max(waits) < 30_000 else "The second one"
        raise WrongAnswer(
            f"Each connection should wait 30 seconds. {which} waits {min(waits)} milliseconds."
        )
    if max(waits) > 30_000:
        raise WrongAnswer(f"A connection waits {max(waits) // 1000} seconds, but should wait 30.")
    if modes != ["wal", "wal"]:
        raise WrongAnswer(f"The journal mode is {modes[0]!r}: a reader can still block a writer.")


def _write_beside_another(engine: sa.Engine, file: Path) -> None:
    writer: Any = sqlite3.connect(file, isolation_level=None, check_same_thread=False)
    with closing(writer):
        writer.execute("CREATE TABLE numbers (n INTEGER)")
        writer.execute("BEGIN IMMEDIATE")
        timer = threading.Timer(0.2, writer.execute, ["COMMIT"])
        timer.start()
        try:
            with engine.begin() as connection:
                connection.exec_driver_sql("INSERT INTO numbers VALUES (1)")
        finally:
            timer.join()
