import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import nullcontext
from html.parser import HTMLParser
from pathlib import Path
from uuid import uuid4

import billiard
import psutil
import pytest
from billiard.pool import TimeoutHandler
from celery import Celery
from celery.app import trace
from celery.result import AsyncResult
from kombu import Connection
from processes import (
    LONG,
    PATIENCE,
    environment,
    few,
    interrupt_in,
    needs_fork,
    processes,
    python,
    started,
    survivors,
    wait_for,
)

from tutorial import tasks, worker
from tutorial.processes import worker as worker_process
from tutorial.servers import VARIABLES
from tutorial.worker import DEFAULT_POOL, Worker, WorkerStartError
from tutorial.workspace import COURSE

pytestmark = pytest.mark.usefixtures("home")
POOLS = ["prefork", "threads", "solo"] if hasattr(os, "fork") else ["threads", "solo"]

MORE_TASKS = """
import gc, os, signal, time
from pathlib import Path
from tutorial.tasks import add, app, nap

@app.task
def surroundings():
    return [os.getcwd(), os.environ["TUTORIAL_HOME"], os.environ.get("GREETING")]

@app.task
def meet(folder, number):  # ends when so many of these tasks run at once
    Path(folder, meet.request.id).touch()
    while len(os.listdir(folder)) < number:
        time.sleep(0.01)

@app.task
def collects():
    return gc.isenabled()

@app.task
def stuck():
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    while True:
        time.sleep(1)
"""


@pytest.fixture(autouse=True)
def nothing_is_left(home: Path) -> Iterator[None]:
    yield
    left = survivors(home)
    for process in left:
        process.kill()
    assert left == []


@pytest.fixture
def more_tasks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "more_tasks.py").write_text(MORE_TASKS)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    return "more_tasks"


def five() -> float:
    total: float = tasks.add.delay(2, 3).get(timeout=PATIENCE, interval=0.005)
    return total


def meeting(number: int, folder: Path) -> list[AsyncResult]:
    """Send tasks that end only when all of them run at once; return their results."""
    place = folder / "meeting"
    place.mkdir()
    sent = [tasks.app.send_task("more_tasks.meet", [str(place), number]) for _ in range(number)]
    for result in sent:
        result.get(timeout=PATIENCE, interval=0.005)
    return sent


# What it does


@pytest.mark.parametrize("pool", few(*POOLS))
def test_a_worker_of_each_pool_runs_tasks_and_stops(pool: str) -> None:
    worker = Worker(pool=pool)
    assert (worker.status, worker.pid, worker.returncode, worker.logs()) == (
        *("not started", None, None, ""),
    )
    assert worker.start() is worker
    assert (worker.status, worker.returncode) == ("ready", None)
    assert psutil.pid_exists(worker.pid)
    assert five() == 5
    worker.stop()
    assert (worker.status, worker.returncode) == ("stopped", 0)
    worker.stop()
    worker.kill()


def test_what_prefork_says_on_windows() -> None:
    """Chapter 03 and QUESTIONS.md quote it: a process that was spawned knows no tasks."""
    with pytest.raises(RuntimeError, match="worker task registry is empty"):
        trace.fast_trace_task("task", "id", {}, b"", None, None, None, _loc=[None])


def test_the_context_manager_stops_it_also_after_an_error() -> None:
    with pytest.raises(ZeroDivisionError), Worker() as worker:
        assert worker.status == "ready"
        1 / 0  # noqa: B018
    assert worker.status == "stopped"


def test_the_log_is_complete_and_shortens_the_path(home: Path) -> None:
    with Worker() as worker:
        five()
    log = worker.logs()
    assert "ready." in log
    assert "Task tutorial.tasks.add" in log
    assert "$TUTORIAL_HOME/queue.db" in log
    assert str(home) not in log
    assert worker.logs(tail=2) == "\n".join(log.splitlines()[-2:])
    assert worker.logs(tail=0) == ""
    assert worker.logfile == home / "logs" / "celery@notebook.log"


@pytest.mark.slow
def test_restart_is_another_process_with_a_log_of_its_own() -> None:
    with Worker(pool="solo") as worker:
        first = worker.pid
        five()
        assert worker.restart() is worker
        assert worker.pid != first
        assert worker.status == "ready"
        assert "tutorial.tasks.add" not in worker.logs().partition("ready.")[2]
        assert five() == 5


