"""Every fault that an inspection knows is found in the tables of real versions, and no other."""

import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from old_tables import old_table

from tutorial.inspection import inspect
from tutorial.results import load_results

SPOILT = ["4.4.7", "5.2.7", "5.4.0", "5.6.3", "5.7.0"]
KINDS = ["sqlite", "postgresql", "mariadb"]


class Payload:
    def __reduce__(self) -> Any:
        return print, ("This must never run.",)


def checks(engine: sa.Engine, **options: Any) -> set[str]:
    report = inspect(engine, seconds=600, progress=False, **options)
    assert report.unchecked == []
    return {finding.check for finding in report.findings}


def usual(kind: str, version: str, engine: sa.Engine) -> set[str]:
    """Return what is true of the table before it is spoilt."""
    found = set()
    if version != "5.7.0":
        found |= {"pickles", "older-columns"}
    else:
        found |= {"unserializable-results"}
    if version not in ("5.6.3", "5.7.0"):
        found |= {"no-date-index"}
    found |= {"sqlite": {"rollback-journal"}, "mariadb": {"small-columns"}}.get(kind, set())
    if kind == "postgresql":
        with engine.connect() as connection:
            if connection.exec_driver_sql("SHOW autovacuum").scalar() == "off":
                found |= {"autovacuum-off"}
    return found


@contextmanager
def fresh_table(kind: str, version: str, folder: Path, name: str = "json") -> Iterator[sa.Engine]:
    """Yield a stored table whose last task has just ended."""
    with old_table(kind, version, name, folder) as engine:
        last = load_results(engine, columns=["date_done"], progress=False)["date_done"].max()
        seconds = int((dt.datetime.now(dt.UTC) - last).total_seconds())
        shift(engine, seconds)
        yield engine


def shift(engine: sa.Engine, seconds: int, where: str = "id > 0") -> None:
    later = {
        "sqlite": f"strftime('%Y-%m-%d %H:%M:%f', date_done, '{seconds} seconds') || '000'",
        "postgresql": f"date_done + interval '{seconds} seconds'",
        "mysql": f"date_done + INTERVAL {seconds} SECOND",
    }[engine.dialect.name]
    run(engine, f"UPDATE celery_taskmeta SET date_done = {later} WHERE {where}")


def run(engine: sa.Engine, *statements: str, **values: Any) -> None:
    with engine.begin() as connection:
        for statement in statements:
            connection.execute(sa.text(statement), values)


@pytest.mark.parametrize("version", SPOILT)
@pytest.mark.parametrize("kind", KINDS)
def test_a_sound_table(kind: str, version: str, tmp_path: Path) -> None:
    with fresh_table(kind, version, tmp_path) as engine:
        assert checks(engine) == usual(kind, version, engine)
