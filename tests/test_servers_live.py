"""Workers on real servers: killed, cut off, on several hosts, and yet every task has its result."""

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from uuid import uuid4

import nbformat
import pytest
import sqlalchemy as sa
from celery import Celery
from processes import PATIENCE, few, needs_fork, python, survivors
from stored_results import make_app

from tutorial import servers
from tutorial.broker import BROKER_VARIABLE
from tutorial.commands.chapters import NOTEBOOKS
from tutorial.database import RESULT_BACKEND_VARIABLE, make_engine
from tutorial.servers import Server, ServerMissing

pytestmark = needs_fork

BROKERS = {"redis": servers.redis, "rabbitmq": servers.rabbitmq}
LATE = """
import os, time
from tutorial.tasks import app

app.conf.task_acks_late = True
app.conf.task_reject_on_worker_lost = True
app.conf.result_backend_max_retries = 20
if os.environ["CELERY_BROKER_URL"].startswith("redis"):
    app.conf.broker_transport_options = {"visibility_timeout": 2}

@app.task
def work(seconds=0.002):
    time.sleep(seconds)
    return "done"
"""
COUNT = """
import sqlalchemy as sa
from tutorial.database import make_engine

engine = make_engine(pool_pre_ping=True)

def finished():
    query = "SELECT count(*) FROM celery_taskmeta WHERE status = 'SUCCESS'"
    try:
        with engine.connect() as connection:
            return connection.scalar(sa.text(query))
    except sa.exc.DBAPIError:  # no table yet, or no server
        return 0

def unfinished(sent):
    query = "SELECT task_id FROM celery_taskmeta WHERE status = 'SUCCESS'"
    with engine.connect() as connection:
        return set(sent) - set(connection.scalars(sa.text(query)))
"""
# Three workers; each is killed after some results, however long they take.
# Redis hands a message over and forgets it, and the worker then notes it as unacknowledged: one
# that is killed in between loses it. What is neither in the queue nor noted, and has no result,
# is sent again.
KILLS = """
import random, sys, threading, time
from count import finished, unfinished
from late import app, work
from tutorial.worker import Worker

wanted, kills, lost = int(sys.argv[1]), 0, 0
sent = [work.delay().id for _ in range(wanted)]
over = threading.Event()

def live_and_die(name):
    global kills
    worker = Worker("late", concurrency=2, hostname=f"{name}@kills", loglevel="warning")
    while not over.is_set():
        worker.start()
        enough = finished() + random.randint(10, 50)
        while finished() < enough and not over.wait(0.05):
            pass
        worker.kill()
        kills += 1

def redis_is_empty():
    if not app.conf.broker_url.startswith("redis"):
        return False
    with app.connection() as connection:
        client = connection.channel().client
        return client.llen("celery") + client.hlen("unacked") == 0

threads = [threading.Thread(target=live_and_die, args=[name], daemon=True) for name in "abc"]
for thread in threads:
    thread.start()
while finished() < wanted:
    time.sleep(0.5)
    if redis_is_empty():
        time.sleep(0.5)  # what was on its way has arrived
        if redis_is_empty():
            for task_id in unfinished(sent):
                work.apply_async(task_id=task_id)
                lost += 1
over.set()
for thread in threads:
    thread.join()
print(finished(), kills, lost)
"""
RESTARTS = """
import sys, time
from count import finished
from late import work
from tutorial.worker import Worker

wanted, supervised = int(sys.argv[1]), sys.argv[2] == "1"
with Worker("late", concurrency=2) as worker:
    work.delay().get(timeout=300, interval=0.01)
    for _ in range(wanted - 1):
        work.delay()
    print("under load", flush=True)
    deadline = time.monotonic() + 300
    while (done := finished()) < wanted and time.monotonic() < deadline:
        if supervised and worker.returncode is not None:
            worker.start()
        time.sleep(0.05)
    print(done, flush=True)  # not asked once more: the database may be away just then
"""
# Eight messages are with a worker when Redis stops: two processes take four each.
LEFT = """
import time
from count import finished
from plain import app, work
from tutorial.worker import Worker

def wait(condition):
    while not condition():
        time.sleep(0.01)

with Worker("plain", concurrency=2) as worker, app.connection() as connection:
    for _ in range(20):
        work.delay()
    wait(lambda: worker.logs().count("received") == 10)  # two of them are acknowledged, and run
    print("under load", flush=True)
    wait(lambda: "Cannot connect to redis" in worker.logs() or worker.returncode is not None)
    print("lost", flush=True)
    input()
    if worker.returncode is not None:  # by kombu's error
        worker.start()
    client = connection.channel().client
    wait(lambda: client.llen("celery") == 0 and finished() + client.hlen("unacked") == 20)
    print(client.hlen("unacked"))
"""
ENDED = """
import time
from count import finished
from late import work
from tutorial.worker import Worker

with Worker("late", concurrency=2, hostname="busy@%h") as worker:
    for _ in range(200):
        work.delay()
    while not finished():
        time.sleep(0.01)
    print("under load", flush=True)
    while worker.returncode is None and "Cannot connect to redis" not in worker.logs():
        time.sleep(0.01)
    print(worker.returncode, "Unrecoverable error: AttributeError" in worker.logs())
"""
CUT = """
from count import engine
from late import work
from tutorial.worker import Worker
import sqlalchemy as sa

with Worker("late", concurrency=1) as worker:
    work.delay().get(timeout=300, interval=0.01)
    result = work.delay(1)
    while worker.logs().count("received") < 2:
        pass
    with engine.connect() as connection:
        cut = connection.scalar(sa.text(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        ))
    print(result.get(timeout=300, interval=0.01), cut > 0)
"""


