"""The engine: one database URL, for the course's own queries and for Celery's result backend."""

import os
import sqlite3
import weakref
from contextlib import suppress
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from celery.exceptions import ImproperlyConfigured

from tutorial.workspace import home

RESULT_BACKEND_VARIABLE = "CELERY_RESULT_BACKEND"
RESULTS_FILE = "results.db"
BUSY_TIMEOUT = 30  # seconds for which SQLite waits for another process's write to end

# What to do about a file that SQLite refuses, by the name of its error,
# https://www.sqlite.org/rescode.html
WAYS_OUT = {
    "SQLITE_FULL": "the disk has no room left: delete what you do not need",
    "SQLITE_IOERR": "the disk is full, read-only or broken: see how much room it has",
    "SQLITE_READONLY": "the file or its folder may not be written to: see who owns them",
    "SQLITE_NOTADB": "the file is damaged: move it away, and an empty one takes its place",
    "SQLITE_CORRUPT": "the file is damaged: move it away, and an empty one takes its place",
}

_engines: weakref.WeakSet[sa.Engine] = weakref.WeakSet()


def database_url() -> sa.URL:
    """Return the one setting: where the results are.

    Returns
    -------
    sqlalchemy.URL
        The URL in the environment variable ``CELERY_RESULT_BACKEND`` without Celery's prefix
        ``db+``, or else that of the file ``results.db`` in the workspace, by its absolute path.

    Raises
    ------
    celery.exceptions.ImproperlyConfigured
        If the variable names no SQL database, or as `usable_url` does.
    """
    backend = os.environ.get(RESULT_BACKEND_VARIABLE)
    if not backend:
        return sqlite_url(home() / RESULTS_FILE)
    if not backend.startswith("db+"):
        scheme = backend.partition(":")[0]
        raise ImproperlyConfigured(
            f"{RESULT_BACKEND_VARIABLE} has the scheme {scheme!r}, which is no SQL database: "
            "write db+ and an SQLAlchemy URL, such as db+postgresql+psycopg://user@host/name."
        )
    return usable_url(backend.removeprefix("db+"))


def sqlite_url(path: Path) -> sa.URL:
    """Return the URL of an SQLite file.

    Parameters
    ----------
    path : pathlib.Path
        The file; it is made absolute, so that every process opens the same one.

    Returns
    -------
    sqlalchemy.URL
    """
    return sa.URL.create("sqlite", database=str(path.resolve()))


def usable_url(url: sa.URL | str) -> sa.URL:
    """Read a database URL, and see that its dialect and its driver are there.

    Parameters
    ----------
    url : sqlalchemy.URL or str

    Returns
    -------
    sqlalchemy.URL

    Raises
    ------
    celery.exceptions.ImproperlyConfigured
        If SQLAlchemy cannot read the URL or does not know its scheme, or if the driver is not
        installed.
    """
    try:
        read = sa.make_url(url)
        read.get_dialect().import_dbapi()
    except sa.exc.NoSuchModuleError as error:
        raise ImproperlyConfigured(
            f"SQLAlchemy knows no database of the scheme {read.drivername!r}: "
            "use sqlite, postgresql+psycopg or mysql+pymysql."
        ) from error
    except ModuleNotFoundError as error:
        raise ImproperlyConfigured(
            f"The driver {error.name!r} for {read.drivername!r} is not installed: "
            "install it, or name another one in the URL."
        ) from error
    except (sa.exc.ArgumentError, ValueError):
        # Without the cause, which may quote a part of the password.
        raise ImproperlyConfigured(
            "The database URL cannot be read: "
            "its form is dialect+driver://user:password@host:port/name."
        ) from None
    return read


def make_engine(url: sa.URL | str | None = None, **options: Any) -> sa.Engine:
    """Make an engine with the course's settings.

    Parameters
    ----------
    url : sqlalchemy.URL or str, optional
        By default `database_url`.
    **options
        What `sqlalchemy.create_engine` takes, such as ``echo=True``.

    Returns
    -------
    sqlalchemy.Engine
        It has not connected yet: an engine does so when it is first asked to.

    Raises
    ------
    celery.exceptions.ImproperlyConfigured
        As `usable_url` does.
    """
    return configure_engine(sa.create_engine(usable_url(url or database_url()), **options))


