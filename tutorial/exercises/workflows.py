"""The exercises of chapter 08: chains, groups and chords."""

from collections.abc import Callable, Collection
from typing import Any

import pandas as pd
import sqlalchemy as sa
from celery.canvas import Signature
from celery.exceptions import ChordError
from celery.result import AsyncResult, GroupResult

from tutorial.broker import queue_engine
from tutorial.database import make_engine
from tutorial.exercises.checking import WrongAnswer, case, exercise, shown, wait_until
from tutorial.exercises.scratch import Scratch, scratch
from tutorial.messages import load_messages, read_message
from tutorial.results import load_groups, load_results
from tutorial.tasks import add, app, divide
from tutorial.workflows import UNLOCK

# Names as text: to ask a task for its name would choose the workspace before the notebook does.
ADD, DIVIDE, TOTAL = "tutorial.tasks.add", "tutorial.tasks.divide", "tutorial.tasks.total"
LINKS = [(ADD, [10, 20]), (ADD, [30, 3]), (DIVIDE, [33, 11])]


@exercise(
    points=1,
    hints=[
        "chain takes signatures, such as add.s(10, 20), and apply_async sends it.",
        "Each task gets the previous task's result as its first argument: its signature holds "
        "only the second argument.",
        "What apply_async returns is the handle of the last task; its method get waits.",
    ],
)
def exercise_1(answer: AsyncResult) -> str:
    """Check that a chain of three tasks was sent, and that each task passed on its result."""
    _is_sent(answer, "answer", "a chain")
    tasks = [answer]
    while isinstance(tasks[0].parent, AsyncResult):
        tasks.insert(0, tasks[0].parent)
    if len(tasks) != len(LINKS):
        raise WrongAnswer(
            f"`answer` is the end of a chain: expected three tasks, got {len(tasks)}."
        )
    _in_default_queue([tasks[0].id])
    _have_ended(tasks)
    rows = load_results(make_engine()).set_index("task_id")
    for number, (task, right) in enumerate(zip(tasks, LINKS, strict=True), start=1):
        row = rows.loc[task.id]
        found = (row["name"], [*row["args"], *row["kwargs"].values()])
        if found != right:
            raise WrongAnswer(f"Task {number}: expected {_words(*right)}, got {_words(*found)}.")
    if any(signature["immutable"] for signature in _rest_of_chain(tasks[0].id)):
        raise WrongAnswer(
            "A task of the chain does not take the previous task's result: use s, not si."
        )
    return "There are three rows, and each task got the previous result: 30, 33 and 3.0."


def _is_sent(answer: Any, name: str, what: str) -> None:
    if isinstance(answer, Signature):
        raise WrongAnswer(
            f"`{name}` is a signature, which describes a call: it has not been sent yet."
        )
    if not isinstance(answer, AsyncResult):
        raise WrongAnswer(
            f"`{name}` should be what sending {what} returns, but is {shown(answer)}."
        )


def _in_default_queue(task_ids: Collection[str]) -> pd.DataFrame:
    """Return the messages of some tasks, after checking their queue."""
    messages = load_messages(queue_engine())
    own = messages[messages["task_id"].isin(list(task_ids))]
    if len(set(own["task_id"])) < len(task_ids):
        raise WrongAnswer("The queue has no message for one of the tasks: it was never sent.")
    for queue in own["queue"].unique():
        if queue != "celery":
            raise WrongAnswer(
                f"The messages are in the queue {queue!r}, which the worker does not serve."
            )
    return own


def _have_ended(tasks: list[AsyncResult]) -> None:
    if not wait_until(lambda: all(task.ready() for task in tasks)):
        waiting = sum(not task.ready() for task in tasks)
        raise WrongAnswer(
            f"{waiting} of {len(tasks)} tasks still have no result: is the worker running?"
        )


def _rest_of_chain(task_id: str) -> list[dict[str, Any]]:
    """Return the signatures that the message of a chain's first task carries with it."""
    query = "SELECT payload FROM kombu_message WHERE payload ->> '$.headers.id' = :id"
    with queue_engine().connect() as connection:
        payload = connection.scalar(sa.text(query), {"id": task_id})
    return read_message(payload).embedded["chain"] or []


def _words(name: str, arguments: list[Any]) -> str:
    return f"{name.rpartition('.')[2]}({', '.join(map(repr, arguments))})"


@exercise(
    points=2,
    hints=[
        "group takes the signatures, and apply_async returns a GroupResult.",
        "Its method save writes the row in celery_tasksetmeta.",
        "The group's id is the attribute id of the GroupResult; each task has an id of its own.",
    ],
)
def exercise_2(group_id: str) -> str:
    """Check that a saved group of five sums is found again by its id."""
    if isinstance(group_id, GroupResult):
        raise WrongAnswer("`group_id` is the GroupResult itself, but another process needs its id.")
    if not isinstance(group_id, str):
        raise WrongAnswer(f"`group_id` should be a string, but is {shown(group_id)}.")
    engine = make_engine()
    groups = load_groups(engine).set_index("group_id")["task_ids"]
    if group_id in set(load_messages(queue_engine())["task_id"]):
        raise WrongAnswer("`group_id` is the id of a single task, not of the group.")
    if group_id not in groups:
        raise WrongAnswer(
            "No row of celery_tasksetmeta has this id: Celery stores a group only when it is saved."
        )
    task_ids = groups[group_id]
    if len(task_ids) != 5:
        raise WrongAnswer(f"The saved group: expected five tasks, got {len(task_ids)}.")
    _in_default_queue(task_ids)
    _have_ended([app.AsyncResult(task_id) for task_id in task_ids])
    rows = load_results(engine).set_index("task_id").loc[task_ids]
    found = [_words(row["name"], row["args"]) for _, row in rows.iterrows()]
    right = [_words(ADD, [n, n]) for n in range(1, 6)]
    for number, (one, other) in enumerate(zip(found, right, strict=True), start=1):
        if one != other:
            raise WrongAnswer(f"Task {number} of the group: expected {other}, got {one}.")
    return "Another process finds the group by its id, and its results: 2, 4, 6, 8, 10."


