"""The same frame from every database; the servers are found through the environment."""

import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import sqlalchemy as sa
from databases import POSTGRESQL_VARIABLE, server_url
from stored_results import VALUES, make_app, store, store_everything
from test_results import assert_same_frame

from tutorial.database import make_engine
from tutorial.reading import arrow, table
from tutorial.results import count_results, iter_results, load_results

VARIABLES = {
    "postgresql": POSTGRESQL_VARIABLE,
    "mariadb": "TUTORIAL_MARIADB_URL",
}


@pytest.fixture(scope="module", params=VARIABLES)
def url(request: pytest.FixtureRequest) -> Iterator[sa.URL]:
    """Yield the URL of an empty database of its own."""
    server = server_url(VARIABLES[request.param])
    name = f"tutorial_{uuid.uuid4().hex[:12]}"
    administration = sa.create_engine(server, isolation_level="AUTOCOMMIT")
    with administration.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
        yield server.set(database=name)
        force = " WITH (FORCE)" if request.param == "postgresql" else ""
        connection.exec_driver_sql(f"DROP DATABASE {name}{force}")
    administration.dispose()


def text(url: sa.URL) -> str:
    return url.render_as_string(hide_password=False)


@pytest.fixture(scope="module")
def engine(url: sa.URL) -> sa.Engine:
    store_everything(make_app(text(url)))
    return make_engine(url)


def test_same_frame_as_from_sqlite(engine: sa.Engine, tmp_path: Path) -> None:
    other = f"sqlite:///{tmp_path}/results.db"
    store_everything(make_app(other))
    ours, theirs = load_results(make_engine(other)), load_results(engine)
    assert (theirs["date_done"] - ours["date_done"]).abs().max() < pd.Timedelta("10min")
    # The stack lines and the moment differ from run to run; all else is the same, cell by cell.
    assert_same_frame(theirs.drop(columns="date_done"), ours.drop(columns="date_done"))
    assert list(theirs["date_done"].isna()) == list(ours["date_done"].isna())
    assert len(theirs) == len(VALUES) + 7
    pieces = [piece["id"] for piece in iter_results(engine, chunksize=4)]
    assert list(pd.concat(pieces)) == list(theirs["id"])
    assert count_results(engine).to_dict() == theirs["status"].value_counts().to_dict()


