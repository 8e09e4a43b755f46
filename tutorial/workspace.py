"""The workspace: the folder that holds the results, the queue and the logs.

The environment variable ``TUTORIAL_HOME`` names it, for this package, for ``celery`` in a terminal
and for every worker process alike. The course marks the folders that it has made, and moves and
deletes nothing in any other folder.
"""

import os
import shutil
import sys
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from celery.exceptions import ImproperlyConfigured
from filelock import FileLock, Timeout

from tutorial.checks.arguments import text

HOME_VARIABLE = "TUTORIAL_HOME"
COURSE = Path(__file__).resolve().parent.parent
WORKSPACES = COURSE / "workspaces"
ENOUGH = 2_000_000  # bytes on the disk: the two databases, their journals and a log begin with less

RESULTS_FILE = "results.db"
QUEUE_FILE = "queue.db"
PREVIOUS = "previous"  # the folder in a workspace that keeps what the last run left
SOLVED = "solved"  # the folder in a workspace that holds an empty file for each solved exercise
LOCK = ".lock"
MARK = ".tutorial-workspace"  # the file that tells the course's folders from all others
MARK_TEXT = """\
The course made this folder, and deletes in it what its notebooks have written: the databases,
the logs and everything in the folder "files". Keep your own files under other names.
"""
OWN_FOLDER = "tutorial-workspace"  # where the course works in a folder that is not its own
JOURNALS = ("", "-journal", "-shm", "-wal")  # what SQLite adds to the name of a database

# What a run of a notebook leaves in a workspace, as patterns.
DATABASES = (RESULTS_FILE, QUEUE_FILE)
RUN = (
    *(f"{database}{journal}" for database in DATABASES for journal in JOURNALS),
    f"{QUEUE_FILE}-consumers",
    *("logs/*.log", "logs/*.pid", "logs/pymp-*", "logs/pool-*"),
    "*@*.schedule*",
    "files",
    # What chapters and exercises write outside of "files"
    *("__pycache__", "bank-is-open", "full.py", "hungry.py", "planted", "room"),
    *(f"other.db{journal}" for journal in JOURNALS),
)
# Held by a notebook, by the workers in it, and by the processes that receive messages
LOCKS = (LOCK, ".*@*.lock", f"{QUEUE_FILE}-consumers/*")

_locks: dict[str, FileLock] = {}  # workspace name -> the lock that this process holds
_used: dict[Path, Path] = {}  # the folder that was asked for -> the workspace that home() returned


def home() -> Path:
    """Return the workspace folder, and make it if it is missing.

    Returns
    -------
    pathlib.Path
        The absolute path of the folder that ``TUTORIAL_HOME`` names, or of ``workspaces/default``
        in the course's folder. A relative path in the variable starts at the course's folder. If
        the folder holds files that are not the course's, the workspace is the folder
        ``tutorial-workspace`` inside it.

    Raises
    ------
    celery.exceptions.ImproperlyConfigured
        If the variable does not name a folder, or if the folder cannot be made or written to.
    """
    chosen = place()
    folder = _writable(_claimed(chosen))
    _used[chosen] = folder
    return folder


def lack_of_space() -> str:
    """Report a full disk; Celery and SQLite name the cause only in a log, which is full too.

    Returns
    -------
    str
        A sentence, or an empty string if there is room.
    """
    free = shutil.disk_usage(home()).free
    if free >= ENOUGH:
        return ""
    return (
        f"The disk of the workspace {home()} is full ({free:,} bytes are free): delete what you "
        f"do not need, or set {HOME_VARIABLE} to a new folder on another disk."
    )


