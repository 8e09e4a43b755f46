"""The exercises of chapter 14: the schema."""

import datetime as dt
import json
import pickle
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from tutorial.exercises.checking import WrongAnswer, case, exercise, expect, shown
from tutorial.exercises.scratch import scratch

# The table as Celery 5.2 made it.
OLD = """
CREATE TABLE celery_taskmeta (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, task_id VARCHAR(155), status VARCHAR(50),
    result BLOB, date_done DATETIME, traceback TEXT, name VARCHAR(155), args BLOB, kwargs BLOB,
    worker VARCHAR(155), retries INTEGER, queue VARCHAR(155), UNIQUE (task_id))
"""
NEW_COLUMNS = {"children", "stamps"}
BINARY = "BLOB"
ROWS = [{"id": n, "result": pickle.dumps(n), "now": dt.datetime(2022, 5, n)} for n in (1, 2, 3)]
INSERT = """
INSERT INTO celery_taskmeta (id, task_id, status, result, date_done)
VALUES (:id, 'task ' || :id, 'SUCCESS', :result, :now)
"""
STORED = "SELECT id, task_id, status, result, date_done FROM celery_taskmeta ORDER BY id"


@exercise(
    points=1,
    hints=[
        'Alembic asks about everything that has a name: `kind` is "table", "column", "index" and '
        "more.",
        "Return False only if the kind is a table and the name is one of Celery's two.",
    ],
)
def exercise_1(include_name: Callable[[str | None, str, dict[str, Any]], bool]) -> str:
    """Check that a function keeps Celery's two tables out of Alembic's comparison, and no more."""
    for name, kind, right in NAMES:
        with case(f"the {kind} {name!r}") as call:
            said = call(include_name, name, kind, {"schema_name": None})
            if not isinstance(said, bool):
                raise WrongAnswer(f"expected {right}, got {shown(said)}.")
            expect(said, right)
    return "Alembic leaves Celery's tables alone, and compares everything else."


NAMES: list[tuple[str | None, str, bool]] = [
    ("celery_taskmeta", "table", False),
    ("celery_tasksetmeta", "table", False),
    ("orders", "table", True),
    ("celery_taskmeta_archive", "table", True),  # the project's own
    ("celery_orders", "table", True),
    ("celery_taskmeta", "column", True),  # a reference in a table of the project
    ("ix_orders_id", "index", True),
    (None, "schema", True),  # the default schema has no name
]


@exercise(
    points=2,
    hints=[
        'sa.inspect(engine).get_columns("celery_taskmeta") describes the columns that are there.',
        "ALTER TABLE celery_taskmeta ADD COLUMN stamps BLOB adds a column, and fails if the table "
        "has it already.",
        "CREATE INDEX IF NOT EXISTS can run again. engine.begin() commits for you.",
    ],
)
def exercise_2(migrate: Callable[[sa.Engine], object]) -> str:
    """Check that a function prepares a table of Celery 5.2 for 5.7, wherever it has stopped."""
    for description, begun in BEGUN.items():
        with scratch() as databases, case(description) as call:
            results = databases.results
            with results.begin() as connection:
                for statement in (OLD, *begun):
                    connection.execute(sa.text(statement))
                connection.execute(sa.text(INSERT), ROWS)
                before = connection.execute(sa.text(STORED)).all()
            for _again in range(2):  # a migration that was interrupted is run again
                call(migrate, results)
                _see_migrated(results)
            with results.connect() as connection:
                if connection.execute(sa.text(STORED)).all() != before:
                    raise WrongAnswer("the rows have changed: a migration must keep them.")
    return "Both columns and the index exist, the rows are kept, and a second run does no harm."


INDEX = "CREATE INDEX ix_celery_taskmeta_date_done ON celery_taskmeta (date_done)"
BEGUN = {
    "a table of Celery 5.2": [],
    "a table of Celery 5.6.3, which has the index": [INDEX],
    "a migration that stopped halfway": ["ALTER TABLE celery_taskmeta ADD COLUMN children BLOB"],
}


def _see_migrated(engine: sa.Engine) -> None:
    inspector = sa.inspect(engine)
    if not inspector.has_table("celery_taskmeta"):
        raise WrongAnswer("the table celery_taskmeta is gone.")
    columns = {column["name"]: column for column in inspector.get_columns("celery_taskmeta")}
    for name in sorted(NEW_COLUMNS):
        if name not in columns:
            raise WrongAnswer(f"another connection finds no column {name}.")
        if str(columns[name]["type"]) != BINARY or not columns[name]["nullable"]:
            raise WrongAnswer(f"the column {name} should be a BLOB that may be NULL.")
    indexes = [index["column_names"] for index in inspector.get_indexes("celery_taskmeta")]
    expect(indexes.count(["date_done"]), 1, "the number of indexes on date_done: ")


@exercise(
    points=3,
    hints=[
        "The first byte of each pickle is 0x80: stored[:1] == b'\\x80'.",
        "read_pickle raises ValueError for what it cannot read safely: leave such a row as it is.",
        "json.dumps(value).encode() is what Celery 5.7 stores. Count what you change.",
    ],
)
def exercise_3(convert: Callable[[sa.Engine], int]) -> str:
    """Check that a function turns pickled results into JSON, and runs none of them."""
    with tempfile.TemporaryDirectory() as folder, scratch() as databases:
        ran = Path(folder, "ran")
        stored = {**{f"plain {n}": pickle.dumps(value) for n, value in enumerate(PLAIN)}, **OTHERS}
        stored["unsafe"] = pickle.dumps(_Payload(ran))
        right = stored | {f"plain {n}": value for n, value in enumerate(PLAIN)}
        results = databases.results
        with results.begin() as connection:
            connection.execute(sa.text(OLD))
            rows = [{"task_id": name, "result": result} for name, result in stored.items()]
            insert = "INSERT INTO celery_taskmeta (task_id, result) VALUES (:task_id, :result)"
            connection.execute(sa.text(insert), rows)
        for description, count in (("pickled and other results", len(PLAIN)), ("a second run", 0)):
            with case(description) as call:
                said = call(convert, results)
                if ran.exists():
                    raise WrongAnswer("a stored pickle has run code: use read_pickle.")
                _see_converted(results, right)
                expect(said, count, "the number of converted rows: ")
    return "The plain values are JSON, the other rows are unchanged, and no code has run."


class _Payload:
    """An object whose pickle makes a file when it is loaded."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self) -> Any:
        return Path.touch, (self.file,)


PLAIN = [5, {"total": 3}, ["a", None], "text", 0]
OTHERS = {"json": b'"kept"', "empty": None}


def _see_converted(engine: sa.Engine, right: dict[str, Any]) -> None:
    with engine.connect() as connection:
        query = sa.text("SELECT task_id, result FROM celery_taskmeta")
        found: dict[str, Any] = dict(connection.execute(query).tuples().all())
    for name, value in right.items():
        if name not in found:
            raise WrongAnswer(f"the row {name!r} is missing.")
        result = found[name]
        if name.startswith("plain"):
            try:
                result = json.loads(result)
            except (TypeError, ValueError):
                raise WrongAnswer(f"the row {name!r} holds {shown(result)}, not JSON.") from None
        expect(result, value, f"the row {name!r}: ")
