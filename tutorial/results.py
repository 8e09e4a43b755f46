"""Stored results in pandas: the tables of Celery's result backend, decoded, and never unpickled.

Workers do not import this module: pandas would make each of them start later.
"""

import base64
import datetime as dt
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pyarrow as pa
import sqlalchemy as sa
from celery import states
from dateutil import tz
from kombu.utils import json
from tqdm import tqdm

TASK_TABLE = "celery_taskmeta"
GROUP_TABLE = "celery_tasksetmeta"
QUEUE_TABLE = "kombu_queue"
MESSAGE_TABLE = "kombu_message"
PAGE = 50_000  # rows for each query, so that no transaction lasts for longer than a moment
PATIENCE = 2  # seconds before a progress bar appears

# The columns of a frame of results, in the order of a reader's questions, and what they hold.
RESULT_COLUMNS = {
    "id": "number",
    "task_id": "text",
    "name": "word",
    "args": "json",
    "kwargs": "json",
    "status": "word",
    "result": "json",
    "exception": "word",
    "traceback": "text",
    "date_done": "date",
    "worker": "word",
    "queue": "word",
    "retries": "count",
    "children": "json",
    "stamps": "json",
    "undecodable": "word",
}
DATES = ("date_done", "timestamp")
DERIVED = ("exception", "undecodable")  # these two are not in the table
COUNTABLE = ("status", "name", "worker", "queue", "retries")
LIFE = ["PENDING", "RECEIVED", "STARTED", "RETRY", "SUCCESS", "FAILURE", "REVOKED"]

MESSAGE_KINDS = {
    "id": "number",
    "queue_id": "count",
    "visible": "count",
    "timestamp": "date",
    "payload": "text",
}
MESSAGE_FIELDS = ["task_id", "name", "args", "kwargs", "retries", "sent_at", "eta", "undecodable"]
TIMING_COLUMNS = [
    *("task_id", "name", "status", "worker", "messages", "sent_at", "received_at", "date_done"),
    *("waiting", "running"),
]

Words = str | Collection[str] | None
Moment = str | dt.date | None


