"""A child process that ends with this one at the latest: the base of `Worker` and of `Server`.

The child reads its standard input. The operating system closes the other end of that pipe when
this process ends, however it ends, and the child then meets the end of the file and ends too.
"""

import os
import select
import signal
import subprocess
import sys
import threading
import weakref
from contextlib import suppress
from typing import Any

WINDOWS = sys.platform == "win32"

_children: "weakref.WeakSet[Child]" = weakref.WeakSet()


class Child:
    """A module of the course that is running as a child process.

    It has a session of its own, so that the *Interrupt* button does not reach it.

    Parameters
    ----------
    module : str
        The module, as after ``python -m``.
    *arguments : str
        Its command line.
    **options
        Further options of `subprocess.Popen`, such as ``stderr``.
    """

    def __init__(self, module: str, *arguments: str, **options: Any) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
            **options,
        )
        assert self._process.stdin and self._process.stdout
        self._input, self._output = self._process.stdin, self._process.stdout
        _children.add(self)
        # The Popen of a running process outlives its last reference, and would keep the pipe open.
        weakref.finalize(self, self._input.close)

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        """The exit code: None while it is running, negative for the signal that killed it."""
        return self._process.poll()

    def write(self, line: str) -> None:
        """Send a line; a child that has ended does not receive it.

        Parameters
        ----------
        line : str
        """
        with suppress(BrokenPipeError, ValueError):
            self._input.write(f"{line}\n".encode())
            self._input.flush()

    def read(self, timeout: float | None = None) -> str | None:
        """Wait for a line.

        Parameters
        ----------
        timeout : float, optional
            How many seconds to wait. By default there is no limit.

        Returns
        -------
        str or None
            The line, which is empty if the child has ended, or None if there was no line in time.
        """
        if self._input.closed:
            return ""
        if timeout is None:
            return self._output.readline().decode()
        lines: list[bytes] = []
        # A thread, because Windows cannot wait for a pipe with a time limit.
        reader = threading.Thread(target=lambda: lines.append(self._output.readline()), daemon=True)
        reader.start()
        reader.join(timeout)
        return lines[0].decode() if lines else None

    def wait(self, timeout: float | None = None) -> int | None:
        """Wait until the process has ended.

        Parameters
        ----------
        timeout : float, optional
            How many seconds to wait. By default there is no limit.

        Returns
        -------
        int or None
            The exit code, or None if the process is still running.
        """
        with suppress(subprocess.TimeoutExpired):
            return self._process.wait(timeout)
        return None

    def terminate(self) -> None:
        """Ask the process to end, with the signal SIGTERM."""
        self._process.terminate()

    def kill(self) -> None:
        """Kill the process and its own children at once, as a crash of the machine would."""
        if self._input.closed:
            return  # it has ended, and its process id may be that of another program by now
        if not WINDOWS:
            self._kill_group()
        self._process.kill()
        self._process.wait()
        if not WINDOWS:  # its own children end a moment later, and then the pipe has no writer
            select.select([self._output], [], [], 2)
        self._close_input()
        self._output.close()

    def close(self) -> None:
        """End the process by closing its standard input, and wait for it."""
        if self._input.closed:
            return
        self._close_input()
        self._process.wait()
        self._output.close()

    def _kill_group(self) -> None:
        """Kill the process and its children, which share the session that the process leads."""
        with suppress(ProcessLookupError, PermissionError):  # none is left; macOS says the second
            os.killpg(self.pid, signal.SIGKILL)

    def _close_input(self) -> None:
        with suppress(BrokenPipeError):
            self._input.close()


def _leave_to_parent() -> None:
    """Close the pipes in a forked child of this process, which would keep the children alive."""
    for child in _children:
        child._close_input()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_leave_to_parent)
