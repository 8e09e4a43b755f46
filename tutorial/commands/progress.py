"""The learner's progress: which exercises were solved on this machine."""

import sys
from importlib import import_module
from importlib.util import find_spec

from celery.exceptions import ImproperlyConfigured

from tutorial.commands.chapters import chapters
from tutorial.exercises.checking import Exercise
from tutorial.workspace import SOLVED, places, workspaces


def module_name(notebook: str) -> str:
    """Return the module of a chapter's exercises.

    Parameters
    ----------
    notebook : str
        The notebook's name, such as ``"10-one-engine"``.

    Returns
    -------
    str
        Such as ``"tutorial.exercises.one_engine"``.
    """
    return f"tutorial.exercises.{notebook.partition('-')[2].replace('-', '_')}"


def exercises(notebook: str) -> list[Exercise]:
    """Return the exercises of a chapter, in their order.

    Parameters
    ----------
    notebook : str
        As for `module_name`.

    Returns
    -------
    list of Exercise
        None if the chapter has no exercises.
    """
    if not find_spec(module_name(notebook)):
        return []
    found = vars(import_module(module_name(notebook))).values()
    # Of a task, isinstance would ask its app, which then makes a workspace.
    return [value for value in found if issubclass(type(value), Exercise)]


def solved() -> set[str]:
    """Return the names of the solved exercises, which the checks note in the workspaces.

    Returns
    -------
    set of str
        Such as ``{"add-1"}``.
    """
    folders = [folder for parent in places() for folder in workspaces(parent)]
    return {path.name for folder in folders for path in (folder / SOLVED).glob("*")}


def run() -> int:
    """Print a line for each chapter that has exercises.

    Returns
    -------
    int
        The exit code: 0, or 1 if there can be no workspace.
    """
    try:
        done = solved()
        own = {chapter.name: exercises(chapter.name) for chapter in chapters()}
    except ImproperlyConfigured as error:
        print(error, file=sys.stderr)
        return 1
    for name, found in own.items():
        left = [exercise.function.__name__ for exercise in found if exercise.name not in done]
        if found:
            news = f"to solve: {', '.join(left)}" if left else "all solved"
            print(f"{name:<17} {len(found) - len(left)} of {len(found)}   {news}")
    return 0
