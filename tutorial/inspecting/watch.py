"""Ends a connection whose server has become silent: a driver would wait for it without a limit."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import sqlalchemy as sa

SILENCE = 20  # seconds without an answer; longer than a server itself lets a query last


class Watch:
    """Watches what one thread does with an engine.

    Parameters
    ----------
    engine : sqlalchemy.Engine

    Attributes
    ----------
    ended : bool
        Whether a connection had to be ended.
    """

    def __init__(self, engine: sa.Engine) -> None:
        self.engine = engine
        self.ended = False
        self._thread = threading.get_ident()
        self._timer: threading.Timer | None = None

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Watch the engine; a file is never silent."""
        if self.engine.dialect.name == "sqlite":
            yield
            return
        listeners = self._listeners()
        for name, listener in listeners.items():
            # before SQLAlchemy's own, which asks the server for its version
            sa.event.listen(self.engine, name, listener, insert=True)
        try:
            yield
        finally:
            self.stop()
            for name, listener in listeners.items():
                sa.event.remove(self.engine, name, listener)

    def _listeners(self) -> dict[str, Callable[..., None]]:
        """Return what to do before a driver waits for the server, and after it."""
        before: dict[str, Callable[..., None]]
        before = dict.fromkeys(("before_cursor_execute", "rollback", "commit"), self._start)
        before |= dict.fromkeys(("connect", "reset"), self._start_driver)
        after = ("after_cursor_execute", "handle_error", "checkout", "checkin")
        return before | dict.fromkeys(after, self.stop)

    def stop(self, *_event: Any) -> None:
        """Note that the server has answered."""
        if self._timer and threading.get_ident() == self._thread:
            self._timer.cancel()

    def _start(self, connection: sa.Connection, *_event: Any) -> None:
        if not connection.invalidated:
            pooled = connection.connection
            # A connection that was taken out of the pool no longer knows its driver's.
            self._start_driver(pooled.driver_connection or pooled.dbapi_connection)

    def _start_driver(self, driver: Any, *_event: Any) -> None:
        if threading.get_ident() == self._thread:
            self.stop()
            self._timer = threading.Timer(SILENCE, self._end, [driver])
            self._timer.daemon = True
            self._timer.start()

    def _end(self, driver: Any) -> None:
        """Have the system tell the driver that the connection is closed."""
        self.ended = True
        with suppress(OSError, AttributeError, TypeError):
            source = driver if hasattr(driver, "fileno") else driver._sock
            with socket.socket(fileno=socket.dup(source.fileno())) as copy:
                copy.shutdown(socket.SHUT_RDWR)
