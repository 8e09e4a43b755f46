"""Stored results in pandas: the tables of Celery's result backend, decoded, and never unpickled.

Workers do not import this module: pandas would make each of them start later.
"""

import base64
import datetime as dt
import gc
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pyarrow as pa
import sqlalchemy as sa
from celery import states
from dateutil import tz
from tqdm import tqdm

from tutorial.database import explain
from tutorial.reading import arrow as arrow_reader
from tutorial.reading.decoding import (
    Counts,
    Dates,
    Integers,
    Json,
    Text,
    Words,
    decode_json,
    decode_text,
    to_arrow,
)

TASK_TABLE = "celery_taskmeta"
GROUP_TABLE = "celery_tasksetmeta"
QUEUE_TABLE = "kombu_queue"
MESSAGE_TABLE = "kombu_message"
PAGE = 50_000  # rows for each query, so that no transaction lasts for longer than a moment
BATCH = 10_000  # rows that are converted together
LARGE = 100_000  # ids from which on a second process is worth its start
PATIENCE = 2  # seconds before a progress bar appears

# The columns of a frame of results, in the order of a reader's questions, and what they hold.
RESULT_COLUMNS = {
    "id": Integers,
    "task_id": Text,
    "name": Words,
    "args": Json,
    "kwargs": Json,
    "status": Words,
    "result": Json,
    "exception": Words,  # not in the table: from status and result
    "traceback": Text,
    "date_done": Dates,
    "worker": Words,
    "queue": Words,
    "retries": Counts,
    "children": Json,
    "stamps": Json,
    "undecodable": Words,  # not in the table: what the others could not decode
}
GROUP_COLUMNS = {"taskset_id": Text, "date_done": Dates, "result": Json, "undecodable": Words}
MESSAGE_COLUMNS = {
    "id": Integers,
    "queue_id": Counts,
    "visible": Counts,
    "timestamp": Dates,
    "payload": Text,
}
DERIVED = ("exception", "undecodable")
COUNTABLE = ("status", "name", "worker", "queue", "retries")
MESSAGE_FIELDS = ["task_id", "name", "args", "kwargs", "retries", "sent_at", "eta", "undecodable"]
TIMING_COLUMNS = [
    *("task_id", "name", "status", "worker", "messages", "sent_at", "received_at", "date_done"),
    *("waiting", "running"),
]

Strings = str | Collection[str] | None
Moment = str | dt.date | None


def load_results(
    engine: sa.Engine,
    *,
    columns: Sequence[str] | None = None,
    status: Strings = None,
    name: Strings = None,
    since: Moment = None,
    until: Moment = None,
    limit: int | None = None,
    decode: bool = True,
    timezone: str | None = None,
    table: str = TASK_TABLE,
    schema: str | None = None,
    progress: bool = True,
) -> pd.DataFrame:
    """Load the stored results of tasks: one row a task, ordered by ``id``.

    It reads and does nothing else: the right to SELECT is enough. A row that cannot be decoded
    loses no other row, and no stored byte is ever unpickled.

    Parameters
    ----------
    engine : sqlalchemy.Engine
        For example what `tutorial.database.make_engine` returns.
    columns : sequence of str, optional
        The columns to load, of `RESULT_COLUMNS`; by default all. Fewer are quicker.
    status, name : str or collection of str, optional
        Only tasks in these states, or of these names.
    since, until : str, datetime or date, optional
        Only tasks with ``since <= date_done < until``; UTC, unless the value says otherwise.
    limit : int, optional
        At most this many rows, the lowest ``id`` first.
    decode : bool
        False leaves ``args``, ``kwargs``, ``result``, ``children`` and ``stamps`` as stored bytes.
    timezone : str, optional
        The time zone in which ``date_done`` was written. By default UTC, and on PostgreSQL the
        zone of the session, because PostgreSQL converts to that when Celery stores a result.
    table, schema : str, optional
        As in Celery's settings ``database_table_names`` and ``database_table_schemas``.
    progress : bool
        Show a progress bar if loading takes longer than `PATIENCE`.

    Returns
    -------
    pandas.DataFrame
        The columns are always these; one that the table lacks is empty.

        ============================================ ============================================
        ``id``                                       int64: the order of the first storing
        ``task_id``, ``traceback``                   str
        ``name``, ``worker``, ``queue``              category
        ``status``                                   category, in the order of a task's life
        ``args``, ``kwargs``, ``result``             object: the decoded values. Equal ones can be
                                                     one and the same object: copy it to change it
        ``children``, ``stamps``                     object, as Celery stores them
        ``exception``                                category: the type of the stored exception
        ``date_done``                                datetime64[us, UTC]
        ``retries``                                  Int64
        ``undecodable``                              category: the names of the columns that could
                                                     not be decoded; missing where all is well
        ============================================ ============================================

        What cannot be decoded stays as the stored bytes, or is NaT in ``date_done``. If the
        database has no table yet, because no result was ever stored, the frame has no rows.

    Raises
    ------
    ValueError, TypeError
        If an argument cannot be used, or if there is no table of the name that was given.
    ConnectionError
        If the database cannot be read.
    """
    tasks = _Table(engine, table, schema, timezone)
    tasks.only(status, name, since, until)
    frame = _Frame(_known(columns), tasks.zone, decode)
    with (
        _garbage_collection_paused(),
        tqdm(unit=" ids", unit_scale=True, delay=PATIENCE, disable=not progress) as bar,
    ):
        for reached, bar.total in tasks.read(frame, PAGE, limit, at_once=True):
            bar.update(reached - bar.n)
    return frame.finish()


