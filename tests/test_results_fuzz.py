"""What is loaded is what Celery itself reads, or is flagged: any value, serializer, driver, zone.

Celery's own reader unpickles, so it is only asked about rows that this test has stored. Hostile
rows, about which it may not be asked, are in test_results_hostile.py.
"""

import datetime as dt
import itertools
import json
import os
import pickle
import string
from collections.abc import Iterator
from contextlib import suppress
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest
import sqlalchemy as sa
from celery import Celery
from celery.backends.database.models import TaskExtended
from celery.utils.serialization import get_pickleable_exception
from databases import database_of_its_own
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from kombu.exceptions import DecodeError
from kombu.utils.json import loads
from stored_results import make_app, store

from tutorial.results import load_results

KINDS = ["sqlite", "postgresql", "mariadb"]
SERIALIZERS = ["json", "yaml", "msgpack", "pickle"]
ZONES = ["UTC", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe", "Pacific/Apia"]
# Not with Celery's model, which would change the date too.
PICKLE = sa.text("UPDATE celery_taskmeta SET result = :pickled WHERE task_id = :task_id")
ROWS = 6  # for each example

quick = settings(
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.generate],
    report_multiple_bugs=False,
)
EXAMPLES = int(os.environ.get("TUTORIAL_EXAMPLES", "150"))


class Picky(Exception):
    """An exception that cannot be made again from its ``args``."""

    def __init__(self, code: int, *, detail: str) -> None:
        super().__init__(f"{code}: {detail}")


moments = st.datetimes(dt.datetime(1900, 1, 1), dt.datetime(2100, 1, 1)) | st.datetimes(
    dt.datetime(1900, 1, 2), dt.datetime(2100, 1, 1), timezones=st.just(dt.UTC)
)
scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(-200, 300)  # the small numbers of msgpack are single bytes
    | st.floats()
    | st.text()
    | st.binary(max_size=20)
    | moments
    | st.dates()
    | st.times()
    | st.uuids()
    | st.decimals(allow_nan=False)
    | st.timedeltas()
)
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=5) | st.integers(), inner, max_size=3)
        | st.tuples(inner, inner)
    ),
    max_leaves=5,
)
errors = st.builds(
    lambda make, text: make(text),
    st.sampled_from(
        [ValueError, KeyError, TimeoutError, lambda text: Picky(3, detail=text), UnicodeError]
    ),
    st.text(string.printable, max_size=20),
)
ended = st.tuples(st.sampled_from(["SUCCESS", "PROGRESS", "STARTED"]), values) | st.tuples(
    st.sampled_from(["FAILURE", "RETRY", "REVOKED"]), errors
)
rows = st.fixed_dictionaries(
    {
        "end": ended,
        "args": st.lists(values, max_size=2),
        "kwargs": st.dictionaries(st.text(string.ascii_letters, max_size=5), values, max_size=2),
        "task": st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20),
        "hostname": st.none() | st.just("one@here"),
        "retries": st.integers(0, 9),
        "again": st.booleans(),  # a later state of a task, as another PROGRESS
        "traceback": st.none() | st.text(st.characters(codec="utf-8", exclude_characters="\0")),
        # as Celery stored results until 5.6, whatever the serializer
        "protocol": st.none() | st.integers(2, 5),
    }
)


