"""The pool of a worker's processes, which goes on when one of them is killed.

For a broker without an event loop, such as the embedded queue, Celery uses billiard's own pool. Its
processes take their tasks from one pipe: one of them waits for the next task and holds a lock, and
the others wait for that lock. If the first is killed then, a lock in shared memory is never freed:
the worker looks alive, but runs no task any more. Here it is a lock on a file, which the system
frees when the process that holds it ends, however it ends.
"""

import fcntl
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

from billiard.pool import TimeoutHandler
from celery.concurrency.prefork import BlockingPool


class FileLock:
    """A lock that processes have in turn; the threads of one process have it together.

    Parameters
    ----------
    path : pathlib.Path
        The file, which is made if it does not exist.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = path.open("w")

    def __reduce__(self) -> tuple[Any, ...]:
        return FileLock, (self._path,)  # for a process that is spawned, and inherits no open file

    def acquire(self) -> None:
        """Wait until no other process has the lock, and take it."""
        fcntl.lockf(self._file, fcntl.LOCK_EX)

    def release(self) -> None:
        """Let another process have the lock."""
        fcntl.lockf(self._file, fcntl.LOCK_UN)

    def __enter__(self) -> None:
        self.acquire()

    def __exit__(self, *_: object) -> None:
        self.release()


class TimeLimits(TimeoutHandler):
    """The thread that ends a process when its task takes longer than its time limit.

    Another thread notices the end and closes what belongs to the process. If it does so while this
    one still looks, billiard takes that for a crash, and ends the whole worker.
    """

    def _trywaitkill(self, worker: Any) -> None:
        with suppress(AttributeError, TypeError, ValueError):  # it has ended, and is closed
            super()._trywaitkill(worker)


class Pool(BlockingPool):
    """Billiard's pool, with locks that do not outlive the process that holds them."""

    TimeoutHandler = TimeLimits

    def _setup_queues(self) -> None:
        super()._setup_queues()
        folder = Path(tempfile.mkdtemp(prefix="pool-"))
        self._inqueue._rlock = FileLock(folder / "tasks")
        self._outqueue._wlock = FileLock(folder / "results")
