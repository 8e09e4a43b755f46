"""Real servers start, keep what they hold through a crash, and leave nothing behind."""

import errno
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
import sqlalchemy as sa
from amqp.exceptions import NotAllowed
from databases import server_url
from kombu import Connection
from processes import ENDING, PATIENCE, environment, few, needs_fork, python, started, wait_for

from tutorial import servers
from tutorial.processes import kinds
from tutorial.processes.answer import answer_of
from tutorial.processes.private import PRIVATE as KEPT
from tutorial.processes.private import free_port
from tutorial.servers import VARIABLES, Server, ServerError, ServerMissing

pytestmark = needs_fork

PRIVATE = ["postgresql", "mariadb", "redis"]
DATABASES = ["postgresql", "mariadb"]
KEEP = """
from tutorial.servers import Server
server = Server({kind!r}, {program!r})
print(server._child.pid, flush=True)
input()
"""


@pytest.fixture(autouse=True)
def temporary(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    """Have the servers keep their files in a folder of the test, which must be empty at its end."""
    folder = Path(tempfile.mkdtemp(prefix="servers-"))  # pytest's own is closed to other users
    folder.chmod(0o755)
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr(tempfile, "tempdir", None)
    yield folder
    assert list(folder.iterdir()) == []
    folder.rmdir()


def private(kind: str) -> Server:
    reason = servers.missing(kind, private=True)
    if reason:
        pytest.skip(reason)
    return Server(kind, servers.find_program(kind))


def wheel(kind: str) -> Path:
    """Return the program in the wheel, whatever else is installed."""
    package = kinds.WHEELS[kind][0]
    for folder in kinds._folders(kind):
        for name in kinds.PROGRAMS[kind]:
            if package in folder and (found := shutil.which(name, path=folder)):
                return Path(found)
    pytest.skip(f"the wheel {package} is not installed")


def execute(server: Server, statement: str) -> list:
    engine = sa.create_engine(server.url)
    with engine.begin() as connection:
        result = connection.execute(sa.text(statement))
        rows = result.all() if result.returns_rows else []
    engine.dispose()
    return rows


def redis_client(url: str):
    with Connection(url) as connection:
        return connection.channel().client


def gone(pids: list[int]) -> bool:
    deadline = time.monotonic() + ENDING
    while time.monotonic() < deadline:
        if not any(psutil.pid_exists(pid) and _alive(pid) for pid in pids):
            return True
        time.sleep(0.02)
    return False


def _alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def family(pid: int) -> list[int]:
    return [pid, *(child.pid for child in psutil.Process(pid).children(recursive=True))]


# Private servers


@pytest.mark.parametrize("kind", few(*DATABASES))
def test_a_private_database_keeps_what_it_holds(kind: str) -> None:
    with private(kind) as server:
        url = server.url
        execute(server, "CREATE TABLE kept (number INTEGER)")
        execute(server, "INSERT INTO kept VALUES (1)")
        server.restart()
        execute(server, "INSERT INTO kept VALUES (2)")
        server.kill()
        with pytest.raises(sa.exc.OperationalError):
            execute(server, "SELECT 1")
        server.start()
        assert server.url == url
        assert execute(server, "SELECT number FROM kept ORDER BY number") == [(1,), (2,)]
    with pytest.raises(ServerError, match="is closed: make a new one"):
        server.start()


def test_a_private_redis_keeps_what_it_holds() -> None:
    with private("redis") as server:
        redis_client(server.url).set("kept", "1")
        server.restart()
        assert redis_client(server.url).get("kept") == b"1"
        server.kill()
        server.start()
        assert redis_client(server.url).get("kept") == b"1"


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["postgresql", "redis"])
def test_the_programs_in_the_wheels_run(kind: str) -> None:
    with Server(kind, wheel(kind)) as server:
        assert server.restart() is server


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root is refused")
def test_root_can_start_a_program_that_only_root_can_read(tmp_path: Path) -> None:
    program = wheel("postgresql")
    package = program.parents[2]
    closed = tmp_path / "closed"
    shutil.copytree(program.parents[1], closed / package.name / program.parents[1].name)
    libraries = package.with_name(f"{package.name}.libs")
    shutil.copytree(libraries, closed / libraries.name)
    closed.chmod(0o700)
    with Server("postgresql", closed / program.relative_to(package.parent)) as server:
        assert execute(server, "SELECT 1") == [(1,)]


