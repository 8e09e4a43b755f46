"""Reads a table page by page, and hands its rows on in batches of Arrow's arrays."""

import datetime as dt
import re
from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from tutorial.checks.arguments import shown
from tutorial.database import check_engine, check_table
from tutorial.reading import arrow, django_results
from tutorial.reading.decoding import to_arrow
from tutorial.reading.moments import Moment, is_fixed, read_moment, read_zone, to_utc
from tutorial.reading.selecting import Selector
from tutorial.reading.source import (
    MADE_LATER,
    Column,
    connect,
    find_columns,
    is_missing,
    postgresql_name,
    read_only,
    sqlite_file,
    warn_of_missing_file,
)

PAGE = 50_000  # rows for each query, so that no transaction lasts for longer than a moment
BATCH = 10_000  # rows that are converted together
LARGE = 100_000  # ids from which on a second process is worth its start
KEYS = ("id", "task_id", "taskset_id")  # by the first of these that a table has it is read in order

PLAIN = sa.text("""
SELECT relkind IN ('r', 'p') AND NOT row_security_active(pg_class.oid)
FROM pg_class WHERE oid = CAST(:table AS regclass)
""")
# The same for two connections, if both mean the same table by its name.
SAME = """
SELECT concat_ws(' ', current_user, current_database(),
extract(epoch FROM pg_postmaster_start_time()),
CAST(CAST(:table AS regclass) AS oid))
"""

SURROGATE = re.compile("[\ud800-\udfff]")

