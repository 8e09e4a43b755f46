"""Inspects a table of results: what is wrong with it, what that leads to, and what to do.

``python -m tutorial inspect URL`` does the same in a terminal. An inspection only reads. It never
unpickles, takes a limited time on a table of any size, and shows no stored value.
"""

import datetime as dt
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any

import sqlalchemy as sa
from tqdm import tqdm

from tutorial.checks.arguments import seconds as check_seconds
from tutorial.checks.arguments import shown, truth, whole_number
from tutorial.database import check_engine, check_exists
from tutorial.inspecting import (
    dates,
    ids,
    mariadb,
    postgresql,
    related,
    schema,
    sqlite,
    triggers,
    values,
)
from tutorial.inspecting.findings import Found, findings, plain, some
from tutorial.inspecting.report import Report
from tutorial.inspecting.rows import Reader, Rows
from tutorial.inspecting.source import NotChecked, Source, now
from tutorial.inspecting.tables import similar_tables, table_size, text_limits, writers
from tutorial.inspecting.watch import SILENCE, Watch
from tutorial.reading.table import Table
from tutorial.results import BAR_DELAY, check_serializer
from tutorial.tables import TASK_TABLE
from tutorial.urls import address

__all__ = ["Report", "inspect"]

ROWS = 100_000  # a larger table is inspected by samples
SECONDS = 15  # for reading rows
EXPIRES = dt.timedelta(days=1)  # Celery's default for result_expires


def inspect(
    engine: sa.Engine,
    *,
    table: str = TASK_TABLE,
    schema: str | None = None,
    expires: dt.timedelta | None = EXPIRES,
    timezone: str | None = None,
    serializer: str | None = None,
    queue: sa.Engine | None = None,
    rows: int = ROWS,
    seconds: float = SECONDS,
    show_values: bool = False,
    progress: bool = True,
) -> Report:
    """Look for everything that is known to go wrong with a table of results.

    The right to SELECT on the table is enough for most checks; the report names what it could not
    check, and why. No query takes longer than `tutorial.inspecting.source.QUERY_LIMIT` seconds.

    Parameters
    ----------
    engine : sqlalchemy.Engine
        For example what `tutorial.database.make_engine` returns.
    table, schema : str, optional
        As in Celery's settings ``database_table_names`` and ``database_table_schemas``. It can be
        a view, an archive, or ``django_celery_results_taskresult``.
    expires : datetime.timedelta, optional
        The app's ``result_expires``; None if its results are kept for ever.
    timezone, serializer : str, optional
        As for `tutorial.results.load_results`.
    queue : sqlalchemy.Engine, optional
        The embedded queue. By default the course's file beside a SQLite file of results.
    rows : int
        How many rows to read at most. Of a larger table, half as many are read as a sample.
    seconds : float
        After how many seconds to stop reading rows.
    show_values : bool
        Whether to show task ids and the beginnings of odd values, which may be private.
    progress : bool
        Show a progress bar if it takes longer than `tutorial.results.BAR_DELAY`.

    Returns
    -------
    Report

    Raises
    ------
    ValueError, TypeError
        If an argument cannot be used, or if there is no such table.
    ConnectionError
        If the database cannot be read.
    FileNotFoundError
        If there is no such SQLite file.
    """
    check_engine(engine)
    _check_arguments(expires, rows, seconds, queue)
    check_serializer(serializer)
    truth("show_values", show_values)
    truth("progress", progress)
    watch = Watch(engine)
    try:
        with watch.watching():
            tasks, notes = _find_table(engine, table, schema, timezone)
            with (
                Source(tasks, watch.stop).open() as source,
                _bar(progress) as bar,
            ):
                inspection = _Inspection(source, engine, notes)
                return inspection.run(
                    bar,
                    expires=expires,
                    serializer=serializer,
                    queue=queue,
                    most=rows,
                    seconds=seconds,
                    show_values=show_values,
                )
    except (ConnectionError, sa.exc.DBAPIError):
        if not watch.ended:
            raise
        raise ConnectionError(
            f"The database {address(engine.url)} has not answered for {SILENCE} seconds: check "
            "the server and the network between you."
        ) from None


def _check_arguments(expires: Any, rows: Any, seconds: Any, queue: Any) -> None:
    if expires is not None and not isinstance(expires, dt.timedelta):
        raise TypeError(f"expires must be a datetime.timedelta or None, but is {shown(expires)}.")
    if expires is not None and expires < dt.timedelta(0):
        raise ValueError(f"expires must not be below 0, but is {expires}.")
    whole_number("rows", rows, least=1000, most=sys.maxsize - 1)
    check_seconds("seconds", seconds)
    if seconds == 0:
        raise ValueError("seconds must be a positive number, but is 0.")
    if queue is not None:
        check_engine(queue)
        check_exists(queue)


