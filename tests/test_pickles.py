"""The reader of pickles gives what unpickling gives, and runs nothing."""

import collections
import datetime as dt
import math
import os
import pickle
import pickletools
import sys
import time
from collections.abc import Iterator
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from celery.exceptions import WorkerLostError
from celery.utils.serialization import UnpickleableExceptionWrapper
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tutorial.reading import pickles
from tutorial.reading.pickles import read_exception, read_pickle

PROTOCOLS = range(pickle.HIGHEST_PROTOCOL + 1)
ran = Path()


class Payload:
    def __reduce__(self) -> Any:
        return Path.touch, (ran,)


class Enrolled:
    """Made by NEWOBJ and BUILD."""

    def __init__(self) -> None:
        self.code = "touch"

    def __setstate__(self, state: Any) -> None:
        ran.touch()


class Named(Enrolled):
    def __getnewargs_ex__(self) -> Any:
        return (), {"code": 1}


class Colour(Enum):
    RED = 1


class OutOfStockError(Exception):
    pass


@pytest.fixture(scope="module", autouse=True)
def trace(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    global ran
    ran = tmp_path_factory.mktemp("pickles") / "ran"
    yield
    assert not ran.exists(), "a payload was run"


@pytest.fixture(autouse=True)
def nothing_imported() -> Iterator[None]:
    before = set(sys.modules)
    yield
    assert not {name for name in set(sys.modules) - before if name.startswith("antigravity")}


def same(one: Any, other: Any) -> bool:
    """Compare values with their types; a bytearray is read as bytes, and NaN is NaN."""
    if isinstance(other, bytearray):
        return one == bytes(other)
    if type(one) is not type(other):
        return False
    if isinstance(one, float):
        return one == other or (math.isnan(one) and math.isnan(other))
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict):
        return same(list(one.items()), list(other.items()))
    if isinstance(one, dt.datetime):
        return (one, one.utcoffset(), one.fold) == (other, other.utcoffset(), other.fold)
    return one == other


zones = st.sampled_from([None, dt.UTC, ZoneInfo("America/New_York"), ZoneInfo("Asia/Kathmandu")])
offsets = st.timedeltas(dt.timedelta(hours=-23), dt.timedelta(hours=23)).map(dt.timezone)
scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(-(2**400), 2**400)
    | st.floats()
    | st.complex_numbers(allow_nan=False)
    | st.text(st.characters(codec=None))
    | st.binary()
    | st.binary().map(bytearray)
    | st.datetimes(timezones=zones)
    | st.datetimes(timezones=st.none() | offsets)
    | st.dates()
    | st.times()
    | st.timedeltas()
    | st.decimals(allow_nan=False)
    | st.uuids()
)
keys = st.text() | st.integers() | st.binary() | st.tuples(st.integers(), st.text()) | st.dates()
values = st.recursive(
    scalars | st.sets(keys) | st.frozensets(keys),
    lambda inner: (
        st.lists(inner)
        | st.lists(inner).map(tuple)
        | st.dictionaries(keys, inner)
        | st.dictionaries(st.text(), inner).map(collections.OrderedDict)
        | inner.map(lambda value: [value, value])
    ),
    max_leaves=10,
)


def is_what_unpickling_gives(value: Any, protocol: int) -> None:
    raw = pickle.dumps(value, protocol)
    assert same(read_pickle(raw), pickle.loads(raw))
    assert same(read_pickle(pickletools.optimize(raw)), pickle.loads(raw))


@given(values, st.sampled_from(PROTOCOLS))
@settings(max_examples=50)
def test_a_plain_value_is_what_unpickling_gives(value: Any, protocol: int) -> None:
    is_what_unpickling_gives(value, protocol)


@pytest.mark.slow
@given(values, st.sampled_from(PROTOCOLS))
@settings(max_examples=2_000)
def test_many_plain_values_are_what_unpickling_gives(value: Any, protocol: int) -> None:
    is_what_unpickling_gives(value, protocol)