def test_large_table_gives_the_same_frame(
    url: sa.URL, engine: sa.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    if url.get_backend_name() != "postgresql":
        pytest.skip("ADBC has a driver for PostgreSQL alone of the servers")
    store(make_app(text(url)), "odd", 1, task="it's; 50 % :of\\")
    frame = load_results(engine)
    middle = frame["date_done"].dropna().iloc[8]
    arguments: list[dict[str, Any]] = [
        {"name": ["it's; 50 % :of\\", "none"]},
        {"since": middle, "status": "SUCCESS"},
        {"columns": ["date_done", "retries"]},
    ]
    expected = [load_results(engine, **each) for each in arguments]
    read = []
    original = arrow.read_postgresql
    monkeypatch.setattr(table, "LARGE", 0)
    monkeypatch.setattr(arrow, "read_postgresql", lambda *a: read.append(a) or original(*a))
    assert_same_frame(load_results(engine), frame)
    for each, right in zip(arguments, expected, strict=True):
        assert_same_frame(load_results(engine, **each), right)
    assert len(read) == 4
    # Another role or search_path than that of the URL: the connection of ADBC's has neither.
    other = sa.create_engine(url)
    sa.event.listen(other, "connect", lambda c, _: c.execute("SET ROLE pg_read_all_data"))
    assert_same_frame(load_results(other), frame)
    update = "UPDATE celery_taskmeta SET date_done = {} WHERE task_id = 'odd'"
    with engine.begin() as connection:
        connection.exec_driver_sql(update.format("'infinity'"))
    assert load_results(engine)["undecodable"].iloc[-1] == "date_done"
    with engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM celery_taskmeta WHERE task_id = 'odd'")


def test_filters(engine: sa.Engine) -> None:
    frame = load_results(engine)
    middle = frame["date_done"].dropna().iloc[8]
    chosen = load_results(engine, status=["SUCCESS", "FAILURE"], since=middle, limit=3)
    expected = frame[frame["status"].isin(["SUCCESS", "FAILURE"]) & (frame["date_done"] >= middle)]
    assert list(chosen["id"]) == list(expected["id"][:3])


@pytest.mark.parametrize("zone", ["UTC", "America/Los_Angeles", "Asia/Kolkata"])
def test_date_done_of_an_app_in_another_zone(url: sa.URL, zone: str) -> None:
    before = pd.Timestamp.now("UTC").floor("s")
    name = f"zone-{zone}"
    store(make_app(text(url), timezone=zone), name, 1)
    after = pd.Timestamp.now("UTC").ceil("s")  # MariaDB's DATETIME has no fractions of a second
    # PostgreSQL converts to the session's zone, whatever the app's is; the others keep the app's.
    told = {} if url.get_backend_name() == "postgresql" else {"timezone": zone}
    frame = load_results(make_engine(url), since=before, until=after + pd.Timedelta("1s"), **told)
    assert name in list(frame["task_id"])
    moment = frame.set_index("task_id").loc[name, "date_done"]
    assert before <= moment <= after


def test_session_in_another_zone(url: sa.URL) -> None:
    if url.get_backend_name() != "postgresql":
        pytest.skip("only PostgreSQL converts to the zone of the session")
    there = url.update_query_dict({"options": "-c timezone=Asia/Tokyo"})
    before = pd.Timestamp.now("UTC")
    store(make_app(text(there)), "tokyo", 1)
    after = pd.Timestamp.now("UTC")
    frame = load_results(make_engine(there), since=before, until=after + pd.Timedelta("1s"))
    moment = frame.set_index("task_id").loc["tokyo", "date_done"]
    assert before <= moment <= after


def test_strange_times(url: sa.URL) -> None:
    strange = "infinity" if url.get_backend_name() == "postgresql" else "0000-00-00 00:00:00"
    engine = make_engine(url)
    store(make_app(text(url)), "strange", 1)
    with engine.begin() as connection:
        if url.get_backend_name() != "postgresql":
            connection.exec_driver_sql("SET SESSION sql_mode = ''")
        update = "UPDATE celery_taskmeta SET date_done = '{}' WHERE task_id = 'strange'"
        connection.exec_driver_sql(update.format(strange))
    row = load_results(engine).set_index("task_id").loc["strange"]
    assert row["date_done"] is pd.NaT
    assert row["undecodable"] == "date_done"
    with engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM celery_taskmeta WHERE task_id = 'strange'")


def test_schema_and_table_of_another_name(url: sa.URL) -> None:
    if url.get_backend_name() != "postgresql":
        pytest.skip("in MariaDB a schema is a database")
    engine = make_engine(url)
    ids = list(load_results(engine, columns=["id"])["id"])
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE SCHEMA IF NOT EXISTS jobs")
        connection.exec_driver_sql("CREATE TABLE jobs.done AS SELECT * FROM celery_taskmeta")
    assert list(load_results(engine, table="done", schema="jobs")["id"]) == ids
    with pytest.raises(ValueError, match=r"has no table jobs\.nothing"):
        load_results(engine, table="nothing", schema="jobs")


def test_right_to_select_is_enough(url: sa.URL) -> None:
    engine = make_engine(url)
    role = f"reader_{uuid.uuid4().hex[:8]}"
    postgresql = url.get_backend_name() == "postgresql"
    name = role if postgresql else f"'{role}'@'%%'"
    login = "LOGIN PASSWORD 'secret'" if postgresql else "IDENTIFIED BY 'secret'"
    with engine.begin() as connection:
        connection.exec_driver_sql(f"CREATE {'ROLE' if postgresql else 'USER'} {name} {login}")
        connection.exec_driver_sql(f"GRANT SELECT ON celery_taskmeta TO {name}")
    reading = make_engine(url.set(username=role, password="secret"))
    try:
        with (
            pytest.raises(sa.exc.DBAPIError, match="denied"),
            reading.begin() as connection,
        ):
            connection.exec_driver_sql("DELETE FROM celery_taskmeta")
        assert_same_frame(load_results(reading), load_results(engine))
        with engine.begin() as connection:
            connection.exec_driver_sql(f"REVOKE SELECT ON celery_taskmeta FROM {name}")
        with pytest.raises(ConnectionError, match="denied") as caught:
            load_results(reading)
        assert "secret" not in str(caught.value)
    finally:
        reading.dispose()
        with engine.begin() as connection:
            connection.exec_driver_sql(f"DROP {'ROLE' if postgresql else 'USER'} {name}")


def test_reader_holds_up_no_writer(url: sa.URL) -> None:
    engine = make_engine(url)
    locks: list[Any] = []
    for _piece in iter_results(engine, chunksize=3):
        with engine.begin() as connection:
            connection.exec_driver_sql(
                "LOCK TABLE celery_taskmeta IN ACCESS EXCLUSIVE MODE NOWAIT"
                if url.get_backend_name() == "postgresql"
                else "LOCK TABLES celery_taskmeta WRITE NOWAIT"
            )
            locks.append(1)
            if url.get_backend_name() != "postgresql":
                connection.exec_driver_sql("UNLOCK TABLES")
    assert locks


def test_server_that_does_not_answer(url: sa.URL) -> None:
    with pytest.raises(ConnectionError, match=r"^The database .* cannot be read: ") as caught:
        load_results(make_engine(url.set(port=1, password="secret")))
    assert "secret" not in str(caught.value)
    assert "\n" not in str(caught.value)
