"""What to select for a column, so that each database returns just what is stored.

A driver converts: it makes `True` of PostgreSQL's jsonb ``true``, which cannot be told from 1 when
it is read as a number, and a datetime of a time, which has no infinity. So whatever is not bytes is
selected as text.
"""

import datetime as dt
from collections.abc import Collection
from typing import Any

import sqlalchemy as sa

from tutorial.reading.source import Column
from tutorial.tables import MYSQL

PLAIN_TEXT = (sa.VARCHAR, sa.TEXT)
FIRST, LAST = dt.datetime(1, 1, 1), dt.datetime(9999, 12, 31, 23, 59, 59, 999999)
# How SQLAlchemy stores times in SQLite: only these sort as text in the order of time.
USUAL_TIME = "dddd-dd-dd dd:dd:dd.dddddd".replace("d", "[0-9]")


class Selector:
    """Makes SQL expressions for the columns of a table, in the words of its database.

    Parameters
    ----------
    dialect : str
        SQLAlchemy's name of the database.
    session_zone : str, optional
        A zone of PostgreSQL's that Python does not know: the server then converts times to UTC.
    """

    def __init__(self, dialect: str, session_zone: str | None = None) -> None:
        self.dialect = dialect
        self.session_zone = session_zone

    def stored(self, column: Column) -> sa.ColumnElement[Any]:
        """Return a column as bytes or text.

        Parameters
        ----------
        column : Column

        Returns
        -------
        sqlalchemy.ColumnElement
        """
        expression = self._stored(column)
        return sa.type_coerce(expression, sa.types.NullType())  # leave all to the driver

    def _stored(self, column: Column) -> sa.ColumnElement[Any]:
        raw: sa.ColumnElement[Any] = sa.column(column.name)
        if self.dialect == "sqlite":
            # There, any value of any type can be in any column, and text need not be UTF-8.
            return sa.cast(raw, sa.LargeBinary)
        if isinstance(column.type, sa.DateTime):
            return self._time_as_text(column)
        if isinstance(column.type, sa.LargeBinary) or type(column.type) in PLAIN_TEXT:
            return raw
        if self.dialect == "postgresql":
            return sa.cast(raw, sa.Text)
        return sa.cast(raw, sa.CHAR) if self.dialect in MYSQL else raw

    def _time_as_text(self, column: Column) -> sa.ColumnElement[Any]:
        # As text, a database's strangest time arrives and is judged later: PostgreSQL's infinity,
        # MariaDB's 0000-00-00.
        if self.dialect == "postgresql":
            # In ISO 8601's format, where CAST follows the session's DateStyle.
            return sa.func.to_jsonb(self.time(column)).op("#>>")(sa.literal_column("'{}'"))
        return sa.cast(self.time(column), sa.CHAR if self.dialect in MYSQL else sa.String)

    def time(self, column: Column) -> sa.ColumnElement[Any]:
        """Return a column of times; in UTC if the database knows the zone.

        Parameters
        ----------
        column : Column

        Returns
        -------
        sqlalchemy.ColumnElement
        """
        raw: sa.ColumnElement[Any] = sa.column(column.name, sa.DateTime())
        if self.dialect == "postgresql":
            if not column.type.timezone and self.session_zone:  # type: ignore[attr-defined]
                raw = sa.func.timezone(sa.literal_column(_quoted(self.session_zone)), raw)
            return sa.func.timezone(sa.text("'UTC'"), raw) if self.knows_zone(column) else raw
        if self.knows_zone(column):  # a TIMESTAMP of MariaDB's, which the session's zone changes
            name = f"`{column.name.replace('`', '``')}`"
            return sa.literal_column(
                f"IF({name} = 0, '0000-00-00', "
                f"DATE_ADD('1970-01-01 00:00:00', INTERVAL UNIX_TIMESTAMP({name}) SECOND))"
            )
        return raw

    def since_until(
        self, column: Column, since: dt.datetime | None, until: dt.datetime | None
    ) -> sa.ColumnElement[bool] | None:
        """Return the condition ``since <= column < until``; None if the database cannot tell.

        Parameters
        ----------
        column : Column
        since, until : datetime.datetime, optional
            Without a zone, in that of the column.

        Returns
        -------
        sqlalchemy.ColumnElement or None
        """
        if self.dialect != "sqlite" and not isinstance(column.type, sa.DateTime):
            return None
        time = self.time(column)
        # Of the strange times, PostgreSQL's infinity is above all others, and MariaDB's
        # 0000-00-00 below.
        conditions = [time >= (since or FIRST), time < (until or LAST)]
        return sa.and_(*conditions)

    def is_unusual_time(self, column: Column) -> sa.ColumnElement[bool] | None:
        """Return the condition that a time must be compared in Python; None if there is none.

        Parameters
        ----------
        column : Column

        Returns
        -------
        sqlalchemy.ColumnElement or None
        """
        if self.dialect != "sqlite":
            return None
        raw: sa.ColumnElement[Any] = sa.column(column.name)
        second = sa.func.strftime(sa.literal_column("'%Y-%m-%d %H:%M:%S'"), raw)
        usual = sa.and_(
            sa.func.typeof(raw) == sa.literal_column("'text'"),
            raw.op("GLOB")(sa.literal_column(f"'{USUAL_TIME}'")),
            second.is_not_distinct_from(sa.func.substr(raw, 1, 19)),
        )
        return sa.and_(raw.is_not(None), sa.not_(usual))

    def knows_zone(self, column: Column) -> bool:
        """Return whether `time` is in UTC, whatever the zone of the table.

        Parameters
        ----------
        column : Column

        Returns
        -------
        bool
        """
        if self.dialect == "postgresql":
            return bool(getattr(column.type, "timezone", False) or self.session_zone)
        return self.dialect in MYSQL and isinstance(column.type, sa.TIMESTAMP)

    def words(self, column: Column) -> sa.ColumnElement[Any]:
        """Return a column of text such that only equal bytes are equal, as in Python.

        Parameters
        ----------
        column : Column

        Returns
        -------
        sqlalchemy.ColumnElement
        """
        expression = self.stored(column)
        if self.dialect in MYSQL and not isinstance(column.type, sa.LargeBinary):
            expression = sa.cast(sa.func.convert(_using_utf8(expression)), sa.BINARY)
        if self.dialect == "postgresql" and not isinstance(column.type, sa.LargeBinary):
            expression = sa.collate(sa.cast(expression, sa.Text), "C")
        return sa.type_coerce(expression, sa.types.NullType())

    def among(self, column: Column, words: Collection[str]) -> sa.ColumnElement[bool]:
        """Return the condition that a column is one of some words.

        Parameters
        ----------
        column : Column
        words : collection of str

        Returns
        -------
        sqlalchemy.ColumnElement
        """
        expression = self.words(column)
        if self.dialect == "sqlite":
            blobs = [f"x'{word.encode(errors='surrogatepass').hex()}'" for word in words]
            return expression.in_([sa.literal_column(blob) for blob in blobs])
        if self.dialect in MYSQL or isinstance(column.type, sa.LargeBinary):
            return expression.in_([word.encode(errors="surrogatepass") for word in words])
        return expression.in_([word for word in words if "\0" not in word])


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _using_utf8(expression: sa.ColumnElement[Any]) -> sa.ColumnElement[Any]:
    return expression.op("USING")(sa.literal_column("utf8mb4"))
