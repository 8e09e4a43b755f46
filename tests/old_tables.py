"""Loads the tables of older versions, which `tests/tables/make.py` made with the real packages."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import sqlalchemy as sa
from databases import server_url

from tutorial.database import make_engine, sqlite_url
from tutorial.servers import VARIABLES

TABLES = Path(__file__).parent / "tables"
VERSIONS = ["4.4.7", "5.2.7", "5.3.6", "5.4.0", "5.5.3", "5.6.3", "5.7.0"]
DATABASES = ["sqlite", "postgresql", "mariadb"]


@contextmanager
def old_table(kind: str, version: str, name: str, folder: Path) -> Iterator[sa.Engine]:
    """Yield an engine for a database that holds a stored table, and goes with the test."""
    if kind == "sqlite":
        file = folder / f"{version}-{name}.db"
        shutil.copy(TABLES / version / f"{name}.db", file)
        engine = make_engine(sqlite_url(file))
        yield engine
        engine.dispose()
        return
    dump = (TABLES / version / f"{name}.{kind}.sql").read_text()
    url = server_url(VARIABLES[kind])
    database = f"old_tables_{uuid4().hex[:12]}"
    server = sa.create_engine(url, isolation_level="AUTOCOMMIT")
    with server.connect() as connection:
        connection.execute(sa.text(f"CREATE DATABASE {database}"))
        try:
            url = url.set(database=database)
            if kind == "postgresql" and name.startswith("session"):
                zone = f"ALTER DATABASE {database} SET timezone = 'America/New_York'"
                connection.execute(sa.text(zone))
            _run(url, dump)
            engine = make_engine(url)
            yield engine
            engine.dispose()
        finally:
            force = " WITH (FORCE)" if kind == "postgresql" else ""
            connection.execute(sa.text(f"DROP DATABASE {database}{force}"))
    server.dispose()


def _run(url: sa.URL, dump: str) -> None:
    """Run the statements of a dump, each as it stands."""
    engine = sa.create_engine(url)
    with engine.connect() as connection:
        cursor = connection.connection.cursor()
        for statement in dump.split(";\n"):
            if statement.strip():
                cursor.execute(statement)
        connection.connection.commit()
    engine.dispose()