def open_workspace(name: str) -> Path:
    """Give this notebook an empty workspace; every notebook starts with it.

    The folder is ``workspaces/<name>`` in the course's folder, or ``TUTORIAL_HOME`` if the
    environment sets it. If that folder holds files that are not the course's, they are left
    alone, and the workspace is a new folder inside it. A notebook that runs at the same time as
    another one in the same folder gets a numbered folder inside it. What the previous run left is
    kept in ``previous``. A second call in the same kernel changes nothing.

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
        If the name is not a plain folder name, if the folder cannot be written to or emptied, or
        if this kernel has already worked in another workspace.
    TypeError, ValueError
        If the name is not a string.
    """
    text("name", name)
    if name in ("", "..") or name != Path(name).name:
        raise ImproperlyConfigured(f"{name!r} does not name a notebook: write it as in '03-add'.")
    if name in _locks:
        return home()
    if _locks:
        raise ImproperlyConfigured(
            f"This kernel already works in the workspace {next(iter(_locks))!r}: "
            f"restart the kernel before you open {name!r}."
        )
    chosen = place(name)
    folder, lock = _free(chosen)
    try:
        _check_first(folder)
        _set_aside(folder)
    except BaseException:
        lock.release()
        raise
    _locks[name] = lock
    os.environ[HOME_VARIABLE] = str(folder)
    if not is_workspace(chosen):
        print(
            f"{chosen} holds files that are not the course's. They stay as they are: "
            f"this notebook works in {folder}.",
            file=sys.stderr,
        )
    return folder


def is_workspace(folder: Path) -> bool:
    """Tell a workspace from any other folder: the course marked it when it was empty.

    Parameters
    ----------
    folder : pathlib.Path

    Returns
    -------
    bool
    """
    if (folder / MARK).is_file():
        return True
    # Releases before 2026-12 set no mark, but each notebook and each worker made a lock.
    return WORKSPACES in folder.parents and any(folder.glob(".*lock"))


def places() -> list[Path]:
    """Return the existing folders in which there can be workspaces.

    Returns
    -------
    list of pathlib.Path
        The folder that ``TUTORIAL_HOME`` names, or else all in the folder ``workspaces``.

    Raises
    ------
    celery.exceptions.ImproperlyConfigured
        If the variable does not name a folder.
    """
    if os.environ.get(HOME_VARIABLE):
        found = [place()]
    else:
        found = sorted(WORKSPACES.iterdir()) if WORKSPACES.is_dir() else []
    return [folder for folder in found if folder.is_dir() and not folder.is_symlink()]


def workspaces(parent: Path) -> list[Path]:
    """Return the workspaces in one of the `places`.

    Parameters
    ----------
    parent : pathlib.Path

    Returns
    -------
    list of pathlib.Path
        A workspace inside another one comes before the outer one.
    """
    first = [folder for folder in (parent / OWN_FOLDER, parent) if is_workspace(folder)]
    beside = {folder: sorted(filter(is_workspace, folder.glob("beside-*"))) for folder in first}
    found = [each for folder in first for each in [*beside[folder], folder]]
    return [folder for folder in found if not folder.is_symlink()]


def matching(folder: Path, patterns: Iterable[str]) -> Iterator[Path]:
    """Find files and folders in a workspace.

    Parameters
    ----------
    folder : pathlib.Path
    patterns : iterable of str
        Such as `RUN` or `LOCKS`.

    Yields
    ------
    pathlib.Path
    """
    for pattern in patterns:
        yield from folder.glob(pattern)


def delete(folder: Path, patterns: Iterable[str] = RUN) -> None:
    """Delete what the course has written into a workspace, or has moved to ``previous``.

    Parameters
    ----------
    folder : pathlib.Path
    patterns : iterable of str
        By default what a run of a notebook leaves.

    Raises
    ------
    OSError
        If the system does not let a file be deleted.
    """
    for path in matching(folder, patterns):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    for name in ("logs", SOLVED):
        with suppress(OSError):  # it is missing, or holds other files
            (folder / name).rmdir()