@pytest.fixture(scope="module", params=KINDS)
def url(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[sa.URL]:
    with database_of_its_own(request.param, tmp_path_factory.mktemp("databases")) as url:
        yield url


def in_zone(url: sa.URL, zone: str) -> sa.URL:
    """Return the URL of sessions in a time zone; only PostgreSQL has them."""
    if url.get_backend_name() != "postgresql":
        return url
    return url.update_query_dict({"options": f"-ctimezone={zone}"})


def write(app: Celery, engine: sa.Engine, table: list[dict[str, Any]]) -> list[str]:
    """Store rows with Celery's own backend; return the ids of those that it could store."""
    stored = []
    for number, row in enumerate(table):
        task_id, (state, value) = f"task-{number}", row["end"]
        details = {name: row[name] for name in row.keys() - {"end", "protocol", "again"}}
        with suppress(Exception):  # what the serializer or the database refuses
            for _time in range(1 + row["again"]):
                store(app, task_id, value, state, **details)
            if row["protocol"] is not None:
                plain = get_pickleable_exception(value) if is_error(value) else value
                pickled = pickle.dumps(plain, row["protocol"])
                with engine.begin() as connection:
                    connection.execute(PICKLE, {"pickled": pickled, "task_id": task_id})
            stored.append(task_id)
    return stored


def same(found: Any, right: Any) -> bool:
    if right is None and not isinstance(found, list | dict | str):
        return bool(pd.isna(found))  # missing
    if isinstance(found, np.integer):  # of the column of retries
        return bool(found == right)
    return type(found) is type(right) and repr(found) == repr(right)


def complaints(row: pd.Series, meta: dict[str, Any], stored: Any) -> list[str]:
    """Compare a loaded row with what Celery reads.

    Celery may make an exception of another class; its own name is in the row all the same.
    """
    flagged = [] if pd.isna(row["undecodable"]) else row["undecodable"].split(", ")
    right = meta | {"exception": None}
    if is_error(meta["result"]):
        right |= {"exception": type(stored).__name__, "result": row["result"]}
    checked = ["status", "name", "worker", "queue", "traceback", "args", "kwargs", "result"]
    return [
        f"{column}: {row[column]!r}, but Celery reads {right[column]!r}"
        for column in [*checked, "exception", "retries"]
        if ("result" if column == "exception" else column) not in flagged
        and not same(row[column], right[column])
    ]


def named(row: dict[str, Any]) -> Any:
    """Return the value that a task ended with, as the row names it.

    Python 2, for which protocol 2 was made, had no TimeoutError: a pickle names its base class.
    """
    value = row["end"][1]
    return OSError() if row["protocol"] == 2 and isinstance(value, TimeoutError) else value


def is_error(value: Any) -> bool:
    return isinstance(value, BaseException)


def is_doubtful(row: pd.Series) -> bool:
    return "date_done" in str(row["undecodable"])


def agrees(url: sa.URL, serializer: str, zone: str, table: list[dict[str, Any]]) -> None:
    """Store rows, and compare what is loaded with what Celery reads, and with the clock."""
    url = in_zone(url, zone)
    app = make_app(
        url.render_as_string(hide_password=False),
        result_serializer=serializer,
        result_accept_content=[serializer],
        timezone=zone,
        result_backend_always_retry=False,
    )
    engine = sa.create_engine(url)
    ends = {f"task-{number}": named(row) for number, row in enumerate(table)}
    protocols = {f"task-{number}": row["protocol"] for number, row in enumerate(table)}
    before = dt.datetime.now(dt.UTC).replace(microsecond=0)  # as MariaDB keeps times
    ids = write(app, engine, table)
    after = dt.datetime.now(dt.UTC)
    try:
        if not ids:
            return
        clock = {} if url.get_backend_name() == "postgresql" else {"timezone": zone}
        guessed = load_results(engine, **clock).set_index("task_id")
        told = load_results(engine, **clock, serializer=serializer).set_index("task_id")
        for task_id, frame in itertools.product(ids, [guessed, told]):
            row = frame.loc[task_id]
            try:
                meta = app.backend.get_task_meta(task_id)
            except DecodeError:
                # Celery writes integers as the keys of msgpack's maps, and refuses to read them.
                assert serializer == "msgpack" or not pd.isna(row["undecodable"])
                continue
            assert complaints(row, meta, ends[task_id]) == []
            dated = not pd.isna(row["date_done"])
            assert not dated or before <= row["date_done"] <= after or is_doubtful(row)
            pickled = serializer == "pickle" or protocols[task_id] is not None
            if frame is told and not pickled:  # then nothing needs to be guessed
                assert pd.isna(row["undecodable"]) or row["undecodable"] == "date_done"
    finally:
        with engine.begin() as connection:
            connection.execute(sa.delete(TaskExtended.__table__))
        engine.dispose()


tables = st.lists(rows, min_size=ROWS, max_size=ROWS)


@settings(quick, max_examples=2)
@given(serializer=st.sampled_from(SERIALIZERS), zone=st.sampled_from(ZONES), table=tables)
def test_rows_are_what_celery_reads(
    url: sa.URL, serializer: str, zone: str, table: list[dict[str, Any]]
) -> None:
    agrees(url, serializer, zone, table)


@pytest.mark.slow
@settings(quick, max_examples=EXAMPLES)
@given(serializer=st.sampled_from(SERIALIZERS), zone=st.sampled_from(ZONES), table=tables)
def test_many_rows_are_what_celery_reads(
    url: sa.URL, serializer: str, zone: str, table: list[dict[str, Any]]
) -> None:
    agrees(url, serializer, zone, table)


# Each type of column that holds the same JSON, and each time that a column can hold

TYPES = {
    "sqlite": ["BLOB", "TEXT", ""],
    "postgresql": ["bytea", "text", "json", "jsonb", "varchar"],
    "mariadb": ["LONGBLOB", "LONGTEXT", "JSON"],
}
json_texts = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8", exclude_characters="\0")),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=5),
            inner,
            max_size=3,
        )
    ),
    max_leaves=5,
).map(json.dumps)
instants = st.datetimes(dt.datetime(1971, 1, 1), dt.datetime(2037, 1, 1))


