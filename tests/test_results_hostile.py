"""Rows that nobody should have written: nothing raises, nothing runs, no other row is lost."""

import io
import json
import math
import pickle
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st

from tutorial.database import make_engine
from tutorial.messages import load_messages
from tutorial.reading import table as reading_table
from tutorial.reading.decoding import decode_json
from tutorial.results import RESULT_COLUMNS, iter_results, load_results

JSON_COLUMNS = ["args", "kwargs", "result", "children", "stamps"]
TEXT_COLUMNS = ["task_id", "name", "status", "traceback", "worker", "queue"]
STORED = [*TEXT_COLUMNS, *JSON_COLUMNS, "date_done", "retries"]
# No column has a type here, so that SQLite stores what it is given.
TABLE = f"CREATE TABLE celery_taskmeta (id INTEGER PRIMARY KEY, {', '.join(STORED)}, extra)"
PAGE = (
    400  # rows for each example; 1,000 cases are 1,000 rows, and each is one value in ten columns
)

ran = Path()


class Payload:
    def __reduce__(self) -> Any:
        return Path.touch, (ran,)


numbers = st.integers() | st.floats(allow_nan=True)
scalars = st.none() | st.booleans() | numbers | st.text(st.characters(codec=None))
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


def to_json(value: Any) -> bytes:
    return json.dumps(value).encode()


typed = st.builds(
    lambda kind, value: {"__type__": kind, "__value__": value},
    st.sampled_from(["datetime", "date", "time", "decimal", "uuid", "bytes", "base64", "pickle"]),
    values,
)
encoded = (values | typed).map(to_json)
truncated = st.builds(lambda text, cut: text[: cut % (len(text) + 1)], encoded, st.integers(0, 99))
pickled = st.builds(
    lambda value, protocol: pickle.dumps(value, protocol),
    st.just(Payload()) | st.integers(),
    st.integers(0, 5),
)
odd = st.sampled_from(
    [
        *(
            b"[" * 100_000,
            b"9" * 5000,
            b"NaN",
            b"-Infinity",
            b"1e999",
            b'"\\ud800"',
            b'"\xed\xa0\x80"',
        ),
        *(b" 1\n", b"\xef\xbb\xbf1", b"1 2", b"[1]]", b"", b"\0", b"null\0", b'"\0"', b"nul"),
        *(b'{"exc_type": "\\udfff"}', b'{"exc_type": ["list"]}', b'{"exc_type": "E"}'),
    ]
)
blobs = encoded | truncated | pickled | odd | st.binary() | st.none()
stored = (
    blobs
    | st.text()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False)
    | st.sampled_from(["SUCCESS", "FAILURE", "RETRY", "success", "\0", "\ufeff"])
)
dates = st.sampled_from(
    [
        *("2026-01-31 10:00:00.000000", "0001-01-01 00:00:00", "9999-12-31 23:59:59.999999"),
        *("10000-01-01 00:00:00", "-4713-01-01 00:00:00", "0000-00-00 00:00:00", "2026-02-30"),
        *("now", "today", "infinity", "2026-01-31T10:00:00+05:00", "20260131", "1e9", "24:00"),
        "2026-01-31 10:00:00.1234567891",
    ]
)


def row_of(value: Any) -> dict[str, Any]:
    """Return a case: one value in every column."""
    return dict.fromkeys(STORED, value)