@given(values, st.sampled_from(PROTOCOLS))
def test_pickles_of_the_pickler_in_python_too(value: Any, protocol: int) -> None:
    raw = pickle._dumps(value, protocol)  # type: ignore[attr-defined]
    assert same(read_pickle(raw), pickle.loads(raw))


def test_the_pickles_of_python_2() -> None:
    assert read_pickle(b"\x80\x02U\x05apple.") == "apple"
    assert read_pickle(b"\x80\x02}q\x00U\x01aK\x01s.") == {"a": 1}
    assert read_pickle(b"(lp0\nI1\naI01\na.") == [1, True]
    date = b"\x80\x02cdatetime\ndatetime\nU\n\x07\xe8\x02\x1d\x0c\x1e\x0f\x00\x00\xfa\x85R."
    assert read_pickle(date) == dt.datetime(2024, 2, 29, 12, 30, 15, 250)
    error = b"\x80\x02cexceptions\nValueError\nU\x03bad\x85R."
    assert read_pickle(error) == {
        "exc_type": "ValueError",
        "exc_message": ("bad",),
        "exc_module": "builtins",
    }
    with pytest.raises(ValueError, match="not in ASCII"):
        read_pickle(b"\x80\x02U\x01\xeb.")


def test_the_zones_of_pytz() -> None:
    raw = pickle.dumps(dt.datetime(2024, 7, 1, 12), 2)[:-1]
    stem, _reduce, _put = raw.rpartition(b"\x85")
    zone = b"cpytz\n_p\n(U\x10America/New_YorkJ\xc0\xc7\xff\xffM\x10\x0eU\x03EDTtR"
    value = read_pickle(stem + zone + b"\x86R.")
    assert value.utcoffset() == dt.timedelta(hours=-4)
    assert read_pickle(stem + b"cpytz\n_UTC\n)R" + b"\x86R.").tzinfo is dt.UTC


EXCEPTIONS = [
    ZeroDivisionError("division by zero"),
    ValueError(),
    KeyError(("a", 1)),
    FileNotFoundError(2, "No such file"),
    UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid"),
    WorkerLostError("signal 9"),
    UnpickleableExceptionWrapper("shop", "Picky", (7,), "Picky(7)"),
]


