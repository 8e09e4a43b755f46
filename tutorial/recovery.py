"""Recovery: which tasks were lost with a worker that was killed, and how they come back.

Three tables show it. The queue keeps each message, invisible once it is received; a second table
says which process has received it (`tutorial.deliveries`); and a task that has ended has a result.
So a task is lost if its last message was received by a process that is dead, and it has no result.

It is for the embedded queue only: RabbitMQ and Redis redeliver what no worker has acknowledged.
"""

import datetime as dt
import warnings
from collections.abc import Collection
from contextlib import suppress
from typing import Any

import pandas as pd
import sqlalchemy as sa
from celery import states
from celery.exceptions import ImproperlyConfigured
from celery.utils.time import maybe_timedelta

from tutorial.checks.arguments import shown
from tutorial.database import check_engine, check_table
from tutorial.deliveries import deliveries, is_alive
from tutorial.messages import read_headers, read_message
from tutorial.reading.source import connect, explained, read_only
from tutorial.tables import MESSAGE_TABLE, TASK_TABLE, find_tasks
from tutorial.workflows import UNLOCK

LOST_COLUMNS = {
    "task_id": "str",
    "name": "category",
    "status": "category",
    "deliveries": "int64",
    "received_at": "datetime64[us, UTC]",
}

# A message is sent with version 1, and gets the next one when it is received, and when it is put
# back. So half of the version, rounded down, is the number of times that it was received.
MESSAGES = sa.text(f"""
SELECT id, visible, version / 2 AS deliveries, consumer, received_at,
    received_at >= :oldest AS recent, payload
FROM {MESSAGE_TABLE} LEFT JOIN {deliveries.name} ON message_id = id ORDER BY id
""")
PAYLOAD = sa.text(f"SELECT payload FROM {MESSAGE_TABLE} WHERE id = :id")
# Only if nobody else has put it back since: another recovery, or a worker that took it then.
PUT_BACK = sa.text(f"""
UPDATE {MESSAGE_TABLE} SET visible = 1, version = version + 1
WHERE id = :id AND NOT visible AND EXISTS (
    SELECT 1 FROM {deliveries.name} WHERE message_id = :id AND consumer = :consumer
)""")


def lost_tasks(
    engine: sa.Engine,
    queue: sa.Engine,
    *,
    max_age: dt.timedelta | None = None,
    table: str = TASK_TABLE,
    schema: str | None = None,
) -> pd.DataFrame:
    """Find the tasks that were lost with their workers, and change nothing.

    A task is lost if a dead worker had received it and it has not ended, whether or not the worker
    had begun it: it has no row, or its row says ``STARTED``, ``RETRY`` or a custom state. If only
    the task's pool process was killed, the task is not lost: its row says ``FAILURE``, with a
    `WorkerLostError`.

    Some things cannot be known, so a task may be missed, or reported by mistake:

    - A task that ignores its result is never found, because no row can show that it has ended.
      Celery's own ``chord_unlock`` is found, as long as the chord's body has not been sent.
    - A task whose row was deleted by ``forget()``, or which raised `celery.exceptions.Ignore`,
      is reported if its worker is gone, because nothing shows any longer that it has ended. So is
      a message that the worker refused and discarded, such as a pickle.
    - A pool process can be killed after it has read a task but before it has reported this to its
      worker. The worker goes on without that task, which is found once the worker has ended.

    Parameters
    ----------
    engine : sqlalchemy.Engine
        The database of the result backend, such as `tutorial.database.make_engine` returns.
    queue : sqlalchemy.Engine
        The embedded queue, as `tutorial.broker.queue_engine` returns it.
    max_age : datetime.timedelta, optional
        Only messages that were received within this time. By default the setting
        ``result_expires``, because the results of older tasks may have been deleted.
    table, schema : str, optional
        The table of the results, as for `tutorial.results.load_results`.

    Returns
    -------
    pandas.DataFrame
        One row for each task, in the order of sending.

        ================================== =======================================================
        ``task_id``                        str
        ``name``                           category
        ``status``                         category; missing where there is no row
        ``deliveries``                     int64: how many times a worker has received the
                                           message; a task with many may be killing the workers
        ``received_at``                    datetime64[us, UTC]: the last time
        ================================== =======================================================

    Raises
    ------
    celery.exceptions.ImproperlyConfigured
        If the queue is not a SQLite file or has no table of messages, or if the other database has
        no table of results.
    TypeError, ValueError
        If an argument cannot be used.
    ConnectionError
        If a database cannot be read.

    Warns
    -----
    UserWarning
        If the queue holds messages that cannot be read. They stay as they are.
    """
    lost = _find(engine, queue, max_age, table, schema)
    frame = pd.DataFrame(lost, columns=list(LOST_COLUMNS))
    frame["received_at"] = pd.to_datetime(frame["received_at"], utc=True)
    return frame.astype(LOST_COLUMNS)


