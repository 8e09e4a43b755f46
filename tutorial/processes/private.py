"""Private servers: each with its files in a temporary folder, which goes with it."""

import errno
import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from tutorial.processes.answer import answer_of
from tutorial.processes.kinds import NAMES

START_LIMIT = 60  # seconds in which a server must be ready
USER = "tutorial"
KILL = getattr(signal, "SIGKILL", signal.SIGTERM)  # Windows has no other


class Private:
    """A server of our own, with its files in a temporary folder.

    Parameters
    ----------
    program : pathlib.Path
        The server's program.
    host : str
        The address at which it listens.
    nobody_waits : threading.Event
        Is set when the parent is gone: the server then need not be ready any more.
    """

    kind = ""
    scheme = ""
    database = ""
    stop_signal = signal.SIGTERM
    quick_signal = KILL
    refuses_root = True

    def __init__(self, program: Path, host: str, nobody_waits: threading.Event) -> None:
        self.program = program
        self.host = host
        self.nobody_waits = nobody_waits
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
            raise RuntimeError(done.stderr.decode(errors="replace").strip())

    def prepare(self) -> None:
        """Make what the server needs before its first start."""

    def command(self) -> list[str]:
        """Return the command line of the server."""
        raise NotImplementedError

    def start(self) -> None:
        """Start the server; return when it answers."""
        if self.process and self.process.poll() is None:
            return
        is_first = not self.is_made
        if is_first:
            self.make_folder()
            self.prepare()
        self.launch()
        assert self.process
        tries = 5
        deadline = time.monotonic() + START_LIMIT
        while error := self.answer():
            has_ended = self.process.poll() is not None
            if has_ended and tries:
                tries -= 1
                if is_first:  # another program may have taken the port, and nobody knows it yet
                    self.port = free_port(self.host)
                time.sleep(0.2)  # the children of a killed server may hold its files for a moment
                self.launch()
            elif has_ended or time.monotonic() > deadline or self.nobody_waits.is_set():
                lines = self.log.read_text(errors="replace").splitlines()[-10:]
                raise RuntimeError(
                    "\n".join([f"{NAMES[self.kind]} did not start ({error}):", *lines])
                )
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

    def __init__(self, program: Path, host: str, nobody_waits: threading.Event) -> None:
        # initdb is beside the program itself, and not beside a link to it.
        super().__init__(program.resolve(), host, nobody_waits)

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
            f"GRANT ALL ON *.* TO {account} WITH GRANT OPTION;\n"
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
        return [str(self.program), str(self.configuration), "--port", str(self.port)]


class Flower(Private):
    """https://flower.readthedocs.io: no database and no broker, but kept in the same way."""

    kind = "flower"
    scheme = "http"
    refuses_root = False

    def prepare(self) -> None:
        """Give it the password in a variable; without one, anyone can read its pages."""
        secret = {"FLOWER_BASIC_AUTH": f"{USER}:{self.password}"}
        self.options["env"] |= secret

    def command(self) -> list[str]:
        """Return the command line; nothing of it is secret."""
        where = [f"--address={self.host}", f"--port={self.port}"]
        return [str(self.program), "-m", "celery", "-A", "tutorial.tasks", "flower", *where]


def free_port(host: str = "127.0.0.1") -> int:
    """Return the number of a port that nothing is using at the moment.

    It is not one of those that systems give to every program that asks for any port (on Linux,
    32768 and above): those may be taken a moment later.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    tries = 100
    while True:
        port = 20_000 + secrets.randbelow(12_000)
        tries -= 1
        try:
            with socket.socket(family) as probe:
                probe.bind((host, port))
            return port
        except OSError as error:
            if not tries or error.errno not in (errno.EADDRINUSE, errno.EACCES):
                raise  # no port may be used, or the address is not ours


PRIVATE = {each.kind: each for each in (PostgreSQL, MariaDB, Redis, Flower)}
