import json
from pathlib import Path
from urllib.parse import unquote

import pytest
from conftest import configure_again, workspace
from processes import few, python
from test_database import ODD_NAMES

from tutorial.broker import BROKER_VARIABLE
from tutorial.tasks import add, app

SHOW = """
import json, os
from tutorial.tasks import app
c = app.conf
print(json.dumps({
    "broker": c.broker_url, "backend": c.result_backend,
    "expires": c.result_expires.total_seconds(), "extended": c.result_extended,
    "serializers": [c.task_serializer, c.result_serializer, *c.accept_content],
    "time": [c.timezone, c.enable_utc], "shown": app.backend.as_uri(),
    "variables": app.conf.humanize(with_defaults=False, censored=True),
}))"""

ROUND_TRIP = """
import os
os.chdir(os.environ.get("ELSEWHERE", "."))
from tutorial.broker import queue_engine
from tutorial.database import make_engine
from tutorial.tasks import add, app
result = add.delay(2, 3)
app.backend.store_result(result.id, 5, "SUCCESS")
print(result.get(timeout=5))
for engine, table in [(make_engine(), "celery_taskmeta"), (queue_engine(), "kombu_message")]:
    with engine.connect() as connection:
        print(connection.exec_driver_sql(f"SELECT count(*) FROM {table}").scalar())"""


def show(home: Path, **variables: str) -> dict[str, object]:
    done = python(SHOW, home, **variables)
    assert done.returncode == 0, done.stderr
    settings: dict[str, object] = json.loads(done.stdout)
    return settings


def test_the_defaults(tmp_path: Path) -> None:
    settings = show(tmp_path)
    assert unquote(str(settings["broker"])) == f"sqla+sqlite:///{tmp_path / 'queue.db'}"
    assert unquote(str(settings["backend"])) == f"db+sqlite:///{tmp_path / 'results.db'}"
    assert settings["expires"] == 24 * 60 * 60
    assert settings["extended"] is True
    assert settings["serializers"] == ["json"] * 3
    assert settings["time"] == ["UTC", True]


def test_the_environment_replaces_broker_and_backend_and_no_password_is_shown(
    tmp_path: Path,
) -> None:
    broker, backend = "amqp://me:secret@host//", "db+postgresql+psycopg://me:secret@host/x"
    # The configuration alone: the backend itself would connect.
    code = SHOW.replace('"shown": app.backend.as_uri(),', "")
    done = python(code, tmp_path, CELERY_BROKER_URL=broker, CELERY_RESULT_BACKEND=backend)
    settings = json.loads(done.stdout)
    assert (settings["broker"], settings["backend"]) == (broker, backend)
    assert "secret" not in settings["variables"]


@pytest.mark.parametrize("name", few(" ".join(ODD_NAMES), *ODD_NAMES))
def test_any_folder_name_holds_both_databases(tmp_path: Path, name: str) -> None:
    done = python(ROUND_TRIP, tmp_path / name, cwd=tmp_path)
    assert done.stdout == "5\n1\n1\n", done.stderr
    assert {path.name for path in (tmp_path / name).iterdir()} >= {"results.db", "queue.db"}
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_celerys_own_engines_have_the_settings(tmp_path: Path) -> None:
    code = """
import sqlalchemy as sa
from tutorial.tasks import app
session = app.backend.ResultSession()
print([session.scalar(sa.text(f"PRAGMA {name}")) for name in ("journal_mode", "busy_timeout")])"""
    done = python(code, tmp_path)
    assert done.stdout == "['wal', 30000]\n", done.stderr


@pytest.mark.parametrize(
    ("variable", "value", "sentence"),
    few(
        ("CELERY_BROKER_URL", "your_broker_url", "is not a URL: it needs a scheme"),
        ("CELERY_BROKER_URL", "nosuch://me:secret@host", "'nosuch', which kombu does not know"),
        (
            "CELERY_BROKER_URL",
            "sqla+mysql+mysqldb://me:secret@h/x",
            "'MySQLdb' for 'mysql+mysqldb'",
        ),
        ("CELERY_RESULT_BACKEND", "redis://:secret@host", "which is not a SQL database: write db+"),
        ("CELERY_RESULT_BACKEND", "db+nosuch://me:secret@host/x", "no database with the scheme"),
    ),
)
def test_sending_a_task_with_a_bad_url_ends_in_one_sentence(
    tmp_path: Path, variable: str, value: str, sentence: str
) -> None:
    code = "from tutorial.tasks import add; add.delay(2, 3)"
    done = python(code, tmp_path, **{variable: value})
    last = done.stderr.splitlines()[-1]
    assert last.startswith("celery.exceptions.ImproperlyConfigured: ")
    assert sentence in last
    assert "secret" not in done.stdout + done.stderr


def test_a_test_with_another_broker_leaves_nothing_to_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with workspace(tmp_path):
        monkeypatch.setenv(BROKER_VARIABLE, "redis://127.0.0.1:9")
        configure_again()
        assert app.conf.broker_transport_options
    with workspace(tmp_path):
        assert app.conf.broker_transport_options == {}
        add.delay(2, 3)
