"""The tests use their own database and queue, in a temporary folder."""

import os
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

_folder = tempfile.TemporaryDirectory()
os.environ.setdefault("TEST_DATABASE_URL", f"sqlite:///{_folder.name}/results.db")
os.environ.setdefault("TEST_BROKER_URL", f"sqla+sqlite:///{_folder.name}/queue.db")
# Before the project's modules are imported: they read these once.
os.environ["DATABASE_URL"] = os.environ["TEST_DATABASE_URL"]
os.environ["BROKER_URL"] = os.environ["TEST_BROKER_URL"]
