"""The Celery application and its tasks."""

import csv
import time
from collections import Counter
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

from celery import Celery
from celery.signals import before_task_publish

app = Celery("tutorial")
app.config_from_object("tutorial.celeryconfig")


@before_task_publish.connect
def note_sending_time(headers: dict[str, Any], **_: Any) -> None:
    """Write the time of sending into the message; neither Celery nor the queue keeps it.

    Parameters
    ----------
    headers : dict
        The headers of the message; gains ``sent_at``, the time in UTC in ISO format.
    """
    headers["sent_at"] = datetime.now(UTC).isoformat()


@app.task
def add(x: float, y: float) -> float:
    """Return the sum of two numbers.

    Parameters
    ----------
    x, y : float

    Returns
    -------
    float
    """
    return x + y


@app.task
def divide(x: float, y: float) -> float:
    """Return the quotient of two numbers: a task that can fail.

    Parameters
    ----------
    x, y : float

    Returns
    -------
    float

    Raises
    ------
    ZeroDivisionError
        If `y` is zero.
    """
    return x / y


@app.task
def nap(seconds: float) -> float:
    """Do nothing for a while: a task that takes time.

    Parameters
    ----------
    seconds : float
        How long to sleep.

    Returns
    -------
    float
        The same number.
    """
    time.sleep(seconds)
    return seconds


@app.task
def total(numbers: list[float]) -> float:
    """Return the sum of a list of numbers: the end of a chord.

    Parameters
    ----------
    numbers : list of float

    Returns
    -------
    float
    """
    return sum(numbers)


@app.task
def count_rises(file: str, share: str) -> dict[str, int]:
    """Count in which months of the year a share's price rose, and in which it fell.

    Parameters
    ----------
    file : str
        The path of a CSV file with a column ``Date``, the first day of each month, and a column of
        prices for each share. Lines that start with ``#`` are left out, and so are rows of other
        days.
    share : str
        The name of the share's column.

    Returns
    -------
    dict of str to int
        For example ``{"01 rise": 20, "01 fall": 12, ...}``, with ``01`` for January.
    """
    with Path(file).open(encoding="utf-8") as lines:
        table = csv.DictReader(line for line in lines if not line.startswith("#"))
        rows = [row for row in table if row["Date"].endswith("-01") and row[share]]
    counts: Counter[str] = Counter()
    for before, row in pairwise(rows):
        rose = float(row[share]) > float(before[share])
        counts[f"{row['Date'][5:7]} {'rise' if rose else 'fall'}"] += 1
    return dict(counts)


@app.task
def merge_counts(counts: list[dict[str, int]]) -> dict[str, int]:
    """Add counts up, word by word.

    Parameters
    ----------
    counts : list of dict of str to int

    Returns
    -------
    dict of str to int
    """
    return dict(sum(map(Counter, counts), Counter()))