@pytest.fixture(scope="module", autouse=True)
def trace(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    global ran
    ran = tmp_path_factory.mktemp("hostile") / "ran"
    yield
    assert not ran.exists(), "a stored payload was run"


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> sa.Engine:
    engine = make_engine(f"sqlite:///{tmp_path_factory.mktemp('hostile')}/results.db")
    with engine.begin() as connection:
        connection.exec_driver_sql(TABLE)
    return engine


def write(engine: sa.Engine, table: list[dict[str, Any]]) -> None:
    names = ", ".join(STORED)
    marks = ", ".join(f":{name}" for name in STORED)
    with engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM celery_taskmeta")
        good = dict.fromkeys(STORED) | {"task_id": "good", "status": "SUCCESS", "result": b"[5]"}
        for row in [good, *table, good]:
            connection.execute(
                sa.text(f"INSERT INTO celery_taskmeta ({names}) VALUES ({marks})"), row
            )


def reference(raw: Any) -> tuple[Any, bool]:
    """Decode a value as Celery does, but call nothing; also return whether it could be."""
    from kombu.utils.json import loads

    if raw is None:
        return None, True
    if not isinstance(raw, bytes):
        raw = str(raw).encode()
    try:
        return unpickle(raw) if raw[:1] == b"\x80" else loads(raw), True
    except Exception:
        return raw, False


class NothingCalled(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        raise ValueError


def unpickle(raw: bytes) -> Any:
    file = io.BytesIO(raw)
    value = NothingCalled(file).load()
    if file.read():
        raise ValueError
    return value


def same(left: Any, right: Any) -> bool:
    if isinstance(left, float) and math.isnan(left):
        return isinstance(right, float) and math.isnan(right)
    return type(left) is type(right) and (left == right or repr(left) == repr(right))


def check(frame: pd.DataFrame, table: list[dict[str, Any]]) -> None:
    assert len(frame) == len(table) + 2
    for good in (frame.iloc[0], frame.iloc[-1]):
        assert good["result"] == [5]
        assert pd.isna(good["undecodable"])
    for row, (_, cells) in zip(table, frame.iloc[1:-1].iterrows(), strict=True):
        flagged = [] if pd.isna(cells["undecodable"]) else cells["undecodable"].split(", ")
        for column in JSON_COLUMNS:
            if isinstance(row[column], float):
                continue  # SQLite writes the digits of a float in its own way
            value, good = reference(row[column])
            assert same(cells[column], value), (column, row[column])
            assert (column in flagged) is not good, (column, row[column])
        for column in TEXT_COLUMNS:
            raw = row[column]
            if isinstance(raw, bytes) and b"\xff" in raw:
                assert column in flagged
            if isinstance(raw, str):
                assert cells[column] == raw
            assert pd.isna(cells[column]) == (raw is None)
        lost = row["date_done"] is not None and pd.isna(cells["date_done"])
        assert lost == ("date_done" in flagged)
        lost = row["retries"] is not None and pd.isna(cells["retries"])
        assert lost == ("retries" in flagged)


# Shrinking is left out: a failing table is small enough to read, and CI must not wait for it.
quick = settings(
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.generate],
    report_multiple_bugs=False,
)
rows = (stored | dates).map(row_of)


tables = st.lists(rows, min_size=12, max_size=12)


@settings(quick, max_examples=10)
@given(table=tables)
@example(table=[row_of(value) for value in (b"\xff", "\0", -(2**63), 1.5, None)])
def test_hostile_rows(engine: sa.Engine, table: list[dict[str, Any]]) -> None:
    load_and_check(engine, table)


@pytest.mark.slow
@settings(quick, max_examples=500)
@given(table=tables)
def test_thousands_of_hostile_rows(engine: sa.Engine, table: list[dict[str, Any]]) -> None:
    load_and_check(engine, table)


def load_and_check(engine: sa.Engine, table: list[dict[str, Any]]) -> None:
    write(engine, table)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        frame = load_results(engine)
    assert list(frame.columns) == list(RESULT_COLUMNS)
    check(frame, table)
    repr(frame["id"])


@pytest.mark.slow
@settings(quick, max_examples=3)
@given(table=st.lists(rows, min_size=50, max_size=50))
def test_hostile_rows_in_a_large_file(engine: sa.Engine, table: list[dict[str, Any]]) -> None:
    write(engine, table)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reading_table, "LARGE", 0)
        check(load_results(engine), table)
    pieces = list(iter_results(engine, chunksize=7))
    assert sum(map(len, pieces)) == len(table) + 2


