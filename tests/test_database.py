import os
import socket
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from celery.exceptions import ImproperlyConfigured
from databases import server_url
from processes import PATIENCE, needs_fork, python

from tutorial import database
from tutorial.database import (
    BUSY_TIMEOUT,
    CONNECT_TIMEOUT,
    _set_options,
    _set_pragmas,
    check_exists,
    configure_engine,
    database_url,
    explain,
    make_engine,
    sqlite_url,
)
from tutorial.servers import VARIABLES
from tutorial.urls import usable_url
from tutorial.workspace import COURSE

# Characters that mean something in a URL, in Python's or in Celery's formatting
ODD_NAMES = ["a b", "50%", "50%25", "a#b", "q?x=1", "ümläut", "a+b", "a@b:c", "a;b&c", "it's"]
if os.name == "nt":
    ODD_NAMES = [name for name in ODD_NAMES if not set(name) & set("?:")]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TUTORIAL_HOME", str(tmp_path))
    monkeypatch.delenv("CELERY_RESULT_BACKEND", raising=False)
    return tmp_path


def test_the_default_is_a_file_in_the_workspace(folder: Path) -> None:
    url = database_url()
    assert url.drivername == "sqlite"
    assert url.database == str(folder / "results.db")


def test_the_environment_replaces_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CELERY_RESULT_BACKEND", "db+postgresql+psycopg://u:secret@host/name")
    assert database_url().render_as_string() == "postgresql+psycopg://u:***@host/name"
    assert "secret" not in repr(make_engine())


@pytest.mark.parametrize("name", ODD_NAMES)
def test_the_url_survives_being_written(folder: Path, name: str) -> None:
    path = folder / name / "x.db"
    path.parent.mkdir()
    url = sa.make_url(sqlite_url(path).render_as_string(hide_password=False))
    with make_engine(url).begin() as connection:
        connection.execute(sa.text("CREATE TABLE here (x INTEGER)"))
    with sqlite3.connect(path) as direct:
        assert direct.execute("SELECT count(*) FROM here").fetchone() == (0,)
    direct.close()


