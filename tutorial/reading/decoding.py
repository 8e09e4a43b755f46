"""From what a database returns to the columns of a data frame, without ever unpickling.

There is a class for each kind of column. Stored bytes come in by the batch through ``add``, and
``finish`` returns the whole column. What cannot be decoded loses nothing else: it stays as it was
stored, or is missing where the column cannot hold it, and its row is noted in ``bad``. ``finish``
lets go of what ``add`` gathered, so that a large table is in memory once, plus one column.
"""

import datetime as dt
import json
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from kombu.utils.json import object_hook

# The states in the order of a task's life; a state of somebody's own comes after them.
LIFE = ["PENDING", "RECEIVED", "STARTED", "RETRY", "SUCCESS", "FAILURE", "REVOKED"]

# Kombu's own loads() does the same, and makes a new decoder for every value.
JSON = json.JSONDecoder(object_hook=object_hook)


def decode_json(raw: bytes | str) -> Any:
    """Decode JSON, with kombu's datetime, Decimal, UUID and bytes.

    Parameters
    ----------
    raw : bytes or str

    Returns
    -------
    object

    Raises
    ------
    Exception
        Of any kind: kombu's types are made from what is stored. The callers here catch them all.
    """
    text = (raw if isinstance(raw, str) else raw.decode()).strip(" \t\n\r")
    value, end = JSON.raw_decode(text)  # quicker than decode(), which looks for spaces twice
    if end != len(text):
        raise ValueError("There is more than one JSON value.")
    return value


def decode_text(raw: bytes | str) -> tuple[str, bool]:
    r"""Return text that pandas can hold, and whether it is just what was stored.

    Parameters
    ----------
    raw : bytes or str

    Returns
    -------
    str
        With ``\x..`` in place of bytes that are not UTF-8, and ``\ud8..`` of lone surrogates.
    bool
    """
    try:
        text = raw if isinstance(raw, str) else raw.decode()
        text.encode()
        return text, True
    except UnicodeError:
        text = raw if isinstance(raw, str) else raw.decode(errors="backslashreplace")
        return text.encode(errors="backslashreplace").decode(), False


def to_arrow(values: Sequence[Any]) -> pa.Array:
    """Return stored values as Arrow's bytes.

    Parameters
    ----------
    values : sequence of bytes, memoryview, str, number or None
        As a database driver returns them.

    Returns
    -------
    pyarrow.Array
        Of the type ``large_binary``; text in UTF-8, and a number by its digits.
    """
    with suppress(pa.ArrowException, TypeError, ValueError):
        return pa.array(values, pa.large_binary())
    with suppress(pa.ArrowException, TypeError, ValueError, OverflowError):
        return pa.array(values, pa.int64()).cast(pa.large_string()).cast(pa.large_binary())
    return pa.array([_to_bytes(value) for value in values], pa.large_binary())


class Words:
    """A column of few distinct words: they are kept once, with a number for each row."""

    def __init__(self) -> None:
        self.numbers: dict[str, int] = {}
        self.parts: list[np.ndarray] = []
        self.bad: list[int] = []
        self.size = 0

    def add(self, values: pa.Array) -> None:
        """Take some more values."""
        words, index = _distinct(values)
        texts = [decode_text(word) for word in words[:-1]]
        numbers = [self.numbers.setdefault(text, len(self.numbers)) for text, _ in texts]
        self.parts.append(np.array([*numbers, -1], "i4")[index])
        altered = [place for place, (_, unaltered) in enumerate(texts) if not unaltered]
        self.bad += _rows(altered, index, self.size)
        self.size += len(values)

    def finish(self) -> pd.Categorical:
        """Return the column: states in the order of life, other words sorted."""
        codes = np.concatenate([np.empty(0, "i4"), *self.parts])
        self.parts.clear()
        words = sorted(self.numbers, key=lambda word: (_age(word), word))
        place = np.full(len(words) + 1, -1)  # the last one is for the code -1
        place[[self.numbers[word] for word in words]] = range(len(words))
        return pd.Categorical.from_codes(place[codes], pd.Index(words, dtype="str"))


class Json:
    """A column of JSON, in which equal values are decoded once."""

    def __init__(self, decode: Callable[[Any], Any] = decode_json) -> None:
        self.parts: list[np.ndarray] = []
        self.bad: list[int] = []
        self.size = 0
        self._decode = decode

    def add(self, values: pa.Array) -> None:
        """Take some more values."""
        distinct, index = _distinct(values)
        bad = []
        for place, raw in enumerate(distinct[:-1]):
            try:
                distinct[place] = self._decode(raw)
            except Exception:  # one value, whatever is wrong with it, loses no other
                bad.append(place)
        self.parts.append(_objects(distinct)[index])
        self.bad += _rows(bad, index, self.size)
        self.size += len(values)

    def finish(self) -> pd.Series:
        """Return the column, of the dtype object."""
        values = np.concatenate([np.empty(0, object), *self.parts])
        self.parts.clear()
        return pd.Series(values, dtype=object, copy=False)


