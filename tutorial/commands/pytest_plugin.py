"""How pytest runs the notebooks: a plugin, which pyproject.toml names and pytest therefore loads.

It works in every folder and for every notebook, whereas a ``conftest.py`` counts only beside it.
"""

import gc
import os
import tempfile
from pathlib import Path

import pytest

from tutorial.commands.chapters import EXERCISES
from tutorial.commands.environment import DISTURBING
from tutorial.commands.outputs import RULES, tags_of, wait_longer
from tutorial.servers import VARIABLES, missing

# Looking for garbage took a tenth of the tests' time, and a fifth of an import of pandas.
SELDOM = (100_000, 50)
KERNEL = f"import gc\ngc.freeze()\ngc.set_threshold{SELDOM}\n"  # what kernels of the tests read


def pytest_configure(config: pytest.Config) -> None:
    """Name the rules by their full path, and keep a user's settings out of the kernels.

    Pytest can be started in another folder, and without ``python -m tutorial test``. A startup file
    of IPython that prints, for example, would add to the outputs.
    """
    gc.set_threshold(*SELDOM)
    for name in DISTURBING:
        os.environ.pop(name, None)
    # The threads of NumPy's linear algebra, which the course does not use, are busy while they
    # start: half of the processor time of an import of NumPy, in a hundred processes.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    if config.option.nbval_sanitize_with is None:
        config.option.nbval_sanitize_with = str(RULES)
    if not hasattr(config, "workerinput"):  # the processes of xdist inherit the folder
        folder = tempfile.TemporaryDirectory(prefix="tutorial-ipython-", ignore_cleanup_errors=True)
        config.add_cleanup(folder.cleanup)
        os.environ["IPYTHONDIR"] = folder.name
        profile = Path(folder.name, "profile_default")
        profile.mkdir()
        (profile / "ipython_kernel_config.py").write_text(KERNEL)


@pytest.hookimpl(tryfirst=True)  # before xdist's own answer, which is the number of cores
def pytest_xdist_auto_num_workers() -> int:
    """Return how many processes run tests: three more than there are cores, as tests wait a lot."""
    return max(2, os.cpu_count() or 2) + 3


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    """Leave out what learners get: it does not run without errors until they have solved it."""
    released = collection_path.suffix == ".ipynb" and collection_path.parent == EXERCISES
    return True if released else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip a cell with the tag ``needs-rabbitmq`` where there is no RabbitMQ, and so on."""
    for item in items:
        wait_longer(item)
        for tag in tags_of(item):
            kind = tag.removeprefix("needs-")
            if tag != kind and kind in VARIABLES and (reason := missing(kind)):
                item.add_marker(pytest.mark.skip(reason=reason))


def pytest_collection_finish() -> None:
    """Let garbage be looked for in what tests make: what is collected stays until the end."""
    gc.freeze()