@needs_fork
def test_a_worker_goes_on_when_its_idle_pool_processes_are_killed() -> None:
    with Worker(concurrency=2) as worker:
        assert five() == 5
        for process in psutil.Process(worker.pid).children():
            process.kill()  # one of them was waiting for a task, and the others for their turn
        assert five() == 5
        worker.kill()


@needs_fork
def test_kill_leaves_nothing_also_when_busy(home: Path) -> None:
    worker = Worker(hostname="busy@test").start()
    tasks.nap.delay(LONG)
    wait_for(lambda: "received" in worker.logs())
    worker.kill()
    assert (worker.status, worker.returncode) == ("killed", -signal.SIGKILL)
    assert survivors(home) == []
    worker.kill()


@pytest.mark.slow
def test_the_same_name_in_the_same_process_replaces_the_worker() -> None:
    first = Worker(pool="solo").start()
    with Worker(pool="solo") as second:
        assert first.status == "stopped"
        assert second.status == "ready"
        first.stop()  # and the one that was replaced does not touch its successor
        assert five() == 5


@pytest.mark.slow  # the test above does nearly the same
def test_starting_twice_replaces_it_too() -> None:
    with Worker(pool="solo") as worker:
        first = worker.pid
        worker.start()
        assert worker.pid != first
        assert not psutil.pid_exists(first)
        assert five() == 5


@pytest.mark.slow
def test_two_names_are_two_workers(home: Path, more_tasks: str, tmp_path: Path) -> None:
    with Worker(more_tasks, hostname="one@test", pool="solo") as one:
        with Worker(more_tasks, hostname="two@test", pool="solo") as two:
            assert (one.status, two.status) == ("ready", "ready")
            assert {result.worker for result in meeting(2, tmp_path)} == {"one@test", "two@test"}
        assert five() == 5
    assert {"one@test.log", "two@test.log"} <= {path.name for path in (home / "logs").iterdir()}


# What is asked for


@pytest.mark.slow
def test_concurrency(more_tasks: str, tmp_path: Path) -> None:
    with Worker(more_tasks, concurrency=3) as worker:
        if DEFAULT_POOL == "prefork":
            assert len(psutil.Process(worker.pid).children()) == 3
        meeting(3, tmp_path)


def test_queues() -> None:
    with Worker(queues=["fast", "slow"], pool="solo"):
        elsewhere = tasks.add.delay(2, 3)
        for queue in ("fast", "slow"):
            result = tasks.add.apply_async((2, 3), queue=queue)
            assert result.get(timeout=PATIENCE, interval=0.005) == 5
            assert result.queue == queue
        assert elsewhere.state == "PENDING"


BEAT = """
from tutorial.tasks import add, app

app.conf.beat_schedule = {"sum": {"task": add.name, "schedule": 0.2, "args": (2, 3)}}
"""


@needs_fork
def test_beat_sends_tasks_beside_the_pool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "beating.py").write_text(BEAT)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with Worker("beating", beat=True) as worker:
        wait_for(lambda: worker.logs().count("succeeded") >= 2)


@pytest.mark.slow
def test_loglevel_and_logfile(tmp_path: Path) -> None:
    path = tmp_path / "logs of my own" / "worker.log"
    with Worker(loglevel="warning", logfile=path, pool="solo") as worker:
        five()
    assert worker.logfile == path
    assert "INFO" not in worker.logs()
    with Worker(loglevel="debug", logfile=str(path), pool="solo") as worker:
        five()
    assert "DEBUG" in worker.logs()


@pytest.mark.slow
def test_a_log_that_has_been_deleted_is_empty() -> None:
    with Worker(pool="solo") as worker:
        assert worker.logfile
        worker.logfile.unlink()
        assert worker.logs() == ""
        assert "ready" in worker._repr_html_()


