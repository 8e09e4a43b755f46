"""The result backend: Celery's own for SQL databases, over one engine that you made."""

from dataclasses import dataclass
from functools import partial
from types import SimpleNamespace
from typing import Any
from weakref import WeakValueDictionary

import sqlalchemy as sa
from celery import Celery
from celery.exceptions import ImproperlyConfigured
from sqlalchemy.exc import DatabaseError
from sqlalchemy.orm import Session, sessionmaker

from tutorial.database import configure_engine, make_engine
from tutorial.storing import StoringBackend

_shared: WeakValueDictionary[sa.URL, sa.Engine] = WeakValueDictionary()


class EngineBackend(StoringBackend):
    """Celery's database result backend, with one engine in place of a new one for each call.

    It stores the same rows. The engine's pool gives a connection to each thread that needs one,
    and a forked child opens its own. Of Celery's settings, ``database_engine_options``,
    ``database_engine_callback`` and ``database_short_lived_sessions`` say nothing here: who makes
    the engine has chosen its options.

    Parameters
    ----------
    dburi, url : sqlalchemy.URL or str, optional
        The database, if there is no `engine`: the process then has one engine for it, which
        `tutorial.database.make_engine` makes. So the class can be named in the configuration,
        ``result_backend = "tutorial.backend:EngineBackend+sqlite:////path/results.db"``.
    engine : sqlalchemy.Engine, optional
        The engine to use; it gets the settings of `tutorial.database.configure_engine`.
    **kwargs
        What Celery gives to its database backend: ``app`` and others.

    Raises
    ------
    celery.exceptions.ImproperlyConfigured
        As `tutorial.database.usable_url` does, or if there is neither engine nor URL.
    """

    def __init__(
        self,
        dburi: sa.URL | str | None = None,
        *,
        url: sa.URL | str | None = None,
        engine: sa.Engine | None = None,
        **kwargs: Any,
    ) -> None:
        self.engine = engine if engine is not None else _engine_at(url or dburi)
        configure_engine(self.engine)  # which also makes it safe to fork
        self._sessions = sessionmaker(self.engine)
        # str() would put *** in place of the password.
        url = self.engine.url.render_as_string(hide_password=False)
        super().__init__(url=url, **kwargs)
        columns = self.task_cls.__table__.c
        stored = [column for column in columns if column.name != "id"]
        self._select_task = sa.select(*stored).where(columns.task_id == sa.bindparam("task_id"))

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
        (session_manager or self.session_manager).prepare_models(self.engine)
        return self._sessions()

    def _query_task(self, session: Session, task_id: str, for_update: bool = False) -> Any:
        if for_update:
            return super()._query_task(session, task_id, for_update=True)
        # The same query, which is built once and makes no ORM object: of what is not to be updated
        # Celery asks only to_dict(). A read takes half the time.
        try:
            row = session.connection().execute(self._select_task, {"task_id": task_id}).first()
        except DatabaseError:  # an old table may lack a column, and the stock way knows which
            return super()._query_task(session, task_id)
        return row and SimpleNamespace(**row._mapping, to_dict=row._asdict)

    def _decode_stored_result(self, payload: bytes | None) -> Any:
        # The stock backend unpickles what it cannot decode, and a pickle can run any code.
        return self.decode(payload)


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

    One thing is stronger: the environment variable ``CELERY_RESULT_BACKEND``, which Celery itself
    reads before it looks at the app's settings.

    Parameters
    ----------
    engine : sqlalchemy.Engine
        It stays yours to use, and to dispose of. In a process that is spawned and not forked, it
        is the engine for the same URL that the imported modules gave to this function there, or
        else a new one from `tutorial.database.make_engine`.

    Returns
    -------
    EngineBackendFactory
        What ``Celery(backend=...)`` and the setting ``result_backend`` take.

    Raises
    ------
    celery.exceptions.ImproperlyConfigured
        If it is no engine.
    """
    if not isinstance(engine, sa.Engine):
        raise ImproperlyConfigured(
            f"engine_backend takes an engine, and got the type {type(engine).__name__!r}: "
            "make one with sqlalchemy.create_engine."
        )
    _shared[engine.url] = configure_engine(engine)
    return EngineBackendFactory(engine)


def _engine_at(url: sa.URL | str | None) -> sa.Engine:
    """Return this process's engine for a URL."""
    if not url:
        raise ImproperlyConfigured("EngineBackend has no database: give it an engine or a URL.")
    url = sa.make_url(url)
    return _shared.get(url) or _shared.setdefault(url, make_engine(url))
