"""Alarms: SQL that a dashboard runs on a table of results. Each query returns a single number."""

import pandas as pd
import sqlalchemy as sa

from tutorial.checks.arguments import shown, whole_number
from tutorial.database import check_engine
from tutorial.reading.source import connect, read_only
from tutorial.tables import TASK_TABLE

LAST_ID = 2**31 - 1  # the column id is a 32-bit integer, except on SQLite
LONGEST = 500_000_000  # minutes, about 950 years: MariaDB's dates begin with the year 1000
MINUTES_AHEAD = 5  # clocks differ a little; a wrong time zone is half an hour or more
DONE = "('SUCCESS', 'FAILURE', 'REVOKED')"

# A moment so many minutes from now, in the zone in which Celery stores `date_done`. PostgreSQL
# converts what Celery sends to the zone of the session; the others keep the zone of the app, UTC.
FROM_NOW = {
    "sqlite": "datetime('now', '{0} minutes')",
    "postgresql": "LOCALTIMESTAMP + interval '{0} minutes'",
    "mysql": "UTC_TIMESTAMP() + INTERVAL {0} MINUTE",
}
MINUTES_SINCE = {
    "sqlite": "CAST(1440 * (julianday('now') - julianday({time})) AS integer)",
    "postgresql": "CAST(extract(epoch FROM LOCALTIMESTAMP - {time}) / 60 AS integer)",
    "mysql": "TIMESTAMPDIFF(MINUTE, {time}, UTC_TIMESTAMP())",
}


def alarms(dialect: str, *, longest: int = 60, kept: int = 2 * 24 * 60) -> dict[str, str]:
    """Return the queries of a dashboard for one kind of database.

    They need the right to select from the table of results and no other right. The times are
    right if the app's ``timezone`` is UTC, as in the course; on PostgreSQL, if the sessions of the
    dashboard have the same time zone as those of the workers.

    Parameters
    ----------
    dialect : str
        ``"sqlite"``, ``"postgresql"``, ``"mysql"`` or ``"mariadb"``.
    longest : int
        How many minutes the longest task takes, its retries included.
    kept : int
        How many minutes a result is kept until a clean-up deletes it: ``result_expires`` and the
        time between two clean-ups, a day each by default.

    Returns
    -------
    dict of str to str
        The SQL by the name of the alarm.

    Raises
    ------
    ValueError, TypeError
        If there are no queries for this kind of database, or if an argument cannot be used.
    """
    whole_number("longest", longest, least=0, most=LONGEST)
    whole_number("kept", kept, least=0, most=LONGEST)
    dialect = "mysql" if dialect == "mariadb" else dialect
    if not isinstance(dialect, str) or dialect not in FROM_NOW:
        raise ValueError(
            f"There are no alarms for {shown(dialect)}: use 'sqlite', 'postgresql' or 'mariadb'."
        )
    hour_ago, longest_ago, kept_ago, ahead = (
        FROM_NOW[dialect].format(f"{minutes:+d}")
        for minutes in (-60, -longest, -kept, MINUTES_AHEAD)
    )
    queries = {
        "failures in the last hour": f"""
SELECT count(*) FROM {TASK_TABLE}
WHERE status = 'FAILURE' AND date_done > {hour_ago}""",
        "minutes since the last result": f"""
SELECT {MINUTES_SINCE[dialect].format(time="max(date_done)")}
FROM {TASK_TABLE}""",
        "tasks that take too long": f"""
SELECT count(*) FROM {TASK_TABLE}
WHERE status NOT IN {DONE} AND (
    date_done < {longest_ago}
    OR date_done IS NULL AND id < (
        SELECT max(id) FROM {TASK_TABLE}
        WHERE date_done < {longest_ago}))""",
        "results kept too long": f"""
SELECT count(*) FROM {TASK_TABLE}
WHERE date_done < {kept_ago}""",
        "results from the future": f"""
SELECT count(*) FROM {TASK_TABLE}
WHERE date_done > {ahead}""",
    }
    if dialect != "sqlite":
        queries["ids left"] = f"""
SELECT {LAST_ID} - coalesce(max(id), 0) FROM {TASK_TABLE}"""
    return {name: query.strip() for name, query in queries.items()}


def watch(engine: sa.Engine, *, longest: int = 60, kept: int = 2 * 24 * 60) -> pd.Series:
    """Run the alarms on a table of results.

    Parameters
    ----------
    engine : sqlalchemy.Engine
    longest, kept : int
        As for `alarms`.

    Returns
    -------
    pandas.Series
        Numbers by the name of the alarm; ``<NA>`` where there is no row to ask.

    Raises
    ------
    ValueError, TypeError
        As `alarms` does.
    ConnectionError
        If the database does not answer, or refuses.
    """
    check_engine(engine)
    queries = alarms(engine.dialect.name, longest=longest, kept=kept)
    with connect(read_only(engine), engine.url) as connection:
        numbers = {name: connection.scalar(sa.text(query)) for name, query in queries.items()}
    return pd.Series(numbers, dtype="Int64", name="now")
