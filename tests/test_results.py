import datetime as dt
import os
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import sqlalchemy as sa
from celery.result import GroupResult
from stored_results import FAILURE_TRACEBACK, VALUES, make_app, store, store_everything

from tutorial import results
from tutorial.database import make_engine
from tutorial.messages import join_timings, load_messages
from tutorial.reading import arrow
from tutorial.reading import table as reading_table
from tutorial.recovery import lost_tasks, requeue_lost
from tutorial.results import (
    RESULT_COLUMNS,
    count_results,
    iter_results,
    load_groups,
    load_results,
)
from tutorial.workflows import load_workflows

DTYPES = {
    "id": "int64",
    "task_id": "str",
    "name": "category",
    "args": "object",
    "kwargs": "object",
    "status": "category",
    "result": "object",
    "exception": "category",
    "traceback": "str",
    "date_done": "datetime64[us, UTC]",
    "worker": "category",
    "queue": "category",
    "retries": "Int64",
    "children": "object",
    "stamps": "object",
    "undecodable": "category",
}


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> str:
    url = f"sqlite:///{tmp_path_factory.mktemp('stored')}/results.db"
    make_engine(url).connect().close()  # in WAL mode, as the course's workers make it
    store_everything(make_app(url))
    return url


@pytest.fixture(scope="module")
def engine(url: str) -> sa.Engine:
    return make_engine(url)


@pytest.fixture(scope="module")
def frame(engine: sa.Engine) -> pd.DataFrame:
    return load_results(engine)


def same(left: Any, right: Any) -> bool:
    """Compare two cells: of one type, and equal or both missing."""
    if type(left) is not type(right):
        return False
    return left == right or (left != left and right != right)


def assert_same_frame(left: pd.DataFrame, right: pd.DataFrame) -> None:
    pd.testing.assert_index_equal(left.columns, right.columns)
    assert dict(left.dtypes.astype(str)) == dict(right.dtypes.astype(str))
    for column in left:
        pairs = zip(left[column].astype(object), right[column].astype(object), strict=True)
        assert all(same(*pair) for pair in pairs), column


# What is in the frame


def test_columns_have_pandas_own_types(frame: pd.DataFrame) -> None:
    assert dict(frame.dtypes.astype(str)) == DTYPES
    assert list(frame["id"]) == sorted(frame["id"])


@pytest.mark.parametrize("name", VALUES)
def test_value_comes_back_as_it_was_returned(frame: pd.DataFrame, name: str) -> None:
    row = frame.set_index("task_id").loc[f"value-{name}"]
    assert same(row["result"], VALUES[name])
    assert same(row["kwargs"]["value"], VALUES[name])
    assert row["args"] == [name]
    assert pd.isna(row["exception"])


def test_what_celery_says_of_a_failure(frame: pd.DataFrame) -> None:
    row = frame.set_index("task_id").loc["failed"]
    assert row["status"] == "FAILURE"
    assert row["exception"] == row["result"]["exc_type"] == "ZeroDivisionError"
    assert row["result"]["exc_message"] == ["division by zero"]
    assert row["traceback"] == FAILURE_TRACEBACK
    assert row["worker"] == "two@here"


def test_states_are_in_the_order_of_life(frame: pd.DataFrame) -> None:
    assert list(frame["status"].cat.categories) == (
        ["STARTED", "RETRY", "SUCCESS", "FAILURE", "REVOKED", "PROGRESS"]
    )
    by_id = frame.set_index("task_id")
    assert list(by_id.loc[["retried", "revoked"], "exception"]) == ["TimeoutError", "Exception"]
    assert by_id.loc["retried", "retries"] == 2
    assert by_id.loc["own", "queue"] == "slow"
    assert pd.isna(by_id.loc["started", "date_done"])
    assert by_id.loc["parent", "children"] == [[["child", None], None]]
    assert by_id.loc["stamped", "stamps"]["stamps"] == {"user": ["ada"]}


