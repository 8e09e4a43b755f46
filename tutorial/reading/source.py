"""Connects to the database that is to be read, without changing it, and looks up a table."""

import os
import sqlite3
import time
import warnings
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from tutorial import tables
from tutorial.database import BUSY_TIMEOUT, explain, limit_connecting
from tutorial.workspace import JOURNALS

SOME = 3  # tables that an error names
LOOK = 0.2  # seconds for which SQLite itself waits for a locked file
# Tables that Celery and kombu make when they first store something.
MADE_LATER = (tables.TASK_TABLE, tables.GROUP_TABLE, tables.QUEUE_TABLE, tables.MESSAGE_TABLE)


@dataclass(frozen=True)
class Column:
    """A column of a table.

    Parameters
    ----------
    name : str
        As the table spells it.
    type : sqlalchemy.types.TypeEngine
    key : bool
        Whether it alone is the primary key.
    """

    name: str
    type: sa.types.TypeEngine[Any]
    key: bool = False


def read_only(engine: sa.Engine) -> sa.Engine:
    """Return an engine for the same database, with which nothing in a SQLite file can change.

    Parameters
    ----------
    engine : sqlalchemy.Engine
        It may set pragmas when it connects, or make a file that is not there.

    Returns
    -------
    sqlalchemy.Engine
        The same engine for any other database, and for one in memory.
    """
    uri = _read_only_uri(engine)
    if uri is None:
        limit_connecting(engine)
        return engine

    def open_file() -> sqlite3.Connection:
        return sqlite3.connect(
            uri, uri=True, timeout=LOOK, check_same_thread=False, factory=_PatientConnection
        )

    return sa.create_engine("sqlite://", creator=open_file, poolclass=sa.NullPool)


class _PatientCursor(sqlite3.Cursor):
    """Waits for a locked file, and can be interrupted meanwhile, unlike SQLite's own waiting."""

    def execute(self, *arguments: Any) -> Self:
        """Run a query, again and again while the file is locked."""
        end = time.monotonic() + BUSY_TIMEOUT
        while True:
            try:
                return super().execute(*arguments)
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > end:
                    raise


class _PatientConnection(sqlite3.Connection):
    """A connection for reading, with cursors that wait for a locked file."""

    def cursor(self, factory: Any = _PatientCursor) -> Any:
        """Return a cursor."""
        return super().cursor(factory)


def sqlite_file(engine: sa.Engine) -> Path | None:
    """Return the path of an engine's SQLite file.

    Parameters
    ----------
    engine : sqlalchemy.Engine

    Returns
    -------
    pathlib.Path or None
        None for another database, for one in memory, and for a URI with options of its own.
    """
    if engine.dialect.name != "sqlite" or engine.dialect.driver != "pysqlite":
        return None
    name = engine.url.database
    return None if not name or name == ":memory:" or name.startswith("file:") else Path(name)


def _read_only_uri(engine: sa.Engine) -> str | None:
    if path := sqlite_file(engine):
        return f"{path.absolute().as_uri()}?mode=ro"
    name = engine.url.database or ""
    if engine.dialect.name != "sqlite" or not name.startswith("file:"):
        return None
    uri = str(engine.dialect.create_connect_args(engine.url)[0][0])
    base, _mark, options = uri.partition("?")
    kept = [option for option in options.split("&") if option and option != "mode=ro"]
    if ":memory:" in base or "mode=memory" in kept:
        return None
    kept = [option for option in kept if not option.startswith("mode=")]
    return f"{base}?{'&'.join(['mode=ro', *kept])}"


def is_missing(path: Path) -> bool:
    """Return whether a file has not been made yet, although its folder is there.

    Parameters
    ----------
    path : pathlib.Path

    Returns
    -------
    bool
    """
    return not path.exists() and path.absolute().parent.is_dir()


