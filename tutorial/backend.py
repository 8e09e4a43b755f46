"""The result backend: Celery's own for SQL databases, over one engine that you made."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial
from types import SimpleNamespace
from typing import Any, TypeVar
from weakref import WeakValueDictionary

import sqlalchemy as sa
from celery import Celery, states
from celery.exceptions import BackendGetMetaError, ImproperlyConfigured, TimeoutError
from celery.result import result_from_tuple
from celery.utils.imports import symbol_by_name
from celery.utils.log import get_logger
from kombu.exceptions import ContentDisallowed, DecodeError
from kombu.utils.encoding import ensure_bytes
from sqlalchemy.exc import DatabaseError, DataError, IntegrityError
from sqlalchemy.orm import Session, sessionmaker

from tutorial.database import configure_engine, explain, make_engine
from tutorial.reading.pickles import read_exception, read_pickle
from tutorial.storing import StoringBackend, tries_until
from tutorial.tables import BLOB, LENGTH, MYSQL, find_row, id_as_text, refuses_value

SILENCE = 0.5  # seconds after which a server that refuses is held to be silent
SHORTEST_NAP = 0.0005  # seconds between the first checks for a result
PATIENCE = 0.05  # later a nap lasts this part of the time for which `get` has waited
NEEDED = {"task_id", "status", "result", "date_done"}  # each Celery has made these columns

T = TypeVar("T")
logger = get_logger(__name__)
PICKLE = b"\x80"  # the first byte of every pickle that Celery stored; no text in UTF-8 has it
_shared: WeakValueDictionary[sa.URL, sa.Engine] = WeakValueDictionary()


class EngineBackend(StoringBackend):
    """Celery's database result backend, with one engine instead of a new one for each call.

    It stores the same rows, and reads those of older versions without unpickling them. The
    engine's pool gives a connection to each thread that needs one, and a forked child opens its
    own. The course's configuration has Celery use it for every address that begins with ``db+``::

        override_backends = {"db": "tutorial.backend:EngineBackend"}

    The setting ``result_backend`` can also name the class together with a URL,
    ``"tutorial.backend:EngineBackend+sqlite:////path/results.db"``.

    A SQL database does not notify anyone of a new row, so `get` has to check again and again. It
    checks often at first, and less often the longer it has waited: a result is seen at most 5%
    later than it could be, and no two checks are further apart than ``interval``, half a second
    by default. The time limit of `get` is measured by the clock.

    Parameters
    ----------
    dburi, url : sqlalchemy.URL or str, optional
        The database, if there is no `engine`. The process then has one engine for each URL. It is
        made by `tutorial.database.make_engine` with ``database_engine_options``, if the app sets
        them, and passed to ``database_engine_callback``.
    engine : sqlalchemy.Engine, optional
        The engine to use. It gets the settings of `tutorial.database.configure_engine`. Celery's
        settings for engines have no effect on it, because you chose its options.
    **kwargs
        What Celery gives to its database backend: ``app`` and others.

    Raises
    ------
    celery.exceptions.ImproperlyConfigured
        As by `tutorial.urls.usable_url`, or if there is neither an engine nor a URL.
    """

    def __init__(
        self,
        dburi: sa.URL | str | None = None,
        *,
        url: sa.URL | str | None = None,
        engine: sa.Engine | None = None,
        **kwargs: Any,
    ) -> None:
        self.engine = engine if engine is not None else _engine_at(url or dburi, kwargs["app"])
        configure_engine(self.engine)  # which also makes it safe to fork
        self._sessions = sessionmaker(self.engine)
        # str() would put *** in place of the password.
        url = self.engine.url.render_as_string(hide_password=False)
        super().__init__(url=url, **kwargs)
        self._lacks_sequence = False
        self._columns = {column.name for column in self.task_cls.__table__.c} - {"id"}

    def ResultSession(self, session_manager: Any = None) -> Session:
        """Return a session of the engine; the stock backend makes an engine for it here.

        Parameters
        ----------
        session_manager : celery.backends.database.session.SessionManager, optional
            Makes the tables if they are missing; by default the backend's own.

        Returns
        -------
        sqlalchemy.orm.Session
        """
        self._prepare(session_manager or self.session_manager)
        return self._sessions()

    def _prepare(self, manager: Any) -> None:
        """Make sure that the tables exist."""
        if not manager.prepared:
            began = time.monotonic()
            try:
                self.engine.connect().close()
            except DatabaseError:
                # Celery tries ten more times, each of which takes as long with a silent server.
                if time.monotonic() - began > SILENCE:
                    raise
        manager.prepare_models(self.engine)

    def wait_for(
        self,
        task_id: str,
        timeout: float | None = None,
        interval: float = 0.5,
        no_ack: bool = True,
        on_interval: Callable[[], Any] | None = None,
    ) -> dict[str, Any]:
        """Wait for a task to end, and return what is stored about it.

        Parameters
        ----------
        task_id : str
        timeout : float, optional
            Seconds to wait at most, by the clock; the stock backend adds up its pauses instead.
        interval : float
            Seconds between two checks, at most.
        no_ack : bool
            Has no effect; other result backends need it.
        on_interval : callable, optional
            Called after each check that finds no result.

        Returns
        -------
        dict

        Raises
        ------
        celery.exceptions.TimeoutError
            If the task has not ended in time.
        """
        self._ensure_not_eager()
        started = time.monotonic()
        while True:
            meta = self._meta_until(task_id, started + (math.inf if timeout is None else timeout))
            if meta["status"] in states.READY_STATES:
                return meta
            if on_interval:
                on_interval()
            waited = time.monotonic() - started
            if timeout is not None and waited >= timeout:
                raise TimeoutError("The operation timed out.")
            nap = min(interval, max(SHORTEST_NAP, PATIENCE * waited))
            time.sleep(nap if timeout is None else min(nap, timeout - waited))

    def _meta_until(self, task_id: str, deadline: float) -> dict[str, Any]:
        try:
            with tries_until(deadline):
                meta: dict[str, Any] = self.get_task_meta(task_id)
                return meta
        except (DatabaseError, BackendGetMetaError) as error:
            if time.monotonic() < deadline:
                raise
            raise TimeoutError(
                f"The database has not answered in time: {explain(error)}"
            ) from error

    def on_backend_retryable_error(self, exc: BaseException) -> None:
        """Give the next try a new connection, and make sure that the tables exist.

        The server may have restarted, or the file may have been replaced.

        Parameters
        ----------
        exc : BaseException
            The error because of which Celery tries again.
        """
        self.engine.dispose()
        self.session_manager.prepared = False

    # A task's row is read and written without ORM objects, which take several times as long.

    def _query_task(self, session: Session, task_id: str, for_update: bool = False) -> Any:
        if row := self._run(lambda connection: self._find_row(connection, task_id)):
            # Of what is not to be updated, Celery asks only to_dict().
            return SimpleNamespace(to_dict=row._asdict)
        return None

    def _task_result_exists(self, task_id: str) -> bool:
        return self._run(lambda connection: self._find_row(connection, task_id)) is not None

    def _store_result(
        self,
        task_id: str,
        result: Any,
        state: str,
        traceback: str | None = None,
        request: Any = None,
        **kwargs: Any,
    ) -> None:
        meta = SimpleNamespace(children=None, stamps=None)
        self._update_result(meta, result, state, traceback=traceback, request=request)
        self._run(lambda connection: self._write(connection, task_id, vars(meta)))

    def _write(self, connection: sa.Connection, task_id: str, meta: dict[str, Any]) -> None:
        values = {name: value for name, value in meta.items() if name in self._columns}
        task = self.task_cls.__table__
        row = self._row(connection, task_id)
        if row is None:
            self._insert(connection, task, values | {"task_id": task_id})
            return
        # Celery's ORM object does not change what is NULL and stays NULL. SQLAlchemy then gives the
        # date a value of its own.
        if row.date_done is values["date_done"] is None:
            del values["date_done"]
        if values.get("stamps") is None:
            values.pop("stamps", None)
        # A SUCCESS stays, also one that another process has stored since we looked.
        given = task.c.task_id == task_id
        unfinished = sa.and_(given, task.c.status != states.SUCCESS)
        if connection.execute(sa.update(task).where(unfinished).values(values)).rowcount:
            self._refuse_cut(connection, task, given, values)

    def _find_row(self, connection: sa.Connection, task_id: str) -> Any:
        return find_row(partial(self._row, connection), id_as_text(task_id))

    def _row(self, connection: sa.Connection, task_id: str) -> Any:
        return connection.execute(self._select_task, {"task_id": task_id}).first()

    @cached_property
    def _select_task(self) -> sa.Select[Any]:
        columns = self.task_cls.__table__.c
        stored = [column for column in columns if column.name in self._columns]
        return sa.select(*stored).where(columns.task_id == sa.bindparam("task_id"))

    def _save_group(self, group_id: str, result: Any) -> Any:
        value = ensure_bytes(self.encode(self.prepare_value(result)))
        values = {"taskset_id": group_id, "result": value}
        group = self.taskset_cls.__table__
        self._run(lambda connection: self._insert(connection, group, values))
        return result

    def _restore_group(self, group_id: str) -> Any:
        return _unless_refused(super()._restore_group, group_id)

    def _delete_group(self, group_id: str) -> None:
        _unless_refused(super()._delete_group, group_id)

    def _forget(self, task_id: str) -> None:
        self._run(lambda connection: self._delete(connection, task_id))

    def _delete(self, connection: sa.Connection, task_id: str) -> None:
        task = self.task_cls.__table__
        if row := self._find_row(connection, task_id):
            connection.execute(sa.delete(task).where(task.c.task_id == row.task_id))

    def _insert(self, connection: sa.Connection, table: sa.Table, values: dict[str, Any]) -> None:
        name = "task_id" if "task_id" in values else "taskset_id"
        key = values[name] or ""  # a task that is called as a function has no id
        given = table.c[name] == key
        may_be_cut = len(key) > LENGTH and connection.dialect.name in MYSQL
        found = sa.select(given).where(given)
        try:
            if self._lacks_sequence:
                connection.execute(sa.insert(table).values(values | {"id": sa.text("DEFAULT")}))
            else:
                connection.execute(sa.insert(table), values)
        except IntegrityError:  # what is left of a cut id may be the id of another row
            if not may_be_cut or connection.scalar(found):
                raise
        if may_be_cut and not connection.scalar(found):
            raise _too_long(name, f"{len(key)} characters")
        self._refuse_cut(connection, table, given, values)

    def _refuse_cut(
        self,
        connection: sa.Connection,
        table: sa.Table,
        given: sa.ColumnElement[bool],
        values: dict[str, Any],
    ) -> None:
        """Refuse a row of which MariaDB has stored a part: it does so outside strict mode."""
        if connection.dialect.name not in MYSQL:
            return
        for name, value in values.items():
            if isinstance(value, bytes) and len(value) > BLOB:
                stored = sa.func.octet_length(table.c[name], type_=sa.Integer)
                if (connection.scalar(sa.select(stored).where(given)) or 0) < len(value):
                    raise _too_long(name, f"{len(value):,} bytes")

    def _run(self, work: Callable[[sa.Connection], T]) -> T:
        """Run one transaction; again if the table turns out to be an older one."""
        self._prepare(self.session_manager)
        while True:
            try:
                with self.engine.begin() as connection:
                    return work(connection)
            except DatabaseError as error:
                if error.statement is None:  # it cannot be reached
                    raise
                if not (self._do_without_sequence(error) or self._leave_out_missing_columns()):
                    raise

    def _do_without_sequence(self, error: DatabaseError) -> bool:
        """Let a MariaDB table that was made with SQLAlchemy before 1.4 number its rows itself."""
        if self._lacks_sequence or "Unknown SEQUENCE" not in str(error.orig):
            return False
        logger.warning(
            "The tables of results were made without a sequence: their AUTO_INCREMENT gives each "
            "row its id."
        )
        self._lacks_sequence = True
        return True

    def _leave_out_missing_columns(self) -> bool:
        """Do without the columns that an older Celery did not make; tell whether there are any."""
        table = self.task_cls.__table__
        try:
            found = sa.inspect(self.engine).get_columns(table.name, schema=table.schema)
        except sa.exc.SQLAlchemyError:  # no table, or no database
            return False
        missing = self._columns - {column["name"] for column in found}
        if not missing or missing & NEEDED:
            return False
        logger.warning(
            "The table %s has no column %s, and this role may not add it: results are "
            "stored and read without it.",
            table.name,
            " and no column ".join(sorted(missing)),
        )
        self._columns -= missing
        del self._select_task
        return True

    def decode(self, payload: Any) -> Any:
        """Decode a stored value; from a pickle of an older version, only plain values.

        Parameters
        ----------
        payload : bytes, str or None

        Returns
        -------
        object

        Raises
        ------
        kombu.exceptions.DecodeError
            If it cannot be decoded safely.
        """
        try:
            return super().decode(payload)
        except Exception as error:
            if not isinstance(payload, bytes) or not payload.startswith(PICKLE):
                raise
            try:
                return read_pickle(payload)
            except ValueError as unsafe:
                raise DecodeError(str(unsafe)) from error

    def _decode_stored_result(self, payload: bytes | None) -> Any:
        # The stock backend unpickles what it cannot decode, and a pickle can run any code.
        return self.decode(payload)

    def _get_task_meta_for(self, task_id: str) -> Any:
        try:
            meta = super()._get_task_meta_for(task_id)
        except (DecodeError, ContentDisallowed):
            meta = self.meta_from_decoded(self._readable_meta(task_id))
        try:
            for child in meta.get("children") or ():
                result_from_tuple(child, self.app)
        except Exception:  # whatever is in the table; Celery would report no state because of it
            logger.warning("The children of task %s cannot be read.", task_id)
            meta["children"] = None
        return meta

    def _readable_meta(self, task_id: str) -> "_ReadableMeta":
        """Decode each column of a task alone, so that the others answer if one is unreadable."""
        row = self._run(lambda connection: self._find_row(connection, task_id))._asdict()
        row.pop("stamps", None)
        failed = row["status"] in self.EXCEPTION_STATES
        for name in {"result", "args", "kwargs", "children"} & row.keys():
            try:
                row[name] = self.decode(row[name])
            except (DecodeError, ContentDisallowed) as error:
                exception = failed and name == "result"
                row[name] = _exception(row[name], error) if exception else _Unreadable(str(error))
        return _ReadableMeta(row)


def _too_long(name: str, length: str) -> DataError:
    """Return the error of a database that refuses what is too long."""
    return DataError("", None, ValueError(f"the {name} is too long for its column: {length}"))


def _unless_refused(ask: Callable[[str], T], group_id: Any) -> T | None:
    """Ask for a group; what the database refuses as an id, it does not hold."""
    try:
        return ask(id_as_text(group_id))
    except (DatabaseError, UnicodeEncodeError) as error:
        if not refuses_value(error):
            raise
        return None


@dataclass(frozen=True)
class _Unreadable:
    """A value that cannot be decoded."""

    reason: str


class _ReadableMeta(dict[str, Any]):
    """What is known of a task. A value that cannot be decoded raises when it is asked for."""

    def __getitem__(self, key: str) -> Any:
        value = super().__getitem__(key)
        if isinstance(value, _Unreadable):
            raise DecodeError(value.reason)
        return value

    def get(self, key: str, default: Any = None) -> Any:
        """Return a value, as ``[]`` does."""
        try:
            return self[key]
        except KeyError:
            return default


def _exception(payload: Any, error: Exception) -> Any:
    """Return the pickled exception of a custom class, or the error that it cannot be read."""
    try:
        return read_exception(payload)
    except (ValueError, TypeError):
        return DecodeError(str(error))


@dataclass(frozen=True)
class EngineBackendFactory:
    """What `engine_backend` returns, and Celery calls.

    Parameters
    ----------
    engine : sqlalchemy.Engine
    """

    engine: sa.Engine

    def __call__(self, *, app: Celery, url: None = None) -> EngineBackend:
        """Make the backend of an app."""
        return EngineBackend(engine=self.engine, app=app)

    def __reduce__(self) -> Any:
        # An engine does not pickle, and a worker that spawns its pool pickles the app.
        return partial, (EngineBackend, self.engine.url)


def engine_backend(engine: sa.Engine) -> EngineBackendFactory:
    """Make an engine Celery's result backend: ``Celery("myapp", backend=engine_backend(engine))``.

    The environment variable ``CELERY_RESULT_BACKEND`` has precedence: Celery itself reads it before
    the app's settings.

    Parameters
    ----------
    engine : sqlalchemy.Engine
        You can go on using it, and you dispose of it. A process that is spawned rather than forked
        uses the engine with the same URL that its own modules pass to this function, or else a new
        one from `tutorial.database.make_engine`.

    Returns
    -------
    EngineBackendFactory
        What ``Celery(backend=...)`` and the setting ``result_backend`` take.

    Raises
    ------
    celery.exceptions.ImproperlyConfigured
        If it is not an engine.
    """
    if not isinstance(engine, sa.Engine):
        raise ImproperlyConfigured(
            f"engine_backend takes an engine, but got the type {type(engine).__name__!r}: "
            "make one with sqlalchemy.create_engine."
        )
    _shared[engine.url] = configure_engine(engine)
    return EngineBackendFactory(engine)


def _engine_at(url: sa.URL | str | None, app: Celery) -> sa.Engine:
    """Return this process's engine for a URL."""
    if not url:
        raise ImproperlyConfigured("EngineBackend has no database: give it an engine or a URL.")
    url = sa.make_url(url)
    engine = _shared.get(url)
    if engine is None:
        chosen = app.conf.value_set_for("database_engine_options")
        options = app.conf.database_engine_options if chosen else {}
        engine = _shared.setdefault(url, make_engine(url, **(options or {})))
    callback = symbol_by_name(app.conf.database_engine_callback)
    if callable(callback):  # if it is something else, Celery refuses it
        callback(engine)
    return engine
