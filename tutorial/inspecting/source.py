"""A connection that only reads, and on which nothing lasts for long."""

import datetime as dt
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa

from tutorial.database import explain
from tutorial.reading.source import postgresql_name, sqlite_file
from tutorial.reading.table import Table
from tutorial.urls import address

QUERY_LIMIT = 5  # seconds for a query; no worker waits for longer than that
STEPS = 10_000  # instructions of SQLite's between two looks at the clock

# Both only until the end of the transaction: behind PgBouncer, the next client gets the session.
POSTGRESQL = sa.text("""
SELECT set_config('transaction_read_only', 'on', true),
set_config('statement_timeout', :limit, true), set_config('lock_timeout', :limit, true)
""")


class NotChecked(Exception):
    """The database did not answer one question; the message says why."""


class Source:
    """The database that is being inspected.

    Parameters
    ----------
    tasks : tutorial.reading.table.Table
    answered : callable, optional
        It is called after the end of each transaction.
    """

    def __init__(self, tasks: Table, answered: Callable[[], None] = lambda: None) -> None:
        self.tasks, self.answered = tasks, answered
        self.name = tasks.engine.dialect.name
        self.file = sqlite_file(tasks.engine) or tasks.file
        self.kind = "mysql" if self.name in ("mysql", "mariadb") else self.name
        self._late = False

    @contextmanager
    def open(self) -> Iterator["Source"]:
        """Hold a connection of our own; a single one, because a server has few."""
        with self.tasks.engine.connect() as connection:
            self.connection = connection
            if self.kind == "mysql":
                connection.detach()  # its settings must not stay in the pool
                self._limit_mysql()
            yield self

    def _limit_mysql(self) -> None:
        mariadb = getattr(self.connection.dialect, "is_mariadb", False)
        limit = QUERY_LIMIT if mariadb else QUERY_LIMIT * 1000
        name = "max_statement_time" if mariadb else "max_execution_time"
        for setting in (f"{name} = {limit}", f"lock_wait_timeout = {QUERY_LIMIT}"):
            self.connection.exec_driver_sql(f"SET SESSION {setting}")
        self.connection.exec_driver_sql("SET SESSION TRANSACTION READ ONLY")
        self.connection.rollback()

    def rows(self, query: sa.Executable | str, **values: Any) -> Sequence[Any]:
        """Run a query in a transaction of its own.

        Parameters
        ----------
        query : sqlalchemy statement or str
        **values
            Its parameters.

        Returns
        -------
        sequence of sqlalchemy.Row

        Raises
        ------
        NotChecked
            If the database refuses the query, or takes longer than `QUERY_LIMIT` for it.
        ConnectionError
            If the connection is lost.
        """
        statement = sa.text(query) if isinstance(query, str) else query
        try:
            with self._limit():
                if self.kind == "postgresql":
                    self.connection.execute(POSTGRESQL, {"limit": f"{QUERY_LIMIT}s"})
                return self.connection.execute(statement, values).all()
        except sa.exc.DBAPIError as error:
            raise self._reason(error) from None
        finally:
            if not self.connection.invalidated:
                self.connection.rollback()
            self.answered()

    def scalar(self, query: sa.Executable | str, **values: Any) -> Any:
        """Return the first value of a query's first row, or None."""
        rows = self.rows(query, **values)
        return rows[0][0] if rows else None

    @contextmanager
    def _limit(self) -> Iterator[None]:
        """Stop SQLite's query when it lasts too long, or when somebody interrupts us."""
        if self.kind != "sqlite":
            yield
            return
        driver: Any = self.connection.connection.driver_connection
        end = time.monotonic() + QUERY_LIMIT
        self._late = False

        def is_late() -> bool:
            self._late = time.monotonic() > end
            return self._late

        driver.set_progress_handler(is_late, STEPS)
        try:
            yield
        finally:
            driver.set_progress_handler(None, 0)

    def _reason(self, error: sa.exc.DBAPIError) -> Exception:
        code = getattr(error.orig, "sqlstate", None) or (error.orig.args or ("",))[0]  # type: ignore[union-attr]
        if self._late or code in ("57014", 1969, 3024):
            self._late = False
            return NotChecked(f"the query took longer than {QUERY_LIMIT} seconds")
        if getattr(error.orig, "sqlite_errorname", "") == "SQLITE_INTERRUPT":
            raise KeyboardInterrupt
        if error.connection_invalidated:
            return ConnectionError(f"The database {self.label()} went away: {explain(error)}.")
        return NotChecked(explain(error))

    def label(self) -> str:
        """Name the database without user, password and options."""
        url = self.tasks.url
        place = address(url)
        return place if self.kind == "sqlite" else f"{place}/{url.database or ''}"

    def where(self) -> dict[str, Any]:
        """Return the parameters by which a query names the table."""
        table = self.tasks.table
        if self.kind == "postgresql":
            return {"table": self.full_name()}
        schema = table.schema or ("main" if self.kind == "sqlite" else None)
        return {"schema": schema, "name": table.name}

    def full_name(self) -> str:
        """Return the table's name as PostgreSQL reads it in a value."""
        return postgresql_name(self.tasks.table)


def now() -> dt.datetime:
    """Return the present moment, in UTC."""
    return dt.datetime.now(dt.UTC)
