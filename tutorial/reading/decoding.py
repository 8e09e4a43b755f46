"""From what a database returns to the columns of a data frame, without ever unpickling.

`decode` reads one stored value. There is a class for each kind of column: stored bytes come in by
the batch through ``add``, and ``finish`` returns the whole column. What cannot be decoded loses
nothing else: it stays as it was stored, or is missing where the column cannot hold it, and its row
is noted in ``bad``. ``finish`` lets go of what ``add`` gathered, so that a large table is in memory
once, plus one column.
"""

import datetime as dt
import json
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import msgspec
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from kombu.utils.json import object_hook

from tutorial.reading.moments import UTC, to_utc
from tutorial.reading.pickles import read_pickle

# The states in the order of a task's life; a custom state comes after them.
LIFE = ["PENDING", "RECEIVED", "STARTED", "RETRY", "SUCCESS", "FAILURE", "REVOKED"]

PICKLE = b"\x80"  # the first byte of a pickle, since protocol 2; the second one is the protocol
PROTOCOLS = (b"\2", b"\3", b"\4", b"\5")
SERIALIZERS = ("json", "msgpack", "yaml", "pickle")  # those that kombu has
# Kombu's own loads() does the same, and makes a new decoder for every value.
JSON = json.JSONDecoder(object_hook=object_hook)
# Where it does not refuse, msgspec gives the same values as Python's json, in a fifth of the time.
# It knows nothing of kombu's types: what may hold one is left to Python's.
QUICK_JSON = msgspec.json.Decoder()
OF_KOMBU = ("__type__", "\\u00")  # the second one can spell the first


