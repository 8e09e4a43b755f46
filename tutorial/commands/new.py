"""Write a small project that runs without the course: what ``python -m tutorial new`` runs."""

import re
import shutil
from pathlib import Path

TEMPLATE = Path(__file__).with_name("project")
NAME = "myproject"  # what the template's files call it
RENAMED = {"gitignore": ".gitignore"}  # under its own name it would apply to the template too


class NewProjectError(Exception):
    """The project cannot be written; the message says why."""


def create(folder: Path) -> str:
    """Write the project into a new folder.

    Parameters
    ----------
    folder : pathlib.Path
        A folder that does not exist or is empty. Its name becomes the project's.

    Returns
    -------
    str
        The project's name: in lower case, with underscores for what no identifier may hold.

    Raises
    ------
    NewProjectError
        If the folder holds files, if its name has no letter to begin a name with, or if it cannot
        be written to.
    """
    folder = folder.expanduser().resolve()
    name = re.sub(r"[^a-z0-9]+", "_", folder.name.lower()).strip("_")
    if not re.match("[a-z]", name):
        raise NewProjectError(
            f"{folder.name!r} cannot become the name of a project: "
            "name a folder that begins with a letter from a to z."
        )
    try:
        if folder.exists() and any(folder.iterdir()):
            raise NewProjectError(f"{folder} is not empty: name a new folder.")
        for path in sorted(TEMPLATE.rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                _write(path, folder / path.relative_to(TEMPLATE), name)
    except OSError as error:
        raise NewProjectError(f"{folder} cannot be written to: {error.strerror}.") from error
    return name


def _write(template: Path, path: Path, name: str) -> None:
    path = path.with_name(RENAMED.get(path.name, path.name))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(template.read_text(encoding="utf-8").replace(NAME, name), encoding="utf-8")
    shutil.copymode(template, path)


def run(folder: Path) -> int:
    """Write the project and say what to do next.

    Parameters
    ----------
    folder : pathlib.Path
        As for `create`.

    Returns
    -------
    int
        The exit code, 0.

    Raises
    ------
    NewProjectError
        As `create` does.
    """
    create(folder)
    print(f"The new project is in {folder}. Its README.md says how to run, test and deploy it.")
    return 0