def iter_results(
    engine: sa.Engine,
    *,
    chunksize: int = PAGE,
    columns: Sequence[str] | None = None,
    status: Strings = None,
    name: Strings = None,
    since: Moment = None,
    until: Moment = None,
    limit: int | None = None,
    decode: bool = True,
    timezone: str | None = None,
    table: str = TASK_TABLE,
    schema: str | None = None,
) -> Iterator[pd.DataFrame]:
    """Load the stored results piece by piece, for a table that is larger than memory.

    No connection and no transaction stays open between two pieces.

    Parameters
    ----------
    engine : sqlalchemy.Engine
    chunksize : int
        The greatest number of rows in a piece.
    columns, status, name, since, until, limit, decode, timezone, table, schema
        As for `load_results`.

    Yields
    ------
    pandas.DataFrame
        As from `load_results`; each piece has its own categories.

    Raises
    ------
    ValueError, TypeError, ConnectionError
        As `load_results`.
    """
    tasks = _Table(engine, table, schema, timezone)
    tasks.only(status, name, since, until)
    frame = _Frame(_known(columns), tasks.zone, decode)
    for _progress in tasks.read(frame, chunksize, limit):
        yield frame.finish()


def count_results(
    engine: sa.Engine,
    by: str | Sequence[str] = "status",
    *,
    status: Strings = None,
    name: Strings = None,
    since: Moment = None,
    until: Moment = None,
    timezone: str | None = None,
    table: str = TASK_TABLE,
    schema: str | None = None,
) -> pd.Series:
    """Count tasks in the database, which is quicker than to load them and then count.

    Parameters
    ----------
    engine : sqlalchemy.Engine
    by : str or sequence of str
        One or more of ``status``, ``name``, ``worker``, ``queue`` and ``retries``.
    status, name, since, until, timezone, table, schema
        As for `load_results`.

    Returns
    -------
    pandas.Series
        The numbers of tasks (int64), indexed by the values of the columns, the largest first.

    Raises
    ------
    ValueError, TypeError, ConnectionError
        As `load_results`.
    """
    names = [by] if isinstance(by, str) else list(by)
    if not names or not set(names) <= set(COUNTABLE):
        raise ValueError(f"Tasks are counted by {', '.join(COUNTABLE)}, one or more; not {by!r}.")
    tasks = _Table(engine, table, schema, timezone)
    tasks.only(status, name, since, until)
    counts = pd.DataFrame(tasks.count(names), columns=[*names, "tasks"])
    counts = counts.astype({"tasks": "int64"})
    order = [False] + [True] * len(names)
    counts = counts.sort_values(["tasks", *names], ascending=order)
    return counts.set_index(names)["tasks"]


