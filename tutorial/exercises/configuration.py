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
from tutorial.exercises.checking import Wrong, call, exercise, first_line, shown
from tutorial.exercises.quiz import Choice, Question
from tutorial.workspace import home


@exercise(
    points=1,
    hints=[
        "Celery's name for all SQL databases is db, and it stands before the URL with a plus.",
        "db+sqlite:/// comes first, and then the path of the file.",
        "The path of the file is home / 'files' / 'answers.db', as a text.",
    ],
)
def exercise_1(backend_url: str) -> str:
    """See that a URL makes Celery keep its results in a certain SQLite file."""
    if not isinstance(backend_url, str):
        raise Wrong(f"`backend_url` is {shown(backend_url)}, and not a text.")
    app = Celery("check", backend=backend_url, set_as_current=False)
    app.conf.database_create_tables_at_setup = False  # the check only looks
    try:
        backend = app.backend
    except Exception as error:  # each wrong URL has its own
        raise Wrong(f"With this URL Celery says: {first_line(error)}.") from None
    if not isinstance(backend, DatabaseBackend):
        raise Wrong(f"With this URL the backend is {type(backend).__name__}, no SQL database.")
    url = sa.make_url(backend.url)
    if url.get_backend_name() != "sqlite":
        raise Wrong(f"The database is of the kind {url.get_backend_name()!r}, and not SQLite.")
    path = Path(url.database or "")
    if not path.is_absolute():
        raise Wrong(f"The path {str(path)!r} is relative: a worker elsewhere opens another file.")
    if path != home() / "files" / "answers.db":
        raise Wrong(f"The file is {path.name!r} in the folder {path.parent.name!r}.")
    return "With this URL Celery keeps its results in the file."


@exercise(
    points=2,
    hints=[
        "Celery(name) makes an app without settings. It reads no file by itself.",
        "The app's method config_from_object takes the name of a module.",
        "The arguments broker and backend of Celery win over the file: leave them out.",
    ],
)
def exercise_2(make_app: Callable[[str, str], Celery]) -> str:
    """See that a function makes apps with the settings of a module."""
    for name in ("shop", "library"):
        with _settings_file(name) as (module, settings):
            app = call(make_app, name, module)
            if not isinstance(app, Celery):
                raise Wrong(f"The function returns {shown(app)}, and not a Celery app.")
            if app.main != name:
                raise Wrong(f"The app's name is {app.main!r}, and not {name!r}.")
            for setting, right in settings.items():
                found = _setting(app, setting)
                if found != right:
                    raise Wrong(f"The app's {setting} is {shown(found)}, not that of the module.")
    return "Each app has its name, and the settings of its module."


def _setting(app: Celery, name: str) -> object:
    try:
        # Not app.conf.broker_url, which looks into the environment first.
        return app.conf[name]
    except ImportError as error:  # the app reads its settings only when it is first asked
        raise Wrong(f"The app cannot read its settings: {error}.") from None


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


WORDS = ("nowhere", "database", "elsewhere", "error")


@exercise(
    points=3,
    hints=[
        "The settings are what somebody wanted. app.backend is what the app really uses.",
        "type(app.backend).__name__ is DisabledBackend for an app that stores no results, and "
        "DatabaseBackend for one that stores them in a SQL database.",
        "Where the setting is wrong, app.backend itself raises an exception, and not always the "
        "same: try and except around it.",
    ],
)
def exercise_3(where_are_results: Callable[[Celery], str]) -> str:
    """See that a function says of an app where its results go."""
    for description, (app, right) in _apps().items():
        found = call(where_are_results, app)
        if found not in WORDS:
            raise Wrong(f"For {description} it returns {shown(found)}, none of the four words.")
        if found != right:
            raise Wrong(f"For {description} it returns {found!r}, and {right!r} is right.")
    return "It asks the app itself, and also knows the apps that are set up wrongly."


def _apps() -> dict[str, tuple[Celery, str]]:
    """Make apps; return of each a description, the app, and where its results go."""

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


question_1 = Question(
    "An app has no settings. Where does it store results?",
    Choice("In the broker.", "Many believe so. The result backend is a setting of its own."),
    Choice(
        "Nowhere.",
        "Its backend is DisabledBackend, and get says that none is configured.",
        right=True,
    ),
    Choice("In the memory of the app.", "A worker is another process: memory would not help."),
)
question_2 = Question(
    "No module named 'sqlite': what is wrong?",
    Choice(
        "The URL of the result backend lacks db+.",
        "Without it the scheme is the name of a result backend, and there is none named sqlite.",
        right=True,
    ),
    Choice("SQLite is not installed.", "It is a part of Python, and its module is sqlite3."),
    Choice("The file does not exist yet.", "SQLite makes a file that is missing."),
)
question_3 = Question(
    "celeryconfig.py lies beside tasks.py. When does the app read it?",
    Choice("When the worker starts.", "Not by itself: worker and client do as the app says."),
    Choice("When Celery(...) makes the app.", "The app is made without looking for files."),
    Choice(
        "When the app was told its name.",
        "config_from_object does that; the file is read when a setting is first needed.",
        right=True,
    ),
)
question_4 = Question(
    "The worker stores results, and the client says that no result backend is configured. Why?",
    Choice("The worker is slow.", "Then the client would wait, and say nothing."),
    Choice("The table is empty.", "Then the state would be PENDING, which is no error."),
    Choice(
        "The client's app has not loaded the configuration.",
        "Each process has an app of its own, and both need the same settings.",
        right=True,
    ),
)
question_5 = Question(
    "How do the engines that Celery makes get the course's settings?",
    Choice("make_engine makes them.", "Celery makes its own from the URL, and knows no other."),
    Choice(
        "database_engine_callback names a function that gets each of them.",
        "So WAL and the busy timeout hold for the worker's connections too.",
        right=True,
    ),
    Choice("The URL says so.", "It names the file, and neither WAL nor a timeout."),
)
