"""Every fault that an inspection knows is found in the tables of real versions, and no other."""

import datetime as dt
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from old_tables import old_table
from processes import PATIENCE
from spoils import ALL, SERVERS, SPOILS, shift

from tutorial.inspecting import source
from tutorial.inspection import inspect
from tutorial.results import load_results

VERSIONS = ["4.4.7", "5.2.7", "5.4.0", "5.6.3", "5.7.0"]


def checks(engine: sa.Engine, **options: Any) -> set[str]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(source, "QUERY_LIMIT", PATIENCE)
        report = inspect(engine, seconds=PATIENCE, progress=False, **options)
    assert report.unchecked == []
    return {finding.check for finding in report.findings}


def usual(kind: str, version: str, engine: sa.Engine) -> set[str]:
    """Return what is true of the table before it is spoilt."""
    found = set()
    if version == "5.7.0":
        found |= {"unserializable-results"}
    else:
        found |= {"pickles", "older-columns"}
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
        for table in ("celery_taskmeta", "celery_tasksetmeta"):
            shift(engine, seconds, table=table)
        yield engine


def sound() -> Iterator[Any]:
    """Yield every version on every database; by default each on SQLite and on one server."""
    for number, version in enumerate(VERSIONS):
        for kind in ALL:
            first = kind in ("sqlite", SERVERS[number % len(SERVERS)])
            yield pytest.param(kind, version, marks=() if first else pytest.mark.slow)


# Faults that a table can have at the same time, each found by what no other leads to. Most of the
# time goes to the inspection and, on a server, to making the table.
TOGETHER = [
    (
        "postgresql",
        *("a name of 155 letters", "text for bytes", "times with a zone", "short states"),
        *("an index that has no order", "a unique index with one more column"),
        *("a column that must not be empty", "retries as text", "a sequence that starts again"),
        *("a sequence that ends", "a sequence that begins again", "a rule that drops rows"),
        *("columns in quoted capitals", "an unlogged table", "a table for everybody", "no vacuum"),
    ),
    (
        "mariadb",
        *("a value that MariaDB cut", "a name of 155 letters", "text for bytes", "nothing unique"),
        *("times with a zone", "a column that must not be empty", "retries as text"),
        *("a sequence that starts again", "half of Unicode", "a quarter of Unicode"),
        *("an engine without transactions", "a column for large results"),
        *("a trigger that drops rows", "a sequence that ends", "columns in capitals"),
    ),
    (
        "sqlite",
        *("a pickle that calls", "no details", "a task that never ended", "an empty state"),
        *("no task id", "a result that is no JSON", "two zones", "no traceback"),
        *("no children and stamps", "no index on dates", "nothing unique"),
        *("a trigger that drops rows", "a file for everybody", "an empty file"),
        *("a journal that grows", "a group that is none"),
        *("an old group", "a task in the queue"),
    ),
    (
        "sqlite",
        *("a plain pickle", "progress that never ended", "a state in small letters"),
        *("many retries", "an hour that comes twice", "an index on some dates"),
        *("an id twice", "a group without a date"),
        *("a group without a member", "a chain without its end"),
    ),
    (
        *("sqlite", "half a JSON value", "a retry that never came"),
        "an index on an expression before the date",
    ),
    ("sqlite", "half a pickle", "a task without a date that never ended", "no state"),
    ("sqlite", "another serializer", "a task that fails", "an old row"),
    ("sqlite", "arguments that are none", "a large result", "a row without a date"),
    ("sqlite", "a failure without an exception", "a date in the future"),
    ("sqlite", "a killed process", "a date that is none"),
]


def cases() -> Iterator[Any]:
    """Yield every fault alone, in the tables of every version.

    By default on SQLite in the newest, if it is not among others there.
    """
    among_others = {name for kind, *names in TOGETHER if kind == "sqlite" for name in names}
    for name, spoil in SPOILS.items():
        versions = [version for version in VERSIONS if version in (spoil.versions or VERSIONS)]
        for kind in spoil.kinds:
            for version in versions:
                newest = kind == "sqlite" and version == versions[-1]
                first = newest and name not in among_others
                marks = () if first else pytest.mark.slow
                yield pytest.param(name, kind, version, id=f"{name}-{kind}-{version}", marks=marks)


@pytest.mark.parametrize(("kind", "version"), list(sound()))
def test_a_sound_table(kind: str, version: str, tmp_path: Path) -> None:
    with fresh_table(kind, version, tmp_path) as engine:
        assert checks(engine) == usual(kind, version, engine)


@pytest.mark.parametrize(("name", "kind", "version"), list(cases()))
def test_a_spoilt_table(name: str, kind: str, version: str, tmp_path: Path) -> None:
    assert_found([name], kind, version, tmp_path)


@pytest.mark.parametrize("faults", TOGETHER)
def test_a_table_with_many_faults(faults: tuple[str, ...], tmp_path: Path) -> None:
    kind, *names = faults
    assert_found(names, kind, "5.7.0", tmp_path)


def assert_found(names: Sequence[str], kind: str, version: str, folder: Path) -> None:
    with fresh_table(kind, version, folder) as engine:
        expected = usual(kind, version, engine)
        for name in names:
            SPOILS[name].spoil(engine)
        expected |= set().union(*(SPOILS[name].finds for name in names))
        assert checks(engine) == expected - set().union(*(SPOILS[name].hides for name in names))
