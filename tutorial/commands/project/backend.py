"""The result backend: Celery's own for SQL databases, over the project's one engine."""

from typing import Any

from celery.backends.database import DatabaseBackend
from database import engine
from sqlalchemy.exc import DataError
from sqlalchemy.orm import Session


class EngineBackend(DatabaseBackend):
    """Store the same rows as Celery's backend, with the connections of one engine.

    Celery's own backend makes a new engine, and so a new connection, for each call outside its
    pool's processes. The environment variable CELERY_RESULT_BACKEND would replace this class.
    """

    def __init__(self, app: Any, url: None = None) -> None:
        super().__init__(app=app, url=engine.url.render_as_string(hide_password=False))

    def ResultSession(self, session_manager: Any = None) -> Session:
        """Return a session of the project's engine."""
        (session_manager or self.session_manager).prepare_models(engine)
        return Session(engine)

    def exception_safe_to_retry(self, exc: Exception) -> bool:
        """Tell whether to try again: the database refuses a value that is too long every time."""
        return super().exception_safe_to_retry(exc) and not isinstance(exc, DataError)

    def _decode_stored_result(self, payload: bytes | None) -> Any:
        # Celery's own method unpickles a value that is not JSON, and a pickle can run any code.
        return self.decode(payload)