def load_groups(
    engine: sa.Engine,
    *,
    timezone: str | None = None,
    table: str = GROUP_TABLE,
    schema: str | None = None,
) -> pd.DataFrame:
    """Load the groups that were kept with ``GroupResult.save()``; Celery stores no others.

    Parameters
    ----------
    engine : sqlalchemy.Engine
    timezone, table, schema : str, optional
        As for `load_results`.

    Returns
    -------
    pandas.DataFrame
        One row a group: ``group_id`` (str), ``date_done`` (UTC; when it was saved), ``task_ids``
        (object: a list, or the stored bytes) and ``undecodable``. ``explode("task_ids")`` makes
        one row a task of it.

    Raises
    ------
    ValueError, TypeError, ConnectionError
        As `load_results`.
    """
    groups = _Table(engine, table, schema, timezone)
    frame = _Frame(GROUP_COLUMNS, groups.zone, kinds=GROUP_COLUMNS)
    loaded = groups.load(frame)
    loaded["result"] = pd.Series(map(_group_task_ids, loaded["result"]), dtype=object)
    return loaded.rename(columns={"taskset_id": "group_id", "result": "task_ids"})


def load_messages(engine: sa.Engine, *, timezone: str | None = None) -> pd.DataFrame:
    """Load the messages of the embedded queue: those that wait, and those that were received.

    Parameters
    ----------
    engine : sqlalchemy.Engine
        The engine of the queue, as `tutorial.broker.queue_engine` returns it.
    timezone : str, optional
        The time zone of the machine whose workers received the messages; by default this one's.

    Returns
    -------
    pandas.DataFrame
        One row a message, ordered by ``id``; a task that was retried has several.

        ================================== =======================================================
        ``id``                             int64: the order of sending
        ``task_id``                        str
        ``name``, ``queue``                category
        ``args``, ``kwargs``               object
        ``retries``                        Int64
        ``waiting``                        bool: no worker has received it
        ``sent_at``                        datetime64[us, UTC]: written by the sender,
                                           `tutorial.tasks.note_sending_time`
        ``eta``                            datetime64[us, UTC]: not to be run before
        ``received_at``                    datetime64[us, UTC]: when a worker received it
        ``undecodable``                    category, as in `load_results`
        ================================== =======================================================

    Raises
    ------
    ValueError, TypeError, ConnectionError
        As `load_results`.
    """
    queues = _Table(engine, QUEUE_TABLE).load(_Frame(["id", "name"], dt.UTC))
    names = dict(zip(queues["id"], queues["name"], strict=True))
    local = _zone(timezone) if timezone else tz.tzlocal()
    frame = _Frame(MESSAGE_COLUMNS, local, kinds=MESSAGE_COLUMNS)
    raw = _Table(engine, MESSAGE_TABLE).load(frame)
    read = pd.DataFrame([_read_payload(text) for text in raw["payload"]], columns=MESSAGE_FIELDS)
    return pd.DataFrame(
        {
            "id": raw["id"],
            "task_id": read["task_id"].astype("str"),
            "name": read["name"].astype("str").astype("category"),
            "queue": raw["queue_id"].map(names).astype("str").astype("category"),
            "args": read["args"].astype("object"),
            "kwargs": read["kwargs"].astype("object"),
            "retries": read["retries"].astype("Int64"),
            "waiting": raw["visible"].fillna(0).astype("bool"),
            "sent_at": read["sent_at"].astype("datetime64[us, UTC]"),
            "eta": read["eta"].astype("datetime64[us, UTC]"),
            "received_at": raw["timestamp"],
            "undecodable": read["undecodable"].astype("str").astype("category"),
        }
    )


