"""The tables of Celery's result backend and of the embedded queue: their names, and their queries.

The columns are those of ``celery.backends.database.models`` and
``kombu.transport.sqlalchemy.models``.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import sqlalchemy as sa

from tutorial.database import check_engine, check_table

TASK_TABLE = "celery_taskmeta"
GROUP_TABLE = "celery_tasksetmeta"
QUEUE_TABLE = "kombu_queue"
MESSAGE_TABLE = "kombu_message"
IDS_AT_ONCE = 10_000  # in one query; SQLite takes 32,766 values, PostgreSQL 65,535


def find_tasks(
    engine: sa.Engine,
    task_ids: Sequence[str],
    columns: Sequence[str],
    *,
    table: str = TASK_TABLE,
    schema: str | None = None,
) -> Iterator[sa.Row[Any]]:
    """Look up the rows of some tasks, with a few queries for all of them.

    Parameters
    ----------
    engine : sqlalchemy.Engine
        The database of the result backend.
    task_ids : sequence of str
    columns : sequence of str
        The columns to return, such as ``["task_id", "status"]``.
    table, schema : str, optional
        As in Celery's settings ``database_table_names`` and ``database_table_schemas``.

    Yields
    ------
    sqlalchemy.Row
        One row for each task that has one.

    Raises
    ------
    TypeError, ValueError
        If it is no engine, or no name of a table.
    """
    check_engine(engine)
    check_table(table, schema)
    tasks = sa.table(table, *map(sa.column, {"task_id", *columns}), schema=schema)
    query = sa.select(*(tasks.c[column] for column in columns))
    for start in range(0, len(task_ids), IDS_AT_ONCE):
        some = tasks.c.task_id.in_(task_ids[start : start + IDS_AT_ONCE])
        with engine.connect() as connection:
            rows = connection.execute(query.where(some)).all()
        yield from rows


def payloads(queue: sa.Engine) -> list[str]:
    """Return the payloads of all messages of the embedded queue, in the order of sending.

    Parameters
    ----------
    queue : sqlalchemy.Engine
        As `tutorial.broker.queue_engine` returns it.

    Returns
    -------
    list of str
        None if there is no queue yet. `tutorial.messages.read_message` reads them.

    Raises
    ------
    TypeError
        If it is no engine.
    """
    check_engine(queue)
    if not sa.inspect(queue).has_table(MESSAGE_TABLE):
        return []
    messages = sa.table(MESSAGE_TABLE, sa.column("id"), sa.column("payload"))
    with queue.connect() as connection:
        return list(connection.scalars(sa.select(messages.c.payload).order_by(messages.c.id)))
