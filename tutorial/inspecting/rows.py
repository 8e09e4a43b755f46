"""The rows on which most checks are made: all of a small table, and samples of a large one."""

import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import sqlalchemy as sa
from celery import states

from tutorial.inspecting.source import Source
from tutorial.reading import django_results
from tutorial.reading.decoding import PICKLE, PROTOCOLS, decode_text, to_arrow
from tutorial.reading.frame import FrameBuilder
from tutorial.results import RESULT_COLUMNS

PAGE = 500  # rows for each query
WINDOW = 250  # rows that lie together in a sample
WITHOUT_KEY = 10_000  # rows of a view, or of a table in which no index leads to the next row
EDGE = 1_000  # rows without a date, with the oldest and with the newest date
READ = 16_384  # bytes: larger values are measured, but not read
BLOB = 65_535  # bytes, at which MariaDB and MySQL cut a value
START = 60  # bytes of an odd value
VALUES = ("result", "args", "kwargs", "children")
NAMES = ["id", "task_id", "name", "status", "date_done", "worker", "queue", "retries", *VALUES]
KEPT = [name for name in NAMES if name not in ("args", "kwargs", "result")]


@dataclass
class Rows:
    """What was read, a row of the frame for each row of the table.

    Attributes
    ----------
    frame : pandas.DataFrame
        The columns `KEPT`, ``exception`` and ``undecodable`` as `tutorial.results.load_results`
        returns them, and: ``sizes`` (bytes of all values), ``size`` (bytes of the result),
        ``kind`` (what is odd about the values), ``start`` (the first bytes of an odd result),
        ``nameless`` (whether a failure does not say which exception it was), and ``drawn`` (False
        for rows that were looked for).
    complete : bool
        Whether these are all rows of the table.
    rows : int or None
        How many rows the table has, exactly if `complete`, else about. None if that is not known.
    in_order : bool
        Whether the frame is in the order of ids, which is that of the first storing.
    """

    frame: pd.DataFrame
    complete: bool
    rows: int | None
    in_order: bool

    @property
    def drawn(self) -> pd.DataFrame:
        """The rows of which shares can be taken: all, or the samples."""
        return self.frame[self.frame["drawn"]]

    def of(self, count: int) -> str:
        """Return the text for a number of rows, such as ``"3 of 50,000 rows read"``."""
        words = "row" if len(self.frame) == 1 else "rows"
        return f"{count:,} of {len(self.frame):,} {words}{'' if self.complete else ' read'}"


