"""The exercises of chapter 16: watching."""

import datetime as dt
import json
import pickle
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from celery.backends.database.models import TaskExtended

from tutorial.database import explain, make_engine, sqlite_url
from tutorial.exercises.checking import WrongAnswer, case, exercise, expect, shown
from tutorial.exercises.scratch import Scratch, local_zone, scratch
from tutorial.tables import MESSAGE_TABLE
from tutorial.tasks import add

ZONES = ("America/Los_Angeles", "Asia/Tokyo")  # local time must not pass for UTC
BROKEN_ALARM = """
SELECT count(*) FROM celery_taskmeta
WHERE status = 'STARTED' AND date_done IS NULL"""
FAULTS = ("pickle", "cut", "future", "undated", "nameless")


@exercise(
    points=2,
    hints=[
        "A waiting message has visible = 1; payload ->> '$.headers.sent_at' is when it was sent.",
        "Do not compare the time of a message, which contains a T, with the string "
        "datetime('now'). julianday() turns both into a number of days.",
        "A day has 1440 minutes.",
    ],
)
def exercise_1(query: str) -> str:
    """Check that a query counts the messages that have been waiting longer than ``:minutes``."""
    if not isinstance(query, str):
        raise WrongAnswer(f"`query` should be a string, but is {shown(query)}.")
    for zone in ZONES:
        with scratch() as databases, local_zone(zone):
            _see_waiting(databases, query)
    return "The query counts the messages that have been waiting too long, in every queue."


def _see_waiting(databases: Scratch, query: str) -> None:
    """Send messages shortly before and shortly after a moment, and see that the query counts."""
    now = dt.datetime.now(dt.UTC)
    # Between a day and a half and half a day ago, so that other messages are of the same day.
    limit = (now - dt.timedelta(days=1)).replace(hour=12, minute=0)
    minute = dt.timedelta(minutes=1)
    for age in (2, 60, 6000, -3, -60):
        _send(databases, limit - age * minute)
    _send(databases, limit - 2 * minute, queue="math")
    for age in (180, 240):
        _send(databases, limit - age * minute, received=True)
    minutes = (now - limit) // minute
    for past, right in {minutes: 4, 100 * minutes: 0}.items():
        with case(f"eight messages, six of which are waiting, {right} for over {past} minutes"):
            expect(_number(databases.queue, query, past), right)


def _send(databases: Scratch, sent_at: dt.datetime, **options: Any) -> None:
    task_id = databases.send(add, (2, 3), **options)
    change = f"""
        UPDATE {MESSAGE_TABLE} SET payload = json_set(payload, '$.headers.sent_at', :sent_at)
        WHERE payload ->> '$.headers.id' = :id"""
    with databases.queue.begin() as connection:
        connection.execute(sa.text(change), {"sent_at": sent_at.isoformat(), "id": task_id})


def _number(engine: sa.Engine, query: str, minutes: int) -> Any:
    """Return the only value that a query returns."""
    with engine.connect() as connection:
        try:
            rows = connection.execute(sa.text(query), {"minutes": minutes}).all()
        except sa.exc.ResourceClosedError:
            raise WrongAnswer("the query returns no rows: it is not a SELECT.") from None
        except sa.exc.SQLAlchemyError as error:
            reason = explain(error).partition(" (Background")[0]
            raise WrongAnswer(f"the database cannot run the query: {reason}.") from None
    if len(rows) != 1 or len(rows[0]) != 1:
        size = f"{len(rows)} rows" if len(rows) != 1 else f"{len(rows[0])} columns"
        raise WrongAnswer(f"the query returns {size}, but a dashboard needs a single number.")
    return rows[0][0]


# Status and age in minutes of tasks in the order of their ids; those of the alarm are marked.
LIVES: list[tuple[str, int | None]] = [
    ("SUCCESS", 500),
    ("REVOKED", 400),
    ("FAILURE", 300),
    ("STARTED", None),  # for an hour: a task with a larger id was done 90 minutes ago
    ("STARTED", 200),  # for an hour
    ("RETRY", 65),  # for an hour
    ("SUCCESS", 90),
    ("PROGRESS", 70),  # for an hour
    ("STARTED", None),
    ("SUCCESS", 10),
    ("STARTED", 5),
    ("STARTED", None),
]


@exercise(
    points=2,
    hints=[
        "Three states are final: SUCCESS, FAILURE and REVOKED. All others can be stuck.",
        "A row that was stored twice has a date, and so an age: date_done < datetime('now', ...).",
        "For a row without a date, ask for the largest id of the rows that have an old date: a "
        "row with a smaller id is even older.",
    ],
)
def exercise_2(alarm: str) -> str:
    """Check that a query counts the tasks that have not reported for ``:minutes``."""
    if not isinstance(alarm, str):
        raise WrongAnswer(f"`alarm` should be a string, but is {shown(alarm)}.")
    for zone in ZONES:
        with scratch() as databases, local_zone(zone):
            _store_lives(databases.results)
            for minutes, right in {60: 4, 1000: 0, 7: 5, 3: 6}.items():
                with case(f"twelve tasks, {right} of them stuck for over {minutes} minutes"):
                    expect(_number(databases.results, alarm, minutes), right)
    return "The query counts stuck tasks by status and age, with a date or without."


