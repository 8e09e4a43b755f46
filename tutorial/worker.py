"""A real ``celery worker`` process in the background of a notebook or a script."""

import atexit
import collections
import html
import os
import time
from collections.abc import Iterable
from io import BufferedWriter
from pathlib import Path
from string import Template
from types import ModuleType, TracebackType
from typing import Self

from celery import Celery
from filelock import FileLock, Timeout

from tutorial.checks.arguments import (
    app_name,
    node_name,
    one_of,
    path,
    queue_names,
    seconds,
    truth,
    whole_number,
)
from tutorial.processes.child import WINDOWS, Child
from tutorial.workspace import home, lack_of_space

DEFAULT_POOL = "threads" if WINDOWS else "prefork"  # Celery's prefork pool needs fork
POOLS = ("prefork", "threads", "solo")
LOG_LEVELS = ("debug", "info", "warning", "error", "critical", "fatal")
PANEL = Template(Path(__file__).with_name("worker.html").read_text(encoding="utf-8"))

_running: dict[str, "Worker"] = {}  # the workers of this process, by their node name


class WorkerStartError(RuntimeError):
    """The worker process ended, or did not get ready in time; the message says why."""


class Worker:
    """A ``celery worker`` in the background, which ends with this process at the latest.

    It is a process in its own session, so the *Interrupt* button does not reach it. Starting a
    second worker with the same name in the same process replaces the first.

    Parameters
    ----------
    app : str, module or celery.Celery
        The name of the module that holds the Celery app, as after ``celery -A``; or that module;
        or the app itself, if it is in a module that the worker can import.
    concurrency : int
        The number of tasks that run at once, at least 1: processes, or threads with
        ``pool="threads"``.
    pool : str
        ``"prefork"``, ``"threads"`` or ``"solo"``. On Windows the default is ``"threads"``.
    queues : str or iterable of str
        The queues to serve: several names, or one string with commas between them.
    hostname : str
        The node name. Two workers at once need two names.
    beat : bool
        Whether to run ``celery beat`` as well; only one worker of a broker should. Not on Windows.
    loglevel : str
        ``"debug"``, ``"info"``, ``"warning"`` or ``"error"``.
    logfile : path, optional
        Where the worker's output goes; by default ``logs/<hostname>.log`` in the workspace. A
        relative path starts at this process's current folder.

    Raises
    ------
    TypeError, ValueError
        If an argument is not one of these.

    Examples
    --------
    >>> with Worker(concurrency=2) as worker:  # doctest: +SKIP
    ...     add.delay(2, 3).get(timeout=10)
    5
    """

    def __init__(
        self,
        app: str | ModuleType | Celery = "tutorial.tasks",
        *,
        concurrency: int = 2,
        pool: str = DEFAULT_POOL,
        queues: str | Iterable[str] = "celery",
        hostname: str = "celery@notebook",
        beat: bool = False,
        loglevel: str = "info",
        logfile: Path | str | None = None,
    ) -> None:
        self.app = app_name(app)
        self.concurrency = whole_number("concurrency", concurrency, least=1)
        self.pool = one_of("pool", pool, POOLS)
        self.queues = queue_names(queues)
        self.hostname = node_name(hostname)
        self.beat = truth("beat", beat)
        self.loglevel = one_of("loglevel", loglevel, LOG_LEVELS)
        self.logfile = None if logfile is None else path("logfile", logfile)
        self._child: Child | None = None
        self._lock: FileLock | None = None
        self._workspace = ""
        self._log_start = 0  # where this start's part of the log file begins, in bytes
        self._ready = False

    # Starting

    def start(self, timeout: float = 60) -> Self:
        """Start the worker process, and return when it is ready for tasks.

        Parameters
        ----------
        timeout : float
            How many seconds to wait.

        Returns
        -------
        Worker
            This object.

        Raises
        ------
        WorkerStartError
            If the process ends before it is ready, with its exit code and the end of its log; if
            it is not ready in time; or if another process is running a worker with this name in
            the same workspace.
        """
        seconds("timeout", timeout)
        if self.hostname in _running:
            _running[self.hostname].stop()
        self._take_name()
        try:
            self._launch()
            _running[self.hostname] = self
            self._wait_until_ready(timeout)
        except BaseException:  # also KeyboardInterrupt: a worker half started must not stay
            self.kill()
            raise
        return self

    def _take_name(self) -> None:
        self._lock = FileLock(home() / f".{self.hostname}.lock")
        try:
            self._lock.acquire(blocking=False)
        except Timeout:
            self._lock = None
            raise WorkerStartError(
                f"Another process is running a worker named {self.hostname!r} in this workspace: "
                "stop that one, or give this one another hostname."
            ) from None

    def _launch(self) -> None:
        self._ready = False
        self._workspace = str(home())
        self.logfile = self.logfile or home() / "logs" / f"{self.hostname}.log"
        with self._open_log() as log:
            self._log_start = log.tell()
            self._child = Child(
                "tutorial.processes.worker",
                *self._arguments(),
                stderr=log,  # a pipe that nobody reads would stop the worker when it is full
                env=os.environ | {"PYTHON_COLORS": "0"},  # a kernel asks its children for colours
            )

    def _open_log(self) -> BufferedWriter:
        assert self.logfile
        try:
            self.logfile.parent.mkdir(parents=True, exist_ok=True)
            return self.logfile.open("ab")
        except OSError as error:
            raise WorkerStartError(
                f"The log file {self.logfile} cannot be written ({error.strerror}): "
                "name another one with logfile."
            ) from error

    def _arguments(self) -> list[str]:
        """Return the same command line that you would type in a terminal."""
        options = ["pool", "concurrency", "queues", "hostname", "loglevel"]
        schedule = home() / f"{self.hostname}.schedule"
        return [
            *["celery", "-A", self.app, "worker"],
            *[f"--{option}={getattr(self, option)}" for option in options],
            *(["--beat", f"--schedule-filename={schedule}"] if self.beat else []),
        ]

    def _wait_until_ready(self, timeout: float) -> None:
        assert self._child
        word = self._child.read(timeout)
        self._ready = bool(word)
        if self._ready:
            return
        if word == "":  # the end of the file: it died
            code = self._child.wait()
            reason = f"The worker ended with exit code {code} before it was ready."
        else:
            reason = f"The worker was not ready after {timeout:g} seconds."
        parts = filter(None, [reason, lack_of_space(), "The end of its log:"])
        raise WorkerStartError(f"{' '.join(parts)}\n\n{self.logs(tail=15)}")

    # Ending

    def stop(self, timeout: float = 10) -> None:
        """Stop the worker: it finishes the tasks that it is running, and gives the others back.

        Parameters
        ----------
        timeout : float
            After how many seconds to kill it.
        """
        seconds("timeout", timeout)
        try:
            if self._child and self._child.returncode is None:
                self._child.terminate()
                self._child.wait(timeout)
        finally:  # whoever interrupts the waiting wants it to end too
            self.kill()

    def kill(self) -> None:
        """Kill the worker and its pool at once, as a crash of the machine would."""
        if self._child:
            self._child.kill()
        if self._lock:
            self._lock.release()
        if _running.get(self.hostname) is self:
            del _running[self.hostname]

    def restart(self) -> Self:
        """Stop the worker, start it again, and return when it is ready.

        Returns
        -------
        Worker
            This object.

        Raises
        ------
        WorkerStartError
            As `start` does.
        """
        self.stop()
        return self.start()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    # Looking

    @property
    def pid(self) -> int | None:
        """The process id of the worker's main process, or None before the first start."""
        return self._child.pid if self._child else None

    @property
    def returncode(self) -> int | None:
        """The exit code: None while it is running, negative for the signal that killed it."""
        return self._child.returncode if self._child else None

    @property
    def status(self) -> str:
        """One of ``not started``, ``starting``, ``ready``, ``stopped``, ``killed``, ``failed``."""
        if not self._child:
            return "not started"
        if self.returncode is None:
            return "ready" if self._ready else "starting"
        if self.returncode == 0:
            return "stopped"
        return "killed" if self.returncode < 0 else "failed"

    def logs(self, tail: int | None = None) -> str:
        """Return what the worker wrote since its last start.

        Parameters
        ----------
        tail : int, optional
            Return only this many lines from the end.

        Returns
        -------
        str
            The lines, with the workspace's path shortened to ``$TUTORIAL_HOME``.
        """
        if tail is not None and (tail := whole_number("tail", tail, least=0)) == 0:
            return ""
        if not self._child or not self.logfile or not self.logfile.exists():
            return ""
        with self.logfile.open("rb") as log:
            log.seek(self._log_start)
            lines = collections.deque(log, maxlen=tail)
        text = b"".join(lines).decode(errors="replace")
        return text.replace(self._workspace, "$TUTORIAL_HOME").rstrip("\n")

    def __repr__(self) -> str:
        return (
            f"<Worker {self.hostname}: {self.status}, {self.pool}, concurrency {self.concurrency}>"
        )

    def _repr_html_(self) -> str:
        facts = {
            "hostname": self.hostname,
            "status": self.status,
            "pool": self.pool,
            "concurrency": self.concurrency,
            "queues": self.queues,
            "pid": self.pid,
            "log": self.logs(tail=5),
        }
        return PANEL.substitute({name: html.escape(str(fact)) for name, fact in facts.items()})


@atexit.register
def _stop_all() -> None:
    # Jupyter kills a kernel 5 s after it asked it to end, so all get the same short time.
    deadline = time.monotonic() + 1.5
    for worker in list(_running.values()):
        if worker._child:
            worker._child.terminate()
    for worker in list(_running.values()):
        worker.stop(timeout=max(0.0, deadline - time.monotonic()))


def _leave_to_parent() -> None:
    """Let go, in a forked child, of the workers: they belong to the parent, and end with it."""
    for worker in _running.values():
        worker._child = worker._lock = None
    _running.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_leave_to_parent)
