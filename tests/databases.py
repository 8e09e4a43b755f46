"""Gives a test a database of its own: a SQLite file, or a schema in the server that it may use."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import pytest
import sqlalchemy as sa

from tutorial.database import sqlite_url
from tutorial.servers import VARIABLES

POSTGRESQL_VARIABLE = VARIABLES["postgresql"]
DATABASES = ["sqlite", "postgresql"]


def server_url(variable: str) -> sa.URL:
    """Return the URL of the server that the environment names; without one, skip the test.

    `.ci/run` names all of them, and does not begin while one is missing.
    """
    url = os.environ.get(variable)
    if not url:
        pytest.skip(f"{variable} names no server")
    found = sa.make_url(url)
    if found.drivername == "mysql+pymysql":
        # Otherwise PyMySQL reads all certificates of the system before it connects without them.
        return found.update_query_dict({"ssl_disabled": "true"})
    return found


@contextmanager
def empty_database(kind: str, folder: Path) -> Iterator[sa.URL]:
    """Yield the URL of an empty database, which goes with the test."""
    if kind == "sqlite":
        yield sqlite_url(folder / "results.db")
        return
    url = server_url(POSTGRESQL_VARIABLE)
    name = f"tutorial_{uuid4().hex[:12]}"
    server = sa.create_engine(url, isolation_level="AUTOCOMMIT")
    with server.connect() as connection:
        connection.execute(sa.text(f"CREATE SCHEMA {name}"))
        try:
            yield url.update_query_dict(
                {"options": f"-csearch_path={name}", "application_name": name}
            )
        finally:
            # What a test has left connected could hold a lock on the tables.
            others = (
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = :n"
            )
            connection.execute(sa.text(others), {"n": name})
            connection.execute(sa.text(f"DROP SCHEMA {name} CASCADE"))
    server.dispose()


@contextmanager
def database_of_its_own(kind: str, folder: Path) -> Iterator[sa.URL]:
    """Yield the URL of an empty database: on a server a whole one, on MariaDB too."""
    if kind == "sqlite":
        yield sqlite_url(folder / f"{uuid4().hex}.db")
        return
    server = server_url(VARIABLES[kind])
    name = f"tutorial_{uuid4().hex[:12]}"
    administration = sa.create_engine(server, isolation_level="AUTOCOMMIT")
    with administration.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
        try:
            yield server.set(database=name)
        finally:
            force = " WITH (FORCE)" if kind == "postgresql" else ""
            connection.exec_driver_sql(f"DROP DATABASE {name}{force}")
    administration.dispose()