@pytest.mark.parametrize("kind", few("redis", "postgresql", "mariadb", "flower"))
def test_the_password_is_shown_nowhere(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CELERY_BROKER_URL", raising=False)
    with private(kind) as server:
        password = sa.make_url(server.url).password
        assert password
        assert len(password) > 20
        assert password not in repr(server)
        lines = []
        for pid in family(server._child.pid):
            with suppress(psutil.NoSuchProcess):  # a child of a server that has ended since
                lines.append(psutil.Process(pid).cmdline())
        assert len(lines) >= 2
        assert password not in repr(lines)


@pytest.mark.parametrize("kind", few("postgresql", "redis", "mariadb"))
def test_nobody_enters_without_the_password(kind: str) -> None:
    with private(kind) as server:
        wrong = sa.make_url(server.url).set(password="wrong")
        if kind in DATABASES:
            with pytest.raises(sa.exc.OperationalError), sa.create_engine(wrong).connect():
                pass
        else:
            with pytest.raises(Exception, match="invalid username-password"):
                redis_client(wrong.render_as_string(hide_password=False)).get("kept")


def test_flower_asks_for_the_password() -> None:
    import requests

    with private("flower") as flower:
        assert requests.get(flower.url, timeout=PATIENCE).status_code == 200
        assert (
            requests.get(flower.url.replace("tutorial:", "x:"), timeout=PATIENCE).status_code == 401
        )


def listens(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


@pytest.mark.slow
def test_flower_without_a_password_can_be_read_but_not_commanded(tmp_path: Path) -> None:
    """What chapter 12 says of it; the course's own Flower always has a password."""
    import requests

    port = free_port()
    command = [sys.executable, "-m", "celery", "-A", "tutorial.tasks", "flower"]
    with private("redis") as redis:
        variables = environment(tmp_path, CELERY_BROKER_URL=redis.url)
        flower = subprocess.Popen(
            [*command, "--address=127.0.0.1", f"--port={port}"],
            env=variables,
            stderr=subprocess.DEVNULL,
        )
        try:
            url = f"http://127.0.0.1:{port}"
            wait_for(lambda: listens(port))
            pages = [requests.get(url + page, timeout=PATIENCE) for page in ("/workers", "/tasks")]
            api = requests.get(f"{url}/api/tasks", timeout=PATIENCE)
            shutdown = requests.post(f"{url}/api/worker/shutdown/any", timeout=PATIENCE)
        finally:
            flower.terminate()
            flower.wait(PATIENCE)
    assert [page.status_code for page in pages] == [200, 200]
    assert [api.status_code, shutdown.status_code] == [401, 401]


# Their port


@pytest.mark.parametrize("kind", few("redis", "postgresql", "mariadb", "flower"))
def test_a_port_that_is_taken_before_the_first_start_is_changed(kind: str) -> None:
    if reason := servers.missing(kind, private=True):
        pytest.skip(reason)
    kept = KEPT[kind](servers.find_program(kind), "127.0.0.1", threading.Event())
    taken = kept.port
    with socket.socket() as other:
        other.bind(("127.0.0.1", taken))
        try:
            kept.start()
            assert kept.port != taken
            assert answer_of(kept.url) is None
        finally:
            kept.remove()


def test_a_free_port_is_not_one_that_the_system_gives_to_any_program() -> None:
    given = Path("/proc/sys/net/ipv4/ip_local_port_range")  # of Linux
    lowest = int(given.read_text().split()[0]) if given.exists() else 49152
    assert all(free_port() < lowest for _ in range(100))


def test_a_machine_that_allows_no_port_is_asked_a_hundred_times(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = []

    class Refused(socket.socket):
        def bind(self, address: object) -> None:
            asked.append(address)
            raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(socket, "socket", Refused)
    with pytest.raises(PermissionError):
        free_port()
    assert len(asked) == 100


def test_no_port_is_free_at_an_address_of_another_machine() -> None:
    with pytest.raises(OSError, match="assign"):
        free_port("192.0.2.1")


# Their end


def test_a_server_that_nobody_holds_ends() -> None:
    server = private("redis")
    left = family(server._child.pid)
    del server
    assert gone(left)


def killed_kernel(kind: str, program: Path, home: Path, delay: float | None = None) -> None:
    """Kill a program that has a server, when it is ready or so many seconds after its start."""
    code = KEEP.format(kind=kind, program=str(program))
    if delay is None:
        process, line = started(code, home)
        left = family(int(line))
        assert len(left) >= 2
    else:
        process = subprocess.Popen(
            [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        time.sleep(delay)
        left = family(process.pid)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert gone(left), [psutil.Process(pid).cmdline() for pid in left if psutil.pid_exists(pid)]


def wait_until_empty(folder: Path) -> None:
    deadline = time.monotonic() + ENDING
    while any(folder.iterdir()) and time.monotonic() < deadline:
        time.sleep(0.02)


@pytest.mark.parametrize("kind", few("redis", "postgresql", "mariadb"))
def test_a_killed_kernel_leaves_no_server(kind: str, tmp_path: Path, temporary: Path) -> None:
    private(kind).close()
    program = servers.find_program(kind)
    assert program
    killed_kernel(kind, program, tmp_path)
    wait_until_empty(temporary)


@pytest.mark.slow
@pytest.mark.timeout(4 * 3600)
def test_fifty_killed_kernels_leave_no_server(tmp_path: Path, temporary: Path) -> None:
    for trial in range(50):
        kind = ["postgresql", "redis"][trial % 2]
        # Every third one is killed while the server starts.
        delay = 0.3 + 0.05 * (trial % 25) if trial % 3 == 0 else None
        killed_kernel(kind, wheel(kind), tmp_path, delay)
        wait_until_empty(temporary)
        assert list(temporary.iterdir()) == []


def test_a_forked_child_does_not_keep_it() -> None:
    code = """
import multiprocessing, time
from tutorial import servers
from tutorial.processes import kinds
from tutorial.processes.private import free_port
server = servers.redis(private=True)
child = multiprocessing.get_context("fork").Process(target=time.sleep, args=(900,))
child.start()
print(server._child.pid, child.pid, flush=True)
input()
"""
    if reason := servers.missing("redis", private=True):
        pytest.skip(reason)
    process, line = started(code, "")
    supervisor, child = map(int, line.split())
    left = family(supervisor)
    process.kill()
    process.wait()
    try:
        assert gone(left)
    finally:
        os.kill(child, signal.SIGKILL)
        process.communicate()


# Servers that the environment names


@pytest.mark.parametrize("kind", few(*DATABASES))
def test_our_database_in_a_shared_server_goes_with_us(kind: str) -> None:
    server_url(VARIABLES[kind])
    with Server(kind) as server, Server(kind) as other:
        assert server.url != other.url
        execute(server, "CREATE TABLE kept (number INTEGER)")
        with pytest.raises(ServerError, match="only a private server can be stopped"):
            server.stop()
        if kind == "postgresql":
            assert execute(server, "SHOW timezone") == [("UTC",)]
    with pytest.raises(sa.exc.OperationalError, match=r"(?i)does not exist|unknown database"):
        execute(server, "SELECT 1")


def test_our_numbered_database_of_a_shared_redis_is_empty_and_ours_alone() -> None:
    server_url(VARIABLES["redis"])
    with Server("redis") as server, Server("redis") as other:
        assert server.url != other.url
        assert redis_client(server.url).dbsize() == 1  # the mark that it is taken
        redis_client(server.url).set("kept", "1")
    # Another program can have taken it since.
    assert redis_client(server.url).get("kept") is None


def parts(kind: str) -> set[str]:
    """Return the names of our parts of the shared server, those of other tests included."""
    url = server_url(VARIABLES[kind])
    if kind == "redis":
        numbers = [url.set(database=str(number)) for number in range(1, 16)]
        urls = [number.render_as_string(hide_password=False) for number in numbers]
        return {redis_client(each).get("taken by the course") for each in urls}
    if kind == "rabbitmq":
        listed = subprocess.run(
            ["rabbitmqctl", "--quiet", "list_vhosts"], capture_output=True, text=True
        )
        return set(listed.stdout.split())
    engine = sa.create_engine(url)
    with engine.connect() as connection:
        names = {"postgresql": "SELECT datname FROM pg_database", "mariadb": "SHOW DATABASES"}
        found = set(connection.scalars(sa.text(names[kind])))
    engine.dispose()
    return found


@pytest.mark.parametrize("kind", few(*DATABASES, "redis", "rabbitmq"))
def test_starting_our_part_of_a_shared_server_again_makes_no_second_one(kind: str) -> None:
    server_url(VARIABLES[kind])
    if kind == "rabbitmq" and (not shutil.which("rabbitmqctl") or os.geteuid() != 0):
        pytest.skip("rabbitmqctl is for root")
    server = Server(kind)
    url, name = server.url, sa.make_url(server.url).database
    assert server.start() is server
    server.start()
    assert server.url == url
    mark = redis_client(url).get("taken by the course") if kind == "redis" else name
    assert mark in parts(kind)
    server.close()
    assert mark not in parts(kind)


def test_a_shared_rabbitmq_gives_us_a_virtual_host() -> None:
    server_url(VARIABLES["rabbitmq"])
    if not shutil.which("rabbitmqctl") or os.geteuid() != 0:
        pytest.skip("rabbitmqctl is for root")
    with Server("rabbitmq") as server:
        with Connection(server.url) as connection:
            connection.default_channel.queue_declare("tried")
        assert "tutorial_" in server.url
    with pytest.raises(NotAllowed), Connection(server.url) as connection:
        connection.connect()


@pytest.mark.parametrize("kind", few(*DATABASES))
def test_a_kernel_that_is_killed_leaves_nothing_in_a_shared_server(
    kind: str, tmp_path: Path
) -> None:
    url = server_url(VARIABLES[kind])
    code = f"""
from tutorial.servers import Server
server = Server({kind!r})
print(server._child.pid, server.url.rpartition("/")[2], flush=True)
input()
"""
    process, line = started(code, tmp_path)
    supervisor, name = line.split()
    process.kill()
    process.communicate()
    assert gone([int(supervisor)])
    with pytest.raises(sa.exc.OperationalError), sa.create_engine(url.set(database=name)).connect():
        pass


# What is wrong, in one sentence


@pytest.mark.parametrize(
    "start", [servers.postgresql, servers.mariadb, servers.redis, servers.rabbitmq]
)
def test_without_any_server_it_says_what_to_install(
    start: Callable[[], Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(VARIABLES[start.__name__], raising=False)
    monkeypatch.setattr(kinds, "find_program", lambda kind: None)
    with pytest.raises(ServerMissing) as raised:
        start()
    message, variable = str(raised.value), VARIABLES[start.__name__]
    assert f", or name one in {variable}." in message or f" set {variable} to its URL" in message


@pytest.mark.parametrize("is_running", [False, True])
def test_a_rabbitmq_that_is_running_but_not_named(
    is_running: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(VARIABLES["rabbitmq"], raising=False)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        if not is_running:
            listening.close()
        monkeypatch.setattr(kinds, "RABBITMQ_URL", f"amqp://guest:guest@127.0.0.1:{port}//")
        reason = kinds.missing("rabbitmq")
    if is_running:
        begin = f"The course does not know whose port {port} is: if it is RabbitMQ's, set"
    else:
        begin = "There is no RabbitMQ: start one, and set"
    assert reason == f"{begin} TUTORIAL_RABBITMQ_URL to its URL, such as {kinds.RABBITMQ_URL}."


@pytest.mark.parametrize(
    ("arguments", "error", "sentence"),
    [
        (["postgres"], ValueError, "kind must be one of postgresql, mariadb, .*'postgres'"),
        ([5], TypeError, "kind must be a string, but is 5"),
        (["redis", 5], TypeError, "program must be a path, but is 5"),
        (["redis", ""], ValueError, "program is an empty string"),
        (["redis", "~nobody-of-this-name/x"], ValueError, "home folder of an unknown user"),
        (["redis", "x", 5], TypeError, "host must be an address of this machine, but is 5"),
        (["redis"], ServerMissing, "TUTORIAL_REDIS_URL names no server"),
        (["flower"], ServerMissing, "Flower needs its program"),
    ],
)
def test_what_is_no_argument_is_refused(
    arguments: list, error: type[Exception], sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(VARIABLES["redis"], raising=False)
    with pytest.raises(error, match=sentence):
        Server(*arguments)


@pytest.mark.parametrize(
    ("kind", "url"),
    few(
        ("postgresql", "postgresql+psycopg://ada:secret@127.0.0.1:{}/test"),
        ("mariadb", "mysql+pymysql://ada:secret@127.0.0.1:{}/test"),
        ("redis", "redis://:secret@127.0.0.1:{}/0"),
        ("redis", "rediss://:secret@127.0.0.1:{}/0"),
    ),
)
def test_a_named_server_that_is_silent(
    kind: str, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:  # it accepts, and never answers
        port = silent.getsockname()[1]
        monkeypatch.setenv(VARIABLES[kind], url.format(port))
        with pytest.raises(ServerError, match=rf"at .*127\.0\.0\.1:{port}/.* does not answer: "):
            Server(kind)


@pytest.mark.parametrize(
    ("kind", "url"),
    few(
        ("redis", "redis://:secret@127.0.0.1:1/0"),
        ("postgresql", "postgresql+psycopg://ada:secret@127.0.0.1:1/test"),
        ("mariadb", "mysql+pymysql://ada:secret@127.0.0.1:1/test"),
        ("rabbitmq", "amqp://ada:secret@127.0.0.1:1//"),
    ),
)
def test_a_named_server_that_does_not_answer(
    kind: str, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLES[kind], url)
    with pytest.raises(ServerError, match=r"at .*127\.0\.0\.1:1/.* does not answer: ") as raised:
        Server(kind)
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize(
    ("kind", "url", "sentence"),
    [
        *[
            (kind, url, sentence)
            for kind, form in [
                ("postgresql", "postgresql+psycopg://u:{}@h/x"),
                ("mariadb", "mysql+pymysql://u:{}@h/x"),
                ("redis", "redis://:{}@h/0"),
                ("rabbitmq", "amqp://u:{}@h//"),
            ]
            for url, sentence in [
                *((form.format(f"Ge{mark}heim"), "must be escaped") for mark in "@#/?"),
                (form.format("Geheim").replace("@h", "@h:99999"), "cannot be read"),
                ("nosuch://u:Geheim@h", "'nosuch'"),
                (" ", "is blank"),
            ]
        ],
        ("postgresql", "Geheim", "cannot be read"),
        ("redis", "Geheim", "is not a URL"),
        ("postgresql", "sqlite:////x.db", "not one of PostgreSQL's: write postgresql.psycopg://u"),
        ("postgresql", "mysql+pymysql://u:Geheim@h/x", "not one of PostgreSQL's"),
        ("mariadb", "postgresql+psycopg://u:Geheim@h/x", "not one of MariaDB's: write mysql.pymy"),
        ("redis", "amqp://u:Geheim@h//", "not one of Redis's: write redis://"),
        ("rabbitmq", "redis://:Geheim@h/0", "not one of RabbitMQ's: write amqp://"),
        ("rabbitmq", "sqla+sqlite:////x.db", "not one of RabbitMQ's"),
    ],
)
def test_a_variable_that_names_no_such_server_is_one_sentence(
    kind: str, url: str, sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLES[kind], url)
    with pytest.raises(ServerError, match=sentence) as raised:
        Server(kind)
    said = str(raised.value)
    assert said.startswith(VARIABLES[kind])
    assert "Ge" not in said and "heim" not in said
    assert "\n" not in said


def test_a_program_that_does_not_start(tmp_path: Path) -> None:
    program = tmp_path / "redis-server"
    program.write_text("#!/bin/sh\necho no room on the disk\nexit 1\n")
    program.chmod(0o755)
    with pytest.raises(ServerError, match=r"Redis did not start.*\nno room on the disk"):
        Server("redis", program)


def test_importing_the_module_starts_nothing(tmp_path: Path) -> None:
    code = "import psutil, tutorial.servers; print(psutil.Process().children())"
    assert python(code, tmp_path).stdout == "[]\n"
    assert list(tmp_path.iterdir()) == []
