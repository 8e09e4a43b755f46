"""The exercises of chapter 05: a project of your own."""

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import chdir
from datetime import UTC, datetime
from pathlib import Path
from random import randint
from typing import Any

import pandas as pd
import sqlalchemy as sa

from tutorial.database import make_engine, sqlite_url
from tutorial.exercises.checking import WrongAnswer, case, exercise, expect, shown
from tutorial.results import load_results
from tutorial.tables import TASK_TABLE
from tutorial.worker import Worker, WorkerStartError

START_LIMIT = 120  # seconds for the learner's program to answer; it only ends what hangs
ASK = "from tasks import app; print(app.conf.result_backend)"
SEND = "from tasks import add; print(add.delay({}, {}).get(timeout=60))"


@exercise(
    points=3,
    hints=[
        "Begin with the three files of the chapter: database.py, celeryconfig.py and tasks.py.",
        "The check sends the task from another folder, so the paths in both URLs must be absolute.",
        "The row has the task's name only with result_extended = True.",
    ],
)
def exercise_1(folder: Path) -> str:
    """Start ``celery -A tasks worker`` in the learner's folder, send ``add``, and find the row."""
    if not isinstance(folder, str | Path):
        raise WrongAnswer(f"`folder` should be a path, but is {shown(folder)}.")
    place = Path(folder).resolve()
    if not (place / "tasks.py").is_file():
        raise WrongAnswer(f"There is no file tasks.py in the folder {place.name!r}.")
    url = _result_url(place)
    x, y = randint(10, 99), randint(10, 99)
    worker = Worker("tasks", pool="solo", hostname="check@exercise")
    try:
        with chdir(place):
            worker.start(timeout=START_LIMIT)
        printed = _python(SEND.format(x, y), place)
    except WorkerStartError as error:
        raise WrongAnswer(f"The worker did not start: {str(error).splitlines()[-1]}") from None
    finally:
        worker.stop()
    expect(printed, str(x + y), f"add({x}, {y}): ")
    results = load_results(make_engine(url))
    own = results[results["result"] == x + y]
    if own.empty:
        raise WrongAnswer(f"The table {TASK_TABLE} has no row with the result of the task.")
    if own["name"].isna().all():
        raise WrongAnswer("The row does not say which task it belongs to: name is missing.")
    return f"A worker ran your task, and its row is in {Path(url.database or '').name}."


def _result_url(place: Path) -> sa.URL:
    """Return where the learner's app keeps its results: a SQLite file, by its absolute path."""
    backend = _python(ASK, place)
    if backend == "None":
        raise WrongAnswer("The app has no result_backend: did it load the settings?")
    if not backend.startswith("db+sqlite"):
        raise WrongAnswer(f"The app's result_backend is {backend!r}: it must begin with db+sqlite.")
    url = sa.make_url(backend.removeprefix("db+"))
    if not Path(url.database or "").is_absolute():
        raise WrongAnswer("The path of the result backend is relative: make it absolute.")
    return url


def _python(code: str, place: Path) -> str:
    """Run code with the learner's modules, from another folder, and return what it prints."""
    others = os.environ.get("PYTHONPATH")
    path = os.pathsep.join([str(place), *([others] if others else [])])
    with tempfile.TemporaryDirectory() as elsewhere:
        try:
            done = subprocess.run(
                [sys.executable, "-c", code],
                cwd=elsewhere,
                env=os.environ | {"PYTHONPATH": path, "PYTHON_COLORS": "0"},
                capture_output=True,
                text=True,
                timeout=START_LIMIT,
            )
        except subprocess.TimeoutExpired:
            raise WrongAnswer(f"Your program did not end within {START_LIMIT} seconds.") from None
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["it printed nothing"])[-1]
        raise WrongAnswer(f"Your program failed{_where(done.stderr, place)}: {last}")
    return done.stdout.strip()


def _where(traceback: str, place: Path) -> str:
    """Name the last line of the learner's files in a traceback, if there is one."""
    for file, line in reversed(re.findall(r'^ *File "(.+)", line (\d+)', traceback, re.MULTILINE)):
        if Path(file).is_relative_to(place):
            return f" in {Path(file).name}, line {line}"
    return ""