class Reader:
    """Reads rows, and keeps of them what the checks need.

    Parameters
    ----------
    source : Source
    most : int
        How many rows to read at most.
    seconds : float
        After how many seconds to stop.
    serializer : str, optional
        As for `tutorial.results.load_results`.
    indexed : bool
        Whether an index leads to the dates.
    """

    def __init__(
        self, source: Source, most: int, seconds: float, serializer: str | None, indexed: bool
    ) -> None:
        self.source, self.most, self.indexed = source, most, indexed
        self.tasks = source.tasks
        self.end = time.monotonic() + seconds
        self.builder = FrameBuilder(
            [*NAMES, "exception", "undecodable"],
            RESULT_COLUMNS,
            self.tasks.zone,
            serializer=serializer,
            of_django=self.tasks.of_django,
        )
        self.frames: list[pd.DataFrame] = []
        self.complete = False
        self.estimate: int | None = None
        key = self.tasks.columns.get("id")
        self.key: sa.ColumnClause[Any] | None = sa.column(key.name) if key and key.key else None

    def read(self, progress: Callable[[float], None]) -> None:
        """Read the rows.

        Parameters
        ----------
        progress : callable
            It is told the part that has been read, from 0 to 1.

        Raises
        ------
        NotChecked
            If the database does not let us.
        """
        bounds = self._bounds()
        if bounds is None:
            self.complete = self._all_at_once()
            return
        count = self._count()
        if count <= self.most:
            self.estimate = count
            self.complete = self._by_page(*bounds, progress)
        else:
            by_window = self._by_window(*bounds, progress)
            self.estimate = self._estimate() or by_window
            self._edges()

    def rows(self) -> Rows:
        """Return what was read.

        Returns
        -------
        Rows
        """
        frame = self._frame()
        count = len(frame) if self.complete else self.estimate
        return Rows(frame, self.complete, count, in_order=self.key is not None)

    def _frame(self) -> pd.DataFrame:
        if not self.frames:
            self.frames.append(self._judged([]))
        frame = pd.concat(self.frames, ignore_index=True)
        self.frames = [frame]
        if self.key is None:
            return frame
        return frame.drop_duplicates("id").sort_values("id", ignore_index=True)

    def _bounds(self) -> tuple[int, int] | None:
        """Return the lowest and the highest id, if they are numbers that are unique."""
        if self.key is None:
            return None
        query = sa.select(self.key).select_from(self.tasks.table).limit(1)
        first = self.source.scalar(query.order_by(self.key))
        last = self.source.scalar(query.order_by(self.key.desc()))
        if not isinstance(first, int) or not isinstance(last, int):
            self.key = None
            return None
        return first, last

    def _count(self) -> int:
        """Count the rows, up to one more than we would read."""
        assert self.key is not None
        rows = sa.select(self.key).select_from(self.tasks.table).limit(self.most + 1).subquery()
        return int(self.source.scalar(sa.select(sa.func.count()).select_from(rows)))

    def _estimate(self) -> int | None:
        """Say about how many rows there are, if the server knows without counting them."""
        if self.source.kind == "postgresql":
            query = "SELECT reltuples FROM pg_class WHERE oid = CAST(:table AS regclass)"
            rows = self.source.scalar(query, table=self.source.full_name())
            if rows and rows > 0:
                return int(rows)
        if self.source.kind == "mysql":
            query = (
                "SELECT table_rows FROM information_schema.tables "
                "WHERE table_schema = coalesce(:schema, database()) AND table_name = :table"
            )
            table = self.tasks.table
            rows = self.source.scalar(query, schema=table.schema, table=table.name)
            if rows:
                return int(rows)
        return None

    def _by_page(self, first: int, last: int, progress: Callable[[float], None]) -> bool:
        """Read all rows; return whether there was time for all."""
        assert self.key is not None
        reached = first - 1
        while reached < last:
            if time.monotonic() > self.end:
                return False
            query = self._query().where(self.key > reached, self.key <= last)
            rows = self._take(query.order_by(self.key).limit(PAGE))
            reached = int(rows["id"].iloc[-1]) if len(rows) == PAGE else last
            progress((reached - first + 1) / (last - first + 1))
        return True

    def _by_window(self, first: int, last: int, progress: Callable[[float], None]) -> int:
        """Read short pieces that lie evenly in the table, the first and the last among them.

        Return about how many rows the table has.
        """
        assert self.key is not None
        windows = max(self.most // 2 // WINDOW, 2)
        starts = np.linspace(first, max(last - WINDOW + 1, first), windows).astype("int64").tolist()
        middle = starts[1:-1]
        random.Random(0).shuffle(middle)  # so that those read in time lie evenly too
        pieces: dict[int, list[int]] = {}
        for number, start in enumerate([starts[0], starts[-1], *middle]):
            if time.monotonic() > self.end:
                break
            query = self._query().where(self.key >= start)
            rows = self._take(query.order_by(self.key).limit(WINDOW))
            pieces[start] = rows["id"].tolist()
            progress((number + 1) / windows)
        return _amount(pieces, last)

    def _edges(self) -> None:
        """Read the rows without a date, and those with the oldest and newest, if it is cheap."""
        time_column = self.tasks.columns.get("date_done")
        if time_column is None or not self.indexed:
            return
        raw: sa.ColumnClause[Any] = sa.column(time_column.name)
        query = self._query().limit(EDGE)
        self._take(query.where(raw.is_(None)), drawn=False)
        self._take(query.where(raw.is_not(None)).order_by(raw), drawn=False)
        self._take(query.where(raw.is_not(None)).order_by(raw.desc()), drawn=False)

    def _all_at_once(self) -> bool:
        """Read the first rows, in no order; return whether these were all."""
        most = min(self.most, WITHOUT_KEY)
        return len(self._take(self._query().limit(most + 1))) <= most

    def _query(self) -> sa.Select[Any]:
        columns = [self._stored(name).label(f"s_{name}") for name in self.builder.stored]
        sizes = [self._size(name).label(f"n_{name}") for name in VALUES]
        return sa.select(*columns, *sizes).select_from(self.tasks.table)

    def _stored(self, name: str) -> sa.ColumnElement[Any]:
        column = self.tasks.columns.get(name)
        if column is None:
            return sa.null()
        stored = self.tasks.select.stored(column)
        if name not in VALUES:
            return stored
        short = sa.case((self._size(name) <= READ, stored))
        return sa.type_coerce(short, sa.types.NullType())

    def _size(self, name: str) -> sa.ColumnElement[Any]:
        column = self.tasks.columns.get(name)
        if column is None:
            return sa.null()
        if self.source.kind == "sqlite":  # which does not load a value to measure it
            return sa.func.length(sa.column(column.name))
        return sa.func.octet_length(self.tasks.select.stored(column))

    def _take(self, query: sa.Select[Any], *, drawn: bool = True) -> pd.DataFrame:
        frame = self._judged(self.source.rows(query), drawn)
        self.frames.append(frame)
        return frame

    def _judged(self, rows: Any, drawn: bool = True) -> pd.DataFrame:
        """Return what is kept of some rows."""
        names = self.builder.stored
        columns = list(zip(*rows, strict=True)) or [()] * (len(names) + len(VALUES))
        arrays = [to_arrow(column) for column in columns[: len(names)]]
        self.builder.add(pa.RecordBatch.from_arrays(arrays, names))
        frame = self.builder.frame()
        sizes = pd.DataFrame(
            {
                name: pd.Series(column, dtype="Int64")
                for name, column in zip(VALUES, columns[len(names) :], strict=True)
            }
        ).fillna(0)
        stored = dict(zip(names, arrays, strict=True))
        odd = list(self._odd(frame, stored, sizes))
        kept = frame[[*KEPT, "exception", "undecodable"]].copy()
        for name in ("name", "status", "worker", "queue", "exception", "undecodable"):
            kept[name] = kept[name].astype("str")
        if kept["id"].dtype != "int64":
            kept["id"] = kept["id"].astype(object)
        return kept.assign(
            nameless=_is_nameless(frame, sizes["result"]),
            size=sizes["result"],
            sizes=sizes.sum(axis=1),
            drawn=drawn,
            kind=pd.Series([kind for kind, _start in odd], dtype="str"),
            start=pd.Series([start for _kind, start in odd], dtype=object),
        )

    def _odd(
        self, frame: pd.DataFrame, stored: dict[str, pa.Array], sizes: pd.DataFrame
    ) -> Iterator[tuple[str | None, bytes | None]]:
        """Yield what is odd about the values of each row, and the beginning of an odd one."""
        raw = {name: stored[name].to_pylist() for name in VALUES}
        content = stored.get(django_results.MARK)
        types = content.to_pylist() if content is not None else [None] * len(frame)
        full = sizes.eq(BLOB).any(axis=1) if self.source.kind == "mysql" else [False] * len(frame)
        for row, undecodable in enumerate(frame["undecodable"]):
            values = {name: raw[name][row] for name in VALUES}
            kind = _kind(values, self._bad(undecodable), types[row])
            start = values["result"] if kind else None
            yield "cut" if full[row] else kind, start and start[:START]

    def _bad(self, undecodable: Any) -> list[str]:
        """Return the values that could not be decoded; django-celery-results keeps only a repr."""
        names = undecodable.split(", ") if isinstance(undecodable, str) else []
        expected = ("args", "kwargs") if self.tasks.of_django else ()
        return [name for name in names if name in VALUES and name not in expected]


def _amount(pieces: dict[int, list[int]], last: int) -> int:
    """Say about how many rows there are, from the ids that follow some starting points.

    Ids may have wide gaps: a clean-up that leaves one old row behind leaves a gap after it. So what
    lies between a piece and the next is taken to be as dense as the piece itself.
    """
    amount = 0.0
    starts = sorted(pieces)
    for start, following in zip(starts, [*starts[1:], last + 1], strict=True):
        ids = pieces[start]
        amount += sum(each < following for each in ids)
        if len(ids) > 1 and ids[-1] < following:
            amount += (following - 1 - ids[-1]) * (len(ids) - 1) / (ids[-1] - ids[0])
    return round(amount)


def _kind(values: dict[str, bytes | None], bad: list[str], content: bytes | None) -> str | None:
    """Say what is odd about the values of a row; None if nothing is."""
    pickles = [name for name, value in values.items() if _is_pickle(value)]
    if content == django_results.PICKLE_TYPE.encode():
        pickles.append("result")
    if set(pickles) & set(bad):
        ended = all((values[name] or b".")[-1:] == b"." for name in set(pickles) & set(bad))
        return "dangerous" if ended or content else "cut"
    if any(_is_cut(values[name]) for name in bad):
        return "cut"
    if bad:
        return "unreadable"
    return "pickle" if pickles else None


def _is_nameless(frame: pd.DataFrame, size: pd.Series) -> pd.Series:
    """Tell which rows should hold an exception, and hold something else."""
    expected = frame["status"].isin(list(states.EXCEPTION_STATES)) & frame["exception"].isna()
    known = frame["result"].notna() & ~frame["undecodable"].astype("str").str.contains(
        "result", na=False
    )
    return expected & known & (size <= READ)


def _is_pickle(value: bytes | None) -> bool:
    return bool(value) and value[:1] == PICKLE and value[1:2] in PROTOCOLS  # type: ignore[index]


def _is_cut(value: bytes | None) -> bool:
    """Tell whether a value begins as JSON, and ends before its end."""
    text = decode_text(value or b"")[0].strip()
    ends = {"{": "}", "[": "]", '"': '"'}
    return text[:1] in ends and (len(text) == 1 or text[-1] != ends[text[0]])
