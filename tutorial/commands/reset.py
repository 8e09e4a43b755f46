"""Delete workspaces, never one in use: what ``python -m tutorial reset`` runs."""

import os
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from tutorial.broker import QUEUE_FILE
from tutorial.database import RESULTS_FILE
from tutorial.workspace import COURSE, HOME_VARIABLE, WORKSPACES

# What the course writes into a workspace. Only this is deleted, because a person can keep other
# files there, or name any folder.
DATABASES = [RESULTS_FILE, QUEUE_FILE]
LOGS = ["logs/*.log"]
LOCKS = [".lock", ".*@*.lock", f"{QUEUE_FILE}-consumers/*"]
SCHEDULES = ["*@*.schedule*"]
FOLDERS = ["logs/pymp-*", "logs", f"{QUEUE_FILE}-consumers"]  # deleted if nothing else is in them


def run() -> int:
    """Delete all workspaces that nothing uses, and print a line for each one.

    Returns
    -------
    int
        The exit code: 0, or 1 if the system did not let a folder be deleted.
    """
    folders = workspaces()
    if not folders:
        print("There is no workspace.")
    exit_code = 0
    for folder in folders:
        try:
            reason = remove(folder)
        except OSError as error:
            reason, exit_code = f"{error.strerror}: {error.filename}", 1
        name = folder.relative_to(COURSE) if folder.is_relative_to(COURSE) else folder
        print(f"kept     {name}  {reason}" if reason else f"removed  {name}")
    return exit_code


def workspaces() -> list[Path]:
    """Return the folder that ``TUTORIAL_HOME`` names, or else all in the folder ``workspaces``.

    A folder inside a workspace, of a notebook that ran beside another one, comes before it.
    """
    chosen = os.environ.get(HOME_VARIABLE)
    if chosen:
        first = [Path(chosen).resolve()]
    else:
        first = sorted(WORKSPACES.iterdir()) if WORKSPACES.is_dir() else []
    folders = [folder for folder in first if folder.is_dir() and not folder.is_symlink()]
    return [each for folder in folders for each in [*sorted(folder.glob("beside-*")), folder]]


def remove(folder: Path) -> str | None:
    """Delete what the course has put into a workspace, and the folder if nothing else is in it.

    Parameters
    ----------
    folder : pathlib.Path

    Returns
    -------
    str or None
        Why the folder was kept, or None if it is gone.

    Raises
    ------
    OSError
        If the system does not let a file be deleted.
    """
    if any(map(_is_locked, _files(folder, LOCKS))) or any(map(_is_open, _files(folder, DATABASES))):
        return "a notebook or a worker uses it"
    previous = folder / "previous"
    _delete_run(previous)
    with suppress(OSError):
        previous.rmdir()
    _delete_run(folder)
    left = sorted(path.name for path in folder.iterdir())
    if left:
        return f"the course's files are gone; it holds others: {', '.join(left)}"
    folder.rmdir()
    return None


def _files(folder: Path, patterns: Iterable[str]) -> Iterator[Path]:
    for pattern in patterns:
        yield from folder.glob(pattern)


def _delete_run(folder: Path) -> None:
    for path in _files(folder, [f"{name}*" for name in DATABASES] + LOGS + LOCKS + SCHEDULES):
        if not path.is_dir():
            path.unlink()
    for path in _files(folder, FOLDERS):
        with suppress(OSError):  # it holds other files
            path.rmdir()


def _is_locked(path: Path) -> bool:
    """Tell whether a notebook holds the lock of a workspace, or a worker that of its name."""
    lock = FileLock(path)
    try:
        lock.acquire(blocking=False)
    except Timeout:
        return True
    lock.release()
    return False


def _is_open(database: Path) -> bool:
    """Tell whether another process is connected to an SQLite file.

    It has to leave the WAL mode for that, which SQLite allows to the only connection,
    https://sqlite.org/pragma.html#pragma_journal_mode
    """
    with closing(sqlite3.connect(database, timeout=0)) as connection:
        try:
            connection.execute("PRAGMA journal_mode = DELETE")
        except sqlite3.OperationalError:
            return True
    return False
