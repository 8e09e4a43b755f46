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
from tutorial.exercises.checking import Wrong, call, exercise, shown, wait_until
from tutorial.exercises.quiz import Choice, Question
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
        "Each task gets the result of the one before as its first argument: the signature holds "
        "the second one only.",
        "What apply_async returns is the slip of the last task, and its method get waits.",
    ],
)
def exercise_1(answer: AsyncResult) -> str:
    """See that a chain of three tasks was sent, and that each handed on its result."""
    _is_sent(answer, "answer", "a chain")
    tasks = [answer]
    while isinstance(tasks[0].parent, AsyncResult):
        tasks.insert(0, tasks[0].parent)
    if len(tasks) != len(LINKS):
        raise Wrong(f"`answer` is the end of a chain of {len(tasks)}, and it must be of three.")
    _in_default_queue([tasks[0].id])
    _have_ended(tasks)
    rows = load_results(make_engine()).set_index("task_id")
    for number, (task, right) in enumerate(zip(tasks, LINKS, strict=True), start=1):
        row = rows.loc[task.id]
        found = (row["name"], [*row["args"], *row["kwargs"].values()])
        if found != right:
            raise Wrong(f"Task {number} was {_words(*found)}, and {_words(*right)} is right.")
    if any(signature["immutable"] for signature in _rest_of_chain(tasks[0].id)):
        raise Wrong(
            "A task of the chain does not take the result before it: that is what si is for."
        )
    return "Three rows, and each task got the result of the one before: 30, 33 and 3.0."


def _is_sent(answer: Any, name: str, what: str) -> None:
    if isinstance(answer, Signature):
        raise Wrong(f"`{name}` is a signature, a call that is not made yet: it must be sent.")
    if not isinstance(answer, AsyncResult):
        raise Wrong(f"`{name}` is {shown(answer)}, and not what sending {what} returns.")


def _in_default_queue(task_ids: Collection[str]) -> pd.DataFrame:
    """Return the messages of some tasks, after a look at their queue."""
    messages = load_messages(queue_engine())
    own = messages[messages["task_id"].isin(list(task_ids))]
    if len(set(own["task_id"])) < len(task_ids):
        raise Wrong("There is no message for it in the queue: it was never sent.")
    for queue in own["queue"].unique():
        if queue != "celery":
            raise Wrong(
                f"The messages are in the queue {queue!r}, which the worker does not serve."
            )
    return own


def _have_ended(tasks: list[AsyncResult]) -> None:
    if not wait_until(lambda: all(task.ready() for task in tasks)):
        waiting = sum(not task.ready() for task in tasks)
        raise Wrong(f"{waiting} of {len(tasks)} tasks have no result in time: does the worker run?")


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
        "The group's id is the attribute id of the GroupResult; each task has another id.",
    ],
)
def exercise_2(group_id: str) -> str:
    """See that a saved group of five sums is found again by its id."""
    if isinstance(group_id, GroupResult):
        raise Wrong("`group_id` is the GroupResult itself, which another process does not have.")
    if not isinstance(group_id, str):
        raise Wrong(f"`group_id` is {shown(group_id)}, and not a text.")
    engine = make_engine()
    groups = load_groups(engine).set_index("group_id")["task_ids"]
    if group_id in set(load_messages(queue_engine())["task_id"]):
        raise Wrong("`group_id` is the id of a single task, not of the group.")
    if group_id not in groups:
        raise Wrong("No row of celery_tasksetmeta has this id: Celery keeps a group if told to.")
    task_ids = groups[group_id]
    if len(task_ids) != 5:
        raise Wrong(f"The saved group has {len(task_ids)} tasks, not five.")
    _in_default_queue(task_ids)
    _have_ended([app.AsyncResult(task_id) for task_id in task_ids])
    rows = load_results(engine).set_index("task_id").loc[task_ids]
    found = [_words(row["name"], row["args"]) for _, row in rows.iterrows()]
    right = [_words(ADD, [n, n]) for n in range(1, 6)]
    for number, (one, other) in enumerate(zip(found, right, strict=True), start=1):
        if one != other:
            raise Wrong(f"Task {number} of the group was {one}, and {other} is right.")
    return "Another process finds the group by its id, and its results: 2, 4, 6, 8, 10."


@exercise(
    points=2,
    hints=[
        "load_results(results) has the columns task_id, status and worker.",
        "A task that nobody ran has no worker in its row.",
        "A missing value is equal to nothing: isna and notna of pandas find it, and in SQL "
        "IS NULL and IS NOT NULL.",
    ],
)
def exercise_3(failed: Callable[[sa.Engine], list[str]]) -> str:
    """See that a function tells the tasks that ran and failed from echoes of other failures."""
    with scratch() as databases:
        tasks = _failures(databases)
        found = call(failed, databases.results)
        if not isinstance(found, list):
            raise Wrong(f"It returns {shown(found)}, and not a list of ids.")
        for description, (task_id, counts) in tasks.items():
            if counts and task_id not in found:
                raise Wrong(f"The id of {description} is not in the list: it ran and failed.")
            if task_id in found and not counts:
                raise Wrong(f"The id of {description} is in the list.")
        if len(found) != sum(counts for _, counts in tasks.values()):
            raise Wrong(f"The list has more in it than the ids of such tasks: {shown(found)}.")
    return "It finds the tasks that failed themselves, and leaves out those that never ran."


