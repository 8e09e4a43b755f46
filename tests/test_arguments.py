"""What is no argument of a public function is refused in one sentence, not by a library below."""

import datetime as dt
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import sqlalchemy as sa
from celery.exceptions import ImproperlyConfigured
from matplotlib.axes import Axes

from tutorial import broker, servers, tables
from tutorial.checks.arguments import shown
from tutorial.commands.doctor import _address
from tutorial.database import configure_engine, make_engine, sqlite_url
from tutorial.inspection import inspect
from tutorial.messages import join_timings, load_messages, payloads
from tutorial.plots import plot_states, plot_timeline, plot_workflow, show, text_alternative
from tutorial.reading.pickles import read_pickle
from tutorial.recovery import lost_tasks, requeue_lost
from tutorial.results import count_results, iter_results, load_groups, load_results
from tutorial.tasks import app
from tutorial.watching import alarms, watch
from tutorial.worker import Worker
from tutorial.workflows import as_completed, load_workflows, show_progress
from tutorial.workspace import open_workspace

INFINITE, NAN, HUGE = float("inf"), float("nan"), 10**400
UNKNOWN = app.AsyncResult("of no task")
TIMES = pd.DataFrame({"status": [], "date_done": []})
# Of each kind of argument: what a person may give by mistake, and what the error then says.
NO_ENGINE = [(each, "SQLAlchemy engine") for each in (None, 5, "sqlite:///a.db", sa)]
NO_NAME = [
    (5, "must be a string, but is 5"),
    (b"x", "must be a string, but is b'x'"),
    ("a\0b", "has a character that no system takes"),
    ("\ud800", "has a character that no system takes"),
]
NO_TABLE = [(None, "must be a string, but is None"), *NO_NAME]
NO_TIME = [
    (None, "must be a number of seconds, but is None"),
    ("5", "must be a number of seconds, but is '5'"),
    (True, "must be a number of seconds, but is True"),
    (-1, "must not be below 0 seconds, but is -1"),
    (NAN, "must not be below 0 seconds, but is nan"),
    (INFINITE, "must be at most .* seconds, but is inf"),
    (HUGE, "must be at most .* seconds, but is 1000"),
]
NO_NUMBER = [
    (None, "must be a whole number, but is None"),
    (1.5, "must be a whole number, but is 1.5"),
    (NAN, "must be a whole number, but is nan"),
    (True, "must be a whole number, but is True"),
    (int, "must be a whole number, but is <class 'int'>"),
    (-1, "must be at least .*, but is -1"),
    (HUGE, "must be at most .*, but is 1000"),
]
NO_ROWS = [(each, "must be a number of rows, at least") for each in (-1, 1.5, NAN, True, "5", int)]
NO_TRUTH = [(each, "must be True or False") for each in ("no", 1, INFINITE)]
NO_FRAME = [(each, "must be a DataFrame, but is of the type") for each in (None, 5, pd.Series())]
NO_AXES = [(each, "axes must be matplotlib's Axes, but is") for each in (5, "x", pd.DataFrame())]
NO_PATH = [
    (None, "path must be a path, but is None"),
    (5, "path must be a path, but is 5"),
    (b"x", "path must be a path, but is b'x'"),
    ("", "path is an empty string"),
    ("a\0b", "path has a character that no system takes"),
    ("sqlite:///a.db", "path is a URL already"),
]
NO_STEP = [
    (each, "step must be a ") for each in (5, "", "x", "-1s", "NaT", "1e30D", dt.timedelta())
]
NO_COLUMNS = [
    (5, r"write columns=\[5\]"),
    ([["name"]], r"No column is called \['name'\]"),
    ([None], "No column is called None"),
]
LARGE = [pd.DataFrame({"a": range(9)}), np.zeros((9, 9)), pd.Series(range(9))]
NO_WORDS = [(each, "must be a string or a list") for each in (5, b"x", ["a", 5], *LARGE[1:])]
NO_MOMENT = [
    *((each, "must be a string or a datetime") for each in (5, np.datetime64("now"), *LARGE)),
    *((each, "not a moment in ISO 8601's format") for each in (pd.NaT, "x" * 5000, "1\n")),
]
NO_ZONE = [(each, "There is no time zone") for each in (5, "", "x" * 5000, dt.UTC, *LARGE)]
READING: list[tuple[Callable[..., Any], int]] = [  # and how many engines it takes
    (load_results, 1),
    (iter_results, 1),
    (count_results, 1),
    (load_groups, 1),
    (inspect, 1),
    (load_workflows, 2),
    (lost_tasks, 2),
    (requeue_lost, 2),
]
LOADING = (load_results, iter_results)
NOTHING = object()  # in a table below: the argument that is tried


