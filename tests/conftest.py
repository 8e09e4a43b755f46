"""A workspace for the tests that use the app in pytest's own process, and what to skip."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tutorial.broker import BROKER_VARIABLE
from tutorial.database import RESULT_BACKEND_VARIABLE
from tutorial.servers import VARIABLES, missing
from tutorial.workspace import HOME_VARIABLE


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    # pytest-benchmark takes --dist in the configuration for a parallel run, and measures nothing.
    if not config.getoption("numprocesses", None):
        config.option.dist = "no"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip a notebook's cell with the tag needs-rabbitmq where there is none, and so on."""
    for item in items:
        cell = getattr(item, "cell", None)
        for tag in cell.metadata.get("tags", []) if cell else []:
            kind = tag.removeprefix("needs-")
            if tag != kind and kind in VARIABLES and (reason := missing(kind)):
                item.add_marker(pytest.mark.skip(reason=reason))


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
