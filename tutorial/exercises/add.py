"""The exercises of chapter 03: the life of ``add(2, 3)``."""

import uuid
from collections.abc import Callable
from typing import Any

import sqlalchemy as sa
from celery.result import AsyncResult

from tutorial.broker import queue_engine
from tutorial.exercises.checking import Wrong, call, exercise, shown, wait_until
from tutorial.exercises.quiz import Choice, Question
from tutorial.exercises.scratch import Scratch, scratch
from tutorial.messages import load_messages
from tutorial.tasks import add, divide
from tutorial.worker import Worker


@exercise(
    points=1,
    hints=[
        "A task that is called like a function runs here, in the notebook.",
        "The method that sends it to a worker has the name delay.",
    ],
)
def exercise_1(answer: AsyncResult) -> str:
    """See that the task ``add(20, 22)`` was sent to the default queue."""
    if answer == 42:
        raise Wrong("add(20, 22) was called, not sent: 42 was computed here, in the notebook.")
    if not isinstance(answer, AsyncResult):
        raise Wrong(f"`answer` is {shown(answer)}, and not what sending a task returns.")
    messages = load_messages(queue_engine())
    own = messages[messages["task_id"] == answer.id]
    if own.empty:
        raise Wrong("There is no message with the task id of `answer` in the queue.")
    message = own.iloc[0]
    if message["name"] != "tutorial.tasks.add":
        raise Wrong(f"The message asks for the task {message['name']}.")
    arguments = [*message["args"], *message["kwargs"].values()]
    if arguments != [20, 22]:
        raise Wrong(f"The message asks for add with the arguments {shown(arguments)}.")
    if message["queue"] != "celery":
        raise Wrong(f"The message is in the queue {message['queue']!r}, not in the default one.")
    return "The message is in the queue 'celery', with the task id of `answer`."


@exercise(
    points=2,
    hints=[
        "A Worker is made first, and started with its method start.",
        "The number of tasks that run at once is its parameter concurrency.",
    ],
)
def exercise_2(worker: Worker, answer: AsyncResult) -> str:
    """See that a worker with one process runs, and has done the task of exercise 1."""
    if not isinstance(worker, Worker):
        raise Wrong(f"`worker` is {shown(worker)}, and not a Worker.")
    if worker.status != "ready":
        raise Wrong(f"The worker is made, and its status is {worker.status!r}: does it run?")
    if worker.concurrency != 1:
        raise Wrong(f"The worker runs {worker.concurrency} tasks at once, not one.")
    if "celery" not in worker.queues.split(","):
        raise Wrong(
            f"The row is still PENDING: the worker listens on the queue {worker.queues!r}, "
            "and the message waits in the queue 'celery'."
        )
    if not wait_until(answer.ready):
        raise Wrong("The worker runs, and the task of exercise 1 has no result in time.")
    if answer.result != 42:
        raise Wrong(f"The task of exercise 1 ended as {answer.state}: {shown(answer.result)}.")
    return "The worker took the message, and its result is stored: 42."


@exercise(
    points=2,
    hints=[
        "The table is celery_taskmeta, and the column with the id is task_id.",
        "The query has a place for the id, written :id.",
        "SELECT takes the columns in the order in which you name them.",
    ],
)
def exercise_3(query: str) -> str:
    """See that a query gives name, status and result of the task with the id ``:id``."""
    if not isinstance(query, str):
        raise Wrong(f"`query` is {shown(query)}, and not a text.")
    with scratch() as databases:
        stored = {
            databases.store(add, (20, 22), 42): (add.name, "SUCCESS", b"42"),
            databases.store(divide, (3, 2), 1.5): (divide.name, "SUCCESS", b"1.5"),
        }
        for task_id, right in stored.items():
            rows = _rows(databases.results, query, task_id)
            if len(rows) != 1:
                raise Wrong(f"For a task that is done the query finds {len(rows)} rows, not one.")
            if tuple(rows[0]) != right:
                raise Wrong(f"The query finds {shown(tuple(rows[0]))}, and {right} is right.")
        if _rows(databases.results, query, "never-sent"):
            raise Wrong("The query also finds a row for an id that was never sent.")
    return "The query finds the row of any task by its id."