def test_the_worker_sees_folder_workspace_and_environment(
    home: Path, more_tasks: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GREETING", "hello")
    with Worker(more_tasks, pool="solo"):
        seen = tasks.app.send_task("more_tasks.surroundings").get(timeout=PATIENCE, interval=0.005)
        collects = tasks.app.send_task("more_tasks.collects")
        assert collects.get(timeout=PATIENCE, interval=0.005)  # not only while it starts
    assert seen == [str(tmp_path), str(home), "hello"]


# What it shows


class Text(HTMLParser):
    """Collects the text, and the names of the tags that are open at the end."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.text, self.open, self.tags = "", [], set()
        self.feed(page)

    def handle_starttag(self, tag: str, _attributes: object) -> None:
        self.open.append(tag)
        self.tags.add(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_panel_shows_state_and_log_without_the_broker(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    idle = Worker(hostname="<b>@x&y", queues="a,<script>")
    assert "<Worker <b>@x&y: not started" in repr(idle)
    panel = Text(idle._repr_html_())
    assert panel.open == []
    assert not {"b", "script"} & panel.tags
    assert "Worker <b>@x&y: not started" in panel.text

    with Worker(pool="solo") as worker:
        five()
        worker.logfile.open("a").write("<script>alert(1)</script> & more\n")
        # Neither the app nor the workspace is asked: only the process and the log file are.
        monkeypatch.setattr("tutorial.worker.home", None)
        panel = Text(worker._repr_html_())
        assert panel.open == [] and "script" not in panel.tags
        assert "<script>alert(1)</script> & more" in panel.text
        assert "Worker celery@notebook: ready" in panel.text
        assert str(worker.pid) in panel.text
        assert repr(worker) == "<Worker celery@notebook: ready, solo, concurrency 2>"
    assert "Worker celery@notebook: stopped" in Text(worker._repr_html_()).text


# When it cannot start


def test_a_second_process_with_the_same_name_is_refused(home: Path) -> None:
    code = """
from tutorial.worker import Worker
with Worker(pool="solo"):
    print("ready", flush=True)
    input()"""
    other, line = started(code, home)
    assert line == "ready"
    with pytest.raises(
        WorkerStartError, match=r"Another process is running .*'celery@notebook'.*hostname"
    ):
        Worker().start()
    with Worker(hostname="mine@notebook", pool="solo"):
        assert five() == 5
    other.communicate("\n", timeout=PATIENCE)
    with Worker(pool="solo"):
        assert five() == 5


def test_a_module_that_does_not_import_is_told_at_once(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "broken.py").write_text("from tutorial.tasks import app\nimport nonsense_xyz\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    broken = Worker("broken")
    with pytest.raises(WorkerStartError) as raised:
        broken.start()
    first, *_, last = str(raised.value).splitlines()
    assert first.startswith("The worker ended with exit code 1 before it was ready.")
    assert last == "ModuleNotFoundError: No module named 'nonsense_xyz'"
    assert "broken.py" in str(raised.value)
    assert (broken.status, broken.returncode) == ("failed", 1)
    with Worker(pool="solo"):  # the name is free again
        assert five() == 5


@pytest.mark.parametrize(
    ("asked", "end"),
    few(
        ({"app": "json"}, "The module 'json' holds no Celery app, such as app = Celery(...)."),
        ({"app": "json:dumps"}, "'json:dumps' holds no Celery app"),
        ({"app": "no_such_module"}, "No module named 'no_such_module'"),
    ),
)
def test_what_the_command_refuses_is_shown(asked: dict[str, str], end: str) -> None:
    with pytest.raises(WorkerStartError) as raised:
        Worker(**asked).start()
    assert end in str(raised.value)


@pytest.mark.parametrize(
    ("argument", "error", "sentence"),
    [
        ({"app": ""}, ValueError, "app is an empty string"),
        ({"app": 5}, TypeError, "name of a module, a module or a Celery app, .* type 'int'"),
        ({"app": Celery(set_as_current=False)}, ValueError, "write it into a module"),
        ({"concurrency": 0}, ValueError, "concurrency must be at least 1, but is 0"),
        ({"concurrency": True}, TypeError, "concurrency must be a whole number, but is True"),
        ({"concurrency": 1.5}, TypeError, "concurrency must be a whole number"),
        ({"concurrency": "2"}, TypeError, "concurrency must be a whole number"),
        ({"pool": "nonsense"}, ValueError, "pool must be one of prefork, .* 'nonsense'"),
        ({"pool": None}, TypeError, "pool must be a string, but is None"),
        ({"queues": 5}, TypeError, "queues must be the names of queues, but is 5"),
        ({"queues": ["a", 5]}, TypeError, "queues must be the names of queues"),
        ({"queues": b"a"}, TypeError, "queues must be the names of queues"),
        ({"queues": []}, ValueError, "queues must name one queue or more"),
        ({"queues": "a,,b"}, ValueError, "queues must name one queue or more"),
        ({"hostname": "a/b"}, ValueError, "hostname must be a name without slashes"),
        ({"hostname": 5}, TypeError, "hostname must be a string"),
        ({"beat": "no"}, TypeError, "beat must be True or False, but is 'no'"),
        ({"loglevel": "nonsense"}, ValueError, "loglevel must be one of debug, info"),
        ({"loglevel": 10}, TypeError, "loglevel must be a string"),
        ({"logfile": 5}, TypeError, "logfile must be a path, but is 5"),
        ({"logfile": ""}, ValueError, "logfile is an empty string"),
        ({"logfile": "~nobody-of-this-name/x"}, ValueError, "home folder of an unknown user"),
    ],
)
def test_what_is_no_argument_is_refused_before_the_start(
    argument: dict, error: type[Exception], sentence: str
) -> None:
    with pytest.raises(error, match=sentence):
        Worker(**argument)


def test_times_and_numbers_of_lines_are_checked_too() -> None:
    idle = Worker()
    with pytest.raises(TypeError, match="timeout must be a number of seconds, but is '5'"):
        idle.start(timeout="5")
    with pytest.raises(ValueError, match="timeout must not be below 0 seconds"):
        idle.stop(timeout=-1)
    with pytest.raises(ValueError, match="tail must be at least 0, but is -1"):
        idle.logs(tail=-1)


@pytest.mark.slow
def test_an_app_can_be_given_in_each_form() -> None:
    forms = [Worker(app=form).app for form in ("tutorial.tasks", tasks, tasks.app)]
    assert forms == ["tutorial.tasks", "tutorial.tasks", "tutorial.tasks:app"]
    with Worker(app=tasks.app, pool="solo"):
        assert five() == 5


def test_queues_can_be_given_in_each_form() -> None:
    given = ["a, b", ["a", " b"], ("a", "b"), iter(["a", "b"])]
    assert {Worker(queues=queues).queues for queues in given} == {"a,b"}


def test_a_log_file_may_be_in_the_home_folder_or_relative(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))  # the home folder on Windows
    monkeypatch.chdir(tmp_path)
    assert Worker(logfile="~/w.log").logfile == tmp_path / "w.log"
    relative = Worker(logfile="logs/w.log")
    monkeypatch.chdir(tmp_path.parent)
    assert relative.logfile == tmp_path / "logs" / "w.log"
    assert not (tmp_path / "~").exists()
    with pytest.raises(WorkerStartError, match=r"log file .* cannot be written \(Is a directory\)"):
        Worker(logfile=tmp_path).start()


SILENT = few(
    ("CELERY_BROKER_URL", "redis://:secret@127.0.0.1:{}/0", "redis://:**@127.0.0.1:{}/0"),
    ("CELERY_BROKER_URL", "rediss://:secret@127.0.0.1:{}/0", "rediss://:**@127.0.0.1:{}/0"),
    ("CELERY_BROKER_URL", "amqp://u:secret@127.0.0.1:{}//", "amqp://u:**@127.0.0.1:{}//"),
    (
        "CELERY_RESULT_BACKEND",
        "db+postgresql+psycopg://u:secret@127.0.0.1:{}/x",
        "postgresql+psycopg://u:***@127.0.0.1:{}/x",
    ),
    (
        "CELERY_RESULT_BACKEND",
        "db+mysql+pymysql://u:secret@127.0.0.1:{}/x",
        "mysql+pymysql://u:***@127.0.0.1:{}/x",
    ),
)


@pytest.mark.parametrize(("variable", "url", "shown"), SILENT)
def test_a_server_that_accepts_and_never_answers_is_named(
    variable: str, url: str, shown: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        monkeypatch.setenv(variable, url.format(port))
        with pytest.raises(WorkerStartError) as raised:
            Worker().start()
    assert f"at {shown.format(port)} cannot be reached: " in str(raised.value)
    assert "secret" not in str(raised.value)


def test_a_late_worker_is_ended(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "late.py").write_text(f"import time\ntime.sleep({LONG})\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(WorkerStartError, match=r"The worker was not ready after 0\.5 seconds\."):
        Worker("late").start(timeout=0.5)
    assert survivors(home) == []


@needs_fork
@pytest.mark.parametrize("moment", few(0.4, 0.02, 3.0))  # before and after it is ready
def test_an_interrupted_start_leaves_nothing(home: Path, moment: float) -> None:
    with pytest.raises(KeyboardInterrupt):
        interrupt_in(moment)
        Worker().start()
        while True:  # an interrupt just before one long sleep would wait for its end
            time.sleep(0.01)
    for started_one in list(worker._running.values()):  # it was ready before the moment came
        started_one.stop()
    assert survivors(home) == []


UNREACHABLE = few(
    ("CELERY_BROKER_URL", "amqp://guest:secret@127.0.0.1:1//", "The broker at amqp://guest:**@127"),
    ("CELERY_BROKER_URL", "redis://:secret@127.0.0.1:1", "The broker at redis://:**@127.0.0.1:1"),
    (
        "CELERY_BROKER_URL",
        "sqla+postgresql+psycopg://u:secret@127.0.0.1:1/x",
        "The broker at sqla+postgresql+psycopg://u:**@127.0.0.1:1/x",
    ),
    (
        "CELERY_RESULT_BACKEND",
        "db+postgresql+psycopg://u:secret@127.0.0.1:1/x",
        "The result backend at postgresql+psycopg://u:***@127.0.0.1:1/x",
    ),
    (
        "CELERY_RESULT_BACKEND",
        "tutorial.backend:EngineBackend+postgresql+psycopg://u@127.0.0.1:1/x?sslpassword=secret",
        "The result backend at postgresql+psycopg://u@127.0.0.1:1/x cannot",
    ),
    # Whatever a driver or a transport raises
    ("CELERY_BROKER_URL", "redis://:secret@127.0.0.1:1/abc", "The broker at redis://:**@127.0.0.1"),
    ("CELERY_BROKER_URL", "sentinel://:secret@127.0.0.1:1", "The broker at sentinel://:**@127"),
    (
        "CELERY_RESULT_BACKEND",
        "db+mysql+pymysql://u:secret@127.0.0.1:1/x?ssl_ca=/no/such.pem",
        "The result backend at mysql+pymysql://u:***@127.0.0.1:1/x cannot",
    ),
)


@pytest.mark.parametrize(("variable", "url", "sentence"), UNREACHABLE)
def test_a_server_that_does_not_answer_is_named(
    variable: str, url: str, sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, url)
    lost = Worker(loglevel="debug")
    with pytest.raises(WorkerStartError) as raised:
        lost.start()
    assert f"{sentence}" in str(raised.value)
    assert "cannot be reached: " in str(raised.value)
    assert "Traceback" not in str(raised.value)
    assert "secret" not in str(raised.value) + lost.logs() + lost._repr_html_()


@pytest.mark.parametrize(
    ("variable", "url", "sentence"),
    few(
        ("CELERY_BROKER_URL", "nosuch://u:secret@h", "the scheme 'nosuch', which kombu does not"),
        ("CELERY_BROKER_URL", "your_broker_url", "is not a URL: it needs a scheme"),
        ("CELERY_RESULT_BACKEND", "redis://:secret@h", "'redis', which is not a SQL database"),
        ("CELERY_RESULT_BACKEND", "db+nosuch://u:secret@h/x", "knows no database with the scheme"),
        ("CELERY_RESULT_BACKEND", "db+mysql+mysqldb://u:secret@h/x", "driver 'MySQLdb'"),
    ),
)
def test_a_bad_url_is_one_sentence(
    variable: str, url: str, sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, url)
    with pytest.raises(WorkerStartError) as raised:
        Worker().start()
    assert sentence in str(raised.value).splitlines()[-1]
    assert "Traceback" not in str(raised.value)
    assert "secret" not in str(raised.value)


# How it ends


def test_a_busy_worker_finishes_its_task_when_it_is_stopped() -> None:
    with Worker(concurrency=1) as worker:
        running, *waiting = tasks.nap.delay(1), *(tasks.add.delay(2, 3) for _ in range(4))
        wait_for(lambda: "received" in worker.logs())
    assert worker.status == "stopped"
    assert running.state == "SUCCESS"
    assert waiting[-1].state == "PENDING"
    with Worker(concurrency=1):  # the others have been given back, and the next worker takes them
        assert [result.get(timeout=PATIENCE, interval=0.005) for result in waiting] == [5] * 4


@needs_fork
def test_a_stuck_worker_is_killed_after_its_time(home: Path, more_tasks: str) -> None:
    worker = Worker(more_tasks, concurrency=1).start()
    tasks.app.send_task("more_tasks.stuck")
    wait_for(lambda: "received" in worker.logs())
    before = time.perf_counter()
    worker.stop(timeout=1)
    assert time.perf_counter() - before >= 1
    assert worker.status == "killed"
    assert survivors(home) == []


@needs_fork
def test_an_interrupted_stop_leaves_nothing(home: Path) -> None:
    worker = Worker(concurrency=1).start()
    tasks.nap.delay(LONG)
    wait_for(lambda: "received" in worker.logs())
    with pytest.raises(KeyboardInterrupt):
        interrupt_in(0.3)
        worker.stop(timeout=LONG)
    assert survivors(home) == []


@needs_fork
@pytest.mark.parametrize("moment", few(0.0, 0.05))
def test_a_stop_just_after_the_start_ends_in_time(home: Path, moment: float) -> None:
    # A SIGTERM at this moment can make the pool hang at its end.
    worker = Worker(concurrency=2).start()
    time.sleep(moment)
    worker.stop(timeout=3)
    assert survivors(home) == []


@needs_fork
def test_a_program_that_ends_ends_its_workers(tmp_path: Path) -> None:
    code = """
import time
from tutorial.tasks import nap
from tutorial.worker import Worker
idle = Worker(hostname="idle@test", concurrency=1, queues="none").start()
busy = Worker(hostname="busy@test", pool="solo").start()
nap.delay(900)
while "received" not in busy.logs():
    time.sleep(0.01)
print(busy.pid)"""
    done = python(code, tmp_path)
    assert done.returncode == 0, done.stderr
    assert survivors(tmp_path, int(done.stdout)) == []


@pytest.mark.slow
@needs_fork
def test_the_interrupt_of_a_kernel_spares_it(tmp_path: Path) -> None:
    code = """
import os, signal, time
from tutorial.tasks import add
from tutorial.worker import Worker
with Worker(pool="solo") as worker:
    try:
        os.killpg(0, signal.SIGINT)  # as Jupyter does
        time.sleep(900)
    except KeyboardInterrupt:
        time.sleep(0.3)
        print(worker.status, add.delay(2, 3).get(timeout=300, interval=0.005))"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=environment(tmp_path),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        start_new_session=True,
    )
    assert done.stdout == "ready 5\n", done.stderr