@contextmanager
def connect(engine: sa.Engine, url: sa.URL) -> Iterator[sa.Connection]:
    """Open a connection, and name the cause if the database cannot be read.

    Parameters
    ----------
    engine : sqlalchemy.Engine
    url : sqlalchemy.URL
        How an error names the database.

    Yields
    ------
    sqlalchemy.Connection

    Raises
    ------
    ConnectionError
    """
    with explained(url), engine.connect() as connection:
        yield connection


@contextmanager
def explained(url: sa.URL) -> Iterator[None]:
    """Name the cause if a database cannot be read.

    Parameters
    ----------
    url : sqlalchemy.URL
        How an error names the database.

    Raises
    ------
    ConnectionError
    """
    try:
        yield
    except FileNotFoundError as error:  # a certificate that the URL names
        raise ConnectionError(f"The database {url} cannot be read: {explain(error)}.") from error
    except sa.exc.DBAPIError as error:
        reason = _sqlite_reason(url, error) or explain(error)
        raise ConnectionError(f"The database {url} cannot be read: {reason}.") from error


def find_columns(
    connection: sa.Connection, url: sa.URL, table: str, schema: str | None
) -> list[Column]:
    """Return a table's columns; none if Celery has not made its table yet.

    Parameters
    ----------
    connection : sqlalchemy.Connection
    url : sqlalchemy.URL
        How an error names the database.
    table, schema : str, optional

    Returns
    -------
    list of Column

    Raises
    ------
    ValueError
        If there is no such table.
    """
    columns = _columns(connection, table, schema)
    if columns:
        return columns
    full = f"{schema}.{table}" if schema else table
    ours = [] if schema else _similar_here(connection)
    elsewhere = _elsewhere(connection, table)
    hint = ""
    if elsewhere:
        hint = f", but one in the schema {elsewhere[0]!r}: pass schema={elsewhere[0]!r}."
    if ours:
        names = ", ".join(ours[:SOME]) + ", ..." * (len(ours) > SOME)
        verb = "look" if len(ours) > 1 else "looks"
        also = f" There is{hint.removeprefix(', but')}" if hint else ""
        hint = f", but {names} {verb} like Celery's: pass table={ours[0]!r}.{also}"
    if elsewhere or table not in MADE_LATER or schema is not None:
        there = " there" * bool(elsewhere and not ours)
        raise ValueError(f"The database {url} has no table {full}{there}{hint or '.'}")
    warn_of_missing(url, table, hint)
    return []


def warn_of_missing(url: sa.URL, table: str, hint: str) -> None:
    """Say that a database has no table yet.

    Parameters
    ----------
    url : sqlalchemy.URL
    table : str
    hint : str
        Which other table may be meant.
    """
    if table != tables.QUEUE_TABLE:  # the messages, which are read next, say it
        message = f"The database {url} has no table {table}"
        warnings.warn(
            message + (hint or ": nothing has been stored there yet."),
            stacklevel=5,
        )


def warn_of_missing_file(path: Path, table: str) -> None:
    """Say that there is no file yet, and which databases are in its place: the name may be wrong.

    Parameters
    ----------
    path : pathlib.Path
    table : str
    """
    if table == tables.QUEUE_TABLE:  # the messages, which are read next, say it
        return
    others = sorted(other.name for other in path.absolute().parent.iterdir() if _is_sqlite(other))
    hint = f" Its folder holds {', '.join(others)}." if others else ""
    warnings.warn(
        f"There is no file {path}, and so no table {table}: nothing has been stored there yet, or "
        f"the name in the URL is wrong.{hint}",
        stacklevel=4,
    )


def _is_sqlite(path: Path) -> bool:
    """Tell whether a file is a database, and leave it to SQLite to look.

    If this program opened and closed the file itself, the system would drop all locks that this
    process has on it. Another process could then delete the log of an open database,
    https://www.sqlite.org/howtocorrupt.html
    """
    with suppress(OSError, sqlite3.Error):  # a folder, or a file that we may not read
        if path.name.endswith(JOURNALS[1:]) or not path.is_file() or not path.stat().st_size:
            return False
        uri = f"{path.absolute().as_uri()}?mode=ro&immutable=1"  # it makes no files
        with closing(sqlite3.connect(uri, uri=True)) as database:
            database.execute("PRAGMA schema_version")
            return True
    return False