@exercise(
    points=2,
    hints=[
        "Read the table with pd.read_sql, and map a function over the column result.",
        "json.loads raises a ValueError for bytes that are not JSON: return these unchanged.",
        "pd.to_datetime has an argument utc.",
    ],
)
def exercise_2(read: Callable[[sa.Engine], pd.DataFrame]) -> str:
    """Check that a function reads results as values and times as UTC, and runs nothing."""
    number, text = randint(100, 999), f"text {randint(100, 999)}"
    pickled = b"\x80\x04K" + bytes([randint(1, 99)]) + b"."
    done = datetime(2026, 1, 2, 3, 4, 5)
    tables: list[tuple[str, list[Any], list[Any]]] = [
        ("a table with a number and a text", [str(number), f'"{text}"'], [number, text]),
        ("a table with a result that is missing", [str(number), None], [number, None]),
        ("a table with an old pickle", [pickled, str(number)], [pickled, number]),
        ("an empty table", [], []),
    ]
    for description, stored, right in tables:
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
            engine = _table_of(Path(folder), stored, done)
            with case(description) as call:
                frame = call(read, engine)
                if not isinstance(frame, pd.DataFrame):
                    raise WrongAnswer(f"expected a DataFrame, got {shown(frame)}.")
                if not {"result", "date_done"} <= set(frame.columns):
                    raise WrongAnswer("expected the columns result and date_done.")
                found = [None if _is_missing(value) else value for value in frame["result"]]
                expect([_plain(value) for value in found], right, "the results: ")
                kind = frame["date_done"].dtype
                if right and str(getattr(kind, "tz", None)) != "UTC":
                    raise WrongAnswer(f"date_done should be times in UTC, but its type is {kind}.")
                times = [time.to_pydatetime() for time in frame["date_done"]]
                expect(times, [done.replace(tzinfo=UTC)] * len(right), "date_done: ")
            engine.dispose()
    return "The JSON was decoded, the times are in UTC, and the pickle was left alone."


def _table_of(folder: Path, stored: list[Any], done: datetime) -> sa.Engine:
    engine = make_engine(sqlite_url(folder / "results.db"))
    rows = [
        {"id": n, "result": r.encode() if isinstance(r, str) else r, "done": done}
        for n, r in enumerate(stored, 1)
    ]
    # Without a primary key, and filled backwards: a query that does not order them gets the last
    # row first, as it may on a server.
    table = (
        f"CREATE TABLE {TASK_TABLE} (id INTEGER NOT NULL, task_id TEXT, status TEXT, "
        "result BLOB, date_done DATETIME)"
    )
    insert = sa.text(
        f"INSERT INTO {TASK_TABLE} (id, status, result, date_done) "
        "VALUES (:id, 'SUCCESS', :result, :done)"
    ).bindparams(sa.bindparam("done", type_=sa.DateTime))
    with engine.begin() as connection:
        connection.execute(sa.text(table))
        if rows:
            connection.execute(insert, rows[::-1])
    return engine


@exercise(
    points=2,
    hints=[
        "A URL has a scheme, which ends with ://.",
        "After db+sqlite:/// an absolute path begins with another slash, or a drive on Windows. "
        "sqlalchemy.make_url takes the rest of the URL apart, and pathlib recognizes absolute "
        "paths.",
        "accept_content is a list; a missing setting has Celery's default, which is JSON only.",
    ],
)
def exercise_3(mistakes: Callable[[dict[str, Any]], list[str]]) -> str:
    """Check that a function finds the settings that lose results, or that run what they read."""
    good: dict[str, Any] = {
        "broker_url": "redis://redis.example.org/0",
        "result_backend": f"db+{sqlite_url(Path(tempfile.gettempdir(), 'results.db'))}",
        "accept_content": ["json"],
    }
    server = "db+postgresql+psycopg://ada@db.example.org/shop"
    reviews: list[tuple[str, dict[str, Any], list[str]]] = [
        ("settings that are right", {}, []),
        ("results on a server", {"result_backend": server}, []),
        ("a broker without a scheme", {"broker_url": "your_broker_url"}, ["broker_url"]),
        ("a result backend without db+", {"result_backend": "sqlite:////r.db"}, ["result_backend"]),
        ("a relative path", {"result_backend": "db+sqlite:///r.db"}, ["result_backend"]),
        (
            "a relative path in a folder",
            {"result_backend": "db+sqlite:///data/r.db"},
            ["result_backend"],
        ),
        ("pickles", {"accept_content": ["json", "pickle"]}, ["accept_content"]),
        (
            "three mistakes",
            {
                "accept_content": ["pickle"],
                "broker_url": "redis",
                "result_backend": "sqlite:///r.db",
            },
            ["accept_content", "broker_url", "result_backend"],
        ),
    ]
    for description, change, right in reviews:
        with case(description) as call:
            expect(call(mistakes, good | change), right)
    without = {name: value for name, value in good.items() if name != "accept_content"}
    with case("settings without accept_content") as call:
        expect(call(mistakes, without), [])
    return "Each of the three mistakes is found, and right settings are left alone."


def _is_missing(value: Any) -> bool:
    return value is None or (isinstance(value, float) and value != value)


def _plain(value: Any) -> Any:
    """Return a whole number that pandas has made a float of as what it was."""
    return int(value) if isinstance(value, float) and value.is_integer() else value
