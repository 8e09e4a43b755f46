"""The exercises of chapter 15: production."""

import datetime as dt
import re
import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from celery import Celery
from celery.backends.base import Backend
from kombu.exceptions import ContentDisallowed
from kombu.serialization import dumps, loads, prepare_accept_content

from tutorial.database import explain, make_engine
from tutorial.exercises.checking import Wrong, call, exercise, shown
from tutorial.exercises.quiz import Choice, Question
from tutorial.exercises.scratch import Scratch, scratch
from tutorial.servers import Server
from tutorial.tables import GROUP_TABLE, MESSAGE_TABLE, TASK_TABLE
from tutorial.tasks import add

SHOP = {  # the settings of exercise 1
    "task_serializer": "pickle",
    "accept_content": ["json", "pickle"],
    "result_serializer": "json",
    "result_accept_content": ["json", "pickle"],
}


@exercise(
    points=1,
    hints=[
        "What is read from the queue is decided by accept_content, a list.",
        "For results there is a list of its own: result_accept_content.",
        "Who sends pickles to workers that refuse them gets no task done: see task_serializer.",
    ],
)
def exercise_1(settings: Mapping[str, Any]) -> str:
    """See that settings make an app read and write JSON alone."""
    if not isinstance(settings, Mapping):
        raise Wrong(f"`settings` is {shown(settings)}, and not a dictionary.")
    app = Celery("shop", set_as_current=False)
    app.conf.update(SHOP)
    app.conf.update(settings)
    for name in ("accept_content", "result_accept_content"):
        if isinstance(app.conf[name], str):
            raise Wrong(f"{name} is a text, and Celery takes it letter by letter: write a list.")
    for name in ("task_serializer", "result_serializer"):
        if app.conf[name] != "json":
            raise Wrong(f"{name} is still {app.conf[name]!r}: the app writes what nobody may read.")
    accepted = {
        "A worker": prepare_accept_content(app.conf.accept_content),
        "Who asks for a result": Backend(app, url="").accept,
    }
    for reader, content in accepted.items():
        if not _reads("json", content):
            raise Wrong(f"{reader} refuses JSON too.")
        if _reads("pickle", content):
            raise Wrong(f"{reader} still reads a pickle, and with it runs what is in it.")
    return "The app writes JSON, and reads nothing else, neither from the queue nor from the table."


def _reads(serializer: str, accepted: Any) -> bool:
    content_type, encoding, text = dumps([1, 2], serializer)
    try:
        return bool(loads(text, content_type, encoding, accept=accepted) == [1, 2])
    except ContentDisallowed:
        return False


@exercise(
    points=2,
    hints=[
        "A message that waits has visible = 1; payload ->> '$.headers.sent_at' is its time.",
        "As texts, the time of a message, with its T, and that of datetime('now') do not "
        "compare. julianday() makes a number of days of both.",
        "A day has 1440 minutes.",
    ],
)
def exercise_2(query: str) -> str:
    """See that a query counts the messages that have waited for longer than ``:minutes``."""
    if not isinstance(query, str):
        raise Wrong(f"`query` is {shown(query)}, and not a text.")
    with scratch() as databases:
        now = dt.datetime.now(dt.UTC)
        # Between a day and a half and half a day ago, so that other messages are of the same day.
        limit = (now - dt.timedelta(days=1)).replace(hour=12, minute=0)
        for hours in (1, 100, -1, -2):
            _send(databases, limit - dt.timedelta(hours=hours))
        _send(databases, limit - dt.timedelta(hours=2), queue="math")
        for hours in (3, 4):
            _send(databases, limit - dt.timedelta(hours=hours), received=True)
        minutes = (now - limit) // dt.timedelta(minutes=1)
        for past, right in {minutes: 3, 100 * minutes: 0}.items():
            found = _number(databases.queue, query, past)
            if found != right:
                raise Wrong(
                    f"Of seven messages, five of which wait, {right} have waited for longer "
                    f"than :minutes, and the query gives {shown(found)}."
                )
    return "The query counts what waits for too long, in every queue."


def _send(databases: Scratch, sent_at: dt.datetime, **options: Any) -> None:
    task_id = databases.send(add, (2, 3), **options)
    change = f"""
        UPDATE {MESSAGE_TABLE} SET payload = json_set(payload, '$.headers.sent_at', :sent_at)
        WHERE payload ->> '$.headers.id' = :id"""
    with databases.queue.begin() as connection:
        connection.execute(sa.text(change), {"sent_at": sent_at.isoformat(), "id": task_id})


def _number(engine: sa.Engine, query: str, minutes: int) -> Any:
    """Return what a query gives: its only value."""
    with engine.connect() as connection:
        try:
            rows = connection.execute(sa.text(query), {"minutes": minutes}).all()
        except sa.exc.ResourceClosedError:
            raise Wrong("The query returns no rows: it is no SELECT.") from None
        except sa.exc.SQLAlchemyError as error:
            reason = explain(error).partition(" (Background")[0]
            raise Wrong(f"The database does not run the query: {reason}.") from None
    if len(rows) != 1 or len(rows[0]) != 1:
        size = f"{len(rows)} rows" if len(rows) != 1 else f"{len(rows[0])} columns"
        raise Wrong(f"The query gives {size}, and a dashboard needs a single number.")
    return rows[0][0]


READABLE = ("task_id", "status", "name", "worker", "date_done")
PRIVATE = ("result", "traceback", "args", "kwargs")
RESULTS, GROUPS = f"public.{TASK_TABLE}", f"public.{GROUP_TABLE}"
WRITES = {
    "change": f"UPDATE {RESULTS} SET status = 'SUCCESS'",
    "add": f"INSERT INTO {RESULTS} (id, task_id) VALUES (-1, 'forged')",
    "delete": f"DELETE FROM {RESULTS}",
}


