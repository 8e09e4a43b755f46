"""Builds a data frame from batches of stored rows."""

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from celery import states

from tutorial.reading import django_results
from tutorial.reading.decoding import Dates, Json, Words, decode, decode_json, to_arrow
from tutorial.reading.pickles import read_exception

WRAPPER = "UnpickleableExceptionWrapper"  # of celery.utils.serialization
DERIVED = ("exception", "undecodable")  # columns of a frame that no table has


def check_frame(frame: Any, name: str, columns: Iterable[str]) -> None:
    """Refuse what is not a frame with the columns that are needed.

    Parameters
    ----------
    frame : pandas.DataFrame
    name : str
        The name of the argument.
    columns : iterable of str

    Raises
    ------
    TypeError, ValueError
    """
    if not isinstance(frame, pd.DataFrame):
        raise TypeError(f"{name} must be a DataFrame, but is of the type {type(frame).__name__!r}.")
    missing = [column for column in columns if column not in frame.columns]
    if missing:
        raise ValueError(
            f"The frame of {name} has no column {missing[0]!r}: load it with all columns."
        )


class FrameBuilder:
    """A data frame that is being filled, a batch of rows at a time.

    Parameters
    ----------
    names : iterable of str
        The columns of the frame.
    kinds : mapping
        For each column the class that decodes it, of `tutorial.reading.decoding`.
    zone : datetime.tzinfo
        The zone in which times were stored.
    decode : bool
        False leaves what is serialized as bytes.
    serializer : str, optional
        With which it was serialized, of `tutorial.reading.decoding.SERIALIZERS`. By default JSON,
        as far as the values allow that.
    doubtful_pickles : bool
        Whether the time of a row with a pickle may be in another zone.
    doubtful_unfinished : bool
        Whether the time of a task that has not ended may be in another zone.
    of_django : bool
        Whether the table is one of django-celery-results.
    """

    def __init__(
        self,
        names: Iterable[str],
        kinds: Mapping[str, Any],
        zone: dt.tzinfo = dt.UTC,
        *,
        decode: bool = True,
        serializer: str | None = None,
        doubtful_pickles: bool = False,
        doubtful_unfinished: bool = False,
        of_django: bool = False,
    ) -> None:
        self.names = list(names)
        self.kinds = {**kinds, django_results.MARK: Words} if of_django else kinds
        self.of_django = of_django
        self.zone = zone
        self.decode = decode
        self.serializer = serializer
        self.doubtful_pickles = doubtful_pickles and "date_done" in self.names
        self.doubtful_unfinished = doubtful_unfinished and "date_done" in self.names
        wanted = [name for name in [*self.names, *self._sources()] if name not in DERIVED]
        self.stored = list(dict.fromkeys(wanted)) or [next(iter(kinds))]
        self._start()

    def _sources(self) -> list[str]:
        """Return the columns without which others cannot be judged."""
        sources = ["status", "result"] if "exception" in self.names else []
        if self.doubtful_pickles:
            sources.append("result")
        if self.doubtful_unfinished:
            sources.append("status")
        if "result" in [*self.names, *sources] and "kwargs" in self.kinds:
            sources += ["status", "kwargs"]
        if self.of_django:
            sources.append(django_results.MARK)
        return sources

    def _start(self) -> None:
        self.size = 0
        self._columns = {name: self._new(self.kinds[name]) for name in self.stored}

    def _new(self, kind: Any) -> Any:
        if kind is Dates:
            return Dates(self.zone)
        if kind is not Json:
            return kind()
        if not self.decode:
            return Json(bytes)
        return Json(partial(decode, serializer=self.serializer) if self.serializer else decode_json)

    def add(self, batch: pa.RecordBatch) -> None:
        """Add some rows.

        Parameters
        ----------
        batch : pyarrow.RecordBatch
            With the columns `stored`.
        """
        for name, column in self._columns.items():
            column.add(batch[name])
        self.size += batch.num_rows

    def frame(self) -> pd.DataFrame:
        """Return the frame, and start anew.

        Returns
        -------
        pandas.DataFrame
        """
        self._doubt()
        done = {name: column.finish() for name, column in self._columns.items()}
        if self.of_django and self.decode:
            bad = {name: column.bad for name, column in self._columns.items()}
            django_results.correct(done, bad)
        if "status" in done and "result" in done:
            failed = done["status"].isin(list(states.EXCEPTION_STATES))
            if self.decode:
                self._read_exceptions(failed, done["result"])
            done["exception"] = _exceptions(failed, done["result"])
        if self.doubtful_unfinished:
            self._doubt_unfinished(done["status"], done["date_done"])
        if "undecodable" in self.names:
            done["undecodable"] = self._undecodable()
        index = pd.RangeIndex(self.size)
        self._start()
        return pd.DataFrame({name: done[name] for name in self.names}, index=index, copy=False)

    def _doubt(self) -> None:
        """Note the values that may mean something other than they seem to."""
        if self.doubtful_pickles:
            self._columns["date_done"].bad += self._columns["result"].pickles
        if self.decode and self.serializer is None and "kwargs" in self._columns:
            self._doubt_digits(self._columns["result"], self._columns["kwargs"])

    def _doubt_unfinished(self, status: Any, dates: Any) -> None:
        """Note the times of the tasks that have not ended.

        Celery gives them none. SQLAlchemy does so when such a row changes, and always in UTC.
        """
        unfinished = (
            ~np.isin(status, list(states.READY_STATES)) & pd.notna(status) & pd.notna(dates)
        )
        column = self._columns["date_done"]
        column.bad = sorted({*column.bad, *np.flatnonzero(unfinished).tolist()})

    def _doubt_digits(self, result: Json, kwargs: Json) -> None:
        """Note the digits that may be no JSON: the byte of the digit 5 is msgpack's number 53.

        The keyword arguments of the same row tell. Where Celery has not kept them, a digit is JSON
        if all other results are.
        """
        if not result.digits:
            return
        digits = np.array(result.digits)
        foreign = np.isin(digits, kwargs.bad)
        if set(result.bad) - set(result.pickles):
            foreign |= kwargs.missing()[digits]
        result.restore(digits[foreign].tolist())

    def _read_exceptions(self, failed: np.ndarray, results: pd.Series) -> None:
        """Read pickled exceptions of custom classes, which are such only where a task failed."""
        column = self._columns["result"]
        bad = []
        for row in column.bad:
            try:
                if not failed[row]:
                    raise ValueError
                results.iat[row] = read_exception(results.iat[row])
            except (ValueError, TypeError):
                bad.append(row)
        column.bad = bad

    def _undecodable(self) -> pd.Categorical:
        notes: list[Any] = [None] * self.size
        for name, column in self._columns.items():
            for row in column.bad if name in self.names else ():
                notes[row] = f"{notes[row]}, {name}" if notes[row] else name
        return _categorical(notes)


def _categorical(values: Sequence[Any]) -> pd.Categorical:
    words = Words()
    words.add(to_arrow(values))
    return words.finish()


def _exceptions(failed: np.ndarray, result: pd.Series) -> pd.Categorical:
    """Return the type of the exception of each task that has one."""
    names = np.full(len(result), None, object)
    names[failed] = [_exception_type(value) for value in result[failed]]
    return _categorical(names.tolist())


def _exception_type(result: Any) -> str | None:
    """Return the type of an exception that Celery stored as a result.

    In place of an exception that could not be made again from its ``args``, Celery stores a
    wrapper, whose message holds the module, the name and the arguments.
    """
    if not isinstance(result, dict):
        return None
    name, message = result.get("exc_type"), result.get("exc_message")
    if name == WRAPPER and isinstance(message, list | tuple) and len(message) > 1:
        name = message[1]
    return name if isinstance(name, str) else None
