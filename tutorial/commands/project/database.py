"""The database: one engine for each process, for this project's tables and for Celery's results."""

import os
from pathlib import Path
from typing import Any

import sqlalchemy as sa

HERE = Path(__file__).resolve().parent
DEFAULT = sa.URL.create("sqlite", database=str(HERE / "data" / "results.db"))  # absolute

# The column date_done has no time zone, and PostgreSQL stores the session's time in it, so every
# session is set to UTC. In SQLite's WAL mode, readers and the writer need not wait for each other.
SET_UP = {
    "sqlite": "PRAGMA journal_mode = WAL",
    "postgresql": "SET TIME ZONE 'UTC'",
    "mysql": "SET time_zone = '+00:00'",
    "mariadb": "SET time_zone = '+00:00'",
}


def database_url() -> sa.URL:
    """Return the URL in the environment variable DATABASE_URL, or that of a SQLite file."""
    return sa.make_url(os.environ.get("DATABASE_URL") or DEFAULT)


def make_engine() -> sa.Engine:
    """Make the engine. It connects when it is first used, not before."""
    url = database_url()
    if url.get_backend_name() == "sqlite":
        Path(url.database or "").parent.mkdir(parents=True, exist_ok=True)
        # A second writer waits up to 30 seconds for the first one, instead of failing after 5.
        options = {"connect_args": {"timeout": 30}}
    else:
        # Test a connection before using it, and replace it after half an hour: firewalls and
        # servers drop connections that have been idle for a long time.
        options = {"pool_pre_ping": True, "pool_recycle": 1800}
        options |= {"connect_args": {"connect_timeout": 10}}
    made = sa.create_engine(url, **options)
    sa.event.listen(made, "connect", _set_up)
    return made


def _set_up(connection: Any, _record: Any) -> None:
    """Give each new connection the settings that Celery's results need."""
    cursor = connection.cursor()
    cursor.execute(SET_UP[database_url().get_backend_name()])
    cursor.close()
    connection.commit()


engine = make_engine()

if hasattr(os, "register_at_fork"):  # not on Windows, which has no fork
    # A forked child must not use its parent's connections: two processes on one connection mix up
    # their answers. The child forgets them and opens its own.
    os.register_at_fork(before=engine.dispose, after_in_child=lambda: engine.dispose(close=False))
