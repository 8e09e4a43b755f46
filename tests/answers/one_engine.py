"""Answers to the exercises of chapter 10."""

from answers.kinds import FUNCTION
from exercise_runs import Answers

COUNT = """
opened = []
listen = (engine, "connect", lambda *_: opened.append(1))
sa.event.listen(*listen)
try:
    work()
finally:
    sa.event.remove(*listen)
return len(opened)
"""
ENGINE = "return sa.create_engine(url, pool_size=threads, max_overflow=0, pool_timeout=0.1)"

APP = """
engine = sa.create_engine(url, pool_pre_ping=True)
return Celery("shop", backend=engine_backend(engine))
"""
UPGRADE = """
found = {column["name"] for column in sa.inspect(engine).get_columns("celery_taskmeta")}
with engine.begin() as connection:
    for column in TaskExtended.__table__.columns:
        if column.name not in found:
            kind = column.type.compile(engine.dialect)
            add = f"ALTER TABLE celery_taskmeta ADD COLUMN {column.name} {kind}"
            connection.execute(sa.text(add))
"""

ANSWERS = {
    1: Answers(
        wrong={
            **FUNCTION,
            "return engine_backend(sa.create_engine(url))": "expected a Celery app",
            "return Celery('shop')": "the backend is not a SQL database",
            "return Celery('shop', backend=sa.create_engine(url))": "is not callable",
            "return Celery('shop', backend=f'db+{url}')": "makes a new engine for each call",
            "app = Celery('shop', backend=f'db+{url}')\n"
            "app.conf.database_engine_options = {'pool_pre_ping': True}\n"
            "return app": "makes a new engine for each call",
            APP.replace(
                ", pool_pre_ping=True", ""
            ): "the connection broke, and the next read failed",
            APP.replace("True", "False"): "the connection broke, and the next read failed",
            APP.replace("pool_pre_ping=True", "pool_recycle=3600"): "the connection broke",
            APP.replace("pool_pre_ping=True", "poolclass=sa.NullPool"): "opened 5 connections",
            APP.replace("pool_pre_ping=True", "pool_pre_ping=True, poolclass=sa.NullPool"): (
                "opened 5 connections"
            ),
            APP.replace("(url", "('sqlite:///other.db'"): "in another database",
            APP.replace("(engine))", "(sa.create_engine(url)))"): "the connection broke",
            APP.replace("pool_pre_ping=True", "pool_size=1, pool_reset_on_return=None"): "broke",
        },
        right=[
            APP,
            "from tutorial.database import make_engine\n\n"
            "app = Celery('shop')\n"
            "app.conf.result_backend = engine_backend(make_engine(url, pool_pre_ping=True))\n"
            "return app",
        ],
    ),
    2: Answers(
        wrong={
            **FUNCTION,
            "work()\nreturn 1": "opened connections is 4; the function returns 1",
            "work()\nreturn engine.pool.checkedin()": "raised AttributeError",
            COUNT.replace("len(opened)", "str(len(opened))"): "the function returns '4'",
            COUNT.replace("len(opened)", "opened"): "the function returns [1, 1, 1, 1]",
            COUNT.replace("len(opened)", "len(opened) - 1"): "the function returns 3",
            COUNT.replace(
                '"connect"', '"checkout"'
            ): "opened connections is 1; the function returns 3",
            COUNT.replace("(engine,", "(sa.Pool,"): "another engine asks, the number",
            COUNT.replace("sa.event.remove(*listen)", "pass"): "still listens",
            COUNT.replace("try:\n    work()\nfinally:\n    ", "work()\n"): "goes on listening",
            COUNT.replace("finally", "except Exception:\n    pass\nfinally"): "has swallowed it",
            COUNT.replace("    work()", "    work"): "the function returns 0",
            COUNT.replace("lambda *_", "lambda _"): "raised TypeError",
            COUNT.replace("    work()", "    engine.connect().close()"): "returns 1",
        },
        right=[
            COUNT,
            "from contextlib import ExitStack\n\nopened = set()\n"
            "def note(connection, record):\n    opened.add(connection)\n"
            "with ExitStack() as stack:\n"
            "    sa.event.listen(engine.pool, 'connect', note)\n"
            "    stack.callback(sa.event.remove, engine.pool, 'connect', note)\n"
            "    work()\n"
            "return len(opened)",
        ],
    ),
    3: Answers(
        wrong={
            **{code: says for code, says in FUNCTION.items() if "LookupError" in code},
            "return None": "is missing, or was not committed",
            UPGRADE.replace("engine.begin()", "engine.connect()"): "was not committed",
            UPGRADE.replace("        if column.name not in found:\n    ", "    "): (
                "raised OperationalError"
            ),
            UPGRADE.replace("if column.name not in found", "if column.name == 'stamps'"): (
                "'children' is missing"
            ),
            UPGRADE.replace("not in found", "not in [*found, 'children']"): "'children' is missing",
            UPGRADE.replace("not in found", "not in [*found, 'stamps']"): "'stamps' is missing",
            UPGRADE.replace("{kind}", "TEXT"): "should be a BLOB, but is TEXT",
            UPGRADE.replace(" {kind}", ""): "should be a BLOB, but is",
            UPGRADE.replace("{column.name}", "new_{column.name}"): "is missing",
            UPGRADE + "        connection.execute(sa.text('DELETE FROM celery_taskmeta'))": (
                "the rows of the table have changed"
            ),
            "TaskExtended.__table__.drop(engine)\nTaskExtended.__table__.create(engine)": (
                "the rows of the table have changed"
            ),
            "TaskExtended.__table__.drop(engine)": "the table celery_taskmeta is gone",
            "TaskExtended.__table__.create(engine, checkfirst=True)": "is missing",
            "TaskExtended.metadata.create_all(engine)": "is missing",
            "with engine.begin() as connection:\n"
            "    for name in ('children', 'stamps'):\n"
            "        add = f'ALTER TABLE celery_taskmeta ADD COLUMN {name} BLOB'\n"
            "        connection.execute(sa.text(add))": "raised OperationalError",
            UPGRADE.replace(
                "with engine.begin() as connection:",
                "with engine.begin() as connection:\n"
                "    connection.execute(sa.text('UPDATE celery_taskmeta SET worker = NULL'))",
            ): "the rows of the table have changed",
        },
        right=[
            UPGRADE,
            "from celery.backends.database.session import SessionManager\n\n"
            "SessionManager().prepare_models(engine)",
        ],
    ),
    4: Answers(
        wrong={
            **FUNCTION,
            ENGINE.removeprefix("return "): "The function returns None, and not an engine",
            "return sa.create_engine(url)": "Who finds no connection free waits for 30 seconds",
            ENGINE.replace("threads", "'threads'"): "raised TypeError",
            ENGINE.replace("threads", "8"): "Beyond those of the 3 threads",
            ENGINE.replace(", max_overflow=0", ""): "Beyond those of the 3 threads",
            ENGINE.replace("=0.1", "=30"): "waits for 30 seconds",
            ENGINE.replace("threads, max_overflow=0", "1, max_overflow=threads - 1"): (
                "not all kept"
            ),
            ENGINE.replace("max_overflow=0", "max_overflow=1"): "Beyond those of the 3 threads",
            ENGINE.replace("=threads", "=threads - 1"): "get no connection each",
            "return sa.create_engine(url, poolclass=sa.NullPool)": "6 connections were opened",
            "return sa.create_engine(url, poolclass=sa.StaticPool)": "but share 1",
            "return make_engine(pool_size=threads, max_overflow=0, pool_timeout=0.1)": (
                "not one for the URL"
            ),
        },
        right=[
            "return make_engine(url, pool_size=threads, max_overflow=0, pool_timeout=0.2)",
            "return sa.create_engine(url, poolclass=sa.QueuePool, pool_size=threads, "
            "max_overflow=0, pool_timeout=0.05)",
        ],
    ),
}
