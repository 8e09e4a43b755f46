"""Inspect a table of results: what ``python -m tutorial inspect URL`` runs."""

import argparse
import datetime as dt
import re
import sys
from pathlib import Path

import sqlalchemy as sa
from celery.exceptions import ImproperlyConfigured

from tutorial.database import make_engine, sqlite_url
from tutorial.inspection import EXPIRES, ROWS, inspect
from tutorial.urls import usable_url

SQLITE_BEGINS = b"SQLite format 3\0"  # https://sqlite.org/fileformat.html#magic_header_string
PROBLEMS = (ImproperlyConfigured, ConnectionError, FileNotFoundError, ValueError, TypeError)


class InspectProblem(Exception):
    """The table cannot be inspected; the message says why."""


def run(options: argparse.Namespace) -> int:
    """Inspect a table, and print the report.

    Parameters
    ----------
    options : argparse.Namespace
        As the parser of ``python -m tutorial`` returns it.

    Returns
    -------
    int
        The exit code: 1 if there is a critical finding, else 0.

    Raises
    ------
    InspectProblem
        If the table cannot be inspected, or the page cannot be written.
    """
    if options.html and not options.html.absolute().parent.is_dir():  # before it takes its time
        raise InspectProblem(f"{options.html} cannot be written: its folder does not exist.")
    if options.html and options.html.is_dir():
        raise InspectProblem(f"{options.html} cannot be written: it is a folder.")
    try:
        report = inspect(
            _engine(options.url),
            table=options.table,
            schema=options.schema,
            expires=_expires(options.expires),
            timezone=options.timezone,
            serializer=options.serializer,
            queue=_engine(options.queue) if options.queue else None,
            rows=options.rows or ROWS,
            show_values=options.values,
            progress=sys.stderr.isatty(),
        )
    except PROBLEMS as problem:
        raise InspectProblem(_as_options(str(problem))) from None
    try:
        if options.html:
            options.html.write_text(report.to_html(), encoding="utf-8")
    except OSError as error:
        raise InspectProblem(f"{options.html} cannot be written: {error.strerror}.") from None
    print(report.to_json() if options.json else report)
    return int(any(each.severity == "critical" for each in report.findings))


def _as_options(sentence: str) -> str:
    """Turn the arguments that a sentence tells the reader to pass into options."""
    return re.sub(r"\bpass (table|schema)=", r"pass --\1 ", sentence)


def _engine(text: str) -> sa.Engine:
    """Return the engine of a URL, also as Celery writes it, or of the path of a SQLite file."""
    if "://" not in text:
        return make_engine(sqlite_url(_file(Path(text))))
    url = usable_url(text.removeprefix("db+"))
    if url.get_backend_name() == "sqlite" and url.database in (None, "", ":memory:"):
        raise ValueError(
            "The URL names a database in memory, which is empty: give the path of the file, as in "
            "sqlite:///results.db."
        )
    if url.get_backend_name() == "sqlite" and (path := Path(url.database or "")).is_file():
        _file(path)
    return make_engine(url)


def _file(path: Path) -> Path:
    if path.is_file() and _may_be_sqlite(path):
        return path
    if path.is_file():
        wrong = f"{path} is not a SQLite file, or it is damaged or encrypted"
    else:
        wrong = f"{path} is a folder" if path.is_dir() else f"There is no file {path}"
    raise ValueError(f"{wrong}: give a database URL, or the path of a SQLite file.")


def _may_be_sqlite(path: Path) -> bool:
    """Tell whether a file begins as SQLite's do; it is empty until something is stored."""
    try:
        with path.open("rb") as file:
            return file.read(len(SQLITE_BEGINS)) in (SQLITE_BEGINS, b"")
    except OSError:  # SQLite says why
        return True


def _expires(text: str | None) -> dt.timedelta | None:
    """Return the time to live of a number of days, or None of ``never``."""
    if text == "never":
        return None
    try:
        return EXPIRES if text is None else dt.timedelta(days=float(text))
    except (ValueError, OverflowError):
        raise ValueError(f"--expires takes a number of days, or never, but not {text!r}.") from None
