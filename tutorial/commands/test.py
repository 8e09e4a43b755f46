"""All tests of the course: what ``python -m tutorial test`` runs."""

import os
import subprocess
import sys
from collections.abc import Sequence

from tutorial.commands.lab import prefer_this_environment
from tutorial.workspace import COURSE

# A learner's own servers: the stored outputs are those of the embedded queue and database.
SERVERS = (
    *("CELERY_BROKER_URL", "CELERY_BROKER_READ_URL", "CELERY_BROKER_WRITE_URL"),
    "CELERY_RESULT_BACKEND",
)


def run(options: Sequence[str] = ()) -> int:
    """Run pytest in the course's folder.

    Parameters
    ----------
    options : sequence of str, optional
        What ``pytest`` takes, such as ``-m slow``.

    Returns
    -------
    int
        The exit code of pytest.
    """
    prefer_this_environment()
    for name in SERVERS:
        os.environ.pop(name, None)
    command = [sys.executable, "-m", "pytest", *options]
    if os.name == "posix":
        os.chdir(COURSE)
        os.execv(command[0], command)  # so that signals reach pytest, and no parent is left over
    return subprocess.run(command, cwd=COURSE).returncode
