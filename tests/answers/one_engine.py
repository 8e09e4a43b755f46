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

LASTING = "return sa.create_engine(url, pool_pre_ping=True)"
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
            "return sa.create_engine": "expected an engine, got <function create_engine",
            LASTING.replace("return ", ""): "expected an engine, got None",
            LASTING.replace(", pool_pre_ping=True", ""): "broke, and the next query failed",
            LASTING.replace("True", "False"): "broke, and the next query failed",
            LASTING.replace("pool_pre_ping=True", "pool_recycle=3600"): "the next query failed",
            LASTING.replace("pool_pre_ping=True", "pool_size=1"): "the next query failed",
            LASTING.replace("pool_pre_ping=True", "pool_reset_on_return=None"): "query failed",
            LASTING.replace("pool_pre_ping=True", "isolation_level='AUTOCOMMIT'"): "query failed",
            LASTING.replace("pool_pre_ping=True", "pool_use_lifo=True"): "the next query failed",
            LASTING.replace(
                "pool_pre_ping=True", "poolclass=sa.NullPool"
            ): "5 queries have opened ",
            LASTING.replace("True", "True, poolclass=sa.NullPool"): "5 queries have opened ",
            LASTING.replace("True", "True, pool_recycle=0"): "5 queries have opened ",
            LASTING.replace("(url", "('sqlite:///other.db'"): "does not have the given URL",
            LASTING.replace("(url", "('sqlite://'"): "does not have the given URL",
            LASTING.replace("True", "True, poolclass=sa.StaticPool"): "share one connection",
        },
        right=[
            LASTING.replace("True", "True, pool_size=2"),
            "from tutorial.database import make_engine\n\n"
            "return make_engine(url, pool_pre_ping=True)",
        ],
    ),
    2: Answers(
        wrong={
            **FUNCTION,
            "work()\nreturn 1": ("that queries 4 times: expected 4, got 1."),
            "work()\nreturn engine.pool.checkedin()": "raised AttributeError",
            COUNT.replace("len(opened)", "str(len(opened))"): (
                "that queries 4 times: expected 4, got '4'."
            ),
            COUNT.replace("len(opened)", "opened"): (
                "that queries 4 times: expected 4, got [1, 1, 1, 1]."
            ),
            COUNT.replace("len(opened)", "len(opened) - 1"): (
                "that queries 4 times: expected 4, got 3."
            ),
            COUNT.replace('"connect"', '"checkout"'): (
                "a new engine that queries 3 times: expected 1, got 3."
            ),
            COUNT.replace("(engine,", "(sa.Pool,"): ("engine queries: expected 0, got 1."),
            COUNT.replace("sa.event.remove(*listen)", "pass"): "still listens",
            COUNT.replace("try:\n    work()\nfinally:\n    ", "work()\n"): (
                "raises an exception: afterwards the function still listen"
            ),
            COUNT.replace("finally", "except Exception:\n    pass\nfinally"): (
                "raises an exception: the function has swallowed the excep"
            ),
            COUNT.replace("    work()", "    work"): ("that queries 4 times: expected 4, got 0."),
            COUNT.replace("lambda *_", "lambda _"): "raised TypeError",
            COUNT.replace("    work()", "    engine.connect().close()"): (
                "that queries 4 times: expected 4, got 1."
            ),
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
            "print(engine)": "is missing, or was not committed",
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
            ENGINE.removeprefix("return "): ("3 threads: expected an engine, got None."),
            "return sa.create_engine(url)": ("seconds: expected at most 1."),
            ENGINE.replace("threads", "'threads'"): "raised TypeError",
            ENGINE.replace("threads", "8"): ("3 threads: the engine opens one connection more."),
            ENGINE.replace(", max_overflow=0", ""): (
                "3 threads: the engine opens one connection more."
            ),
            ENGINE.replace("=0.1", "=30"): ("seconds: expected at most 1."),
            ENGINE.replace("threads, max_overflow=0", "1, max_overflow=threads - 1"): (
                "3 threads: they have used the engine twice, and 5 connectio"
            ),
            ENGINE.replace("max_overflow=0", "max_overflow=1"): (
                "3 threads: the engine opens one connection more."
            ),
            ENGINE.replace("=threads", "=threads - 1"): (
                "3 threads: they do not get a connection each."
            ),
            "return sa.create_engine(url, poolclass=sa.NullPool)": "6 connections were opened",
            "return sa.create_engine(url, poolclass=sa.StaticPool)": (
                "3 threads: they share 1 connections."
            ),
            "from tutorial.database import make_engine\n\n"
            "return make_engine(pool_size=threads, max_overflow=0, pool_timeout=0.1)": (
                "does not have the given URL"
            ),
        },
        right=[
            "from tutorial.database import make_engine\n\n"
            "return make_engine(url, pool_size=threads, max_overflow=0, pool_timeout=0.2)",
            "return sa.create_engine(url, poolclass=sa.QueuePool, pool_size=threads, "
            "max_overflow=0, pool_timeout=0.05)",
        ],
    ),
}