@pytest.mark.slow
@needs_fork
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_cannot_end_its_parents_worker() -> None:
    with Worker(pool="solo") as worker:
        child = os.fork()
        if child == 0:
            worker.stop()
            os._exit(0 if worker.status == "not started" else 1)
        assert os.waitpid(child, 0)[1] == 0
        assert worker.status == "ready"
        assert five() == 5


# The same in a terminal


@pytest.mark.slow
def test_celery_in_a_terminal_serves_the_same_queue_and_results(home: Path) -> None:
    command = [sys.executable, "-m", "celery", "-A", "tutorial.tasks", "worker", "--loglevel=info"]
    relative = os.path.relpath(home, COURSE)  # where a relative path starts, in whatever folder
    with (home / "terminal.log").open("wb") as log:
        terminal = subprocess.Popen(
            [*command, f"--pool={DEFAULT_POOL}", "--concurrency=1"],
            cwd=home.parent,
            env=environment(relative),
            stdout=log,
            stderr=log,
        )
    try:
        result = tasks.add.delay(2, 3)
        assert result.get(timeout=PATIENCE, interval=0.005) == 5
        assert not result.worker.endswith("@notebook")
    finally:
        terminal.terminate()
        terminal.wait(PATIENCE)
    assert "results.db" in (home / "terminal.log").read_text()
    assert processes(relative) == []


