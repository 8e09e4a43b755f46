"""Tables that older versions of Celery wrote: read, never unpickled, right or flagged."""

import runpy
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from old_tables import DATABASES, TABLES, VERSIONS, old_table

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
