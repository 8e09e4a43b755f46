"""Values of many types that a task might return, to show what JSON turns them into."""

import uuid
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import PurePosixPath

import numpy as np
import pandas as pd

TABLE = pd.DataFrame({"day": pd.date_range("2026-01-01", periods=3), "sold": [4, 0, 8]})

SAMPLES = {
    "list": [1, 2.5, "text", True, None],
    "datetime": datetime(2026, 1, 2, 3, 4),
    "Decimal": Decimal("0.10"),
    "UUID": uuid.UUID(int=5),
    "bytes": b"raw",
    "tuple": (1, 2),
    "integer keys": {1: "one", 2: "two"},
    "two equal keys": {1: "number", "1": "text"},
    "NumPy float": TABLE["sold"].mean(),
    "Timestamp": TABLE["day"].max(),
    "NaT": pd.NaT,
    "DataFrame": TABLE,
    "NumPy array": TABLE["sold"].to_numpy(),
    "NumPy integer": TABLE["sold"].sum(),
    "NumPy boolean": np.bool_(True),
    "set": {1, 2},
    "timedelta": timedelta(hours=1),
    "path": PurePosixPath("table.parquet"),
}
