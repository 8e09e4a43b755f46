"""Builds a data frame from batches of stored rows."""

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from celery import states

from tutorial.reading.decoding import Dates, Json, Words, to_arrow

DERIVED = ("exception", "undecodable")  # columns of a frame that no table has


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
        False leaves columns of JSON as bytes.
    """

    def __init__(
        self,
        names: Iterable[str],
        kinds: Mapping[str, Any],
        zone: dt.tzinfo = dt.UTC,
        *,
        decode: bool = True,
    ) -> None:
        self.names = list(names)
        self.kinds = kinds
        self.zone = zone
        self.decode = decode
        sources = ["status", "result"] if "exception" in self.names else []
        wanted = [name for name in [*self.names, *sources] if name not in DERIVED]
        self.stored = list(dict.fromkeys(wanted))
        self._start()

    def _start(self) -> None:
        self.size = 0
        self._columns = {name: self._new(self.kinds[name]) for name in self.stored}

    def _new(self, kind: Any) -> Any:
        if kind is Dates:
            return Dates(self.zone)
        return Json(bytes) if kind is Json and not self.decode else kind()

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
        undecodable = self._undecodable() if "undecodable" in self.names else None
        done = {name: column.finish() for name, column in self._columns.items()}
        if "exception" in self.names:
            done["exception"] = _exceptions(done["status"], done["result"])
        done["undecodable"] = undecodable
        index = pd.RangeIndex(self.size)
        self._start()
        return pd.DataFrame({name: done[name] for name in self.names}, index=index, copy=False)

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