def decode(raw: bytes | str, serializer: str | None = None) -> Any:
    """Decode a stored value. This runs no code from the value, whatever the serializer.

    Parameters
    ----------
    raw : bytes or str
    serializer : str, optional
        One of `SERIALIZERS`. By default JSON, which is Celery's default too.

    Returns
    -------
    object

    Raises
    ------
    Exception
        Of any kind, if it cannot be decoded. The callers here catch them all.
    """
    if serializer == "msgpack":
        return msgspec.msgpack.decode(_as_bytes(raw))
    if serializer == "yaml":
        import yaml  # a package that Celery asks for only with this serializer

        return yaml.safe_load(raw)
    if serializer == "pickle":
        raise ValueError("A pickle is not decoded.")
    return decode_json(raw)


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
        Of any kind: kombu's types are made from what is stored.
    """
    text = raw if isinstance(raw, str) else raw.decode()
    if not any(mark in text for mark in OF_KOMBU):
        with suppress(Exception):  # what msgspec refuses, Python may take: NaN, for one
            return QUICK_JSON.decode(raw)
    text = text.strip(" \t\n\r")
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
    """A column of serialized values, in which equal ones are decoded once.

    Parameters
    ----------
    decode : callable, optional
        Decodes a value; by default JSON.
    """

    def __init__(self, decode: Callable[[Any], Any] = decode_json) -> None:
        self.parts: list[np.ndarray] = []
        self.bad: list[int] = []
        self.nulls: list[np.ndarray] = []
        self.pickles: list[int] = []  # the rows that begin as a pickle does
        self.digits: list[int] = []  # the rows of a single digit, which need not be JSON
        self.size = 0
        self._decode = decode

    def add(self, values: pa.Array) -> None:
        """Take some more values."""
        coded = values.dictionary_encode()
        distinct = coded.dictionary.to_pylist()
        index = coded.indices.fill_null(len(distinct)).to_numpy()  # a NULL is the last one
        decoded, bad = self._decode_all(coded.dictionary, distinct)
        self.parts.append(_objects([*decoded, None])[index])
        self.bad += _rows(bad, index, self.size)
        short = np.flatnonzero(pc.equal(pc.binary_length(coded.dictionary), 1))
        digits = [place for place in short.tolist() if distinct[place].isdigit()]
        self.digits += _rows(digits, index, self.size)
        marked = np.flatnonzero(pc.starts_with(coded.dictionary, pattern=PICKLE))
        pickles = [place for place in marked.tolist() if distinct[place][1:2] in PROTOCOLS]
        self.pickles += _rows(pickles, index, self.size)
        self.nulls.append(index == len(distinct))
        self.size += len(values)

    def _decode_all(self, array: pa.Array, values: list[bytes]) -> tuple[list[Any], list[int]]:
        """Return the decoded values, and the places of those that could not be decoded."""
        if self._decode is decode_json and not _may_be_of_kombu(array):
            with suppress(Exception):  # one of them needs more than the quick decoder
                return list(map(QUICK_JSON.decode, values)), []
        decoded, bad = [], []
        for place, raw in enumerate(values):
            try:
                decoded.append(self._decode(raw))
            except Exception:  # one value, whatever is wrong with it, loses no other
                value, good = self._from_pickle(raw)
                decoded.append(value)
                bad += [] if good else [place]
        return decoded, bad

    def _from_pickle(self, raw: bytes) -> tuple[Any, bool]:
        """Return the value of a pickle, which older versions stored whatever the serializer."""
        try:
            return (read_pickle(raw), True) if raw[:1] == PICKLE else (raw, False)
        except ValueError:
            return raw, False

    def missing(self) -> np.ndarray:
        """Return, for each row, whether nothing is stored there."""
        return np.concatenate([np.empty(0, bool), *self.nulls])

    def restore(self, rows: list[int]) -> None:
        """Put the stored digit back in some rows, because it may not have been JSON."""
        starts = np.cumsum([0, *map(len, self.parts)])
        for row in rows:
            part = int(np.searchsorted(starts, row, side="right")) - 1
            place = row - starts[part]
            self.parts[part][place] = str(self.parts[part][place]).encode()
        self.bad += rows

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
        """Take some more values: stored bytes, or what a database has converted already."""
        try:
            as_text = values.cast(pa.large_string()) if _is_bytes(values) else values
            part = as_text.cast(self.dtype)
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


class Counts(Arrow):
    """A column of integers, of which some can be missing."""

    dtype = pa.int64()

    def parse(self, raw: bytes) -> tuple[Any, bool]:
        """Return the integer."""
        good = len(raw) <= 20 and raw.removeprefix(b"-").isdigit() and -(2**63) <= int(raw) < 2**63
        return (int(raw) if good else None), good

    def finish(self) -> pd.Series:
        """Return the column, of the dtype Int64."""
        return _nullable(self._whole())


class Ids(Text):
    """A column of ids: of integers if all are, else of text."""

    def add(self, values: pa.Array) -> None:
        """Take some more values."""
        with suppress(pa.ArrowException):
            text = values.cast(pa.large_string()) if _is_bytes(values) else values
            numbers = text.cast(pa.int64())
            if not _is_bytes(values) or numbers.cast(pa.large_string()).equals(
                text
            ):  # not so "007", which is text
                self.parts.append(numbers)
                self.size += len(values)
                return
        super().add(values)

    def finish(self) -> pd.Series:
        """Return the column: int64; Int64 if some are missing; str if some are text."""
        if any(part.type == self.dtype for part in self.parts):
            self.parts = [part.cast(self.dtype) for part in self.parts]
            return super().finish()
        numbers = pa.chunked_array(self.parts, pa.int64()).combine_chunks()
        self.parts.clear()
        if numbers.null_count:
            return _nullable(numbers)
        return pd.Series(numbers.to_numpy(zero_copy_only=False), dtype="int64")


class Dates(Arrow):
    """A column of times as text in ISO 8601's format.

    Parameters
    ----------
    zone : datetime.tzinfo
        The zone of the times that have none of their own.
    """

    dtype = UTC

    def __init__(self, zone: dt.tzinfo) -> None:
        super().__init__()
        self.zone = zone

    def add(self, values: pa.Array) -> None:
        """Take some more values."""
        times, bad = to_utc(values, self.zone)
        self.bad += (self.size + bad).tolist()
        self.parts.append(times.copy_to(pa.default_cpu_memory_manager()))
        self.size += len(values)

    def finish(self) -> pd.Series:
        """Return the column, in UTC."""
        return self._whole().to_pandas().astype("datetime64[us, UTC]")


def _is_bytes(values: pa.Array) -> bool:
    return pa.types.is_large_binary(values.type) or pa.types.is_binary(values.type)


def _nullable(whole: pa.Array) -> pd.Series:
    missing = whole.is_null().to_numpy(zero_copy_only=False)
    return pd.Series(pd.arrays.IntegerArray(whole.fill_null(0).to_numpy().copy(), missing))


def _distinct(values: pa.Array) -> tuple[list[Any], np.ndarray]:
    """Return the distinct values and, last, None; and the place of each value in that list."""
    coded = values.dictionary_encode()
    distinct = [*coded.dictionary.to_numpy(zero_copy_only=False), None]
    return distinct, coded.indices.fill_null(len(distinct) - 1).to_numpy()


def _may_be_of_kombu(array: pa.Array) -> bool:
    return any(pc.any(pc.match_substring(array, mark)).as_py() for mark in OF_KOMBU)


def _objects(values: list[Any]) -> np.ndarray:
    return np.fromiter(values, object, len(values))


def _rows(places: list[int], index: np.ndarray, start: int) -> list[int]:
    """Return the rows whose distinct value is at one of some places."""
    return (start + np.flatnonzero(np.isin(index, places))).tolist() if places else []


def _as_bytes(raw: bytes | str) -> bytes:
    return raw.encode(errors="surrogatepass") if isinstance(raw, str) else raw


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
