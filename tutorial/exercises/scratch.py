"""Databases for a check: it fills them with tasks, and never touches the learner's own."""

import os
import sqlite3
import tempfile
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from celery import Task
from celery.app.task import Context
from celery.backends.database import DatabaseBackend
from kombu import Connection

from tutorial.database import make_engine, sqlite_url
from tutorial.workspace import QUEUE_FILE, RESULTS_FILE


class Scratch:
    """A result database and a queue, both empty until the check stores rows and sends messages.

    Parameters
    ----------
    folder : pathlib.Path
        The folder of the two files.

    Attributes
    ----------
    results, queue : sqlalchemy.Engine
    """

    def __init__(self, folder: Path) -> None:
        self.results = make_engine(sqlite_url(folder / RESULTS_FILE))
        self.queue = make_engine(sqlite_url(folder / QUEUE_FILE))

    def send(
        self, task: Task, args: Sequence[Any] = (), *, received: bool = False, **options: Any
    ) -> str:
        """Send a task to the queue, which no worker serves.

        Parameters
        ----------
        task : celery.Task
        args : sequence
        received : bool
            Make the message invisible, as a worker does when it receives it.
        **options
            What ``apply_async`` takes, such as ``queue="math"``.

        Returns
        -------
        str
            The task id.
        """
        with Connection(f"sqla+{self.queue.url}") as connection:
            task_id: str = task.apply_async(args, connection=connection, **options).id
            connection.default_channel._open()[0].dispose()  # kombu would keep it open
        if received:
            hide = "UPDATE kombu_message SET visible = 0 WHERE payload ->> '$.headers.id' = :id"
            with self.queue.begin() as rows:
                rows.execute(sa.text(hide), {"id": task_id})
        return task_id

    def store(
        self,
        task: Task,
        args: Sequence[Any] = (),
        result: Any = None,
        *,
        status: str = "SUCCESS",
        task_id: str | None = None,
        worker: str = "celery@scratch",
        queue: str = "celery",
    ) -> str:
        """Store a result as a worker does.

        Parameters
        ----------
        task : celery.Task
        args : sequence
        result : object
            An exception, for a failure.
        status : str
        task_id : str, optional
            A new one by default.
        worker, queue : str

        Returns
        -------
        str
            The task id.
        """
        task_id = task_id or str(uuid.uuid4())
        request = Context(
            task=task.name,
            args=list(args),
            kwargs={},
            hostname=worker,
            retries=0,
            delivery_info={"routing_key": queue},
        )
        backend = DatabaseBackend(app=task.app, url=str(self.results.url))
        backend.store_result(task_id, result, status, request=request)
        return task_id


@contextmanager
def scratch() -> Iterator[Scratch]:
    """Make a `Scratch` in a temporary folder, for the length of a ``with`` block.

    Yields
    ------
    Scratch
    """
    # Windows cannot delete a file that a learner's function has left open.
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        made = Scratch(Path(folder))
        try:
            yield made
        finally:
            made.results.dispose()
            made.queue.dispose()


@contextmanager
def copied(engine: sa.Engine) -> Iterator[sa.Engine]:
    """Copy the learner's SQLite database into a temporary folder, for a ``with`` block.

    Parameters
    ----------
    engine : sqlalchemy.Engine
        The learner's; it is only read.

    Yields
    ------
    sqlalchemy.Engine
        The copy's.
    """
    original = Path(engine.url.database or "")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        file = Path(folder, original.name)
        source = sqlite3.connect(f"{original.as_uri()}?mode=ro", uri=True)
        with closing(source), closing(sqlite3.connect(file)) as target:
            source.backup(target)
        copy = make_engine(sqlite_url(file))
        try:
            yield copy
        finally:
            copy.dispose()


@contextmanager
def local_zone(name: str) -> Iterator[None]:
    """Put the machine's clock into a time zone, for a ``with`` block; Windows has no such setting.

    Most machines that grade are in UTC, where local time would pass for UTC.

    Parameters
    ----------
    name : str
        Such as ``"America/Los_Angeles"``.
    """
    before = os.environ.get("TZ")
    try:
        _set_zone(name)
        yield
    finally:
        _set_zone(before)


def _set_zone(name: str | None) -> None:
    if name is None:
        os.environ.pop("TZ", None)
    else:
        os.environ["TZ"] = name
    if hasattr(time, "tzset"):
        time.tzset()
