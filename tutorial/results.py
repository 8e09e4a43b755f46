"""Stored results in pandas: the tables of Celery's result backend, decoded, and never unpickled.

Workers do not import this module: pandas would make each of them start later.
"""

import gc
import operator
import sys
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pandas as pd
import sqlalchemy as sa
from tqdm import tqdm

from tutorial.checks.arguments import shown, truth
from tutorial.reading.decoding import SERIALIZERS, Counts, Dates, Ids, Json, Text, Words
from tutorial.reading.frame import FrameBuilder
from tutorial.reading.moments import Moment
from tutorial.reading.table import PAGE, Strings, Table
from tutorial.tables import GROUP_TABLE, TASK_TABLE

BAR_DELAY = 2  # seconds before a progress bar appears

# The columns of a frame of results, in the order of a reader's questions, and what they hold.
RESULT_COLUMNS = {
    "id": Ids,
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
COUNTABLE = ("status", "name", "worker", "queue", "retries")


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
    serializer: str | None = None,
    timezone: str | None = None,
    table: str = TASK_TABLE,
    schema: str | None = None,
    progress: bool = True,
) -> pd.DataFrame:
    """Load the stored results of tasks: one row for each task, ordered by ``id``.

    It only reads, so the right to SELECT is enough. A row that cannot be decoded does not affect
    the others, and nothing is ever unpickled: plain values are read from the pickles that Celery
    stored until 5.6 without running anything.

    A table of django-celery-results is read too, with ``table="django_celery_results_taskresult"``.
    What it keeps only as a repr stays text, and is listed in ``undecodable``.

    Parameters
    ----------
    engine : sqlalchemy.Engine
        For example what `tutorial.database.make_engine` returns.
    columns : sequence of str, optional
        Which of the `RESULT_COLUMNS` to load; by default all. Fewer columns are quicker.
    status, name : str or collection of str, optional
        Only tasks in these states, or of these names.
    since, until : str, datetime or date, optional
        Only tasks with ``since <= date_done < until``; UTC, unless the value says otherwise.
    limit : int, optional
        At most this many rows, the lowest ``id`` first.
    decode : bool
        False leaves ``args``, ``kwargs``, ``result``, ``children`` and ``stamps`` as stored bytes.
    serializer : {"json", "msgpack", "yaml", "pickle"}, optional
        Celery's setting ``result_serializer``. By default JSON, and a value that may be in another
        format is not decoded. Pass "msgpack" if that was the setting: its small numbers are single
        bytes, some of which are also digits in JSON, and only other columns can tell them apart.
    timezone : str, optional
        The time zone in which ``date_done`` was written. By default UTC; on PostgreSQL the zone of
        the session, because PostgreSQL converts to that zone when Celery stores a result. Up to
        5.3, Celery stored UTC on PostgreSQL too: pass "UTC" for such a table. On SQLite and
        MariaDB it is the app's ``timezone``; up to 5.4, Celery stored UTC there.
    table, schema : str, optional
        As in Celery's settings ``database_table_names`` and ``database_table_schemas``.
    progress : bool
        Show a progress bar if loading takes longer than `BAR_DELAY`.

    Returns
    -------
    pandas.DataFrame
        The columns are always the same; a column that the table lacks is empty.

        ============================================ ============================================
        ``id``                                       int64: the order in which tasks were first
                                                     stored. Int64 if some are missing, str if
                                                     some are text
        ``task_id``, ``traceback``                   str
        ``name``, ``worker``, ``queue``              category
        ``status``                                   category, in the order of a task's life
        ``args``, ``kwargs``, ``result``             object: the decoded values. Equal values can be
                                                     the same object: copy it before you change it
        ``children``, ``stamps``                     object, as Celery stores them
        ``exception``                                category: the type of the stored exception
        ``date_done``                                datetime64[us, UTC]
        ``retries``                                  Int64
        ``undecodable``                              category: the names of the columns that could
                                                     not be decoded; missing where all is well
        ============================================ ============================================

        What cannot be decoded stays as the stored bytes, or is NaT in ``date_done``. A time that
        occurs twice or never in its zone, because the clocks are changed, is also listed in
        ``undecodable``: it is read as the first of the two, or as the moment of the change.
        If `timezone` is not UTC, the time of a task that has not ended is listed too: on SQLite
        and MariaDB, that time is in UTC.

    Raises
    ------
    ValueError, TypeError
        If an argument cannot be used, or if there is no table with the given name.
    ConnectionError
        If the database cannot be read.

    Warns
    -----
    UserWarning
        If there is no file or no table yet, because no result has been stored; the frame then has
        no rows. Or if some columns may not be read; these columns are then empty.
    """
    tasks = Table(engine, table, schema, timezone)
    tasks.only(status, name, since, until)
    builder = _builder(tasks, _known(columns), truth("decode", decode), serializer)
    limit = None if limit is None else _number_of_rows("limit", limit, least=0)
    with (
        _garbage_collection_paused(),
        tqdm(total=100, unit="%", delay=BAR_DELAY, disable=not truth("progress", progress)) as bar,
    ):
        for batch in tasks.batches(builder.stored, limit=limit, at_once=True):
            builder.add(batch)
            bar.update(round(100 * tasks.done) - bar.n)
    return builder.frame()


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
    serializer: str | None = None,
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
        The largest number of rows in a piece.
    columns, status, name, since, until, limit, decode, serializer, timezone, table, schema
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
    tasks = Table(engine, table, schema, timezone)
    tasks.only(status, name, since, until)
    builder = _builder(tasks, _known(columns), truth("decode", decode), serializer)
    chunksize = _number_of_rows("chunksize", chunksize, least=1)
    limit = None if limit is None else _number_of_rows("limit", limit, least=0)
    for batch in tasks.batches(builder.stored, page=chunksize, limit=limit):
        start = 0
        while start < batch.num_rows:
            piece = batch.slice(start, chunksize - builder.size)
            builder.add(piece)
            start += piece.num_rows
            if builder.size == chunksize:
                yield builder.frame()
    if builder.size:
        yield builder.frame()


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
    """Count tasks in the database, which is quicker than loading and then counting them.

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
    if not isinstance(by, Collection):
        raise TypeError(f"Tasks are counted by the names of columns, not by {shown(by)}.")
    names = [by] if isinstance(by, str) else list(by)
    if not names or not all(name in COUNTABLE for name in names):
        raise ValueError(
            f"Tasks are counted by {', '.join(COUNTABLE)}, one or more, not by {shown(by)}."
        )
    names = list(dict.fromkeys(names))
    tasks = Table(engine, table, schema, timezone)
    tasks.only(status, name, since, until)
    builder = FrameBuilder(names, RESULT_COLUMNS)
    numbers: list[int] = []
    for batch in tasks.counts(builder.stored):
        builder.add(batch)
        numbers += batch["tasks"].to_pylist()
    counts = builder.frame().assign(tasks=pd.Series(numbers, dtype="int64"))
    counts = counts.astype({name: "str" for name in names if name != "retries"})
    if "retries" in names and counts["retries"].notna().all():
        counts = counts.astype({"retries": "int64"})
    sums = counts.groupby(names, dropna=False, as_index=False)["tasks"].sum()
    order = [False] + [True] * len(names)
    return sums.sort_values(["tasks", *names], ascending=order).set_index(names)["tasks"]


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
        As for `load_results`. Up to 5.3, Celery saved the times of groups in UTC on PostgreSQL
        too: pass "UTC" for such a table. A table of django-celery-results is read too, with
        ``table="django_celery_results_groupresult"``.

    Returns
    -------
    pandas.DataFrame
        One row for each group: ``group_id`` (str), ``date_done`` (UTC; when it was saved),
        ``task_ids`` (object: a list, or the stored bytes) and ``undecodable``.
        ``explode("task_ids")`` turns it into one row for each task.

    Raises
    ------
    ValueError, TypeError, ConnectionError
        As `load_results`.
    """
    groups = Table(engine, table, schema, timezone)
    builder = FrameBuilder(GROUP_COLUMNS, GROUP_COLUMNS, groups.zone, of_django=groups.of_django)
    for batch in groups.batches(builder.stored):
        builder.add(batch)
    loaded = builder.frame()
    loaded["result"] = pd.Series(map(_group_task_ids, loaded["result"]), dtype=object)
    return loaded.rename(columns={"taskset_id": "group_id", "result": "task_ids"})


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