def join_timings(results: pd.DataFrame, messages: pd.DataFrame) -> pd.DataFrame:
    """Join results and messages, which gives the time that each task waited and ran.

    Neither table says when a task started. A worker receives a message a little before it starts
    it: it may hold as many more as ``worker_prefetch_multiplier`` allows, and a message with an
    ``eta`` until that moment. So ``waiting`` is a little too short and ``running`` too long
    while a worker is busy.

    Parameters
    ----------
    results, messages : pandas.DataFrame
        From `load_results` and `load_messages`.

    Returns
    -------
    pandas.DataFrame
        One row for each task that has a message or a result, in the order of sending: ``task_id``,
        ``name``, ``status`` (missing while there is no result), ``worker``, ``messages`` (their
        number; more than one after a retry, or if a stopping worker gave the message back),
        ``sent_at``, ``received_at``, ``date_done``, ``waiting`` and ``running``
        (timedelta64[us]). For a task with several messages the times are those of the last one.
    """
    _need(results, "results", ["task_id", "name", "status", "worker", "date_done"])
    _need(messages, "messages", ["task_id", "name", "sent_at", "received_at", "eta"])
    done = results[["task_id", "name", "status", "worker", "date_done"]]
    last = messages.drop_duplicates("task_id", keep="last")
    last = last[["task_id", "name", "sent_at", "received_at", "eta"]]
    tasks = last.merge(done, on="task_id", how="outer", suffixes=("_sent", ""), sort=False)
    tasks["name"] = tasks["name"].astype("object").fillna(tasks["name_sent"]).astype("category")
    tasks["messages"] = tasks["task_id"].map(messages["task_id"].value_counts()).fillna(0)
    tasks["messages"] = tasks["messages"].astype("int64")
    started = tasks[["received_at", "eta"]].max(axis="columns").where(tasks["received_at"].notna())
    finished = tasks["status"].isin(list(states.READY_STATES))
    tasks["waiting"] = started - tasks["sent_at"]
    tasks["running"] = (tasks["date_done"] - started).where(finished)
    tasks = tasks.sort_values(["sent_at", "task_id"], ignore_index=True)
    return tasks[TIMING_COLUMNS]


class _Table:
    """One table, and which of its rows a call asks for."""

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
        self.zone = _zone(timezone or "UTC")
        self.table = sa.table(name, *map(sa.column, names), schema=schema)
        self.where: list[sa.ColumnElement[bool]] = []

    def only(self, status: Strings, name: Strings, since: Moment, until: Moment) -> None:
        """Ask for some of the rows."""
        if status is not None:
            self.where.append(self._column("status").in_(_strings(status, "status")))
        if name is not None:
            self.where.append(self._column("name").in_(_strings(name, "name")))
        if since is not None:
            self.where.append(self._date_done() >= _naive(since, "since", self.zone))
        if until is not None:
            self.where.append(self._date_done() < _naive(until, "until", self.zone))

    def read(
        self, frame: "_Frame", size: int, limit: int | None = None, at_once: bool = False
    ) -> Iterator[tuple[int, int]]:
        """Read the rows into a frame, page by page; yield how many ids are done, and of how many.

        Each page is a transaction of its own. So no worker waits for a reader, not even on SQLite
        without WAL, and no connection stays open while the caller works. The highest ``id`` is
        fixed first: rows that are added later are not read.
        """
        _check_number(size, "chunksize")
        if limit is not None:
            _check_number(limit, "limit")
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
        columns = [self._expression(name).label(f"stored_{name}") for name in frame.stored]
        query = sa.select(key, *columns).where(*self.where)
        query = query.where(key <= highest).order_by(key)
        if file and ids > LARGE:
            yield from ((reached - lowest + 1, ids) for reached in self._stream(file, query, frame))
            return
        reached = lowest - 1
        while reached < highest and limit != 0:
            page = query.where(key > reached).limit(size if limit is None else min(size, limit))
            before = frame.size
            for keys, *values in self._batches(page):
                frame.add(len(keys), map(to_arrow, values))
                reached = keys[-1]
            if frame.size == before:
                return
            limit = None if limit is None else limit - (frame.size - before)
            yield reached - lowest + 1, ids

    def _stream(self, file: Path, query: sa.Select[Any], frame: "_Frame") -> Iterator[int]:
        """Read the rows of a large file with ADBC; yield the highest id so far."""
        first = sa.select(sa.literal(0), *(sa.text("x'00'") for _column in frame.stored))
        rows = first.union_all(sa.select(query.subquery()))
        sql = str(rows.compile(self.engine, compile_kwargs={"literal_binds": True}))
        skip = 1  # the first row is only there to tell ADBC the types
        for batch in arrow_reader.read(file, sql):
            keys, *values = batch.slice(skip).columns
            frame.add(len(keys), values)
            skip = 0
            if len(keys):
                yield keys[-1].as_py()

    def load(self, frame: "_Frame") -> pd.DataFrame:
        """Read all rows."""
        for _progress in self.read(frame, PAGE):
            pass
        return frame.finish()

    def count(self, names: list[str]) -> Sequence[Any]:
        """Count the rows by the values of columns."""
        by = [self._column(name) for name in names]
        if not self.exists:
            return []
        with _connect(self.engine) as connection:
            query = sa.select(*by, sa.func.count()).where(*self.where).group_by(*by)
            return connection.execute(query).all()

    def _batches(self, query: sa.Select[Any]) -> Iterator[Iterable[Any]]:
        """Run a query, and turn each batch of rows into columns."""
        with _connect(self.engine) as connection:
            for rows in connection.execute(query).partitions(BATCH):
                yield zip(*rows, strict=True)

    def _column(self, name: str) -> sa.ColumnElement[Any]:
        if self.exists and name not in self.table.c:
            raise ValueError(
                f"The table {self.table.fullname} has no column {name!r}: "
                "Celery keeps it if result_extended is True."
            )
        return self.table.c.get(name, sa.null())

    def _date_done(self) -> sa.ColumnElement[dt.datetime]:
        return sa.type_coerce(self._column("date_done"), sa.DateTime)

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


