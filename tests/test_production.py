"""What chapter 15 says of certificates, of daemons and of the unit file, on real programs."""

import os
import re
import shutil
import signal
import socket
import ssl
import struct
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import parse_qsl
from uuid import uuid4

import nbformat
import pandas as pd
import psutil
import pytest
import sqlalchemy as sa
import trustme
from celery import Celery
from celery.exceptions import BackendGetMetaError, BackendStoreError, SecurityError
from celery.utils import sysinfo
from conftest import configure_again
from databases import empty_database
from kombu import Connection
from processes import PATIENCE, environment, needs_fork, processes, python, survivors, wait_for
from stored_results import make_app, store
from test_containers import block
from test_expiry import database, writer

from tutorial import servers
from tutorial.broker import BROKER_VARIABLE, queue_engine
from tutorial.database import make_engine
from tutorial.results import load_results
from tutorial.tables import TASK_TABLE
from tutorial.tasks import app
from tutorial.worker import Worker
from tutorial.workspace import COURSE

CHAPTER = COURSE / "notebooks" / "15-production.ipynb"
OTHER_HOST = "other.example.org"


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def ca_file(authority: trustme.CA, tmp_path: Path) -> str:
    file = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(file))
    return str(file)


# TLS


@pytest.fixture(scope="module", params=["localhost", OTHER_HOST])
def postgresql(
    request: pytest.FixtureRequest, authority: trustme.CA
) -> Iterator[tuple[sa.URL, bool]]:
    """Yield the URL of a server with a certificate, and whether it is an impostor."""
    if reason := servers.missing("postgresql", private=True):
        pytest.skip(reason)
    certificate = authority.issue_cert(request.param)
    with servers.postgresql(private=True, host="127.0.0.1") as server:
        engine = make_engine(server.url, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            folder = Path(connection.scalar(sa.text("SHOW data_directory")))
            pem = certificate.private_key_and_cert_chain_pem.bytes()
            for name in ("server.key", "server.crt"):
                (folder / name).write_bytes(pem)
                (folder / name).chmod(0o600)
                shutil.chown(folder / name, folder.owner(), folder.group())
            try:
                connection.execute(sa.text("ALTER SYSTEM SET ssl = on"))
            except sa.exc.OperationalError:
                pytest.skip("this PostgreSQL was built without TLS")
        engine.dispose()
        server.restart()
        yield sa.make_url(server.url).set(host="localhost"), request.param == OTHER_HOST


def test_postgresql(postgresql: tuple[sa.URL, bool], ca_file: str, tmp_path: Path) -> None:
    url, is_impostor = postgresql
    stranger = tmp_path / "stranger.pem"
    trustme.CA().cert_pem.write_to_path(str(stranger))

    def refused(**options: str) -> bool:
        try:
            with make_engine(url.update_query_dict(options)).connect() as connection:
                query = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()"
                assert connection.scalar(sa.text(query)), "the connection is not encrypted"
        except sa.exc.OperationalError as error:
            assert str(url.password) not in str(error)
            assert re.search("certificate|does not match host", str(error))
            return True
        return False

    assert not refused(sslmode="require")
    # This server knows the password; test_an_impostor_hears_the_password has one that does not.
    assert not refused(sslmode="require", channel_binding="require")
    assert not refused(sslmode="require", require_auth="scram-sha-256")
    assert refused(sslmode="verify-full", sslrootcert=ca_file) == is_impostor
    assert refused(sslmode="verify-full", sslrootcert=str(stranger))


def test_postgresql_and_the_authorities_of_the_system(
    postgresql: tuple[sa.URL, bool], ca_file: str, tmp_path: Path
) -> None:
    """The wheel of psycopg looks in a folder that may not exist, unless a variable names a file."""
    url, is_impostor = postgresql
    url = url.update_query_dict({"sslmode": "verify-full", "sslrootcert": "system"})
    connect = f"""
from tutorial.database import make_engine
make_engine({url.render_as_string(hide_password=False)!r}).connect()
print("connected")
"""
    trusting = python(connect, tmp_path, SSL_CERT_FILE=ca_file)
    assert ("does not match host" in trusting.stderr) == is_impostor
    assert (trusting.stdout == "connected\n") != is_impostor
    nobody = python(connect, tmp_path, SSL_CERT_FILE=str(tmp_path / "missing.pem"))
    assert "certificate verify failed" in nobody.stderr


REQUEST, YES, NO, PASSWORD_PLEASE = 8, b"S", b"N", b"R" + struct.pack("!ii", 8, 3)


def password_heard(authority: trustme.CA, options: dict[str, str], tls: bool = True) -> bool:
    """Tell whether a fake PostgreSQL, which asks for the password in plain text, hears it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(OTHER_HOST).configure_cert(context)
    heard: list[bytes] = []

    def listen() -> None:
        client, _address = door.accept()
        door.close()
        client.settimeout(PATIENCE)
        with suppress(OSError), client:
            client.recv(REQUEST)
            client.sendall(YES if tls else NO)
            talk = context.wrap_socket(client, server_side=True) if tls else client
            heard.append(talk.recv(1000))  # the user and the database
            talk.sendall(PASSWORD_PLEASE)
            heard.append(talk.recv(1000))
            talk.close()

    with socket.create_server(("127.0.0.1", 0)) as door:
        port = door.getsockname()[1]
        url = sa.URL.create("postgresql+psycopg", "ada", "geheim", "localhost", port, "shop")
        server = Thread(target=listen, daemon=True)
        server.start()
        with pytest.raises(sa.exc.OperationalError):
            make_engine(url.update_query_dict(options)).connect()
        server.join(PATIENCE)
    return b"geheim" in b"".join(heard)


@pytest.mark.parametrize(
    ("options", "hears_it"),
    [
        ("sslmode=require", True),
        ("", True),
        ("sslmode=require&require_auth=scram-sha-256", False),
        ("sslmode=require&channel_binding=require", False),
        ("sslmode=verify-full&sslrootcert=CA", False),
        ("sslmode=verify-full&sslrootcert=system", False),
    ],
)
def test_an_impostor_hears_the_password(
    options: str, hears_it: bool, authority: trustme.CA, ca_file: str
) -> None:
    pairs = dict(parse_qsl(options.replace("CA", ca_file)))
    assert password_heard(authority, pairs) == hears_it
    # A fake server without TLS gets it from a client that does not insist on encryption.
    assert password_heard(authority, pairs, tls=False) == (options == "")


def packet(number: int, payload: bytes) -> bytes:
    """Return a packet of MariaDB's protocol."""
    return struct.pack("<I", len(payload))[:3] + bytes([number]) + payload


def greeting(tls: bool) -> bytes:
    """Return what a MariaDB server says first; one with TLS says so."""
    abilities = 0x88209 | 0x800 * tls
    low, high = struct.pack("<H", abilities & 0xFFFF), struct.pack("<H", abilities >> 16)
    salt = b"x" * 8, b"y" * 12
    head = b"\x0a11.4.2-MariaDB\0" + bytes(4) + salt[0] + b"\0" + low + b"\x2d\x02\0" + high
    return packet(0, head + b"\x15" + bytes(10) + salt[1] + b"\0mysql_native_password\0")


def mariadb_hears(authority: trustme.CA, name: str, options: dict[str, str], tls: bool) -> bool:
    """Tell whether a fake MariaDB, which asks for the password in plain text, hears it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(context)
    heard: list[bytes] = []

    def listen() -> None:
        client, _address = door.accept()
        door.close()
        client.settimeout(PATIENCE)
        with suppress(OSError), client:
            client.sendall(greeting(tls))
            if tls:
                client.recv(36)  # the request for TLS
            talk = context.wrap_socket(client, server_side=True) if tls else client
            talk.recv(1000)  # the user, and a proof that the client knows the password
            talk.sendall(packet(2 + tls, b"\xfemysql_clear_password\0"))
            heard.append(talk.recv(1000))
            talk.close()

    with socket.create_server(("127.0.0.1", 0)) as door:
        port = door.getsockname()[1]
        url = sa.URL.create("mysql+pymysql", "ada", "geheim", "localhost", port, "shop")
        server = Thread(target=listen, daemon=True)
        server.start()
        with pytest.raises(sa.exc.OperationalError):
            make_engine(url.update_query_dict(options)).connect()
        server.join(PATIENCE)
    return b"geheim" in b"".join(heard)


def test_an_impostor_of_mariadb_hears_the_password(authority: trustme.CA, ca_file: str) -> None:
    for tls in (True, False):
        assert mariadb_hears(authority, OTHER_HOST, {}, tls)
        assert not mariadb_hears(authority, OTHER_HOST, {"ssl_ca": ca_file}, tls)
    assert mariadb_hears(authority, "localhost", {"ssl_ca": ca_file}, tls=True)  # the genuine one


def words(name: str, authority: trustme.CA, url: str, **tls: Any) -> bytes:
    """Return the first words of a client to a server with a certificate for some name."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    # Kombu has 127.0.0.1 in place of localhost.
    names = [name] if name == OTHER_HOST else [name, "127.0.0.1"]
    authority.issue_cert(*names).configure_cert(context)
    heard: list[bytes] = []

    def listen() -> None:
        connection, _address = door.accept()
        door.close()  # so that a second try is refused, and does not wait
        with suppress(OSError), context.wrap_socket(connection, server_side=True) as client:
            client.settimeout(10)
            heard.append(client.recv(1000))

    with socket.create_server(("127.0.0.1", 0)) as door:
        url = url.format(door.getsockname()[1])
        server = Thread(target=listen, daemon=True)
        server.start()
        # The conversation ends early, and each driver has an error of its own for it.
        with (
            suppress(Exception),
            Connection(url, connect_timeout=10, **tls) as broker,
        ):
            broker.connect()
        server.join(20)
    return b"".join(heard)


@pytest.mark.parametrize(
    ("how", "talks_to_an_impostor"),
    [
        ("amqps, ca_certs", True),
        ("amqps, ca_certs and server_hostname", False),
        ("rediss", True),
        ("rediss, ssl_cert_reqs and ssl_ca_certs", False),
    ],
)
def test_broker(how: str, talks_to_an_impostor: bool, authority: trustme.CA, ca_file: str) -> None:
    demanding = f"?ssl_cert_reqs=required&ssl_ca_certs={ca_file}"
    ways: dict[str, tuple[str, dict[str, Any]]] = {
        "amqps, ca_certs": ("amqps://localhost:{}//", {"ssl": {"ca_certs": ca_file}}),
        "amqps, ca_certs and server_hostname": (
            "amqps://localhost:{}//",
            {"ssl": {"ca_certs": ca_file, "server_hostname": None}},
        ),
        "rediss": ("rediss://:secret@localhost:{}/0", {}),
        "rediss, ssl_cert_reqs and ssl_ca_certs": (
            "rediss://:secret@localhost:{}/0" + demanding,
            {},
        ),
    }
    url, tls = ways[how]
    assert words("localhost", authority, url, **tls)
    heard = words(OTHER_HOST, authority, url, **tls)
    assert bool(heard) == talks_to_an_impostor
    assert (b"secret" in heard) == (how == "rediss")


# Daemons

SEND = """
from tutorial.tasks import add
print(sum(add.delay(n, n).get(timeout=300) for n in range(20)))
"""


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    """Return this Python's folder of programs, by a path without a space.

    Neither ``celery multi`` nor systemd takes a program whose path has one.
    """
    link = tmp_path / "python"
    try:
        link.symlink_to(sys.prefix, target_is_directory=True)
    except OSError:
        pytest.skip("this user cannot make links")
    return link / Path(sys.executable).parent.name


@pytest.mark.slow
@needs_fork
def test_celery_multi(programs: Path, tmp_path: Path) -> None:
    python_here = str(programs / Path(sys.executable).name)
    options = [
        "-A",
        "tutorial.tasks",
        "--loglevel=info",
        f"--pidfile={tmp_path}/%n.pid",
        f"--logfile={tmp_path}/%n.log",
    ]

    def multi(order: str) -> None:
        command = [python_here, "-m", "celery", "multi", order, "one@shop", "two@shop", *options]
        subprocess.run(command, env=environment(tmp_path), check=True, timeout=PATIENCE, cwd=COURSE)

    def pids() -> list[int]:
        return [int(file.read_text()) for file in tmp_path.glob("*.pid") if file.read_text()]

    try:
        multi("start")
        wait_for(lambda: len(pids()) == 2)
        assert python(SEND, tmp_path).stdout == "380\n"
        multi("stopwait")
        assert not survivors(tmp_path)
        logs = [(tmp_path / f"{name}.log").read_text() for name in ("one", "two")]
        assert "".join(logs).count(" succeeded in ") == 20
    finally:
        for process in processes(tmp_path):
            with suppress(psutil.Error):
                process.kill()


def test_unit_file(programs: Path, tmp_path: Path) -> None:
    if not shutil.which("systemd-analyze"):
        pytest.skip("there is no systemd-analyze")
    unit_file = block("ini")
    # Without it, systemd stops the worker when one process was killed for using too much memory.
    assert "\nOOMPolicy=continue\n" in unit_file
    celery = programs / "celery"  # the shop has none on this machine
    unit = tmp_path / "worker.service"
    unit.write_text(unit_file.replace("/srv/shop/.venv/bin/celery", str(celery)))
    done = subprocess.run(["systemd-analyze", "verify", unit], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


# Beat


BEATING = """
from celery.schedules import schedule
from tutorial.tasks import add, app

app.conf.beat_schedule = {"sum": {"task": add.name, "schedule": 0.2, "args": (2, 3)}}
"""


@pytest.mark.slow
@needs_fork
def test_two_workers_with_beat_send_each_task_twice(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "beating.py").write_text(BEATING)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))

    def senders() -> set[str]:
        query = "SELECT DISTINCT payload ->> '$.headers.origin' FROM kombu_message"
        with queue.connect() as connection:
            return set(connection.scalars(sa.text(query)))

    with (
        Worker("beating", hostname="one", beat=True),
        Worker("beating", hostname="two", beat=True),
    ):
        queue = queue_engine()
        wait_for(lambda: len(senders()) == 2)
        queue.dispose()


