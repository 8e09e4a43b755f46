"""A workspace for the tests that use the app in pytest's own process."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tutorial.broker import BROKER_VARIABLE
from tutorial.database import RESULT_BACKEND_VARIABLE
from tutorial.workspace import HOME_VARIABLE

BENCHMARKS = Path(__file__).parent / "benchmarks"


def pytest_configure() -> None:
    """Let Ctrl+C reach what the tests start, also after ``nohup pytest`` or ``pytest &``."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(tryfirst=True)  # before -m chooses
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let benchmarks run on request only: they need a machine of their own."""
    for item in items:
        if BENCHMARKS in item.path.parents:
            item.add_marker("slow")


@pytest.fixture(scope="session")
def shared_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    # One for all modules, because an app reads its configuration only once in a process.
    return tmp_path_factory.mktemp("a workspace").resolve()


@pytest.fixture(scope="module")
def home(shared_folder: Path) -> Iterator[Path]:
    """Return the folder that ``TUTORIAL_HOME`` names while a module's tests run."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(HOME_VARIABLE, str(shared_folder))
        patch.delenv(BROKER_VARIABLE, raising=False)
        patch.delenv(RESULT_BACKEND_VARIABLE, raising=False)
        from tutorial.tasks import app

        assert shared_folder.name in app.conf.broker_url, "the app was configured before"
        yield shared_folder