def requeue_lost(
    engine: sa.Engine,
    queue: sa.Engine,
    task_ids: Collection[str] | None = None,
    *,
    max_age: dt.timedelta | None = None,
    table: str = TASK_TABLE,
    schema: str | None = None,
) -> int:
    """Put the messages of lost tasks back into the queue, where a worker will find them.

    You can call it at any time: while workers are running, repeatedly, and from several processes
    at once, since only one of them puts each message back. A lost task may have done all or half
    of its work before its worker was killed. It runs again from the start, so it must be
    idempotent.

    Parameters
    ----------
    engine, queue : sqlalchemy.Engine
        As for `lost_tasks`.
    task_ids : collection of str, optional
        Put back only those of the lost tasks. By default all.
    max_age, table, schema : optional
        As for `lost_tasks`.

    Returns
    -------
    int
        How many messages this call has put back.

    Raises
    ------
    celery.exceptions.ImproperlyConfigured
        As `lost_tasks`.

    Warns
    -----
    UserWarning
        As `lost_tasks`.
    """
    wanted = [] if task_ids is None else task_ids
    if (
        isinstance(wanted, str)
        or not isinstance(wanted, Collection)
        or not all(isinstance(task_id, str) for task_id in wanted)
    ):
        raise TypeError(f"task_ids must be a collection of ids, such as [{shown(task_ids)}].")
    chosen = None if task_ids is None else set(task_ids)
    lost = _find(engine, queue, max_age, table, schema)
    claims = [
        {"id": row["id"], "consumer": row["consumer"]}
        for row in lost
        if chosen is None or row["task_id"] in chosen
    ]
    if not claims:
        return 0
    with explained(queue.url), queue.begin() as connection:  # all or none
        return connection.execute(PUT_BACK, claims).rowcount


def _find(
    engine: sa.Engine,
    queue: sa.Engine,
    max_age: dt.timedelta | None,
    table: str,
    schema: str | None,
) -> list[dict[str, Any]]:
    """Return the lost tasks, each with the ``id`` of its message and the dead ``consumer``."""
    check_engine(engine)
    check_engine(queue)
    check_table(table, schema)
    file = _file(queue)
    with connect(read_only(queue), queue.url) as connection:
        # First who is dead, then what they have received: the dead receive and store no more.
        noted = connection.scalars(sa.select(deliveries.c.consumer).distinct()).all()
        dead = {name for name in noted if not is_alive(file, name)}
        connection.rollback()  # what follows should not read an older state
        last = _last_messages(connection, _oldest(max_age))
        messages = [
            row
            for row in last.values()
            if not row["visible"] and row["recent"] and row["consumer"] in dead
            if not row["ignored"] or row["name"] == UNLOCK
        ]
        for row in messages:
            row["ends"] = row["task_id"]  # the id of the row that tells that the task has ended
            if row["name"] == UNLOCK:
                body = _body_of_chord(connection, row["id"])
                row["ends"] = None if body in last else body
    messages = [row for row in messages if row["ends"]]
    ids = [row[key] for row in messages for key in ("task_id", "ends")]
    with explained(engine.url):
        status = _status(engine.url, read_only(engine), ids, table, schema)
    return [
        row | {"status": status.get(row["task_id"])}
        for row in messages
        if status.get(row["ends"]) not in states.READY_STATES
    ]