def start(kind: str, **options: object) -> Server:
    try:
        return getattr(servers, kind)(**options)
    except ServerMissing as missing:
        pytest.skip(str(missing))


@pytest.fixture
def modules(tmp_path: Path) -> Path:
    (tmp_path / "late.py").write_text(LATE)
    (tmp_path / "count.py").write_text(COUNT)
    return tmp_path


def urls(broker: Server, database: Server, role: str = "") -> dict[str, str]:
    url = role or database.url
    return {BROKER_VARIABLE: broker.url, RESULT_BACKEND_VARIABLE: f"db+{url}"}


def worker_role(database: Server) -> str:
    """Return the URL of a new role that may store results only, and whose zone is not UTC."""
    make_app(database.url).backend.ResultSession().close()  # the owner makes the tables
    engine = make_engine(database.url)
    with engine.begin() as connection:
        for statement in (
            "CREATE ROLE worker LOGIN PASSWORD 'of-the-role'",
            "GRANT SELECT, INSERT, UPDATE, DELETE ON celery_taskmeta, celery_tasksetmeta TO worker",
            "GRANT USAGE ON SEQUENCE task_id_sequence, taskset_id_sequence TO worker",
            "ALTER ROLE worker SET timezone TO 'America/New_York'",
        ):
            connection.execute(sa.text(statement))
    engine.dispose()
    url = sa.make_url(database.url).set(username="worker", password="of-the-role")
    return url.render_as_string(hide_password=False)


def argued(code: str, *arguments: float) -> str:
    return f"import sys; sys.argv = {['', *map(str, arguments)]}\n{code}"


def no_password(url: str, folder: Path) -> None:
    """Check that no file that the workers wrote contains the server's password."""
    password = sa.make_url(url).password
    assert password
    written = "".join(path.read_text() for path in folder.rglob("*.log"))
    assert written
    assert password not in written


# Killed workers


def finished_despite_kills(
    kind: str, modules: Path, tasks: int, seconds: float = PATIENCE
) -> tuple[int, int, int]:
    with start(kind) as broker, start("postgresql") as database:
        done = python(
            argued(KILLS, tasks),
            modules,
            timeout=seconds,
            PYTHONPATH=f"{modules}{os.pathsep}{os.environ.get('PYTHONPATH', '')}",
            **urls(broker, database),
        )
        assert done.returncode == 0, done.stderr
        finished, kills, lost = map(int, done.stdout.split())
    assert survivors(modules) == []
    return finished, kills, lost


