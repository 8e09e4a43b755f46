"""The Celery application and its tasks: celery -A tasks worker --loglevel=info."""

import datetime as dt

import sqlalchemy as sa
from backend import EngineBackend
from celery import Celery
from database import engine
from models import Order

app = Celery("myproject", backend=EngineBackend)
app.config_from_object("celeryconfig")


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
