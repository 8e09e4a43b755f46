"""Looks at what belongs to the tasks: groups, children, and the embedded queue."""

import datetime as dt
import warnings
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import sqlalchemy as sa
from celery import states

from tutorial.database import explain
from tutorial.inspecting.dates import is_expired
from tutorial.inspecting.findings import Found, number, some
from tutorial.inspecting.rows import Rows
from tutorial.inspecting.source import NotChecked, Source
from tutorial.reading.decoding import to_arrow
from tutorial.reading.frame import FrameBuilder
from tutorial.reading.source import read_only
from tutorial.reading.table import Table
from tutorial.results import GROUP_COLUMNS
from tutorial.tables import GROUP_TABLE, MESSAGE_TABLE, TASK_TABLE

GROUPS = 500  # the newest ones, and as many of the oldest
DJANGO_GROUPS = "django_celery_results_groupresult"
CHILDREN = 5_000
MESSAGES = 100_000
A_LONG_TIME = dt.timedelta(days=3650)


def check_children(source: Source, rows: Rows) -> Found:
    """Find children that have no row.

    Parameters
    ----------
    source : Source
    rows : Rows

    Yields
    ------
    tuple of str
    """
    frame = rows.frame
    parents = frame[frame["status"].isin(list(states.READY_STATES)) & frame["children"].notna()]
    wanted: dict[str, Any] = {}
    for parent, children in zip(parents["id"], parents["children"], strict=True):
        for child in _task_ids(children):
            wanted.setdefault(child, parent)
    wanted = dict(list(wanted.items())[:CHILDREN])
    missing = _missing(source, list(wanted), set(frame["task_id"].dropna()))
    if missing:
        ids = some(dict.fromkeys(wanted[child] for child in missing))
        count = number(len(missing), "child has", "children have")
        yield "missing-children", f"{count} no row; the parents' id is {ids}."


def check_groups(source: Source, expires: dt.timedelta | None) -> Found:
    """Look at the groups that were saved.

    Parameters
    ----------
    source : Source
    expires : datetime.timedelta or None
        After which time a clean-up deletes a group; None if never.

    Yields
    ------
    tuple of str
    """
    name = DJANGO_GROUPS if source.tasks.of_django else GROUP_TABLE
    if not source.tasks.of_django and source.tasks.table.name != TASK_TABLE:
        return  # the table of groups was renamed too, and we do not know how
    groups = _groups(source, name)
    if groups is None:
        return
    bad = groups["undecodable"].str.contains("result", na=False)
    if bad.any():
        yield "unreadable-groups", f"{bad.sum():,} of {number(len(groups), 'group')}."
    old = is_expired(groups["date_done"], expires)
    yield from _check_age(groups, old)
    members = {
        member: place
        for place, value in groups.loc[~old, "result"].items()
        for member in _task_ids(value)
    }
    missing = _missing(source, list(members), set())
    if missing:
        incomplete = len({members[member] for member in missing})
        count = number(len(missing), "member has", "members have")
        yield (
            "incomplete-groups",
            f"{incomplete:,} of {number(len(groups), 'group')}: {count} no row.",
        )


def _check_age(groups: pd.DataFrame, old: pd.Series) -> Found:
    if old.any():
        oldest = groups["date_done"].min()
        yield (
            "expired-groups",
            f"{old.sum():,} of {number(len(groups), 'group')}; the oldest was saved on "
            f"{oldest:%Y-%m-%d %H:%M} UTC.",
        )
    undated = groups["date_done"].isna() & ~groups["undecodable"].str.contains("date", na=False)
    if undated.any():
        yield "never-deleted-groups", f"{undated.sum():,} of {number(len(groups), 'group')}."


def _groups(source: Source, name: str) -> pd.DataFrame | None:
    """Return the newest and the oldest groups; None if there is no table of them."""
    try:
        with warnings.catch_warnings(action="ignore"):
            groups = Table(source.tasks.engine, name, source.tasks.table.schema)
    except ConnectionError as error:
        raise NotChecked(explain(error.__cause__ or error)) from None
    except ValueError:  # of another schema
        return None
    if not groups.exists:
        return None
    builder = FrameBuilder(GROUP_COLUMNS, GROUP_COLUMNS, groups.zone, of_django=groups.of_django)
    columns = [groups.select.stored(groups.columns[name]) for name in builder.stored]
    query = sa.select(*(column.label(f"s_{i}") for i, column in enumerate(columns)))
    query = query.select_from(groups.table).limit(GROUPS)
    rows = [
        row for order in ("id DESC", "id") for row in source.rows(query.order_by(sa.text(order)))
    ]
    values = list(zip(*rows, strict=True)) or [()] * len(builder.stored)
    builder.add(pa.RecordBatch.from_arrays([to_arrow(v) for v in values], builder.stored))
    frame = builder.frame().drop_duplicates("taskset_id", ignore_index=True)
    return frame.assign(undecodable=frame["undecodable"].astype("str"))


