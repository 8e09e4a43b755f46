"""An app whose tasks leave a row of each sort, and a worker that runs them once.

`make.py` runs this file with the Python of each version of Celery, so it keeps to what Python 3.8
has. Two arguments follow the URL: settings in JSON, and "all" or "times".

The last task ends the process as a crash would, and so leaves a row that stays STARTED.
"""

import collections
import datetime as dt
import decimal
import json
import os
import sys
import threading
import time
import uuid

from celery import Celery, chain, chord, group
from celery.exceptions import Ignore

URL, SETTINGS, WHAT = sys.argv[1], json.loads(sys.argv[2]), sys.argv[3]
ZONE = dt.timezone(dt.timedelta(hours=2))

VALUES = {
    "none": None,
    "true": True,
    "integer": 53,
    "negative": -1,
    "large": 2**80,
    "float": 0.1,
    "text": "Zoë 🌍",
    "empty": "",
    "list": [1, [2, {"three": 3}], None],
    "dict": {"a": 1, "b": {"c": [True, 2.5]}},
    "bytes": b"\x80\x00\xff",
    "datetime": dt.datetime(2024, 2, 29, 12, 30, 15, 250),
    "date": dt.date(2024, 2, 29),
    "decimal": decimal.Decimal("1.10"),
    "uuid": uuid.UUID(int=5),
    "shared": [["same"]] * 3,
}
# What JSON cannot hold: Celery 5.7 stores a FAILURE in its place, unless it pickles.
PYTHON_VALUES = {
    "tuple": (1, (2, "three")),
    "set": {1, 2},
    "frozenset": frozenset(["a"]),
    "aware": dt.datetime(2024, 2, 29, 12, 30, tzinfo=ZONE),
    "time": dt.time(12, 30),
    "timedelta": dt.timedelta(days=1, seconds=2),
    "complex": 1 + 2j,
    "keys": {(1, 2): "a", 3: "b"},
    "ordered": collections.OrderedDict([("b", 1), ("a", 2)]),
}


class OutOfStock(Exception):
    """An exception of the user's own."""


class Picky(Exception):
    """One that cannot be pickled: it needs an argument that Exception does not keep."""

    def __init__(self, code, *, detail):
        super().__init__(code)
        self.detail = detail


EXCEPTIONS = {
    "zero": ZeroDivisionError("division by zero"),
    "key": KeyError("apple"),
    "system": FileNotFoundError(2, "No such file or directory", "prices.csv"),
    "own": OutOfStock("apple", 3),
    "picky": Picky(7, detail="apple"),
    "empty": ValueError(),
}

app = Celery("shop", broker="memory://", backend=URL, set_as_current=True)
app.conf.update(
    {
        "accept_content": ["json", "pickle", "yaml", "msgpack"],
        "result_accept_content": ["json", "pickle", "yaml", "msgpack"],
        "task_track_started": True,
        "worker_hijack_root_logger": False,
        **SETTINGS,
    }
)
app.set_default()  # also in the thread that sends


@app.task(name="shop.value")
def value(name):
    """Return one of the values."""
    return {**VALUES, **PYTHON_VALUES}[name]


@app.task(name="shop.echo")
def echo(*args, **kwargs):
    """Return nothing: its arguments are what is stored."""


@app.task(name="shop.moment")
def moment(*_args):
    """Return the present, in seconds since 1970, which the row's date_done must agree with."""
    return int(time.time())


@app.task(name="shop.fail")
def fail(name):
    """Raise one of the exceptions."""
    raise EXCEPTIONS[name]


@app.task(name="shop.again", bind=True)
def again(self):
    """Try again in a day."""
    raise self.retry(exc=TimeoutError("the shop is closed"), countdown=86400)


@app.task(name="shop.progress", bind=True)
def progress(self):
    """Leave a state that Celery does not know."""
    self.update_state(state="PROGRESS", meta={"done": 3, "of": 9})
    raise Ignore


@app.task(name="shop.crash")
def crash():
    """Take the worker down."""
    os._exit(0)


def send_times():
    """Send what shows how times are stored; return the results to wait for."""
    return [moment.apply_async(task_id="moment")]


def send_all():
    """Send one task of each sort; return the results to wait for."""
    sent = [value.apply_async((name,), task_id="value-" + name) for name in VALUES]
    sent += [value.apply_async((name,), task_id="python-" + name) for name in PYTHON_VALUES]
    sent += [fail.apply_async((name,), task_id="failed-" + name) for name in EXCEPTIONS]
    arguments = {"name": "Zoë", "list": [1, 2.5, None]}
    sent += [echo.apply_async((53, "apple"), arguments, task_id="arguments")]
    sent += [echo.apply_async(task_id="expired", expires=dt.datetime(2000, 1, 1))]
    sent += [chain(moment.s().set(task_id="first"), moment.s().set(task_id="second"))()]
    again.apply_async(task_id="retried")
    progress.apply_async(task_id="progress")
    if URL == "django-db":  # which counts the tasks of a chord in a table of its own
        header = [moment.s().set(task_id="header-1"), again.s().set(task_id="header-2")]
        chord(header)(moment.s().set(task_id="body"))
    return sent


def save_group():
    """Send a group, and keep it."""
    members = [moment.s().set(task_id="member-" + str(number)) for number in (1, 2)]
    result = group(members).apply_async(task_id="group")
    result.save()
    return result.results


def is_stored(result):
    """Return whether a task has ended."""
    try:
        return result.ready()
    except Exception:  # YAML stores values that it then does not read
        return True


def send():
    """Send everything; when it is stored, take the worker down."""
    waiting = send_times() + save_group()
    if WHAT == "all":
        waiting += send_all()
    for result in waiting:
        while not is_stored(result):
            time.sleep(0.05)
    crash.apply_async(task_id="started")


def main():
    """Send from a thread, and work here until the last task."""
    threading.Thread(target=send, daemon=True).start()
    app.Worker(
        hostname="one@here",
        pool="solo",
        without_heartbeat=True,
        without_mingle=True,
        without_gossip=True,
        quiet=True,
    ).start()
