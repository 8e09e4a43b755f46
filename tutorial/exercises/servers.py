"""The exercises of chapter 12: servers."""

import base64
import json
import uuid
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa
from celery import Celery

from tutorial.broker import BROKER_VARIABLE
from tutorial.database import RESULT_BACKEND_VARIABLE
from tutorial.exercises.checking import WrongAnswer, case, exercise, expect, shown
from tutorial.exercises.scratch import Scratch, scratch
from tutorial.servers import Server
from tutorial.tasks import add, divide

# The servers of exercise 1; they do not exist.
BROKER = sa.make_url("redis://:carrot@queue.example.org:6380/2")
DATABASE = sa.make_url("postgresql+psycopg://shop:turnip@db.example.org:5432/results")


@exercise(
    points=1,
    hints=[
        f"The variables are {BROKER_VARIABLE} and {RESULT_BACKEND_VARIABLE}.",
        "A URL has the form scheme://user:password@host:port/name. Here Redis has no user, and "
        "the name is the number of its database.",
        "The URL for the results is a SQLAlchemy URL with db+ in front.",
    ],
)
def exercise_1(environment: Mapping[str, str]) -> str:
    """Check that two environment variables name a broker and a database for the results."""
    if not isinstance(environment, Mapping):
        raise WrongAnswer(f"`environment` should be a dictionary, but is {shown(environment)}.")
    for name in (BROKER_VARIABLE, RESULT_BACKEND_VARIABLE):
        if name not in environment:
            raise WrongAnswer(f"The variable {name} is missing.")
    if others := set(environment) - {BROKER_VARIABLE, RESULT_BACKEND_VARIABLE}:
        raise WrongAnswer(f"The variable {min(others)} is not one of the two that Celery needs.")
    backend = environment[RESULT_BACKEND_VARIABLE]
    if not backend.startswith("db+"):
        raise WrongAnswer(
            f"{RESULT_BACKEND_VARIABLE} is not a SQL backend: it does not begin with db+."
        )
    _compare(BROKER_VARIABLE, environment[BROKER_VARIABLE], BROKER)
    _compare(RESULT_BACKEND_VARIABLE, backend.removeprefix("db+"), DATABASE)
    return "The same program now uses Redis for the queue and PostgreSQL for the results."


def _compare(name: str, text: str, right: sa.URL) -> None:
    try:
        read = sa.make_url(text)
    except (sa.exc.ArgumentError, ValueError):
        raise WrongAnswer(f"The value of {name} is not a URL.") from None
    for part in ("drivername", "username", "password", "host", "port", "database"):
        found, wanted = getattr(read, part) or None, getattr(right, part) or None
        if found != wanted:
            label = "scheme" if part == "drivername" else part
            raise WrongAnswer(f"The {label} in {name}: expected {wanted!r}, got {shown(found)}.")


@contextmanager
def _app_of_the_check(server: Server, databases: Scratch) -> Iterator[tuple[Celery, Any]]:
    """Yield an app with its own queue on the learner's Redis, and a client of this Redis."""
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
        "client.keys() shows the keys of this Redis: there is a list for each priority of a queue.",
        'The names of the lists are queue, queue + "\\x06\\x163" and so on, for 0, 3, 6 and 9.',
        "client.llen(name) is the length of a list, and 0 if there is no such list.",
    ],
)
def exercise_2(waiting: Callable[[Any, str], int], server: Server) -> str:
    """Check that a function counts the waiting tasks in a queue of Redis, in all priorities."""
    with scratch() as databases, _app_of_the_check(server, databases) as (app, client):
        queue = app.conf.task_default_queue
        other = f"{queue}-slow"
        right = 0
        for priorities, what in {
            (): "an empty queue",
            (0, 0, 0): "a queue with three tasks of priority 0",
            (3, 5, 9, 9): "a queue with seven tasks, of priorities 0, 3, 5 and 9",
        }.items():
            for priority in priorities:
                app.send_task(add.name, (2, 3), priority=priority)
                app.send_task(add.name, (2, 3), priority=priority, queue=other)
            right += len(priorities)
            with case(what) as call:
                found = call(waiting, client, queue)
                if sum(client.llen(name) for name in _lists(client, queue)) != 2 * right:
                    raise WrongAnswer("it has changed the queue: counting must not remove tasks.")
                if found == 2 * right and right:
                    raise WrongAnswer(
                        f"expected {right}, got {found}: a second queue, whose name begins with "
                        "the same letters, has as many tasks."
                    )
                expect(found, right)
    return "Each priority has its own list, and all of them were counted."


