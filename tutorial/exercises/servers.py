"""The exercises of chapter 12: servers."""

import base64
import json
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa
from celery import Celery

from tutorial.broker import BROKER_VARIABLE
from tutorial.database import RESULT_BACKEND_VARIABLE
from tutorial.exercises.checking import Wrong, call, exercise, shown
from tutorial.exercises.quiz import Choice, Question
from tutorial.exercises.scratch import Scratch, scratch
from tutorial.servers import Server
from tutorial.tasks import add, divide

# The servers of exercise 1, which are nobody's.
BROKER = sa.make_url("redis://:carrot@queue.example.org:6380/2")
DATABASE = sa.make_url("postgresql+psycopg://shop:turnip@db.example.org:5432/results")


@exercise(
    points=1,
    hints=[
        f"The variables are {BROKER_VARIABLE} and {RESULT_BACKEND_VARIABLE}.",
        "The form of a URL is scheme://user:password@host:port/name. Redis has no user here, and "
        "the number of its database in place of a name.",
        "The URL of the results is SQLAlchemy's, with db+ before it.",
    ],
)
def exercise_1(environment: Mapping[str, str]) -> str:
    """See that two environment variables name a broker and a database for the results."""
    if not isinstance(environment, Mapping):
        raise Wrong(f"`environment` is {shown(environment)}, and not a dictionary.")
    for name in (BROKER_VARIABLE, RESULT_BACKEND_VARIABLE):
        if name not in environment:
            raise Wrong(f"The variable {name} is missing.")
    if others := set(environment) - {BROKER_VARIABLE, RESULT_BACKEND_VARIABLE}:
        raise Wrong(f"The variable {min(others)} is none of the two that Celery needs.")
    backend = environment[RESULT_BACKEND_VARIABLE]
    if not backend.startswith("db+"):
        raise Wrong(f"{RESULT_BACKEND_VARIABLE} is no SQL backend: it does not begin with db+.")
    _compare(BROKER_VARIABLE, environment[BROKER_VARIABLE], BROKER)
    _compare(RESULT_BACKEND_VARIABLE, backend.removeprefix("db+"), DATABASE)
    return "The same program now uses Redis for the queue and PostgreSQL for the results."


def _compare(name: str, text: str, right: sa.URL) -> None:
    try:
        read = sa.make_url(text)
    except (sa.exc.ArgumentError, ValueError):
        raise Wrong(f"What stands in {name} cannot be read as a URL.") from None
    for part in ("drivername", "username", "password", "host", "port", "database"):
        found, wanted = getattr(read, part) or None, getattr(right, part) or None
        if found != wanted:
            label = "scheme" if part == "drivername" else part
            raise Wrong(f"In {name} the {label} is {shown(found)}, and {wanted!r} is right.")


@contextmanager
def _app_of_the_check(server: Server, databases: Scratch) -> Iterator[tuple[Celery, Any]]:
    """Yield an app with a queue of its own on the learner's Redis, and a client of Redis."""
    queue = f"check-{uuid.uuid4().hex}"
    app = Celery(
        "check",
        broker=server.url,
        backend=f"db+{databases.results.url}",
        changes={"task_default_queue": queue},
        set_as_current=False,
    )
    with app.connection_for_write() as connection:
        client = connection.default_channel.client
        try:
            yield app, client
        finally:
            app.close()
            names = [name for name in client.scan_iter("*") if queue.encode() in name]
            if names:
                client.delete(*names)


@exercise(
    points=2,
    hints=[
        "client.keys() shows the keys of this Redis: each list is one priority of one queue.",
        'The names of the lists are queue, queue + "\\x06\\x163" and so on, for 0, 3, 6 and 9.',
        "client.llen(name) is the length of a list, and 0 for one that is not there.",
    ],
)
def exercise_2(waiting: Callable[[Any, str], int], server: Server) -> str:
    """See that a function counts what waits in a queue of Redis, whatever its priority."""
    with scratch() as databases, _app_of_the_check(server, databases) as (app, client):
        queue = app.conf.task_default_queue
        other = f"{queue}-slow"
        right = 0
        for priorities, what in {
            (): "an empty queue",
            (0, 0, 0): "a queue with three tasks of the priority 0",
            (3, 5, 9, 9): "a queue with seven tasks, of the priorities 0, 3, 5 and 9",
        }.items():
            for priority in priorities:
                app.send_task(add.name, (2, 3), priority=priority)
                app.send_task(add.name, (2, 3), priority=priority, queue=other)
            right += len(priorities)
            found = call(waiting, client, queue)
            if sum(client.llen(name) for name in _lists(client, queue)) != 2 * right:
                raise Wrong("It has changed the queue: counting must leave the tasks there.")
            if isinstance(found, bool) or not isinstance(found, int):
                raise Wrong(f"For {what} it returns {shown(found)}, and not a whole number.")
            if found != right:
                raise Wrong(
                    f"For {what} it returns {found}, and {right} is right. "
                    "(A second queue, whose name begins in the same way, holds as many.)"
                )
    return "Each priority is a list of its own, and all of them were counted."


