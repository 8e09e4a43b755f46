"""Read the stored results with pandas, and run nothing that is stored: python results.py."""

import json
from typing import Any

import pandas as pd
import sqlalchemy as sa
from database import engine

QUERY = """
SELECT task_id, name, status, args, kwargs, result, worker, date_done
FROM celery_taskmeta ORDER BY id
"""


def decode(stored: Any) -> Any:
    """Return the value of a stored JSON text, or the bytes unchanged if it is not JSON."""
    try:
        return None if stored is None else json.loads(bytes(stored))
    except ValueError:
        return bytes(stored)


def load_results(engine: sa.Engine = engine) -> pd.DataFrame:
    """Load all results: one row for each task, with times in UTC."""
    frame = pd.read_sql(sa.text(QUERY), engine)
    for column in ("args", "kwargs", "result"):
        frame[column] = frame[column].map(decode)
    frame["date_done"] = pd.to_datetime(frame["date_done"], utc=True)
    return frame


if __name__ == "__main__":
    print(load_results().to_string())
