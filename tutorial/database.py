"""The engine: one database URL, for the course's own queries and for Celery's result backend."""

import os
import sqlite3
import weakref
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from celery.exceptions import ImproperlyConfigured

from tutorial.checks.arguments import path as absolute_path
from tutorial.checks.arguments import shown, text
from tutorial.forks import ForkSafeConnection, inside
from tutorial.urls import address, scheme, shared_url, sqlite_file, usable_url
from tutorial.workspace import RESULTS_FILE, home

RESULT_BACKEND_VARIABLE = "CELERY_RESULT_BACKEND"
# What precedes the database URL in Celery's setting: its own backend, or the course's
BACKENDS = ("db", "database", "tutorial.backend:EngineBackend")
BUSY_TIMEOUT = 30  # seconds for which SQLite waits for another process's write to end
CONNECT_TIMEOUT = 10  # seconds for which a server may be silent while we connect to it
_FIRST_ANSWER = float(CONNECT_TIMEOUT)  # an object of its own: see `_lift_limit`

# The course's connect options, by driver. Options in the URL or in connect_args replace them.
CONNECT_OPTIONS: dict[str, dict[str, float]] = {
    "pysqlite": {"timeout": BUSY_TIMEOUT},
    "psycopg": {"connect_timeout": CONNECT_TIMEOUT},
    "psycopg2": {"connect_timeout": CONNECT_TIMEOUT},
    "pymysql": {"connect_timeout": CONNECT_TIMEOUT, "read_timeout": _FIRST_ANSWER},
    "mysqldb": {"connect_timeout": CONNECT_TIMEOUT},
    "mariadbconnector": {"connect_timeout": CONNECT_TIMEOUT},
}