@pytest.mark.slow
@pytest.mark.parametrize("kind", BROKERS)
def test_killed_workers_lose_nothing(kind: str, modules: Path) -> None:
    finished, kills, lost = finished_despite_kills(kind, modules, tasks=100)
    assert finished == 100
    assert kills >= 3
    assert lost <= (kills if kind == "redis" else 0)


@pytest.mark.slow
@pytest.mark.timeout(4 * 3600)
@pytest.mark.parametrize("kind", BROKERS)
def test_killed_workers_lose_nothing_of_ten_thousand_tasks(kind: str, modules: Path) -> None:
    finished, kills, lost = finished_despite_kills(kind, modules, tasks=10_000, seconds=3600)
    print(f"{finished} tasks done, {kills} workers killed, {lost} messages lost and sent again")
    assert finished == 10_000
    assert lost <= (kills if kind == "redis" else 0)


EARLY = """
import time
from tutorial.tasks import app
from tutorial.workspace import home

app.conf.task_track_started = True

@app.task
def scale(x, *, factor):
    while not (home() / "gate").exists():
        time.sleep(0.01)
    return x * factor
"""
LOST = """
import time
from early import scale
from tutorial.database import make_engine
from tutorial.results import load_results
from tutorial.tasks import app
from tutorial.worker import Worker
from tutorial.workspace import home

engine = make_engine()
sent = scale.apply_async([2], {{"factor": 3}}, queue="scales")
with Worker("early", concurrency=1, hostname="celery@old-host", queues="scales") as worker:
    while sent.state != "STARTED":
        time.sleep(0.01)
    worker.kill()
(home() / "gate").touch()
{recipe}
with Worker("early", concurrency=1, queues="scales"):
    print(sent.get(timeout=300))
"""


@pytest.mark.parametrize("kind", few(*BROKERS))
def test_a_lost_task_is_sent_again_from_its_row(kind: str, tmp_path: Path) -> None:
    """As the runbook of chapter 16 says."""
    chapter = nbformat.read(NOTEBOOKS / "16-watching.ipynb", as_version=4)
    (runbook,) = (cell.source for cell in chapter.cells if cell.source.startswith("## Runbook"))
    (recipe,) = re.findall(r"```python\n(.*?)```", runbook, re.DOTALL)
    (tmp_path / "early.py").write_text(EARLY)
    with start(kind) as broker, start("postgresql") as database:
        done = python(
            LOST.format(recipe=recipe),
            tmp_path,
            PYTHONPATH=f"{tmp_path}{os.pathsep}{os.environ.get('PYTHONPATH', '')}",
            **urls(broker, database),
        )
    assert done.stdout == "6\n", done.stderr
    assert survivors(tmp_path) == []


# Servers that go away


