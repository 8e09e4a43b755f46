"""What chapters 11 and 13 say about outages and about the limits of RabbitMQ."""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
import sqlalchemy as sa
from celery import Celery
from kombu import Connection
from kombu.exceptions import OperationalError
from processes import needs_fork, python, survivors, wait_for
from redis import ConnectionError as RedisConnectionError
from redis import Redis
from sqlalchemy.orm import Session
from test_storing import AWAY, needs_private_servers

from tutorial.commands.chapters import NOTEBOOKS
from tutorial.processes.private import free_port

# A task that is marked as started while the database is away, with Celery's own settings

SHIPPED = """
from pathlib import Path
from celery.signals import celeryd_init
from tutorial.tasks import app, store_until_it_works
from tutorial.workspace import home

celeryd_init.disconnect(store_until_it_works)
app.conf.override_backends = {}
app.loader.override_backends = app.conf.override_backends

@app.task(track_started=True)
def leave_a_trace(name):
    (home() / name).touch()
"""
NEVER_BEGUN = (
    AWAY.replace("worker = Worker(", 'worker = Worker("shipped_tasks", ')
    + """
from shipped_tasks import leave_a_trace
from tutorial.workspace import home
leave_a_trace.delay("before").get(timeout=60)
database.stop()
leave_a_trace.delay("during")
wait_for("Failed operation _store_result", 4)
database.start()
worker.stop()
print((home() / "before").exists(), (home() / "during").exists())
"""
)


@pytest.mark.slow
@needs_fork
@pytest.mark.timeout(120)
def test_with_celerys_settings_a_task_that_cannot_be_marked_as_started_is_never_called(
    tmp_path: Path,
) -> None:
    needs_private_servers()
    (tmp_path / "shipped_tasks.py").write_text(SHIPPED)
    done = python(NEVER_BEGUN, tmp_path, timeout=110, PYTHONPATH=str(tmp_path))
    assert done.stdout == "True False\n", done.stderr
    assert survivors(tmp_path) == []


# Sending after the commit


class Noted:
    """A signature that notes that it was sent."""

    def __init__(self, sent: list[str], name: str) -> None:
        self.sent, self.name = sent, name

    def delay(self) -> None:
        self.sent.append(self.name)


@pytest.fixture
def handlers() -> Iterator[None]:
    """Run the cell of chapter 13 that sends tasks after the commit."""
    notebook = nbformat.read(NOTEBOOKS / "13-outages.ipynb", as_version=4)
    (cell,) = (cell for cell in notebook.cells if "def send_tasks" in cell.source)
    names: dict[str, Any] = {"Session": Session}
    exec(cell.source, names)
    yield
    sa.event.remove(Session, "after_commit", names["send_tasks"])
    sa.event.remove(Session, "after_rollback", names["drop_tasks"])


@pytest.mark.usefixtures("handlers")
def test_a_task_is_sent_after_the_commit_whatever_savepoints_do() -> None:
    sent: list[str] = []
    engine = sa.create_engine("sqlite://")
    with Session(engine) as session:

        def note(name: str) -> None:
            session.execute(sa.text("SELECT 1"))  # which begins a transaction
            session.info.setdefault("tasks", []).append(Noted(sent, name))

        note("rolled back")
        session.rollback()
        note("committed")
        with session.begin_nested():
            session.execute(sa.text("SELECT 1"))
        assert sent == []
        savepoint = session.begin_nested()
        session.execute(sa.text("SELECT 1"))
        savepoint.rollback()
        assert sent == []
        session.commit()
        assert sent == ["committed"]
        note("closed")
    assert sent == ["committed"]
    engine.dispose()


@pytest.mark.usefixtures("handlers")
def test_an_order_is_kept_when_its_task_cannot_be_sent() -> None:
    class Unsent:
        def delay(self) -> None:
            raise OperationalError("the broker is away")

    engine = sa.create_engine("sqlite://")
    with Session(engine) as session:
        session.execute(sa.text("CREATE TABLE orders (item TEXT)"))
        session.execute(sa.text("INSERT INTO orders VALUES ('a book')"))
        session.info["tasks"] = [Unsent()]
        with pytest.raises(OperationalError):
            session.commit()
    with engine.connect() as connection:
        assert connection.scalar(sa.text("SELECT item FROM orders")) == "a book"
    engine.dispose()


# A RabbitMQ server of our own, with a short limit for acknowledgements

PROGRAMS = "/usr/lib/rabbitmq/bin"  # Debian's command in the PATH changes the user
LATE = """
from tutorial.tasks import app
from tutorial.workspace import home
import time

def run():
    with (home() / "runs").open("a") as runs:
        runs.write("a run\\n")
    while not (home() / "end").exists():
        time.sleep(0.01)

early, late = app.task(name="early")(run), app.task(name="late", acks_late=True)(run)
"""
LIMIT = """
import sys, time
from late_tasks import early, late
from tutorial.worker import Worker
from tutorial.workspace import home

task, options = (early, {"countdown": 3600}) if sys.argv[1] == "countdown" else (late, {})
with Worker("late_tasks", concurrency=1) as worker:
    task.apply_async(**options)
    while "PRECONDITION_FAILED" not in worker.logs():
        time.sleep(0.1)
    (home() / "end").touch()
    while worker.returncode is None:
        time.sleep(0.1)
    print("Unrecoverable error: PreconditionFailed" in worker.logs())
"""
CLOSED = """
import sys, time
from late_tasks import late
from tutorial.worker import Worker
from tutorial.workspace import home

def runs():
    return (home() / "runs").read_text().count("a run") if (home() / "runs").exists() else 0

with Worker("late_tasks", concurrency=2) as worker:
    late.delay()
    while runs() < 1:
        time.sleep(0.1)
    print("running", flush=True)
    while runs() < 2:
        time.sleep(0.1)
    (home() / "end").touch()
print(runs())
"""


