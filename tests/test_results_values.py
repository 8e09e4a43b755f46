"""What is loaded is right or flagged: any type, id, zone and serializer, on each database."""

import datetime as dt
import json
import re
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import uuid
import warnings
from collections.abc import Iterator
from contextlib import closing, contextmanager
from itertools import product
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import sqlalchemy as sa
from celery import Celery
from celery.utils.serialization import get_pickleable_exception
from databases import POSTGRESQL_VARIABLE, server_url
from processes import few, needs_fork, python
from stored_results import make_app, store

from tutorial import database
from tutorial.database import make_engine
from tutorial.inspection import inspect
from tutorial.messages import load_messages, payloads
from tutorial.recovery import lost_tasks
from tutorial.results import count_results, iter_results, load_groups, load_results
from tutorial.watching import watch
from tutorial.workflows import as_completed, load_workflows

SERVERS = {"postgresql": POSTGRESQL_VARIABLE, "mariadb": "TUTORIAL_MARIADB_URL"}
COLUMNS = "task_id VARCHAR(155), status VARCHAR(50), name VARCHAR(155), date_done {time}"


@pytest.fixture(scope="module", params=["sqlite", *SERVERS])
def url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Yield the URL of an empty database of its own."""
    if request.param == "sqlite":
        yield sa.make_url(f"sqlite:///{tmp_path_factory.mktemp('values')}/results.db")
        return
    server = server_url(SERVERS[request.param])
    name = f"tutorial_{uuid.uuid4().hex[:12]}"
    administration = sa.create_engine(server, isolation_level="AUTOCOMMIT")
    with administration.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
        yield server.set(database=name)
        force = " WITH (FORCE)" if request.param == "postgresql" else ""
        connection.exec_driver_sql(f"DROP DATABASE {name}{force}")
    administration.dispose()


@pytest.fixture
def engine(url: sa.URL) -> Iterator[sa.Engine]:
    """Yield an engine; what a test has made goes with it."""
    engine = sa.create_engine(url)
    yield engine
    engine.dispose()
    with engine.begin() as connection:
        connection.exec_driver_sql("DROP VIEW IF EXISTS v")
        for table in sa.inspect(connection).get_table_names():
            connection.exec_driver_sql(f"DROP TABLE {table}")
    engine.dispose()


def run(engine: sa.Engine, *statements: str) -> None:
    with engine.begin() as connection:
        for statement in statements:
            connection.execute(sa.text(statement))


def only_on(*databases: str) -> pytest.MarkDecorator:
    """Let a test run on these databases alone."""
    return pytest.mark.parametrize("url", databases, indirect=True)


# Ids


# Databases order and compare what is different; where all is equal, they do the same.
DIFFERENT = [
    ("INTEGER", ["1", "2", "3", "1", "2", "3", "3", "3", "4", "NULL"]),
    ("VARCHAR(9)", ["'a'", "'b'", "'B'", "'b '", "'b'", "'10'", "'9'", "NULL", "''", "'a'"]),
]
EQUAL = [("INTEGER", ["7"] * 10), ("INTEGER", ["NULL"] * 10)]


@pytest.mark.parametrize(
    ("url", "kind", "ids"),
    [
        *(("sqlite", *ids) for ids in DIFFERENT + EQUAL),
        *((server, *ids) for server in SERVERS for ids in DIFFERENT),
        *(
            pytest.param(server, *ids, marks=pytest.mark.slow)
            for server in SERVERS
            for ids in EQUAL
        ),
    ],
    indirect=["url"],
)
def test_every_row_is_read_whatever_its_id(engine: sa.Engine, kind: str, ids: list[str]) -> None:
    run(
        engine,
        f"CREATE TABLE celery_taskmeta (id {kind}, {COLUMNS.format(time='TIMESTAMP NULL')})",
        *(
            f"INSERT INTO celery_taskmeta (id, task_id) VALUES ({number}, 't{place}')"
            for place, number in enumerate(ids)
        ),
        "CREATE VIEW v AS SELECT * FROM celery_taskmeta",
    )
    wanted = {f"t{place}" for place in range(10)}
    for table in ("celery_taskmeta", "v"):
        assert set(load_results(engine, table=table)["task_id"]) == wanted
        for chunksize in (1, 3, 10):
            pieces = list(iter_results(engine, table=table, chunksize=chunksize))
            assert [len(piece) for piece in pieces][:-1] == [chunksize] * (len(pieces) - 1)
            assert sorted(t for piece in pieces for t in piece["task_id"]) == sorted(wanted)
        assert len(load_results(engine, table=table, limit=4)) == 4


def test_archive_and_table_in_a_view(engine: sa.Engine) -> None:
    columns = COLUMNS.format(time="TIMESTAMP NULL")
    run(
        engine,
        *(f"CREATE TABLE {name} (id INTEGER PRIMARY KEY, {columns})" for name in ("one", "two")),
        *(
            f"INSERT INTO {name} (id, task_id) VALUES ({n}, '{name}{n}')"
            for name in ("one", "two")
            for n in range(5)
        ),
        "CREATE VIEW v AS SELECT * FROM one UNION ALL SELECT * FROM two",
    )
    assert len(load_results(engine, table="v")) == 10
    assert sum(map(len, iter_results(engine, table="v", chunksize=3))) == 10


def test_ids_are_numbers_or_text(engine: sa.Engine) -> None:
    run(
        engine,
        "CREATE TABLE celery_taskmeta (id VARCHAR(9), task_id VARCHAR(9))",
        "INSERT INTO celery_taskmeta VALUES ('007', 'a'), ('8', 'b')",
    )
    assert list(load_results(engine)["id"]) == ["007", "8"]
    run(engine, "UPDATE celery_taskmeta SET id = NULL WHERE id = '007'")
    assert list(load_results(engine)["id"].astype(object)) == [pd.NA, 8]


def test_table_without_an_id(engine: sa.Engine) -> None:
    run(
        engine,
        "CREATE TABLE celery_taskmeta (task_id VARCHAR(9), status VARCHAR(9))",
        "INSERT INTO celery_taskmeta VALUES ('b', 'SUCCESS'), ('a', 'FAILURE'), ('c', 'SUCCESS')",
        "CREATE VIEW v AS SELECT status FROM celery_taskmeta",
    )
    assert list(load_results(engine)["task_id"]) == ["a", "b", "c"]
    assert [len(piece) for piece in iter_results(engine, chunksize=2)] == [2, 1]
    assert len(load_results(engine, table="v")) == 3


def test_names_of_columns_in_capitals(engine: sa.Engine) -> None:
    quote = "`" if engine.dialect.name in ("mysql", "mariadb") else '"'
    run(
        engine,
        f"CREATE TABLE celery_taskmeta ({quote}ID{quote} INTEGER, "
        f"{quote}TASK_ID{quote} VARCHAR(9), {quote}STATUS{quote} VARCHAR(9))",
        "INSERT INTO celery_taskmeta VALUES (2, 'a', 'SUCCESS')",
    )
    row = load_results(engine, status="SUCCESS").iloc[0]
    assert (row["id"], row["task_id"], row["status"]) == (2, "a", "SUCCESS")
    assert count_results(engine).to_dict() == {"SUCCESS": 1}


@only_on("postgresql")
def test_uuids(engine: sa.Engine) -> None:
    ids = sorted(str(uuid.uuid4()) for _ in range(7))
    run(
        engine,
        "CREATE TABLE celery_taskmeta (id uuid PRIMARY KEY, task_id uuid)",
        *(f"INSERT INTO celery_taskmeta VALUES ('{i}', '{i}')" for i in ids),
    )
    pieces = list(iter_results(engine, chunksize=3))
    assert [i for piece in pieces for i in piece["id"]] == ids
    assert [i for piece in pieces for i in piece["task_id"]] == ids


# Values

JSONS = ["true", '"5"', "5", "1.0", "null", '{"a": [1, "x"]}', "[]", '"a"', "12345678901234567890"]


@only_on("postgresql")
@pytest.mark.parametrize("kind", ["jsonb", "json", "text", "bytea"])
def test_values_that_the_driver_would_decode(engine: sa.Engine, kind: str) -> None:
    run(
        engine,
        f"CREATE TABLE celery_taskmeta (id INTEGER PRIMARY KEY, result {kind}, args {kind})",
        *(
            f"INSERT INTO celery_taskmeta VALUES ({n}, '{value}', '[1]')".replace(":", r"\:")
            for n, value in enumerate(JSONS)
        ),
    )
    frame = load_results(engine)
    wanted = [json.loads(value) for value in JSONS]
    assert list(map(repr, frame["result"])) == list(map(repr, wanted))
    assert frame["undecodable"].isna().all()


@only_on("postgresql")
@pytest.mark.parametrize(
    ("kind", "stored", "value"),
    [("boolean", "true", True), ("integer", "7", 7), ("numeric", "1.50", 1.5)],
)
def test_values_in_columns_of_numbers(
    engine: sa.Engine, kind: str, stored: str, value: Any
) -> None:
    run(
        engine,
        f"CREATE TABLE celery_taskmeta (id INTEGER PRIMARY KEY, result {kind})",
        f"INSERT INTO celery_taskmeta VALUES (1, {stored})",
    )
    found = load_results(engine)["result"][0]
    assert (type(found), found) == (type(value), value)


VALUES = [53, 5, 0, 9, 57, 48, 300, "5", "text", [1, 2], {"a": 1}, None, True, 1.5, "ü", -3]


@only_on("sqlite")
@pytest.mark.parametrize("extended", [True, False])
@pytest.mark.parametrize("serializer", ["json", "msgpack", "yaml", "pickle"])
def test_serializers(engine: sa.Engine, url: sa.URL, serializer: str, extended: bool) -> None:
    if serializer == "msgpack":
        pytest.importorskip("msgpack")
    app = make_app(
        url.render_as_string(hide_password=False),
        result_serializer=serializer,
        result_extended=extended,
        accept_content=["json", serializer],
        result_accept_content=["json", serializer],
    )
    for number, value in enumerate(VALUES):
        store(app, f"task-{number}", value)
    frame = load_results(engine)
    for value, found, flag in zip(VALUES, frame["result"], frame["undecodable"], strict=True):
        assert (type(found), found) == (type(value), value) or "result" in str(flag)
    if serializer != "pickle":
        told = load_results(engine, serializer=serializer)
        assert list(told["result"]) == VALUES
        assert told["undecodable"].isna().all()


def test_digit_of_msgpack_is_not_taken_for_json(engine: sa.Engine) -> None:
    run(
        engine,
        "CREATE TABLE celery_taskmeta (id INTEGER PRIMARY KEY, result VARCHAR(9), kwargs CHAR(2))",
        "INSERT INTO celery_taskmeta VALUES (1, '5', NULL), (2, '5', '{}'), (3, '5', '~~')",
    )
    frame = load_results(engine)
    assert list(frame["result"]) == [5, 5, b"5"]
    assert list(frame["undecodable"].astype(object).fillna("")) == ["", "", "kwargs, result"]
    run(engine, "INSERT INTO celery_taskmeta VALUES (4, '~~', NULL)")
    assert list(load_results(engine, columns=["result"])["result"]) == [b"5", 5, b"5", b"~~"]
    told = load_results(engine, serializer="msgpack", columns=["result"])
    assert list(told["result"])[:3] == [53, 53, 53]
    with pytest.raises(ValueError, match="No serializer is called 'marshal'; use json, msgpack"):
        load_results(engine, serializer="marshal")


def test_exception_that_celery_could_not_make_again(engine: sa.Engine, url: sa.URL) -> None:
    class Picky(Exception):
        def __init__(self, code: int, *, detail: str) -> None:
            super().__init__(code, detail)

    app = make_app(url.render_as_string(hide_password=False))
    error = get_pickleable_exception(Picky(3, detail="x"))  # as a worker does
    store(app, "picky", error, "FAILURE")
    row = load_results(engine).iloc[0]
    assert row["result"]["exc_type"] == "UnpickleableExceptionWrapper"
    assert row["exception"] == "Picky"


# Times


def times(engine: sa.Engine, kind: str, stored: list[str], **arguments: Any) -> pd.DataFrame:
    run(
        engine,
        f"CREATE TABLE celery_taskmeta (id INTEGER PRIMARY KEY, {COLUMNS.format(time=kind)})",
        *(
            f"INSERT INTO celery_taskmeta (id, date_done) VALUES ({n}, '{time}')".replace(
                ":", r"\:"
            )
            for n, time in enumerate(stored)
        ),
    )
    return load_results(engine, **arguments)


TEN = pd.Timestamp("2026-03-01 10:00", tz="UTC")


@only_on("postgresql")
@pytest.mark.parametrize(
    "zone", ["UTC", "Asia/Tokyo", "-3", "+05:30", "GMT-2", "<+02>-02", "EST5EDT"]
)
def test_session_zones_of_postgresql(engine: sa.Engine, url: sa.URL, zone: str) -> None:
    there = sa.create_engine(url.update_query_dict({"options": f"-c timezone={zone}"}))
    run(
        there,
        "CREATE TABLE celery_taskmeta (id INTEGER PRIMARY KEY, date_done timestamp)",
        r"INSERT INTO celery_taskmeta VALUES (1, timestamptz '2026-03-01 10\:00+00')",
    )
    assert list(load_results(there)["date_done"]) == [TEN]
    for since, rows in [("2026-03-01 10:00", 1), ("2026-03-01 10:00:01", 0)]:
        assert len(load_results(there, since=since)) == rows
    there.dispose()


@only_on("postgresql")
def test_times_with_a_zone_on_postgresql(engine: sa.Engine) -> None:
    frame = times(engine, "timestamptz", ["2026-03-01 12:00:00+02", "infinity"])
    assert frame["date_done"][0] == TEN
    assert frame["date_done"][1] is pd.NaT
    assert frame["undecodable"][1] == "date_done"
    assert list(load_results(engine, since=TEN, timezone="Asia/Tokyo")["id"]) == [0]
    assert count_results(engine, since=TEN).sum() == 1


@only_on("mariadb")
def test_timestamps_of_mariadb(engine: sa.Engine, url: sa.URL) -> None:
    there = sa.create_engine(url, connect_args={"init_command": "SET time_zone = '+05:30'"})
    assert times(there, "TIMESTAMP NULL", ["2026-03-01 15:30:00"])["date_done"][0] == TEN
    assert len(load_results(there, since=TEN)) == 1
    assert len(load_results(there, until=TEN)) == 0
    assert load_results(engine)["date_done"][0] == TEN
    there.dispose()


OFFSETS = [
    *("2026-03-01 12:00:00+02:00", "2026-03-01T10:00:00", "2026-03-01 10:00:00.000000"),
    *("2026-03-01 10:00:00Z", "2026-03-01 03:00:00.000000-07:00", "2026-03-01 10:00"),
]
JUNK = ["now", "today", "2026-02-30 10:00:00.000000", "1772359200", "01.02.2026"]


@pytest.mark.parametrize(
    "stored", [OFFSETS[:1], [OFFSETS[2]], *few(OFFSETS + JUNK, OFFSETS)], ids=len
)
def test_times_with_offsets_in_text(engine: sa.Engine, stored: list[str]) -> None:
    kind = "DATETIME" if engine.dialect.name == "sqlite" else "VARCHAR(40)"
    frame = times(engine, kind, stored)
    good = [time not in JUNK for time in stored]
    assert list(frame["date_done"].notna()) == good
    assert list(frame["undecodable"].isna()) == good
    assert set(frame["date_done"].dropna()) == {TEN}
    second = pd.Timedelta("1us")
    for since, rows in [(TEN - second, sum(good)), (TEN, sum(good)), (TEN + second, 0)]:
        assert len(load_results(engine, since=since)) == rows
        assert count_results(engine, since=since).sum() == rows
        assert sum(map(len, iter_results(engine, since=since, chunksize=2))) == rows
        assert len(load_results(engine, until=since)) == sum(good) - rows
    assert len(load_results(engine, since=TEN, limit=1)) == 1


def test_hour_that_is_shown_twice_is_flagged_and_filtered_alike(engine: sa.Engine) -> None:
    stored = [f"2026-10-25 {time}" for time in ("01:30:00", "02:30:00", "03:30:00")]
    frame = times(engine, "TIMESTAMP" if engine.dialect.name == "postgresql" else "DATETIME",
                  stored, timezone="Europe/Berlin")  # fmt: skip
    assert list(frame["undecodable"].astype(object).fillna("")) == ["", "date_done", ""]
    for hour in range(-1, 4):
        moment = pd.Timestamp("2026-10-25", tz="UTC") + pd.Timedelta(hours=hour)
        later = load_results(engine, since=moment, timezone="Europe/Berlin")
        assert list(later["id"]) == list(frame["id"][frame["date_done"] >= moment])
        earlier = load_results(engine, until=moment, timezone="Europe/Berlin")
        assert len(earlier) + len(later) == 3
        assert count_results(engine, since=moment, timezone="Europe/Berlin").sum() == len(later)


def test_words_that_no_database_stores_find_nothing(engine: sa.Engine, url: sa.URL) -> None:
    store(make_app(url.render_as_string(hide_password=False)), "one", 5)
    for word in ("\ud800", "a\0b", "x" * 100_000):
        assert load_results(engine, status=word).empty
        assert count_results(engine, name=[word, word]).empty
    assert len(load_results(engine, status=["\ud800", *["SUCCESS"] * 70_000])) == 1


def test_time_of_a_task_that_has_not_ended_is_in_utc(engine: sa.Engine, url: sa.URL) -> None:
    """Celery gives it none; when the row changes, SQLAlchemy gives it one in UTC."""
    zone = "America/New_York"
    app = make_app(url.render_as_string(hide_password=False), timezone=zone)
    before = dt.datetime.now(dt.UTC).replace(microsecond=0)
    for task_id, state in [("done", "PROGRESS"), ("done", "SUCCESS"), *[("open", "PROGRESS")] * 2]:
        store(app, task_id, 5, state)
    for timezone in (None, zone):
        frame = load_results(engine, timezone=timezone).set_index("task_id")
        flagged = frame["undecodable"].astype(object) == "date_done"
        on_time = frame["date_done"].between(before, dt.datetime.now(dt.UTC))
        if engine.dialect.name == "postgresql":
            assert list(on_time) == [timezone is None] * 2  # the session's zone is UTC here
        else:
            assert dict(flagged) == {"done": False, "open": timezone == zone}
            assert dict(on_time) == {"done": timezone == zone, "open": timezone is None}


def test_words_for_a_moment(engine: sa.Engine) -> None:
    times(engine, "TIMESTAMP", [])
    words = ["now", "today", "01.02.2026", "1 May 2026", "2026", "", "10:00"]
    for argument, word in product(("since", "until"), words):
        with pytest.raises(ValueError, match=rf"^{argument}='{word}' is not a moment in ISO 8601"):
            load_results(engine, **{argument: word})  # type: ignore[arg-type]
    assert len(load_results(engine, since="2026-01-31T12:00+01:00", until=dt.date(2026, 2, 1))) == 0


@only_on("postgresql")
def test_pickles_of_older_versions_make_the_zone_of_a_time_doubtful(
    engine: sa.Engine, url: sa.URL
) -> None:
    there = sa.create_engine(url.update_query_dict({"options": "-c timezone=America/New_York"}))
    run(
        there,
        "CREATE TABLE celery_taskmeta (id INTEGER PRIMARY KEY, result bytea, date_done timestamp)",
        "INSERT INTO celery_taskmeta VALUES (1, decode('80055d2e', 'hex'), '2020-01-01')",
        "INSERT INTO celery_taskmeta VALUES (2, '1', '2020-01-01')",
    )
    frame = load_results(there, columns=["date_done", "undecodable"])
    assert list(frame["undecodable"].astype(object).fillna("")) == ["date_done", ""]
    assert frame["date_done"][1] == pd.Timestamp("2020-01-01 05:00", tz="UTC")
    told = load_results(there, columns=["date_done", "undecodable"], timezone="UTC")
    assert told["undecodable"].isna().all()
    there.dispose()


# Counts and filters


def test_counts_and_filters_are_those_of_pandas(engine: sa.Engine) -> None:
    names = ["shop.Add", "shop.add", "shop.add ", "shop.add", "shop.ädd", "shop.add\t", ""]
    run(
        engine,
        f"CREATE TABLE celery_taskmeta (id INTEGER PRIMARY KEY, {COLUMNS.format(time='DATE')})",
        *(
            f"INSERT INTO celery_taskmeta (id, status, name) VALUES ({n}, 'SUCCESS', '{name}')"
            for n, name in enumerate(names)
        ),
        "INSERT INTO celery_taskmeta (id, status) VALUES (99, 'success')",
    )
    frame = load_results(engine)
    counted = count_results(engine, by="name")
    assert counted[counted.index.notna()].to_dict() == frame["name"].value_counts().to_dict()
    assert counted.sum() == 8
    for name in names:
        assert len(load_results(engine, name=name)) == names.count(name)
        assert count_results(engine, name=[name, "none"]).sum() == names.count(name)
    assert len(load_results(engine, status="success")) == 1


# Tables in other places


@only_on("postgresql")
def test_table_in_another_schema_is_named(engine: sa.Engine) -> None:
    run(engine, "CREATE SCHEMA elsewhere", "CREATE TABLE elsewhere.celery_taskmeta (id int)")
    try:
        with pytest.raises(ValueError, match="one in the schema 'elsewhere': pass schema='elsew"):
            load_results(engine)
        assert len(load_results(engine, schema="elsewhere")) == 0
    finally:
        run(engine, "DROP SCHEMA elsewhere CASCADE")


# Each needs something of its own: together in one name, and alone on request.
ODD_NAMES = ["%(x)s", 'a"b', "a`b", "a:b", "a\\b", "ümläut", "50%", "a'b"]


@pytest.mark.parametrize("name", few(" ".join(ODD_NAMES), *ODD_NAMES, "select"))
def test_a_table_of_whatever_name_is_read(engine: sa.Engine, url: sa.URL, name: str) -> None:
    app = make_app(url.render_as_string(hide_password=False))
    store(app, "one", 5)
    quoted = engine.dialect.identifier_preparer.quote(name)
    if "%%" in quoted:  # for a driver's placeholders
        quoted = quoted.replace("%%", "%")
    quoted = quoted.replace(":", r"\:")
    run(engine, f"ALTER TABLE celery_taskmeta RENAME TO {quoted}")
    try:
        assert list(load_results(engine, table=name)["task_id"]) == ["one"]
        assert count_results(engine, table=name, since="2026-01-01").sum() == 1
        assert len(list(as_completed(app.AsyncResult("one"), engine, table=name))) == 1
        assert inspect(engine, table=name, progress=False).unchecked == []
    finally:
        run(engine, f"DROP TABLE {quoted}")


def test_a_table_like_celerys_is_named_before_those_of_others(
    engine: sa.Engine, url: sa.URL
) -> None:
    """A role that sees several databases of a MariaDB sees their tables too."""
    make_app(url.render_as_string(hide_password=False)).backend.ResultSession().close()
    run(engine, "ALTER TABLE celery_taskmeta RENAME TO my_results")
    other = f"aaa_{uuid.uuid4().hex[:8]}"
    mine = "my_results looks like Celery's: pass table='my_results'"
    with reading_only(engine, url, other) as reading:
        with pytest.raises(ValueError, match=rf"has no table my_result, but {mine}\.$"):
            load_results(reading, table="my_result")
        with pytest.warns(UserWarning, match=rf"has no table celery_taskmeta, but {mine}\.$"):
            assert load_results(reading).empty
        if engine.dialect.name == "sqlite":
            return
        run(engine, f"CREATE SCHEMA {other}", f"CREATE TABLE {other}.celery_taskmeta (id int)")
        try:
            for read in (load_results, inspect):
                with pytest.raises(ValueError, match=rf"but {mine}.*in the schema '{other}': pass"):
                    read(reading)
        finally:
            postgresql = engine.dialect.name == "postgresql"
            run(engine, f"DROP TABLE {other}.celery_taskmeta", f"DROP SCHEMA {other}")
            run(engine, *(["DROP SEQUENCE task_id_sequence, taskset_id_sequence"] * postgresql))


@contextmanager
def reading_only(engine: sa.Engine, url: sa.URL, *databases: str) -> Iterator[sa.Engine]:
    """Yield an engine that sees, on MariaDB, no databases of other tests."""
    if engine.dialect.name in ("sqlite", "postgresql"):
        yield engine
        return
    role = f"reader_{uuid.uuid4().hex[:8]}"
    rights = [f"GRANT SELECT ON {name}.* TO {role}" for name in (url.database, *databases)]
    run(engine, f"CREATE USER {role} IDENTIFIED BY 'secret'", *rights)
    reading = make_engine(url.set(username=role, password="secret"))
    try:
        yield reading
    finally:
        reading.dispose()
        run(engine, f"DROP USER {role}")


@only_on("postgresql", "mariadb")
@pytest.mark.parametrize("what", ["view", "columns"])
def test_rights_on_a_view_or_on_columns(engine: sa.Engine, url: sa.URL, what: str) -> None:
    role = f"reader_{uuid.uuid4().hex[:8]}"
    postgresql = engine.dialect.name == "postgresql"
    user = role if postgresql else f"'{role}'@'%'"
    login = "LOGIN PASSWORD 'secret'" if postgresql else "IDENTIFIED BY 'secret'"
    times(engine, "TIMESTAMP NULL", ["2026-03-01 10:00:00"])
    table = "v" if what == "view" else "celery_taskmeta"
    right = "SELECT" if what == "view" else "SELECT (id, task_id, status, date_done)"
    run(
        engine,
        "CREATE VIEW v AS SELECT id, task_id FROM celery_taskmeta",
        f"CREATE {'ROLE' if postgresql else 'USER'} {user} {login}",
        f"GRANT {right} ON {table} TO {user}",
    )
    reading = make_engine(url.set(username=role, password="secret"))
    try:
        if what == "view":
            assert list(load_results(reading, table=table)["id"]) == [0]
        else:
            with pytest.warns(UserWarning, match="The right to SELECT is .* of the table"):
                assert list(load_results(reading, table=table)["id"]) == [0]
                assert count_results(reading).sum() == 1
    finally:
        reading.dispose()
        if postgresql:
            run(engine, f"DROP OWNED BY {user}")
        run(engine, f"DROP {'ROLE' if postgresql else 'USER'} {user}")


# Reading changes nothing


def state_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_file_in_rollback_mode_stays_so(tmp_path: Path) -> None:
    app = make_app(f"sqlite:///{tmp_path}/results.db")
    store(app, "a", 1)
    before = state_of(tmp_path)
    assert list(before) == ["results.db"]
    for url in (
        f"sqlite:///{tmp_path}/results.db",
        f"sqlite:///file:{tmp_path}/results.db?uri=true",
    ):
        engine = make_engine(url)
        assert len(load_results(engine)) == count_results(engine).sum() == 1
        assert len(load_groups(engine)) == 0
        assert state_of(tmp_path) == before


def test_mistyped_name_makes_no_file(tmp_path: Path) -> None:
    engine = make_engine(f"sqlite:///{tmp_path}/reslts.db")
    with pytest.warns(
        UserWarning, match=r"There is no file .*reslts\.db, and so no table celery_t"
    ):
        assert len(load_results(engine)) == 0
    assert not list(tmp_path.iterdir())
    run(make_engine(f"sqlite:///{tmp_path}/results.db"), "CREATE TABLE celery_taskmeta (id int)")
    with pytest.warns(UserWarning, match=r"Its folder holds results\.db\."):
        assert len(load_results(engine)) == 0
    assert "reslts.db" not in state_of(tmp_path)


UNKNOWN = Celery(set_as_current=False, backend="db+sqlite://").AsyncResult("of no task")
READERS: dict[str, Any] = {
    "watch": watch,
    "inspect": inspect,
    "inspect, queue": lambda engine: inspect(sa.create_engine("sqlite://"), queue=engine),
    "as_completed": lambda engine: list(as_completed(UNKNOWN, engine)),
    "lost_tasks": lambda engine: lost_tasks(engine, engine),
    "load_messages": load_messages,
    "load_groups": load_groups,
    "load_workflows": lambda engine: load_workflows(engine, engine),
    "payloads": payloads,
}


@pytest.mark.parametrize("make", [make_engine, sa.create_engine])
@pytest.mark.parametrize("reader", READERS)
def test_no_reader_makes_a_file(reader: str, make: Any, tmp_path: Path) -> None:
    engine = make(f"sqlite:///{tmp_path}/reslts.db")
    with warnings.catch_warnings(record=True) as caught:
        try:
            assert len(READERS[reader](engine)) == 0
            said = str(caught[-1].message)
        except (ConnectionError, FileNotFoundError) as error:
            said = str(error)
    assert re.search(r"here is no file .*reslts\.db", said), said
    assert not list(tmp_path.iterdir())


@needs_fork
def test_waiting_for_a_locked_file_can_be_interrupted(tmp_path: Path) -> None:
    code = f"""
