"""The Celery application and its tasks."""

import csv
import math
import os
import signal
import time
from collections import Counter
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

from celery import Celery, Task
from celery.app.utils import Settings
from celery.exceptions import Ignore, Reject
from celery.signals import before_task_publish, celeryd_init, worker_ready

HANG_UP = getattr(signal, "SIGHUP", signal.SIGTERM)  # Windows has none
SERVER_TRIES = 60  # at most 10 seconds apart, which makes 4 minutes on average

app = Celery("tutorial")
app.config_from_object("tutorial.celeryconfig")


@before_task_publish.connect
def note_sending_time(headers: dict[str, Any], **_: Any) -> None:
    """Write the time of sending into the message, since neither Celery nor the queue records it.

    Parameters
    ----------
    headers : dict
        The headers of the message; gains ``sent_at``, the time in UTC in ISO format.
    """
    headers["sent_at"] = datetime.now(UTC).isoformat()


@celeryd_init.connect
def store_until_it_works(instance: Any, conf: Settings, **_: Any) -> None:
    """Let a worker of this app keep a result until the database is back.

    Celery gives up after four tries, which a full disk uses up in a moment. Then it records a task
    that has succeeded as FAILURE, with a ``BackendStoreError``, as soon as the database allows it.
    Other programs keep that limit: a client that asks for a result wants to see an error soon. For
    a result that the database refuses every time, see `tutorial.storing`.

    Parameters
    ----------
    instance : celery.worker.WorkController
        The worker that starts.
    conf : celery.app.utils.Settings
        Its settings.
    """
    if instance.app is not app:
        return
    if not conf.value_set_for("result_backend_max_retries"):
        # A SQLite file is on this machine; a server may be gone for good.
        is_file = str(conf.result_backend).partition("+")[2].startswith("sqlite")
        conf.result_backend_max_retries = math.inf if is_file else SERVER_TRIES


@celeryd_init.connect
def end_with_terminal(instance: Any, **_: Any) -> None:
    """Make a worker of this app that was started in a terminal end when the terminal is closed.

    Celery ends it only if the worker writes to the terminal. If its output goes to a file, the
    hang-up restarts it, and it lives on without the terminal. A worker that was started with
    ``nohup``, or by a service manager, is not affected.

    Parameters
    ----------
    instance : celery.worker.WorkController
        The worker that starts.
    """
    if instance.app is app and has_terminal() and signal.getsignal(HANG_UP) is signal.SIG_DFL:

        def end(**_: Any) -> None:
            signal.signal(HANG_UP, signal.SIG_DFL)

        # Celery installs its own handler between now and then, and the pool's processes inherit it.
        worker_ready.connect(end, weak=False)
        os.register_at_fork(after_in_child=end)


def has_terminal() -> bool:
    """Tell whether this process belongs to a terminal.

    Returns
    -------
    bool
    """
    try:
        os.close(os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY))
    except OSError:  # there is none, also on Windows
        return False
    return True


@app.task
def add(x: float, y: float) -> float:
    """Return the sum of two numbers."""
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
    """Count, and report how far it is: a task that stores a custom state, ``PROGRESS``.

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
    retry_jitter=False,  # the same waits on every run; keep the jitter if many tasks retry
)
def fetch(self: Task, failures: int) -> str:
    """Ask a server that is not always there: a task that is retried at most twice.

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
    """Add up counts, word by word.

    Parameters
    ----------
    counts : list of dict of str to int

    Returns
    -------
    dict of str to int
    """
    return dict(sum(map(Counter, counts), Counter()))
