"""Payments: tasks with an effect, some of which can safely run twice and some cannot.

A worker that is started with this module records which tasks it has begun, and allows three seconds
for a cold shutdown. The results must be in a SQLite file, because the payments are stored in the
same file, with SQLite's own SQL.
"""

import time
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from celery import Task
from celery.signals import celeryd_init

from tutorial.database import make_engine
from tutorial.tasks import app
from tutorial.workspace import home

app.conf.update(
    task_track_started=True,
    worker_soft_shutdown_timeout=3,  # seconds
    worker_lost_wait=0.5,  # seconds until a task whose process is dead is given up; Celery's 10
)

engine = make_engine()
payments = sa.Table(
    "payments",
    sa.MetaData(),
    sa.Column("key", sa.String(50), unique=True),  # no two may be the same, but for NULL
    sa.Column("amount", sa.Integer, nullable=False),
)


@celeryd_init.connect
def make_table(**_: Any) -> None:
    """Make the table of payments when a worker starts with this module."""
    payments.metadata.create_all(engine)


def bank() -> Path:
    """Return the path of the file that opens the bank: a payment ends when the file is there."""
    return home() / "bank-is-open"


@app.task
def pay(amount: int) -> None:
    """Make a payment; a task that runs twice makes two.

    Parameters
    ----------
    amount : int
    """
    _make_payment(None, amount)


@app.task(bind=True)
def pay_once(self: Task, amount: int) -> None:
    """Make a payment, but only one for the same task id: an idempotent task.

    Parameters
    ----------
    amount : int
    """
    _make_payment(self.request.id, amount)


@app.task(bind=True, acks_late=True, reject_on_worker_lost=True)
def pay_late(self: Task, amount: int) -> None:
    """Do the same as `pay_once`, but acknowledge the message only at the end.

    Parameters
    ----------
    amount : int
    """
    _make_payment(self.request.id, amount)


def _make_payment(key: str | None, amount: int) -> None:
    with engine.begin() as connection:
        payment = sa.insert(payments).prefix_with("OR IGNORE")  # if there is one with the key
        connection.execute(payment, {"key": key, "amount": amount})
    while not bank().exists():
        time.sleep(0.01)