def load_results(
    engine: sa.Engine,
    *,
    columns: Sequence[str] | None = None,
    status: Words = None,
    name: Words = None,
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
    wanted = _known(columns)
    tasks = _Rows(engine, table, schema, timezone)
    tasks.only(status, name, since, until)
    reader = _Reader(wanted, tasks.zone, decode)
    pages = []
    with tqdm(unit=" rows", delay=PATIENCE, disable=not progress) as bar:
        for rows in tasks.pages(reader.kinds, PAGE, limit):
            pages.append(reader.arrays(rows))
            bar.update(len(rows))
    return reader.frame(pages)


def iter_results(
    engine: sa.Engine,
    *,
    chunksize: int = PAGE,
    columns: Sequence[str] | None = None,
    status: Words = None,
    name: Words = None,
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
    wanted = _known(columns)
    tasks = _Rows(engine, table, schema, timezone)
    tasks.only(status, name, since, until)
    for rows in tasks.pages(_Reader(wanted, tasks.zone, decode).kinds, chunksize, limit):
        reader = _Reader(wanted, tasks.zone, decode)
        yield reader.frame([reader.arrays(rows)])


def count_results(
    engine: sa.Engine,
    by: str | Sequence[str] = "status",
    *,
    status: Words = None,
    name: Words = None,
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
    tasks = _Rows(engine, table, schema, timezone)
    tasks.only(status, name, since, until)
    counts = pd.DataFrame(tasks.counts(names), columns=[*names, "tasks"])
    counts = counts.astype({"tasks": "int64"})
    order = {"by": ["tasks", *names], "ascending": [False] + [True] * len(names)}
    return counts.sort_values(**order).set_index(names)["tasks"]


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
    groups = _Rows(engine, table, schema, timezone)
    kinds = {"taskset_id": "text", "date_done": "date", "result": "group", "undecodable": "word"}
    reader = _Reader(kinds, groups.zone, kinds=kinds)
    frame = reader.frame([reader.arrays(rows) for rows in groups.pages(reader.kinds, PAGE)])
    return frame.rename(columns={"taskset_id": "group_id", "result": "task_ids"})


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
    queues = _Rows(engine, QUEUE_TABLE, None, "UTC")
    names = {key: name for page in queues.pages(["id", "name"], PAGE) for key, name in page}
    stored = _Rows(engine, MESSAGE_TABLE, None, "UTC")
    local = ZoneInfo(timezone) if timezone else tz.tzlocal()
    reader = _Reader(MESSAGE_KINDS, local, kinds=MESSAGE_KINDS)
    raw = reader.frame([reader.arrays(rows) for rows in stored.pages(reader.kinds, PAGE)])
    read = pd.DataFrame([_read_payload(text) for text in raw["payload"]], columns=MESSAGE_FIELDS)
    return pd.DataFrame(
        {
            "id": raw["id"],
            "task_id": read["task_id"].astype("str"),
            "name": read["name"].astype("str").astype("category"),
            "queue": raw["queue_id"].map(names).map(_word).astype("str").astype("category"),
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
        number; more than one after a retry), ``sent_at``, ``received_at``, ``date_done``,
        ``waiting`` and ``running`` (timedelta64[us]). For a task with several messages the times
        are those of the last one.
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


def _known(columns: Sequence[str] | None) -> list[str]:
    """Check the names of the wanted columns."""
    if columns is None:
        return list(RESULT_COLUMNS)
    if isinstance(columns, str):
        raise TypeError(f"Columns are a list of names: write columns=[{columns!r}].")
    for column in columns:
        if column not in RESULT_COLUMNS:
            raise ValueError(f"No column is called {column!r}; use {', '.join(RESULT_COLUMNS)}.")
    return list(columns)


class _Rows:
    """The rows of one table that a call asks for."""

    def __init__(
        self, engine: sa.Engine, table: str, schema: str | None, timezone: str | None
    ) -> None:
        if not isinstance(engine, sa.Engine):
            raise TypeError(
                "Results are loaded with an SQLAlchemy engine, such as make_engine() returns; "
                f"this is a {type(engine).__name__}."
            )
        self.engine = engine
        self.where: list[sa.ColumnElement[bool]] = []
        with _reading(engine) as connection:
            self.columns = _find_columns(connection, table, schema)
            self.zone = _zone(connection, timezone)
        self.table = sa.table(table, *map(sa.column, self.columns), schema=schema)

    def only(self, status: Words, name: Words, since: Moment, until: Moment) -> None:
        """Keep only some of the rows."""
        for column, words in (("status", status), ("name", name)):
            if words is not None:
                self.where.append(self._column(column).in_(_words(words)))
        date_done = sa.type_coerce(self.table.c.get("date_done", sa.null()), sa.DateTime)
        if since is not None:
            self.where.append(date_done >= _naive(since, "since", self.zone))
        if until is not None:
            self.where.append(date_done < _naive(until, "until", self.zone))

    def pages(
        self, names: Iterable[str], size: int, limit: int | None = None
    ) -> Iterator[list[Sequence[Any]]]:
        """Read the rows in pages, each in a transaction of its own.

        So no worker waits for a reader, not even on SQLite without WAL, and no connection stays
        open while the caller works. The highest ``id`` is fixed first: rows that are added later
        are not read.
        """
        for what, number in (("limit", limit), ("chunksize", size)):
            if number is not None and (not isinstance(number, int) or number < 0):
                raise ValueError(f"The {what} is a number of rows; not {number!r}.")
        if not self.columns:
            return
        key = self.table.c.id
        [(lowest, highest)] = self._fetch(sa.select(sa.func.min(key), sa.func.max(key)))
        query = sa.select(key, *map(self._readable, names)).order_by(key)
        while lowest is not None and limit != 0:
            page = size if limit is None else min(size, limit)
            rows = self._fetch(query.where(key.between(lowest, highest)).limit(page))
            if not rows:
                return
            yield [row[1:] for row in rows]
            lowest = rows[-1][0] + 1
            limit = None if limit is None else limit - len(rows)

    def counts(self, names: list[str]) -> list[Sequence[Any]]:
        """Count the rows by the values of columns."""
        if not self.columns:
            return []
        by = [self._column(name) for name in names]
        return self._fetch(sa.select(*by, sa.func.count()).group_by(*by), raw=False)

    def _fetch(self, query: sa.Select[Any], raw: bool = True) -> list[Sequence[Any]]:
        with _reading(self.engine) as connection:
            return _fetch(connection, query.where(*self.where), raw)

    def _column(self, name: str) -> sa.ColumnElement[Any]:
        if self.columns and name not in self.columns:
            raise ValueError(
                f"The table {self.table.fullname} has no column {name!r}: "
                "Celery keeps it if result_extended is True."
            )
        return self.table.c.get(name, sa.null())

    def _readable(self, name: str) -> sa.ColumnElement[Any]:
        """Return a column of the table, or NULL if the table lacks it."""
        column = self.table.c.get(name)
        if column is None:
            return sa.null().label(name)
        # As text, each database's strangest date arrives, and is judged here: PostgreSQL's
        # infinity, MariaDB's 0000-00-00.
        return sa.cast(column, sa.String) if name in DATES else column


def _fetch(connection: sa.Connection, query: sa.Select[Any], raw: bool) -> list[Sequence[Any]]:
    """Run a query; on SQLite fetch text as bytes, because it need not be valid UTF-8."""
    result = connection.execute(query)
    driver: Any = connection.connection.driver_connection
    if not raw or connection.dialect.name != "sqlite":
        return list(result)
    driver.text_factory = bytes
    try:
        return list(result)
    finally:
        driver.text_factory = str


@contextmanager
def _reading(engine: sa.Engine) -> Iterator[sa.Connection]:
    """Open a connection, and name the cause if the database cannot be read."""
    try:
        with engine.connect() as connection:
            yield connection
    except sa.exc.DBAPIError as error:
        cause = str(error.orig).partition("\n")[0]
        raise ConnectionError(f"The database {engine.url} cannot be read: {cause}.") from error


def _find_columns(connection: sa.Connection, table: str, schema: str | None) -> list[str]:
    """Return the names of the table's columns; none if Celery has not made its table yet."""
    inspector = sa.inspect(connection)
    try:
        return [column["name"] for column in inspector.get_columns(table, schema=schema)]
    except sa.exc.NoSuchTableError:
        if table in (TASK_TABLE, GROUP_TABLE, QUEUE_TABLE, MESSAGE_TABLE) and schema is None:
            return []
        raise ValueError(
            f"The database {connection.engine.url} has no table "
            f"{schema + '.' if schema else ''}{table}."
        ) from None


def _zone(connection: sa.Connection, timezone: str | None) -> dt.tzinfo:
    """Return the zone in which the table keeps its naive times."""
    if timezone is None and connection.dialect.name == "postgresql":
        timezone = connection.scalar(sa.text("SHOW timezone"))
    try:
        return ZoneInfo(timezone or "UTC")
    except (ValueError, KeyError, OSError):
        raise ValueError(
            f"There is no time zone {timezone!r}: name one as in timezone='Europe/Berlin'."
        ) from None


def _words(words: Words) -> list[str]:
    """Return one or several words as a list."""
    found = [words] if isinstance(words, str) else list(words or [])
    if not all(isinstance(word, str) for word in found):
        raise TypeError(f"A status or a name is a string, or a list of strings; not {words!r}.")
    return found


def _naive(moment: Any, what: str, zone: dt.tzinfo) -> dt.datetime:
    """Return a moment as the table would keep it: without a zone, in the table's."""
    if not isinstance(moment, str | dt.date):
        raise TypeError(f"The moment {what!r} is a string or a datetime; not {moment!r}.")
    try:
        time = pd.Timestamp(moment)
    except ValueError as error:
        raise ValueError(f"The moment {what}={moment!r} cannot be read: {error}.") from None
    time = time.tz_localize("UTC") if time.tz is None else time
    return time.tz_convert(zone).tz_localize(None).to_pydatetime()


class _Words(dict[Any, int]):
    """The distinct words of a column, each with its number."""

    def __init__(self) -> None:
        super().__init__({None: -1})
        self.numbers: dict[str, int] = {}
        self.bad: set[Any] = set()

    def __missing__(self, raw: Any) -> int:
        word, good = _text(raw)
        if not good:
            self.bad.add(raw)
        self[raw] = self.numbers.setdefault(word, len(self.numbers))
        return self[raw]


class _Values(dict[Any, Any]):
    """The distinct values of a column, each decoded once."""

    def __init__(self) -> None:
        super().__init__({None: None})
        self.bad: set[Any] = set()

    def __missing__(self, raw: Any) -> Any:
        try:
            self[raw] = json.loads(raw)
        except Exception:  # whatever is wrong with one value, the other rows must not be lost
            self.bad.add(raw)
            self[raw] = bytes(raw) if isinstance(raw, memoryview) else raw
        return self[raw]


class _Reader:
    """Turns rows as the database gives them into the columns of a frame."""

    def __init__(
        self,
        columns: Iterable[str],
        zone: dt.tzinfo,
        decode: bool = True,
        kinds: dict[str, str] = RESULT_COLUMNS,
    ) -> None:
        self.columns = list(columns)
        self.zone = zone
        self.decode = decode
        needed = [*self.columns, *(["status", "result"] if "exception" in self.columns else [])]
        self.kinds = {c: kinds[c] for c in dict.fromkeys(needed) if c not in DERIVED}
        self.words = {c: _Words() for c in [*self.kinds, *DERIVED] if kinds.get(c) == "word"}

    def arrays(self, rows: list[Sequence[Any]]) -> dict[str, Any]:
        """Convert one page of rows."""
        page: dict[str, Any] = {}
        bad: dict[int, str] = {}
        for column, values in zip(self.kinds, zip(*rows, strict=True), strict=True):
            page[column], lost = self._convert(column, values)
            if column in self.columns:
                bad.update({row: f"{bad[row]}, {column}" if row in bad else column for row in lost})
        if "exception" in self.columns:
            failed = [self.words["status"][word] for word in states.EXCEPTION_STATES]
            page["exception"] = np.full(len(rows), -1)
            for row in np.isin(page["status"], failed).nonzero()[0].tolist():
                name = _exception_type(page["result"][row])
                page["exception"][row] = self.words["exception"][name]
        if "undecodable" in self.columns:
            page["undecodable"] = np.full(len(rows), -1)
            for row, names in bad.items():
                page["undecodable"][row] = self.words["undecodable"][names]
        return page

    def _convert(self, column: str, values: Sequence[Any]) -> tuple[Any, Iterable[int]]:
        """Convert one column of a page; also return the positions of what could not be decoded."""
        kind = self.kinds[column]
        if kind == "text":
            return _arrow(values, pa.string(), _text)
        if kind == "date":
            return _dates(values)
        if kind in ("number", "count"):
            return _arrow(values, pa.int64(), _integer)
        if not self.decode and kind == "json":
            return np.fromiter(values, object, len(values)), ()
        seen: _Words | _Values = self.words[column] if kind == "word" else _Values()
        found = [seen[value] for value in values]
        bad = [row for row, value in enumerate(values) if value in seen.bad] if seen.bad else []
        if kind == "group":
            found = [_group_task_ids(value) for value in found]
        return np.fromiter(found, "int64" if kind == "word" else object, len(values)), bad

    def frame(self, pages: list[dict[str, Any]]) -> pd.DataFrame:
        """Join the converted pages."""
        return pd.DataFrame(
            {
                column: self._join(column, [page[column] for page in pages])
                for column in self.columns
            }
        )

    def _join(self, column: str, parts: list[Any]) -> Any:
        kind = self.kinds.get(column, "word")
        if kind == "word":
            return _categories(np.concatenate([np.empty(0, "int64"), *parts]), self.words[column])
        if kind in ("json", "group"):
            return pd.Series(np.concatenate([np.empty(0, object), *parts]), dtype=object)
        if kind == "date":
            return _utc(pa.chunked_array(parts, pa.timestamp("us")).to_pandas(), self.zone)
        if kind == "text":
            return pa.chunked_array(parts, pa.string()).to_pandas().astype("str")
        numbers = pa.chunked_array(parts, pa.int64())
        if kind == "number":
            return numbers.to_pandas().astype("int64")
        return numbers.to_pandas(types_mapper={pa.int64(): pd.Int64Dtype()}.get)


def _categories(codes: np.ndarray, words: _Words) -> pd.Categorical:
    """Make a categorical of those words that occur: states in the order of life, others sorted."""
    names = list(words.numbers)
    used = [names[code] for code in np.unique(codes) if code >= 0]
    used.sort(key=lambda word: (LIFE.index(word) if word in LIFE else len(LIFE), word))
    position = np.full(len(names) + 1, -1)  # the last one is for the code -1
    position[[words.numbers[word] for word in used]] = range(len(used))
    return pd.Categorical.from_codes(position[codes], pd.Index(used, dtype="str"))


def _arrow(values: Sequence[Any], kind: pa.DataType, parse: Any) -> tuple[pa.Array, list[int]]:
    """Convert values to Arrow at once, or one by one if some of them resist."""
    try:
        return pa.array(values, kind), []
    except (pa.ArrowInvalid, pa.ArrowTypeError, ValueError, OverflowError):
        parsed = [(None, True) if value is None else parse(value) for value in values]
        bad = [row for row, (_value, good) in enumerate(parsed) if not good]
        return pa.array([value for value, _good in parsed], kind), bad


def _dates(values: Sequence[Any]) -> tuple[pa.Array, list[int]]:
    """Convert the text of times in ISO format; Arrow is strict, and takes no "now" for a date."""
    text, bad = _arrow(values, pa.string(), _text)
    try:
        return text.cast(pa.timestamp("us")), bad
    except pa.ArrowInvalid:
        return _arrow(text.to_pylist(), pa.timestamp("us"), _moment)


def _text(raw: Any) -> tuple[str, bool]:
    """Return the text, and whether it is as it was stored."""
    try:
        if isinstance(raw, bytes | memoryview):
            return bytes(raw).decode(), True
        str(raw).encode()
        return str(raw), True
    except UnicodeError:
        raw = raw if isinstance(raw, str) else bytes(raw).decode(errors="backslashreplace")
        return raw.encode(errors="backslashreplace").decode(), False


def _integer(raw: Any) -> tuple[int | None, bool]:
    """Return an integer, if it is one."""
    good = isinstance(raw, int)
    return (int(raw) if good else None), good


def _moment(raw: str) -> tuple[dt.datetime | None, bool]:
    """Return a naive time, if the text is one."""
    try:
        time = dt.datetime.fromisoformat(raw)
    except ValueError:
        return None, False
    return (time, True) if time.tzinfo is None else (None, False)


def _utc(times: pd.Series, zone: dt.tzinfo) -> pd.Series:
    """Take naive times for times of a zone, and convert them to UTC.

    The hour that a clock shows twice in autumn is taken for its first pass; one that it skips in
    spring, for the moment of the change.
    """
    first = np.ones(len(times), bool)
    local = times.dt.tz_localize(zone, ambiguous=first, nonexistent="shift_forward")
    return local.dt.tz_convert("UTC").astype("datetime64[us, UTC]")


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
        message = json.loads(payload)
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
        fields["args"], fields["kwargs"], _embedded = json.loads(body)
    except Exception:
        fields["args"] = body
        bad.append("args, kwargs")
    return {**fields, "undecodable": ", ".join(bad) or None}


def _word(raw: Any) -> str | None:
    return None if raw is None else _text(raw)[0]


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
