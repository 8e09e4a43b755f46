"""The Celery application and its tasks: celery -A tasks worker --loglevel=info."""

import datetime as dt
from typing import Any

import sqlalchemy as sa
from backend import EngineBackend
from celery import Celery
from celery.signals import celeryd_init
from database import engine
from models import Order

app = Celery("myproject", backend=EngineBackend)
app.config_from_object("celeryconfig")


@celeryd_init.connect
def keep_trying(conf: Any, **_: Any) -> None:
    """Let a worker try for about four minutes to store a result, for example during a failover.

    By default Celery gives up within a second, and the result is lost. Clients keep this default:
    they should see an error soon.
    """
    conf.result_backend_max_retries = 60


@app.task
def add(x: float, y: float) -> float:
    """Return the sum of two numbers."""
    return x + y


@app.task
def ship(order_id: int) -> bool:
    """Ship an order once, however often the task runs; return whether this run shipped it."""
    now = dt.datetime.now(dt.UTC)
    unshipped = (Order.id == order_id) & Order.shipped_at.is_(None)
    with engine.begin() as connection:
        return (
            connection.execute(sa.update(Order).where(unshipped).values(shipped_at=now)).rowcount
            == 1
        )