def _last_messages(connection: sa.Connection, oldest: dt.datetime) -> dict[str, dict[str, Any]]:
    """Return the last message of each task; one that was tried again or given back has several."""
    last: dict[str, dict[str, Any]] = {}
    unreadable = []
    for found in connection.execute(MESSAGES, {"oldest": oldest.isoformat(" ")}):
        row = found._asdict()
        try:
            row |= _task(row.pop("payload"))
        except ValueError:
            unreadable.append(found.id)
        else:
            last[row["task_id"]] = row
    if unreadable:
        some = ", ".join(map(str, unreadable[:5])) + (", ..." if len(unreadable) > 5 else "")
        warnings.warn(
            f"{len(unreadable)} messages of the queue cannot be read, and stay as they are: "
            f"id {some}.",
            stacklevel=4,
        )
    return last


def _task(payload: str) -> dict[str, Any]:
    """Return what the headers of a message say about its task."""
    headers = read_headers(payload)
    if not isinstance(headers.get("id"), str):
        raise ValueError("The message has no task id.")
    return {
        "task_id": headers["id"],
        "name": headers.get("task"),
        "ignored": headers.get("ignore_result"),
    }


def _file(queue: sa.Engine) -> str:
    if queue.dialect.name != "sqlite" or not queue.url.database:
        raise ImproperlyConfigured(
            "Lost tasks can only be found in a SQLite queue: on a server, a worker may be on "
            "another machine, and nothing here shows whether it is still running."
        )
    with explained(queue.url):
        found = sa.inspect(read_only(queue)).get_table_names()
    for table in (MESSAGE_TABLE, deliveries.name):
        if table not in found:
            raise ImproperlyConfigured(
                f"The file {queue.url.database} has no table {table}: it is not the embedded "
                "queue, or no worker of this course has used it yet."
            )
    return queue.url.database


def _oldest(max_age: dt.timedelta | None) -> dt.datetime:
    """Return the time before which a message was received too long ago, without a time zone."""
    if max_age is None:
        from tutorial.tasks import app  # which reads the environment

        max_age = maybe_timedelta(app.conf.result_expires)  # the setting may be in seconds
    elif not isinstance(max_age, dt.timedelta):
        raise TypeError(f"max_age must be a datetime.timedelta, but is {shown(max_age)}.")
    now = dt.datetime.now(dt.UTC).replace(tzinfo=None)
    if max_age is None or max_age >= now - dt.datetime.min:  # nothing is deleted, or nothing is old
        return dt.datetime.min
    return now - max_age


def _body_of_chord(connection: sa.Connection, message: int) -> str | None:
    """Return the id of the task that a ``chord_unlock`` waits to send."""
    with suppress(ValueError, LookupError, TypeError):
        unlock = read_message(connection.scalar(PAYLOAD, {"id": message}))
        return str(unlock.args[1]["options"]["task_id"])
    return None


def _status(
    url: sa.URL, engine: sa.Engine, task_ids: list[str], table: str, schema: str | None
) -> dict[str, str]:
    """Return the states of those tasks that have a row."""
    if not sa.inspect(engine).has_table(table, schema=schema):
        raise ImproperlyConfigured(
            f"The database {url} has no table {table}: without the results of the "
            "tasks, nothing shows which of them have ended."
        )
    rows = find_tasks(engine, task_ids, [], table=table, schema=schema)
    return {task_id: row.status for task_id, row in rows}