def _columns(connection: sa.Connection, table: str, schema: str | None) -> list[Column]:
    if connection.dialect.name in ("mysql", "mariadb"):
        return _columns_in_mysql(connection, table, schema)
    inspector = sa.inspect(connection)
    try:
        columns = inspector.get_columns(table, schema=schema)
    except sa.exc.NoSuchTableError:
        return []
    if connection.dialect.name == "postgresql":
        columns = _readable(connection, columns, table, schema)
    if connection.dialect.name == "sqlite":  # finds the table in whatever letters, but not its key
        key = [c["name"] for c in columns if c.get("primary_key")]
        return [Column(c["name"], c["type"], key == [c["name"]]) for c in columns]
    with suppress(sa.exc.NoSuchTableError, NotImplementedError):
        key = inspector.get_pk_constraint(table, schema=schema)["constrained_columns"]
        return [Column(c["name"], c["type"], key == [c["name"]]) for c in columns]
    return [Column(c["name"], c["type"]) for c in columns]


READABLE = sa.text("""
SELECT attname FROM pg_attribute WHERE attrelid = CAST(:table AS regclass) AND attnum > 0
AND NOT attisdropped AND has_column_privilege(attrelid, attnum, 'SELECT')
""")


def _readable(
    connection: sa.Connection, columns: list[Any], table: str, schema: str | None
) -> list[Any]:
    """Return the columns of PostgreSQL's that we may read; all, if these are none.

    Whoever may read nothing of a table is told so by the query, and not here.
    """
    full = postgresql_name(sa.table(table, schema=schema))
    names = set(connection.scalars(READABLE, {"table": full}))
    secret = [column["name"] for column in columns if column["name"] not in names]
    if names and secret:
        _warn_of_rights(f"The right to SELECT is missing for {', '.join(secret)}", full)
    return [column for column in columns if column["name"] in names] or columns


def postgresql_name(table: sa.TableClause) -> str:
    """Return a table's name as PostgreSQL reads it in a value.

    Parameters
    ----------
    table : sqlalchemy.TableClause

    Returns
    -------
    str
        With quotes where they are needed. The preparer of an engine would also double each %.
    """
    dialect = postgresql.dialect(paramstyle="named")
    return dialect.identifier_preparer.format_table(table)


def _warn_of_rights(what: str, table: str) -> None:
    warnings.warn(f"{what} of the table {table}: what may not be read is empty.", stacklevel=7)


IN_MYSQL = sa.text("""
SELECT column_name, column_type, column_key = 'PRI' AND (
    SELECT count(*) FROM information_schema.columns AS others WHERE others.column_key = 'PRI'
    AND others.table_schema = mine.table_schema AND others.table_name = mine.table_name
) = 1
FROM information_schema.columns AS mine
WHERE table_schema = coalesce(:schema, database()) AND table_name = :table
ORDER BY ordinal_position
""")


# The columns that the user was given one by one; the names of all others are hidden.
GRANTED_IN_MYSQL = sa.text("""
SELECT column_name FROM information_schema.column_privileges
WHERE table_schema = coalesce(:schema, database()) AND table_name = :table
AND privilege_type = 'SELECT'
""")


def _columns_in_mysql(connection: sa.Connection, table: str, schema: str | None) -> list[Column]:
    """Return the columns that we may read: SHOW, which SQLAlchemy asks, needs other rights."""
    rows = connection.execute(IN_MYSQL, {"table": table, "schema": schema}).all()
    if not rows:
        with suppress(sa.exc.ProgrammingError):  # the table is not there
            connection.execute(sa.select(sa.literal(1)).select_from(sa.table(table, schema=schema)))
        # Whoever may read nothing of a table is told so by the query, and not here.
    names = [row[0] for row in rows]
    granted = connection.scalars(GRANTED_IN_MYSQL, {"table": table, "schema": schema}).all()
    if names and set(names) == set(granted):
        _warn_of_rights(f"The right to SELECT is given for {', '.join(names)} alone", table)
    return [Column(name, _mysql_type(text), bool(key)) for name, text, key in rows]