def _failures(databases: Scratch) -> dict[str, tuple[str, bool]]:
    """Fill the database; return of each task a description, its id and whether it counts."""

    def store(args: list[Any], result: Any, status: str) -> str:
        return databases.store(divide, args, result, status=status)

    good = store([4, 2], 2.0, "SUCCESS")
    zero = store([1, 0], ZeroDivisionError("division by zero"), "FAILURE")
    text = databases.store(add, [1, "2"], TypeError("no"), status="FAILURE", worker="celery@two")
    again = store([1, 0], ConnectionError("no answer"), "RETRY")
    echo = store([5], ZeroDivisionError("division by zero"), "FAILURE")
    body = store([], ChordError("ZeroDivisionError('division by zero')"), "FAILURE")
    with databases.results.begin() as connection:  # as Celery leaves the rows of what never ran
        rows = "UPDATE celery_taskmeta SET worker = NULL WHERE task_id IN (:echo, :body)"
        connection.execute(sa.text(rows), {"echo": echo, "body": body})
        row = "UPDATE celery_taskmeta SET name = NULL, args = NULL WHERE task_id = :body"
        connection.execute(sa.text(row), {"body": body})
    return {
        "a task with the status SUCCESS": (good, False),
        "a division by zero with the status FAILURE": (zero, True),
        "a task that another worker ran, with the status FAILURE,": (text, True),
        "a task with the status RETRY": (again, False),
        "a task of a broken chain, which never ran,": (echo, False),
        "the body of a chord, which never ran,": (body, False),
    }


LOOKS = (5, 20)  # seconds for which chord_unlock must look at least, and may look at most


@exercise(
    points=3,
    hints=[
        "chord takes the header, a list of signatures, and the body. apply_async takes the limits.",
        "The first look comes after one second; max_retries more follow, interval seconds apart.",
        "So the last look comes 1 + max_retries * interval seconds after the sending.",
    ],
)
def exercise_4(report: AsyncResult) -> str:
    """See that a chord was sent that neither gives up early nor looks for ever."""
    _is_sent(report, "report", "a chord")
    messages = load_messages(queue_engine())
    unlocks = messages[messages["name"] == UNLOCK]
    own = [row for _, row in unlocks.iterrows() if _body_id(row["args"]) == report.id]
    if not own:
        raise Wrong(
            "There is no message of chord_unlock for this task: it is not the body of a chord."
        )
    unlock = own[0]
    if unlock["args"][1]["task"] != TOTAL:
        raise Wrong(f"The body of the chord is {unlock['args'][1]['task']}, not total.")
    _in_default_queue([unlock["task_id"]])
    header = _in_default_queue([task.id for task in report.parent])
    found = sorted(_words(*task) for task in zip(header["name"], header["args"], strict=True))
    right = [_words(ADD, [n, n]) for n in range(1, 4)]
    if found != right:
        raise Wrong(f"The header is {', '.join(found)}, and {', '.join(right)} is right.")
    _see_limits(unlock["kwargs"])
    return "chord_unlock looks for long enough, and it does not look for ever."


def _body_id(arguments: list[Any]) -> str:
    """Return the task id of the chord's body, from the arguments of its ``chord_unlock``."""
    return arguments[1]["options"]["task_id"]


def _see_limits(given: dict[str, Any]) -> None:
    times, interval = given.get("max_retries"), given.get("interval")
    if times is None:
        raise Wrong("chord_unlock may look again for ever: it has no max_retries.")
    if interval is None:
        interval = app.conf.result_chord_retry_interval
    for name, value in {"max_retries": times, "interval": interval}.items():
        if not isinstance(value, int | float):
            raise Wrong(f"{name} is {value!r}, and not a number.")
    last = 1 + times * interval
    if last < LOOKS[0]:
        raise Wrong(f"The last look comes after {last:g} seconds: a task that waits is given up.")
    if last > LOOKS[1]:
        raise Wrong(f"The last look comes after {last:g} seconds: {LOOKS[1]} are allowed.")


question_1 = Question(
    "A chain of three tasks was sent. How many messages has the client sent?",
    Choice("Three, one for each task.", "That is what a group does. A chain is sent by its tasks."),
    Choice(
        "One.",
        "It carries the other two signatures with it, and the worker sends them one by one.",
        right=True,
    ),
    Choice("None before get is called.", "apply_async sends; get only looks for the result."),
)
question_2 = Question(
    "Why is celery_tasksetmeta empty after a group has run?",
    Choice(
        "Nobody saved the group.",
        "Celery writes the row when GroupResult.save is called, and at no other time.",
        right=True,
    ),
    Choice("Groups are rows of celery_taskmeta.", "There are its tasks, without the group's id."),
    Choice("The row goes when the group has ended.", "Nothing deletes it but delete and clean-up."),
)
question_3 = Question(
    "A chord on a SQL database takes a second, though its tasks are quick. Why?",
    Choice("The body waits for a free process.", "It does not: the worker is idle by then."),
    Choice("SQLite is slow.", "The rows of the header are there after some milliseconds."),
    Choice(
        "chord_unlock looks for the first time after one second.",
        "Nobody is told when the header ends, so a task looks, again and again.",
        right=True,
    ),
)
question_4 = Question(
    "A task in the header of a chord has ignore_result=True. What happens?",
    Choice("Its place in the list is None.", "There is no row, so the list is never made."),
    Choice(
        "The body is never sent.",
        "chord_unlock waits for a row of each task, and this one gets none.",
        right=True,
    ),
    Choice("The body runs without it.", "A chord waits for all of its header, or fails."),
)
question_5 = Question(
    "Eight of ten tasks of a group succeeded and two failed. What does completed_count() say?",
    Choice(
        "8",
        "It counts successes only, so a progress bar made with it never arrives.",
        right=True,
    ),
    Choice("10", "It would be ten if it counted all that have ended, as as_completed does."),
    Choice("It raises the first failure.", "get does that. completed_count only counts."),
)