def _builder(
    tasks: Table, columns: list[str], decode: bool, serializer: str | None
) -> FrameBuilder:
    check_serializer(serializer)
    return FrameBuilder(
        columns,
        RESULT_COLUMNS,
        tasks.zone,
        decode=decode,
        serializer=serializer,
        doubtful_pickles=tasks.assumed_zone and not tasks.of_django,
        doubtful_unfinished=tasks.has_zone_of_app and not tasks.of_django,
        of_django=tasks.of_django,
    )


def _known(columns: Sequence[str] | None) -> list[str]:
    """Check the names of the wanted columns."""
    if columns is None:
        return list(RESULT_COLUMNS)
    if isinstance(columns, str) or not isinstance(columns, Iterable):
        raise TypeError(f"The columns must be a list of names: write columns=[{shown(columns)}].")
    names = list(columns)
    for name in names:
        if not isinstance(name, str) or name not in RESULT_COLUMNS:
            raise ValueError(f"No column is called {shown(name)}; use {', '.join(RESULT_COLUMNS)}.")
    return list(dict.fromkeys(names))


def check_serializer(serializer: Any) -> None:
    """Refuse what is not the name of one of Celery's serializers.

    Parameters
    ----------
    serializer : str, optional

    Raises
    ------
    ValueError
    """
    if serializer is not None and (
        not isinstance(serializer, str) or serializer not in SERIALIZERS
    ):
        raise ValueError(
            f"No serializer is called {shown(serializer)}; use {', '.join(SERIALIZERS)}."
        )


def _number_of_rows(what: str, number: Any, *, least: int) -> int:
    """Return a number of rows that a database can be asked for."""
    try:
        rows = least - 1 if isinstance(number, bool) else operator.index(number)
    except TypeError:
        rows = least - 1
    if rows < least:
        raise ValueError(
            f"The {what} must be a number of rows, at least {least}, but is {shown(number)}."
        )
    return min(rows, sys.maxsize)


def _group_task_ids(value: Any) -> Any:
    """Return the ids of a group's tasks from what ``GroupResult.as_tuple`` gave."""
    try:
        return [task[0][0] for task in value[1]]
    except (TypeError, LookupError):
        return value
