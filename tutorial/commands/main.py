"""The command line of ``python -m tutorial``."""

import argparse
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from tutorial.commands import environment

PASSED_ON = {"lab": "jupyter lab", "test": "pytest"}  # these take the options of another program


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command, in an environment that has all packages.

    Parameters
    ----------
    arguments : sequence of str, optional
        By default those of the command line.

    Returns
    -------
    int
        The exit code: 0 if all is well, 1 if the command says what is not, and 2 if it cannot
        begin: the arguments are wrong, or there is no table to inspect.
    """
    given = sys.argv[1:] if arguments is None else list(arguments)
    options, further = _parser().parse_known_args(given)
    if further and options.command not in PASSED_ON:
        _parser().error(f"unrecognized arguments: {' '.join(further)}")
    # Under nohup, or behind "&" in a script, SIGINT is ignored, and all that is started inherits
    # that: an interrupt would stop neither a cell nor a worker.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if not (environment.COURSE / "notebooks").is_dir():
        return _complain(
            f"{environment.COURSE} holds the package without the notebooks. Run the command in the "
            "folder of the course, or install the course from there with: "
            'python -m pip install --editable ".[servers]"'
        )
    try:
        environment.enter(options.command, given)
        return _run(options, further)
    except environment.EnvironmentProblem as problem:
        return _complain(str(problem))
    except KeyboardInterrupt:
        if options.command == "inspect":
            _complain("Interrupted: there is no report, and nothing in the database has changed.")
        return 130  # as a shell reports it


def _refused(error: OSError) -> str:
    """Say which file or folder the system refuses, and why."""
    return f"{error.filename}: {error.strerror}."


def _complain(sentence: str) -> int:
    print(sentence, file=sys.stderr)
    return 1


def _run(options: argparse.Namespace, further: list[str]) -> int:
    """Import the command's module only now: the others may need packages that are not there."""
    if options.command == "lab":
        from tutorial.commands import lab

        lab.run(further)
        return 0
    if options.command == "test":
        from tutorial.commands import test

        return test.run(further)
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
    if options.command == "inspect":
        return _inspect(options)
    if options.command == "new":
        return _new(options)
    if options.command == "site":
        return _site(options)
    if options.command == "slides":
        return _slides(options)
    if options.command == "pictures":
        from tutorial.commands import pictures

        return pictures.run()
    if options.command == "versions":
        from tutorial.commands import versions

        return versions.run()
    if options.command == "tables":
        from tutorial.commands import tables

        try:
            return tables.run()
        except tables.TableProblem as problem:
            return _complain(str(problem))
    return _execute(options)


def _classroom(options: argparse.Namespace) -> int:
    from tutorial.commands import classroom
    from tutorial.commands.lab import prefer_this_environment

    prefer_this_environment()  # nbgrader looks for programs and kernels
    if options.action == "handout" and options.folder is None:
        return _complain("Name the new folder: python -m tutorial classroom handout FOLDER.")
    if options.action == "grade" and options.assignment is None:
        return _complain(
            "Name the class and the assignment: python -m tutorial classroom grade FOLDER 03-add."
        )
    try:
        if options.action == "grade":
            return int(not classroom.grade(options.folder, options.assignment, again=options.again))
        if options.action == "handout":
            classroom.handout(options.folder)
        else:
            classroom.build(options.folder)
    except classroom.ClassroomError as error:
        return _complain(str(error))
    except OSError as error:
        return _complain(_refused(error))
    return 0


def _inspect(options: argparse.Namespace) -> int:
    from tutorial.commands import inspect

    try:
        return inspect.run(options)
    except inspect.InspectProblem as problem:
        _complain(str(problem))
        return 2


def _new(options: argparse.Namespace) -> int:
    from tutorial.commands import new

    try:
        return new.run(options.folder)
    except new.NewProjectError as error:
        return _complain(str(error))


def _site(options: argparse.Namespace) -> int:
    from tutorial.commands import site

    try:
        return site.run(options.folder, repository=options.repository, epub=options.epub)
    except site.SiteProblem as problem:
        return _complain(str(problem))
    except OSError as error:
        return _complain(_refused(error))


def _slides(options: argparse.Namespace) -> int:
    from tutorial.commands import slides

    try:
        return slides.run(options.folder)
    except slides.SlidesProblem as problem:
        return _complain(str(problem))
    except OSError as error:
        return _complain(_refused(error))