Strings = str | Collection[str] | None
Rows = list[tuple[Any, ...]]  # a batch, column by column


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
        check_engine(engine)
        check_table(name, schema)
        self.url = engine.url
        self.file = sqlite_file(engine)
        self.engine = read_only(engine)
        self.zone: dt.tzinfo = read_zone("UTC" if timezone is None else timezone)
        columns: list[Column] = []
        session_zone = None
        if self.file and is_missing(self.file) and name in MADE_LATER:
            warn_of_missing_file(self.file, name)
        else:
            with connect(self.engine, self.url) as connection:
                columns = find_columns(connection, self.url, name, schema)
                if timezone is None and engine.dialect.name == "postgresql":
                    session_zone = connection.scalar(sa.text("SHOW timezone"))
        self.assumed_zone = session_zone not in (None, "UTC", "Etc/UTC")
        # PostgreSQL converts all times to one zone; the others keep those of the app as they are.
        is_utc = timezone in (None, "UTC", "Etc/UTC")
        self.has_zone_of_app = not is_utc and engine.dialect.name != "postgresql"
        if session_zone:
            with suppress(ValueError):  # one of POSIX's, such as <-03>+03, only the server can read
                self.zone = read_zone(session_zone)
                session_zone = None
        self.exists = bool(columns)
        self.columns = _by_name(columns)
        self.of_django = django_results.MARK in self.columns
        self.select = Selector(engine.dialect.name, session_zone)
        self.table = sa.table(name, *(sa.column(c.name) for c in columns), schema=schema)
        self.where: list[sa.ColumnElement[bool]] = []
        self.since: dt.datetime | None = None
        self.until: dt.datetime | None = None
        self.exact = True  # whether the database compares times as Python does
        self.done = 0.0

    def only(self, status: Strings, name: Strings, since: Moment, until: Moment) -> None:
        """Ask for some of the rows."""
        for column, words in (("status", status), ("name", name)):
            if words is not None:
                wanted = _strings(words, column)
                if self.exists:
                    self.where.append(self.select.among(self._column(column), wanted))
        self.since = None if since is None else read_moment(since, "since")
        self.until = None if until is None else read_moment(until, "until")
        if self.exists and (self.since or self.until):
            self._only_between(self._column("date_done"))

    def _only_between(self, column: Column) -> None:
        """Ask for the rows between two moments, as far as the database can tell which they are."""
        zone = dt.UTC if self.select.knows_zone(column) else self.zone
        moments = [moment for moment in (self.since, self.until) if moment]
        unusual = self.select.is_unusual_time(column)
        since, until = (_naive(moment, zone) for moment in (self.since, self.until))
        between = self.select.since_until(column, since, until)
        self.exact = between is not None and all(is_fixed(zone, moment) for moment in moments)
        if self.exact and unusual is not None:
            with connect(self.engine, self.url) as connection:
                query = sa.select(sa.literal(1)).select_from(self.table).where(unusual).limit(1)
                self.exact = connection.scalar(query) is None
        if self.exact and between is not None:
            self.where.append(between)

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
            The number of rows that a query returns; more, if they have the same ``id``.
        limit : int, optional
            At most this many rows in all.
        at_once : bool
            Whether one query may read the whole table where nobody waits for that.

        Yields
        ------
        pyarrow.RecordBatch
            The columns, each as stored (of the type ``large_binary``). `done` is then the part of
            the table that has been read.
        """
        if not self.exists or limit == 0:
            return
        names = list(columns)
        if not self.exact and "date_done" not in names:
            names.append("date_done")
        if limit is not None and self.exact:
            page = min(page, limit)
        left = limit
        for batch in self._read(names, page, at_once and limit is None):
            batch = self._between(batch) if not self.exact else batch
            yield batch.slice(0, left).select(list(columns))
            if left is not None:
                left -= batch.num_rows
                if left <= 0:
                    return

    def _between(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Return the rows between the two moments."""
        times, _bad = to_utc(batch["date_done"], self.zone)
        mask = times.is_valid()
        if self.since:
            mask = pc.and_(mask, pc.greater_equal(times, pa.scalar(self.since, times.type)))
        if self.until:
            mask = pc.and_(mask, pc.less(times, pa.scalar(self.until, times.type)))
        return batch.filter(mask)

    def counts(self, names: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """Count the rows by the values of columns.

        Parameters
        ----------
        names : sequence of str

        Yields
        ------
        pyarrow.RecordBatch
            The columns as from `batches`, each combination once; and last the numbers of rows.
        """
        by = [self.select.words(self._column(name)) for name in names if self.exists]
        if not self.exists:
            return
        if not self.exact:
            for batch in self.batches(names):
                yield batch.append_column("tasks", pa.array([1] * batch.num_rows))
            return
        query = sa.select(*by, sa.func.count()).select_from(self.table).where(*self.where)
        with connect(self.engine, self.url) as connection:
            rows = connection.execute(query.group_by(*by)).all()
        if rows:
            *values, numbers = zip(*rows, strict=True)
            arrays = [*map(to_arrow, values), pa.array(numbers, pa.int64())]
            yield pa.RecordBatch.from_arrays(arrays, [*names, "tasks"])

    def _read(self, names: list[str], page: int, at_once: bool) -> Iterator[pa.RecordBatch]:
        """Read all rows that the database can tell are wanted."""
        key = next((self.columns[name] for name in KEYS if name in self.columns), None)
        query = self._query(names)
        if key is None:  # nothing to divide it by
            yield from self._pages(query, names)
            return
        by: sa.ColumnClause[Any] = sa.column(key.name)
        first, last = self._bounds(by)
        unique = key.key and isinstance(key.type, sa.Integer)
        if not unique or self.engine.dialect.name == "sqlite":
            yield from self._pages(query.where(by.is_(None)), names)
        if last is None:
            return
        query = query.where(by <= last).order_by(by)
        numbers = isinstance(first, int) and isinstance(last, int)
        if at_once and numbers and last - first >= LARGE and self._can_be_streamed():
            yield from self._stream(query, names, by, first, last)
            return
        if at_once and numbers and last - first >= LARGE and self._is_plain_postgresql():
            batches = self._stream_postgresql(names, by, first, last)
            head = None
            with suppress(OSError, StopIteration):  # else in pages, as any other table
                head = next(batches)
            if head is not None:
                yield head
                yield from batches
                return
        reached = None
        while reached is None or reached != last:
            rest = query if reached is None else query.where(by > reached)
            if unique:
                rows = self._page(rest.add_columns(by).limit(page))
                reached = rows[-1][-1][-1] if rows else last
                rows = [columns[:-1] for columns in rows]
            else:
                # All rows of one id are read together: else some would be left out.
                reached = self._last_of_page(rest, by, page)
                reached = last if reached is None else reached
                rows = self._page(rest.where(by <= reached))
            if numbers:
                self.done = (reached - first + 1) / (last - first + 1)
            yield from (_to_batch(columns, names) for columns in rows)

    def _query(self, names: Sequence[str]) -> sa.Select[Any]:
        columns = [
            self.select.stored(self.columns[name]) if name in self.columns else sa.null()
            for name in names
        ]
        labelled = [column.label(f"stored_{i}") for i, column in enumerate(columns)]
        return sa.select(*labelled).select_from(self.table).where(*self.where)

    def _bounds(self, by: sa.ColumnClause[Any]) -> tuple[Any, Any]:
        """Return the lowest and the highest key."""
        query = sa.select(by).select_from(self.table).where(*self.where, by.is_not(None)).limit(1)
        with connect(self.engine, self.url) as connection:
            first = connection.scalar(query.order_by(by))
            return first, connection.scalar(query.order_by(by.desc()))

    def _last_of_page(self, query: sa.Select[Any], by: sa.ColumnClause[Any], page: int) -> Any:
        """Return the key with which a page ends; None if fewer rows are left."""
        with connect(self.engine, self.url) as connection:
            return connection.scalar(query.with_only_columns(by).limit(1).offset(page - 1))

    def _pages(self, query: sa.Select[Any], names: list[str]) -> Iterator[pa.RecordBatch]:
        yield from (_to_batch(columns, names) for columns in self._page(query))

    def _page(self, query: sa.Select[Any]) -> list[Rows]:
        """Run a query; return its rows in batches, each turned into columns."""
        with connect(self.engine, self.url) as connection:
            partitions = connection.execute(query).partitions(BATCH)
            return [list(zip(*rows, strict=True)) for rows in partitions]

    def _can_be_streamed(self) -> bool:
        """Return whether ADBC may read the file: in WAL mode, nobody waits for that."""
        if self.file is None or not arrow.available():
            return False
        with connect(self.engine, self.url) as connection:
            return bool(connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal")

    def _stream(
        self,
        query: sa.Select[Any],
        names: list[str],
        by: sa.ColumnClause[Any],
        first: int,
        last: int,
    ) -> Iterator[pa.RecordBatch]:
        """Read the rows of a large file with ADBC."""
        types = sa.select(*(sa.text("x'00'") for _name in names), sa.literal(0))
        rows = types.union_all(sa.select(query.add_columns(by).subquery()))
        sql = str(rows.compile(self.engine, compile_kwargs={"literal_binds": True}))
        skip = 1  # the first row is only there to tell ADBC the types
        assert self.file is not None
        for batch in arrow.read(self.file, sql):
            *values, keys = batch.slice(skip).columns
            skip = 0
            if len(keys):
                self.done = (keys[-1].as_py() - first + 1) / (last - first + 1)
                yield pa.RecordBatch.from_arrays(values, names)

    def _is_plain_postgresql(self) -> bool:
        """Return whether another connection of the same user sees the same rows and times.

        That is so for a table, but not for every view, nor with row-level security.
        """
        if self.engine.dialect.driver != "psycopg" or not arrow.available("postgresql"):
            return False
        time = self.columns.get("date_done")
        with connect(self.engine, self.url) as connection:
            full = postgresql_name(self.table)
            if not connection.scalar(PLAIN, {"table": full}):
                return False
            if time is None or not isinstance(time.type, sa.DateTime):
                return time is None
            raw: sa.ColumnClause[Any] = sa.column(time.name)
            first, last = (sa.func.isfinite(f(raw)) for f in (sa.func.min, sa.func.max))
            row = connection.execute(sa.select(first, last).select_from(self.table)).one()
            return False not in row

    def _stream_postgresql(
        self, names: list[str], by: sa.ColumnClause[Any], first: int, last: int
    ) -> Iterator[pa.RecordBatch]:
        """Read the rows of a large table with ADBC, numbers and times as they are."""
        with connect(self.engine, self.url) as connection:
            info = connection.connection.driver_connection.info  # type: ignore[union-attr]
            conninfo = f"{info.dsn} password={_for_libpq(info.password)}"
            full = postgresql_name(self.table)
            same = SAME.replace(":table", _for_sql(full))
            expected = connection.scalar(sa.text(same.replace(":", r"\:")))
        columns = [self._as_it_is(name).label(f"stored_{i}") for i, name in enumerate(names)]
        query = sa.select(*columns, by).select_from(self.table)
        query = query.where(*self.where, by <= last).order_by(by)
        dialect = postgresql.dialect(paramstyle="named")  # the other one doubles each %
        sql = str(query.compile(dialect=dialect, compile_kwargs={"literal_binds": True}))
        for batch in arrow.read_postgresql(conninfo, sql, same, expected):
            *values, keys = batch.columns
            if len(keys):
                self.done = (keys[-1].as_py() - first + 1) / (last - first + 1)
                yield pa.RecordBatch.from_arrays(list(map(_as_bytes, values)), names)

    def _as_it_is(self, name: str) -> sa.ColumnElement[Any]:
        column = self.columns.get(name)
        if column is None:
            return sa.null()
        if isinstance(column.type, sa.Integer):
            return sa.column(column.name)
        if isinstance(column.type, sa.DateTime):
            return self.select.time(column)
        return self.select.stored(column)

    def _column(self, name: str) -> Column:
        if name not in self.columns:
            why = (
                ""
                if name in ("status", "date_done")
                else ": Celery keeps it if result_extended is True"
            )
            raise ValueError(f"The table {self.table.fullname} has no column {name!r}{why}.")
        return self.columns[name]


def _by_name(columns: list[Column]) -> dict[str, Column]:
    """Return the columns by the names that Celery gives them, whatever letters the table uses."""
    named = {column.name.lower(): column for column in columns}
    named |= {column.name: column for column in columns}
    if django_results.MARK in named:
        own = django_results.COLUMNS.items()
        named |= {name: named[other] for name, other in own if other in named}
    return named


def _as_bytes(values: pa.Array) -> pa.Array:
    if pa.types.is_string(values.type) or pa.types.is_binary(values.type):
        return values.cast(pa.binary()).cast(pa.large_binary())
    return values


def _for_libpq(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _for_sql(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _to_batch(columns: Rows | Any, names: list[str]) -> pa.RecordBatch:
    return pa.RecordBatch.from_arrays(list(map(to_arrow, columns)), names)


def _naive(moment: dt.datetime | None, zone: dt.tzinfo) -> dt.datetime | None:
    """Return a moment as a table keeps it: without a zone, in that of the table."""
    return moment and moment.astimezone(zone).replace(tzinfo=None)


def _strings(value: Strings, what: str) -> list[str]:
    """Return one or several strings as a list."""
    found = [value] if isinstance(value, str) else value
    if not isinstance(found, Collection) or not all(isinstance(word, str) for word in found):
        raise TypeError(f"The {what} must be a string or a list of strings, but is {shown(value)}.")
    # A lone surrogate has no form in UTF-8: no database has stored it, and no driver sends it.
    return [word for word in dict.fromkeys(found) if not SURROGATE.search(word)]