def _rows(engine: sa.Engine, query: str, task_id: str) -> list[Any]:
    with engine.connect() as connection:
        try:
            return list(connection.execute(sa.text(query), {"id": task_id}))
        except sa.exc.ResourceClosedError:
            raise Wrong("The query returns no rows: it is no SELECT.") from None
        except sa.exc.SQLAlchemyError as error:
            reason = getattr(error, "orig", None) or error
            raise Wrong(f"The database does not run the query: {reason}.") from None


STATES = ("unknown", "waiting", "taken", "done")


@exercise(
    points=3,
    hints=[
        "A row in celery_taskmeta comes first: is its status a final one, or STARTED?",
        "Without a row, the message decides: load_messages(queue) has the columns task_id and "
        "waiting.",
        "A message that does not wait any more, and has no final row, was taken.",
    ],
)
def exercise_4(where_is: Callable[[str, sa.Engine, sa.Engine], str]) -> str:
    """See that a function says from both databases where a task is."""
    with scratch() as databases:
        for description, (task_id, right) in _tasks(databases).items():
            found = call(where_is, task_id, databases.results, databases.queue)
            if found not in STATES:
                raise Wrong(f"For {description} it returns {shown(found)}, none of the four words.")
            if found != right:
                raise Wrong(f"For {description} it returns {found!r}, and {right!r} is right.")
    return "It tells a task that waits from one that was taken, is done or was never sent."


def _tasks(databases: Scratch) -> dict[str, tuple[str, str]]:
    """Fill the databases; return of each task a description, its id and where it is."""
    never_sent = str(uuid.uuid4())
    # Messages name other tasks too, as those of a chain do.
    waiting = databases.send(add, (2, 3), root_id=never_sent)
    taken, begun, done, failed = (databases.send(add, (2, 3), received=True) for _ in range(4))
    databases.store(add, (2, 3), status="STARTED", task_id=begun)
    databases.store(add, (2, 3), 5, task_id=done)
    databases.store(add, (2, 3), ValueError("no"), status="FAILURE", task_id=failed)
    return {
        "a task that was never sent": (never_sent, "unknown"),
        "a task that waits in the queue": (waiting, "waiting"),
        "a task whose message was received, without a row": (taken, "taken"),
        "a task with a row that says STARTED": (begun, "taken"),
        "a task with a row that says SUCCESS": (done, "done"),
        "a task with a row that says FAILURE": (failed, "done"),
    }


question_1 = Question(
    "What does the state PENDING say of a task?",
    Choice(
        "That it waits in the queue.",
        "It can wait there, but the result backend does not look into the queue.",
    ),
    Choice(
        "That the result backend has no row for it.",
        "It says no more: the task may wait, run, be lost, or never have been sent.",
        right=True,
    ),
    Choice(
        "That a worker has begun with it.",
        "That would be STARTED, which Celery stores only with track_started.",
    ),
)
question_2 = Question(
    "answer.get(timeout=0.5) ends in a TimeoutError. What of the task?",
    Choice("It was cancelled.", "get only looks at the table. It sends nothing to a worker."),
    Choice("It failed.", "A failed task has a row with the status FAILURE, and get raises it."),
    Choice(
        "Nothing: its message is where it was.",
        "Only the waiting ended. A worker that starts later still does the task.",
        right=True,
    ),
)
question_3 = Question(
    "What does the message of add.delay(2, 3) hold?",
    Choice(
        "The task's name, its arguments and its id.",
        "The worker must have a task of this name itself.",
        right=True,
    ),
    Choice("The code of the function add.", "Code never travels. The worker imports its own."),
    Choice("The number 5.", "Nobody has added anything yet when the message is sent."),
)
question_4 = Question(
    "Why does add.delay(2, 3).get() take half a second, with a worker that is ready?",
    Choice("Python starts a process for each task.", "The pool's processes are there before."),
    Choice(
        "get looks into the table every half second.",
        "A SQL database tells nobody that a row has come. The parameter interval changes it.",
        right=True,
    ),
    Choice("SQLite is slow.", "It stores such a row in less than a hundredth of a second."),
)
question_5 = Question(
    "A worker has received a message. Where is it in the embedded queue?",
    Choice("It was deleted.", "Other brokers do so. The embedded queue keeps every message."),
    Choice("It moved to celery_taskmeta.", "That is a table of results, in another file."),
    Choice(
        "It is still there, and invisible.",
        "Its column visible is 0. So the life of a task is one join over two tables.",
        right=True,
    ),
)