class _Frame:
    """A data frame that is being filled, a batch of rows at a time."""

    def __init__(
        self,
        names: Iterable[str],
        zone: dt.tzinfo,
        decode: bool = True,
        kinds: dict[str, Any] = RESULT_COLUMNS,
    ) -> None:
        self.names = list(names)
        self.zone = zone
        self.decode = decode
        self.kinds = kinds
        sources = ["status", "result"] if "exception" in self.names else []
        stored = [name for name in [*self.names, *sources] if name not in DERIVED]
        self.stored = list(dict.fromkeys(stored))
        self._start()

    def _start(self) -> None:
        self.size = 0
        self.columns = [self._new(self.kinds[name]) for name in self.stored]

    def _new(self, kind: Any) -> Any:
        if kind is Dates:
            return Dates(self.zone)
        return Json(bytes) if kind is Json and not self.decode else kind()

    def add(self, rows: int, values: Iterable[pa.Array]) -> None:
        """Add some rows, given column by column."""
        for column, some in zip(self.columns, values, strict=True):
            column.add(some)
        self.size += rows

    def finish(self) -> pd.DataFrame:
        """Return the frame, and start anew."""
        done = {name: c.finish() for name, c in zip(self.stored, self.columns, strict=True)}
        if "exception" in self.names:
            done["exception"] = _exceptions(done["status"], done["result"])
        if "undecodable" in self.names:
            done["undecodable"] = self._undecodable()
        index = pd.RangeIndex(self.size)
        self._start()
        return pd.DataFrame({name: done[name] for name in self.names}, index=index, copy=False)

    def _undecodable(self) -> pd.Categorical:
        notes: list[Any] = [None] * self.size
        for name, column in zip(self.stored, self.columns, strict=True):
            for row in column.bad if name in self.names else ():
                notes[row] = f"{notes[row]}, {name}" if notes[row] else name
        return _categorical(notes)


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
    return Path(name) if mode == "wal" and arrow_reader.available() else None


@contextmanager
def _garbage_collection_paused() -> Iterator[None]:
    """Spare the collector the search through a million new lists, none of them garbage."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _column_names(connection: sa.Connection, table: str, schema: str | None) -> list[str]:
    """Return the names of a table's columns; none if Celery has not made its table yet."""
    try:
        return [c["name"] for c in sa.inspect(connection).get_columns(table, schema=schema)]
    except sa.exc.NoSuchTableError:
        if table in (TASK_TABLE, GROUP_TABLE, QUEUE_TABLE, MESSAGE_TABLE) and schema is None:
            return []
        full = f"{schema}.{table}" if schema else table
        raise ValueError(f"The database {connection.engine.url} has no table {full}.") from None


def _known(columns: Sequence[str] | None) -> list[str]:
    """Check the names of the wanted columns."""
    if columns is None:
        return list(RESULT_COLUMNS)
    if isinstance(columns, str):
        raise TypeError(f"Columns are a list of names: write columns=[{columns!r}].")
    for column in columns:
        if column not in RESULT_COLUMNS:
            raise ValueError(f"No column is called {column!r}; use {', '.join(RESULT_COLUMNS)}.")
    return list(dict.fromkeys(columns))