def _mysql_type(text: str) -> sa.types.TypeEngine[Any]:
    """Return the sort of a column of MySQL or MariaDB, as far as it matters here."""
    word = text.lower().partition("(")[0].partition(" ")[0]
    if word.endswith(("blob", "binary")):
        return sa.LargeBinary()
    if word in ("varchar", "char") or word.endswith("text"):
        return sa.VARCHAR()
    if word == "timestamp":
        return sa.TIMESTAMP()
    return sa.DateTime() if word == "datetime" else sa.types.NullType()


# Whatever has these columns may be a table of results; those of the session's own schema first.
SIMILAR = """
SELECT CASE WHEN table_schema <> {here} THEN table_schema END, table_name
FROM information_schema.columns
WHERE lower(column_name) IN ('task_id', 'status', 'result', 'date_done', 'traceback')
GROUP BY table_schema, table_name HAVING count(*) = 5
ORDER BY CASE WHEN table_schema <> {here} THEN 1 ELSE 0 END, table_schema, table_name
"""
SIMILAR_IN_SQLITE = """
SELECT NULL, m.name FROM sqlite_master AS m JOIN pragma_table_info(m.name) AS c
WHERE lower(c.name) IN ('task_id', 'status', 'result', 'date_done', 'traceback')
GROUP BY m.name HAVING count(*) = 5 ORDER BY m.name
"""


def similar(dialect: str) -> str:
    """Return the query for the tables that look like Celery's.

    Parameters
    ----------
    dialect : str
        SQLAlchemy's name of the database.

    Returns
    -------
    str
        It returns the schema, NULL for the session's own, and the name.
    """
    if dialect == "sqlite":
        return SIMILAR_IN_SQLITE
    return SIMILAR.format(here="current_schema()" if dialect == "postgresql" else "database()")


def _similar_here(connection: sa.Connection) -> list[str]:
    dialect = connection.dialect.name
    if dialect not in ("sqlite", "postgresql", *tables.MYSQL):
        return []
    rows = connection.execute(sa.text(similar(dialect))).all()
    return [name for schema, name in rows if schema is None]


def _elsewhere(connection: sa.Connection, table: str) -> list[str]:
    """Return the schemas that have a table of this name."""
    if connection.dialect.name not in ("mysql", "mariadb", "postgresql"):
        return []
    query = sa.text(
        "SELECT table_schema FROM information_schema.tables WHERE table_name = :table "
        "ORDER BY table_schema"
    )
    return list(connection.scalars(query, {"table": table}))


def _sqlite_reason(url: sa.URL, error: sa.exc.DBAPIError) -> str | None:
    """Say why a SQLite file cannot be read, where SQLite's own words do not."""
    name = url.database
    if url.get_backend_name() != "sqlite" or not name or name.startswith("file:"):
        return None
    path = Path(name)
    if not path.exists():
        return f"{explain(error)} (there is no file {path.name} in {path.absolute().parent})"
    code = getattr(error.orig, "sqlite_errorname", "")
    if not code.startswith(("SQLITE_CANTOPEN", "SQLITE_READONLY")):
        return None
    if code == "SQLITE_READONLY_ROLLBACK":
        return "a program that was writing to it was killed; open it once for writing"
    if os.access(path, os.R_OK) and not os.access(path.parent, os.W_OK) and _in_wal_mode(path):
        return (
            "it is in WAL mode, for which SQLite needs files beside it, and its folder is "
            "read-only; while nobody writes to it, it can be read with the URL "
            f"sqlite:///file:{path.absolute()}?immutable=1&uri=true"
        )
    return None


def _in_wal_mode(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(20)[18:] == b"\2\2"  # https://www.sqlite.org/fileformat.html