# What to do about a file that SQLite refuses, by the name of its error,
# https://www.sqlite.org/rescode.html
SQLITE_WAYS_OUT = {
    "SQLITE_FULL": "the disk has no room left: delete what you do not need",
    "SQLITE_IOERR": "the disk is full, read-only or broken: check how much room it has",
    "SQLITE_READONLY": "the file or its folder may not be written to: check who owns them",
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
        If the variable does not name a SQL database that worker and client can share, or as
        `tutorial.urls.usable_url` does.
    """
    return _backend()[1]


def result_backend() -> str:
    """Return `database_url` as Celery's setting ``result_backend`` takes it.

    Returns
    -------
    str
        With the prefix that the environment variable has, by default ``db+``, and the password.

    Raises
    ------
    celery.exceptions.ImproperlyConfigured
        As `database_url` does.
    """
    backend, url = _backend()
    return f"{backend}+{url.render_as_string(hide_password=False)}"


def _backend() -> tuple[str, sa.URL]:
    setting = os.environ.get(RESULT_BACKEND_VARIABLE)
    if not setting:
        return "db", sqlite_url(home() / RESULTS_FILE)
    backend, plus, url = setting.partition("+")
    if not plus or backend not in BACKENDS:
        raise ImproperlyConfigured(
            f"{RESULT_BACKEND_VARIABLE} has {scheme(setting)}, which is not a SQL database: "
            "write db+ and a SQLAlchemy URL, such as db+postgresql+psycopg://user@host/name."
        )
    try:
        return backend, shared_url(url)
    except ImproperlyConfigured as error:
        raise ImproperlyConfigured(f"{RESULT_BACKEND_VARIABLE}: {error}") from None


def sqlite_url(path: Path | str) -> sa.URL:
    """Return the URL of a SQLite file.

    Parameters
    ----------
    path : path
        The file; it is made absolute, so that every process opens the same one. ``~`` is the home
        folder.

    Returns
    -------
    sqlalchemy.URL

    Raises
    ------
    TypeError, ValueError
        If it is not the path of a file.
    """
    if isinstance(path, str) and "://" in path:
        raise ValueError("path is a URL already: make_engine takes it as it is.")
    return sa.URL.create("sqlite", database=str(absolute_path("path", path).resolve()))


def make_engine(url: sa.URL | str | None = None, **options: Any) -> sa.Engine:
    """Make an engine with the course's settings.

    Parameters
    ----------
    url : sqlalchemy.URL or str, optional
        By default `database_url`.
    **options
        What `sqlalchemy.create_engine` takes, such as ``echo=True``. What you give in
        ``connect_args`` replaces the course's own, such as ``{"timeout": 5}``.

    Returns
    -------
    sqlalchemy.Engine
        It has not connected yet: an engine does so when it is first used. A server that does not
        answer is abandoned after `CONNECT_TIMEOUT` seconds.

    Raises
    ------
    celery.exceptions.ImproperlyConfigured
        As `tutorial.urls.usable_url` does.
    """
    read = database_url() if url is None else usable_url(url)
    return configure_engine(sa.create_engine(read, **options))


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

    Raises
    ------
    TypeError
        If it is not an engine.
    """
    check_engine(engine)
    limit_connecting(engine)
    if engine.dialect.driver == "pysqlite":
        sa.event.listen(engine, "do_connect", _let_forks_wait)
    if engine.dialect.name == "sqlite":
        sa.event.listen(engine, "connect", _set_pragmas)
        sa.event.listen(engine, "connect", _note_file)
        sa.event.listen(engine, "checkout", _see_file)
    _engines.add(engine)
    return engine


def limit_connecting(engine: sa.Engine) -> None:
    """Give up on a silent server after `CONNECT_TIMEOUT`, unless the engine has its own limit.

    Parameters
    ----------
    engine : sqlalchemy.Engine
    """
    sa.event.listen(engine, "do_connect", _set_options)
    if engine.dialect.name != "sqlite":
        sa.event.listen(engine, "connect", _lift_limit)
        sa.event.listen(engine, "handle_error", _note_address)


def check_engine(engine: Any) -> None:
    """Refuse what is not an engine, such as the text of a URL.

    Parameters
    ----------
    engine : sqlalchemy.Engine

    Raises
    ------
    TypeError
    """
    if not isinstance(engine, sa.Engine):
        raise TypeError(
            "A database is read with a SQLAlchemy engine, such as one from make_engine(); "
            f"this is a {type(engine).__name__}."
        )


def check_table(table: Any, schema: Any) -> None:
    """Refuse what cannot be the name of a table, or of a schema.

    Parameters
    ----------
    table, schema : str, optional
        Without a schema, None.

    Raises
    ------
    TypeError, ValueError
    """
    for what, name in (("table", table), ("schema", schema)):
        if not isinstance(name, str) and (what, name) != ("schema", None):
            raise TypeError(f"The name of the {what} must be a string, but is {shown(name)}.")
        if name is not None:
            text(f"The name of the {what}", name)


def check_exists(engine: sa.Engine) -> None:
    """Refuse to read a SQLite file that is missing: SQLite would create it instead.

    Parameters
    ----------
    engine : sqlalchemy.Engine

    Raises
    ------
    FileNotFoundError
        If the engine's file does not exist.
    """
    file = sqlite_file(engine.url)
    if file and not file.exists():
        raise FileNotFoundError(f"There is no file {file}: check the path in the database URL.")


def explain(error: BaseException) -> str:
    """Say why a database refused, without the statement and its values.

    Parameters
    ----------
    error : BaseException
        An error of SQLAlchemy, or of kombu with SQLAlchemy's as its cause; or any other.

    Returns
    -------
    str
        The first line of the driver's message; where it happened, if the message does not say so;
        and in brackets what to do about it, if that is known.
    """
    driver = getattr(error, "orig", None) or getattr(error.__cause__, "orig", error)
    line = str(driver).strip().partition("\n")[0] or type(driver).__name__
    name = getattr(driver, "sqlite_errorname", "")  # with a suffix, as in SQLITE_READONLY_DBMOVED
    ways = [way for code, way in SQLITE_WAYS_OUT.items() if name.startswith(code)]
    notes = getattr(driver, "_tutorial_address", "")
    return "".join([line, *(f" ({note})" for note in [notes, *ways] if note and note not in line)])


def _set_options(dialect: Any, _record: Any, _arguments: Any, options: dict[str, Any]) -> None:
    """Fill in the course's connect options where nobody else has chosen."""
    for name, value in CONNECT_OPTIONS.get(dialect.driver, {}).items():
        if not (dialect.name == "postgresql" and os.environ.get("PGCONNECT_TIMEOUT")):
            options.setdefault(name, value)


def _lift_limit(connection: Any, _record: Any) -> None:
    """Let queries take longer than the first answer of a server: PyMySQL has one limit for all."""
    if getattr(connection, "_read_timeout", None) is _FIRST_ANSWER:
        connection._read_timeout = None


def _note_address(context: Any) -> None:
    """Note at an error where we could not connect to, which a driver does not always say."""
    if context.connection is None and context.engine is not None:
        with suppress(AttributeError):
            context.original_exception._tutorial_address = address(context.engine.url)


def _let_forks_wait(_dialect: Any, _record: Any, _arguments: Any, options: dict[str, Any]) -> None:
    options.setdefault("factory", ForkSafeConnection)


def _set_pragmas(connection: Any, _record: Any) -> None:
    # With WAL, readers and the writer do not wait for each other, https://sqlite.org/wal.html
    # The file stores the mode. So only a new file needs it, and a file that another program has
    # made keeps its own.
    if _is_empty(_pragma(connection, "database_list")[2]):
        try:
            _pragma(connection, "journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if not error.sqlite_errorname.startswith("SQLITE_READONLY"):
                raise
    # With WAL, a crash of a program loses nothing; a power cut can lose the last commits.
    if _pragma(connection, "journal_mode") == ("wal",):
        _pragma(connection, "synchronous = NORMAL")


def _pragma(connection: Any, text: str) -> Any:
    with closing(connection.execute(f"PRAGMA {text}")) as cursor:
        return cursor.fetchone()


def _note_file(connection: Any, record: Any) -> None:
    path = _pragma(connection, "database_list")[2]
    record.info["file"] = path, _identity(path)


def _see_file(_connection: Any, record: Any, _proxy: Any) -> None:
    """Have the pool replace a connection to a file that was deleted or moved away.

    The system keeps such a file until its last connection is closed, and loses then what was
    written to it since.
    """
    path, identity = record.info.get("file", ("", None))  # none if opened before we listened
    if _identity(path) != identity:
        raise sa.exc.DisconnectionError(f"{path} is not the file that was opened")


def _is_empty(path: str) -> bool:
    with suppress(OSError):  # a database in memory has no path
        return Path(path).stat().st_size == 0
    return False


def _identity(path: str) -> tuple[int, int] | None:
    """Return what tells a file from another one at the same path; None if there is no file."""
    with suppress(OSError):
        status = os.stat(path)  # noqa: PTH116 - a Path would take as long again
        return status.st_dev, status.st_ino
    return None


def _before_fork() -> None:
    inside.keep_out()
    _close_idle_connections()


def _after_fork_in_child() -> None:
    inside.begin_anew()
    _drop_inherited_connections()


def _close_idle_connections() -> None:
    """Before a fork, close the connections that are not in use, so that no child inherits them.

    SQLite is stricter about this than other databases, https://www.sqlite.org/howtocorrupt.html
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
    os.register_at_fork(
        before=_before_fork,
        after_in_parent=inside.let_in,
        after_in_child=_after_fork_in_child,
    )