class Node:
    """A RabbitMQ server in a folder, which waits a second for an acknowledgement."""

    def __init__(self, folder: Path, seconds: int) -> None:
        self.program = shutil.which("rabbitmq-server", path=f"{PROGRAMS}:{os.environ['PATH']}")
        if not self.program:
            pytest.skip("RabbitMQ is not installed.")
        port, distribution = free_port(), free_port()
        self.url = f"amqp://guest:guest@127.0.0.1:{port}//"
        (folder / "plugins").write_text("[].")
        (folder / "rabbitmq.conf").write_text(
            f"listeners.tcp.1 = 127.0.0.1:{port}\nconsumer_timeout = {1000 * seconds}\n"
        )
        self.environment = os.environ | {
            "HOME": str(folder),
            "RABBITMQ_NODENAME": f"course{port}@localhost",
            "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq.conf"),
            "RABBITMQ_MNESIA_BASE": str(folder / "data"),
            "RABBITMQ_LOG_BASE": str(folder / "log"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "plugins"),
            "RABBITMQ_DIST_PORT": str(distribution),
        }

    def start(self) -> None:
        self.process = subprocess.Popen(
            [str(self.program)], env=self.environment, stdout=subprocess.DEVNULL
        )
        with Connection(self.url) as connection:
            connection.ensure_connection(max_retries=120, interval_start=1, interval_step=0)

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(timeout=60)


@pytest.fixture
def node(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Node]:
    folder = tmp_path / "rabbitmq"
    folder.mkdir()
    (tmp_path / "late_tasks.py").write_text(LATE)
    server = Node(folder, request.param)
    server.start()
    yield server
    server.stop()


@needs_fork
@pytest.mark.slow  # RabbitMQ checks the limit once per minute
@pytest.mark.timeout(400)
@pytest.mark.parametrize("node", [1], indirect=True)
@pytest.mark.parametrize("what", ["countdown", "late"])
def test_a_message_that_is_not_acknowledged_in_time_stops_the_worker(
    what: str, node: Node, tmp_path: Path
) -> None:
    program = f"import sys; sys.argv = ['', {what!r}]\n{LIMIT}"
    done = python(
        program, tmp_path, timeout=300, CELERY_BROKER_URL=node.url, PYTHONPATH=str(tmp_path)
    )
    assert done.stdout == "True\n", done.stderr
    assert survivors(tmp_path) == []


@needs_fork
@pytest.mark.slow
@pytest.mark.timeout(400)
@pytest.mark.parametrize("node", [1800], indirect=True)
def test_a_late_task_runs_again_while_it_runs_when_the_broker_restarts(
    node: Node, tmp_path: Path
) -> None:
    environment = os.environ | {
        "CELERY_BROKER_URL": node.url,
        "TUTORIAL_HOME": str(tmp_path),
        "PYTHONPATH": str(tmp_path),
    }
    with subprocess.Popen(
        ["python", "-c", CLOSED], env=environment, stdout=subprocess.PIPE, text=True
    ) as client:
        assert client.stdout
        assert client.stdout.readline() == "running\n"
        node.stop()
        time.sleep(1)
        node.start()
        assert client.communicate(timeout=200)[0] == "2\n"
    assert survivors(tmp_path) == []


# A Redis that crashes


@pytest.mark.parametrize(
    ("settings", "end", "left"),
    [
        ("", signal.SIGKILL, 0),
        ("", signal.SIGTERM, 1),
        ("--appendonly yes", signal.SIGKILL, 1),
    ],
)
def test_what_redis_keeps_of_a_queue(
    settings: str, end: signal.Signals, left: int, tmp_path: Path
) -> None:
    """As chapter 13 says of its default settings, and of those that it recommends."""
    program = shutil.which("redis-server")
    if not program:
        pytest.skip("Redis is not installed.")
    port = free_port()
    command = [program, "--port", str(port), "--bind", "127.0.0.1", *settings.split()]

    def running() -> tuple[subprocess.Popen[bytes], Redis]:
        server = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.DEVNULL)
        client = Redis(port=port)
        wait_for(lambda: answers(client))
        return server, client

    def answers(client: Redis) -> bool:
        try:
            return bool(client.ping())
        except RedisConnectionError:
            return False

    server, client = running()
    try:
        assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
        with Celery("shop", broker=f"redis://127.0.0.1:{port}/0", set_as_current=False) as shop:
            shop.send_task("add", (2, 3))
        if settings:
            wait_for(lambda: not client.info("persistence")["aof_buffer_length"])
            wait_for(lambda: not client.info("persistence")["aof_pending_bio_fsync"])
        server.send_signal(end)
        server.wait(timeout=60)
        server, client = running()
        assert client.llen("celery") == left
    finally:
        server.kill()
        server.wait()
        client.close()
