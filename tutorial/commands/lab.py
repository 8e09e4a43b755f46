"""JupyterLab on the course: what ``python -m tutorial lab`` runs."""

import os
import sys
import sysconfig
from collections.abc import Sequence
from pathlib import Path

from tutorial.workspace import COURSE

FIRST_NOTEBOOK = "notebooks/00-start-here.ipynb"
# A layout of the learner's other work, restored here, would look for files that are elsewhere.
LAYOUT = "celery-sql-results-tutorial"
# JupyterLab asks whether it may fetch news, unless its settings have an answer. This folder holds
# other defaults; what a learner has chosen in JupyterLab comes before them.
SETTINGS = Path(__file__).parent / "lab_settings"


def run(options: Sequence[str] = ()) -> None:
    """Run JupyterLab until it is stopped.

    Parameters
    ----------
    options : sequence of str, optional
        What ``jupyter lab`` takes, such as ``--no-browser``.
    """
    from jupyterlab.labapp import LabApp

    prefer_this_environment()
    LabApp.launch_instance(arguments(options))


def arguments(options: Sequence[str] = ()) -> list[str]:
    """Return the command line of JupyterLab, without the program's name.

    Parameters
    ----------
    options : sequence of str, optional
        They replace the course's own options of the same names.

    Returns
    -------
    list of str
    """
    course = [
        f"--ServerApp.root_dir={COURSE}",
        f"--LabApp.default_url=/lab/workspaces/{LAYOUT}/tree/{FIRST_NOTEBOOK}",
        f"--LabApp.app_settings_dir={SETTINGS}",
    ]
    if os.name == "posix":
        # A login shell would set another PATH.
        course.append(
            f"--ServerApp.terminado_settings=shell_command={os.environ.get('SHELL', 'sh')}"
        )
        if os.geteuid() == 0:  # in a container
            course.append("--allow-root")
    given = {option.partition("=")[0] for option in options}
    # JupyterLab does not start with the same option twice.
    return [option for option in course if option.partition("=")[0] not in given] + list(options)


def prefer_this_environment() -> None:
    """Let terminals and notebooks find the ``celery``, kernel and course of this interpreter."""
    _put_first("PATH", sysconfig.get_path("scripts"))
    # A kernel specification "python3" of the learner's own would come before the environment's,
    # https://jupyter-client.readthedocs.io/en/stable/kernels.html#kernel-specs
    _put_first("JUPYTER_PATH", str(Path(sys.prefix, "share", "jupyter")))
    # Kernels import this copy of the package, also where the course was installed otherwise.
    _put_first("PYTHONPATH", str(COURSE))


def _put_first(variable: str, folder: str) -> None:
    others = os.environ.get(variable)
    os.environ[variable] = f"{folder}{os.pathsep}{others}" if others else folder