def _check_number(number: Any, what: str) -> None:
    least = 0 if what == "limit" else 1
    if not isinstance(number, int) or number < least:
        raise ValueError(f"The {what} is a number of rows, at least {least}; not {number!r}.")


def _strings(value: Strings, what: str) -> list[str]:
    """Return one or several strings as a list."""
    found = [value] if isinstance(value, str) else value
    if not isinstance(found, Collection) or not all(isinstance(word, str) for word in found):
        raise TypeError(f"The {what} is a string or a list of strings; not {value!r}.")
    return list(found)


def _zone(name: str) -> dt.tzinfo:
    try:
        return ZoneInfo(name)
    except (ValueError, KeyError, OSError):
        raise ValueError(f"No time zone is called {name!r}; one is 'Europe/Berlin'.") from None


def _naive(moment: Any, what: str, zone: dt.tzinfo) -> dt.datetime:
    """Return a moment as the table would keep it: without a zone, in that of the table."""
    if not isinstance(moment, str | dt.date):
        raise TypeError(f"The moment {what!r} is a string or a datetime; not {moment!r}.")
    try:
        time = pd.Timestamp(moment)
    except ValueError:
        time = pd.NaT
    if time is pd.NaT:
        raise ValueError(f"{what}={moment!r} is no moment; one is '2026-01-31 12:00'.")
    time = time.tz_localize("UTC") if time.tz is None else time
    return time.tz_convert(zone).tz_localize(None).to_pydatetime()


def _categorical(values: Sequence[Any]) -> pd.Categorical:
    words = Words()
    words.add(to_arrow(values))
    return words.finish()


def _exceptions(status: pd.Categorical, result: pd.Series) -> pd.Categorical:
    """Return the type of the exception of each task that has one."""
    failed = status.isin(list(states.EXCEPTION_STATES))
    names = np.full(len(status), None, object)
    names[failed] = [_exception_type(value) for value in result[failed]]
    return _categorical(names.tolist())


def _exception_type(result: Any) -> str | None:
    """Return the type of an exception that Celery stored as a result."""
    name = result.get("exc_type") if isinstance(result, dict) else None
    return name if isinstance(name, str) else None


def _group_task_ids(value: Any) -> Any:
    """Return the ids of a group's tasks from what ``GroupResult.as_tuple`` gave."""
    try:
        return [task[0][0] for task in value[1]]
    except (TypeError, LookupError):
        return value


def _read_payload(payload: Any) -> dict[str, Any]:
    """Read a message of Celery's protocol, as kombu's SQLAlchemy transport keeps it."""
    fields: dict[str, Any] = dict.fromkeys(MESSAGE_FIELDS)
    bad = []
    try:
        message = decode_json(payload)
        headers = dict(message["headers"])
    except Exception:  # as in _Values
        return {**fields, "undecodable": "payload"}
    readers: dict[str, Callable[[], Any]] = {
        "task_id": lambda: _word(headers["id"]),
        "name": lambda: _word(headers["task"]),
        "retries": lambda: int(headers.get("retries") or 0),
        "sent_at": lambda: _aware(headers.get("sent_at")),
        "eta": lambda: _aware(headers.get("eta")),
    }
    for field, read in readers.items():
        try:
            fields[field] = read()
        except Exception:
            bad.append(field)
    body = message.get("body")
    try:
        if message["properties"].get("body_encoding") == "base64":
            body = base64.b64decode(body)
        if message["content-type"] != "application/json":
            raise ValueError
        fields["args"], fields["kwargs"], _embedded = decode_json(body)
    except Exception:
        fields["args"] = body
        bad.append("args, kwargs")
    return {**fields, "undecodable": ", ".join(bad) or None}


def _word(raw: Any) -> str | None:
    return None if raw is None else decode_text(raw)[0]


def _aware(text: str | None) -> dt.datetime | None:
    """Return a time with its zone; without one it is UTC."""
    if text is None:
        return None
    time = dt.datetime.fromisoformat(text)
    return (time if time.tzinfo else time.replace(tzinfo=dt.UTC)).astimezone(dt.UTC)


def _need(frame: pd.DataFrame, what: str, columns: list[str]) -> None:
    """Check that a frame has the columns that a join needs."""
    missing = [column for column in columns if column not in frame.columns]
    if missing:
        raise ValueError(f"The frame of {what} has no column {missing[0]!r}; load it with all.")