def _lists(client: Any, queue: str) -> list[bytes]:
    """Return the names of the lists of a queue, and of those whose names begin with it."""
    return [name for name in client.scan_iter(f"{queue}*") if client.type(name) == b"list"]


@exercise(
    points=3,
    hints=[
        "app.AsyncResult(task_id) is the handle of that task, and its method ready() says whether "
        "the task has ended.",
        "A task that has failed has ended; a task whose row says STARTED has not.",
        "app.send_task(name, args, task_id=task_id) sends a task with an id that you choose.",
    ],
)
def exercise_3(
    send_again: Callable[[Celery, Mapping[str, list[int]]], list[str]], server: Server
) -> str:
    """Check that lost tasks, and no others, are sent again with their old ids."""
    with scratch() as databases, _app_of_the_check(server, databases) as (app, client):
        done = databases.store(add, (1, 1), 2)
        failed = databases.store(add, (2, 2), ValueError("no"), status="FAILURE")
        begun = databases.store(add, (3, 3), status="STARTED")
        unknown = [str(uuid.uuid4()) for _ in range(2)]
        databases.store(divide, (8, 2), 4.0)  # another program's
        tasks = (done, failed, begun, *unknown)
        sent = {task_id: [n, n] for n, task_id in enumerate(tasks, start=1)}
        with case(f"{len(sent)} tasks, two of which have ended") as call:
            returned = call(send_again, app, dict(sent))
            messages = _messages(client, app.conf.task_default_queue)
            _see_sent(messages, sent, [done, failed])
            right = sorted([begun, *unknown])
            if not isinstance(returned, list | tuple | set) or sorted(returned) != right:
                raise WrongAnswer(
                    f"expected a list of the ids that were sent, got {shown(returned)}."
                )
    return "Tasks that had not ended were sent again with their old ids, and no others were."


def _see_sent(
    messages: list[dict[str, Any]], sent: Mapping[str, list[int]], ended: Collection[str]
) -> None:
    """Check that each task that has not ended was sent once, unchanged."""
    ids = [message["id"] for message in messages]
    if {*ids} & {*ended}:
        raise WrongAnswer("it sent again a task that has ended: it has succeeded or failed.")
    if not ids:
        raise WrongAnswer("no message has arrived in the default queue of `app`.")
    if strangers := len(set(ids) - set(sent)):
        raise WrongAnswer(f"{strangers} messages have new ids instead of the old ones.")
    if missing := len(set(sent) - {*ended} - {*ids}):
        raise WrongAnswer(f"{missing} of the tasks that have not ended were not sent again.")
    if len(ids) > len(set(ids)):
        raise WrongAnswer("a task was sent again twice.")
    for message in messages:
        expect(message["task"], add.name, "the task of a message: ")
        expect(message["args"], sent[message["id"]], "the arguments of a message: ")


def _messages(client: Any, queue: str) -> list[dict[str, Any]]:
    """Return id, task name and arguments of the messages that are waiting in a queue."""
    found = []
    for name in _lists(client, queue):
        for text in client.lrange(name, 0, -1):
            message = json.loads(text)
            args, _kwargs, _embedded = json.loads(base64.b64decode(message["body"]))
            headers = message["headers"]
            found.append({"id": headers["id"], "task": headers["task"], "args": args})
    return found