@contextmanager
def under_load(
    modules: Path, broker: Server, database: Server, role: str = "", code: str = ""
) -> Iterator[subprocess.Popen[str]]:
    environment = os.environ | {
        "TUTORIAL_HOME": str(modules),
        "PYTHONPATH": f"{modules}{os.pathsep}{os.environ.get('PYTHONPATH', '')}",
        **urls(broker, database, role),
    }
    client = subprocess.Popen(
        [sys.executable, "-c", code or argued(RESTARTS, 400, 0)],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert client.stdout
        assert client.stdout.readline() == "under load\n"
        yield client
    finally:
        client.kill()
        client.communicate()


@pytest.mark.slow
def test_a_restart_of_the_database_under_load_loses_nothing(modules: Path) -> None:
    with start("redis") as broker, start("postgresql", private=True) as database:
        role = worker_role(database)
        with under_load(modules, broker, database, role) as client:
            for _ in range(2):
                database.restart()
                time.sleep(0.3)
            database.kill()
            database.start()
            assert client.communicate(timeout=PATIENCE)[0] == "400\n"
        no_password(role, modules)


@pytest.mark.slow  # chapter 13 shows it with an idle worker
def test_a_restart_of_the_broker_under_load_loses_nothing(modules: Path) -> None:
    """If something restarts the worker: now and then kombu's error ends it."""
    code = argued(RESTARTS, 400, 1)
    with start("redis", private=True) as broker, start("postgresql") as database:
        with under_load(modules, broker, database, code=code) as client:
            broker.restart()
            assert client.communicate(timeout=PATIENCE)[0] == "400\n"
        no_password(broker.url, modules)


PLAIN = """
import time
from pathlib import Path
from tutorial.tasks import app

app.conf.worker_prefetch_multiplier = 4  # Celery's default

@app.task
def work():
    while not Path(__file__).with_name("go").exists():
        time.sleep(0.01)
"""


@pytest.mark.slow
def test_what_a_worker_had_received_waits_when_redis_is_back(modules: Path) -> None:
    """For `visibility_timeout`, an hour by default, as chapter 13 says."""
    (modules / "plain.py").write_text(PLAIN)
    with (
        start("redis", private=True) as broker,
        start("postgresql") as database,
        under_load(modules, broker, database, code=LEFT) as client,
    ):
        broker.stop()
        assert client.stdout
        assert client.stdout.readline() == "lost\n"
        broker.start()
        (modules / "go").touch()
        assert client.communicate("\n", timeout=PATIENCE)[0] == "8\n"


@pytest.mark.slow
def test_a_stop_of_redis_ends_a_busy_worker_now_and_then(modules: Path) -> None:
    """By an error of kombu 5.7, in about one of five stops; if it never comes, it is mended."""
    ends = set()
    with start("postgresql") as database:
        for _ in range(60):
            with (
                start("redis", private=True) as broker,
                under_load(modules, broker, database, code=ENDED) as client,
            ):
                broker.stop()
                ends.add(client.communicate(timeout=PATIENCE)[0])
            if "1 True\n" in ends:
                break
    assert ends <= {"1 True\n", "None False\n"}
    assert "1 True\n" in ends


@pytest.mark.slow
def test_rabbitmq_needs_a_queue_with_priorities() -> None:
    orders = {}
    with start("rabbitmq") as broker:
        for limit in (None, 9):
            app = Celery("priorities", broker=broker.url, set_as_current=False)
            app.conf.task_default_queue = f"priorities-{uuid4().hex}"
            app.conf.task_queue_max_priority = limit
            for priority in (9, 3, 0, 6):
                app.send_task("shop.ship", [priority], priority=priority)
            with app.connection_for_read() as connection:
                queue = app.amqp.queues[app.conf.task_default_queue](connection.default_channel)
                messages = [queue.get(no_ack=True).decode() for _ in range(4)]
                queue.delete()
            app.close()
            orders[limit] = [args[0] for args, _kwargs, _callbacks in messages]
    assert orders == {None: [9, 3, 0, 6], 9: [9, 6, 3, 0]}


def test_a_connection_that_is_cut_in_the_middle_of_a_task(modules: Path) -> None:
    with start("redis") as broker, start("postgresql", private=True) as database:
        done = python(
            CUT,
            modules,
            PYTHONPATH=f"{modules}{os.pathsep}{os.environ.get('PYTHONPATH', '')}",
            **urls(broker, database),
        )
        assert done.stdout == "done True\n", done.stderr
        no_password(database.url, modules)


WRONG = """
from tutorial.worker import Worker, WorkerStartError
try:
    Worker().start()
except WorkerStartError as error:
    print(error)
"""
REASONS = {
    "postgresql": "password authentication failed",
    "mariadb": "Access denied",
    "redis": "invalid username-password",
    "rabbitmq": "ACCESS_REFUSED",
}


@pytest.mark.parametrize("kind", few("rabbitmq", "redis", "postgresql", "mariadb"))
def test_a_wrong_password_is_named_and_not_shown(kind: str, tmp_path: Path) -> None:
    options = {} if kind == "rabbitmq" else {"private": True}
    with start(kind, **options) as server:
        wrong = sa.make_url(server.url).set(password="hunter2")
        url = wrong.render_as_string(hide_password=False)
        if kind in BROKERS:
            done = python(WRONG, tmp_path, **{BROKER_VARIABLE: url})
        else:
            done = python(WRONG, tmp_path, **{RESULT_BACKEND_VARIABLE: f"db+{url}"})
    assert "cannot be reached" in done.stdout
    assert REASONS[kind] in done.stdout
    assert "hunter2" not in done.stdout + done.stderr
    assert str(sa.make_url(server.url).password) not in done.stdout.replace("guest:", "")


# Hosts


def ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True)


