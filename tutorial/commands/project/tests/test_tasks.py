"""A task is a function, and most tests call it like one; one test sends it to a real worker."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from database import engine
from models import Base, Order
from results import load_results
from sqlalchemy.orm import Session
from tasks import add, ship

PROJECT = Path(__file__).resolve().parent.parent


def test_add() -> None:
    assert add(2, 3) == 5


def test_an_order_is_shipped_once() -> None:
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        session.add(order := Order())
        session.commit()
        assert ship(order.id)
        assert not ship(order.id)


@pytest.fixture
def worker() -> Iterator[None]:
    command = [sys.executable, "-m", "celery", "-A", "tasks", "worker", "--pool=solo"]
    with subprocess.Popen(command, cwd=PROJECT) as process:
        try:
            yield
        finally:
            process.terminate()


@pytest.mark.usefixtures("worker")
def test_a_worker_stores_the_result() -> None:
    answer = add.delay(2, 3)
    assert answer.get(timeout=60) == 5
    (row,) = load_results().query("task_id == @answer.id").to_dict("records")
    assert (row["status"], row["args"], row["result"]) == ("SUCCESS", [2, 3], 5)
