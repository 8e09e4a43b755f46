"""Tables that older versions of Celery wrote: read, never unpickled, right or flagged."""

import pickle
import runpy
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pandas as pd
import pytest
import sqlalchemy as sa
from celery import Celery
from celery.result import GroupResult
from kombu.exceptions import DecodeError
from old_tables import DATABASES, TABLES, VERSIONS, old_table
from processes import few

from tutorial.backend import engine_backend
from tutorial.database import make_engine
from tutorial.results import count_results, load_groups, load_results

SERIALIZERS = ["json", "pickle", "yaml", "msgpack"]


@pytest.fixture(scope="module")
def shop() -> Iterator[dict[str, Any]]:
    """Return the names of the app that stored the tables."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["shop.py", "cache+memory://", "{}", "all"])
        yield runpy.run_path(str(TABLES / "shop.py"))


def on_each(versions: list[str], on_servers: set[str]) -> list[Any]:
    """Return all versions on SQLite, and those that differ on a server; the others on request."""
    slow = pytest.mark.slow
    return [
        pytest.param(kind, each, marks=() if kind == "sqlite" or each in on_servers else slow)
        for kind in DATABASES
        for each in versions
    ]


def load(kind: str, version: str, name: str, folder: Path) -> pd.DataFrame:
    with old_table(kind, version, name, folder) as engine:
        return load_results(engine, progress=False).set_index("task_id")


@pytest.mark.parametrize(("kind", "version"), on_each(VERSIONS[:-1], {"4.4.7", "5.6.3"}))
def test_the_pickled_values_of_older_versions_are_read(
    kind: str, version: str, shop: dict[str, Any], tmp_path: Path
) -> None:
    tasks = load(kind, version, "json", tmp_path)
    for start, values in (("value", shop["VALUES"]), ("python", shop["PYTHON_VALUES"])):
        for name, value in values.items():
            stored = tasks.loc[f"{start}-{name}", "result"]
            assert (stored, type(stored)) == (value, type(value)), name
    assert tasks["undecodable"].isna().all()


def engine_app(engine: sa.Engine, **settings: Any) -> Celery:
    app = Celery("old", backend=engine_backend(engine), set_as_current=False)
    app.conf.update(result_extended=True, **settings)
    return app


@pytest.mark.parametrize(
    ("kind", "version"),
    [
        # The first and the last that pickled what they stored, and the one that writes JSON.
        *(("sqlite", version) for version in ("4.4.7", "5.6.3", "5.7.0")),
        *few(
            *((kind, version) for version in VERSIONS[::-1] for kind in DATABASES[1:]),
            *(("sqlite", version) for version in ("5.2.7", "5.3.6", "5.4.0", "5.5.3")),
        ),
    ],
)
def test_engine_backend_answers_as_the_stock_backend(
    kind: str, version: str, tmp_path: Path
) -> None:
    with old_table(kind, version, "json", tmp_path) as engine:
        ours = engine_app(engine)
        url = engine.url.render_as_string(hide_password=False)
        stock = Celery("stock", backend=f"db+{url}", set_as_current=False)
        stock.conf.result_extended = True
        for task_id in load_results(engine, progress=False)["task_id"]:
            one, other = ours.AsyncResult(task_id), stock.AsyncResult(task_id)
            assert repr(one.result) == repr(other.result), task_id
            for name in ("state", "args", "kwargs", "name", "worker", "retries", "traceback"):
                assert getattr(one, name) == getattr(other, name), (task_id, name)
        group = GroupResult.restore("group", app=ours)
        assert [result.id for result in group.results] == ["member-1", "member-2"]
        # The stock backend asks the database whose URL is in the pickle for the members.
        assert group.get(timeout=60) == [ours.AsyncResult(r.id).result for r in group.results]
        stock.backend.session_manager.invalidate(stock.backend.url)


@pytest.mark.parametrize("version", VERSIONS)
def test_engine_backend_answers_for_rows_that_were_pickled_on_purpose(
    version: str, shop: dict[str, Any], tmp_path: Path
) -> None:
    with old_table("sqlite", version, "pickle", tmp_path) as engine:
        app = engine_app(engine)
        for name, value in shop["PYTHON_VALUES"].items():
            assert app.AsyncResult(f"python-{name}").get(timeout=60) == value
        arguments = app.AsyncResult("arguments")
        assert list(arguments.args) == [53, "apple"]
        assert arguments.kwargs == {"name": "Zoë", "list": [1, 2.5, None]}
        failed = app.AsyncResult("failed-own")
        assert failed.state == "FAILURE"
        with pytest.raises(Exception, match="apple") as raised:
            failed.get(timeout=60)
        assert type(raised.value).__name__ == "OutOfStock"
        assert app.AsyncResult("failed-zero").result.args == ("division by zero",)
        assert app.AsyncResult("started").state == "STARTED"


def test_a_value_that_cannot_be_read_safely_hides_no_state_and_no_arguments(
    tmp_path: Path,
) -> None:
    class Payload:
        def __reduce__(self) -> Any:
            return Path.touch, (tmp_path / "ran",)

    with old_table("sqlite", "5.2.7", "json", tmp_path) as engine:
        plant = "UPDATE celery_taskmeta SET result = ? WHERE task_id IN ('arguments', 'failed-own')"
        with engine.begin() as connection:
            connection.exec_driver_sql(plant, (pickle.dumps(Payload()),))
        app = engine_app(engine)
        done, failed = app.AsyncResult("arguments"), app.AsyncResult("failed-own")
        assert (done.state, failed.state) == ("SUCCESS", "FAILURE")
        assert (done.args, failed.args) == ([53, "apple"], ["own"])
        for read in (lambda: done.result, lambda: done.get(timeout=60), failed.get):
            with pytest.raises(DecodeError, match=r"^The pickle cannot be read safely: it calls"):
                read()
        tasks = load_results(engine, progress=False).set_index("task_id")
        assert tasks.loc[["arguments", "failed-own"], "undecodable"].tolist() == ["result"] * 2
    assert not (tmp_path / "ran").exists()


# In which zone each version writes date_done, as the tables show: "utc", "app" (the setting
# timezone), or "session" (PostgreSQL's, which converts a time that has a zone).
ZONES = {
    "4.4.7": ("utc", "utc"),
    "5.2.7": ("utc", "utc"),
    "5.3.6": ("utc", "utc"),
    "5.4.0": ("utc", "session"),
    "5.5.3": ("app", "session"),
    "5.6.3": ("app", "session"),
    "5.7.0": ("app", "session"),
}
NEW_YORK = "America/New_York"
# The machine was in New York in the third and fourth, the session of PostgreSQL in the last two.
APP_ZONES = {
    "plain": "UTC",
    "zone": NEW_YORK,
    "zone-no-utc": NEW_YORK,
    "machine-no-utc": NEW_YORK,
    "session": "UTC",
    "session-zone": NEW_YORK,
}
# Celery 5.5 with enable_utc=False and no timezone: a day too much, and PostgreSQL refuses the row.
WRONG = {("5.5.3", "machine-no-utc")}
# On a server, where each case needs a database, those that tell the zones apart.
TELLING = {"sqlite": set(APP_ZONES), "postgresql": {"zone", "session-zone"}, "mariadb": {"zone"}}
# The first and the last version of each way; on a server, the last of the first.
ENDS = {"5.3.6", "5.4.0", "5.5.3", "5.7.0"}


def tells(kind: str, version: str, name: str) -> bool:
    ends = ENDS | {"4.4.7"} if kind == "sqlite" else ENDS
    return version in ends and name in TELLING[kind]


CASES = [
    pytest.param(kind, version, name, marks=() if tells(kind, version, name) else pytest.mark.slow)
    for kind in DATABASES
    for version in VERSIONS
    for name in APP_ZONES
    if (kind == "postgresql" or "session" not in name) and (version, name) not in WRONG
]


@pytest.mark.parametrize(("kind", "version", "name"), CASES)
def test_the_zone_in_which_a_version_wrote_its_times(
    kind: str, version: str, name: str, tmp_path: Path
) -> None:
    elsewhere, on_postgresql = ZONES[version]
    zone = {
        "utc": "UTC",
        "app": APP_ZONES[name],
        "session": NEW_YORK if "session" in name else "UTC",
    }[on_postgresql if kind == "postgresql" else elsewhere]
    with old_table(kind, version, name, tmp_path) as engine:
        tasks = load_results(engine, timezone=zone, progress=False).set_index("task_id")
        groups = load_groups(engine, timezone=zone if kind == "postgresql" else "UTC")
    ran = pd.Timestamp(tasks.loc["moment", "result"], unit="s", tz="UTC")
    assert abs(tasks.loc["moment", "date_done"] - ran) < pd.Timedelta(minutes=10)
    if version not in ("5.4.0", "5.5.3"):  # where it is the time when Celery was imported
        assert abs(groups["date_done"][0] - ran) < pd.Timedelta(minutes=10)
    assert groups["task_ids"][0] == ["member-1", "member-2"]


COLUMNS = "id task_id status result date_done traceback name args kwargs worker retries queue"


@pytest.mark.parametrize(
    ("kind", "version"), on_each(VERSIONS, {"4.4.7", "5.5.3", "5.6.3", "5.7.0"})
)
def test_the_columns_and_indexes_that_a_version_makes(
    kind: str, version: str, tmp_path: Path
) -> None:
    newest = {"children", "stamps"} if version == "5.7.0" else set()
    with old_table(kind, version, "json", tmp_path) as engine:
        inspector = sa.inspect(engine)
        columns = {column["name"] for column in inspector.get_columns("celery_taskmeta")}
        indexes = {
            tuple(index["column_names"])
            for index in inspector.get_indexes("celery_taskmeta")
            if not index["unique"]
        }
        sequences = inspector.get_sequence_names() if kind != "sqlite" else []
    assert columns == {*COLUMNS.split()} | newest
    assert indexes == ({("date_done",)} if version in ("5.6.3", "5.7.0") else set())
    # On MariaDB since SQLAlchemy 1.4; a table that has none numbers its rows itself.
    made = kind == "postgresql" or (kind == "mariadb" and version != "4.4.7")
    assert ("task_id_sequence" in sequences) is made


def test_engine_backend_stores_in_a_mariadb_table_without_a_sequence(tmp_path: Path) -> None:
    with old_table("mariadb", "4.4.7", "json", tmp_path) as engine:
        app = engine_app(engine)
        app.backend.store_result("new", 5, "SUCCESS")
        assert app.AsyncResult("new").result == 5
        assert load_results(engine, progress=False)["task_id"].iloc[-1] == "new"


@pytest.mark.parametrize("serializer", ["yaml", "msgpack", "pickle"])
@pytest.mark.parametrize("version", ["4.4.7", "5.6.3"])
def test_results_are_pickled_whatever_the_serializer_was(
    version: str, serializer: str, shop: dict[str, Any], tmp_path: Path
) -> None:
    with old_table("sqlite", version, serializer, tmp_path) as engine:
        tasks = load_results(engine, serializer=serializer, progress=False).set_index("task_id")
    for name, value in {**shop["VALUES"]}.items():
        assert tasks.loc[f"value-{name}", "result"] == value, name
    assert tasks.loc["failed-own", "exception"] == "OutOfStock"
    assert list(tasks.loc["failed-own", "result"]["exc_message"]) == ["apple", 3]
    assert tasks.loc["arguments", "kwargs"] == {"name": "Zoë", "list": [1, 2.5, None]}
    assert tasks["undecodable"].isna().all()


@pytest.mark.parametrize("name", ["json", "pickle"])
@pytest.mark.parametrize("version", ["2.4.0", "2.6.0"])
def test_a_table_of_django_celery_results_is_read(
    version: str, name: str, shop: dict[str, Any], tmp_path: Path
) -> None:
    table = "django_celery_results_taskresult"
    with old_table("sqlite", f"django-celery-results-{version}", name, tmp_path) as engine:
        tasks = load_results(engine, table=table, progress=False).set_index("task_id")
        groups = load_groups(engine, table="django_celery_results_groupresult")
        counts = count_results(engine, by="name", table=table)
    values = dict(shop["VALUES"])
    if (version, name) == ("2.4.0", "json"):
        for other in ("bytes", "datetime", "date", "decimal", "uuid"):
            del values[other]  # the JSON of its kombu made text of them, or refused them
    for value_name, value in values.items():
        assert tasks.loc[f"value-{value_name}", "result"] == value, value_name
    assert tasks.loc["moment", "name"] == "shop.moment"
    assert counts["shop.moment"] == (tasks["name"] == "shop.moment").sum()
    # Only the repr of the arguments is kept, so they stay text and are flagged.
    assert tasks.loc["arguments", "args"] == "(53, 'apple')"
    assert tasks.loc["arguments", "kwargs"] == "{'name': 'Zoë', 'list': [1, 2.5, None]}"
    assert (tasks["undecodable"] == "args, kwargs").all()
    assert tasks.loc["failed-zero", "exception"] == "ZeroDivisionError"
    ((child, _parent), _none) = tasks.loc["first", "children"][0]  # tuples in a pickle
    assert child == "second"
    assert tasks.loc["second", "children"] is None
    ran = pd.Timestamp(tasks.loc["moment", "result"], unit="s", tz="UTC")
    assert abs(tasks.loc["moment", "date_done"] - ran) < pd.Timedelta(minutes=10)
    assert groups["group_id"].tolist() == ["group"]
    assert groups["task_ids"][0] == ["member-1", "member-2"]


def test_engine_backend_works_as_a_role_that_may_not_add_columns(tmp_path: Path) -> None:
    role = f"writer_{uuid4().hex[:12]}"
    with old_table("postgresql", "5.4.0", "json", tmp_path) as engine:
        with engine.begin() as connection:
            connection.exec_driver_sql(f"CREATE ROLE {role}")
            rights = "SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public"
            connection.exec_driver_sql(f"GRANT {rights} TO {role}")
            connection.exec_driver_sql(f"GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO {role}")
        writer = make_engine(engine.url.update_query_dict({"options": f"-crole={role}"}))
        try:
            app = engine_app(writer)
            app.backend.store_result("new", 5, "SUCCESS")
            assert app.AsyncResult("new").get(timeout=60) == 5
            assert app.AsyncResult("value-integer").get(timeout=60) == 53
        finally:
            writer.dispose()
            with engine.begin() as connection:
                connection.exec_driver_sql(f"DROP OWNED BY {role}")
                connection.exec_driver_sql(f"DROP ROLE {role}")
