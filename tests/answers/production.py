"""Answers to the exercises of chapter 15."""

from answers.kinds import FUNCTION, value
from exercise_runs import Answers

COLUMNS = "task_id, status, name, worker, date_done"
REVOKE = "REVOKE ALL ON ALL TABLES IN SCHEMA public FROM PUBLIC"
GRANT = f"GRANT SELECT ({COLUMNS}) ON celery_taskmeta TO"


def rights(*statements: str) -> str:
    return "return [" + ", ".join(f'f"{statement}"' for statement in statements) + "]"


def with_options(**options: str) -> str:
    """Return a function's body that adds options to a URL; "CA" stands for the file."""
    text = repr(options).replace("'CA'", "ca_file")
    made = f"sa.make_url(url).update_query_dict({text})"
    return f"return {made}.render_as_string(hide_password=False)"


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
            **FUNCTION,
            "return url": "another host: it gets the password.",
            "return sa.make_url(url)": "expected a URL as a string, got postgresql",
            with_options(sslmode="disable"): "another host: it gets the password.",
            with_options(sslmode="require"): "another host: it gets the password.",
            with_options(sslmode="require", channel_binding="require"): (
                "another host: the client talks to it."
            ),
            with_options(
                sslmode="require", sslrootcert="CA"
            ): "another host: it gets the password.",
            with_options(sslmode="verify-ca", sslrootcert="CA"): (
                "another host: it gets the password."
            ),
            with_options(sslmode="verify-full", sslrootcert="system"): (
                "the shop's own server: the client refuses it"
            ),
            with_options(sslmode="verify-full"): "the shop's own server: the client refuses it",
            "return str(sa.make_url(url))": "another server, user, password or database",
            "return 'postgresql'": "'postgresql' is not a URL.",
        },
        right=[
            with_options(sslmode="verify-full", sslrootcert="CA", channel_binding="prefer"),
            'return f"{url}?sslmode=verify-full&sslrootcert={ca_file}"',
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
