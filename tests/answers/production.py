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
            'settings = "json"': ("`settings` should be a dictionary, but is 'json'."),
            "settings = dict(SHOP)": "task_serializer is still 'pickle'",
            'settings = {"accept_content": ["json"], "result_accept_content": ["json"]}': (
                "task_serializer is still 'pickle'"
            ),
            'settings = {"task_serializer": "json"}': "A worker still reads a pickle",
            'settings = {"task_serializer": "json", "accept_content": ["json"]}': (
                "A client that asks for a result still reads a pickle, which"
            ),
            'settings = {"task_serializer": "json", "result_accept_content": ["json"]}': (
                "A worker still reads a pickle"
            ),
            'settings = {"task_serializer": "json", "accept_content": "json"}': (
                "accept_content is a string, which Celery reads letter by"
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
    3: Answers(
        wrong={
            **FUNCTION,
            f'return "{REVOKE}"': ("a new role: expected a list of strings, got 'REVOKE ALL ON"),
            rights(f"{GRANT} {{role}}"): (
                "a new role: the dashboard can read the column 'result':"
            ),
            rights("REVOKE ALL ON celery_taskmeta FROM {role}", f"{GRANT} {{role}}"): (
                "a new role: the dashboard can read the column 'result':"
            ),
            f"return [{REVOKE!r}, sa.text(f'{GRANT} {{role}}')]": (
                "a new role: expected a list of strings, got ['REVOKE ALL ON"
            ),
            rights(REVOKE, f"{GRANT} {{role}}", "COMMIT"): (
                "a new role: a statement ends the transaction, which is not"
            ),
            rights(REVOKE): "cannot read the column 'task_id': permission denied",
            rights(REVOKE, "GRANT SELECT ON celery_taskmeta TO {role}"): (
                "a new role: the dashboard can read the column 'result'."
            ),
            rights(
                REVOKE,
                "GRANT SELECT ON celery_taskmeta TO {role}",
                "REVOKE SELECT (result, traceback, args, kwargs) ON celery_taskmeta FROM {role}",
            ): ("a new role: the dashboard can read the column 'result'."),
            rights(REVOKE, f"{GRANT} dashboard"): 'role "dashboard" does not exist',
            rights(REVOKE, f"{GRANT} {{role}}".replace(", worker", "")): (
                "cannot read the column 'worker'"
            ),
            rights(REVOKE, f"{GRANT} {{role}}".replace("name", "args, name")): (
                "a new role: the dashboard can read the column 'args'."
            ),
            rights(REVOKE.replace("ALL ON", "SELECT ON"), f"{GRANT} {{role}}"): (
                "a new role: the dashboard can change rows: PUBLIC can, and"
            ),
            rights("REVOKE ALL ON celery_taskmeta FROM PUBLIC", f"{GRANT} {{role}}"): (
                "a new role: the dashboard can read the table"
            ),
            rights(REVOKE, f"{GRANT} {{role}}", "ALTER ROLE {role} SUPERUSER"): (
                "a new role: the dashboard can read the column 'result'."
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