def can_make_hosts() -> bool:
    if not shutil.which("ip") or not hasattr(os, "geteuid") or os.geteuid() != 0:
        return False
    name = f"try{uuid4().hex[:6]}"
    done = subprocess.run(["ip", "netns", "add", name], capture_output=True)
    if done.returncode == 0:
        ip("netns", "delete", name)
    return done.returncode == 0


@contextmanager
def host() -> Iterator[tuple[str, str]]:
    """Make a network namespace with an address; yield its name and our own address for it."""
    chance = uuid4()  # another run on this machine has other names and addresses
    name = f"tut{chance.hex[:6]}"
    network = f"10.{128 + chance.bytes[0] % 128}.{chance.bytes[1]}"
    ours, theirs = f"{network}.1", f"{network}.2"
    ip("netns", "add", name)
    try:
        ip("link", "add", f"{name}o", "type", "veth", "peer", "name", f"{name}i", "netns", name)
        ip("address", "add", f"{ours}/24", "dev", f"{name}o")
        ip("link", "set", f"{name}o", "up")
        ip("-n", name, "address", "add", f"{theirs}/24", "dev", f"{name}i")
        ip("-n", name, "link", "set", f"{name}i", "up")
        ip("-n", name, "route", "add", "default", "via", ours)
        yield name, ours
    finally:
        ip("netns", "delete", name)


SHARE = """
from collections import Counter
from tutorial.database import make_engine
from tutorial.results import load_results
from tutorial.tasks import app, nap
import time

deadline = time.monotonic() + 300
while len(app.control.ping(timeout=0.5) or []) < 2 and time.monotonic() < deadline:
    pass
for result in [nap.delay(0.1) for _ in range(40)]:
    result.get(timeout=300, interval=0.01)
rows = load_results(make_engine())
print(len(rows), *sorted(rows["worker"].unique()))
"""


@pytest.mark.skipif(not can_make_hosts(), reason="network namespaces are for root on Linux")
@pytest.mark.slow
def test_two_hosts_share_a_queue_and_a_table(tmp_path: Path) -> None:
    with ExitStack() as stack:
        hosts = [stack.enter_context(host()) for _ in range(2)]
        address = hosts[0][1]
        broker = stack.enter_context(start("redis", private=True, host=address))
        database = stack.enter_context(start("postgresql", private=True, host=address))
        environment = os.environ | {"TUTORIAL_HOME": str(tmp_path)} | urls(broker, database)
        for name, _ in hosts:
            command = [sys.executable, "-m", "celery", "-A", "tutorial.tasks", "worker"]
            log = stack.enter_context((tmp_path / f"{name}.log").open("wb"))
            worker = subprocess.Popen(
                ["ip", "netns", "exec", name, *command, "-c", "1", "-n", f"worker@{name}"],
                env=environment,
                stdout=log,
                stderr=log,
            )
            stack.callback(worker.wait)
            stack.callback(worker.terminate)
        done = python(SHARE, tmp_path, timeout=PATIENCE, **urls(broker, database))
        assert done.stdout.split() == ["40", *sorted(f"worker@{name}" for name, _ in hosts)]
