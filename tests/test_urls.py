"""Bad URLs of databases and brokers: one sentence each, and no part of a password in it."""

import os
from collections.abc import Callable

import pytest
import sqlalchemy as sa
from celery.exceptions import ImproperlyConfigured
from hypothesis import example, given
from hypothesis import strategies as st

from tutorial.broker import broker_url
from tutorial.database import database_url, make_engine, result_backend
from tutorial.urls import address, shared_url, usable_url

ESCAPE = "must be escaped: write @ as %40"
PLACES = ["postgresql+psycopg://u:{}@h/x", "mysql+pymysql://u:{}@h:3306/x", "sqlite://u:{}@/x.db"]
BROKERS = ["amqp://u:{}@h//", "redis://:{}@h:6379/0", "amqp://u:{}@h1;amqp://u:{}@h2"]


def refusal(action: Callable[[], object]) -> str:
    """Return the sentence with which an action refuses, or nothing if it does not."""
    try:
        action()
    except ImproperlyConfigured as error:
        shown = f"{error}{error.__cause__ or ''}"
        assert shown.endswith(".") or error.__cause__
        assert "\n" not in str(error)
        return shown
    return ""


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("mysql+pymysql://u:Geheim@123@host/x", ESCAPE),
        ("mysql+pymysql://u:Ge/heim@host/x", ESCAPE),
        ("postgresql+psycopg://u:Ge?heim@host/x", ESCAPE),
        ("postgresql+psycopg://u:[Geheim@host/x", ESCAPE),
        ("sqlite://x.db", "three slashes"),
        ("sqlite://", "in memory, which worker and client cannot share"),
        ("sqlite:///:memory:", "in memory"),
        ("sqlite:///file::memory:?uri=true", "in memory"),
        ("sqlite:////x.db?mode=memory&uri=true", "in memory"),
        ("sqlite:///x.db", "the relative path 'x.db'"),
        ("sqlite:///~/x.db", "the relative path '~/x.db'"),
        ("sqlite:////x.db?colour=red", "take all options of the URL with their values"),
        ("", "is blank"),
        ("  ", "is blank"),
        ("sqlite:////x.db\n", "ends with a space"),
        ("Geheim", "cannot be read: its form is"),
        ("nosuch://host", "knows no database with the scheme 'nosuch'"),
        ("oracle://host", "is not installed"),
        ("postgresql+psycopg://host:port/x", "cannot be read"),
        ("postgresql+psycopg://host:99999/x", "cannot be read"),
        ("postgresql+psycopg://u:p@::1:5432/x", "cannot be read"),
        ("postgresql+psycopg://host/x?colour=red", "wrong of colour"),
        ("postgresql+psycopg://host/x?password=Geheim", "write the password before the host"),
        ("mysql+pymysql://host/x?colour=red", "wrong of colour"),
        ("mysql+pymysql://host/x?connect_timeout=soon", "wrong of connect_timeout"),
        ("mysql+pymysql://host/x?connect_timeout=-1", "wrong of connect_timeout"),
        ("mysql+pymysql://host/x?charset=nosuch", "wrong of charset"),
        ("postgresql+psycopg_async://u:Geheim@host/x", "needs async code"),
        ("db+postgresql+psycopg://u:Geheim@host/x", "begins with db+, which"),
    ],
)
def test_a_database_that_cannot_work_is_one_sentence(url: str, sentence: str) -> None:
    assert sentence in refusal(lambda: shared_url(url))


@pytest.mark.parametrize(
    "url",
    [
        "postgresql+psycopg://u:p%40s@[::1]:5432/x?sslmode=require&connect_timeout=3",
        "postgresql+psycopg://u@/x?host=/var/run&prepare_threshold=5",
        "mysql+pymysql://u:p@host/x?charset=utf8mb4&read_timeout=5&ssl_ca=/ca.pem",
        "sqlite:////x@y.db?timeout=5",
        "sqlite:////x.db?mode=ro&uri=true",
    ],
)
def test_a_good_url_is_taken(url: str) -> None:
    if os.name == "nt" and "sqlite" in url:
        url = url.replace("////", "///C:/")
    assert shared_url(url) == sa.make_url(url)


