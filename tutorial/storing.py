"""What happens to a result that cannot be stored: it is tried again, or refused with its cause.

A database that is away comes back, so trying again helps. A result that does not fit into its
column, or whose text the database does not allow, is refused every time. Celery's own backend
treats both alike: it tries again, and then gives up.
"""

import math
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import sqlalchemy as sa
from celery import current_task, states
from celery.app.task import Context
from celery.backends.database import RETRYABLE_DB_ERRORS, DatabaseBackend
from celery.exceptions import BackendGetMetaError, BackendStoreError
from celery.signals import worker_ready, worker_shutdown
from celery.utils.log import get_logger

from tutorial.database import explain
from tutorial.tables import LENGTH, escaped, id_as_text, refuses_value, storable_id

TRACEBACK_LENGTH = 20_000  # characters, which fit into 65,535 bytes in each encoding
BROKEN_AT_MOST = 5  # times that a statement breaks its connection, until it is held to be the cause
ODD_AT_MOST = 4  # other errors, such as two workers that insert the same row

logger = get_logger(__name__)
_failed = threading.local()  # its errors are those of the operation that this thread is trying


class StoringBackend(DatabaseBackend):
    """Celery's database backend, but it tells a refused result from a database that is away.

    A refused return value becomes ``FAILURE`` with a `celery.exceptions.BackendStoreError` that
    names the cause, at once. The row of a failed task is stored with as much of its text as the
    database accepts.

    A worker's main process stores what its pool cannot: that a task ran too long, or that its
    process was killed. It does not wait for the database, because it must answer the broker
    and other workers meanwhile. It keeps the result, and tries again every few seconds.
    """

    def exception_safe_to_retry(self, exc: Exception) -> bool:
        """Tell whether trying again may help; Celery asks after each error."""
        if not super().exception_safe_to_retry(exc):
            return False
        _failed.errors.append(exc)
        if time.monotonic() > getattr(_failed, "deadline", math.inf):
            return False
        return not _is_refusal(_failed.errors)

    def _ensure_retryable(self, func: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        _failed.errors = []
        return super()._ensure_retryable(func, *args, **kwargs)

    def get_task_meta(self, task_id: str, cache: bool = True) -> Any:
        """Return what is stored about a task, as Celery's backend does.

        Parameters
        ----------
        task_id : str
        cache : bool

        Returns
        -------
        dict

        Raises
        ------
        celery.exceptions.BackendGetMetaError
            If the database is away for too long; it names the cause.
        """
        try:
            return super().get_task_meta(task_id, cache)
        except BackendGetMetaError:
            cause = f"The state of the task cannot be read: {explain(_failed.errors[-1])}"
        raise BackendGetMetaError(cause, task_id=id_as_text(task_id))

    def store_result(
        self,
        task_id: str,
        result: Any,
        state: str,
        traceback: str | None = None,
        request: Context | None = None,
        **kwargs: Any,
    ) -> Any:
        """Store the state of a task, as Celery's backend does.

        Parameters
        ----------
        task_id : str
        result : object
            The return value or the exception.
        state : str
        traceback : str, optional
        request : celery.app.task.Context, optional
            What else is known about the task, for the other columns.
        **kwargs
            For Celery.

        Returns
        -------
        object
            The result as it was stored.

        Raises
        ------
        celery.exceptions.BackendStoreError
            If the database refuses the result for ever, or is away for too long.
        """
        task_id = id_as_text(task_id)
        store = partial(self._store_or_refuse, task_id, result, state, traceback, request)
        if _main_process.is_waited_for():
            try:
                return store(max_retries=0, **kwargs)
            except BackendStoreError:
                _main_process.store_later(task_id, store)
                return result
        return store(**kwargs)

    def save_group(self, group_id: str, result: Any) -> Any:
        """Store which tasks a group has, as Celery's backend does.

        Parameters
        ----------
        group_id : str
        result : celery.result.GroupResult

        Returns
        -------
        celery.result.GroupResult

        Raises
        ------
        celery.exceptions.BackendStoreError
            If the database refuses the group, or is away for too long.
        """
        try:
            return super().save_group(id_as_text(group_id), result)
        except (*RETRYABLE_DB_ERRORS, UnicodeEncodeError) as error:
            cause = f"The database refused to store the group: {explain(error)}"
        raise BackendStoreError(cause, state="", task_id=id_as_text(group_id))

    def _store_or_refuse(
        self,
        task_id: str,
        result: Any,
        state: str,
        traceback: str | None,
        request: Context | None,
        **kwargs: Any,
    ) -> Any:
        store = super().store_result
        try:
            return store(task_id, result, state, traceback, request=request, **kwargs)
        except (*RETRYABLE_DB_ERRORS, UnicodeEncodeError) as error:
            cause = f"The database refused to store {state}: {explain(error)}"
            refused = BackendStoreError(cause, task_id=task_id, state=state)
        if state not in states.EXCEPTION_STATES:
            raise refused  # the worker stores a FAILURE next, with this error
        task_id = storable_id(task_id)
        traceback = traceback and escaped(traceback)[-TRACEBACK_LENGTH:]
        without_arguments = _storable_request(request, args=None, kwargs=None)
        for less, known in (
            (result, _storable_request(request)),
            (result, without_arguments),
            (refused, without_arguments),
        ):
            try:
                return store(task_id, less, state, traceback, request=known, **kwargs)
            except (*RETRYABLE_DB_ERRORS, UnicodeEncodeError):
                continue
        raise refused


@contextmanager
def tries_until(deadline: float) -> Iterator[None]:
    """Let operations of this thread try no more after a moment; then they raise their last error.

    Parameters
    ----------
    deadline : float
        On the clock `time.monotonic`.

    Yields
    ------
    None
    """
    _failed.deadline = deadline
    try:
        yield
    finally:
        del _failed.deadline


def _is_refusal(errors: list[Exception]) -> bool:
    """Tell whether the database refuses this operation, by the errors of its tries until now."""
    error = errors[-1]
    if refuses_value(error):
        return True
    odd = sa.exc.IntegrityError, sa.exc.ProgrammingError, sa.exc.NotSupportedError
    if isinstance(error, sa.exc.DBAPIError) and not isinstance(error, odd):
        # Away, unless it answers each time, and closes the connection when it sees the statement:
        # so MariaDB refuses what is larger than its max_allowed_packet.
        broken = [each for each in errors if getattr(each, "connection_invalidated", False)]
        return sum(bool(getattr(each, "statement", "")) for each in broken) >= BROKEN_AT_MOST
    return len(errors) >= ODD_AT_MOST


def _storable_request(request: Context | None, **changes: None) -> Context | None:
    if request is None:
        return None
    short = {
        name: escaped(text)[:LENGTH]
        for name, text in vars(request).items()
        if name in ("task", "hostname", "group", "parent_id") and isinstance(text, str)
    }
    return Context(vars(request), **short, **changes)


class _MainProcess:
    """The main process of a worker, which keeps what it could not store at once."""

    def __init__(self) -> None:
        self.pid: int | None = None  # until a worker is ready, this process is none
        self.timer: Any = None
        self.kept: dict[str, Callable[..., Any]] = {}

    def is_waited_for(self) -> bool:
        """Tell whether this is the main process, and it is not running a task itself."""
        return os.getpid() == self.pid and not current_task

    def store_later(self, task_id: str, store: Callable[..., Any], delay: float = 0.1) -> None:
        """Store a result as soon as the database accepts it, but do not wait for that."""
        logger.warning("The result of task %s will be stored when the database is back.", task_id)
        self.kept[task_id] = store
        self.timer.call_after(delay, self.try_again, (task_id, delay))

    def try_again(self, task_id: str, delay: float) -> None:
        """Try to store one of the results; wait twice as long before the next time."""
        if store := self.kept.pop(task_id, None):
            try:
                store(max_retries=0)
            except BackendStoreError:
                self.store_later(task_id, store, min(2 * delay, 10))

    def store_rest(self) -> None:
        """Try one last time, when the worker ends."""
        for task_id, store in self.kept.items():
            try:
                store(max_retries=3)
            except BackendStoreError:
                logger.error("The result of task %s is lost: the database is down.", task_id)


_main_process = _MainProcess()


@worker_ready.connect
def _note_main_process(sender: Any, **_: Any) -> None:
    _main_process.pid = os.getpid()
    _main_process.timer = sender.timer


@worker_shutdown.connect
def _store_rest(**_: Any) -> None:
    _main_process.store_rest()