def _lists(client: Any, queue: str) -> list[bytes]:
    """Return the names of the lists of a queue, and of those whose names begin with it."""
    return [name for name in client.scan_iter(f"{queue}*") if client.type(name) == b"list"]


@exercise(
    points=3,
    hints=[
        "app.AsyncResult(task_id) is a result by its id, and its method ready() says whether the "
        "task has ended.",
        "A task that has failed has ended, and a task whose row says STARTED has not.",
        "app.send_task(name, args, task_id=task_id) sends a task under an id that you choose.",
    ],
)
def exercise_3(
    send_again: Callable[[Celery, Mapping[str, list[int]]], list[str]], server: Server
) -> str:
    """See that lost tasks, and no others, are sent again under their old ids."""
    with scratch() as databases, _app_of_the_check(server, databases) as (app, client):
        done = databases.store(add, (1, 1), 2)
        failed = databases.store(add, (2, 2), ValueError("no"), status="FAILURE")
        begun = databases.store(add, (3, 3), status="STARTED")
        unknown = [str(uuid.uuid4()) for _ in range(2)]
        databases.store(divide, (8, 2), 4.0)  # somebody else's
        tasks = (done, failed, begun, *unknown)
        sent = {task_id: [n, n] for n, task_id in enumerate(tasks, start=1)}
        returned = call(send_again, app, dict(sent))
        messages = _messages(client, app.conf.task_default_queue)
        ids = [message["id"] for message in messages]
        for task_id, what in {done: "that has succeeded", failed: "that has failed"}.items():
            if task_id in ids:
                raise Wrong(f"A task {what} was sent again: it has ended.")
        if not ids:
            raise Wrong("No message has come to the default queue of `app`.")
        if strangers := len(set(ids) - set(sent)):
            raise Wrong(f"{strangers} messages have ids that are none of the old ones.")
        if begun not in ids:
            raise Wrong("A task whose row says STARTED was not sent again: no worker has it now.")
        if not {*unknown} <= {*ids}:
            raise Wrong("A task without a row was not sent again.")
        if len(ids) > len(set(ids)):
            raise Wrong("A task was sent again twice.")
        for message in messages:
            if message["task"] != add.name:
                raise Wrong(f"A message asks for the task {message['task']}, not {add.name}.")
            if message["args"] != sent[message["id"]]:
                raise Wrong(f"A message has the arguments {message['args']}: they are not its own.")
        if not isinstance(returned, list | tuple | set) or sorted(returned) != sorted(ids):
            raise Wrong(f"It returns {shown(returned)}, and not the ids that it has sent.")
    return "What had no end was sent again under its old id, and nothing else was."


def _messages(client: Any, queue: str) -> list[dict[str, Any]]:
    """Return id, task and arguments of what waits in a queue."""
    found = []
    for name in _lists(client, queue):
        for text in client.lrange(name, 0, -1):
            message = json.loads(text)
            args, _kwargs, _embedded = json.loads(base64.b64decode(message["body"]))
            headers = message["headers"]
            found.append({"id": headers["id"], "task": headers["task"], "args": args})
    return found


question_1 = Question(
    "What has to change in tasks.py for PostgreSQL and Redis?",
    Choice(
        "Nothing.",
        "Two environment variables name the servers, and the tasks do not notice.",
        right=True,
    ),
    Choice("The decorator of each task.", "A task knows neither its queue's server nor its table."),
    Choice("The imports.", "The driver must be installed. Celery imports it by the URL."),
)
question_2 = Question(
    "A worker on Redis was killed in the middle of a task with acks_late. When does it run again?",
    Choice("Never.", "So it would be with early acknowledgement."),
    Choice("At once.", "RabbitMQ does so, because it sees the connection break. Redis does not."),
    Choice(
        "When visibility_timeout has passed.",
        "It is an hour by default, and must be longer than your longest task.",
        right=True,
    ),
)
question_3 = Question(
    "Which of these does the embedded queue not know?",
    Choice("Several queues.", "A worker of the embedded queue can serve one of several, too."),
    Choice(
        "inspect and revoke.",
        "Remote control needs a broker that can tell all workers something.",
        right=True,
    ),
    Choice("Several workers.", "They share the file, and each message goes to one of them."),
)
question_4 = Question(
    "The worker says `Connection refused` of PostgreSQL. What is the cause?",
    Choice("The password is wrong.", "Then the server answers, and says so."),
    Choice(
        "Nobody listens at that address.",
        "The server is stopped, or the host or the port in the URL is wrong.",
        right=True,
    ),
    Choice("The table is missing.", "Celery makes it when it is first needed."),
)
question_5 = Question(
    "The database restarts while a task ends. What keeps the result?",
    Choice("pool_pre_ping.", "It helps who reads: it replaces a connection that broke."),
    Choice("acks_late.", "It is about messages. The task has run, and it is its row that lacks."),
    Choice(
        "A larger result_backend_max_retries.",
        "Celery's own tries end within a fraction of a second; twenty last for about a minute.",
        right=True,
    ),
)
