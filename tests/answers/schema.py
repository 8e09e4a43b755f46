"""Answers to the exercises of chapter 14."""

from answers.kinds import FUNCTION
from exercise_runs import Answers

LEAVE = """return kind != "table" or name not in {"celery_taskmeta", "celery_tasksetmeta"}"""
MIGRATE = """
with results.begin() as connection:
    found = {column["name"] for column in sa.inspect(connection).get_columns("celery_taskmeta")}
    for name in {"children", "stamps"} - found:
        connection.execute(sa.text(f"ALTER TABLE celery_taskmeta ADD COLUMN {name} BLOB"))
    index = "CREATE INDEX IF NOT EXISTS ix_celery_taskmeta_date_done ON celery_taskmeta (date_done)"
    connection.execute(sa.text(index))
"""
# What Celery itself does when it looks at the table.
CELERY = """
from celery.backends.database.session import SessionManager
import celery.backends.database

SessionManager().prepare_models(results)
"""
CONVERT = """
changed = 0
with results.begin() as connection:
    rows = connection.execute(sa.text("SELECT id, result FROM celery_taskmeta")).all()
    for id, stored in rows:
        if not stored or stored[:1] != b"\\x80":
            continue
        try:
            value = read_pickle(stored)
        except ValueError:
            continue
        update = sa.text("UPDATE celery_taskmeta SET result = :result WHERE id = :id")
        connection.execute(update, {"id": id, "result": json.dumps(value).encode()})
        changed += 1
return changed
"""

ANSWERS = {
    1: Answers(
        wrong={
            **FUNCTION,
            "return True": "the table 'celery_taskmeta'",
            "return False": "the table 'orders'",
            'return name != "celery_taskmeta"': "the table 'celery_tasksetmeta'",
            'return not str(name).startswith("celery_")': "the table 'celery_taskmeta_archive'",
            'return not name.startswith("celery_task")': "the table 'celery_taskmeta_archive'",
            LEAVE.replace('kind != "table" or ', ""): "the column 'celery_taskmeta'",
            LEAVE.replace("not in", "in"): "the table 'celery_taskmeta'",
            LEAVE.replace(" or ", " and "): "the table 'orders'",
            LEAVE.replace("return ", ""): "expected False, got None",
        },
        right=[
            LEAVE,
            'return (kind, name[:16] if name else name) != ("table", "x") and ' + LEAVE[7:],
        ],
    ),
    2: Answers(
        wrong={
            **FUNCTION,
            "results.dispose()": "finds no column children",
            CELERY: "the number of indexes on date_done: expected 1, got 0",
            MIGRATE.replace(" - found", ""): "raised OperationalError",
            MIGRATE.replace("IF NOT EXISTS ", ""): "raised OperationalError",
            MIGRATE.replace('{"children", "stamps"}', '{"children"}'): "finds no column stamps",
            MIGRATE.replace("BLOB", "TEXT"): "should be a BLOB that may be NULL",
            MIGRATE.replace("ix_celery_taskmeta_date_done", "mine"): "expected 1, got 2",
            MIGRATE + "    connection.execute(sa.text('DELETE FROM celery_taskmeta'))\n": (
                "the rows have changed"
            ),
            "with results.begin() as connection:\n"
            "    connection.execute(sa.text('DROP TABLE celery_taskmeta'))": "taskmeta is gone",
        },
        right=[MIGRATE, CELERY + MIGRATE],
    ),
    3: Answers(
        wrong={
            **FUNCTION,
            "return 5": "the row 'plain 0' holds",
            CONVERT.replace("read_pickle(stored)", "__import__('pickle').loads(stored)"): (
                "has run code"
            ),
            CONVERT.replace("except ValueError", "except KeyError"): "raised ValueError",
            CONVERT.replace("return changed", ""): "the number of converted rows",
            CONVERT.replace("results.begin()", "results.connect()"): "the row 'plain 0' holds",
            CONVERT.replace(
                "            continue\n        update", "            value = None\n        update"
            ): ("the row 'unsafe'"),
        },
        right=[CONVERT],
    ),
}
