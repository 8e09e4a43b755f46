"""What chapter 10 says of a pooler, with a real PgBouncer where there is one."""

import os
import re
import shutil
import socket
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from celery import Celery
from celery.backends.database.models import TaskExtended
from databases import server_url
from processes import wait_for

from tutorial.backend import engine_backend
from tutorial.database import make_engine
from tutorial.processes.private import free_port
from tutorial.results import load_results
from tutorial.servers import VARIABLES

THREADS, EACH = 6, 50
SETTINGS = """\
[databases]
* = host={host} port={port} user={user} {password}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {listen}
auth_type = any
pool_mode = transaction
default_pool_size = 2
unix_socket_dir =
"""


@pytest.fixture(scope="module")
def pooled() -> Iterator[sa.URL]:
    """Yield the URL of an empty database behind a PgBouncer in transaction mode."""
    server = server_url(VARIABLES["postgresql"])
    program = shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin")
    if not program:
        pytest.skip("there is no pgbouncer on this machine")
    name = f"pooled_{uuid.uuid4().hex[:12]}"
    administration = sa.create_engine(server, isolation_level="AUTOCOMMIT")
    with administration.connect() as connection, tempfile.TemporaryDirectory() as folder:
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
        url = server.set(database=name, host="127.0.0.1", port=free_port())
        settings = Path(folder, "pgbouncer.ini")
        password = f"password={server.password}" if server.password else ""
        settings.write_text(
            SETTINGS.format(
                host=server.host,
                port=server.port or 5432,
                user=server.username,
                password=password,
                listen=url.port,
            )
        )
        Path(folder).chmod(0o755)  # as root it works as another user
        user = ["-u", "nobody"] if os.geteuid() == 0 else []
        process = subprocess.Popen([program, "-q", *user, settings], stderr=subprocess.DEVNULL)
        try:
            wait_for(lambda: process.poll() is not None or answers(url))
            yield url
        finally:
            process.terminate()
            process.wait()
            connection.exec_driver_sql(f"DROP DATABASE {name} WITH (FORCE)")
    administration.dispose()


def answers(url: sa.URL) -> bool:
    try:
        socket.create_connection((url.host, url.port), timeout=1).close()
    except OSError:
        return False
    return True


def store_many(url: sa.URL, **connect_args: Any) -> list[str]:
    """Store results in several threads, without a second try; return the errors."""
    engine = make_engine(url, pool_size=THREADS, connect_args=connect_args)
    app = Celery("pooled", backend=engine_backend(engine), set_as_current=False)
    app.conf.update(result_backend_always_retry=False, result_extended=True)
    app.backend.store_result("first", 1, "SUCCESS")

    def store(thread: int) -> list[str]:
        errors = []
        for number in range(EACH):
            try:
                app.backend.store_result(f"{thread} {number}", number, "SUCCESS")
            except Exception as error:
                errors.append(str(error))
        return errors

    with ThreadPoolExecutor(THREADS) as threads:
        errors = [error for found in threads.map(store, range(THREADS)) for error in found]
    engine.dispose()
    return errors


def test_results_are_stored_through_pgbouncer(pooled: sa.URL) -> None:
    assert store_many(pooled, prepare_threshold=None) == []
    engine = make_engine(pooled, connect_args={"prepare_threshold": None})
    assert len(load_results(engine)) == THREADS * EACH + 1
    with engine.begin() as connection:
        connection.execute(sa.delete(TaskExtended.__table__))
    engine.dispose()


def test_prepared_statements_do_not_pass_an_old_pgbouncer(pooled: sa.URL) -> None:
    program = shutil.which("pgbouncer") or "/usr/sbin/pgbouncer"
    text = subprocess.run([program, "--version"], capture_output=True, text=True).stdout
    version = tuple(map(int, re.findall(r"\d+", text)[:2]))
    if version >= (1, 21):
        pytest.skip("since version 1.21 PgBouncer knows prepared statements")
    errors = store_many(pooled)
    assert errors
    assert any("prepared statement" in error for error in errors), errors[:3]