class Arrow:
    """A column that Arrow can convert at once; only if a value resists, one by one."""

    dtype: pa.DataType

    def __init__(self) -> None:
        self.parts: list[pa.Array] = []
        self.bad: list[int] = []
        self.size = 0

    def add(self, values: pa.Array) -> None:
        """Take some more values."""
        try:
            part = values.cast(pa.large_string()).cast(self.dtype)
        except pa.ArrowException:
            parsed = [(None, True) if v is None else self.parse(v) for v in values.to_pylist()]
            self.bad += [self.size + row for row, (_value, good) in enumerate(parsed) if not good]
            part = pa.array([value for value, _good in parsed], self.dtype)
        # A copy: what a cast shares with the values would keep all columns of its batch in memory.
        self.parts.append(part.copy_to(pa.default_cpu_memory_manager()))
        self.size += len(values)

    def parse(self, raw: bytes) -> tuple[Any, bool]:
        """Return the value, or what can be kept of it, and whether all is well with it."""
        raise NotImplementedError

    def _whole(self) -> pa.Array:
        whole = pa.chunked_array(self.parts, self.dtype).combine_chunks()
        self.parts.clear()
        return whole


class Text(Arrow):
    """A column of text."""

    dtype = pa.large_string()

    def parse(self, raw: bytes) -> tuple[Any, bool]:
        """Return the text."""
        return decode_text(raw)

    def finish(self) -> pd.Series:
        """Return the column, of the dtype str."""
        return self._whole().to_pandas().astype("str")


class Integers(Arrow):
    """A column of integers."""

    dtype = pa.int64()

    def parse(self, raw: bytes) -> tuple[Any, bool]:
        """Return the integer."""
        good = len(raw) <= 20 and raw.removeprefix(b"-").isdigit() and -(2**63) <= int(raw) < 2**63
        return (int(raw) if good else None), good

    def finish(self) -> pd.Series:
        """Return the column, of the dtype int64."""
        return pd.Series(self._whole().to_numpy(zero_copy_only=False), dtype="int64")


class Counts(Integers):
    """A column of integers in which some can be missing."""

    def finish(self) -> pd.Series:
        """Return the column, of the dtype Int64."""
        whole = self._whole()
        missing = whole.is_null().to_numpy(zero_copy_only=False)
        return pd.Series(pd.arrays.IntegerArray(whole.fill_null(0).to_numpy().copy(), missing))


class Dates(Arrow):
    """A column of times as text in ISO format, without a zone.

    Arrow is strict. Both pandas and numpy would take a stored "now" for the present time.

    Parameters
    ----------
    zone : datetime.tzinfo
        The zone of the times.
    """

    dtype = pa.timestamp("us")

    def __init__(self, zone: dt.tzinfo) -> None:
        super().__init__()
        self.zone = zone

    def parse(self, raw: bytes) -> tuple[Any, bool]:
        """Return the time."""
        try:
            time = dt.datetime.fromisoformat(decode_text(raw)[0])
        except ValueError:
            return None, False
        return (time, True) if time.tzinfo is None else (None, False)

    def finish(self) -> pd.Series:
        """Return the column in UTC.

        The hour that a clock shows twice in autumn is taken for its first pass; one that it skips
        in spring, for the moment of the change.
        """
        naive = self._whole().to_pandas()
        first = np.ones(len(naive), bool)
        local = naive.dt.tz_localize(self.zone, ambiguous=first, nonexistent="shift_forward")
        return local.dt.tz_convert("UTC").astype("datetime64[us, UTC]")


def _distinct(values: pa.Array) -> tuple[list[Any], np.ndarray]:
    """Return the distinct values and, last, None; and the place of each value in that list."""
    coded = values.dictionary_encode()
    distinct = [*coded.dictionary.to_numpy(zero_copy_only=False), None]
    return distinct, coded.indices.fill_null(len(distinct) - 1).to_numpy()


def _objects(values: list[Any]) -> np.ndarray:
    return np.fromiter(values, object, len(values))


def _rows(places: list[int], index: np.ndarray, start: int) -> list[int]:
    """Return the rows whose distinct value is at one of some places."""
    return (start + np.flatnonzero(np.isin(index, places))).tolist() if places else []


def _to_bytes(value: Any) -> bytes | None:
    if value is None or isinstance(value, bytes):
        return value
    if isinstance(value, memoryview):
        return bytes(value)
    if isinstance(value, bool):
        value = int(value)
    return str(value).encode(errors="backslashreplace")


def _age(state: str) -> int:
    return LIFE.index(state) if state in LIFE else len(LIFE)
