"""The Celery application and its tasks."""

import time
from datetime import UTC, datetime
from typing import Any

from celery import Celery, Task
from celery.exceptions import Ignore, Reject
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


@app.task(bind=True, track_started=True)
def count_to(self: Task, n: int, pause: float = 0.0) -> int:
    """Count, and say how far it is: a task that stores a state of its own, ``PROGRESS``.

    Parameters
    ----------
    n : int
        How far to count.
    pause : float
        Seconds between two numbers.

    Returns
    -------
    int
        The number `n`.
    """
    for done in range(1, n + 1):
        time.sleep(pause)
        self.update_state(state="PROGRESS", meta={"done": done, "of": n})
    return n


@app.task(
    bind=True,
    autoretry_for=[ConnectionError],
    max_retries=2,
    retry_backoff=True,  # wait 1 s before the first retry, 2 s before the second
    retry_jitter=False,  # for the same waits at each run; where many tasks retry, leave it on
)
def fetch(self: Task, failures: int) -> str:
    """Ask a server that is not always there: a task that is tried again, at most twice.

    Parameters
    ----------
    failures : int
        How many attempts fail before one succeeds.

    Returns
    -------
    str

    Raises
    ------
    ConnectionError
        At the first `failures` attempts.
    """
    attempt = self.request.retries + 1
    if attempt <= failures:
        raise ConnectionError(f"no answer to attempt {attempt}")
    return f"answer to attempt {attempt}"


@app.task
def decline(how: str) -> None:
    """Decline to do any work: a task that ends without a return value.

    Parameters
    ----------
    how : str
        ``"ignore"`` or ``"reject"``.

    Raises
    ------
    celery.exceptions.Ignore
        Celery then stores nothing.
    celery.exceptions.Reject
        Celery then stores a FAILURE, since version 5.7.
    """
    if how == "ignore":
        raise Ignore
    raise Reject("declined", requeue=False)


@app.task
def sample(kind: str) -> Any:
    """Return a value of some type: a task whose result JSON keeps, changes or refuses.

    Parameters
    ----------
    kind : str
        One of the names in `tutorial.samples.SAMPLES`.

    Returns
    -------
    object
    """
    from tutorial.samples import SAMPLES  # not at the top: pandas would delay every worker

    return SAMPLES[kind]