def test_a_relative_path_is_made_absolute(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    assert sqlite_url(Path("x.db")).database == str(folder / "x.db")


def test_an_engine_has_the_settings_on_each_connection() -> None:
    engine = make_engine()
    for _ in range(2):
        with engine.connect() as connection:
            pragmas = ["journal_mode", "synchronous", "busy_timeout"]
            found = [connection.scalar(sa.text(f"PRAGMA {name}")) for name in pragmas]
        assert found == ["wal", 1, BUSY_TIMEOUT * 1000]
        engine.dispose()


def test_options_reach_the_engine() -> None:
    assert make_engine(echo=True).echo is True


def test_the_users_own_timeout_wins(folder: Path) -> None:
    url = sqlite_url(folder / "x.db")
    ways = [make_engine(url, connect_args={"timeout": 5}), make_engine(f"{url}?timeout=5")]
    for engine in [*ways, configure_engine(sa.create_engine(url, connect_args={"timeout": 5}))]:
        with engine.connect() as connection:
            assert connection.scalar(sa.text("PRAGMA busy_timeout")) == 5000


@pytest.mark.parametrize("mode", ["delete", "truncate", "persist"])
def test_a_file_keeps_the_journal_mode_that_it_has(folder: Path, mode: str) -> None:
    file = folder / "others.db"
    with closing(sqlite3.connect(file)) as connection:
        connection.execute(f"PRAGMA journal_mode = {mode}")
        connection.execute("CREATE TABLE t (x)")
    before = {path: path.read_bytes() for path in folder.glob("others.db*")}
    with make_engine(sqlite_url(file)).connect() as connection:
        assert connection.execute(sa.text("SELECT count(*) FROM t")).scalar() == 0
        # Without WAL, NORMAL could damage the file when the power fails.
        assert connection.scalar(sa.text("PRAGMA synchronous")) == 2
    assert {path: path.read_bytes() for path in folder.glob("others.db*")} == before


def test_wal_is_stored_in_the_file(folder: Path) -> None:
    make_engine(sqlite_url(folder / "x.db")).connect().close()
    with closing(sqlite3.connect(folder / "x.db")) as plain:
        assert plain.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_a_reader_can_ask_whether_the_file_exists(folder: Path) -> None:
    engine = make_engine(sqlite_url(folder / "slip.db"))
    with pytest.raises(FileNotFoundError, match=r"There is no file .*slip\.db: check the path"):
        check_exists(engine)
    assert not (folder / "slip.db").exists()
    engine.connect().close()
    check_exists(engine)
    check_exists(make_engine("sqlite://"))


def test_a_write_after_a_read_fails_at_once_if_somebody_else_has_written(folder: Path) -> None:
    """A busy timeout does not help: the snapshot that was read is no longer the newest."""
    engine = make_engine(sqlite_url(folder / "x.db"))
    with engine.begin() as connection:
        connection.execute(sa.text("CREATE TABLE t (x INTEGER)"))
    insert = sa.text("INSERT INTO t VALUES (1)")
    with engine.connect() as connection:
        connection.exec_driver_sql("BEGIN")
        connection.execute(sa.text("SELECT count(*) FROM t"))
        with engine.begin() as other:
            other.execute(insert)
        with pytest.raises(sa.exc.OperationalError) as raised:
            connection.execute(insert)
    # SQLite does not call the busy handler for it: waiting could not end the conflict.
    assert getattr(raised.value.orig, "sqlite_errorname", "") == "SQLITE_BUSY_SNAPSHOT"
    with engine.connect() as connection:
        connection.exec_driver_sql("BEGIN IMMEDIATE")  # the way out: say at once that you write
        connection.execute(sa.text("SELECT count(*) FROM t"))
        connection.execute(insert)
        connection.commit()


@pytest.mark.parametrize("scheme", ["postgresql+psycopg", "mysql+pymysql"])
def test_a_server_that_never_answers_is_given_up(
    scheme: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    first_answer = 1.5
    short = {"psycopg": {"connect_timeout": 2}, "pymysql": {"read_timeout": first_answer}}
    monkeypatch.setattr(database, "CONNECT_OPTIONS", short)
    with socket.create_server(("127.0.0.1", 0)) as silent:  # the system accepts, nobody answers
        port = silent.getsockname()[1]
        engine = make_engine(f"{scheme}://u:secret@127.0.0.1:{port}/x")
        with pytest.raises(sa.exc.OperationalError) as raised:
            engine.connect()
    assert f"127.0.0.1:{port}" in explain(raised.value)
    assert "secret" not in explain(raised.value)


def test_a_server_has_a_limit_for_its_answer_and_none_for_queries() -> None:
    url = server_url(VARIABLES["mariadb"])
    with make_engine(url).connect() as connection:
        assert connection.connection.dbapi_connection is not None
        assert connection.connection.dbapi_connection._read_timeout is None
    with make_engine(url, connect_args={"read_timeout": 7}).connect() as connection:
        assert connection.connection.dbapi_connection is not None
        assert connection.connection.dbapi_connection._read_timeout == 7


def test_every_server_has_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PGCONNECT_TIMEOUT", raising=False)
    given: dict[str, Any] = {}
    _set_options(make_engine("postgresql+psycopg://h/x").dialect, None, [], given)
    assert given == {"connect_timeout": CONNECT_TIMEOUT}
    monkeypatch.setenv("PGCONNECT_TIMEOUT", "3")  # the user's own
    given = {}
    _set_options(make_engine("postgresql+psycopg://h/x").dialect, None, [], given)
    assert given == {}


def test_another_database_gets_no_pragmas() -> None:
    engine = configure_engine(sa.create_engine("postgresql+psycopg://u@host/x"))
    assert not sa.event.contains(engine, "connect", _set_pragmas)
    assert sa.event.contains(make_engine(), "connect", _set_pragmas)


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("nosuch://u:secret@host/x", "knows no database with the scheme 'nosuch': use sqlite,"),
        ("mysql+nosuch://u:secret@host/x", "knows no database with the scheme 'mysql"),
        ("mysql+mysqldb://u:secret@h/x", "driver 'MySQLdb' for 'mysql.mysqldb' is not installed"),
        ("rubbish", "cannot be read: its form is dialect.driver://user:password@host"),
        ("postgresql://u:secret@host:secret/x", "cannot be read: its form is"),
    ],
)
def test_a_bad_url_is_one_sentence(
    url: str, sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CELERY_RESULT_BACKEND", f"db+{url}")
    for attempt in (database_url, make_engine, lambda: make_engine(url), lambda: usable_url(url)):
        with pytest.raises(ImproperlyConfigured, match=sentence) as raised:
            attempt()
        assert "sec" not in str(raised.value)
        assert "\n" not in str(raised.value)


@pytest.mark.parametrize("backend", ["redis://:secret@host", "rpc://", "sqlite:///x.db", "x"])
def test_a_backend_without_sql_is_one_sentence(
    backend: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CELERY_RESULT_BACKEND", backend)
    with pytest.raises(ImproperlyConfigured, match=r"not a SQL database: write db\+") as raised:
        database_url()
    assert "secret" not in str(raised.value)


@needs_fork
def test_a_forked_child_has_connections_of_its_own(folder: Path) -> None:
    code = """
import os
import sqlalchemy as sa
from tutorial.database import make_engine
engine = make_engine()
with engine.begin() as connection:
    connection.execute(sa.text("CREATE TABLE counts (x INTEGER)"))
children = []
for number in range(4):
    child = os.fork()
    if child == 0:
        assert engine.pool.checkedin() == 0  # it has inherited none
        for _ in range(50):
            with engine.begin() as connection:
                connection.execute(sa.text("INSERT INTO counts VALUES (1)"))
        os._exit(0)
    children.append(child)
for _ in range(50):
    with engine.begin() as connection:
        connection.execute(sa.text("INSERT INTO counts VALUES (1)"))
codes = [os.waitpid(child, 0)[1] for child in children]
with engine.connect() as connection:
    print(codes, connection.scalar(sa.text("SELECT count(*) FROM counts")))"""
    done = python(code, folder)
    assert done.stdout == "[0, 0, 0, 0] 250\n", done.stderr
    assert "locked" not in done.stderr


@pytest.mark.skipif(os.name != "posix", reason="Windows deletes no file that is open")
def test_a_pooled_connection_is_not_used_when_its_file_is_gone(tmp_path: Path) -> None:
    path = tmp_path / "some.db"
    engine = make_engine(sqlite_url(path))
    with engine.begin() as connection:
        connection.execute(sa.text("CREATE TABLE kept (id INTEGER)"))
    for file in tmp_path.iterdir():
        file.unlink()
    with engine.begin() as connection:
        assert sa.inspect(connection).get_table_names() == []
        connection.execute(sa.text("CREATE TABLE other (id INTEGER)"))
    other = make_engine(sqlite_url(path))
    assert sa.inspect(other).get_table_names() == ["other"]


def test_an_engine_that_has_connected_can_be_configured(tmp_path: Path) -> None:
    engine = sa.create_engine(sqlite_url(tmp_path / "some.db"))
    engine.connect().close()
    assert configure_engine(engine).connect().scalar(sa.text("SELECT 5")) == 5


def test_the_way_out_of_an_error_is_named(tmp_path: Path) -> None:
    (tmp_path / "text.db").write_text("This is not a database. " * 50)
    with pytest.raises(sa.exc.DatabaseError) as raised:
        make_engine(sqlite_url(tmp_path / "text.db")).connect()
    assert explain(raised.value).startswith("file is not a database (the file is damaged: move it")
    with pytest.raises(sa.exc.OperationalError) as raised:
        make_engine(sqlite_url(tmp_path / "no" / "such.db")).connect()
    assert explain(raised.value) == "unable to open database file"
    assert explain(ValueError("one line\nand another")) == "one line"


FORKING = """
import os, signal, sys, threading
import sqlalchemy as sa
from tutorial.database import make_engine

url, limit = sys.argv[1], int(sys.argv[2])

def ask(engine):
    with engine.connect() as connection:
        assert connection.scalar(sa.text("SELECT 1"))

def look():
    engine = make_engine(url, poolclass=sa.NullPool)
    while True:
        ask(engine)

ask(make_engine(url))  # imports what it needs
for _ in range(2):
    threading.Thread(target=look, daemon=True).start()
for _ in range(60):
    child = os.fork()
    if not child:
        signal.alarm(limit)
        ask(make_engine(url))
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
print("all have ended", flush=True)
os._exit(0)
"""


@needs_fork
def test_a_child_uses_sqlite_though_threads_of_its_parent_do(tmp_path: Path) -> None:
    """Without the wait in `tutorial.forks`, one child in ten hung in a lock of SQLite."""
    arguments = [f"sqlite:///{tmp_path}/x.db", str(PATIENCE)]
    done = subprocess.run(
        [sys.executable, "-c", FORKING, *arguments], capture_output=True, text=True, cwd=COURSE
    )
    assert done.stdout == "all have ended\n", done.stderr