@pytest.mark.parametrize("large", [0, 10**9])
def test_ten_megabytes(engine: sa.Engine, large: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading_table, "LARGE", large)
    text = "x" * 10_000_000
    row = dict.fromkeys(STORED) | {"result": json.dumps(text).encode(), "traceback": text}
    broken = dict.fromkeys(STORED) | {"result": row["result"][:-1]}
    write(engine, [row, broken])
    frame = load_results(engine)
    assert frame["result"][1] == frame["traceback"][1] == text
    assert frame["result"][2] == row["result"][:-1]
    assert list(frame["undecodable"].notna()) == [False, False, True, False]


def test_columns_that_are_missing(tmp_path: Path) -> None:
    engine = make_engine(f"sqlite:///{tmp_path}/few.db")
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE celery_taskmeta (id INTEGER, other)")
        connection.exec_driver_sql("INSERT INTO celery_taskmeta VALUES (3, 4)")
    assert load_results(engine).drop(columns="id").isna().all(axis=None)


messages = (
    st.text()
    | values.map(json.dumps)
    | st.builds(
        lambda headers, body, properties, kind: json.dumps(
            {"headers": headers, "body": body, "properties": properties, "content-type": kind}
        ),
        values
        | st.dictionaries(st.sampled_from(["id", "task", "retries", "eta", "sent_at"]), values),
        values | st.just("W1tdLCB7fSwge31d"),
        values | st.just({"body_encoding": "base64"}),
        st.just("application/json") | values,
    )
)


@settings(quick, max_examples=15)
@given(payloads=st.lists(messages, min_size=4, max_size=4))
def test_hostile_messages(payloads: list[str]) -> None:
    messages_are_loaded(payloads)


@pytest.mark.slow
@settings(quick, max_examples=500)
@given(payloads=st.lists(messages, min_size=4, max_size=4))
def test_thousands_of_hostile_messages(payloads: list[str]) -> None:
    messages_are_loaded(payloads)


@pytest.mark.parametrize("retries", ["1e300", str(2**63), "-1e19", "NaN", "[]"])
def test_a_number_of_retries_that_is_none_loses_no_message(retries: str) -> None:
    headers = f'{{"id": "x", "task": "add", "retries": {retries}}}'
    message = f'{{"headers": {headers}, "body": "W1tdLCB7fSwge31d", "properties": {{}}}}'
    frame = messages_are_loaded([message, message.replace(retries, str(2**63 - 1))])
    assert "retries" in frame["undecodable"][0].split(", ")
    assert frame["retries"].to_list() == [pd.NA, 2**63 - 1]
    assert frame["task_id"].to_list() == ["x", "x"]


def messages_are_loaded(payloads: list[str]) -> pd.DataFrame:
    engine = make_engine("sqlite://", poolclass=sa.StaticPool)
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE kombu_queue (id INTEGER PRIMARY KEY, name)")
        connection.exec_driver_sql(
            "CREATE TABLE kombu_message (id INTEGER PRIMARY KEY, queue_id, visible, timestamp, "
            "payload)"
        )
        for payload in payloads:
            connection.exec_driver_sql(
                "INSERT INTO kombu_message (queue_id, visible, payload) VALUES (1, 'x', ?)",
                (payload.encode(errors="surrogatepass"),),
            )
    frame = load_messages(engine)
    assert len(frame) == len(payloads)
    assert frame["undecodable"].notna().all() or frame["task_id"].notna().any()
    return frame


@settings(quick, max_examples=200)
@given(encoded | odd | truncated)
def test_quick_decoder_gives_the_values_of_pythons(raw: bytes) -> None:
    value, good = reference(raw)
    try:
        found = decode_json(raw)
    except Exception:
        assert not good
    else:
        assert good
        assert same(found, value)
