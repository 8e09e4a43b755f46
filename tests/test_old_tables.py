"""Tables that older versions of Celery wrote: read, never unpickled, right or flagged."""

import pickle
import runpy
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import sqlalchemy as sa
from celery import Celery
from celery.result import GroupResult
from kombu.exceptions import DecodeError
from old_tables import DATABASES, TABLES, VERSIONS, old_table

from tutorial.backend import engine_backend
from tutorial.results import load_results

SERIALIZERS = ["json", "pickle", "yaml", "msgpack"]


@pytest.fixture(scope="module")
def shop() -> Iterator[dict[str, Any]]:
    """Return the names of the app that stored the tables."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["shop.py", "cache+memory://", "{}", "all"])
        yield runpy.run_path(str(TABLES / "shop.py"))


def load(kind: str, version: str, name: str, folder: Path) -> pd.DataFrame:
    with old_table(kind, version, name, folder) as engine:
        return load_results(engine, progress=False).set_index("task_id")


@pytest.mark.parametrize("version", VERSIONS[:-1])
@pytest.mark.parametrize("kind", DATABASES)
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


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("kind", DATABASES)
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