def configure_engine(engine: sa.Engine) -> sa.Engine:
    """Apply the course's settings to an engine, whoever made it.

    Celery calls it for each engine that its result backend makes (its setting
    ``database_engine_callback``), and `tutorial.broker` for the queue's engine.

    Parameters
    ----------
    engine : sqlalchemy.Engine

    Returns
    -------
    sqlalchemy.Engine
        The same engine.
    """
    if engine.dialect.name == "sqlite":
        sa.event.listen(engine, "connect", _set_pragmas)
        sa.event.listen(engine, "connect", _note_file)
        sa.event.listen(engine, "checkout", _see_file)
    _engines.add(engine)
    return engine


def explain(error: BaseException) -> str:
    """Say why a database refused, without the statement and its values.

    Parameters
    ----------
    error : BaseException
        An error of SQLAlchemy, or of kombu with SQLAlchemy's as its cause; or any other.

    Returns
    -------
    str
        The first line of what the driver says, and in brackets the way out, if it is known.
    """
    driver = getattr(error, "orig", None) or getattr(error.__cause__, "orig", error)
    name = getattr(driver, "sqlite_errorname", "")  # with a suffix, as in SQLITE_READONLY_DBMOVED
    ways = [f" ({way})" for code, way in WAYS_OUT.items() if name.startswith(code)]
    return "".join([str(driver).strip().partition("\n")[0], *ways])


def _set_pragmas(connection: Any, _record: Any) -> None:
    # The timeout comes first, because the change to WAL needs the file for a moment.
    connection.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT * 1000}")
    # Readers and the writer do not wait for each other, https://sqlite.org/wal.html
    try:
        connection.execute("PRAGMA journal_mode = WAL")
    except sqlite3.OperationalError as error:
        # A file that we may only read keeps the mode that it has.
        if not error.sqlite_errorname.startswith("SQLITE_READONLY"):
            raise
    # With WAL, a crash of a program loses nothing; a power cut can lose the last commits.
    connection.execute("PRAGMA synchronous = NORMAL")


def _note_file(connection: Any, record: Any) -> None:
    path = connection.execute("PRAGMA database_list").fetchone()[2]
    record.info["file"] = path, _identity(path)


def _see_file(_connection: Any, record: Any, _proxy: Any) -> None:
    """Have the pool replace a connection to a file that was deleted or moved away.

    The system keeps such a file until its last connection is closed, and loses then what was
    written to it since.
    """
    path, identity = record.info.get("file", ("", None))  # none if opened before we listened
    if _identity(path) != identity:
        raise sa.exc.DisconnectionError(f"{path} is not the file that was opened")


def _identity(path: str) -> tuple[int, int] | None:
    """Return what tells a file from another one at the same path; None if there is no file."""
    with suppress(OSError):
        status = os.stat(path)  # noqa: PTH116 - a Path would take as long again
        return status.st_dev, status.st_ino
    return None


def _close_idle_connections() -> None:
    """Close, before a fork, what nobody uses at the moment, so that no child inherits it.

    SQLite forbids it more strictly than others, https://www.sqlite.org/howtocorrupt.html
    """
    for engine in _engines:
        engine.dispose()


def _drop_inherited_connections() -> None:
    """Forget, in a forked child, the connections that its parent was using.

    ``close=False`` leaves the parent's own use of them alone,
    https://docs.sqlalchemy.org/en/21/core/pooling.html#pooling-multiprocessing
    """
    for engine in _engines:
        engine.dispose(close=False)


if hasattr(os, "register_at_fork"):  # not on Windows, which has no fork
    os.register_at_fork(before=_close_idle_connections, after_in_child=_drop_inherited_connections)