def place(name: str = "default") -> Path:
    """Return the folder that the settings name for a workspace; it need not exist.

    Parameters
    ----------
    name : str
        A folder in ``workspaces``, if ``TUTORIAL_HOME`` is not set.

    Returns
    -------
    pathlib.Path

    Raises
    ------
    celery.exceptions.ImproperlyConfigured
        If the variable does not name a folder.
    """
    chosen = os.environ.get(HOME_VARIABLE)
    if not chosen:
        return WORKSPACES / name
    try:
        # Not from the current folder: a kernel and a terminal have different ones.
        return (COURSE / Path(chosen).expanduser()).resolve()
    except (OSError, RuntimeError, ValueError) as error:
        raise ImproperlyConfigured(
            f"{HOME_VARIABLE} does not name a folder "
            f"({getattr(error, 'strerror', None) or error}): "
            "set it to the absolute path of a new or empty folder."
        ) from None


def _claimed(chosen: Path) -> Path:
    """Make the folder into a workspace, or a folder inside it if there are other files in it."""
    try:
        for folder in (chosen, chosen / OWN_FOLDER):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)  # others may not read results
            # The mark is looked for again after the files, since another process may have just
            # made them, and it makes the mark first.
            if is_workspace(folder) or _is_empty(folder) or is_workspace(folder):
                if not (folder / MARK).exists():
                    (folder / MARK).write_text(MARK_TEXT, encoding="utf-8")
                return folder
    except OSError as error:
        raise _not_writable(chosen, error) from error
    raise ImproperlyConfigured(
        f"{chosen} holds a folder {OWN_FOLDER!r} that is not the course's: "
        f"set {HOME_VARIABLE} to a new or empty folder."
    )


def _is_empty(folder: Path) -> bool:
    """Tell whether nothing is in the folder but a lock and other workspaces, as the doctor's."""
    return all(path.name == LOCK or is_workspace(path) for path in folder.iterdir())


def _writable(folder: Path) -> Path:
    """Check that a file can be written in the folder."""
    try:
        probe = folder / f".writable-{os.getpid()}"
        probe.touch()
        probe.unlink(missing_ok=True)  # missing when another thread has just done the same
    except OSError as error:
        raise _not_writable(folder, error) from error
    return folder


def _not_writable(folder: Path, error: OSError) -> ImproperlyConfigured:
    return ImproperlyConfigured(
        f"The workspace {folder} cannot be written to ({error.strerror}): "
        f"make it writable, or set {HOME_VARIABLE} to a new or empty folder."
    )


def _free(chosen: Path) -> tuple[Path, FileLock]:
    """Return the first workspace here that no other notebook uses, and its lock."""
    first = folder = _writable(_claimed(chosen))
    beside = 1
    while not (lock := _lock(folder)):
        beside += 1
        folder = _writable(_claimed(first / f"beside-{beside}"))
    return folder, lock


def _lock(folder: Path) -> FileLock | None:
    """Lock the folder for the life of this process; the system frees it however that ends."""
    lock = FileLock(folder / LOCK)
    try:
        lock.acquire(blocking=False)
    except Timeout:
        return None
    except OSError as error:  # the file belongs to another user
        raise _not_writable(folder, error) from error
    return lock


def _check_first(folder: Path) -> None:
    """Refuse the folder if this process has already worked in another one: it would go on there."""
    before = _used.get(place(), folder)
    if before != folder:
        raise ImproperlyConfigured(
            f"This kernel has already worked in the workspace {before}, before the cell that opens "
            f"{folder}: restart the kernel, and run the cells from the top."
        )


def _set_aside(folder: Path) -> None:
    """Move what an earlier run left into ``previous``, in place of the run before it."""
    previous = folder / PREVIOUS
    try:
        left = list(matching(folder, RUN))
        if left:
            delete(previous)
        for path in left:
            target = previous / path.relative_to(folder)
            target.parent.mkdir(parents=True, exist_ok=True)
            path.rename(target)
        with suppress(OSError):  # it holds other files
            (folder / "logs").rmdir()
    except OSError as error:
        raise ImproperlyConfigured(
            f"What an earlier run left in {folder} cannot be moved away ({error.strerror}): "
            "stop the programs that still use it."
        ) from error