@pytest.mark.parametrize("error", EXCEPTIONS, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_an_exception_is_read_as_name_and_arguments(error: Exception, protocol: int) -> None:
    raw = pickle.dumps(error, protocol)
    read = read_exception(raw)
    assert read == read_pickle(raw)
    name = read["exc_type"]
    assert name == type(error).__name__ or isinstance(error, OSError)
    assert read["exc_message"] == error.args


def test_a_custom_exception_is_one_only_where_the_row_says_so() -> None:
    raw = pickle.dumps(OutOfStockError("apple", KeyError("pear")))
    assert read_exception(raw) == {
        "exc_type": "OutOfStockError",
        "exc_message": ("apple", "KeyError('pear')"),
        "exc_module": __name__,
    }
    for value in (OutOfStockError("apple"), Colour.RED):
        with pytest.raises(ValueError, match="it calls"):
            read_pickle(pickle.dumps(value))


def test_what_is_no_exception_is_not_read_as_one() -> None:
    for value in (5, {"exc_type": 5}, [], Payload()):
        with pytest.raises(ValueError):
            read_exception(pickle.dumps(value))


# Each would make the file, if it were unpickled.
def payloads() -> dict[str, bytes]:
    touch = b"(V'touch %s'\n" % os.fsencode(ran)
    system = os.system.__module__.encode() + b"\nsystem\n"
    return {
        "GLOBAL REDUCE": b"c" + system + touch + b"tR.",
        "GLOBAL REDUCE inside": b"]c" + system + touch + b"tRa.",
        "as a key": b"}c" + system + touch + b"tRNs.",
        "in a state": b"cuuid\nUUID\n)\x81c" + system + touch + b"tRb.",
        "STACK_GLOBAL": b"\x80\x04\x8c\x05posix\x8c\x06system\x93" + touch + b"tR.",
        "INST": touch[:1] + touch[1:] + b"i" + system + b".",
        "OBJ": b"(c" + system + touch[1:] + b"o.",
        "NEWOBJ": b"\x80\x02c" + system + touch + b"t\x81.",
        "NEWOBJ_EX": b"\x80\x04c" + system + touch + b"t}\x92.",
        "EXT1": b"\x80\x02\x82\xf0" + touch + b"tR.",
        "EXT2": b"\x80\x02\x83\xf0\x00" + touch + b"tR.",
        "EXT4": b"\x80\x02\x84\xf0\x00\x00\x00" + touch + b"tR.",
        "PERSID": b"Pposix.system\n.",
        "BINPERSID": b"\x80\x02X\x01\x00\x00\x00aQ.",
        "getattr": b"cbuiltins\ngetattr\n(cos\npath\nVsystem\ntR" + touch + b"tR.",
        "eval": b"cbuiltins\neval\n(V1\ntR.",
        "import": b"cbuiltins\n__import__\n(Vantigravity\ntR.",
        "a name alone": b"cantigravity\nfly\n.",
        "Popen": b"csubprocess\nPopen\n(](Vtouch\nV%s\netR." % os.fsencode(ran),
        "named as an exception's argument": b"cbuiltins\nValueError\n(c"
        + system
        + touch
        + b"tRtR.",
        "in the place of a date": b"cdatetime\ndatetime\n(c" + system + touch + b"tRtR.",
        "as a zone": b"cdatetime\ntime\n(C\x06\0\0\0\0\0\0c" + system + touch + b"tRtR.",
        "a zone outside the folder": b"\x80\x04\x8c\x08zoneinfo\x8c\x12ZoneInfo._unpickle\x93"
        b"\x8c\x0f../../etc/hosts\x88\x86R.",
        "as a result's id": b"ccelery.result\nAsyncResult\n(c" + system + touch + b"tRtR.",
        "BUILD": pickle.dumps(Enrolled()),
        "keywords": pickle.dumps(Named(), 4),
        "of the test": pickle.dumps(Payload()),
    }


@pytest.mark.parametrize("name", payloads())
@pytest.mark.parametrize("read", [read_pickle, read_exception])
def test_a_payload_is_refused_and_never_runs(name: str, read: Any) -> None:
    with pytest.raises(ValueError, match="cannot be read safely"):
        read(payloads()[name])
    assert not ran.exists()


def laughs(levels: int) -> bytes:
    """Return a list of ten lists of ten lists of …, in a few bytes for each level."""
    parts = [b"\x80\x04\x8c\x04ha!!\x94"]
    parts += [b"](" + b"h%c" % level * 10 + b"e\x94" for level in range(levels)]
    return b"".join(parts) + b"."


LARGE = {
    "a billion laughs": laughs(9),
    "a million laughs of a long text": b"\x80\x04X\x10\x27\x00\x00" + b"a" * 10_000 + b"\x94"
    b"](" + b"h\x00" * 100_000 + b"e.",
    "a list that holds itself": b"\x80\x04]\x94h\x00a.",
    "a tuple that holds itself": b"\x80\x04](K\x01]\x94h\x00a\x86\x94h\x01ae.",
    "a deep list": b"\x80\x04" + b"]" * 5_000 + b"a" * 4_999 + b".",
    "a deep tuple": b"N" + b"\x85" * 100_000 + b".",
    "a deep exception": b"cbuiltins\nValueError\n" * 500 + b")R" + b"\x85R" * 499 + b".",
    "a text of 2**63 bytes": b"\x80\x04\x8d" + (2**63 - 1).to_bytes(8, "little") + b"a.",
    "bytes of 4 GB": b"\x80\x04B\xff\xff\xff\xffa.",
    "a number of 5,000 digits": b"I" + b"9" * 5_000 + b"\n.",
    "a number of 100,000 bytes": b"\x80\x02\x8b\xa0\x86\x01\x00" + b"\x01" * 100_000 + b".",
    "a far place in the memo": b"Nr\xff\xff\xff\xffj\xfe\xff\xff\xff.",
    "too large": b"\x80\x04C\x01" * (pickles.LARGEST // 4),
}


@pytest.mark.parametrize("name", LARGE)
def test_what_would_take_too_much_is_refused_soon(name: str) -> None:
    start = time.process_time()
    with pytest.raises(ValueError, match="cannot be read safely"):
        read_pickle(LARGE[name])
    assert time.process_time() - start < 5  # of the processor: it takes some hundredths


def test_keys_with_the_same_hash_are_refused() -> None:
    keys = [number * sys.hash_info.modulus for number in range(20_000)]
    assert read_pickle(pickle.dumps(dict.fromkeys(keys[:30]))) == dict.fromkeys(keys[:30])
    # Put together by hand, since to make such a dict is what takes minutes.
    many = b"\x80\x04}(" + b"".join(
        b"\x8a%c%bN" % (len(raw), raw)
        for number in keys
        if (raw := number.to_bytes(number.bit_length() // 8 + 1, "little"))
    )
    start = time.process_time()
    with pytest.raises(ValueError, match="the same hash"):
        read_pickle(many + b"u.")
    assert time.process_time() - start < 5


def test_a_large_plain_value_is_read() -> None:
    value = [{"id": number, "name": "apple", "price": Decimal(number)} for number in range(20_000)]
    assert read_pickle(pickle.dumps(value)) == value
    text = "a" * 10_000_000
    assert read_pickle(pickle.dumps(text)) == text


# Each has a few examples here, and many on request.

anything = st.binary() | st.binary().map(lambda raw: b"\x80\x04" + raw + b".")
opcodes = st.sampled_from([opcode.code.encode("latin-1") for opcode in pickletools.opcodes])
pieces = opcodes | st.binary(max_size=4) | st.sampled_from([b"os\nsystem\n", b"\x00", b"1\n"])
programs = st.lists(pieces).map(lambda parts: b"".join(parts) + b".")


@st.composite
def damaged_pickles(draw: st.DrawFn) -> bytes:
    raw = pickle.dumps(draw(values | st.just(Payload())), draw(st.sampled_from(PROTOCOLS)))
    place = draw(st.integers(0, len(raw)))
    cut = draw(st.integers(0, 3))
    damaged = raw[:place] + draw(st.binary(max_size=3)) + raw[place + cut :]
    assume(damaged != raw)
    return damaged


def is_read_or_refused(raw: bytes) -> None:
    for read in (read_pickle, read_exception):
        try:
            repr(read(raw))
        except ValueError as error:
            assert str(error).count("\n") == 0 and len(str(error)) < 400


@pytest.mark.parametrize(
    "raw",
    [
        *(b"", b".", b"N", b"(.", b"(\x85.", b"0.", b"N.N.", b"]Na", b"h\0."),
        b"cshop\nin\\two\\nlines\n)R.",  # of two lines, when it is read
    ],
)
def test_a_short_program_is_read_or_refused(raw: bytes) -> None:
    is_read_or_refused(raw)


@given(anything | programs | damaged_pickles())
@settings(max_examples=150)
def test_what_is_hardly_a_pickle_is_read_or_refused(raw: bytes) -> None:
    is_read_or_refused(raw)


@pytest.mark.slow
@given(anything | programs | damaged_pickles())
@settings(max_examples=10_000)
def test_much_that_is_hardly_a_pickle_is_read_or_refused(raw: bytes) -> None:
    is_read_or_refused(raw)
