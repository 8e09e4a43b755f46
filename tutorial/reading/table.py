"""Reads a table page by page, and hands its rows on in batches of Arrow's arrays."""

import datetime as dt
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import sqlalchemy as sa

from tutorial import tables
from tutorial.database import explain
from tutorial.reading import arrow
from tutorial.reading.decoding import to_arrow
from tutorial.reading.moments import Moment, read_moment, read_zone

PAGE = 50_000  # rows for each query, so that no transaction lasts for longer than a moment
BATCH = 10_000  # rows that are converted together
KEY = "the key of the row"  # the column of a batch by which its rows are ordered
LARGE = 100_000  # ids from which on a second process is worth its start

Strings = str | Collection[str] | None


class Table:
    """One table, and which of its rows a call asks for.

    Parameters
    ----------
    engine : sqlalchemy.Engine
    name, schema : str, optional
        As in Celery's settings ``database_table_names`` and ``database_table_schemas``.
    timezone : str, optional
        The zone in which its times were written.

    Raises
    ------
    ValueError, TypeError, ConnectionError
        As `tutorial.results.load_results`.
    """

    def __init__(
        self,
        engine: sa.Engine,
        name: str,
        schema: str | None = None,
        timezone: str | None = None,
    ) -> None:
        if not isinstance(engine, sa.Engine):
            raise TypeError(
                "Results are loaded with an SQLAlchemy engine, such as make_engine() returns; "
                f"this is a {type(engine).__name__}."
            )
        self.engine = engine
        with _connect(engine) as connection:
            names = _column_names(connection, name, schema)
            if timezone is None and engine.dialect.name == "postgresql":
                timezone = connection.scalar(sa.text("SHOW timezone"))
        self.exists = bool(names)
        self.zone = read_zone(timezone or "UTC")
        self.table = sa.table(name, *map(sa.column, names), schema=schema)
        self.where: list[sa.ColumnElement[bool]] = []
        self.done = 0.0

    def only(self, status: Strings, name: Strings, since: Moment, until: Moment) -> None:
        """Ask for some of the rows."""
        if status is not None:
            self.where.append(self._column("status").in_(_strings(status, "status")))
        if name is not None:
            self.where.append(self._column("name").in_(_strings(name, "name")))
        if since is not None:
            self.where.append(self._date_done() >= self._naive(since, "since"))
        if until is not None:
            self.where.append(self._date_done() < self._naive(until, "until"))

    def batches(
        self,
        columns: Sequence[str],
        *,
        page: int = PAGE,
        limit: int | None = None,
        at_once: bool = False,
    ) -> Iterator[pa.RecordBatch]:
        """Read the rows in the order of their ids.

        Each page is a transaction of its own. So no worker waits for a reader, not even on SQLite
        without WAL, and no connection stays open while the caller works. The highest ``id`` is
        fixed first: rows that are added later are not read.

        Parameters
        ----------
        columns : sequence of str
            The names of stored columns; one that the table lacks is NULL.
        page : int
            The greatest number of rows that a query returns.
        limit : int, optional
            At most this many rows in all.
        at_once : bool
            Whether one query may read the whole table where nobody waits for that.

        Yields
        ------
        pyarrow.RecordBatch
            The columns, each as stored (of the type ``large_binary``), and first the key by which
            the rows are ordered. `done` is then the part of the table that has been read.
        """
        if not self.exists:
            return
        key = self.table.c.id
        with _connect(self.engine) as connection:
            bounds = sa.select(sa.func.min(key), sa.func.max(key)).where(*self.where)
            lowest, highest = connection.execute(bounds).one()
            file = _large_file(connection) if at_once and limit is None else None
        if lowest is None:
            return
        ids = highest - lowest + 1
        expressions = [self._expression(name).label(f"stored_{name}") for name in columns]
        query = sa.select(key, *expressions).where(*self.where)
        query = query.where(key <= highest).order_by(key)
        if file and ids > LARGE:
            for keys, values in self._stream(file, query, columns):
                self.done = (keys[-1].as_py() - lowest + 1) / ids
                yield pa.RecordBatch.from_arrays([keys, *values], [KEY, *columns])
            return
        reached = lowest - 1
        while reached < highest and limit != 0:
            size = page if limit is None else min(page, limit)
            rows = self._page(query.where(key > reached).limit(size))
            for keys, *values in rows:
                reached = keys[-1]
                self.done = (reached - lowest + 1) / ids
                limit = None if limit is None else limit - len(keys)
                arrays = map(to_arrow, [keys, *values])
                yield pa.RecordBatch.from_arrays(list(arrays), [KEY, *columns])
            if not rows:
                return

    def count(self, names: list[str]) -> Sequence[Any]:
        """Count the rows by the values of columns."""
        by = [self._column(name) for name in names]
        if not self.exists:
            return []
        with _connect(self.engine) as connection:
            query = sa.select(*by, sa.func.count()).where(*self.where).group_by(*by)
            return connection.execute(query).all()

    def _stream(
        self, file: Path, query: sa.Select[Any], columns: Sequence[str]
    ) -> Iterator[tuple[pa.Array, list[pa.Array]]]:
        """Read the rows of a large file with ADBC."""
        first = sa.select(sa.literal(0), *(sa.text("x'00'") for _column in columns))
        rows = first.union_all(sa.select(query.subquery()))
        sql = str(rows.compile(self.engine, compile_kwargs={"literal_binds": True}))
        skip = 1  # the first row is only there to tell ADBC the types
        for batch in arrow.read(file, sql):
            keys, *values = batch.slice(skip).columns
            skip = 0
            if len(keys):
                yield keys, values

    def _page(self, query: sa.Select[Any]) -> list[list[Any]]:
        """Run a query; return its rows in batches, each turned into columns."""
        with _connect(self.engine) as connection:
            partitions = connection.execute(query).partitions(BATCH)
            return [list(zip(*rows, strict=True)) for rows in partitions]

    def _column(self, name: str) -> sa.ColumnElement[Any]:
        if self.exists and name not in self.table.c:
            raise ValueError(
                f"The table {self.table.fullname} has no column {name!r}: "
                "Celery keeps it if result_extended is True."
            )
        return self.table.c.get(name, sa.null())

    def _date_done(self) -> sa.ColumnElement[dt.datetime]:
        return sa.type_coerce(self._column("date_done"), sa.DateTime)

    def _naive(self, moment: Any, what: str) -> dt.datetime:
        """Return a moment as the table would keep it: without a zone, in that of the table."""
        return read_moment(moment, what).astimezone(self.zone).replace(tzinfo=None)

    def _expression(self, name: str) -> sa.ColumnElement[Any]:
        """Return what to select for a column."""
        column = self.table.c.get(name)
        if column is None:
            return sa.null()
        if self.engine.dialect.name == "sqlite":
            # There, any value of any type can be in any column, and text need not be UTF-8.
            return sa.type_coerce(sa.cast(column, sa.LargeBinary), sa.types.NullType())
        # As text, a database's strangest time arrives and is judged here: PostgreSQL's infinity,
        # MariaDB's 0000-00-00.
        return sa.cast(column, sa.String) if name in ("date_done", "timestamp") else column


