"""Answers to the exercises of chapter 16."""

from answers.kinds import FUNCTION, value
from exercise_runs import Answers

QUERY = (
    "SELECT count(*) FROM kombu_message WHERE visible "
    "AND datetime(payload ->> '$.headers.sent_at') < datetime('now', '-' || :minutes || ' minutes')"
)
AGO = "datetime('now', '-' || :minutes || ' minutes')"
ALARM = (
    "SELECT count(*) FROM celery_taskmeta WHERE status NOT IN ('SUCCESS', 'FAILURE', 'REVOKED') "
    f"AND (date_done < {AGO} OR date_done IS NULL AND id < "
    f"(SELECT max(id) FROM celery_taskmeta WHERE date_done < {AGO}))"
)
CONDITIONS = {
    "pickle": "substr(result, 1, 1) = x'80'",
    "cut": "substr(result, 1, 1) <> x'80' AND NOT json_valid(CAST(result AS text))",
    "future": "date_done > datetime('now', '+5 minutes')",
    "undated": "date_done IS NULL AND status IN ('SUCCESS', 'FAILURE', 'REVOKED')",
    "nameless": "task_id IS NULL",
}


def alarm(query: str) -> str:
    return f"alarm = {query!r}"


def faults(**conditions: str) -> str:
    """Return the body of a function that asks these conditions."""
    return f"""found = {{}}
with engine.connect() as connection:
    for fault, condition in {CONDITIONS | conditions!r}.items():
        query = f"SELECT id FROM celery_taskmeta WHERE {{condition}} ORDER BY id"
        found[fault] = list(connection.scalars(sa.text(query)))
return found"""


WITH_PANDAS = """import datetime as dt
import json
import pandas as pd

def is_json(value):
    try:
        json.loads(value)
    except ValueError:
        return False
    return True

rows = pd.read_sql("SELECT * FROM celery_taskmeta ORDER BY id", engine)
pickled = rows["result"].str[:1] == b"\\x80"
dates = pd.to_datetime(rows["date_done"], utc=True)
soon = pd.Timestamp.now("UTC") + pd.Timedelta("5min")
masks = {
    "pickle": pickled,
    "cut": ~pickled & ~rows["result"].map(is_json),
    "future": dates > soon,
    "undated": dates.isna() & (rows["status"] != "STARTED"),
    "nameless": rows["task_id"].isna(),
}
return {fault: rows.loc[mask, "id"].tolist() for fault, mask in masks.items()}"""

ANSWERS = {
    1: Answers(
        wrong={
            **value("query"),
            "query = 3": ("`query` should be a string, but is 3."),
            'query = "SELECT 3"': ("minutes: expected 4, got 3."),
            'query = "SELECT count(*) FROM kombu_message WHERE visible"': (
                "minutes: expected 4, got 6."
            ),
            f"query = {QUERY.replace('visible AND ', '')!r}": ("minutes: expected 4, got 6."),
            f"query = {QUERY.replace('visible', 'NOT visible')!r}": ("minutes: expected 4, got 2."),
            f"query = {QUERY.replace('datetime(payload', '(payload')!r}": (
                "minutes: expected 4, got 1."
            ),
            f"query = {QUERY.replace('minutes', 'hours')!r}": (
                "A value is required for bind parameter 'hours'."
            ),
            f"query = {QUERY.replace(' minutes', ' hours')!r}": ("minutes: expected 4, got 0."),
            f"query = {QUERY.replace(' < ', ' > ')!r}": ("minutes: expected 4, got 2."),
            f"query = {QUERY.replace('count(*)', '*')!r}": (
                "the query returns 4 rows, but a dashboard needs "
            ),
            f"query = {QUERY.replace('count(*)', 'count(*), min(timestamp)')!r}": (
                "the query returns 2 columns, but a dashboard nee"
            ),
            f"query = {QUERY.replace('count(*)', 'sum(visible)')!r}": (
                "minutes: expected 0, got None."
            ),
            f"query = {QUERY.replace('$.headers', '$')!r}": ("minutes: expected 4, got 0."),
            f"query = {QUERY.replace('kombu_message', 'messages')!r}": "no such table: messages",
        },
        right=[
            f"query = {QUERY!r}",
            'query = "SELECT count(*) FROM kombu_message WHERE visible AND :minutes < 1440 * '
            "(julianday('now') - julianday(json_extract(payload, '$.headers.sent_at')))\"",
        ],
    ),
    2: Answers(
        wrong={
            **value("alarm"),
            "alarm = 3": "`alarm` should be a string, but is 3.",
            "alarm = BROKEN_ALARM": "expected 4, got 3",
            alarm(ALARM.replace("'REVOKED'", "'IGNORED'")): "expected 4, got 5",
            alarm(ALARM.split(" OR ")[0] + ")"): "expected 4, got 3",
            alarm(ALARM.replace(f"date_done < {AGO} OR ", "", 1)): "expected 4, got 1",
            alarm(ALARM.replace("status NOT IN ('SUCCESS', 'FAILURE', 'REVOKED')", "1")): (
                "expected 4, got 8"
            ),
            alarm(ALARM.replace("'now'", "'now', 'localtime'")): "For twelve tasks",
            alarm("SELECT 4"): "expected 0, got 4",
            alarm("SELECT count(*) FROM tasks"): "no such table: tasks",
        },
        right=[
            alarm(ALARM),
            alarm(ALARM.replace("datetime('now', ", "strftime('%Y-%m-%d %H:%M:%S', 'now', ")),
        ],
    ),
    3: Answers(
        wrong={
            **FUNCTION,
            "return {}": "expected a dictionary with the keys pickle, cut",
            "return dict.fromkeys(['pickle', 'cut', 'future', 'undated', 'nameless'], 5)": (
                "pickle: expected a list of ids, got 5"
            ),
            faults(pickle="id = 0"): "pickle: 2 of 2 rows are missed.",
            faults(cut="length(result) > 20000"): "cut: 6 rows are reported by mistake.",
            faults(cut="NOT json_valid(CAST(result AS text))"): (
                "cut: 2 rows are reported by mistake."
            ),
            faults(future="date_done > datetime('now')"): "rows are reported by mistake.",
            faults(undated="date_done IS NULL"): "undated: 6 rows are reported by mistake.",
            faults(nameless="task_id = NULL"): "nameless: 6 of 6 rows are missed.",
        },
        right=[faults(future="julianday(date_done) > julianday('now') + 0.004"), WITH_PANDAS],
    ),
}
