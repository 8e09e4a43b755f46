"""What a person gives to `Worker` and `Server`: taken, or refused in one sentence."""

import operator
import os
import sys
from collections.abc import Collection, Iterable
from pathlib import Path
from types import ModuleType
from typing import Any

from celery import Celery


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
        return app
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


def whole_number(name: str, value: Any, least: int) -> int:
    """Return a whole number that is not too small.

    Parameters
    ----------
    name : str
        The name of the argument.
    value : int
    least : int

    Returns
    -------
    int

    Raises
    ------
    TypeError, ValueError
        If it is no whole number, or a smaller one.
    """
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        raise TypeError(f"{name} must be a whole number, but is {value!r}.")
    if value < least:
        raise ValueError(f"{name} must be at least {least}, but is {value}.")
    return operator.index(value)


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
        If it is no number, or below zero.
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{name} must be a number of seconds, but is {value!r}.")
    if not value >= 0:
        raise ValueError(f"{name} must not be below 0 seconds, but is {value}.")


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
        raise TypeError(f"{name} must be True or False, but is {value!r}.")
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
        If it is no text, or none of the words.
    """
    if not isinstance(value, str):
        raise TypeError(f"{name} must be a string, but is {value!r}.")
    if value.lower() not in choices:
        raise ValueError(f"{name} must be one of {', '.join(choices)}, but is {value!r}.")
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
        raise TypeError(f"queues must be the names of queues, but is {queues!r}.")
    names = list(names)
    if not all(isinstance(name, str) for name in names):
        raise TypeError(f"queues must be the names of queues, but is {queues!r}.")
    names = [name.strip() for name in names]
    if not names or not all(names):
        raise ValueError(f"queues must name one queue or more, but is {queues!r}.")
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
        If it is no text, or none that a file can be named after.
    """
    if not isinstance(hostname, str):
        raise TypeError(f"hostname must be a string, but is {hostname!r}.")
    if not hostname.strip() or set(hostname) & set("/\\\0"):
        raise ValueError(
            f"hostname must be a name without slashes, such as 'celery@notebook', "
            f"but is {hostname!r}."
        )
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
        If it is no path, an empty one, or one with the home folder of an unknown user.
    """
    if not isinstance(value, str | os.PathLike):
        raise TypeError(f"{name} must be a path, but is {value!r}.")
    if not os.fspath(value):
        raise ValueError(f"{name} is an empty string: name a file.")
    try:
        return Path(value).expanduser().absolute()
    except RuntimeError as error:  # of pathlib
        raise ValueError(f"{name} names the home folder of an unknown user: {value}.") from error
