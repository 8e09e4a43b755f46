"""Workflows (chains, groups, chords): results as they come, a progress bar, and the tree of tasks.

For the terms, see https://docs.celeryq.dev/en/stable/userguide/canvas.html
"""

import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import suppress
from graphlib import CycleError, TopologicalSorter
from typing import Any

import pandas as pd
import sqlalchemy as sa
from celery import states
from celery.exceptions import TimeoutError
from celery.result import AsyncResult, ResultSet
from tqdm import tqdm

from tutorial.checks.arguments import seconds, shown
from tutorial.database import check_engine, check_table
from tutorial.messages import Message, payloads, read_message
from tutorial.reading.source import explained, read_only
from tutorial.results import load_results
from tutorial.tables import TASK_TABLE, find_tasks

UNLOCK = "celery.chord_unlock"  # the task that waits for a chord's header
HEADERS = {"root_id": "root_id", "parent_id": "parent_id", "group_id": "group"}
WORKFLOW_COLUMNS = ["workflow", "step", "task_id", "name", "status", "after", *HEADERS]

Signature = dict[str, Any]  # as a message holds it


def as_completed(
    result: AsyncResult | ResultSet,
    engine: sa.Engine,
    *,
    timeout: float = 60,
    interval: float = 0.05,
    table: str | None = None,
    schema: str | None = None,
) -> Iterator[AsyncResult]:
    """Yield the results of a group in the order in which its tasks end, however they end.

    A single query asks about all unfinished tasks, whereas Celery would send one for each.

    Parameters
    ----------
    result : celery.result.GroupResult, ResultSet or AsyncResult
        Groups inside it are taken apart.
    engine : sqlalchemy.Engine
        The database of the result backend, such as `tutorial.database.make_engine` returns.
    timeout : float
        Seconds to wait at most, for all tasks together.
    interval : float
        Seconds between two checks of the table.
    table, schema : str, optional
        As in Celery's settings ``database_table_names`` and ``database_table_schemas``, which are
        the default.

    Yields
    ------
    celery.result.AsyncResult
        A task that succeeded, failed or was revoked: its ``state`` says which.

    Raises
    ------
    celery.exceptions.TimeoutError
        If some tasks have no final state in time.
    TypeError, ValueError
        If an argument cannot be used.
    ConnectionError
        If the database cannot be read.
    """
    check_engine(engine)
    seconds("timeout", timeout)
    seconds("interval", interval)
    waiting = {task.id: task for task in _tasks(result)}
    place = _place(waiting.values(), table, schema)
    total = len(waiting)
    reading = read_only(engine)  # a slip in the name of a file makes no new one
    deadline = time.monotonic() + timeout
    while waiting:
        with explained(engine.url):
            ended = _ended(reading, list(waiting), **place)
        for task_id in ended:
            yield waiting.pop(task_id)
        if waiting and not ended:
            if time.monotonic() > deadline:
                raise TimeoutError(
                    f"{len(waiting)} of {total} tasks did not end within {timeout:g} s: no worker "
                    "serves their queue, they are still running, or they ignore their result."
                )
            time.sleep(interval)


def show_progress(
    result: AsyncResult | ResultSet,
    engine: sa.Engine,
    *,
    timeout: float = 60,
    interval: float = 0.05,
    table: str | None = None,
    schema: str | None = None,
) -> None:
    """Draw a progress bar until all tasks of a group have ended, and count how they ended.

    The bar is a line of text on standard output, without times, so that the output is the same in
    every run.

    Parameters
    ----------
    result, engine, timeout, interval, table, schema
        As for `as_completed`.

    Raises
    ------
    celery.exceptions.TimeoutError, TypeError, ValueError, ConnectionError
        As `as_completed`.
    """
    tasks = list(_tasks(result))
    counts: Counter[str] = Counter()
    with tqdm(
        total=len(tasks),
        file=sys.stdout,
        bar_format="{percentage:3.0f}%|{bar:20}| {n_fmt} of {total_fmt} tasks{postfix}",
    ) as bar:
        limits: dict[str, Any] = {"timeout": timeout, "interval": interval}
        for task in as_completed(ResultSet(tasks), engine, **limits, table=table, schema=schema):
            counts[task.state] += 1
            bar.set_postfix_str(
                ", ".join(f"{counts[state]} {state}" for state in sorted(counts, reverse=True)),
                refresh=False,
            )
            bar.update()


