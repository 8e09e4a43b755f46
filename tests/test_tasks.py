import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from processes import PATIENCE, python

from tutorial import tasks
from tutorial.broker import queue_engine
from tutorial.worker import Worker


@pytest.fixture(scope="module")
def worker(home_of_module: Path) -> Iterator[Worker]:
    with Worker(hostname="tasks@test") as worker:
        yield worker


def test_the_tasks_have_these_names() -> None:
    own = {name for name in tasks.app.tasks if not name.startswith("celery.")}
    assert own >= {"tutorial.tasks.add", "tutorial.tasks.divide", "tutorial.tasks.nap"}


def test_importing_the_payments_makes_no_table(tmp_path: Path) -> None:
    code = """
import sqlalchemy as sa
from tutorial import payments
print(sa.inspect(payments.engine).get_table_names())"""
    assert python(code, tmp_path).stdout == "[]\n"


def test_add(worker: Worker) -> None:
    result = tasks.add.delay(2, 3)
    assert result.get(timeout=PATIENCE, interval=0.005) == 5
    assert result.state == "SUCCESS"


def test_the_result_says_which_task_and_worker(worker: Worker) -> None:
    result = tasks.add.delay(2, 3)
    result.get(timeout=PATIENCE, interval=0.005)
    assert (result.name, result.args, result.worker) == ("tutorial.tasks.add", [2, 3], "tasks@test")


def test_divide_can_fail(worker: Worker) -> None:
    assert tasks.divide.delay(1, 4).get(timeout=PATIENCE, interval=0.005) == 0.25
    result = tasks.divide.delay(1, 0)
    with pytest.raises(ZeroDivisionError):
        result.get(timeout=PATIENCE, interval=0.005)
    assert result.state == "FAILURE"
    assert "ZeroDivisionError: division by zero" in result.traceback


def test_nap_takes_its_time(worker: Worker) -> None:
    before = datetime.now(UTC)
    assert tasks.nap.delay(0.3).get(timeout=PATIENCE, interval=0.005) == 0.3
    assert datetime.now(UTC) - before > timedelta(seconds=0.3)


def test_a_task_that_reports_progress_is_a_function_too(home_of_module: Path) -> None:
    assert tasks.count_to(2) == 2  # it has no id, under which its progress could be stored


def test_a_message_holds_the_time_of_sending(home_of_module: Path) -> None:
    before = datetime.now(UTC)
    result = tasks.add.delay(2, 3)
    after = datetime.now(UTC)
    with queue_engine().connect() as connection:
        payloads = connection.scalars(sa.text("SELECT payload FROM kombu_message"))
        headers = [json.loads(payload)["headers"] for payload in payloads]
    [sent_at] = [header["sent_at"] for header in headers if header["id"] == result.id]
    assert before <= datetime.fromisoformat(sent_at) <= after