STOCK = "from celery import Celery\napp = Celery(broker='memory://')\n"
# The processes of its pool take their time before they reset the signals that they inherited.
HESITANT = """
import os, time
from celery.signals import worker_init
from tutorial.tasks import app

@worker_init.connect
def hesitate(**_):
    os.register_at_fork(after_in_child=lambda: time.sleep(2))
"""


@needs_fork
@pytest.mark.parametrize("module", few("hesitant", "stock"))
def test_a_worker_in_a_terminal_ends_with_it(module: str, home: Path, tmp_path: Path) -> None:
    """Celery itself restarts a worker whose output goes to a file, and stock apps keep that."""
    import pty  # not on Windows

    (tmp_path / "stock.py").write_text(STOCK)
    (tmp_path / "hesitant.py").write_text(HESITANT)
    log = tmp_path / "terminal.log"
    command = Path(sys.executable).with_name("celery")  # which can restart, as python -m cannot
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(tmp_path)
        signal.signal(signal.SIGHUP, signal.SIG_DFL)  # the tests may run under nohup
        os.execve("/bin/bash", ["bash", "--norc", "-i"], environment(home, PATH=os.environ["PATH"]))
    line = f"'{command}' -A {module} worker -c 1 -l info > '{log}' 2>&1\n"
    os.write(terminal, line.encode())
    try:
        wait_for(lambda: log.exists() and "ready." in log.read_text())
        os.close(terminal)
        if module == "stock":
            # A pool process that is still starting restarts as well, so there can be three.
            wait_for(lambda: log.read_text().count("ready.") >= 2)
        else:
            wait_for(lambda: processes(home) == [])
            assert "Restarting" not in log.read_text()
    finally:
        for process in processes(home):
            process.kill()
        os.waitpid(pid, 0)