def _task_ids(value: Any) -> list[str]:
    """Return the ids of tasks in what ``as_tuple`` gave, of a result or of a group of results."""
    found: list[str] = []
    todo = [value]
    while todo and len(found) < CHILDREN:
        each = todo.pop()
        if _is_result(each):
            if not each[1]:
                found.append(each[0][0])
            todo += each[1] or []
        elif isinstance(each, list | tuple):
            todo += each
    return found


def _is_result(value: Any) -> bool:
    """Tell whether it has the form ``((id, parent), children)``."""
    return (
        isinstance(value, list | tuple)
        and len(value) == 2
        and isinstance(value[0], list | tuple)
        and len(value[0]) == 2
        and isinstance(value[0][0], str)
        and (value[1] is None or isinstance(value[1], list | tuple))
    )


def _missing(source: Source, task_ids: list[str], known: set[str]) -> list[str]:
    """Return those of some tasks that have no row."""
    wanted = [task_id for task_id in task_ids if task_id not in known]
    column = source.tasks.columns.get("task_id")
    if column is None:
        return []
    raw: sa.ColumnClause[Any] = sa.column(column.name)
    for start in range(0, len(wanted), 1000):
        query = sa.select(raw).select_from(source.tasks.table)
        rows = source.rows(query.where(raw.in_(wanted[start : start + 1000])))
        known = known | {row[0] for row in rows}
    return [task_id for task_id in wanted if task_id not in known]


def check_queue(
    engine: sa.Engine, source: Source, queue: sa.Engine | None, expires: dt.timedelta | None
) -> Found:
    """Look at the embedded queue beside the results.

    Parameters
    ----------
    engine : sqlalchemy.Engine
        The database of results.
    source : Source
    queue : sqlalchemy.Engine or None
        The queue's. None looks for a file of the course's in the same folder.
    expires : datetime.timedelta or None
        How long results live: without one, nothing tells whether an older task has ended.

    Yields
    ------
    tuple of str

    Raises
    ------
    NotChecked
        If the queue is too large.
    """
    queue = queue or _beside(source)
    reading = queue and read_only(queue)
    if queue is None or reading is None or not sa.inspect(reading).has_table(MESSAGE_TABLE):
        return
    first = sa.text(f"SELECT visible FROM {MESSAGE_TABLE} LIMIT {MESSAGES + 1}")
    with reading.connect() as connection:
        visible = connection.scalars(first).all()
    count, waiting = len(visible), sum(map(bool, visible))
    if waiting:
        yield "waiting-messages", f"{number(waiting, 'message is', 'messages are')} waiting."
    if count > MESSAGES:
        raise NotChecked(f"the queue holds more than {number(MESSAGES, 'message')}")
    yield from _check_lost(engine, source, queue, expires or A_LONG_TIME)


def _check_lost(
    engine: sa.Engine, source: Source, queue: sa.Engine, max_age: dt.timedelta
) -> Found:
    from tutorial.recovery import lost_tasks  # which imports Celery's parts

    if source.tasks.table.name != TASK_TABLE or queue.dialect.name != "sqlite":
        return
    if not sa.inspect(read_only(queue)).has_table("tutorial_delivery"):
        return
    with warnings.catch_warnings(action="ignore"):
        lost = lost_tasks(engine, queue, max_age=max_age)
    if len(lost):
        yield "lost-tasks", f"{number(len(lost), 'task')}: {some(lost['name'].unique(), 3)}."


def _beside(source: Source) -> sa.Engine | None:
    """Return the engine of the course's queue in the folder of the results, if there is one."""
    from tutorial.database import make_engine, sqlite_url
    from tutorial.workspace import QUEUE_FILE

    if source.file is None:
        return None
    path = Path(source.file).with_name(QUEUE_FILE)
    return make_engine(sqlite_url(path)) if path.exists() else None
