"""What a person gives to a public function: taken, or refused in one sentence."""

import operator
import os
import re
import sys
import threading
from collections.abc import Collection, Iterable
from pathlib import Path
from types import ModuleType
from typing import Any

from celery import Celery

NOT_TEXT = re.compile("[\0\ud800-\udfff]")  # no system and no database takes these characters
LONGEST_VALUE = 97  # characters of a value in an error
LONGEST_NAME = 200  # bytes in the name of a worker: a file is named after it


def shown(value: Any) -> str:
    """Return a value as an error shows it: short, and in one line.

    Parameters
    ----------
    value : object

    Returns
    -------
    str
    """
    try:
        text = " ".join(repr(value).split())
    except Exception:  # an int of more digits than Python shows, or a class with a broken repr
        text = f"an object of the type {type(value).__name__!r}"
    return text if len(text) <= LONGEST_VALUE else f"{text[: LONGEST_VALUE - 3]}..."


def text(name: str, value: Any) -> str:
    """Return a string that a system or a database can take.

    Parameters
    ----------
    name : str
        The name of the argument.
    value : str

    Returns
    -------
    str

    Raises
    ------
    TypeError, ValueError
        If it is not a string, or has a character that is not allowed anywhere.
    """
    if not isinstance(value, str):
        raise TypeError(f"{name} must be a string, but is {shown(value)}.")
    if NOT_TEXT.search(value):
        raise ValueError(f"{name} has a character that no system takes: {shown(value)}.")
    return value


def app_name(app: Any) -> str:
    """Return what to write after ``celery -A`` for an app.

    Parameters
    ----------
    app : str, module or celery.Celery

    Returns
    -------
    str
        The name of a module, or ``module:attribute``.

    Raises
    ------
    TypeError
        If it is something else.
    ValueError
        If it is an empty string, or an app that a worker's process cannot import.
    """
    if isinstance(app, str):
        if not app.strip():
            raise ValueError("app is an empty string: name the module that holds the app.")
        return text("app", app)
    if isinstance(app, ModuleType):
        places = [app.__name__]
    elif isinstance(app, Celery):
        places = _places(app)
    else:
        raise TypeError(
            "app must be the name of a module, a module or a Celery app, "
            f"but is of the type {type(app).__name__!r}."
        )
    importable = [place for place in places if place.partition(":")[0] != "__main__"]
    if not importable:
        raise ValueError(
            "The app is defined in this notebook or program, where a worker's process cannot "
            "import it: write it into a module, and give the name of that module."
        )
    return importable[0]


def _places(app: Celery) -> list[str]:
    """Return where an app can be imported from; first the modules that are its own."""
    places = [
        f"{name}:{attribute}"
        for name, module in list(sys.modules.items())
        if isinstance(module, ModuleType)
        for attribute, value in list(vars(module).items())
        if value is app
    ]
    tasks = {task.__module__ for task in app.tasks.values()}

    def is_foreign(place: str) -> tuple[bool, bool]:
        module = place.partition(":")[0]
        return not place.startswith(app.main or module), module not in tasks

    return sorted(places, key=is_foreign)


def whole_number(name: str, value: Any, least: int, most: int = sys.maxsize) -> int:
    """Return a whole number that is neither too small nor too large.

    Parameters
    ----------
    name : str
        The name of the argument.
    value : int
    least, most : int

    Returns
    -------
    int

    Raises
    ------
    TypeError, ValueError
        If it is no whole number, or one outside these limits.
    """
    try:
        number = operator.index(value)
    except TypeError:
        number = None
    if number is None or isinstance(value, bool):
        raise TypeError(f"{name} must be a whole number, but is {shown(value)}.")
    if number < least:
        raise ValueError(f"{name} must be at least {least}, but is {shown(value)}.")
    if number > most:
        raise ValueError(f"{name} must be at most {most}, but is {shown(value)}.")
    return number


