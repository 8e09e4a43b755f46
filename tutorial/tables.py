"""The tables of Celery's result backend and of the embedded queue: their names and their task ids.

The columns are those of ``celery.backends.database.models`` and
``kombu.transport.sqlalchemy.models``.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import sqlalchemy as sa
from celery import states
from kombu.utils.encoding import bytes_to_str

from tutorial.database import check_engine, check_table

TASK_TABLE = "celery_taskmeta"
GROUP_TABLE = "celery_tasksetmeta"
QUEUE_TABLE = "kombu_queue"
MESSAGE_TABLE = "kombu_message"
LENGTH = 155  # characters in the columns for names and task ids
BLOB = 65_535  # bytes in a column of MariaDB or MySQL for results, unless it was made wider
UNSTORABLE = re.compile("[\0\ud800-\udfff\U00010000-\U0010ffff]")  # in PostgreSQL, or in utf8mb3
MIXED_COLLATIONS = 1267  # MariaDB's error for a character that the column's character set lacks
MYSQL = ("mysql", "mariadb")
IDS_AT_ONCE = 10_000  # in one query; SQLite takes 32,766 values, PostgreSQL 65,535


def find_tasks(
    engine: sa.Engine,
    task_ids: Sequence[Any],
    columns: Sequence[str],
    *,
    table: str = TASK_TABLE,
    schema: str | None = None,
) -> Iterator[tuple[Any, sa.Row[Any]]]:
    """Look up the rows of some tasks, with a few queries for all of them.

    A task is found as Celery itself finds it: on MariaDB in whatever letters, and under a shorter
    id if its own could not be stored.

    Parameters
    ----------
    engine : sqlalchemy.Engine
        The database of the result backend.
    task_ids : sequence of str
        An id may also be a UUID or a number.
    columns : sequence of str
        Which columns a row has besides ``task_id`` and ``status``.
    table, schema : str, optional
        As in Celery's settings ``database_table_names`` and ``database_table_schemas``.

    Yields
    ------
    object
        One of the ids, as it was given.
    sqlalchemy.Row
        Its row; an id without a row is left out.

    Raises
    ------
    TypeError, ValueError
        If `engine` is not an engine, or `table` not the name of a table.
    """
    check_engine(engine)
    check_table(table, schema)
    names = dict.fromkeys(["task_id", "status", *columns])
    tasks = sa.table(table, *map(sa.column, names), schema=schema)
    query = sa.select(*tasks.c)
    asked = {id_as_text(task_id): task_id for task_id in task_ids}
    usual = [task_id for task_id in asked if storable_id(task_id) == task_id]
    for start in range(0, len(usual), IDS_AT_ONCE):
        some = usual[start : start + IDS_AT_ONCE]
        with engine.connect() as connection:
            rows = connection.execute(query.where(tasks.c.task_id.in_(some))).all()
        found = {row.task_id: row for row in rows}
        yield from ((asked[task_id], found[task_id]) for task_id in found.keys() & asked.keys())
        if engine.dialect.name in MYSQL:
            like = {*map(_in_any_letters, found)}
            again = [i for i in some if i not in found and _in_any_letters(i) in like]
            yield from ((asked[i], row) for i in again if (row := _find_one(engine, query, i)))
    odd = asked.keys() - {*usual}
    yield from ((asked[i], row) for i in odd if (row := _find_one(engine, query, i)))


def _find_one(engine: sa.Engine, query: sa.Select[Any], task_id: str) -> Any:
    def look(key: str) -> Any:
        with engine.connect() as connection:
            column = query.selected_columns.task_id
            return connection.execute(query.where(column == key)).first()

    return find_row(look, task_id)


def find_row(look: Callable[[str], Any], task_id: str) -> Any:
    """Return the row of a task; if its id could not be stored, the row that says so.

    Parameters
    ----------
    look : callable
        Takes an id, and returns its row or None.
    task_id : str

    Returns
    -------
    sqlalchemy.Row or None
    """
    for key in dict.fromkeys([task_id, storable_id(task_id)]):
        try:
            row = look(key)
        except (sa.exc.DatabaseError, UnicodeEncodeError) as error:
            if not refuses_value(error):
                raise
            continue
        if row and (key == task_id or row.status in states.EXCEPTION_STATES):
            return row
    return None


def _in_any_letters(task_id: str) -> str:
    """Return what most of MariaDB's collations take an id for."""
    return task_id.casefold().rstrip(" ")


def id_as_text(task_id: Any) -> Any:
    """Return a task id as its column takes it: some send their tasks with a UUID, or a number.

    Parameters
    ----------
    task_id : object

    Returns
    -------
    str or None
        None for a task that was called as a function.
    """
    return None if task_id is None else str(bytes_to_str(task_id))


def refuses_value(error: BaseException) -> bool:
    """Tell whether a value can never be stored, or looked up, in its column.

    Parameters
    ----------
    error : BaseException
        Of the database, or of its driver.

    Returns
    -------
    bool
    """
    if isinstance(error, sa.exc.DataError | UnicodeEncodeError):
        return True
    arguments: tuple[Any, ...] = getattr(getattr(error, "orig", None), "args", ())
    return bool(arguments) and arguments[0] == MIXED_COLLATIONS


def storable_id(task_id: str) -> str:
    """Return the task id under which the failure is stored of a task whose own id is refused.

    Parameters
    ----------
    task_id : str

    Returns
    -------
    str
        The same, if every database takes it.
    """
    return escaped(task_id)[:LENGTH]


def escaped(text: str) -> str:
    """Return a text with escapes for the characters that a database may refuse.

    Parameters
    ----------
    text : str

    Returns
    -------
    str
    """
    return UNSTORABLE.sub(lambda found: found[0].encode("unicode_escape").decode(), text)