def test_an_engine_may_be_in_memory() -> None:
    assert usable_url("sqlite://").database is None


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("amqp://u:gu#est@host//", ESCAPE),
        ("amqp://gu/est@host//", ESCAPE),
        ("redis://:a@b@host", ESCAPE),
        ("sqla+mysql+pymysql://u:a@b@host/x", ESCAPE),
        ("sqla+sqlite://", "in memory"),
        ("sqla+sqlite:///queue.db", "the relative path"),
        ("sqla+nosuch://host", "knows no database"),
        ("memory://", "in memory, which worker and client cannot share"),
        ("redis+nosuch://host", "which kombu does not know"),
        ("redis://host:99999", "cannot be read"),
        ("redis://::1:6379", "cannot be read"),
        ("amqp://[::1", "cannot be read"),
        ("amqp://u:a;b@host", "cannot be read"),
        ("redis://:Geheim@host/0?socket_timeout=60", "an option that kombu does not know"),
        ("amqp://u:Geheim@host//?heartbeats=60", "an option that kombu does not know"),
        ("sqs://a:Geheim@", "'botocore' for the scheme 'sqs' is not installed"),
        ("mongodb://u:Geheim@host/", "'pymongo' for the scheme 'mongodb' is not installed"),
        (" ", "is blank"),
        ("Geheim", "is not a URL"),
    ],
)
def test_a_broker_that_cannot_work_is_one_sentence(
    url: str, sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CELERY_BROKER_URL", url)
    said = refusal(broker_url)
    assert said.startswith("CELERY_BROKER_URL")
    assert sentence in said
    assert "Geheim" not in said


@pytest.mark.parametrize(
    "url",
    [
        "amqp://u:p%40@host//",
        "amqp://u:p@one//;amqp://u:p@two//",
        "redis://[::1]:6379/0",
        "amqp://u:p@host//?heartbeat=60",
        "rediss://:p@host/0?ssl_cert_reqs=required&ssl_ca_certs=/ca.pem",
        "redis+socket:///run/redis.sock",
        "sqla+postgresql+psycopg://u@host/x",
    ],
)
def test_a_good_broker_is_taken(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CELERY_BROKER_URL", url)
    assert broker_url() == url


def test_the_variable_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CELERY_RESULT_BACKEND", "db+sqlite://")
    assert refusal(database_url).startswith("CELERY_RESULT_BACKEND: The URL names a database in")
    monkeypatch.setenv("CELERY_RESULT_BACKEND", "Geheim")
    assert refusal(database_url).startswith("CELERY_RESULT_BACKEND has no scheme, ")


@pytest.mark.parametrize("backend", ["db", "database", "tutorial.backend:EngineBackend"])
def test_the_courses_backend_can_stand_in_the_variable(
    backend: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    setting = f"{backend}+postgresql+psycopg://u:p%40s@h/x"
    monkeypatch.setenv("CELERY_RESULT_BACKEND", setting)
    assert database_url().password == "p@s"
    assert result_backend() == setting


def test_an_address_has_no_secrets() -> None:
    url = usable_url("postgresql+psycopg://u:Geheim@h:5432/x?sslpassword=Geheim&sslmode=require")
    assert address(url) == "postgresql+psycopg at h:5432"
    assert address(usable_url("sqlite:////x.db?timeout=5")).startswith("sqlite at ")


# Letters that no sentence of the course has: what is found of them comes from the password.
SECRET = st.text("ЖЩЮЯЪЫ@/?#[]:;%&=+ ", min_size=3, max_size=12)


@given(SECRET, st.sampled_from(PLACES + BROKERS), st.booleans())
@example("Я@ЩЖЮ", PLACES[1], True)
@example("ЯЩ#ЖЮ", BROKERS[0], True)
@example("ЯЩ;ЖЮ", BROKERS[0], True)
@example("ЯЩЖ/ЮЖЩ", PLACES[0], False)
def test_no_part_of_a_password_is_shown(secret: str, form: str, prefixed: bool) -> None:
    url = form.replace("{}", secret)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CELERY_BROKER_URL", f"sqla+{url}" if prefixed and form in PLACES else url)
        patch.setenv("CELERY_RESULT_BACKEND", f"db+{url}" if prefixed else url)
        actions = [broker_url, database_url, make_engine, lambda: make_engine(url)]
        said = [refusal(action) for action in actions]
        with_engine = [str(make_engine(url).url)] if not said[-1] else []
    for text in said + with_engine:
        assert not set(text) & set("ЖЩЮЯЪЫ"), text
