"""Real servers for a notebook: those that the environment names, or private ones that it starts.

Databases for results, PostgreSQL and MariaDB, and brokers for the queue, RabbitMQ and Redis.
"""

import json
import os
from pathlib import Path
from types import TracebackType
from typing import Self

import sqlalchemy as sa
from celery.exceptions import ImproperlyConfigured

from tutorial.broker import check_broker_url
from tutorial.checks.arguments import one_of, path, shown, text, truth
from tutorial.processes.child import Child
from tutorial.processes.kinds import NAMES, SCHEMES, VARIABLES, find_program, missing
from tutorial.urls import scheme, usable_url


class ServerMissing(RuntimeError):
    """There is no such server on this machine; the message says what to install."""


class ServerError(RuntimeError):
    """A server that is there did not start or does not answer; the message says why."""


class Server:
    """A database server or a broker, or our part of a shared one, which ends with this process.

    A second process, `tutorial.processes.server`, starts the server, and removes it and its files
    as soon as this process or this object is gone.

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
    ServerMissing
        If there is no `program`, and the environment names no server either.
    TypeError, ValueError
        If an argument is none of these.
    """

    def __init__(
        self, kind: str, program: Path | str | None = None, host: str = "127.0.0.1"
    ) -> None:
        self.kind = one_of("kind", kind, NAMES)
        self.is_private = program is not None
        if program is not None:
            program = path("program", program)
        elif self.kind not in VARIABLES:
            raise ServerMissing(f"{NAMES[self.kind]} needs its program.")
        elif not os.environ.get(VARIABLES[self.kind]):
            raise ServerMissing(f"{VARIABLES[self.kind]} names no server.")
        else:
            _check_url(self.kind)
        if not isinstance(host, str) or not text("host", host).strip():
            raise TypeError(f"host must be an address of this machine, but is {shown(host)}.")
        self._unanswered = 0  # orders
        self._child = Child("tutorial.processes.server", self.kind, str(program or ""), host)
        try:
            self.url: str = self._order("start")
        except BaseException:  # also KeyboardInterrupt: nothing half started must stay
            self.close()
            raise

    def _order(self, word: str) -> str:
        self._child.write(word)
        self._unanswered += 1
        answer: str | None = ""
        while self._unanswered:  # more than one after an *Interrupt*: the last answer counts
            answer = self._child.read()
            if not answer:
                raise ServerError(f"{NAMES[self.kind]} is closed: make a new one.")
            self._unanswered -= 1
        kind, text = json.loads(answer or "")
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
            As when it was made; or if the server is not private.
        """
        self._order("start")
        return self

    def stop(self) -> None:
        """Shut a private server down cleanly; its data is there again after `start`."""
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
        """Remove it for good: a private server with all its files, or our part of a shared one."""
        self._child.close()

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
        Whether to start a server even if the environment names one, so that you can stop it.
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
    """Start Flower, a monitor in the browser, for the broker that the environment names now.

    Returns
    -------
    Server
        Open its `url` in a browser; it holds the password that Flower asks for.

    Raises
    ------
    ServerMissing, ServerError
        As `postgresql` does.
    """
    return _server("flower", True, "127.0.0.1")


def _server(kind: str, private: bool, host: str) -> Server:
    reason = missing(kind, private=truth("private", private))
    if reason:
        raise ServerMissing(reason)
    if not private and os.environ.get(VARIABLES[kind]):
        return Server(kind)
    return Server(kind, find_program(kind), host)


def _check_url(kind: str) -> None:
    """Refuse a URL in the environment that cannot be that of such a server."""
    variable = VARIABLES[kind]
    url = os.environ[variable]
    try:
        if kind in ("redis", "rabbitmq"):
            check_broker_url(variable, url)
        else:
            usable_url(url)
    except ImproperlyConfigured as error:
        sentence = str(error)
        raise ServerError(
            sentence if sentence.startswith(variable) else f"{variable}: {sentence}"
        ) from None
    if url.partition(":")[0].partition("+")[0] not in SCHEMES[kind]:
        raise ServerError(
            f"{variable} has {scheme(url)}, which is not one of {NAMES[kind]}'s: write "
            f"{SCHEMES[kind][0]}://user:password@host."
        )
