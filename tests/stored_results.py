"""Results that Celery's own backend stores, for the tests that read them."""

import datetime as dt
import uuid
from decimal import Decimal
from typing import Any

from celery import Celery
from celery.app.task import Context
from celery.result import AsyncResult

FAILURE_TRACEBACK = "Traceback (most recent call last):\n  …\nZeroDivisionError: division by zero"


def make_app(url: str, **settings: Any) -> Celery:
    """Return an app whose backend stores in a database."""
    app = Celery("stored", backend=f"db+{url}", set_as_current=False)
    app.conf.update(
        {"result_serializer": "json", "result_extended": True, "timezone": "UTC", **settings}
    )
    return app


def store(app: Celery, task_id: str, result: Any, state: str = "SUCCESS", **details: Any) -> None:
    """Store what a worker would store at the end of a task."""
    request = {
        "task": "tutorial.tasks.add",
        "args": [1, 2],
        "kwargs": {},
        "hostname": "one@here",
        "retries": 0,
        "delivery_info": {"routing_key": "celery"},
    }
    traceback = details.pop("traceback", None)
    context = Context({"id": task_id, **request, **details})
    app.backend.store_result(task_id, result, state, traceback=traceback, request=context)


VALUES = {
    "integer": 3,
    "float": 0.1,
    "none": None,
    "text": "Zoë 🌍 \x7f",
    "list": [1, [2, {"three": 3}]],
    "dict": {"exc_type": "not an exception"},
    "large": 2**80,
    "time": dt.datetime(2026, 3, 29, 1, 30, tzinfo=dt.UTC),
    "decimal": Decimal("1.10"),
    "uuid": uuid.UUID(int=5),
    "bytes": b"\x80\x00",
}


def store_everything(app: Celery) -> None:
    """Store a task of each sort."""
    for name, value in VALUES.items():
        store(app, f"value-{name}", value, args=[name], kwargs={"value": value})
    error = ZeroDivisionError("division by zero")
    store(app, "failed", error, "FAILURE", traceback=FAILURE_TRACEBACK, hostname="two@here")
    store(app, "retried", TimeoutError("soon"), "RETRY", retries=2, task="tutorial.tasks.fetch")
    store(app, "revoked", Exception("terminated"), "REVOKED", task="tutorial.tasks.fetch")
    store(app, "started", {"pid": 7, "hostname": "one@here"}, "STARTED")
    store(app, "own", {"done": 3, "of": 9}, "PROGRESS", delivery_info={"routing_key": "slow"})
    store(app, "parent", 1, _children=[AsyncResult("child", app=app)])
    stamps = {"stamps": {"user": ["ada"]}, "stamped_headers": ["user"]}
    store(app, "stamped", 1, **stamps)
