"""Answers to the exercises of chapter 15."""

from answers.kinds import FUNCTION, value
from exercise_runs import Answers

QUERY = (
    "SELECT count(*) FROM kombu_message WHERE visible "
    "AND datetime(payload ->> '$.headers.sent_at') < datetime('now', '-' || :minutes || ' minutes')"
)
COLUMNS = "task_id, status, name, worker, date_done"
REVOKE = "REVOKE ALL ON ALL TABLES IN SCHEMA public FROM PUBLIC"
GRANT = f"GRANT SELECT ({COLUMNS}) ON celery_taskmeta TO"


def rights(*statements: str) -> str:
    return "return [" + ", ".join(f'f"{statement}"' for statement in statements) + "]"


ANSWERS = {
    1: Answers(
        wrong={
            **value("settings"),
            'settings = "json"': "and not a dictionary",
            "settings = dict(SHOP)": "task_serializer is still 'pickle'",
            'settings = {"accept_content": ["json"], "result_accept_content": ["json"]}': (
                "task_serializer is still 'pickle'"
            ),
            'settings = {"task_serializer": "json"}': "A worker still reads a pickle",
            'settings = {"task_serializer": "json", "accept_content": ["json"]}': (
                "Who asks for a result still reads a pickle"
            ),
            'settings = {"task_serializer": "json", "result_accept_content": ["json"]}': (
                "A worker still reads a pickle"
            ),
            'settings = {"task_serializer": "json", "accept_content": "json"}': (
                "accept_content is a text"
            ),
            'settings = {"task_serializer": "json", "accept_content": []}': (
                "A worker refuses JSON too"
            ),
            'settings = {"task_serializer": "json", "accept_content": ["yaml"]}': (
                "A worker refuses JSON too"
            ),
            'settings = {"task_serializer": "JSON"}': "is still 'JSON'",
            'settings = {"task_serializer": "json", "accepted_content": ["json"]}': (
                "A worker still reads a pickle"
            ),
        },
        right=[
            'settings = dict(task_serializer="json", accept_content=("application/json",), '
            "result_accept_content=None)",
            'settings = SHOP | {"task_serializer": "json", "accept_content": ["json"], '
            '"result_accept_content": ["json"]}',
        ],
    ),
    2: Answers(
        wrong={
            **value("query"),
            "query = 3": "and not a text",
            'query = "SELECT 3"': "0 have waited for longer than :minutes, and the query gives 3",
            'query = "SELECT count(*) FROM kombu_message WHERE visible"': (
                "3 have waited for longer than :minutes, and the query gives 5"
            ),
            f"query = {QUERY.replace('visible AND ', '')!r}": "the query gives 5",
            f"query = {QUERY.replace('visible', 'NOT visible')!r}": "the query gives 2",
            f"query = {QUERY.replace('datetime(payload', '(payload')!r}": "the query gives 1",
            f"query = {QUERY.replace('minutes', 'hours')!r}": (
                "A value is required for bind parameter 'hours'."
            ),
            f"query = {QUERY.replace(' minutes', ' hours')!r}": "the query gives 0",
            f"query = {QUERY.replace(' < ', ' > ')!r}": "the query gives 2",
            f"query = {QUERY.replace('count(*)', '*')!r}": "The query gives 3 rows",
            f"query = {QUERY.replace('count(*)', 'count(*), min(timestamp)')!r}": (
                "The query gives 2 columns"
            ),
            f"query = {QUERY.replace('count(*)', 'sum(visible)')!r}": "the query gives None",
            f"query = {QUERY.replace('$.headers', '$')!r}": "the query gives 0",
            f"query = {QUERY.replace('kombu_message', 'messages')!r}": "no such table: messages",
        },
        right=[
            f"query = {QUERY!r}",
            'query = "SELECT count(*) FROM kombu_message WHERE visible AND :minutes < 1440 * '
            "(julianday('now') - julianday(json_extract(payload, '$.headers.sent_at')))\"",
        ],
    ),
    3: Answers(
        wrong={
            **FUNCTION,
            f'return "{REVOKE}"': "and not a list of texts",
            rights(f"{GRANT} {{role}}"): "column 'result': PUBLIC may, and that is everybody",
            rights("REVOKE ALL ON celery_taskmeta FROM {role}", f"{GRANT} {{role}}"): (
                "column 'result': PUBLIC may, and that is everybody"
            ),
            f"return [{REVOKE!r}, sa.text(f'{GRANT} {{role}}')]": "and not a list of texts",
            rights(REVOKE, f"{GRANT} {{role}}", "COMMIT"): "A statement ends the transaction",
            rights(REVOKE): "cannot read the column 'task_id': permission denied",
            rights(REVOKE, "GRANT SELECT ON celery_taskmeta TO {role}"): (
                "The dashboard can read the column 'result'."
            ),
            rights(
                REVOKE,
                "GRANT SELECT ON celery_taskmeta TO {role}",
                "REVOKE SELECT (result, traceback, args, kwargs) ON celery_taskmeta FROM {role}",
            ): "The dashboard can read the column 'result'.",
            rights(REVOKE, f"{GRANT} dashboard"): 'role "dashboard" does not exist',
            rights(REVOKE, f"{GRANT} {{role}}".replace(", worker", "")): (
                "cannot read the column 'worker'"
            ),
            rights(REVOKE, f"{GRANT} {{role}}".replace("name", "args, name")): (
                "The dashboard can read the column 'args'."
            ),
            rights(REVOKE.replace("ALL ON", "SELECT ON"), f"{GRANT} {{role}}"): (
                "can change rows: PUBLIC may"
            ),
            rights("REVOKE ALL ON celery_taskmeta FROM PUBLIC", f"{GRANT} {{role}}"): (
                "can read the table celery_tasksetmeta: PUBLIC may"
            ),
            rights(REVOKE, f"{GRANT} {{role}}", "ALTER ROLE {role} SUPERUSER"): (
                "The dashboard can read the column 'result'."
            ),
            rights("REVOKE ALL ON SCHEMA public FROM PUBLIC", f"{GRANT} {{role}}"): (
                "permission denied for schema public"
            ),
            rights(REVOKE, f"{GRANT.replace('SELECT (', 'SELECT ')} {{role}}"): "syntax error",
        },
        right=[
            rights(f"{GRANT} {{role}}", REVOKE),
            rights(
                "REVOKE ALL ON celery_taskmeta, celery_tasksetmeta FROM PUBLIC",
                *[
                    f"GRANT SELECT ({column}) ON celery_taskmeta TO {{role}}"
                    for column in COLUMNS.split(", ")
                ],
            ),
        ],
    ),
}