# How many processes, and how they are told to end


def concurrency(home: Path, *options: str, cpus: set[int]) -> str:
    """Return what a worker that may run on some CPUs says about its pool."""
    code = f"""
import os, sys
os.sched_setaffinity(0, {cpus})
os.execv(sys.executable, [sys.executable, "-m", "celery", "-A", "tutorial.tasks", "worker",
         "--loglevel=info"] + {list(options)})
"""
    with subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=COURSE,
        env=environment(home),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as worker:
        assert worker.stdout
        lines = iter(worker.stdout)
        banner = next(line for line in lines if "concurrency:" in line)
        next(line for line in lines if "ready." in line)  # before it, a signal would come too soon
        worker.terminate()
        worker.communicate(timeout=PATIENCE)
    return banner.partition("concurrency: ")[2].strip()


@pytest.mark.slow
@pytest.mark.skipif(
    sys.platform != "linux" or (os.cpu_count() or 1) < 2, reason="needs Linux and two CPUs"
)
def test_auto_counts_the_cpus_that_the_worker_may_use(home: Path) -> None:
    one = {min(os.sched_getaffinity(0))}
    assert concurrency(home, cpus=one) == f"{os.cpu_count()} (prefork)"
    assert concurrency(home, "--concurrency=auto", cpus=one) == "1 (prefork)"


