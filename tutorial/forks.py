"""Connections to SQLite for which a fork waits.

SQLite guards its memory with locks of its own. A child that is forked while another thread holds
one never gets it: the child waits for ever as soon as it uses SQLite itself. That is how a process
of Celery's pool could stop that takes the place of another one, while the worker's main thread
looks for messages.
"""

import sqlite3
import threading
from typing import Any, Self


class Inside:
    """Notes how many threads are inside SQLite, so that no process is forked meanwhile."""

    tries = 50  # of a tenth of a second each; then it is better to fork than to wait on

    def __init__(self) -> None:
        self.begin_anew()

    def begin_anew(self) -> None:
        """Forget all threads: a forked child has only one, which is not inside."""
        self._changed = threading.Condition()
        self._threads = 0
        self._is_closed = False

    def __enter__(self) -> None:
        with self._changed:
            while self._is_closed:
                self._changed.wait()
            self._threads += 1

    def __exit__(self, *_: object) -> None:
        with self._changed:
            self._threads -= 1
            if self._is_closed:
                self._changed.notify_all()

    def keep_out(self) -> None:
        """Let no thread in, and wait until all are out."""
        self._changed.acquire()
        for _ in range(self.tries):
            self._is_closed = True
            is_empty = self._changed.wait_for(lambda: not self._threads, 0.1)
            self._is_closed = False
            if is_empty:
                break  # and nobody comes in, as this thread keeps the lock
            # A thread inside may wait for a transaction that one outside is about to end.
            self._changed.notify_all()
            self._changed.wait(0.01)

    def let_in(self) -> None:
        """End what `keep_out` has begun."""
        self._changed.notify_all()
        self._changed.release()


inside = Inside()


class ForkSafeCursor(sqlite3.Cursor):
    """A cursor that says when it is inside SQLite: Python lets other threads run then."""

    def execute(self, *arguments: Any) -> Self:
        with inside:
            return super().execute(*arguments)

    def executemany(self, *arguments: Any) -> Self:
        with inside:
            return super().executemany(*arguments)

    def fetchone(self) -> Any:
        with inside:
            return super().fetchone()

    def fetchmany(self, *arguments: Any) -> list[Any]:
        with inside:
            return super().fetchmany(*arguments)

    def fetchall(self) -> list[Any]:
        with inside:
            return super().fetchall()

    def close(self) -> None:
        with inside:
            super().close()


class ForkSafeConnection(sqlite3.Connection):
    """A connection whose cursors are `ForkSafeCursor`."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        with inside:
            super().__init__(*arguments, **options)

    def cursor(self, factory: Any = ForkSafeCursor) -> Any:
        return super().cursor(factory)

    def execute(self, *arguments: Any) -> Any:
        return self.cursor().execute(*arguments)

    def executemany(self, *arguments: Any) -> Any:
        return self.cursor().executemany(*arguments)

    def executescript(self, script: str) -> Any:
        with inside:
            return super().executescript(script)

    def commit(self) -> None:
        with inside:
            super().commit()

    def rollback(self) -> None:
        with inside:
            super().rollback()

    def close(self) -> None:
        with inside:
            super().close()