def reads_columns(url: sa.URL, texts: list[str], times: list[dt.datetime], zone: str) -> None:
    """Store the same in columns of each type, and compare it with what the driver reads."""
    engine = sa.create_engine(in_zone(url, zone))
    kind = {"mysql": "mariadb"}.get(url.get_backend_name(), url.get_backend_name())
    precise = "DATETIME(6)" if kind == "mariadb" else "TIMESTAMP"
    try:
        for column in TYPES[kind]:
            binary = column in ("BLOB", "bytea", "LONGBLOB")
            made = (
                f"CREATE TABLE typed (id INTEGER PRIMARY KEY, result {column}, date_done {precise})"
            )
            added = sa.text("INSERT INTO typed VALUES (:id, :result, :time)").bindparams(
                sa.bindparam("time", type_=sa.DateTime)
            )
            with engine.begin() as connection:
                connection.execute(sa.text("DROP TABLE IF EXISTS typed"))
                connection.execute(sa.text(made))
                for number, (text, time) in enumerate(zip(texts, times, strict=True)):
                    raw = text.encode() if binary else text
                    connection.execute(added, {"id": number, "result": raw, "time": time})
                as_text = (
                    "CAST(result AS text)" if kind == "postgresql" and not binary else "result"
                )
                stored = connection.scalars(sa.text(f"SELECT {as_text} FROM typed ORDER BY id"))
                right = [loads(bytes(each) if binary else each) for each in stored]
            clock = {} if kind == "postgresql" else {"timezone": zone}
            frame = load_results(engine, table="typed", serializer="json", **clock)
            for row, value, time in zip(frame.itertuples(), right, times, strict=True):
                flagged = str(row.undecodable)
                assert "result" not in flagged
                assert same(row.result, value), (column, value)
                moments = {time.replace(tzinfo=ZoneInfo(zone), fold=fold) for fold in (0, 1)}
                moments = {moment.astimezone(dt.UTC) for moment in moments}
                certain = len(moments) == 1
                assert certain is ("date_done" not in flagged)
                assert not certain or row.date_done == moments.pop()
    finally:
        with engine.begin() as connection:
            connection.execute(sa.text("DROP TABLE IF EXISTS typed"))
        engine.dispose()


columns = {
    "texts": st.lists(json_texts, min_size=ROWS, max_size=ROWS),
    "times": st.lists(instants, min_size=ROWS, max_size=ROWS),
    "zone": st.sampled_from(ZONES),
}


@settings(quick, max_examples=2)
@given(**columns)
def test_columns_of_each_type(url: sa.URL, texts: Any, times: Any, zone: str) -> None:
    reads_columns(url, texts, times, zone)


@pytest.mark.slow
@settings(quick, max_examples=EXAMPLES)
@given(**columns)
def test_many_columns_of_each_type(url: sa.URL, texts: Any, times: Any, zone: str) -> None:
    reads_columns(url, texts, times, zone)