import os, signal, threading
import sqlalchemy as sa
from tutorial.inspection import inspect
from tutorial.reading import source
from tutorial.results import load_results
source.BUSY_TIMEOUT = 3600
for read in (inspect, load_results):
    try:
        threading.Timer(1, os.kill, [os.getpid(), signal.SIGINT]).start()
        read(sa.create_engine("sqlite:///{tmp_path}/results.db"), progress=False)
    except KeyboardInterrupt:
        print(read.__name__, "interrupted")
"""
    store(make_app(f"sqlite:///{tmp_path}/results.db"), "one", 5)
    with closing(sqlite3.connect(tmp_path / "results.db")) as writer:
        writer.execute("BEGIN EXCLUSIVE")
        done = python(code, tmp_path / "home")
    assert done.stdout == "inspect interrupted\nload_results interrupted\n", done.stderr


def test_a_locked_file_is_read_when_it_is_free(tmp_path: Path) -> None:
    store(make_app(f"sqlite:///{tmp_path}/results.db"), "one", 5)
    with closing(sqlite3.connect(tmp_path / "results.db", check_same_thread=False)) as writer:
        writer.execute("BEGIN EXCLUSIVE")
        threading.Timer(1, writer.rollback).start()
        assert len(load_results(sa.create_engine(f"sqlite:///{tmp_path}/results.db"))) == 1


def test_looking_for_other_files_keeps_the_locks_of_open_ones(tmp_path: Path) -> None:
    """Otherwise a process that closes the queue deletes a log that this one still uses."""
    queue = make_engine(f"sqlite:///{tmp_path}/queue.db")
    run(queue, "CREATE TABLE message (id int)")  # the pool keeps its connection
    with pytest.warns(UserWarning, match=r"Its folder holds queue\.db\."):
        load_results(make_engine(f"sqlite:///{tmp_path}/results.db"))
    write = f"sqlite3.connect({str(tmp_path / 'queue.db')!r}).execute('PRAGMA user_version = 5')"
    subprocess.run([sys.executable, "-c", f"import sqlite3; {write}"], check=True)
    assert (tmp_path / "queue.db-wal").exists()
    with queue.connect() as connection:
        assert connection.scalar(sa.text("PRAGMA user_version")) == 5


def test_wal_file_in_a_read_only_folder_names_the_way(tmp_path: Path) -> None:
    folder = tmp_path / "shared"
    folder.mkdir()
    path = folder / "results.db"
    make_engine(f"sqlite:///{path}").connect().close()
    store(make_app(f"sqlite:///{path}"), "a", 1)
    code = (
        "import os, sys, sqlalchemy as sa\n"
        "from tutorial.results import load_results\n"
        # It imports all that it needs: root's Python may be in a folder that is closed to others.
        "load_results(sa.create_engine('sqlite://'))\n"
        "os.geteuid() or os.setuid(65534)\n"  # root may write to every folder
        "for url in sys.argv[1:]:\n"
        "    try: print(len(load_results(sa.create_engine(url))))\n"
        "    except ConnectionError as error: print(error)\n"
    )
    for parent in [folder, *folder.parents][:-1]:
        if parent.owner() == tmp_path.owner() and parent != Path(tempfile.gettempdir()):
            parent.chmod(0o755)
    path.chmod(0o444)
    folder.chmod(0o555)
    urls = [f"sqlite:///{path}", f"sqlite:///file:{path}?immutable=1&uri=true"]
    try:
        done = subprocess.run([sys.executable, "-c", code, *urls], capture_output=True, text=True)
    finally:
        folder.chmod(0o755)
    assert done.returncode == 0, done.stderr
    refused, rows = done.stdout.splitlines()
    assert f"read with the URL {urls[1]}" in refused
    assert rows == "1"


@pytest.mark.parametrize("scheme", few("postgresql+psycopg", "mysql+pymysql"))
def test_silent_server_has_a_limit_that_the_user_can_set(scheme: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:  # accepts, and never answers
        port = silent.getsockname()[1]
        options = {"connect_timeout": 2} | ({"read_timeout": 2} if "mysql" in scheme else {})
        engine = sa.create_engine(f"{scheme}://u:secret@127.0.0.1:{port}/x", connect_args=options)
        with pytest.raises(
            ConnectionError, match=rf"cannot be read: .*127\.0\.0\.1.*{port}"
        ) as caught:
            load_results(engine)
        assert "secret" not in str(caught.value)
        patient = sa.create_engine(f"{scheme}://u:secret@127.0.0.1:{port}/x")
        with pytest.raises(ConnectionError):
            load_results(patient)


def test_a_certificate_that_is_missing_is_one_sentence() -> None:
    engine = make_engine("mysql+pymysql://u:secret@127.0.0.1:1/x?ssl_ca=/no/such.pem")
    with pytest.raises(
        ConnectionError, match=r"such\.pem cannot be read: .*No such file"
    ) as raised:
        load_results(engine)
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize("reader", ["watch", "as_completed", "load_workflows", "payloads"])
def test_every_reader_gives_a_silent_server_up(
    reader: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "CONNECT_OPTIONS", {"pymysql": {"read_timeout": 1}})
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        engine = sa.create_engine(f"mysql+pymysql://u:secret@127.0.0.1:{port}/x")
        with pytest.raises(ConnectionError, match=rf"cannot be read: .*127\.0\.0\.1.*{port}"):
            READERS[reader](engine)
