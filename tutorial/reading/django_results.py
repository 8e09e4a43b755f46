"""Reads what the tables of django-celery-results keep in another way than Celery's own."""

import base64
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from celery import states

from tutorial.reading.pickles import read_exception, read_pickle

# Celery's name of a column, and the one in a table of django-celery-results.
COLUMNS = {
    "name": "task_name",
    "args": "task_args",
    "kwargs": "task_kwargs",
    "children": "meta",
    "taskset_id": "group_id",
}
STORED = {"args", "kwargs", "result", "children"}
MARK = "content_type"  # a column that none of Celery's own tables has
JSON_TYPE = "application/json"
PICKLE_TYPE = "application/x-python-serialize"


def correct(done: Mapping[str, Any], bad: Mapping[str, list[int]]) -> None:
    """Correct columns that were decoded as if the table were one of Celery's own.

    Parameters
    ----------
    done : mapping
        The decoded columns. Arguments that are only the text of a ``repr`` stay text.
    bad : mapping
        For each column the rows that could not be decoded; changed to what holds afterwards.
    """
    for name in sorted(STORED & done.keys()):
        failed = None
        if name == "result" and "status" in done:  # a group has no state
            failed = done["status"].isin(list(states.EXCEPTION_STATES))
        _read_other(done[name], done[MARK], bad[name], failed)
    for name in {"args", "kwargs"} & done.keys():
        bad[name].extend(row for row, value in enumerate(done[name]) if isinstance(value, str))
    if "children" in done:
        done["children"][:] = [_children(meta) for meta in done["children"]]


def _read_other(
    values: pd.Series, kinds: pd.Categorical, bad: list[int], failed: np.ndarray | None
) -> None:
    """Read pickles, which stand there in base64, and note what else is not JSON."""
    for row, kind in enumerate(kinds):
        raw = values.iat[row]
        if kind == JSON_TYPE or raw is None:
            continue
        if row in bad:
            bad.remove(row)
        try:
            if kind != PICKLE_TYPE:
                raise ValueError
            read = read_pickle if failed is None or not failed[row] else read_exception
            values.iat[row] = read(base64.b64decode(raw, validate=True))
        except (ValueError, TypeError):
            bad.append(row)


def _children(meta: Any) -> Any:
    return meta.get("children") or None if isinstance(meta, dict) else meta
