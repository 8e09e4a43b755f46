"""The learner's progress: which exercises were solved on this machine."""

from importlib import import_module
from pathlib import Path

from tutorial.commands.reset import workspaces
from tutorial.exercises.checking import SOLVED, Exercise
from tutorial.workspace import COURSE

NOTEBOOKS = COURSE / "notebooks" / "exercises"


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
    """
    found = vars(import_module(module_name(notebook))).values()
    return [value for value in found if isinstance(value, Exercise)]


def solved() -> set[str]:
    """Return the names of the solved exercises, which the checks have noted in the workspaces.

    Returns
    -------
    set of str
        Such as ``{"add-1"}``.
    """
    return {path.name for folder in workspaces() for path in Path(folder, SOLVED).glob("*")}


def run() -> int:
    """Print a line for each chapter that has exercises.

    Returns
    -------
    int
        The exit code, 0.
    """
    done = solved()
    for path in sorted(NOTEBOOKS.glob("*.ipynb")):
        own = exercises(path.stem)
        left = [exercise.function.__name__ for exercise in own if exercise.name not in done]
        news = f"to solve: {', '.join(left)}" if left else "all solved"
        print(f"{path.stem:<17} {len(own) - len(left)} of {len(own)}   {news}")
    return 0
