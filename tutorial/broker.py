"""The embedded broker: kombu's SQLAlchemy transport on an SQLite file, made quick and fork-safe."""

import os
from functools import cached_property
from queue import Empty
from typing import Any

import sqlalchemy as sa
from celery.exceptions import ImproperlyConfigured
from kombu.transport import TRANSPORT_ALIASES, sqlalchemy

from tutorial.database import configure_engine, make_engine, sqlite_url
from tutorial.workspace import home

BROKER_VARIABLE = "CELERY_BROKER_URL"
QUEUE_FILE = "queue.db"


class Channel(sqlalchemy.Channel):
    """A channel whose engine is safe under prefork, and which looks before it locks."""

    def _engine_from_config(self) -> sa.Engine:
        return configure_engine(super()._engine_from_config())

    def _get(self, queue: str) -> dict[str, Any]:
        # To take a message kombu locks the file, which is too dear to do two hundred times a second.
        engine, _session_class = self._open()
        with engine.connect() as connection:
            if not connection.scalar(self._is_waiting, {"queue": queue}):
                raise Empty
        return super()._get(queue)

    @cached_property
    def _is_waiting(self) -> sa.Select[Any]:
        queues, messages = self.queue_cls.__table__, self.message_cls.__table__
        return (
            sa.select(sa.true())
            .select_from(messages.join(queues))
            .where(queues.c.name == sa.bindparam("queue"), messages.c.visible)
            .limit(1)
        )


class Transport(sqlalchemy.Transport):
    """Kombu's transport, which looks for a message two hundred times a second, not once."""

    Channel = Channel
    polling_interval = 0.005  # seconds; kombu's own value is 1.0
    longest_wait = 0.1  # seconds; a worker that waits longer is as much later to stop

    def drain_events(self, connection: Any, timeout: float | None = None) -> None:
        """Wait for one message, but never so long that a worker misses the order to stop.

        Parameters
        ----------
        connection : kombu.Connection
        timeout : float, optional
            Seconds to wait at most; Celery's worker asks for 2.

        Raises
        ------
        TimeoutError
            If no message came. The worker then looks whether it shall stop, and asks again.
        """
        if timeout is not None:
            timeout = min(timeout, self.longest_wait)
        super().drain_events(connection, timeout=timeout)


# Kombu finds a transport by the URL's scheme in this table. The alias "sqlalchemy" keeps the
# transport as kombu ships it, for comparison.
TRANSPORT_ALIASES["sqla"] = f"{__name__}:Transport"


def broker_url() -> str:
    """Return the URL of the broker.

    Returns
    -------
    str
        The environment variable ``CELERY_BROKER_URL``, or else the URL of the file ``queue.db`` in
        the workspace.

    Raises
    ------
    celery.exceptions.ImproperlyConfigured
        If the URL has no scheme, or one that kombu does not know. Left alone, kombu takes a word
        without a scheme for the name of an AMQP host.
    """
    url = os.environ.get(BROKER_VARIABLE) or f"sqla+{sqlite_url(home() / QUEUE_FILE)}"
    scheme, colon, _rest = url.partition("://")
    if not colon:
        raise ImproperlyConfigured(
            f"{BROKER_VARIABLE} is not a URL: it needs a scheme, as in amqp://user@host// or redis://host."
        )
    if scheme.partition("+")[0] not in TRANSPORT_ALIASES:
        raise ImproperlyConfigured(
            f"{BROKER_VARIABLE} has the scheme {scheme!r}, which kombu does not know: "
            "use amqp, redis or sqla+sqlite."
        )
    return url


def queue_engine() -> sa.Engine:
    """Make an engine for questions to the queue, which is a database too.

    Returns
    -------
    sqlalchemy.Engine

    Raises
    ------
    celery.exceptions.ImproperlyConfigured
        If the broker is not a SQL database.
    """
    scheme, _plus, url = broker_url().partition("+")
    if scheme not in ("sqla", "sqlalchemy"):
        raise ImproperlyConfigured(
            f"{BROKER_VARIABLE} names a broker that is no SQL database: only the embedded queue "
            "can be read as a table."
        )
    return make_engine(url)
