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
from tutorial.exercises.checking import WrongAnswer, case, exercise, expect, shown
from tutorial.exercises.scratch import Scratch, local_zone, scratch
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
        "accept_content, a list, decides what is read from the queue.",
        "There is another list for results: result_accept_content.",
        "Workers that refuse pickles run no task that was sent as a pickle: see task_serializer.",
    ],
)
def exercise_1(settings: Mapping[str, Any]) -> str:
    """See that settings make an app read and write only JSON."""
    if not isinstance(settings, Mapping):
        raise WrongAnswer(f"`settings` should be a dictionary, but is {shown(settings)}.")
    app = Celery("shop", set_as_current=False)
    app.conf.update(SHOP)
    app.conf.update(settings)
    for name in ("accept_content", "result_accept_content"):
        if isinstance(app.conf[name], str):
            raise WrongAnswer(
                f"{name} is a string, which Celery reads letter by letter: write a list."
            )
    for name in ("task_serializer", "result_serializer"):
        if app.conf[name] != "json":
            raise WrongAnswer(
                f"{name} is still {app.conf[name]!r}: the app writes what nothing may read."
            )
    accepted = {
        "A worker": prepare_accept_content(app.conf.accept_content),
        "A client that asks for a result": Backend(app, url="").accept,
    }
    for reader, content in accepted.items():
        if not _reads("json", content):
            raise WrongAnswer(f"{reader} refuses JSON too.")
        if _reads("pickle", content):
            raise WrongAnswer(f"{reader} still reads a pickle, which can run any code.")
    return "The app writes JSON, and reads only JSON from the queue and from the table."


def _reads(serializer: str, accepted: Any) -> bool:
    content_type, encoding, text = dumps([1, 2], serializer)
    try:
        return bool(loads(text, content_type, encoding, accept=accepted) == [1, 2])
    except ContentDisallowed:
        return False


@exercise(
    points=2,
    hints=[
        "A waiting message has visible = 1; payload ->> '$.headers.sent_at' is when it was sent.",
        "Do not compare the time of a message, which has a T, with the string datetime('now'). "
        "julianday() turns both into a number of days.",
        "A day has 1440 minutes.",
    ],
)
def exercise_2(query: str) -> str:
    """See that a query counts the messages that have been waiting longer than ``:minutes``."""
    if not isinstance(query, str):
        raise WrongAnswer(f"`query` should be a string, but is {shown(query)}.")
    zones = ("America/Los_Angeles", "Asia/Tokyo")  # local time must not pass for UTC
    for zone in zones:
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
        "Every role has the rights of PUBLIC: REVOKE ... FROM PUBLIC takes them away.",
        "REVOKE takes back what was granted in the same form. A right to the whole table remains "
        "when a right to one of its columns is revoked.",
        f"GRANT SELECT (status, name) ON {TASK_TABLE} TO ... grants two columns and no others.",
    ],
)
def exercise_3(rights: Callable[[str], list[str]], server: Server) -> str:
    """See that a role may read some columns of the results, but do nothing else."""
    role = f"dashboard_{uuid.uuid4().hex}"
    engine = make_engine(server.url)
    try:
        with case("a new role") as call, engine.connect() as connection:  # no commit: all is undone
            statements = call(rights, role)
            if not isinstance(statements, list | tuple) or not all(
                isinstance(each, str) for each in statements
            ):
                raise WrongAnswer(f"expected a list of strings, got {shown(statements)}.")
            ends = r"\b(COMMIT|END|ROLLBACK)\b"
            if any(re.search(ends, text, re.IGNORECASE) for text in statements):
                raise WrongAnswer("a statement ends the transaction, which is not its task.")
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
            raise WrongAnswer(
                f"PostgreSQL refuses {shown(statement.replace(role, 'ROLE'))}: {refusal}."
            )

    for column in READABLE:
        if refusal := _refusal(connection, f"SELECT {column} FROM {RESULTS}", role):
            raise WrongAnswer(f"the dashboard cannot read the column {column!r}: {refusal}.")
    for column in PRIVATE:
        if not _refusal(connection, f"SELECT {column} FROM {RESULTS}", role):
            reason = _reason(connection, "SELECT", RESULTS)
            raise WrongAnswer(f"the dashboard can read the column {column!r}{reason}.")
    for verb, statement in WRITES.items():
        if not _refusal(connection, statement, role):
            reason = _reason(connection, statement.split()[0], RESULTS)
            raise WrongAnswer(f"the dashboard can {verb} rows{reason}.")
    if not _refusal(connection, f"SELECT taskset_id FROM {GROUPS}", role):
        reason = _reason(connection, "SELECT", GROUPS)
        raise WrongAnswer(f"the dashboard can read the table {GROUP_TABLE}{reason}.")
    for verb, statement in WRITES.items():
        if refusal := _refusal(connection, statement, worker):
            raise WrongAnswer(f"the role of the workers can no longer {verb} rows: {refusal}.")


def _reason(connection: sa.Connection, right: str, table: str) -> str:
    everybody = sa.text("SELECT has_table_privilege('public', :table, :right)")
    if connection.scalar(everybody, {"table": table, "right": right}):
        return ": PUBLIC can, and so can every role"
    return ""


def _refusal(connection: sa.Connection, statement: str, role: str = "") -> str:
    """Run a statement, as another role if one is named; return why PostgreSQL refuses it."""
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