def _execute(options: argparse.Namespace) -> int:
    from tutorial.commands import execute

    try:
        execute.execute_notebooks(options.notebooks, fresh=options.fresh)
    except execute.NotebookError as error:
        return _complain(str(error))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tutorial",
        description="A course in notebooks on keeping Celery results in a SQL database. "
        "Every command first makes sure that all packages are there: in the folder .venv, unless "
        "this Python has them.",
        epilog="The environment variable TUTORIAL_HOME names the workspace: the folder of the "
        "databases and logs. Each notebook makes its own when it is not set. CELERY_BROKER_URL and "
        "CELERY_RESULT_BACKEND put the queue and the results on a server. TUTORIAL_POSTGRESQL_URL, "
        "TUTORIAL_MARIADB_URL, TUTORIAL_REDIS_URL and TUTORIAL_RABBITMQ_URL name servers that "
        "chapters 10 to 17 use in place of their own.",
        allow_abbrev=False,
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="command")
    for name, text in {
        "lab": "open JupyterLab on the first notebook",
        "test": "run the tests, and compare the output of every notebook with the stored one",
    }.items():
        # --help is an option of the other program too.
        commands.add_parser(
            name,
            help=f"{text}; options of {PASSED_ON[name]} can follow",
            add_help=False,
            allow_abbrev=False,
        )
    commands.add_parser(
        "doctor", help="check that this machine can run the course, and say what is wrong"
    )
    commands.add_parser(
        "reset",
        help="delete the workspaces that are not in use, and with them which exercises were solved",
    )
    commands.add_parser("progress", help="show which exercises were solved on this machine")
    classroom = commands.add_parser(
        "classroom", help="for teachers: make the exercises without solutions, and a course"
    )
    classroom.add_argument(
        "action",
        choices=["build", "handout", "grade"],
        help="build: the notebooks for learners, and a course for nbgrader if a folder is named; "
        "handout: a copy of the course without solutions; grade: the marks of an assignment",
    )
    classroom.add_argument("folder", nargs="?", type=Path, help="a new folder, or the class")
    classroom.add_argument("assignment", nargs="?", help="to grade, such as 03-add")
    classroom.add_argument(
        "--again", action="store_true", help="also grade what has not changed since"
    )
    new = commands.add_parser(
        "new", help="write a project of your own to start from, which runs without the course"
    )
    new.add_argument("folder", type=Path, help="a new folder, whose name becomes the project's")
    _add_inspect(
        commands.add_parser(
            "inspect", help="say what is wrong with a table of results that you have"
        )
    )
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
        "times and task ids",
    )
    site = commands.add_parser(
        "site", help="for contributors: build the website from the stored notebooks"
    )
    site.add_argument(
        "folder", nargs="?", type=Path, help="where it goes; by default the folder site"
    )
    site.add_argument(
        "--repository",
        default="",
        help="the address of the repository on GitHub, for the links that lead there",
    )
    site.add_argument("--epub", action="store_true", help="also make a book for e-readers")
    slides = commands.add_parser(
        "slides", help="for teachers: make slides of parts I and II from the stored notebooks"
    )
    slides.add_argument(
        "folder", nargs="?", type=Path, help="where they go; by default the folder slides"
    )
    commands.add_parser("pictures", help="for contributors: draw the diagrams anew")
    commands.add_parser(
        "tables", help="for contributors: make the lists of chapters and versions in the texts anew"
    )
    commands.add_parser(
        "versions", help="for contributors: record the newest versions that the course allows"
    )
    return parser


def _add_inspect(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Say what is wrong with a table of Celery's results, what that leads to, and what to do. "
        "It only reads, never unpickles, and takes less than a minute on a table of any size. The "
        "exit code is 1 if something critical was found, and 2 if there is no report."
    )
    parser.add_argument("url", help="the database: SQLAlchemy's URL, Celery's, or a SQLite file")
    parser.add_argument(
        "--table", default="celery_taskmeta", help="a table or view of another name"
    )
    parser.add_argument("--schema", help="the schema of the table")
    parser.add_argument(
        "--expires",
        metavar="DAYS",
        help="how long results live: the app's result_expires, or never; by default 1 day",
    )
    parser.add_argument("--timezone", help="the app's timezone, if it is not UTC")
    parser.add_argument(
        "--serializer", help="the app's result_serializer: json, msgpack, yaml or pickle"
    )
    parser.add_argument("--queue", metavar="URL", help="the embedded queue, if it is elsewhere")
    parser.add_argument(
        "--rows", type=int, help="how many rows to read at most; of a larger table, a sample"
    )
    parser.add_argument(
        "--values", action="store_true", help="also show task ids and the beginnings of odd values"
    )
    parser.add_argument("--json", action="store_true", help="print the report for a program")
    parser.add_argument(
        "--html", type=Path, metavar="FILE", help="write the report into a page for a browser too"
    )
