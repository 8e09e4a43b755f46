"""A workspace for each test that uses the app in pytest's own process."""

import signal
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from importlib import reload
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from kombu import pools

from tutorial import celeryconfig
from tutorial.broker import BROKER_VARIABLE
from tutorial.commands.lab import prefer_this_environment
from tutorial.database import RESULT_BACKEND_VARIABLE
from tutorial.tasks import app
from tutorial.workspace import HOME_VARIABLE

# How long an example takes says only how busy the machine is.
settings.register_profile("any-speed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any-speed")

BENCHMARKS = Path(__file__).parent / "benchmarks"
# The longest files come first: the last ones should not keep a single process busy.
LONGEST = {
    *("test_backend.py", "test_browser.py", "test_capacity_recipes.py", "test_classroom.py"),
    *("test_classroom_grading.py", "test_contributing.py", "test_course_run.py", "test_damage.py"),
    *("test_findings.py", "test_inspection_cases.py", "test_lab.py", "test_old_tables.py"),
    *("test_recovery.py", "test_results_live.py", "test_site.py", "test_start.py"),
    *("test_storing.py", "test_style.py", "test_watching.py", "test_worker.py"),
}
# These wait more than they compute: where several run at once, no processor has enough to do.
WAITING = (
    *("notebooks/13-outages.ipynb", "notebooks/11-crashes.ipynb", "notebooks/12-servers.ipynb"),
    *("tests/test_results_values.py", "tests/test_servers.py", "tests/test_servers_live.py"),
    *("tests/test_new.py", "tests/test_production.py", "tests/test_expiry.py"),
    "tests/test_broker.py",
)
APART = 7  # so many other files begin between two of them


def pytest_configure() -> None:
    """Let programs of this environment be found, and what the tests start be interrupted.

    ``.venv/bin/pytest`` can be called where PATH does not lead to its environment; after ``nohup
    pytest`` or ``pytest &``, all that it starts would ignore Ctrl+C.
    """
    prefer_this_environment()
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(tryfirst=True)  # before -m chooses
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let benchmarks run on request only, because they need a machine of their own."""
    for item in items:
        if BENCHMARKS in item.path.parents:
            item.add_marker("slow")
    items.sort(key=lambda item: (item.path.suffix == ".py", item.path.name not in LONGEST))
    files = mixed({"/".join(item.path.parts[-2:]): None for item in items})
    items.sort(key=lambda item: files.index("/".join(item.path.parts[-2:])))


def mixed(files: Collection[str]) -> list[str]:
    """Let notebooks, which wait for their kernels, and tests take turns, and spread what waits."""
    order = [file for file in files if file not in WAITING]
    kinds = [[file for file in order if file.endswith(end)] for end in (".ipynb", ".py")]
    place = {file: (number + 1) / len(kind) for kind in kinds for number, file in enumerate(kind)}
    order.sort(key=place.__getitem__)
    for number, file in enumerate(file for file in WAITING if file in files):
        order.insert(number * (APART + 1), file)
    return order


@contextmanager
def workspace(folder: Path) -> Iterator[Path]:
    """Let the app of this process, and all that a test starts, work in an empty folder."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(HOME_VARIABLE, str(folder))
        patch.delenv(BROKER_VARIABLE, raising=False)
        patch.delenv(RESULT_BACKEND_VARIABLE, raising=False)
        configure_again()
        yield folder


def configure_again() -> None:
    """Let the app read its configuration, as it does only once, and forget its connections."""
    # A reloaded module keeps what it no longer defines: the options of another broker.
    vars(celeryconfig).pop("broker_transport_options", None)
    values = vars(reload(celeryconfig))
    assert app.conf.broker_url  # until it is asked, the app has not read anything
    app.conf.update(
        broker_url=values["broker_url"],
        broker_transport_options=values.get("broker_transport_options", {}),
        result_backend=values["result_backend"],
    )
    app._local.__dict__.clear()  # the result backend; Celery has no public way
    del app.amqp  # which keeps a pool of producers
    pools.reset()


@pytest.fixture
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Return the folder that ``TUTORIAL_HOME`` names while a test runs."""
    with workspace(tmp_path_factory.mktemp("a workspace").resolve()) as folder:
        yield folder


@pytest.fixture(scope="module")
def home_of_module(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Return the folder that ``TUTORIAL_HOME`` names while the tests of a file run."""
    with workspace(tmp_path_factory.mktemp("a workspace").resolve()) as folder:
        yield folder
