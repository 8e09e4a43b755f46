"""The embedded broker: kombu's SQLAlchemy transport on a SQLite file, made quick and fork-safe."""

import os
import sys
import time
from functools import cached_property
from json import dumps, loads
from queue import Empty
from typing import Any

import sqlalchemy as sa
from celery.exceptions import ImproperlyConfigured
from celery.signals import worker_init
from kombu import Connection
from kombu.transport import TRANSPORT_ALIASES, get_transport_cls, sqlalchemy
from kombu.utils.url import parse_url
from sqlalchemy.schema import CreateTable

from tutorial.database import configure_engine, make_engine, sqlite_url
from tutorial.deliveries import INSERT_DELIVERY, deliveries, name_here
from tutorial.urls import check_text, scheme, shared_url
from tutorial.workspace import QUEUE_FILE, home

BROKER_VARIABLE = "CELERY_BROKER_URL"
WINDOWS = sys.platform == "win32"
SQL_TRANSPORTS = ("sqla", "sqlalchemy")


class Channel(sqlalchemy.Channel):
    """A channel that is safe under prefork, and quick on SQLite.

    On SQLite, a message is stored or received in one short transaction; kombu's ORM session takes
    several times as long. On other databases the channel works as kombu's does.

    To find out whether anything has been written, the channel checks the time of the file's
    write-ahead log, which takes a few microseconds and no connection. It trusts that time only
    briefly.
    """

    clock_tick = 0.02  # seconds by which a file's time can lag behind the clock
    longest_trust = 0.25  # seconds after which it reads the table again, whatever the file says

    _engines: dict[str, Any] = {}  # noqa: RUF012 - not kombu's, whose engines lack our settings

    def _engine_from_config(self) -> sa.Engine:
        _index_waiting(self.message_cls.__table__)  # the tables are made next
        engine = configure_engine(super()._engine_from_config())
        if engine.dialect.name == "sqlite":
            with engine.begin() as connection:
                connection.execute(CreateTable(deliveries, if_not_exists=True))
        return engine

    def _get_or_create(self, queue: str) -> Any:
        try:
            return super()._get_or_create(queue)
        except sa.exc.IntegrityError:  # another process has just made the queue
            self.session.rollback()
            return super()._get_or_create(queue)

    def _new_queue(self, queue: str, **kwargs: Any) -> None:
        super()._new_queue(queue, **kwargs)
        self.session.close()  # a connection that is in use could be inherited by a forked child

    def _size(self, queue: str) -> int:
        try:
            return super()._size(queue)
        finally:
            self.session.close()

    def _put(self, queue: str, payload: dict[str, Any], **kwargs: Any) -> None:  # type: ignore[override]
        engine, _session_class = self._open()
        if engine.dialect.name != "sqlite":
            super()._put(queue, payload, **kwargs)
            return
        values = {"name": queue, "message": dumps(payload)}
        with engine.begin() as connection:
            if not connection.execute(self._insert_message, values).rowcount:
                connection.execute(self._insert_queue, {"name": queue})
                connection.execute(self._insert_message, values)

    def _get(self, queue: str, timeout: float | None = None) -> Any:
        engine, _session_class = self._open()
        if engine.dialect.name != "sqlite":
            return super()._get(queue)
        file = _file(engine.url)
        if file and self._is_unchanged(file, queue):
            raise Empty
        now = time.time()
        with engine.connect() as connection:
            # Reading takes no lock, which the update takes only if there is something to take.
            while message := connection.execute(self._next_message, {"name": queue}).first():
                if connection.execute(self._take_message, {"message": message.id}).rowcount:
                    break  # or else another process was quicker
                connection.rollback()
            else:
                self._seen_empty[queue] = now
                raise Empty
            if file:
                # In the same transaction: no message is received and not noted.
                note = {"message_id": message.id, "consumer": name_here(file)}
                connection.execute(INSERT_DELIVERY, note)
            connection.commit()
        return loads(message.payload)

    def _is_unchanged(self, file: str, queue: str) -> bool:
        """Tell whether nothing has been written since the queue was seen to be empty."""
        seen = self._seen_empty.get(queue, 0.0)
        if WINDOWS or not 0 <= time.time() - seen <= self.longest_trust:
            return False  # Windows may update the time of an open file late
        try:
            written = os.stat(f"{file}-wal").st_mtime  # noqa: PTH116 - a Path would take as long again
        except OSError:
            return False
        return written + self.clock_tick < seen

    @cached_property
    def _seen_empty(self) -> dict[str, float]:
        return {}  # the name of a queue -> when it was last seen to be empty

    @cached_property
    def _insert_message(self) -> sa.Insert:
        """Insert a message into a queue; nothing if there is no queue of this name."""
        queues, messages = self.queue_cls.__table__, self.message_cls.__table__
        values = sa.select(sa.bindparam("message", type_=sa.Text), queues.c.id)
        return sa.insert(messages).from_select(
            ["payload", "queue_id"], values.where(queues.c.name == sa.bindparam("name"))
        )

    @cached_property
    def _insert_queue(self) -> sa.Insert:
        return sa.insert(self.queue_cls.__table__).prefix_with("OR IGNORE")

    @cached_property
    def _next_message(self) -> sa.Select[Any]:
        queues, messages = self.queue_cls.__table__, self.message_cls.__table__
        queue_id = sa.select(queues.c.id).where(queues.c.name == sa.bindparam("name"))
        return (
            sa.select(messages.c.id, messages.c.payload)
            .where(messages.c.queue_id == queue_id.scalar_subquery())
            .where(messages.c.visible != sa.false())
            .order_by(messages.c.timestamp, messages.c.id)
            .limit(1)
        )

    @cached_property
    def _take_message(self) -> sa.Update:
        """Make a message invisible, if it still is visible; kombu counts the version up as well."""
        messages = self.message_cls.__table__
        waiting = (messages.c.id == sa.bindparam("message"), messages.c.visible != sa.false())
        return (
            sa.update(messages)
            .where(*waiting)
            .values(visible=False, version=messages.c.version + 1)
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
    """Kombu's transport, but it checks for messages far more often than once per second.

    The pause before the next check is a fraction of the time that has passed since the last
    message: very short while messages are arriving, and longer when there is nothing to do.
    """

    Channel = Channel
    shortest_nap = 0.0005  # seconds between two checks while messages are arriving
    # and at most; kombu's own value is 1.0. With 0.005, an idle worker uses nearly twice as much
    # processor time. On Windows each check is a query.
    polling_interval = 0.02 if WINDOWS else 0.01
    patience = 0.05  # the length of a pause, as a fraction of the time without a message
    longest_wait = 0.1  # seconds; a worker that waits longer is as much later to stop
    _last_message = 0.0

    def establish_connection(self) -> Any:
        """Connect to the database now; kombu does so only when it first sends or receives.

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
        """Wait for one message, but not so long that a worker is late to stop when told to.

        Parameters
        ----------
        connection : kombu.Connection
        timeout : float, optional
            Seconds to wait at most; Celery's worker asks for 2.

        Raises
        ------
        TimeoutError
            If no message came. The worker then checks whether it should stop, and asks again.
        """
        started = time.monotonic()
        if timeout is not None:
            timeout = min(timeout, self.longest_wait)
        while True:
            try:
                assert self.cycle  # kombu declares that there may be none
                self.cycle.get(self._deliver, timeout=timeout)
            except Empty:
                now = time.monotonic()
                if timeout is not None and now - started >= timeout:
                    raise TimeoutError from None
                nap = max(self.shortest_nap, self.patience * (now - self._last_message))
                time.sleep(min(nap, self.polling_interval))
            else:
                self._last_message = time.monotonic()
                return


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
        If kombu cannot read the URL, or would misread it: it takes a word without a scheme for the
        name of an AMQP host. For a SQL database, also as `tutorial.urls.shared_url` does.
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
    if url.strip() and "://" not in url:
        raise ImproperlyConfigured(
            f"{variable} is not a URL: it needs a scheme, as in amqp://user@host// or redis://host."
        )
    try:
        if url.partition(":")[0].partition("+")[0] in SQL_TRANSPORTS:
            shared_url(url.partition("+")[2] or url)
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
        raise ImproperlyConfigured("A part after a ; is not a URL: write ; in a password as %3B.")
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
    try:
        get_transport_cls(transport)
        Connection(url)  # which connects to nothing yet
    except ImportError as error:
        raise ImproperlyConfigured(
            f"The package {error.name!r} for {scheme(url)} is not installed: install it, or use "
            "amqp, redis or sqla+sqlite."
        ) from None
    except TypeError:
        raise ImproperlyConfigured(
            "The URL has an option that kombu does not know: remove what is wrong after the "
            "question mark."
        ) from None


def queue_engine() -> sa.Engine:
    """Make an engine for querying the queue, which is a database too.

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
