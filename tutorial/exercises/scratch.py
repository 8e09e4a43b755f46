"""Copies of the learner's databases: a check changes these, and never the learner's own."""

import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import sqlalchemy as sa

from tutorial.database import make_engine, sqlite_url


@contextmanager
def copied(engine: sa.Engine) -> Iterator[sa.Engine]:
    """Copy an SQLite database into a temporary folder, for the length of a ``with`` block.

    Parameters
    ----------
    engine : sqlalchemy.Engine
        The learner's; it is only read.

    Yields
    ------
    sqlalchemy.Engine
        The copy's.
    """
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, Path(engine.url.database or "").name)
        source = sqlite3.connect(f"{Path(engine.url.database or '').as_uri()}?mode=ro", uri=True)
        with closing(source), closing(sqlite3.connect(file)) as target:
            source.backup(target)
        copy = make_engine(sqlite_url(file))
        try:
            yield copy
        finally:
            copy.dispose()


@contextmanager
def read_only(engine: sa.Engine) -> Iterator[sa.Connection]:
    """Connect to the learner's SQLite database so that nothing can be written.

    Parameters
    ----------
    engine : sqlalchemy.Engine

    Yields
    ------
    sqlalchemy.Connection
    """
    with engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA query_only = ON")
        try:
            yield connection
        finally:
            connection.rollback()
            connection.exec_driver_sql("PRAGMA query_only = OFF")
