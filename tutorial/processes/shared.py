"""Our part of a server that the environment names, and that others use too."""

import shutil
import signal
import subprocess
from contextlib import suppress
from typing import Any
from uuid import uuid4

import sqlalchemy as sa

from tutorial.processes.answer import answer_of, within_limit
from tutorial.processes.kinds import NAMES


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
        self.name = f"tutorial_{uuid4().hex[:12]}"
        self.url = url
        self.is_begun = self.is_made = False

    def start(self) -> None:
        """Check that the server answers, and make our part of it, once."""
        error = answer_of(self.server)
        if error:
            address = sa.make_url(self.server)  # shown without the password
            raise RuntimeError(f"{NAMES[self.kind]} at {address} does not answer: {error}")
        if not self.is_made:
            self.is_begun = True
            self.url = self.make()
            self.is_made = True

    def make(self) -> str:
        """Make our part; return its URL."""
        raise NotImplementedError

    def end(self, number: int) -> None:
        """Refuse: others use the server."""
        raise RuntimeError(
            f"This {NAMES[self.kind]} may have other users, so the course does not stop it: "
            "only a private server can be stopped."
        )

    def remove(self) -> None:
        """Remove our part, unless the server is gone too."""
        if self.is_begun:
            with suppress(Exception):  # each driver has its own
                within_limit(self.unmake)

    def unmake(self) -> None:
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

    def unmake(self) -> None:
        """Drop the database."""
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
        raise RuntimeError(
            "All numbered databases of this Redis are in use: empty one with FLUSHDB."
        )

    def unmake(self) -> None:
        """Empty the database, and so give it back."""
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

    def unmake(self) -> None:
        """Delete the virtual host with its queues."""
        if self.is_ours:
            self.control("delete_vhost", self.name)


SHARED = {
    each.kind: each for each in (SharedPostgreSQL, SharedMariaDB, SharedRedis, SharedRabbitMQ)
}
