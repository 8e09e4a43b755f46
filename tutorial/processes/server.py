"""The process that `tutorial.servers.Server` starts: it keeps one server, and then removes it.

It reads orders from its standard input, one a line, and answers each with a line of JSON. At the
end of that file, which the system makes when the parent ends, however it ends, it stops the server
and removes its files.
"""

import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path
from queue import Queue
from typing import Any
from uuid import uuid4

import sqlalchemy as sa
from celery.exceptions import ImproperlyConfigured
from kombu import Connection

from tutorial.database import usable_url
from tutorial.servers import NAMES, VARIABLES

PATIENCE = 60  # seconds in which a server must be ready
USER = "tutorial"
KILL = getattr(signal, "SIGKILL", signal.SIGTERM)  # Windows has no other

parent_is_gone = threading.Event()


class Failed(Exception):
    """An order that cannot be carried out; the message says why."""


# Private servers


class Private:
    """A server of our own, with its files in a temporary folder.

    Parameters
    ----------
    program : pathlib.Path
        The server's program.
    host : str
        The address at which it listens.
    """

    kind = ""
    scheme = ""
    database = ""
    stop_signal = signal.SIGTERM
    quick_signal = KILL
    refuses_root = True

    def __init__(self, program: Path, host: str) -> None:
        self.program = program
        self.host = host
        self.port = free_port(host)
        self.password = secrets.token_urlsafe(16)
        self.process: subprocess.Popen[bytes] | None = None
        self.folder: Path  # made at the first start
        self.is_made = False

    @property
    def url(self) -> str:
        """Return the URL of the server, with its password."""
        user = f"{USER}:{self.password}"
        return f"{self.scheme}://{user}@{self.host}:{self.port}/{self.database}"

    def make_folder(self) -> None:
        """Make the folder for all files, and say how programs run in it."""
        self.folder = Path(tempfile.mkdtemp(prefix=f"tutorial-{self.kind}-"))
        self.is_made = True
        self.data = self.folder / "data"
        self.data.mkdir()
        self.options: dict[str, Any] = {
            "cwd": self.folder,
            "stdin": subprocess.DEVNULL,
            "env": os.environ | {"TMPDIR": str(self.folder)},  # temporary files go with the folder
        }
        if self.refuses_root and hasattr(os, "geteuid") and os.geteuid() == 0:
            self.become_ordinary_user()

    def become_ordinary_user(self) -> None:
        """Have the server run as nobody: root could destroy the machine, so it refuses root."""
        import pwd  # not on Windows

        nobody = pwd.getpwnam("nobody")
        self.options |= {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
        for folder in (self.folder, self.data):
            os.chown(folder, nobody.pw_uid, nobody.pw_gid)
        try:
            self.run(self.program, "--version")
        except PermissionError:  # the environment lies in a folder that only root can enter
            self.copy_program()

    def copy_program(self) -> None:
        """Copy the installation that the program is a part of to where everybody can read."""
        package = self.program.parents[2]
        copy = self.folder / package.name
        shutil.copytree(self.program.parents[1], copy / self.program.parents[1].name)
        libraries = package.with_name(f"{package.name}.libs")  # beside the package in a wheel
        if libraries.exists():
            shutil.copytree(libraries, self.folder / libraries.name)
        self.program = self.folder / self.program.relative_to(package.parent)

    def run(self, *command: Path | str, **options: Any) -> None:
        """Run a program to its end, in the way of the server."""
        done = subprocess.run(command, capture_output=True, **self.options | options)
        if done.returncode:
            raise Failed(done.stderr.decode(errors="replace").strip())

    def prepare(self) -> None:
        """Make what the server needs before its first start."""

    def command(self) -> list[str]:
        """Return the command line of the server."""
        raise NotImplementedError

    def start(self) -> None:
        """Start the server; return when it answers."""
        if self.process and self.process.poll() is None:
            return
        if not self.is_made:
            self.make_folder()
            self.prepare()
        self.launch()
        assert self.process
        tries = 5
        deadline = time.monotonic() + PATIENCE
        while error := self.answer():
            has_ended = self.process.poll() is not None
            if has_ended and tries:
                tries -= 1
                time.sleep(0.2)  # the children of a killed server may hold its files for a moment
                self.launch()
            elif has_ended or time.monotonic() > deadline or parent_is_gone.is_set():
                lines = self.log.read_text(errors="replace").splitlines()[-10:]
                raise Failed("\n".join([f"{NAMES[self.kind]} did not start ({error}):", *lines]))
            time.sleep(0.02)

    def launch(self) -> None:
        """Start the server's process."""
        with self.log.open("ab") as file:
            self.process = subprocess.Popen(
                self.command(), stdout=file, stderr=file, **self.options
            )

    @property
    def log(self) -> Path:
        """The file of what the server prints."""
        return self.folder / "server.log"

    def answer(self) -> str | None:
        """Return None if the server answers, or what is wrong."""
        try:  # some drivers take seconds to say that nobody listens
            socket.create_connection((self.host, self.port), timeout=5).close()
        except OSError as error:
            return str(error)
        return answer_of(self.url)

    def end(self, number: int) -> None:
        """Send a signal to the server, and wait until it has gone."""
        if self.process and self.process.poll() is None:
            self.process.send_signal(number)
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def remove(self) -> None:
        """End the server, and remove its folder."""
        self.end(self.quick_signal)
        deadline = time.monotonic() + 5
        while self.is_made and self.folder.exists() and time.monotonic() < deadline:
            # Not at once: a child of the server may write its last file.
            shutil.rmtree(self.folder, ignore_errors=True)


class PostgreSQL(Private):
    """https://www.postgresql.org/docs/current/app-postgres.html."""

    kind = "postgresql"
    scheme = "postgresql+psycopg"
    database = "postgres"
    stop_signal = signal.SIGINT  # does not wait until all clients have gone
    quick_signal = getattr(signal, "SIGQUIT", KILL)  # its children end too, and free shared memory

    def __init__(self, program: Path, host: str) -> None:
        super().__init__(program.resolve(), host)  # initdb is beside it, and not beside a link

    def prepare(self) -> None:
        """Make the data folder, with one user."""
        secret = self.folder / "password"
        secret.write_text(self.password)
        secret.chmod(0o644)  # the folder itself is closed to others
        self.run(
            self.program.with_name("initdb" + self.program.suffix),
            *[f"--pgdata={self.data}", "--username", USER, f"--pwfile={secret}"],
            *["--auth=scram-sha-256", "--encoding=UTF8", "--locale=C", "--no-sync"],
        )
        secret.unlink()
        # Without this, clients on other hosts are refused; which hosts reach it, its address says.
        with (self.data / "pg_hba.conf").open("a") as rules:
            rules.write("host all all all scram-sha-256\n")

    def command(self) -> list[str]:
        """Return the command line; nothing of it is secret."""
        settings = {
            "listen_addresses": self.host,
            "port": self.port,
            "unix_socket_directories": "",
            "timezone": "UTC",  # of the times that it stores without a zone
            "dynamic_shared_memory_type": "mmap" if os.name == "posix" else "windows",
        }
        options = [f"--{name}={text}" for name, text in settings.items()]
        return [str(self.program), "-D", str(self.data), *options]


class MariaDB(Private):
    """https://mariadb.com/kb/en/mariadbd-options/."""

    kind = "mariadb"
    scheme = "mysql+pymysql"
    database = USER

    def prepare(self) -> None:
        """Make the data folder, and a file of SQL that makes the user."""
        install = shutil.which("mariadb-install-db") or "mariadb-install-db"
        self.run(install, "--no-defaults", f"--datadir={self.data}", "--skip-test-db")
        account = f"{USER}@'%'"
        (self.folder / "init.sql").write_text(
            f"CREATE DATABASE IF NOT EXISTS {self.database};\n"
            f"CREATE USER IF NOT EXISTS {account} IDENTIFIED BY '{self.password}';\n"
            f"GRANT ALL ON *.* TO {account};\n"
        )

    def command(self) -> list[str]:
        """Return the command line; nothing of it is secret."""
        options = {
            "datadir": self.data,
            "bind-address": self.host,
            "port": self.port,
            "socket": self.folder / "socket",
            "pid-file": self.folder / "pid",
            "init-file": self.folder / "init.sql",
            "default-time-zone": "+00:00",
        }
        given = [f"--{name}={text}" for name, text in options.items()]
        return [str(self.program), "--no-defaults", *given]


class Redis(Private):
    """https://redis.io/docs/latest/operate/oss_and_stack/management/config/."""

    kind = "redis"
    scheme = "redis"
    database = "0"
    refuses_root = False

    @property
    def url(self) -> str:
        """Return the URL; a password alone is that of the user "default"."""
        return f"redis://:{self.password}@{self.host}:{self.port}/{self.database}"

    def prepare(self) -> None:
        """Write the configuration."""
        settings = {
            "bind": self.host,
            "port": self.port,
            "requirepass": self.password,
            "dir": self.data,
            "appendonly": "yes",  # the queue is there again after a crash of the server
            "save": '""',
        }
        lines = [f"{name} {text}\n" for name, text in settings.items()]
        self.configuration.write_text("".join(lines))

    @property
    def configuration(self) -> Path:
        """The file that keeps the password out of the list of processes."""
        return self.folder / "redis.conf"

    def command(self) -> list[str]:
        """Return the command line; nothing of it is secret."""
        return [str(self.program), str(self.configuration)]


class Flower(Private):
    """https://flower.readthedocs.io: no database and no broker, but kept in the same way."""

    kind = "flower"
    scheme = "http"
    refuses_root = False

    def prepare(self) -> None:
        """Give it the password in a variable; without one it obeys whoever reaches the port."""
        secret = {"FLOWER_BASIC_AUTH": f"{USER}:{self.password}"}
        self.options["env"] |= secret

    def command(self) -> list[str]:
        """Return the command line; nothing of it is secret."""
        where = [f"--address={self.host}", f"--port={self.port}"]
        return [str(self.program), "-m", "celery", "-A", "tutorial.tasks", "flower", *where]


# Our part of a server that the environment names


class Shared:
    """A database or virtual host of our own in a server that others use too.

    Parameters
    ----------
    url : str
        The URL of the server, of a user who may make databases.
    """

    kind = ""
    stop_signal = signal.SIGTERM

    def __init__(self, url: str) -> None:
        self.server = url
        self.name = f"{USER}_{uuid4().hex[:12]}"
        self.url = url

    def start(self) -> None:
        """See that the server answers, and make our part of it."""
        error = answer_of(self.server)
        if error:
            address = sa.make_url(self.server)  # shown without the password
            raise Failed(f"{NAMES[self.kind]} at {address} does not answer: {error}")
        self.url = self.make()

    def make(self) -> str:
        """Make our part; return its URL."""
        raise NotImplementedError

    def end(self, number: int) -> None:
        """Refuse: others use the server."""
        raise Failed(
            f"This {NAMES[self.kind]} is shared with others, and not ours to stop: "
            "only a private server is."
        )

    def remove(self) -> None:
        """Remove our part."""
        raise NotImplementedError


class SharedDatabase(Shared):
    """A database in PostgreSQL or MariaDB."""

    after: tuple[str, ...] = ()
    drop = "DROP DATABASE IF EXISTS {}"

    def run(self, *statements: str) -> None:
        """Run statements, each in a transaction of its own."""
        engine = sa.create_engine(self.server, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            for statement in statements:
                connection.execute(sa.text(statement.format(self.name)))
        engine.dispose()

    def make(self) -> str:
        """Make the database."""
        self.run("CREATE DATABASE {}", *self.after)
        url = sa.make_url(self.server).set(database=self.name)
        return url.render_as_string(hide_password=False)

    def remove(self) -> None:
        """Drop the database."""
        with suppress(sa.exc.SQLAlchemyError):  # the server may be gone
            self.run(self.drop)


class SharedPostgreSQL(SharedDatabase):
    """A database in PostgreSQL, whose sessions keep time in UTC."""

    kind = "postgresql"
    after = ("ALTER DATABASE {} SET timezone TO 'UTC'",)
    drop = "DROP DATABASE IF EXISTS {} WITH (FORCE)"


class SharedMariaDB(SharedDatabase):
    """A database in MariaDB."""

    kind = "mariadb"


class SharedRedis(Shared):
    """One of Redis's numbered databases that is empty, which a key marks as taken."""

    kind = "redis"
    mark = "taken by the course"

    def client(self, number: int) -> Any:
        """Return a client of one of the databases."""
        import redis

        url = sa.make_url(self.server).set(database=str(number))
        return redis.Redis.from_url(url.render_as_string(hide_password=False))

    def make(self) -> str:
        """Take the last of the databases that are empty."""
        for number in range(15, 0, -1):
            client = self.client(number)
            # setnx looks and takes in one step, so that two notebooks never get the same.
            if client.dbsize() == 0 and client.setnx(self.mark, self.name):
                self.number = number
                url = sa.make_url(self.server).set(database=str(number))
                return url.render_as_string(hide_password=False)
        raise Failed("All numbered databases of this Redis are in use: empty one with FLUSHDB.")

    def remove(self) -> None:
        """Empty the database, and so give it back."""
        with suppress(Exception):  # the server may be gone
            self.client(self.number).flushdb()


class SharedRabbitMQ(Shared):
    """A virtual host, where rabbitmqctl may make one, or else the one that the URL names."""

    kind = "rabbitmq"
    is_ours = False

    def control(self, *arguments: str) -> bool:
        """Run rabbitmqctl; tell whether it did what it was asked to."""
        program = shutil.which("rabbitmqctl")
        if not program:
            return False
        command = [program, "--quiet", *arguments]
        return (
            subprocess.run(command, capture_output=True, stdin=subprocess.DEVNULL).returncode == 0
        )

    def make(self) -> str:
        """Make the virtual host, and let the user of the URL use it."""
        url = sa.make_url(self.server)
        is_here = url.host in ("localhost", "127.0.0.1", "::1")  # rabbitmqctl asks this machine
        self.is_ours = is_here and self.control("add_vhost", self.name)
        if not self.is_ours:
            return self.server
        rights = [".*", ".*", ".*"]
        self.control("set_permissions", "--vhost", self.name, url.username or "guest", *rights)
        return url.set(database=self.name).render_as_string(hide_password=False)

    def remove(self) -> None:
        """Delete the virtual host with its queues."""
        if self.is_ours:
            self.control("delete_vhost", self.name)


PRIVATE = {each.kind: each for each in (PostgreSQL, MariaDB, Redis, Flower)}
SHARED = {
    each.kind: each for each in (SharedPostgreSQL, SharedMariaDB, SharedRedis, SharedRabbitMQ)
}


# The process


def main(kind: str, program: str, host: str) -> None:
    """Keep a server until the parent is gone.

    Parameters
    ----------
    kind : str
        A key of `tutorial.servers.VARIABLES`.
    program : str
        The program of a private server; empty for the one that the environment names.
    host : str
        The address at which a private server listens.
    """
    orders: Queue[str] = Queue()
    threading.Thread(target=listen_to_parent, args=[orders], daemon=True).start()
    kept: Private | Shared
    kept = (
        PRIVATE[kind](Path(program), host) if program else SHARED[kind](os.environ[VARIABLES[kind]])
    )
    try:
        while order := orders.get():
            try:
                carry_out(order, kept)
                reply("done", kept.url)
            except Exception as error:  # each driver has its own
                reply("error", str(error) or repr(error))
    finally:
        kept.remove()


def listen_to_parent(orders: "Queue[str]") -> None:
    """Pass the orders on; an empty one, at the end of file, says that the parent is gone."""
    for line in sys.stdin:
        orders.put(line.strip())
    parent_is_gone.set()
    orders.put("")


def carry_out(order: str, kept: "Private | Shared") -> None:
    """Start, stop or kill what is kept."""
    if order == "start":
        kept.start()
    else:
        kept.end(KILL if order == "kill" else kept.stop_signal)


def reply(kind: str, text: str) -> None:
    """Answer an order."""
    with suppress(BrokenPipeError):  # nobody waits for it any more
        print(json.dumps([kind, text]), flush=True)


def free_port(host: str) -> int:
    """Return the number of a port that nothing uses at the moment."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.bind((host, 0))
        port: int = probe.getsockname()[1]
        return port


def answer_of(url: str) -> str | None:
    """Connect to a server once; return None, or the first line of what is wrong."""
    try:
        if url.startswith("http"):
            return None  # that somebody listens is enough
        if url.startswith(("amqp", "redis")):
            with Connection(url, connect_timeout=5) as connection:
                connection.connect()
        else:
            engine = sa.create_engine(usable_url(url), connect_args={"connect_timeout": 5})
            engine.connect().close()
            engine.dispose()
    except ImproperlyConfigured:
        raise
    except Exception as error:  # each driver has its own
        return str(getattr(error, "orig", error)).strip().partition("\n")[0] or repr(error)
    return None


if __name__ == "__main__":
    main(*sys.argv[1:])