def _store_lives(engine: sa.Engine) -> None:
    now = dt.datetime.now(dt.UTC)
    rows = [
        {
            "task_id": f"task-{number}",
            "status": status,
            "date_done": None if age is None else now - dt.timedelta(minutes=age),
        }
        for number, (status, age) in enumerate(LIVES)
    ]
    _insert(engine, rows)


def _insert(engine: sa.Engine, rows: list[dict[str, Any]]) -> None:
    TaskExtended.metadata.create_all(engine)
    with engine.begin() as connection:
        connection.execute(sa.insert(TaskExtended.__table__), rows)


def broken_table(file: Path, seed: int = 16) -> sa.Engine:
    """Write a table of results that is broken in five ways.

    Parameters
    ----------
    file : pathlib.Path
        A new SQLite file; an older one of this name is replaced.
    seed : int
        Decides which rows are broken.

    Returns
    -------
    sqlalchemy.Engine
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    file.unlink(missing_ok=True)
    engine = make_engine(sqlite_url(file))
    _break(engine, seed)
    return engine


def _break(engine: sa.Engine, seed: int) -> dict[str, list[int]]:
    """Store sixty tasks, and break some; return the ids of the broken ones for each fault."""
    chance = random.Random(seed)
    rows = [_healthy(number, chance) for number in range(60)]
    ended = [n for n, row in enumerate(rows) if row["status"] == "SUCCESS"]
    broken = chance.sample(ended, sum(range(2, 2 + len(FAULTS))))
    truth: dict[str, list[int]] = {}
    for count, fault in enumerate(FAULTS, start=2):
        chosen, broken = broken[:count], broken[count:]
        truth[fault] = sorted(number + 1 for number in chosen)
        for number in chosen:
            rows[number] |= _fault(fault)
    _insert(engine, rows)
    return truth


def _healthy(number: int, chance: random.Random) -> dict[str, Any]:
    """Return a row as Celery 5.7 stores it: some large, some of tasks that have not ended."""
    row: dict[str, Any] = {"task_id": f"task-{number}", "name": "shop.order", "status": "SUCCESS"}
    age = dt.timedelta(minutes=chance.randrange(600))
    row |= {"date_done": dt.datetime.now(dt.UTC) - age, "result": b"5"}
    match number % 10:
        case 0:
            row |= {"status": "STARTED", "date_done": None, "result": b'{"pid": 1}'}
        case 1:
            row["result"] = json.dumps("\x80" * 20_000).encode()
        case 2:
            row |= {"status": "FAILURE", "result": b'{"exc_type": "KeyError"}'}
        case 3:  # clocks differ a little
            row["date_done"] = dt.datetime.now(dt.UTC) + dt.timedelta(minutes=1)
    return row


def _fault(fault: str) -> dict[str, Any]:
    changes: dict[str, dict[str, Any]] = {
        "pickle": {"result": pickle.dumps([2, 3])},
        "cut": {"result": json.dumps("a" * 70_000).encode()[:65_535]},
        "future": {"date_done": dt.datetime.now(dt.UTC) + dt.timedelta(minutes=30)},
        "undated": {"date_done": None},
        "nameless": {"task_id": None},
    }
    return changes[fault]


@exercise(
    points=3,
    hints=[
        "One query for each fault is enough: SELECT id FROM celery_taskmeta WHERE ... ORDER BY id.",
        "In SQLite, substr(result, 1, 1) = x'80' finds pickles, and json_valid() tells whether a "
        "text is JSON; CAST(result AS text) turns bytes into text.",
        "A task that has not ended may lack its date. A row with a date a minute ahead comes from "
        "a clock that is a little fast.",
    ],
)
def exercise_3(faults: Callable[[sa.Engine], dict[str, list[int]]]) -> str:
    """Check that a function finds the rows of each fault in tables that are broken in five ways."""
    for seed in (1, 2):
        with scratch() as databases, local_zone(ZONES[seed % 2]):
            truth = _break(databases.results, seed)
            with case("a table that is broken in other rows") as call:
                found = call(faults, databases.results)
                if not isinstance(found, dict) or set(found) != set(FAULTS):
                    raise WrongAnswer(
                        f"expected a dictionary with the keys {', '.join(FAULTS)}, "
                        f"got {shown(found)}."
                    )
                for fault in FAULTS:
                    ids = found[fault]
                    if not isinstance(ids, list):
                        raise WrongAnswer(f"{fault}: expected a list of ids, got {shown(ids)}.")
                    _compare(fault, ids, truth[fault])
    return "All twenty broken rows were found, and no other."


def _compare(fault: str, ids: list[int], right: list[int]) -> None:
    if missed := set(right) - set(ids):
        raise WrongAnswer(f"{fault}: {len(missed)} of {len(right)} rows are missed.")
    if wrong := set(ids) - set(right):
        raise WrongAnswer(f"{fault}: {len(wrong)} rows are reported by mistake.")
    expect(ids, right, f"{fault}: ")