@contextmanager
def _connect(engine: sa.Engine) -> Iterator[sa.Connection]:
    """Open a connection, and name the cause if the database cannot be read."""
    try:
        with engine.connect() as connection:
            yield connection
    except sa.exc.DBAPIError as error:
        reason = explain(error)
        raise ConnectionError(f"The database {engine.url} cannot be read: {reason}.") from error


def _large_file(connection: sa.Connection) -> Path | None:
    """Return the SQLite file that can be read at once: in WAL mode, where nobody waits for that."""
    name = connection.engine.url.database
    if connection.dialect.name != "sqlite" or not name or not Path(name).is_file():
        return None
    mode = connection.exec_driver_sql("PRAGMA journal_mode").scalar()
    return Path(name) if mode == "wal" and arrow.available() else None


def _column_names(connection: sa.Connection, table: str, schema: str | None) -> list[str]:
    """Return the names of a table's columns; none if Celery has not made its table yet."""
    try:
        return [c["name"] for c in sa.inspect(connection).get_columns(table, schema=schema)]
    except sa.exc.NoSuchTableError:
        made_later = (
            tables.TASK_TABLE,
            tables.GROUP_TABLE,
            tables.QUEUE_TABLE,
            tables.MESSAGE_TABLE,
        )
        if table in made_later and schema is None:
            return []
        full = f"{schema}.{table}" if schema else table
        raise ValueError(f"The database {connection.engine.url} has no table {full}.") from None


def _strings(value: Strings, what: str) -> list[str]:
    """Return one or several strings as a list."""
    found = [value] if isinstance(value, str) else value
    if not isinstance(found, Collection) or not all(isinstance(word, str) for word in found):
        raise TypeError(f"The {what} is a string or a list of strings; not {value!r}.")
    return list(found)