@exercise(
    points=2,
    hints=[
        "load_results(results) has the columns task_id, status and worker.",
        "The row of a task that never ran has no worker.",
        "A missing value is not equal to anything: find it with pandas' isna and notna, or in "
        "SQL with IS NULL and IS NOT NULL.",
    ],
)
def exercise_3(failed: Callable[[sa.Engine], list[str]]) -> str:
    """Check that a function tells tasks that ran and failed from those that failed with them."""
    with scratch() as databases:
        tasks = _failures(databases)
        with case(f"a table of {len(tasks)} tasks") as call:
            found = call(failed, databases.results)
            if type(found) is not list:
                raise WrongAnswer(f"expected a list of ids, got {shown(found)}.")
        for description, (task_id, counts) in tasks.items():
            with case(description):
                if counts and task_id not in found:
                    raise WrongAnswer("its id is missing from the list: it ran and failed.")
                if task_id in found and not counts:
                    raise WrongAnswer("its id should not be in the list.")
        if len(found) != sum(counts for _, counts in tasks.values()):
            raise WrongAnswer(f"The list has other items besides the ids: {shown(found)}.")
    return "Your function finds the tasks that ran and failed, and leaves out those that never ran."


def _failures(databases: Scratch) -> dict[str, tuple[str, bool]]:
    """Fill the database; return, for each description, the task's id and whether it counts."""

    def store(args: list[Any], result: Any, status: str) -> str:
        return databases.store(divide, args, result, status=status)

    good = store([4, 2], 2.0, "SUCCESS")
    zero = store([1, 0], ZeroDivisionError("division by zero"), "FAILURE")
    text = databases.store(add, [1, "2"], TypeError("no"), status="FAILURE", worker="celery@two")
    again = store([1, 0], ConnectionError("no answer"), "RETRY")
    echo = store([5], ZeroDivisionError("division by zero"), "FAILURE")
    body = store([], ChordError("ZeroDivisionError('division by zero')"), "FAILURE")
    with databases.results.begin() as connection:  # as Celery stores a task that never ran
        rows = "UPDATE celery_taskmeta SET worker = NULL WHERE task_id IN (:echo, :body)"
        connection.execute(sa.text(rows), {"echo": echo, "body": body})
        row = "UPDATE celery_taskmeta SET name = NULL, args = NULL WHERE task_id = :body"
        connection.execute(sa.text(row), {"body": body})
    return {
        "a task with the status SUCCESS": (good, False),
        "a division by zero with the status FAILURE": (zero, True),
        "a task with the status FAILURE that another worker ran": (text, True),
        "a task with the status RETRY": (again, False),
        "a task of a chain that broke before it ran": (echo, False),
        "the body of a chord that broke before it ran": (body, False),
    }


CHECKS = (5, 20)  # seconds for which chord_unlock must check at least, and may check at most


@exercise(
    points=3,
    hints=[
        "chord takes the header (a list of signatures) and the body. apply_async takes the limits.",
        "The first check comes after one second; max_retries more follow, interval seconds apart.",
        "So the last check comes 1 + max_retries * interval seconds after the chord was sent.",
    ],
)
def exercise_4(report: AsyncResult) -> str:
    """Check that a chord was sent that neither gives up early nor checks for ever."""
    _is_sent(report, "report", "a chord")
    messages = load_messages(queue_engine())
    unlocks = messages[messages["name"] == UNLOCK]
    own = [row for _, row in unlocks.iterrows() if _body_id(row["args"]) == report.id]
    if not own:
        raise WrongAnswer(
            "There is no message of chord_unlock for this task: it is not the body of a chord."
        )
    unlock = own[0]
    if unlock["args"][1]["task"] != TOTAL:
        raise WrongAnswer(
            f"The body of the chord: expected total, got {unlock['args'][1]['task']}."
        )
    _in_default_queue([unlock["task_id"]])
    header = _in_default_queue([task.id for task in report.parent])
    found = sorted(_words(*task) for task in zip(header["name"], header["args"], strict=True))
    right = [_words(ADD, [n, n]) for n in range(1, 4)]
    if found != right:
        raise WrongAnswer(f"The header: expected {', '.join(right)}, got {', '.join(found)}.")
    _see_limits(unlock["kwargs"])
    return "chord_unlock checks for long enough, but not for ever."


def _body_id(arguments: list[Any]) -> str:
    """Return the task id of the chord's body, from the arguments of its ``chord_unlock``."""
    return arguments[1]["options"]["task_id"]


def _see_limits(given: dict[str, Any]) -> None:
    times, interval = given.get("max_retries"), given.get("interval")
    if times is None:
        raise WrongAnswer("chord_unlock may check for ever: it has no max_retries.")
    if interval is None:
        interval = app.conf.result_chord_retry_interval
    for name, value in {"max_retries": times, "interval": interval}.items():
        if not isinstance(value, int | float):
            raise WrongAnswer(f"{name} should be a number, but is {shown(value)}.")
    last = 1 + times * interval
    if last < CHECKS[0]:
        raise WrongAnswer(
            f"The last check comes after {last:g} seconds: too early for a task that waits a "
            "little."
        )
    if last > CHECKS[1]:
        raise WrongAnswer(
            f"The last check comes after {last:g} seconds: at most {CHECKS[1]} are allowed."
        )
