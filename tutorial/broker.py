"""The embedded broker: kombu's SQLAlchemy transport on an SQLite file, made quick and fork-safe."""

import os
from functools import cached_property
from queue import Empty
from typing import Any

import sqlalchemy as sa
from celery.exceptions import ImproperlyConfigured
from celery.signals import worker_init
from kombu.transport import TRANSPORT_ALIASES, sqlalchemy
from kombu.transport.sqlalchemy.models import Message
from kombu.utils.url import parse_url

from tutorial.database import configure_engine, make_engine, sqlite_url
from tutorial.deliveries import deliveries, name_here
from tutorial.urls import check_text, scheme, shared_url
from tutorial.workspace import QUEUE_FILE, home

BROKER_VARIABLE = "CELERY_BROKER_URL"
SQL_TRANSPORTS = ("sqla", "sqlalchemy")


class Channel(sqlalchemy.Channel):
    """A channel whose engine is safe under prefork, and which looks before it locks."""

    def _engine_from_config(self) -> sa.Engine:
        _index_waiting(self.message_cls.__table__)  # the tables are made next
        return configure_engine(super()._engine_from_config())

    def _get_or_create(self, queue: str) -> Any:
        try:
            return super()._get_or_create(queue)
        except sa.exc.IntegrityError:  # another process has just made the queue
            self.session.rollback()
            return super()._get_or_create(queue)

    def _get(self, queue: str, timeout: float | None = None) -> Any:
        # Kombu locks the file to look for a message: too dear to do so often.
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


def _index_waiting(messages: sa.Table) -> None:
    """Index the waiting messages in the order in which they are taken.

    A message that was taken stays in the table. Without this index kombu's query passes all of
    them to find one that waits again, and does so with the file locked.
    """
    name = f"ix_{messages.name}_waiting"
    if all(index.name != name for index in messages.indexes):
        columns = (messages.c.queue_id, messages.c.timestamp, messages.c.id)
        # The words of kombu's query: SQLite uses an index of some rows for no others.
        waiting = messages.c.visible != sa.false()
        sa.Index(name, *columns, sqlite_where=waiting).ddl_if(dialect="sqlite")


class Transport(sqlalchemy.Transport):
    """Kombu's transport, which looks for a message far more often than once a second."""

    Channel = Channel
    busy_interval = 0.002  # seconds between two looks while messages come
    idle_interval = 0.02  # and while none come: 2 % of a core, where 0.002 would take 15 %
    polling_interval = idle_interval  # kombu's name for it, and its own value is 1.0
    longest_wait = 0.1  # seconds; a worker that waits longer is as much later to stop

    def establish_connection(self) -> Any:
        """Connect to the database now; kombu does so only when the first message comes.

        Returns
        -------
        Transport
            This object.

        Raises
        ------
        sqlalchemy.exc.OperationalError
            If the database cannot be reached.
        """
        super().establish_connection()
        self._avail_channels[-1]._open()
        return self

    def drain_events(self, connection: Any, timeout: float | None = None, **_: Any) -> None:
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
        try:
            super().drain_events(connection, timeout=timeout)
        except TimeoutError:
            self.polling_interval = self.idle_interval
            raise
        self.polling_interval = self.busy_interval


@sa.event.listens_for(Message, "before_update", propagate=True)
def _note_delivery(_mapper: Any, connection: sa.Connection, message: Message) -> None:
    """Write down, with the update that makes a message invisible, who has received it."""
    if file := _file(connection.engine.url):
        note = sa.insert(deliveries).prefix_with("OR REPLACE")
        connection.execute(note, {"message_id": message.id, "consumer": name_here(file)})


@worker_init.connect
def _take_name(sender: Any, **_: Any) -> None:
    """Give a worker its name before it forks, so that its children have it too."""
    broker = sender.app.connection_for_read()
    if broker.transport_cls == "sqla" and (file := _file(sa.make_url(broker.hostname))):
        name_here(file)


def _file(url: sa.URL) -> str | None:
    """Return the path of the queue's file, if it is one."""
    in_memory = url.database in (None, "", ":memory:")
    return None if url.get_backend_name() != "sqlite" or in_memory else url.database


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
        If kombu cannot read the URL, or would read it in another way than you mean: it takes a
        word without a scheme for the name of an AMQP host. For a SQL database, also as
        `tutorial.urls.shared_url` does.
    """
    url = os.environ.get(BROKER_VARIABLE)
    if not url:
        return f"sqla+{sqlite_url(home() / QUEUE_FILE)}"
    check_broker_url(BROKER_VARIABLE, url)
    return url


def check_broker_url(variable: str, url: str) -> None:
    """Check the URL of a broker, but do not connect to it.

    Parameters
    ----------
    variable : str
        Where it comes from.
    url : str

    Raises
    ------
    celery.exceptions.ImproperlyConfigured
        As for `broker_url`.
    """
    try:
        if url.partition("+")[0] in SQL_TRANSPORTS:
            shared_url(url.partition("+")[2])
        else:
            for one in url.split(";"):  # the others stand in for the first
                _check_server(one)
    except ImproperlyConfigured as error:
        raise ImproperlyConfigured(f"{variable}: {error}") from None


def _check_server(url: str) -> None:
    """Raise ImproperlyConfigured if kombu does not know the broker, or cannot read its URL."""
    check_text(url)
    name, colon, _rest = url.partition("://")
    if not colon:
        raise ImproperlyConfigured(
            "This is not a URL: it needs a scheme, as in amqp://user@host// or redis://host, "
            "and ; in a password is written as %3B."
        )
    transport, plus, _ = name.partition("+")
    if transport not in TRANSPORT_ALIASES or (plus and name != "redis+socket"):
        raise ImproperlyConfigured(
            f"The URL has {scheme(url)}, which kombu does not know: use amqp, redis or sqla+sqlite."
        )
    if transport == "memory":
        raise ImproperlyConfigured(
            "The URL names a queue in memory, which worker and client cannot share: "
            "use amqp, redis or sqla+sqlite."
        )
    try:
        parse_url(url)
    except (ValueError, KeyError, TypeError):  # without the cause, which may quote the password
        raise ImproperlyConfigured(
            "The URL cannot be read: its form is amqp://user:password@host:port//, with the user "
            "name and the password escaped (@ as %40)."
        ) from None


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
    transport, _plus, url = broker_url().partition("+")
    if transport not in SQL_TRANSPORTS:
        raise ImproperlyConfigured(
            f"{BROKER_VARIABLE} names a broker that is not a SQL database: only the embedded queue "
            "can be read as a table."
        )
    return make_engine(url)