def tried(call: Callable[..., Any], *arguments: Any, cases: Any, **options: Any) -> list[Any]:
    """Return parameters of the test for one argument of a function, and what it may not be."""
    names = [*(f"argument {i}" for i, each in enumerate(arguments) if each is NOTHING)]
    names += [name for name, each in options.items() if each is NOTHING]
    return [
        pytest.param(call, arguments, options, *case, id=f"{call.__name__}, {names[0]}, {i}")
        for i, case in enumerate(cases)
    ]


ENGINE = sa.create_engine("sqlite://")
CASES = [
    *[
        case
        for call, engines in READING
        for case in tried(call, *[ENGINE] * (engines - 1), NOTHING, cases=NO_ENGINE)
    ],
    *[
        case
        for call, engines in READING
        for name, cases in (("table", NO_TABLE), ("schema", NO_NAME))
        for case in tried(call, *[ENGINE] * engines, cases=cases, **{name: NOTHING})
    ],
    *[
        case
        for call in LOADING
        for name, cases in (("columns", NO_COLUMNS), ("limit", NO_ROWS), ("decode", NO_TRUTH))
        for case in tried(call, ENGINE, cases=cases, **{name: NOTHING})
    ],
    *tried(
        load_results,
        ENGINE,
        since=NOTHING,
        cases=[
            ("9999-12-31T23:59:59-23:59", "not in the years 1 to 9999 in UTC"),
            (
                dt.datetime.min.replace(tzinfo=dt.timezone(dt.timedelta(hours=1))),
                "not in the years",
            ),
        ],
    ),
    *[
        case
        for call in (*LOADING, count_results)
        for case in [
            *tried(call, ENGINE, status=NOTHING, cases=NO_WORDS),
            *tried(call, ENGINE, name=NOTHING, cases=NO_WORDS),
            *tried(call, ENGINE, since=NOTHING, cases=NO_MOMENT),
            *tried(call, ENGINE, until=NOTHING, cases=NO_MOMENT),
            *tried(call, ENGINE, timezone=NOTHING, cases=NO_ZONE),
        ]
    ],
    *tried(iter_results, ENGINE, chunksize=NOTHING, cases=NO_ROWS),
    *tried(load_results, ENGINE, progress=NOTHING, cases=NO_TRUTH),
    *tried(count_results, ENGINE, NOTHING, cases=[([[]], "one or more"), (5, "not by 5")]),
    *tried(inspect, ENGINE, rows=NOTHING, cases=NO_NUMBER),
    *tried(inspect, ENGINE, seconds=NOTHING, cases=[*NO_TIME, (0, "must be a positive number")]),
    *tried(inspect, ENGINE, serializer=NOTHING, cases=[(5, "No serializer is called 5")]),
    *tried(inspect, ENGINE, show_values=NOTHING, cases=NO_TRUTH),
    *tried(inspect, ENGINE, progress=NOTHING, cases=NO_TRUTH),
    *tried(inspect, ENGINE, queue=NOTHING, cases=NO_ENGINE[1:]),
    *tried(
        inspect,
        ENGINE,
        expires=NOTHING,
        cases=[(5, "datetime.timedelta or None"), (dt.timedelta(-1), "must not be below 0")],
    ),
    *tried(requeue_lost, ENGINE, ENGINE, NOTHING, cases=[(5, "such as"), ([[]], "such as")]),
    *tried(load_messages, ENGINE, timezone=NOTHING, cases=[(0, "time zone"), ("", "time zone")]),
    *tried(join_timings, NOTHING, TIMES, cases=[*NO_FRAME, (TIMES, "no column 'task_id'")]),
    *tried(payloads, NOTHING, cases=NO_ENGINE),
    *tried(tables.find_tasks, NOTHING, [], [], cases=NO_ENGINE),
    *tried(tables.find_tasks, ENGINE, [], [], table=NOTHING, cases=NO_TABLE),
    *[
        case
        for call in (as_completed, show_progress)
        for case in [
            *tried(call, UNKNOWN, NOTHING, cases=NO_ENGINE),
            *tried(call, NOTHING, ENGINE, cases=[(5, "Expected the result of a task or a group")]),
            *tried(call, UNKNOWN, ENGINE, timeout=NOTHING, cases=NO_TIME),
            *tried(call, UNKNOWN, ENGINE, interval=NOTHING, cases=NO_TIME),
            *tried(call, UNKNOWN, ENGINE, table=NOTHING, cases=NO_NAME),
            *tried(call, UNKNOWN, ENGINE, schema=NOTHING, cases=NO_NAME),
        ]
    ],
    *tried(watch, NOTHING, cases=NO_ENGINE),
    *tried(watch, ENGINE, longest=NOTHING, cases=NO_NUMBER),
    *tried(alarms, "sqlite", kept=NOTHING, cases=NO_NUMBER),
    *tried(alarms, NOTHING, cases=[([], "no alarms for"), (None, "no alarms for None")]),
    *tried(configure_engine, NOTHING, cases=NO_ENGINE),
    *tried(sqlite_url, NOTHING, cases=NO_PATH),
    *tried(make_engine, NOTHING, cases=[(5, "URL cannot be read"), (b"x", "URL cannot be read")]),
    *tried(read_pickle, NOTHING, cases=[(5, "int"), (None, "NoneType")]),
    *tried(plot_states, NOTHING, cases=[*NO_FRAME, (pd.DataFrame(), "no column 'status'")]),
    *tried(plot_states, TIMES, step=NOTHING, cases=NO_STEP),
    *tried(plot_states, TIMES, axes=NOTHING, cases=NO_AXES),
    *tried(plot_timeline, NOTHING, cases=[*NO_FRAME, (TIMES, "no column 'worker'")]),
    *tried(plot_workflow, NOTHING, cases=[*NO_FRAME, (TIMES, "no column 'task_id'")]),
    *tried(show, NOTHING, cases=[*NO_AXES, (None, "must be matplotlib's Axes")]),
    *tried(text_alternative, NOTHING, cases=NO_AXES),
    *tried(servers.postgresql, private=NOTHING, cases=NO_TRUTH),
    *tried(Worker().stop, NOTHING, cases=NO_TIME),
    *tried(Worker().start, NOTHING, cases=NO_TIME),
    *tried(Worker().logs, NOTHING, cases=NO_NUMBER[1:]),
    *tried(Worker, NOTHING, cases=[("a\0b", "no system takes"), ("\ud800", "no system takes")]),
    *tried(Worker, queues=NOTHING, cases=[("a\0b", "no system"), (["\ud800"], "no system")]),
    *tried(Worker, hostname=NOTHING, cases=[("\ud800", "no system"), ("x" * 201, "at most 200")]),
    *tried(Worker, logfile=NOTHING, cases=[("a\0b", "no system takes"), (b"x", "must be a path")]),
    *tried(Worker, concurrency=NOTHING, cases=NO_NUMBER),
    *tried(open_workspace, NOTHING, cases=[(each, "must be a string") for each in (None, 5, b"x")]),
    *tried(open_workspace, NOTHING, cases=[("a\0b", "no system takes")]),
]


