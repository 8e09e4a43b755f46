"""An empty database for a benchmark, and the files of figures that chapter 17 shows."""

import argparse
import csv
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from tutorial import servers
from tutorial.database import sqlite_url
from tutorial.workspace import COURSE

# A benchmark that is started as a program finds the modules of the tests.
sys.path.append(str(COURSE / "tests"))

DATABASES = {"SQLite": "", "PostgreSQL": "postgresql", "MariaDB": "mariadb"}


@contextmanager
def empty_database(database: str, folder: Path) -> Iterator[sa.URL]:
    """Yield the URL of an empty database, which goes at the end."""
    if database == "SQLite":
        yield sqlite_url(folder / "results.db")
        for path in folder.glob("results.db*"):
            path.unlink()
        return
    with getattr(servers, DATABASES[database])() as server:
        yield sa.make_url(server.url)


def asked_rounds() -> int:
    """Return how often the command line asks to measure everything."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=3, help="how often to measure everything")
    rounds: int = parser.parse_args().rounds
    if rounds < 1:
        parser.error("--rounds must be at least 1")
    return rounds


def write_measured(name: str, rows: list[dict[str, Any]]) -> None:
    """Write the figures of a benchmark for the chapter."""
    path = COURSE / "notebooks" / "measured" / f"{name}.csv"
    path.parent.mkdir(exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        table.writeheader()
        table.writerows(rows)
