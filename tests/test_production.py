"""What chapter 15 says of certificates, of daemons and of the unit file, on real programs."""

import re
import shutil
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from threading import Thread
from typing import Any

import nbformat
import psutil
import pytest
import sqlalchemy as sa
import trustme
from kombu import Connection
from processes import PATIENCE, environment, needs_fork, processes, python, survivors, wait_for

from tutorial import servers
from tutorial.database import make_engine
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
    assert refused(sslmode="verify-full", sslrootcert=ca_file) == is_impostor
    assert refused(sslmode="verify-full", sslrootcert=str(stranger))


def words(name: str, authority: trustme.CA, url: str, **tls: Any) -> bytes:
    """Return the first words of a client to a server with a certificate for some name."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    # Kombu has 127.0.0.1 in place of localhost.
    names = [name] if name == OTHER_HOST else [name, "127.0.0.1"]
    authority.issue_cert(*names).configure_cert(context)
    heard = []

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
    url, tls = {
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
    }[how]
    assert words("localhost", authority, url, **tls)
    heard = words(OTHER_HOST, authority, url, **tls)
    assert bool(heard) == talks_to_an_impostor
    assert (b"secret" in heard) == (how == "rediss")


# Daemons

SEND = """
from tutorial.tasks import add
print(sum(add.delay(n, n).get(timeout=300, interval=0.002) for n in range(20)))
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
    prose = "\n".join(cell.source for cell in nbformat.read(CHAPTER, as_version=4).cells)
    blocks = re.findall(r"```ini\n(.*?)```", prose, re.DOTALL)
    assert len(blocks) == 1
    celery = programs / "celery"  # the shop has none on this machine
    unit = tmp_path / "worker.service"
    unit.write_text(blocks[0].replace("/srv/shop/.venv/bin/celery", str(celery)))
    done = subprocess.run(["systemd-analyze", "verify", unit], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


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
        assert signer.deserialize(signer.serialize([[number], {}, {}])) == [[number], {}, {}]
