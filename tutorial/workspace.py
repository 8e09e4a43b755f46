"""The workspace: the folder that holds the results, the queue and the logs.

The environment variable ``TUTORIAL_HOME`` names it, for this package, for ``celery`` in a terminal
and for every worker process alike.
"""

import os
import shutil
from pathlib import Path

from celery.exceptions import ImproperlyConfigured
from filelock import FileLock, Timeout

HOME_VARIABLE = "TUTORIAL_HOME"
COURSE = Path(__file__).resolve().parent.parent
WORKSPACES = COURSE / "workspaces"
ENOUGH = 2_000_000  # bytes on the disk: the two databases, their journals and a log begin with less

_locks: dict[str, FileLock] = {}  # workspace name -> the lock that this process holds


def home() -> Path:
    """Return the workspace folder, and make it if it is missing.

    Returns
    -------
    pathlib.Path
        The absolute path of the folder that ``TUTORIAL_HOME`` names, or of ``workspaces/default``
        in the course's folder.

    Raises
    ------
    celery.exceptions.ImproperlyConfigured
        If the folder cannot be made or written to.
    """
    folder = Path(os.environ.get(HOME_VARIABLE) or WORKSPACES / "default").resolve()
    return _writable(folder)


def lack_of_space() -> str:
    """Say that the disk is full; Celery and SQLite name the cause only in a log that is full too.

    Returns
    -------
    str
        A sentence, or nothing if there is room.
    """
    free = shutil.disk_usage(home()).free
    if free >= ENOUGH:
        return ""
    return (
        f"The disk of the workspace {home()} is full ({free:,} bytes are free): delete what you "
        f"do not need, or set {HOME_VARIABLE} to a folder on another disk."
    )


def open_workspace(name: str) -> Path:
    """Give this notebook an empty workspace of its own; every notebook starts with it.

    The folder is ``workspaces/<name>`` in the course's folder, or ``TUTORIAL_HOME`` where the
    environment sets it. A notebook that runs beside another one on the same folder gets a
    numbered folder inside it. What an earlier run left is kept, once, in ``previous``.
    Called again in the same kernel it changes nothing.

    Parameters
    ----------
    name : str
        The notebook's name, for example ``"03-add"``.

    Returns
    -------
    pathlib.Path
        The absolute path of the folder, which ``TUTORIAL_HOME`` names from now on in this process
        and in all processes that it starts.

    Raises
    ------
    celery.exceptions.ImproperlyConfigured
        If the name is no plain folder name, if the folder cannot be written to or emptied, or if
        this kernel has another workspace open.
    """
    if name in ("", "..") or name != Path(name).name:
        raise ImproperlyConfigured(f"{name!r} does not name a notebook: write it as in '03-add'.")
    if name in _locks:
        return home()
    if _locks:
        raise ImproperlyConfigured(
            f"This kernel already works in the workspace {next(iter(_locks))!r}: "
            f"restart the kernel before you open {name!r}."
        )
    chosen = os.environ.get(HOME_VARIABLE)
    first = Path(chosen).resolve() if chosen else WORKSPACES / name
    folder = first
    beside = 1
    while not (lock := _lock(_writable(folder))):
        beside += 1
        folder = first / f"beside-{beside}"
    try:
        _set_aside(folder)
    except OSError as error:
        lock.release()
        raise ImproperlyConfigured(
            f"What an earlier run left in {folder} cannot be moved away ({error.strerror}): "
            "stop the programs that still use it."
        ) from error
    _locks[name] = lock
    os.environ[HOME_VARIABLE] = str(folder)
    return folder


def _writable(folder: Path) -> Path:
    """Make the folder and see that a file can be written in it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / f".writable-{os.getpid()}"
        probe.touch()
        probe.unlink(missing_ok=True)  # missing when another thread has just done the same
    except OSError as error:
        raise _not_writable(folder, error) from error
    return folder


def _not_writable(folder: Path, error: OSError) -> ImproperlyConfigured:
    return ImproperlyConfigured(
        f"The workspace {folder} cannot be written to ({error.strerror}): "
        f"make it writable, or set {HOME_VARIABLE} to a folder of your own."
    )


def _lock(folder: Path) -> FileLock | None:
    """Lock the folder for the life of this process; the system frees it however that ends."""
    lock = FileLock(folder / ".lock")
    try:
        lock.acquire(blocking=False)
    except Timeout:
        return None
    except OSError as error:  # the file belongs to another user
        raise _not_writable(folder, error) from error
    return lock


def _set_aside(folder: Path) -> None:
    """Move what an earlier run left into ``previous``, in place of the run before it."""
    left = [path for path in folder.iterdir() if _belongs_to_a_run(path)]
    if not left:
        return
    previous = folder / "previous"
    if previous.exists():
        shutil.rmtree(previous)
    previous.mkdir()
    for path in left:
        path.rename(previous / path.name)


def _belongs_to_a_run(path: Path) -> bool:
    """Tell a run's own files from anything else that a person keeps in the folder."""
    return path.name in ("logs", "files") or path.name.startswith(("results.db", "queue.db"))