def seconds(name: str, value: Any) -> None:
    """Refuse what is no time.

    Parameters
    ----------
    name : str
        The name of the argument.
    value : float

    Raises
    ------
    TypeError, ValueError
        If it is not a number, is below zero, or is more than a clock can count.
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{name} must be a number of seconds, but is {shown(value)}.")
    if not value >= 0:
        raise ValueError(f"{name} must not be below 0 seconds, but is {shown(value)}.")
    if value > threading.TIMEOUT_MAX:  # Python itself waits for no longer
        raise ValueError(
            f"{name} must be at most {threading.TIMEOUT_MAX:.0f} seconds, but is {shown(value)}."
        )


def truth(name: str, value: Any) -> bool:
    """Return whether something is wanted.

    Parameters
    ----------
    name : str
        The name of the argument.
    value : bool

    Returns
    -------
    bool

    Raises
    ------
    TypeError
        If it is neither True nor False; a text such as ``"no"`` would be true.
    """
    if not isinstance(value, bool):
        raise TypeError(f"{name} must be True or False, but is {shown(value)}.")
    return value


def one_of(name: str, value: Any, choices: Collection[str]) -> str:
    """Return one of several words.

    Parameters
    ----------
    name : str
        The name of the argument.
    value : str
    choices : collection of str

    Returns
    -------
    str

    Raises
    ------
    TypeError, ValueError
        If it is not a string, or not one of the words.
    """
    if text(name, value).lower() not in choices:
        raise ValueError(f"{name} must be one of {', '.join(choices)}, but is {shown(value)}.")
    return value.lower()


def queue_names(queues: Any) -> str:
    """Return the names of queues, separated by commas.

    Parameters
    ----------
    queues : str or iterable of str

    Returns
    -------
    str

    Raises
    ------
    TypeError, ValueError
        If something else is among them, an empty name, or no name.
    """
    names = queues.split(",") if isinstance(queues, str) else queues
    if not isinstance(names, Iterable) or isinstance(names, bytes):
        raise TypeError(f"queues must be the names of queues, but is {shown(queues)}.")
    names = list(names)
    if not all(isinstance(name, str) for name in names):
        raise TypeError(f"queues must be the names of queues, but is {shown(queues)}.")
    names = [text("queues", name).strip() for name in names]
    if not names or not all(names):
        raise ValueError(f"queues must name one queue or more, but is {shown(queues)}.")
    return ",".join(names)


def node_name(hostname: Any) -> str:
    """Return the name of a worker, which is a part of file names too.

    Parameters
    ----------
    hostname : str

    Returns
    -------
    str

    Raises
    ------
    TypeError, ValueError
        If it is not a string, or not one that a file can be named after.
    """
    name = text("hostname", hostname)
    if not name.strip() or set(name) & set("/\\"):
        raise ValueError(
            f"hostname must be a name without slashes, such as 'celery@notebook', "
            f"but is {shown(hostname)}."
        )
    if len(name.encode()) > LONGEST_NAME:
        raise ValueError(f"hostname must have at most {LONGEST_NAME} bytes: {shown(hostname)}.")
    return hostname


def path(name: str, value: Any) -> Path:
    """Return the absolute path of a file.

    Parameters
    ----------
    name : str
        The name of the argument.
    value : path
        ``~`` is the home folder, and a relative path starts at the current folder.

    Returns
    -------
    pathlib.Path

    Raises
    ------
    TypeError, ValueError
        If it is not a path, is empty, or names the home folder of an unknown user.
    """
    if not isinstance(value, str | os.PathLike) or not isinstance(os.fspath(value), str):
        raise TypeError(f"{name} must be a path, but is {shown(value)}.")
    if not text(name, os.fspath(value)):
        raise ValueError(f"{name} is an empty string: name a file.")
    try:
        return Path(value).expanduser().absolute()
    except RuntimeError as error:  # of pathlib
        raise ValueError(f"{name} names the home folder of an unknown user: {value}.") from error
