"""Answers to the exercises of chapter 02."""

from answers.kinds import FUNCTION, value
from exercise_runs import Answers

URL = 'backend_url = f"db+sqlite:///{home}/files/answers.db"'
APP = "app = Celery(name)\napp.config_from_object(settings)\nreturn app"
WHERE = """
from celery.backends.base import DisabledBackend
from celery.backends.database import DatabaseBackend

try:
    backend = app.backend
except Exception:
    return "error"
if isinstance(backend, DisabledBackend):
    return "nowhere"
if isinstance(backend, DatabaseBackend):
    return "database"
return "elsewhere"
"""
BY_SETTING = """
try:
    url = str(app.conf.result_backend or "disabled")
except Exception:
    return "error"
if url == "disabled":
    return "nowhere"
if url.startswith("db+"):
    return "database"
return "error" if url.startswith(("sqlite", "Engine")) else "elsewhere"
"""

ANSWERS = {
    1: Answers(
        wrong={
            **value("backend_url"),
            URL.replace("db+", ""): "No module named 'sqlite'",
            URL.replace("db+", "sqla+"): "No module named 'sqla'",
            URL.replace("db+sqlite:///", ""): "Celery says: No module named",
            URL.replace("{home}/", ""): "The path 'files/answers.db' is relative",
            URL.replace("sqlite:///", "sqlite:/"): "it means a different file in each folder",
            URL.replace(":///", "://"): "is relative: it means a different file",
            URL.replace("files/", ""): "The file is 'answers.db' in the folder",
            URL.replace("answers", "results"): "The file is 'results.db' in the folder 'files'",
            URL.replace('f"', '"'): "The path '{home}/files/answers.db' is relative",
            'backend_url = "db+sqlite://"': "The path '.' is relative",
            'backend_url = "db+postgresql://localhost/answers"': (
                "The database should be SQLite, but is 'postgresql'."
            ),
            'backend_url = "rpc://"': "the backend is RPCBackend",
            'backend_url = home / "files" / "answers.db"': (
                "`backend_url` should be a string, but is PosixPath"
            ),
            "from tutorial.database import make_engine\n\nbackend_url = make_engine()": (
                "`backend_url` should be a string, but is Engine(sqlite:///"
            ),
        },
        right=[
            'backend_url = "db+sqlite:///" + str(home / "files" / "answers.db")',
            "from tutorial.database import sqlite_url\n\n"
            "backend_url = f\"db+{sqlite_url(home / 'files' / 'answers.db')}\"",
        ],
    ),
    2: Answers(
        wrong={
            **FUNCTION,
            "return Celery(name)": ("the app 'shop': broker_url: expected"),
            "return Celery(settings)": ("the app 'shop': the name: expected 'shop', got"),
            'return Celery("shop", config_source=settings)': (
                "the app 'library': the name: expected 'library', got"
            ),
            APP.replace("Celery(name)", 'Celery(name, backend="rpc://")'): (
                "the app 'shop': result_backend: expected"
            ),
            APP.replace("Celery(name)", 'Celery(name, broker="memory://")'): (
                "the app 'shop': broker_url: expected"
            ),
            "return Celery(name, backend=settings)": ("the app 'shop': broker_url: expected"),
            APP.replace("(settings)", '("settings")'): (
                "cannot read its settings: No module named 'settings'"
            ),
            APP.replace("(settings)", '("celeryconfig")'): "No module named 'celeryconfig'",
            APP.replace("(settings)", '("tutorial.celeryconfig")'): (
                "the app 'shop': broker_url: expected"
            ),
            APP.replace("\nreturn app", ""): ("the app 'shop': expected a Celery app, got None."),
            APP.replace("app.config_from_object(", "return app.config_from_object("): (
                "the app 'shop': expected a Celery app, got None."
            ),
            APP.replace("(settings)", "(settings + '.py')"): "cannot read its settings",
            "from tutorial.tasks import app\n\nreturn app": (
                "the app 'shop': the name: expected 'shop', got 'tutorial'."
            ),
            "import importlib\n\nmodule = importlib.import_module(settings)\n"
            "return Celery(name, broker=module.broker_url, backend=module.result_backend)": (
                "the app 'shop': task_default_queue: expected"
            ),
            APP.replace("settings", "setting"): "raised NameError",
        },
        right=[
            "return Celery(name, config_source=settings)",
            "import importlib\n\n"
            "app = Celery(name)\n"
            "app.config_from_object(importlib.import_module(settings))\n"
            "return app",
        ],
    ),
    3: Answers(
        wrong={
            **FUNCTION,
            'return "database"': ("app without settings: expected 'nowhere', got 'database'."),
            "return type(app.backend).__name__": (
                "app without settings: expected 'nowhere', got 'DisabledBac"
            ),
            "return app.conf.result_backend": (
                "an app without settings: expected 'nowhere', got None."
            ),
            WHERE.replace("except Exception:", "finally:").replace('return "error"', "pass"): (
                "raised ModuleNotFoundError"
            ),
            WHERE.replace("Exception", "ImportError"): "raised TypeError: 'Engine'",
            WHERE.replace("Exception", "(ImportError, TypeError)"): "raised NoSuchModuleError",
            WHERE.replace('"error"', '"nowhere"'): (
                "backend 'sqlite://': expected 'error', got 'nowhere'."
            ),
            WHERE.replace('"elsewhere"', '"database"'): (
                "the backend 'rpc://': expected 'elsewhere', got 'database'"
            ),
            WHERE.replace("isinstance(backend, DisabledBackend)", "backend is None"): (
                "app without settings: expected 'nowhere', got 'elsewhere'."
            ),
            BY_SETTING: ("backend 'db+lite://': expected 'error', got 'database'."),
            BY_SETTING.replace('or "disabled"', 'or ""').replace('== "disabled"', '== ""'): (
                "backend 'disabled': expected 'nowhere', got 'elsewhere'."
            ),
            BY_SETTING.replace('"error" if url.startswith(("sqlite", "Engine")) else ', ""): (
                "backend 'sqlite://': expected 'error', got 'elsewhere'."
            ),
            "while True:\n    pass": "still running after 1 seconds",
        },
        right=[
            WHERE,
            WHERE.replace("isinstance(backend, DisabledBackend)", '"Disabled" in repr(backend)'),
        ],
    ),
}
