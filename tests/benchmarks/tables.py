"""Write a table of results such as a working application has, of any size."""

import datetime as dt
import json
import random
import sqlite3
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from celery.backends.database.models import TaskExtended
from celery.backends.database.session import ResultModelBase

from tutorial.database import make_engine
from tutorial.reading.frame import DERIVED
from tutorial.results import RESULT_COLUMNS

COLUMNS = [column for column in RESULT_COLUMNS if column not in DERIVED]
START = dt.datetime(2026, 1, 1)
ERROR = {"exc_type": "ZeroDivisionError", "exc_message": ["division by zero"]}
ERROR["exc_module"] = "builtins"
TRACEBACK = "Traceback (most recent call last):\n" + 8 * '  File "tasks.py", line 12, in run\n'


def make_table(path: Path, rows: int, *, different: bool = False) -> sa.Engine:
    """Write the table with Celery's own columns and indexes.

    Four tasks in ten add two small numbers, three send a letter to one of 50,000 customers, two
    make a picture smaller and return a dictionary of its own, one divides and mostly fails.
    Or, if the rows are to be `different`, all add two random numbers under 1,000.
    """
    engine = make_engine(f"sqlite:///{path}")
    ResultModelBase.metadata.create_all(engine, tables=[TaskExtended.__table__])
    fill_table(engine, rows, different=different)
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    return engine


def fill_table(engine: sa.Engine, rows: int, *, different: bool = False) -> None:
    """Write the rows into a table that is there, in the way that is quickest for its database."""
    stored = _rows(rows, _add_different if different else _task)
    into = f"celery_taskmeta ({', '.join(COLUMNS)})"
    with engine.begin() as connection:
        cursor: Any = connection.connection.cursor()
        if engine.dialect.name == "postgresql":
            with cursor.copy(f"COPY {into} FROM STDIN") as copy:
                for row in stored:
                    copy.write_row(row)
        else:
            mark = "?" if engine.dialect.name == "sqlite" else "%s"
            marks = ", ".join([mark] * len(COLUMNS))
            cursor.executemany(f"INSERT INTO {into} VALUES ({marks})", stored)


def seconds_of_rows(rows: float) -> float:
    """Return the time that the application took for so many tasks: three in a second."""
    return rows * 0.31


def _rows(rows: int, task: Callable[[random.Random], Any]) -> Iterator[list[Any]]:
    chance = random.Random(1)
    for number in range(1, rows + 1):
        name, args, kwargs, result = task(chance)
        failed = result is ERROR
        row = {
            "id": number,
            "task_id": str(uuid.UUID(int=chance.getrandbits(128), version=4)),
            "name": f"shop.tasks.{name}",
            "args": json.dumps(args).encode(),
            "kwargs": json.dumps(kwargs).encode(),
            "status": "FAILURE" if failed else "SUCCESS",
            "result": json.dumps(result).encode(),
            "traceback": TRACEBACK if failed else None,
            "date_done": str(START + dt.timedelta(seconds=seconds_of_rows(number), microseconds=1)),
            "worker": f"worker{number % 4}@host",
            "queue": "celery",
            "retries": int(chance.random() < 0.02),
            "children": None,
            "stamps": None,
        }
        yield [row[column] for column in COLUMNS]


def _task(chance: random.Random) -> tuple[str, list[Any], dict[str, Any], Any]:
    sort = chance.choices(["add", "send_letter", "make_smaller", "divide"], [4, 3, 2, 1])[0]
    if sort == "add":
        x, y = chance.randrange(100), chance.randrange(100)
        return sort, [x, y], {}, x + y
    if sort == "send_letter":
        return sort, [chance.randrange(50_000)], {"kind": "invoice"}, None
    if sort == "make_smaller":
        picture = f"{chance.getrandbits(40):010x}.png"
        return sort, [picture], {"width": 640}, {"path": picture, "bytes": chance.randrange(10**6)}
    y = chance.choice([0, 0, 0, 1, 2])
    return sort, [1, y], {}, 1 / y if y else ERROR


def _add_different(chance: random.Random) -> tuple[str, list[Any], dict[str, Any], Any]:
    x, y = chance.randrange(1000), chance.randrange(1000)
    return "add", [x, y], {}, x + y
