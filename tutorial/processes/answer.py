"""Whether a server answers, within a stated time: some drivers wait for a silent one for ever."""

import threading
from collections.abc import Callable

import sqlalchemy as sa
from celery.exceptions import ImproperlyConfigured
from kombu import Connection

from tutorial.database import explain
from tutorial.urls import usable_url

ANSWER_LIMIT = 15  # seconds in which a server must answer


def within_limit(attempt: Callable[[], object]) -> None:
    """Run something that waits for a server, and give up after `ANSWER_LIMIT`.

    Parameters
    ----------
    attempt : callable
        It goes on in its thread after the limit, so a program should end soon after.

    Raises
    ------
    TimeoutError
        If it is not done in time.
    Exception
        Whatever `attempt` raises.
    """
    errors: list[Exception | None] = []

    def run() -> None:
        try:
            attempt()
            errors.append(None)
        except Exception as error:  # each driver has its own
            errors.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(ANSWER_LIMIT)
    if not errors:
        raise TimeoutError(f"no answer in {ANSWER_LIMIT} seconds")
    if errors[0]:
        raise errors[0]


def answer_of(url: str) -> str | None:
    """Connect to a server once.

    Parameters
    ----------
    url : str
        The URL of a broker for kombu, of a database for SQLAlchemy, or of a web server.

    Returns
    -------
    str or None
        None if the server answers, or else the first line of what is wrong.

    Raises
    ------
    celery.exceptions.ImproperlyConfigured
        As `tutorial.database.usable_url` does.
    """
    if url.startswith("http"):
        return None  # it is enough that the port is open
    try:
        within_limit(lambda: _connect(url))
    except ImproperlyConfigured:
        raise
    except Exception as error:  # each driver has its own
        return explain(error) or repr(error)
    return None


def _connect(url: str) -> None:
    if url.startswith(("amqp", "redis")):
        with Connection(url, connect_timeout=5) as connection:
            connection.connect()
    else:
        engine = sa.create_engine(usable_url(url), connect_args={"connect_timeout": 5})
        engine.connect().close()
        engine.dispose()