@exercise(
    points=3,
    hints=[
        "What PUBLIC may do everybody may do: REVOKE ... FROM PUBLIC takes it away.",
        "REVOKE takes back what was granted in the same form. A right to the whole table stays "
        "when that to one column is taken away.",
        f"GRANT SELECT (status, name) ON {TASK_TABLE} TO ... grants two columns, and no other.",
    ],
)
def exercise_3(rights: Callable[[str], list[str]], server: Server) -> str:
    """See that a role may read some columns of the results, and do nothing else."""
    role = f"dashboard_{uuid.uuid4().hex}"
    statements = call(rights, role)
    if not isinstance(statements, list | tuple) or not all(isinstance(s, str) for s in statements):
        raise Wrong(f"The function returns {shown(statements)}, and not a list of texts.")
    if any(re.search(r"\b(COMMIT|END|ROLLBACK)\b", text, re.IGNORECASE) for text in statements):
        raise Wrong("A statement ends the transaction: leave that to who runs the statements.")
    engine = make_engine(server.url)
    try:
        with engine.connect() as connection:  # no commit: nothing of it stays
            _look_at(connection, statements, role)
    finally:
        engine.dispose()
    return "The dashboard reads five columns and nothing else, and the worker still works."


def _look_at(connection: sa.Connection, statements: Sequence[str], role: str) -> None:
    worker = role.replace("dashboard", "worker")
    for statement in [
        "SET LOCAL statement_timeout = '5s'",
        f"CREATE ROLE {role}",
        f"CREATE ROLE {worker}",
        f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {worker}",
    ]:
        connection.exec_driver_sql(statement)
    for statement in statements:
        if refusal := _refusal(connection, statement):
            raise Wrong(f"PostgreSQL refuses {shown(statement.replace(role, 'ROLE'))}: {refusal}.")

    for column in READABLE:
        if refusal := _refusal(connection, f"SELECT {column} FROM {RESULTS}", role):
            raise Wrong(f"The dashboard cannot read the column {column!r}: {refusal}.")
    for column in PRIVATE:
        if not _refusal(connection, f"SELECT {column} FROM {RESULTS}", role):
            reason = _reason(connection, "SELECT", RESULTS)
            raise Wrong(f"The dashboard can read the column {column!r}{reason}.")
    for verb, statement in WRITES.items():
        if not _refusal(connection, statement, role):
            reason = _reason(connection, statement.split()[0], RESULTS)
            raise Wrong(f"The dashboard can {verb} rows{reason}.")
    if not _refusal(connection, f"SELECT taskset_id FROM {GROUPS}", role):
        reason = _reason(connection, "SELECT", GROUPS)
        raise Wrong(f"The dashboard can read the table {GROUP_TABLE}{reason}.")
    for verb, statement in WRITES.items():
        if refusal := _refusal(connection, statement, worker):
            raise Wrong(f"The role of the workers cannot {verb} rows any more: {refusal}.")


def _reason(connection: sa.Connection, right: str, table: str) -> str:
    everybody = sa.text("SELECT has_table_privilege('public', :table, :right)")
    if connection.scalar(everybody, {"table": table, "right": right}):
        return ": PUBLIC may, and that is everybody"
    return ""


def _refusal(connection: sa.Connection, statement: str, role: str = "") -> str:
    """Run a statement, as another role if one is named; return what PostgreSQL has against it."""
    savepoint = connection.begin_nested()
    try:
        if role:
            connection.exec_driver_sql(f"SET LOCAL ROLE {role}")
        connection.exec_driver_sql(statement)
        if role:
            savepoint.rollback()
        else:
            savepoint.commit()
    except sa.exc.DBAPIError as error:
        savepoint.rollback()
        return explain(error)
    return ""


question_1 = Question(
    'accept_content = ["json"]: what can somebody still do who can write to the queue?',
    Choice("Nothing.", "JSON stops code, and it stops no lies."),
    Choice("Run any code in the worker.", "That is what a pickle could do, and it is refused."),
    Choice(
        "Call every task that the worker knows, with any arguments.",
        "So a task must mistrust its arguments, and the queue must be closed to strangers.",
        right=True,
    ),
)
question_2 = Question(
    "Which of these numbers shows best that there are too few workers?",
    Choice("The number of messages that wait.", "A long queue that moves is no trouble."),
    Choice(
        "The time for which the oldest message waits.",
        "If it grows, more is sent than is done, or nobody serves that queue at all.",
        right=True,
    ),
    Choice("The number of failures in the table.", "It says something about tasks, and for ever."),
)
question_3 = Question(
    "sslmode=require, and somebody stands between worker and PostgreSQL. What happens?",
    Choice(
        "He gets the password.",
        "The connection is encrypted, but nobody has asked with whom: that is verify-full.",
        right=True,
    ),
    Choice("The connection is refused.", "So it would be with verify-full and a root certificate."),
    Choice("He sees noise.", "Only who listens sees noise. He answers in the server's place."),
)
question_4 = Question(
    "Which part of a signed message can be changed without anybody seeing it?",
    Choice("The arguments.", "They stand in the body, and the body is signed."),
    Choice("The signature.", "Then it does not fit the body any more."),
    Choice(
        "The name of the task.",
        "It stands in the headers, which are not signed: arguments of one go to another.",
        right=True,
    ),
)
question_5 = Question(
    "Why can a worker not do with INSERT alone on celery_taskmeta?",
    Choice("It makes the table at each start.", "The owner makes it once, before any worker."),
    Choice(
        "It updates rows, and deletes old ones.",
        "A result is first inserted and then filled in, and the clean-up deletes.",
        right=True,
    ),
    Choice("It must be able to drop the table.", "No worker needs that: leave it to the owner."),
)