def load_workflows(
    engine: sa.Engine,
    queue: sa.Engine,
    *,
    table: str = TASK_TABLE,
    schema: str | None = None,
) -> pd.DataFrame:
    """Put the trees of workflows together, from the queue's messages and the stored results.

    The table of results is not enough, because a task's row does not say what it belongs to. A
    message says which task sent it, to which group it belongs, and what should follow: the rest of
    its chain, and the body of its chord. So tasks that were never sent are found too.

    Parameters
    ----------
    engine : sqlalchemy.Engine
        The database of the result backend, such as `tutorial.database.make_engine` returns.
    queue : sqlalchemy.Engine
        The embedded queue, as `tutorial.broker.queue_engine` returns it.
    table, schema : str, optional
        The table of the results, as for `tutorial.results.load_results`.

    Returns
    -------
    pandas.DataFrame
        One row for each task, ordered by ``workflow``, ``step`` and the order of sending. Celery's
        own ``chord_unlock`` tasks are left out.

        ================================== =======================================================
        ``workflow``                       int64: tasks with the same number belong together;
                                           numbered from 1 in the order of sending
        ``step``                           int64: 1 for the tasks that wait for no other task
        ``task_id``                        str
        ``name``                           category
        ``status``                         category; missing while there is no result
        ``after``                          object: the list of the ids of the tasks before it
        ``root_id``, ``parent_id``         str: as in the message's headers; missing if the task
        and ``group_id``                   was not sent
        ================================== =======================================================

    Raises
    ------
    ConnectionError
        As `tutorial.results.load_results`.
    """
    check_engine(engine)
    check_engine(queue)
    trees = _Trees()
    for payload in payloads(queue):
        with suppress(ValueError, LookupError, TypeError, AttributeError, RecursionError):
            # A message that cannot be read must not hide the others.
            trees.add(read_message(payload))
    tasks = pd.DataFrame(trees.rows(), columns=[c for c in WORKFLOW_COLUMNS if c != "status"])
    tasks = tasks.astype(dict.fromkeys(["task_id", *HEADERS], "str") | {"name": "category"})
    columns = ["task_id", "status"]
    done = load_results(engine, columns=columns, table=table, schema=schema, progress=False)
    tasks = tasks.merge(done, on="task_id", how="left").sort_values(
        ["workflow", "step"], kind="stable", ignore_index=True
    )
    return tasks[WORKFLOW_COLUMNS]


def _tasks(result: AsyncResult | ResultSet) -> Iterator[AsyncResult]:
    """Yield the single tasks of a result, which can be a group of groups."""
    if isinstance(result, ResultSet):
        for part in result.results:
            yield from _tasks(part)
    elif not isinstance(result, AsyncResult):
        raise TypeError(f"Expected the result of a task or a group, got {shown(result)}.")
    else:
        yield result


def _place(
    tasks: Iterable[AsyncResult], table: str | None, schema: str | None
) -> dict[str, str | None]:
    """Return where the results of some tasks are stored: as their backend is configured."""
    check_table(TASK_TABLE if table is None else table, schema)
    for task in tasks:
        stored = getattr(getattr(task.backend, "task_cls", None), "__table__", None)
        if table is None and stored is not None:
            return {"table": stored.name, "schema": stored.schema}
        break
    return {"table": table or TASK_TABLE, "schema": schema}


def _ended(engine: sa.Engine, task_ids: list[Any], **place: Any) -> list[Any]:
    """Return those of the tasks that have ended, the earliest first."""
    rows = find_tasks(engine, task_ids, ["date_done"], **place)
    ended = [(str(row.date_done), task) for task, row in rows if row.status in states.READY_STATES]
    return [task for _date, task in sorted(ended, key=lambda one: one[0])]


