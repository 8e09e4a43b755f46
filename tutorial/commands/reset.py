"""Delete workspaces, never one in use: what ``python -m tutorial reset`` runs."""

import sqlite3
import sys
from contextlib import closing, suppress
from pathlib import Path

from celery.exceptions import ImproperlyConfigured
from filelock import FileLock, Timeout

from tutorial.workspace import (
    COURSE,
    DATABASES,
    LOCK,
    LOCKS,
    MARK,
    MARK_TEXT,
    PREVIOUS,
    RUN,
    SOLVED,
    delete,
    is_workspace,
    matching,
    places,
    workspaces,
)

IN_USE = "a notebook or a worker uses it"


def run() -> int:
    """Delete all workspaces that nothing uses, and print a line for each one.

    Returns
    -------
    int
        The exit code: 0, or 1 if a folder could not be deleted or the setting names none.
    """
    try:
        found = places()
    except ImproperlyConfigured as error:
        print(error, file=sys.stderr)
        return 1
    if not found:
        print("There is no workspace.")
    return max((_reset(place) for place in found), default=0)


def _reset(place: Path) -> int:
    exit_code = 0
    for folder in workspaces(place):
        try:
            reason = remove(folder)
        except OSError as error:
            reason, exit_code = f"{error.strerror}: {error.filename}", 1
        _say(folder, reason)
    if place.exists() and not is_workspace(place) and (others := _names(place)):
        _say(place, f"it holds files that are not the course's: {others}")
    return exit_code


def _say(folder: Path, reason: str | None) -> None:
    name = folder.relative_to(COURSE) if folder.is_relative_to(COURSE) else folder
    print(f"kept     {name}  {reason}" if reason else f"removed  {name}")


def _names(folder: Path) -> str:
    return ", ".join(sorted(path.name for path in folder.iterdir()))


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
    lock = FileLock(folder / LOCK)
    try:
        lock.acquire(blocking=False)  # no notebook can begin here while its files are deleted
    except Timeout:
        return IN_USE
    try:
        further = (path for path in matching(folder, LOCKS) if path.name != LOCK)
        if any(map(_is_locked, further)) or any(map(_is_open, matching(folder, DATABASES))):
            return IN_USE
        delete(folder / PREVIOUS, [*RUN, f"{SOLVED}/*-*", *LOCKS])
        delete(folder, [*RUN, f"{SOLVED}/*-*"])
        with suppress(OSError):  # it is missing, or holds other files
            (folder / PREVIOUS).rmdir()
    finally:
        lock.release()
    for path in matching(folder, LOCKS):
        path.unlink(missing_ok=True)
    if others := ", ".join(sorted({path.name for path in folder.iterdir()} - {MARK})):
        return f"the course's files are gone; it holds other files: {others}"
    (folder / MARK).unlink(missing_ok=True)
    try:
        folder.rmdir()
    except OSError:  # a notebook has just begun to use it
        (folder / MARK).write_text(MARK_TEXT, encoding="utf-8")
        return IN_USE
    return None


def _is_locked(path: Path) -> bool:
    """Tell whether a worker holds the lock of its name, or a process that of its messages."""
    lock = FileLock(path)
    try:
        lock.acquire(blocking=False)
    except Timeout:
        return True
    lock.release()
    return False


def _is_open(database: Path) -> bool:
    """Tell whether another process is connected to a SQLite file.

    It has to leave the WAL mode for that, which SQLite allows to the only connection,
    https://sqlite.org/pragma.html#pragma_journal_mode
    """
    with closing(sqlite3.connect(database, timeout=0)) as connection:
        try:
            connection.execute("PRAGMA journal_mode = DELETE")
        except sqlite3.OperationalError:
            return True
        except sqlite3.DatabaseError:  # a damaged file
            return False
    return False