@pytest.mark.slow
@needs_fork
def test_time_limits_stop_tasks_and_not_the_pool(home: Path) -> None:
    with Worker():
        for _ in range(2):
            soft = tasks.nap.apply_async([60], soft_time_limit=0.3)
            hard = tasks.nap.apply_async([60], time_limit=0.3)
            for late in (soft, hard):
                late.get(timeout=PATIENCE, interval=0.005, propagate=False)
            sums = [tasks.add.delay(number, 1) for number in range(3)]
            assert [each.get(timeout=PATIENCE, interval=0.005) for each in sums] == [1, 2, 3]


NO_FILE = 10**9  # as a closed one, but no other file can get this number


@needs_fork
def test_a_process_that_has_just_been_closed_does_not_end_the_worker() -> None:
    """One thread of billiard ends it after its time limit, while another one closes it."""
    from tutorial.processes.pool import TimeLimits  # not on Windows

    limits = TimeLimits([], {}, None, None)
    for ends in (TimeoutHandler, TimeLimits):
        process = billiard.Process(target=time.sleep, args=(LONG,))
        process.start()
        sentinel, process._popen.sentinel = process._popen.sentinel, NO_FILE
        with pytest.raises(ValueError) if ends is TimeoutHandler else nullcontext():
            ends._trywaitkill(limits, process)
        process._popen.sentinel = sentinel
        process.join(PATIENCE)
        assert process.exitcode == -signal.SIGTERM


def test_a_name_that_rabbitmq_still_takes_for_alive_is_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The connection of a killed worker ends a moment after the worker."""
    url = os.environ.get(VARIABLES["rabbitmq"]) or pytest.skip("no RabbitMQ is named")
    name, waits = f"{uuid4().hex[:12]}@tests", list[float]()
    killed = Connection(url)
    killed.channel().queue_declare(f"{name}.celery.pidbox", exclusive=True)

    def wait(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 2:
            killed.close()
        time.sleep(seconds)

    monkeypatch.setattr(worker_process, "sleep", wait)
    app = Celery("app", broker=url)
    worker_process._reach_broker(app, [f"--hostname={name}"])
    assert 2 <= len(waits) < 100