class _Trees:
    """Tasks by their ids, and for each the ids of the tasks before it."""

    def __init__(self) -> None:
        self.tasks: dict[str, dict[str, str | None]] = {}
        self.after: dict[str, dict[str, None]] = {}  # the inner one is a set that keeps its order

    def add(self, message: Message) -> None:
        """Add a message: its task, which task sent it, and what should follow."""
        headers = message.headers
        task_id, parent_id = headers["id"], headers.get("parent_id")
        if headers["task"] == UNLOCK:  # the parent of a chord's body, which follows the header
            return
        # A task that is tried again is its own parent.
        self._add(task_id, headers["task"], [] if parent_id in (None, task_id) else [parent_id])
        for column, header in HEADERS.items():
            value = headers.get(header)
            self.tasks[task_id].setdefault(column, value if isinstance(value, str) else None)
        self._plan_rest(task_id, message.embedded)

    def _plan_rest(self, task_id: str, options: dict[str, Any]) -> None:
        """Note what should follow a task: the rest of its chain, callbacks, its chord's body."""
        ends = [task_id]
        for signature in reversed(options.get("chain") or []):  # the next one is last
            ends = self._plan(signature, ends)
        others = [*(options.get("callbacks") or []), *(options.get("link") or [])]
        for signature in [*others, options.get("chord")]:
            if signature:
                self._plan(signature, [task_id])

    def _plan(self, signature: Signature, before: list[str]) -> list[str]:
        """Note the tasks of a signature; return the ids of its last ones."""
        kind, parts, options = (signature[key] for key in ("subtask_type", "kwargs", "options"))
        if kind == "chain":
            for part in parts["tasks"]:
                before = self._plan(part, before)
            return before
        if kind == "group":
            return [end for part in parts["tasks"] for end in self._plan(part, before)]
        if kind == "chord":
            return self._plan(parts["body"], self._plan(parts["header"], before))
        if "task_id" not in options:
            return before
        self._add(options["task_id"], signature["task"], before)
        self._plan_rest(options["task_id"], options)
        return [options["task_id"]]

    def _add(self, task_id: str, name: str, before: list[str]) -> None:
        if not isinstance(task_id, str) or not isinstance(name, str):
            raise ValueError("A task's id and its name must be strings.")
        self.tasks.setdefault(task_id, {})["name"] = name
        self.after.setdefault(task_id, {}).update(dict.fromkeys(before))

    def rows(self) -> Iterator[dict[str, Any]]:
        """Yield the tasks in the order in which they were found."""
        after = {
            task_id: [other for other in before if other in self.tasks]
            for task_id, before in self.after.items()
        }
        steps = _steps(after)
        numbers = self._numbers(after)
        for task_id, facts in self.tasks.items():
            place = {"workflow": numbers[task_id], "step": steps[task_id]}
            yield {**place, "task_id": task_id, "after": after[task_id], **facts}

    def _numbers(self, after: dict[str, list[str]]) -> dict[str, int]:
        """Give one number to the tasks that belong together, through a link or through a group."""
        first: dict[str, str] = {}  # leads from each task, in the end, to one of its workflow

        def find(member: str) -> str:
            while first.setdefault(member, member) != member:
                member = first[member]
            return member

        for task_id, others in after.items():
            group_id = self.tasks[task_id].get("group_id")
            for other in [*others, *([group_id] if group_id else [])]:
                first[find(task_id)] = find(other)
        numbers: dict[str, int] = {}
        return {one: numbers.setdefault(find(one), len(numbers) + 1) for one in self.tasks}


def _steps(after: dict[str, list[str]]) -> dict[str, int]:
    """Return the step of each task: one later than that of the last task before it.

    If tasks wait for each other, as only a forged message says, they have the step 1.
    """
    order = TopologicalSorter(after)
    steps: dict[str, int] = {}
    with suppress(CycleError):
        order.prepare()
    while order.is_active():
        for task_id in order.get_ready():
            steps[task_id] = 1 + max((steps[other] for other in after[task_id]), default=0)
            order.done(task_id)
    return {task_id: steps.get(task_id, 1) for task_id in after}