@pytest.mark.filterwarnings("ignore:.*has no table")
@pytest.mark.parametrize(("call", "arguments", "options", "value", "sentence"), CASES)
def test_a_wrong_argument_is_one_sentence(
    call: Callable[..., Any], arguments: Any, options: Any, value: Any, sentence: str
) -> None:
    arguments = [value if each is NOTHING else each for each in arguments]
    options = {name: value if each is NOTHING else each for name, each in options.items()}
    with pytest.raises((TypeError, ValueError, ImproperlyConfigured), match=sentence) as raised:
        found = call(*arguments, **options)
        list(found) if hasattr(found, "__next__") else None  # a generator begins only now
    assert "\n" not in str(raised.value)
    assert len(str(raised.value)) < 300
    assert raised.traceback[-1].path.is_relative_to(Path(tables.__file__).parent)


def test_numbers_of_every_kind_are_taken() -> None:
    engine = sa.create_engine("sqlite://")
    app_tables = sa.MetaData()
    sa.Table("celery_taskmeta", app_tables, sa.Column("id", sa.Integer, primary_key=True))
    app_tables.create_all(engine)
    for number in (np.int64(3), 10**30):
        assert load_results(engine, limit=number).empty
        assert list(iter_results(engine, chunksize=number, limit=number)) == []
    assert "-3 minutes" in alarms("sqlite", longest=np.int64(3))["tasks that take too long"]


def test_an_sqlite_file_can_be_given_as_text(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    assert sqlite_url("x.db") == sqlite_url(tmp_path / "x.db")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))  # the home folder on Windows
    assert sqlite_url("~/x.db") == sqlite_url("x.db")


def test_an_error_shows_a_value_in_one_short_line() -> None:
    class Broken:
        def __repr__(self) -> str:
            raise RuntimeError

    for value in (10**5000, "x" * 100_000, pd.DataFrame({"a": range(100)}), Broken()):
        assert len(shown(value)) < 100
        assert "\n" not in shown(value)


def test_a_broker_without_a_host_has_an_address() -> None:
    assert _address("sqs://") == "sqs at its default address"
    assert _address("redis://:secret@example.org:1/0") == "redis at example.org:1"


def test_a_database_that_cannot_be_read_is_one_sentence(tmp_path: Path) -> None:
    text = tmp_path / "text.db"
    text.write_text("This is not a database. " * 50)
    engine = sa.create_engine(f"sqlite:///{text}")
    queue = broker.queue_engine()
    for call in (
        lambda: watch(engine),
        lambda: list(as_completed(UNKNOWN, engine)),
        lambda: lost_tasks(queue, engine),
        lambda: requeue_lost(queue, engine),
    ):
        with pytest.raises(ConnectionError, match="cannot be read: file is not a database"):
            call()


def test_plots_take_none_for_new_axes() -> None:
    assert isinstance(plot_states(TIMES.astype({"date_done": "datetime64[us, UTC]"})), Axes)