def _find_table(
    engine: sa.Engine, name: str, schema: str | None, timezone: str | None
) -> tuple[Table, list[tuple[str, str]]]:
    """Return the table, and what the search for it could not see."""
    check_exists(engine)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            tasks = Table(engine, name, schema, timezone)
        except ValueError as error:
            if "." not in name or schema is not None:
                raise
            hint = "If the part before the dot is a schema, pass it as the schema."
            raise ValueError(f"{error} {hint}") from None
    if tasks.exists:
        # Python warns too, whenever it happens to collect a file that somebody left open.
        ours = [str(each.message) for each in caught if each.category is UserWarning]
        if not ours and not {"task_id", "status"} & set(tasks.columns):
            raise ValueError(
                f"The table {tasks.table.fullname} has neither a task_id nor a status: it does not "
                "hold the results of tasks."
            )
        return tasks, [("some columns", sentence) for sentence in ours]
    source = Source(tasks)
    with source.open():
        others = similar_tables(source)
        hint = "nothing that looks like Celery's results"
        if others:
            one = (
                "looks like Celery's: name it"
                if len(others) == 1
                else "look like Celery's: name one"
            )
            hint = f"but {some(others)} {one} as the table"
        raise ValueError(
            f"The database {source.label()} has no table {name}, {hint}. Celery makes its table "
            "when it stores the first result: check the database in the URL."
        )


def _bar(progress: bool) -> Any:
    return tqdm(
        total=100,
        unit="%",
        delay=BAR_DELAY,
        disable=not progress,
        leave=False,
        bar_format="{l_bar}{bar}| {elapsed}",
    )


class _Inspection:
    """One run of all checks."""

    def __init__(
        self, source: Source, engine: sa.Engine, unchecked: Iterable[tuple[str, str]]
    ) -> None:
        self.source, self.engine = source, engine
        self.unchecked = list(unchecked)
        self.found: list[tuple[str, str]] = []

    def run(
        self,
        bar: Any,
        *,
        expires: dt.timedelta | None,
        serializer: str | None,
        queue: sa.Engine | None,
        most: int,
        seconds: float,
        show_values: bool,
    ) -> Report:
        """Run the checks, the quick ones first."""
        source = self.source
        looks = schema.look(source)
        self._collect("columns and indexes", schema.check(source, looks))
        reader = Reader(source, most, seconds, serializer, looks.has_index_on_dates())
        if not looks.is_view:
            what = "damage to the file" if source.kind == "sqlite" else "the table"
            self._collect(what, self._of_database())
            self._collect("triggers", triggers.check(source))
        read = self._read(reader, bar)
        limits = self._value("the lengths of columns", partial(text_limits, source), {})
        self._collect("values and states", values.check(read, limits))
        if "date_done" in source.tasks.columns:
            self._collect("dates", dates.check(read, expires))
        if not looks.is_view:
            self._collect("ids", ids.check(source, read))
        self._collect("children", related.check_children(source, read))
        self._collect("groups", related.check_groups(source, expires))
        self._collect("the queue", related.check_queue(self.engine, source, queue, expires))
        bar.update(100 - bar.n)
        return Report(
            database=source.label(),
            table=source.tasks.table.fullname,
            inspected_at=now().replace(microsecond=0),
            summary=self._summary(read, looks),
            findings=findings(self.found),
            facts=values.facts(read) + (values.odd_values(read) if show_values else []),
            unchecked=self.unchecked,
        )

    def _read(self, reader: Reader, bar: Any) -> Rows:
        """Read the rows, as far as a damaged file lets us."""
        try:
            reader.read(lambda part: bar.update(round(90 * part) - bar.n))
        except NotChecked as reason:
            if not any(check == "damaged-file" for check, _evidence in self.found):
                raise ConnectionError(self._cannot_read(reason)) from None
            self.unchecked.append(("some rows", plain(str(reason))))
        return reader.rows()

    def _cannot_read(self, reason: NotChecked) -> str:
        right = " Grant this role SELECT on the table." if "denied" in str(reason) else ""
        return (
            f"The table {self.source.tasks.table.fullname} of {self.source.label()} cannot be "
            f"read: {plain(str(reason))}.{right}"
        )

    def _of_database(self) -> Found:
        checks = {"sqlite": sqlite.check, "postgresql": postgresql.check, "mysql": mariadb.check}
        return checks[self.source.kind](self.source) if self.source.kind in checks else iter(())

    def _collect(self, what: str, found: Iterator[tuple[str, str]]) -> None:
        """Run some checks; what one of them cannot see does not stop the others."""
        try:
            for each in found:
                self.found.append(each)
        except NotChecked as reason:
            self.unchecked.append((what, plain(str(reason))))

    def _value(self, what: str, ask: Callable[[], Any], default: Any) -> Any:
        try:
            return ask()
        except NotChecked as reason:
            self.unchecked.append((what, plain(str(reason))))
            return default

    def _summary(self, read: Rows, looks: schema.Schema) -> dict[str, str]:
        amount = self._value("the size", partial(table_size, self.source), None)
        if read.complete:
            rows = f"{read.rows:,}"
        else:
            count = "not counted" if read.rows is None else f"about {read.rows:,}"
            rows = f"{count}; {len(read.frame):,} were read"
        dated = read.frame["date_done"].dropna()
        summary = {"Made by": looks.made_by, "Rows": rows}
        if amount:
            summary["Size"] = amount
        if len(dated):
            summary["Ended"] = f"{dated.min():%Y-%m-%d %H:%M} to {dated.max():%Y-%m-%d %H:%M} UTC"
        zone = getattr(self.source.tasks.zone, "key", str(self.source.tasks.zone))
        summary["Dates read as"] = zone
        may_write = self._value("who may write", partial(writers, self.source), None)
        if may_write:
            summary["May write"] = may_write
        return summary
