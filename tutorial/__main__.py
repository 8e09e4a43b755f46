"""The commands of the course: ``python -m tutorial``."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Parameters
    ----------
    arguments : sequence of str, optional
        By default those of the command line.

    Returns
    -------
    int
        The exit code: 0 if all is well, 1 if the command says what is not.
    """
    options, further = _parser().parse_known_args(arguments)
    try:
        return _run(options, further)
    except ModuleNotFoundError as error:
        print(
            f"{sys.executable} has no package {error.name!r}: "
            "run the README's first command, which installs all packages.",
            file=sys.stderr,
        )
        return 1


def _run(options: argparse.Namespace, further: list[str]) -> int:
    if options.command == "lab":
        from tutorial.commands import lab

        lab.run(further)
        return 0
    if further:
        _parser().error(f"unrecognized arguments: {' '.join(further)}")
    if options.command == "doctor":
        from tutorial.commands import doctor

        return doctor.run()
    if options.command == "reset":
        from tutorial.commands import reset

        return reset.run()
    if options.command == "progress":
        from tutorial.commands import progress

        return progress.run()
    if options.command == "classroom":
        return _classroom(options)
    if options.command == "new":
        return _new(options)

    from tutorial.commands import execute as notebooks

    try:
        notebooks.execute_notebooks(options.notebooks, fresh=options.fresh)
    except notebooks.NotebookError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _new(options: argparse.Namespace) -> int:
    from tutorial.commands import new

    try:
        return new.run(options.folder)
    except new.NewProjectError as error:
        print(error, file=sys.stderr)
        return 1


def _classroom(options: argparse.Namespace) -> int:
    from tutorial.commands import classroom

    try:
        classroom.build(options.course)
    except classroom.ClassroomError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tutorial",
        description="A course in notebooks on keeping Celery results in a SQL database.",
        epilog="The environment variable TUTORIAL_HOME names the workspace: the folder of the "
        "databases and logs. Each notebook makes its own when it is not set.",
        allow_abbrev=False,
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="command")
    commands.add_parser(
        "lab",
        help="open JupyterLab on the first notebook; options of jupyter lab can follow",
        add_help=False,  # --help is an option of JupyterLab too
        allow_abbrev=False,
    )
    commands.add_parser(
        "doctor", help="check that this machine runs the course, and say what is wrong"
    )
    commands.add_parser("reset", help="delete the workspaces that are not in use")
    commands.add_parser("progress", help="show which exercises were solved on this machine")
    classroom = commands.add_parser(
        "classroom", help="for teachers: make the exercises without solutions, and a course"
    )
    classroom.add_argument("action", choices=["build"])
    classroom.add_argument(
        "course", nargs="?", type=Path, help="a new folder, which gets a course for nbgrader"
    )
    new = commands.add_parser(
        "new", help="write a project of your own to start from, which runs without the course"
    )
    new.add_argument("folder", type=Path, help="a new folder, whose name becomes the project's")
    execute = commands.add_parser(
        "execute", help="run notebooks from top to bottom, and store their outputs in them"
    )
    execute.add_argument(
        "notebooks", nargs="*", type=Path, metavar="notebook", help="a file; all if none is named"
    )
    execute.add_argument(
        "--fresh",
        action="store_true",
        help="also replace stored outputs that differ only in what the tests do not compare: "
        "times, task ids, images",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
