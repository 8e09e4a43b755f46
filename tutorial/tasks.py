"""The Celery application and its tasks."""

import time
from datetime import UTC, datetime
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
