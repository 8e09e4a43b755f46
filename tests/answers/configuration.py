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
            URL.replace("sqlite:///", "sqlite:/"): "a worker elsewhere opens another file",
            URL.replace(":///", "://"): "is relative: a worker elsewhere",
            URL.replace("files/", ""): "The file is 'answers.db' in the folder",
            URL.replace("answers", "results"): "The file is 'results.db' in the folder 'files'",
            URL.replace('f"', '"'): "The path '{home}/files/answers.db' is relative",
            'backend_url = "db+sqlite://"': "The path '.' is relative",
            'backend_url = "db+postgresql://localhost/answers"': "of the kind 'postgresql'",
            'backend_url = "rpc://"': "the backend is RPCBackend",
            'backend_url = home / "files" / "answers.db"': "and not a text",
            "from tutorial.database import make_engine\n\nbackend_url = make_engine()": (
                "and not a text"
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
            "return Celery(name)": "The app's broker_url is None",
            "return Celery(settings)": "and not 'shop'",
            'return Celery("shop", config_source=settings)': "'shop', and not 'library'",
            APP.replace("Celery(name)", 'Celery(name, backend="rpc://")'): (
                "The app's result_backend is 'rpc://'"
            ),
            APP.replace("Celery(name)", 'Celery(name, broker="memory://")'): (
                "The app's broker_url is 'memory://'"
            ),
            "return Celery(name, backend=settings)": "The app's broker_url is None",
            APP.replace("(settings)", '("settings")'): (
                "cannot read its settings: No module named 'settings'"
            ),
            APP.replace("(settings)", '("celeryconfig")'): "No module named 'celeryconfig'",
            APP.replace("(settings)", '("tutorial.celeryconfig")'): "not that of the module",
            APP.replace("\nreturn app", ""): "returns None, and not a Celery app",
            APP.replace("app.config_from_object(", "return app.config_from_object("): (
                "returns None, and not a Celery app"
            ),
            APP.replace("(settings)", "(settings + '.py')"): "cannot read its settings",
            "from tutorial.tasks import app\n\nreturn app": "The app's name is 'tutorial'",
            "import importlib\n\nmodule = importlib.import_module(settings)\n"
            "return Celery(name, broker=module.broker_url, backend=module.result_backend)": (
                "The app's task_default_queue is 'celery'"
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
            'return "database"': "without settings it returns 'database', and 'nowhere'",
            "return type(app.backend).__name__": "'DisabledBackend', none of the four words",
            "return app.conf.result_backend": "returns None, none of the four words",
            WHERE.replace("except Exception:", "finally:").replace('return "error"', "pass"): (
                "raised ModuleNotFoundError"
            ),
            WHERE.replace("Exception", "ImportError"): "raised TypeError: 'Engine'",
            WHERE.replace("Exception", "(ImportError, TypeError)"): "raised NoSuchModuleError",
            WHERE.replace('"error"', '"nowhere"'): "'sqlite://' it returns 'nowhere'",
            WHERE.replace('"elsewhere"', '"database"'): "'rpc://' it returns 'database'",
            WHERE.replace("isinstance(backend, DisabledBackend)", "backend is None"): (
                "without settings it returns 'elsewhere'"
            ),
            BY_SETTING: "'db+lite://' it returns 'database', and 'error'",
            BY_SETTING.replace('or "disabled"', 'or ""').replace('== "disabled"', '== ""'): (
                "backend 'disabled' it returns 'elsewhere'"
            ),
            BY_SETTING.replace('"error" if url.startswith(("sqlite", "Engine")) else ', ""): (
                "'sqlite://' it returns 'elsewhere'"
            ),
            "while True:\n    pass": "still running after 1 seconds",
        },
        right=[
            WHERE,
            WHERE.replace("isinstance(backend, DisabledBackend)", '"Disabled" in repr(backend)'),
        ],
    ),
}