def test_auto_obeys_the_quota_of_a_container(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    group = tmp_path / "cgroup"
    group.write_text("0::/\n")
    (tmp_path / "cpu.max").write_text("150000 100000\n")  # one CPU and a half
    monkeypatch.setattr(sysinfo, "CGROUP_ROOT", str(tmp_path))
    monkeypatch.setattr(sysinfo, "PROC_SELF_CGROUP", str(group))
    monkeypatch.setattr(sysinfo, "available_cpu_count", lambda: 64)
    assert sysinfo.cpu_budget().count == 2


STOPPING = """
import os, time
from pathlib import Path
from tutorial.tasks import app

app.conf.update(worker_soft_shutdown_timeout=float(os.environ["GRACE"]), task_track_started=True)
FOLDER = Path(os.environ["FOLDER"])

def wait(name):
    with (FOLDER / "begun").open("a") as file:
        print(name, file=file)
    while not (FOLDER / name).exists():
        time.sleep(0.01)

@app.task
def early(name):
    wait(name)

@app.task(acks_late=True)
def late(name):
    wait(name)
"""


@pytest.mark.slow
@needs_fork
def test_what_a_container_that_is_stopped_leaves_behind(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SIGTERM alone waits for all tasks; as SIGQUIT it waits for some time, and puts tasks back."""
    (tmp_path / "stopping.py").write_text(STOPPING)
    for name, value in {
        "PYTHONPATH": str(tmp_path),
        "FOLDER": str(tmp_path),
        "GRACE": "5",
        "REMAP_SIGTERM": "SIGQUIT",
    }.items():
        monkeypatch.setenv(name, value)

    def begun() -> list[str]:
        file = tmp_path / "begun"
        return sorted(file.read_text().split()) if file.exists() else []

    with servers.redis() as broker:
        monkeypatch.setenv(BROKER_VARIABLE, broker.url)
        configure_again()
        sent = {
            name: app.send_task(f"stopping.{kind}", [name])
            for name, kind in {"soon": "late", "again": "late", "gone": "early"}.items()
        }
        first = Worker("stopping", concurrency=3).start()
        wait_for(lambda: len(begun()) == 3)
        assert first.pid
        os.kill(first.pid, signal.SIGTERM)
        wait_for(lambda: "Initiating Soft Shutdown" in first.logs())
        (tmp_path / "soon").touch()
        wait_for(lambda: first.returncode is not None)
        assert sent["soon"].state == "SUCCESS"
        with Worker("stopping", concurrency=3):
            wait_for(lambda: begun().count("again") == 2)
            (tmp_path / "again").touch()
            wait_for(lambda: sent["again"].state == "SUCCESS")
        assert begun() == ["again", "again", "gone", "soon"]
        assert sent["gone"].state == "RETRY"  # although no one will try it again


# A table that has no column that the worker needs


def test_a_worker_that_may_not_add_a_column_stores_nothing(tmp_path: Path) -> None:
    with empty_database("postgresql", tmp_path) as url:
        owner = make_engine(url)
        old = make_app(url.render_as_string(hide_password=False))
        store(old, "before", 5)
        role = f"worker_{uuid4().hex[:12]}"
        schema = url.query["application_name"]
        with owner.begin() as connection:
            for statement in (
                f"ALTER TABLE {TASK_TABLE} DROP COLUMN stamps",
                f"CREATE ROLE {role}",
                f"GRANT USAGE ON SCHEMA {schema} TO {role}",
                f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {schema} TO {role}",
                f"GRANT USAGE ON ALL SEQUENCES IN SCHEMA {schema} TO {role}",
            ):
                connection.exec_driver_sql(statement)
        options = f"{url.query['options']} -crole={role}"
        worker_url = url.update_query_dict({"options": options})
        try:
            worker = make_app(
                worker_url.render_as_string(hide_password=False), result_backend_max_retries=0
            )
            with pytest.raises(BackendStoreError):
                store(worker, "after", 5)
            with pytest.raises(BackendGetMetaError):
                _ = worker.AsyncResult("before").state
            with owner.begin() as connection:  # what a migration does, before the deployment
                connection.exec_driver_sql(f"ALTER TABLE {TASK_TABLE} ADD COLUMN stamps bytea")
            store(worker, "after", 5)
            assert worker.AsyncResult("after").get(timeout=PATIENCE) == 5
        finally:
            with owner.begin() as connection:
                connection.exec_driver_sql(f"DROP OWNED BY {role}")
                connection.exec_driver_sql(f"DROP ROLE {role}")
            owner.dispose()


# The rights of a worker on MariaDB


@pytest.mark.slow
def test_the_roles_of_the_chapter_in_another_zone() -> None:
    """Made a second time, beside a writer, they take nothing from it, and dates are in UTC."""
    if reason := servers.missing("postgresql", private=True):
        pytest.skip(reason)
    sources = [cell.source for cell in nbformat.read(CHAPTER, as_version=4).cells]
    preparing = next(source for source in sources if "passwords = " in source)
    granting = next(source for source in sources if "ALTER ROLE worker SET timezone" in source)
    with servers.postgresql(private=True) as server:
        names: dict[str, Any] = {"server": server, "sa": sa, "Celery": Celery}
        names["make_engine"] = make_engine
        exec(preparing, names)
        names["run"](f"ALTER DATABASE {names['owner'].url.database} SET timezone = 'Asia/Tokyo'")
        names["owner"].dispose()
        exec(granting, names)
        with writer(names["url_of"]("worker")) as stored:
            exec(granting, names)
            before = len(stored)
            wait_for(lambda: len(stored) > before)
        results = load_results(make_engine(names["url_of"]("analyst")), progress=False)
    age = pd.Timestamp.now("UTC") - results.set_index("task_id").loc[stored, "date_done"]
    assert pd.Timedelta(0) < age.min() <= age.max() < pd.Timedelta(minutes=30)


def test_the_rights_of_a_worker_on_mariadb_are_enough(tmp_path: Path) -> None:
    prose = "\n".join(cell.source for cell in nbformat.read(CHAPTER, as_version=4).cells)
    (grants,) = re.findall(r"```sql\n(.*?)```", prose, re.DOTALL)
    with database("mariadb", tmp_path) as url:
        make_app(url.render_as_string(hide_password=False)).backend.ResultSession().close()
        role = f"worker_{uuid4().hex[:12]}"
        admin = sa.create_engine(url, isolation_level="AUTOCOMMIT")
        with admin.connect() as connection:
            connection.exec_driver_sql(f"CREATE USER {role} IDENTIFIED BY 'secret'")
            try:
                for grant in grants.strip().split("\n"):
                    ours = grant.replace("shop.", f"{url.database}.").replace("worker", role)
                    connection.exec_driver_sql(ours)
                worker_url = url.set(username=role, password="secret")
                worker = make_app(worker_url.render_as_string(hide_password=False))
                store(worker, "one", 5)
                assert worker.AsyncResult("one").get(timeout=PATIENCE) == 5
                worker.GroupResult("group", [worker.AsyncResult("one")]).save()
                worker.backend.cleanup()
                engine = sa.create_engine(worker_url)
                with (
                    engine.connect() as working,
                    pytest.raises(sa.exc.OperationalError, match="command denied"),
                ):
                    working.exec_driver_sql(f"ALTER TABLE {TASK_TABLE} DROP COLUMN stamps")
                engine.dispose()
            finally:
                connection.exec_driver_sql(f"DROP USER {role}")
        admin.dispose()


# Signed messages


def test_a_signed_message_is_checked() -> None:
    from celery.security.certificate import Certificate, CertStore
    from celery.security.key import PrivateKey
    from celery.security.serialization import SecureSerializer

    kind = trustme.KeyType.RSA
    issued = trustme.CA(key_type=kind).issue_cert("shop", key_type=kind)
    certificate = Certificate(issued.cert_chain_pems[0].bytes())
    store = CertStore()
    store.add_cert(certificate)
    signer = SecureSerializer(PrivateKey(issued.private_key_pem.bytes()), certificate, store)
    for number in range(5):
        message = signer.serialize([[number], {}, {}])
        assert signer.deserialize(message) == [[number], {}, {}]
    # It names its certificate, which the receiver must have.
    assert signer._unpack(message)["signer"].decode() == certificate.get_id()
    with pytest.raises(SecurityError):
        SecureSerializer(signer._key, certificate, CertStore()).deserialize(message)
