"""The exercises of chapter 02: the configuration."""

import sys
import tempfile
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa
from celery import Celery
from celery.backends.database import DatabaseBackend

from tutorial.database import make_engine
from tutorial.exercises.checking import WrongAnswer, case, exercise, expect, first_line, shown
from tutorial.workspace import home


@exercise(
    points=1,
    hints=[
        "Celery's name for all SQL databases is db; write it before the URL, with a plus sign.",
        "db+sqlite:/// comes first, and then the path of the file.",
        "The path of the file is home / 'files' / 'answers.db', as a string.",
    ],
)
def exercise_1(backend_url: str) -> str:
    """Check that a URL makes Celery keep its results in the given SQLite file."""
    if not isinstance(backend_url, str):
        raise WrongAnswer(f"`backend_url` should be a string, but is {shown(backend_url)}.")
    app = Celery("check", backend=backend_url, set_as_current=False)
    app.conf.database_create_tables_at_setup = False  # the check only looks
    try:
        backend = app.backend
    except Exception as error:  # each wrong URL raises another one
        raise WrongAnswer(f"With this URL Celery says: {first_line(error)}.") from None
    if not isinstance(backend, DatabaseBackend):
        raise WrongAnswer(
            f"With this URL the backend is {type(backend).__name__}, not a SQL database."
        )
    url = sa.make_url(backend.url)
    if url.get_backend_name() != "sqlite":
        raise WrongAnswer(f"The database should be SQLite, but is {url.get_backend_name()!r}.")
    path = Path(url.database or "")
    if not path.is_absolute():
        raise WrongAnswer(
            f"The path {str(path)!r} is relative: it means a different file in each folder."
        )
    if path != home() / "files" / "answers.db":
        raise WrongAnswer(f"The file is {path.name!r} in the folder {path.parent.name!r}.")
    return "With this URL, Celery keeps its results in the file."


@exercise(
    points=2,
    hints=[
        "Celery(name) makes an app without settings. It does not read any file by itself.",
        "The app's method config_from_object takes the name of a module.",
        "The arguments broker and backend of Celery win over the file: leave them out.",
    ],
)
def exercise_2(make_app: Callable[[str, str], Celery]) -> str:
    """Check that a function makes apps with the settings of a module."""
    for name in ("shop", "library"):
        with _settings_file(name) as (module, settings), case(f"the app {name!r}") as call:
            app = call(make_app, name, module)
            if not isinstance(app, Celery):
                raise WrongAnswer(f"expected a Celery app, got {shown(app)}.")
            expect(app.main, name, "the name: ")
            for setting, right in settings.items():
                expect(_setting(app, setting), right, f"{setting}: ")
    return "Each app has its name, and the settings of its module."


def _setting(app: Celery, name: str) -> object:
    try:
        # Not app.conf.broker_url, which looks into the environment first.
        return app.conf[name]
    except ImportError as error:  # an app reads its settings when it first needs one
        raise WrongAnswer(f"the app cannot read its settings: {error}.") from None


@contextmanager
def _settings_file(name: str) -> Iterator[tuple[str, dict[str, object]]]:
    """Write a module with settings, for a ``with`` block; yield its name and the settings."""
    random = uuid.uuid4().hex
    settings = {
        "broker_url": f"sqla+sqlite:////{random}/queue.db",
        "result_backend": f"db+sqlite:////{random}/results.db",
        "task_default_queue": f"{name}-{random}",
        "result_extended": True,
    }
    module = f"settings_{random}"
    with tempfile.TemporaryDirectory() as folder:
        lines = [f"{setting} = {value!r}\n" for setting, value in settings.items()]
        Path(folder, f"{module}.py").write_text("".join(lines), encoding="utf-8")
        sys.path.insert(0, folder)
        try:
            yield module, settings
        finally:
            sys.path.remove(folder)
            sys.modules.pop(module, None)


@exercise(
    points=3,
    hints=[
        "The settings say what was wanted; app.backend is what the app really uses.",
        "type(app.backend).__name__ is DisabledBackend for an app that stores no results, and "
        "DatabaseBackend for one that stores them in a SQL database.",
        "If the setting is wrong, app.backend itself raises an exception, not always of the same "
        "type: put app.backend between try and except.",
    ],
)
def exercise_3(where_are_results: Callable[[Celery], str]) -> str:
    """Check that a function tells where the results of an app go."""
    for description, (app, right) in _apps().items():
        with case(description) as call:
            expect(call(where_are_results, app), right)
    return "Your function asks the app itself, and also recognizes wrong configurations."


def _apps() -> dict[str, tuple[Celery, str]]:
    """Make apps; return, for each description, the app, and where its results go."""

    def app(backend: object = None) -> Celery:
        return Celery("check", backend=backend, set_as_current=False)

    lost = app()
    lost.config_from_object("no_such_module")
    return {
        "an app without settings": (app(), "nowhere"),
        "an app with the backend 'disabled'": (app("disabled"), "nowhere"),
        "an app with the backend 'db+sqlite://'": (app("db+sqlite://"), "database"),
        "an app with the backend 'rpc://'": (app("rpc://"), "elsewhere"),
        "an app with the backend 'sqlite://'": (app("sqlite://"), "error"),
        "an app with an engine as its backend": (app(make_engine("sqlite://")), "error"),
        "an app with the backend 'db+lite://'": (app("db+lite://"), "error"),
        "an app whose configuration is not found": (lost, "error"),
    }