def test_every_row_is_what_celery_reads(url: str, frame: pd.DataFrame) -> None:
    app = make_app(url)
    for row in frame.itertuples():
        meta = app.backend.get_task_meta(row.task_id)
        assert meta["status"] == row.status
        if row.status not in ("FAILURE", "RETRY", "REVOKED"):
            assert same(meta["result"], row.result)


def test_without_decoding_the_bytes_stay(engine: sa.Engine, frame: pd.DataFrame) -> None:
    raw = load_results(engine, decode=False).set_index("task_id")
    assert raw.loc["value-integer", "result"] == b"3"
    assert raw.loc["value-integer", "args"] == b'["integer"]'
    assert raw["exception"].isna().all()
    assert dict(raw.reset_index()[list(DTYPES)].dtypes.astype(str)) == DTYPES


# Which rows and columns


def test_filters_are_those_of_pandas(engine: sa.Engine, frame: pd.DataFrame) -> None:
    def ids(**filters: Any) -> list[int]:
        return list(load_results(engine, **filters)["id"])

    assert ids(status="FAILURE") == list(frame["id"][frame["status"] == "FAILURE"])
    assert ids(status=["RETRY", "REVOKED"], name="tutorial.tasks.fetch") == list(
        frame["id"][frame["name"] == "tutorial.tasks.fetch"]
    )
    done = frame["date_done"].dropna()
    middle = done.iloc[len(done) // 2]
    assert ids(since=middle) == list(frame["id"][frame["date_done"] >= middle])
    assert ids(until=middle.isoformat()) == list(frame["id"][frame["date_done"] < middle])
    berlin = middle.tz_convert("Europe/Berlin")
    assert ids(since=berlin, until=berlin) == []
    assert ids(since=middle.tz_localize(None).to_pydatetime()) == ids(since=middle)
    assert ids(since=dt.date(2020, 1, 1)) == list(frame["id"][frame["date_done"].notna()])
    assert ids(limit=3) == list(frame["id"][:3])
    assert ids(limit=0) == ids(status=[]) == ids(status="NONE") == []


def test_chosen_columns(engine: sa.Engine, frame: pd.DataFrame) -> None:
    chosen = ["exception", "task_id", "undecodable"]
    assert_same_frame(load_results(engine, columns=chosen), frame[chosen])
    assert load_results(engine, columns=[]).shape == (len(frame), 0)


@pytest.mark.parametrize("chunksize", [1, 5, 1000])
def test_pieces_make_the_whole(engine: sa.Engine, frame: pd.DataFrame, chunksize: int) -> None:
    pieces = list(iter_results(engine, chunksize=chunksize))
    assert {len(piece) for piece in pieces[:-1]} <= {chunksize}
    for column in RESULT_COLUMNS:
        whole = [cell for piece in pieces for cell in piece[column].astype(object)]
        assert all(map(same, whole, frame[column].astype(object)))
    assert len(list(iter_results(engine, chunksize=chunksize, limit=2, status="SUCCESS"))) <= 2


def test_counts_are_those_of_pandas(engine: sa.Engine, frame: pd.DataFrame) -> None:
    counts = count_results(engine)
    assert counts.to_dict() == frame["status"].value_counts().to_dict()
    assert counts.is_monotonic_decreasing
    both = count_results(engine, by=["name", "worker"], status=["SUCCESS", "FAILURE"])
    assert both["tutorial.tasks.add", "two@here"] == 1
    assert both.dtype == "int64"


def test_large_file_gives_the_same_frame(
    engine: sa.Engine, frame: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = []
    original = arrow.read
    monkeypatch.setattr(reading_table, "LARGE", 0)
    monkeypatch.setattr(arrow, "read", lambda *a: read.append(a) or original(*a))
    assert_same_frame(load_results(engine), frame)
    assert len(read) == 1
    failed = load_results(engine, status=["FAILURE", "it's; DROP TABLE"], since="2020-01-01")
    assert len(failed) == 1
    monkeypatch.setattr(arrow, "available", lambda: False)
    assert_same_frame(load_results(engine), frame)
    assert len(read) == 2


def test_reader_that_fails_loses_no_row_in_silence(engine: sa.Engine) -> None:
    assert engine.url.database
    with pytest.raises(OSError, match=r"cannot be read with ADBC: .*no such table: missing"):
        list(arrow.read(Path(engine.url.database), "SELECT 1 FROM missing"))


# Other tables


def test_no_result_yet_gives_an_empty_frame(tmp_path: Path) -> None:
    engine = make_engine(f"sqlite:///{tmp_path}/new.db")
    with pytest.warns(UserWarning, match="no table celery_taskmeta: nothing has been stored"):
        empty = load_results(engine)
    assert len(empty) == 0
    assert dict(empty.dtypes.astype(str)) == DTYPES
    with pytest.warns(UserWarning, match="no table"):
        assert list(iter_results(engine)) == []
        assert len(count_results(engine)) == len(load_groups(engine)) == 0
        messages = load_messages(engine)
    assert len(join_timings(empty, messages)) == len(messages) == 0
    assert list(tmp_path.iterdir()) == []


def test_table_of_another_name(tmp_path: Path, frame: pd.DataFrame) -> None:
    url = f"sqlite:///{tmp_path}/renamed.db"
    store_everything(make_app(url))
    engine = make_engine(url)
    with engine.begin() as connection:
        connection.exec_driver_sql('ALTER TABLE celery_taskmeta RENAME TO "my tasks"')
    assert list(load_results(engine, table="my tasks")["task_id"]) == list(frame["task_id"])
    assert count_results(engine, table="my tasks", schema="main")["REVOKED"] == 1
    with pytest.raises(
        ValueError, match=r"celery_tasks, but my tasks looks .* table='my tasks'\.$"
    ):
        load_results(engine, table="celery_tasks")


OLD = """CREATE TABLE celery_taskmeta (id INTEGER PRIMARY KEY, task_id VARCHAR(155) UNIQUE,
status VARCHAR(50), result BLOB, date_done DATETIME, traceback TEXT)"""


def test_old_table_with_pickles(tmp_path: Path) -> None:
    engine = make_engine(f"sqlite:///{tmp_path}/old.db")
    stored = pickle.dumps([1, 2])
    with engine.begin() as connection:
        connection.exec_driver_sql(OLD)
        row = ("a", "SUCCESS", stored, "2020-01-01 10:00:00.000000", None)
        connection.exec_driver_sql("INSERT INTO celery_taskmeta VALUES (1, ?, ?, ?, ?, ?)", row)
    frame = load_results(engine)
    assert dict(frame.dtypes.astype(str)) == DTYPES
    assert frame["result"][0] == [1, 2]
    assert frame["undecodable"].isna().all()
    assert frame["date_done"][0] == pd.Timestamp("2020-01-01 10:00", tz="UTC")
    assert frame[["name", "args", "worker", "children", "stamps"]].isna().all(axis=None)
    with pytest.raises(ValueError, match="has no column 'name': Celery keeps it if result_ext"):
        load_results(engine, name="add")


class Payload:
    """Something whose unpickling leaves a trace."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> Any:
        return Path.touch, (self.trace,)


def test_planted_pickle_runs_in_celery_and_not_here(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/planted.db"
    app = make_app(url)
    store(app, "planted", 1)
    engine = make_engine(url)
    trace = tmp_path / "trace"
    with engine.begin() as connection:
        planted = sa.text("UPDATE celery_taskmeta SET result = :x, args = :x, kwargs = :x")
        connection.execute(planted, {"x": pickle.dumps(Payload(trace))})
    frame = load_results(engine)
    assert frame["undecodable"][0] == "args, kwargs, result"
    assert not trace.exists()
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE celery_taskmeta SET args = NULL, kwargs = NULL")
    assert app.AsyncResult("planted").state == "SUCCESS"
    assert trace.exists(), "Celery no longer unpickles: say so in the chapter"


def test_groups(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/groups.db"
    app = make_app(url)
    tasks = [app.AsyncResult(name) for name in ("a", "b")]
    GroupResult("g", tasks, app=app).save(backend=app.backend)
    groups = load_groups(make_engine(url))
    assert dict(groups.dtypes.astype(str)) == {
        "group_id": "str",
        "date_done": "datetime64[us, UTC]",
        "task_ids": "object",
        "undecodable": "category",
    }
    assert groups["group_id"][0] == "g"
    assert list(groups.explode("task_ids")["task_ids"]) == ["a", "b"]
    assert abs(groups["date_done"][0] - pd.Timestamp.now("UTC")) < pd.Timedelta("1min")


# Reading and nothing else


def test_read_only_file(url: str, engine: sa.Engine, frame: pd.DataFrame) -> None:
    path = engine.url.database
    reading = make_engine(f"sqlite:///file:{path}?mode=ro&uri=true")
    with pytest.raises(sa.exc.OperationalError, match="readonly"), reading.begin() as connection:
        connection.exec_driver_sql("DELETE FROM celery_taskmeta")
    assert_same_frame(load_results(reading), frame)


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root may write to every file")
def test_file_without_the_right_to_write(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/results.db"
    store(make_app(url), "a", 1)
    (tmp_path / "results.db").chmod(0o400)
    assert load_results(make_engine(url))["result"][0] == 1


def test_statements_are_all_select(engine: sa.Engine) -> None:
    statements: list[str] = []

    def watch(*arguments: Any) -> None:
        statements.append(arguments[2])

    sa.event.listen(sa.Engine, "before_cursor_execute", watch)
    try:
        load_results(engine)
        list(iter_results(engine))
        count_results(engine)
        load_groups(engine)
    finally:
        sa.event.remove(sa.Engine, "before_cursor_execute", watch)
    assert {statement.split(None, 1)[0] for statement in statements} == {"SELECT", "PRAGMA"}
    assert not any("=" in text for text in statements if text.startswith("PRAGMA"))


def test_no_connection_stays_open_between_pieces(url: str) -> None:
    engine = make_engine(url)
    for _piece in iter_results(engine, chunksize=5):
        assert engine.pool.checkedout() == 0  # type: ignore[attr-defined]


def test_workers_do_not_import_pandas() -> None:
    code = "import sys, tutorial.tasks, tutorial.processes.worker; print('pandas' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


# Time


@pytest.mark.parametrize("zone", ["UTC", "America/Los_Angeles", "Asia/Kolkata"])
def test_date_done_of_an_app_in_another_zone(tmp_path: Path, zone: str) -> None:
    url = f"sqlite:///{tmp_path}/zone.db"
    before = pd.Timestamp.now("UTC")
    store(make_app(url, timezone=zone), "a", 1)
    after = pd.Timestamp.now("UTC")
    engine = make_engine(url)
    assert before <= load_results(engine, timezone=zone)["date_done"][0] <= after
    assert len(load_results(engine, timezone=zone, since=before, until=after)) == 1
    assert len(load_results(engine, timezone=zone, since=after)) == 0


def test_clock_that_goes_back_and_forth(tmp_path: Path) -> None:
    engine = make_engine(f"sqlite:///{tmp_path}/clock.db")
    times = ["2026-03-29 02:30:00", "2026-10-25 02:30:00"]  # skipped, and shown twice
    with engine.begin() as connection:
        connection.exec_driver_sql(OLD)
        for time in times:
            sql = "INSERT INTO celery_taskmeta (task_id, date_done) VALUES (?, ?)"
            connection.exec_driver_sql(sql, (time, time))
    frame = load_results(engine, timezone="Europe/Berlin")
    assert list(frame["date_done"].astype(str)) == [
        "2026-03-29 01:00:00+00:00",
        "2026-10-25 00:30:00+00:00",
    ]


# Bad input


@pytest.mark.parametrize(
    ("arguments", "error", "sentence"),
    [
        ({"columns": ["nmae"]}, ValueError, "No column is called 'nmae'; use id, task_id"),
        ({"columns": "name"}, TypeError, r"write columns=\['name'\]"),
        ({"status": 3}, TypeError, "The status must be a string or a list of strings, but is 3"),
        ({"name": [None]}, TypeError, "The name must be a string or a list of strings"),
        ({"since": 5}, TypeError, "The moment 'since' must be a string or a datetime, but is 5"),
        ({"until": "yesterdy"}, ValueError, "until='yesterdy' is not a moment in ISO 8601"),
        ({"until": ""}, ValueError, "until='' is not a moment"),
        ({"limit": -1}, ValueError, "The limit must be a number of rows, at least 0, but is -1"),
        (
            {"limit": True},
            ValueError,
            "The limit must be a number of rows, at least 0, but is True",
        ),
        ({"decode": "no"}, TypeError, "decode must be True or False, but is 'no'"),
        ({"table": 5}, TypeError, "The name of the table must be a string, but is 5"),
        ({"schema": ["s"]}, TypeError, r"The name of the schema must be a string, but is \['s'\]"),
        ({"timezone": "Mars"}, ValueError, "There is no time zone 'Mars'"),
    ],
)
def test_bad_argument(
    engine: sa.Engine, arguments: dict[str, Any], error: type[Exception], sentence: str
) -> None:
    with pytest.raises(error, match=sentence):
        load_results(engine, **arguments)


def test_bad_arguments_of_the_others(engine: sa.Engine, frame: pd.DataFrame) -> None:
    with pytest.raises(
        ValueError, match="The chunksize must be a number of rows, at least 1, but is 0"
    ):
        list(iter_results(engine, chunksize=0))
    with pytest.raises(ValueError, match="Tasks are counted by status, name"):
        count_results(engine, by="result")
    with pytest.raises(TypeError, match=r"with a SQLAlchemy engine.*; this is a str"):
        load_results("sqlite:///results.db")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="counted by the names of columns, not by 5"):
        count_results(engine, by=5)  # type: ignore[arg-type]
    for read in (load_workflows, lost_tasks, requeue_lost):
        for engines in (("sqlite:///a.db", engine), (engine, "sqlite:///a.db")):
            with pytest.raises(TypeError, match=r"with a SQLAlchemy engine.*; this is a str"):
                read(*engines)
    with pytest.raises(TypeError, match="task_ids must be a collection of ids"):
        requeue_lost(engine, engine, 5)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="The frame of results has no column 'worker'"):
        join_timings(frame.drop(columns="worker"), frame)


def test_database_that_cannot_be_read(tmp_path: Path) -> None:
    text = tmp_path / "text.db"
    text.write_text("This is not a database. " * 50)
    for url, cause in [
        (f"sqlite:///{tmp_path}/no/such.db", "unable to open database file"),
        (f"sqlite:///{text}", "file is not a database"),
    ]:
        with pytest.raises(ConnectionError, match=rf"^The database .* cannot be read: {cause}"):
            load_results(sa.create_engine(url))


def test_progress_bar_only_when_it_takes_long(
    engine: sa.Engine, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    load_results(engine)
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(results, "BAR_DELAY", 0)
    load_results(engine)
    assert "100%" in capsys.readouterr().err
    load_results(engine, progress=False)
    assert capsys.readouterr().err == ""


def test_equal_values_are_decoded_once(engine: sa.Engine) -> None:
    frame = load_results(engine).set_index("task_id")
    first, second = frame.loc[["failed", "parent"], "args"]
    assert first == [1, 2]
    assert first is second
    assert isinstance(frame["result"].to_numpy(), np.ndarray)
