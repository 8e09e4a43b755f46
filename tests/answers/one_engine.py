"""Answers to the exercises of chapter 10."""

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
SESSION = """
self.session_manager.prepare_models(self.engine)
return sessionmaker(self.engine)()
"""
ENGINE = "return sa.create_engine(url, pool_size=threads, max_overflow=0, pool_timeout=0.1)"

ANSWERS = {
    1: Answers(
        wrong={
            "shop = engine": "and not a Celery app",
            "shop = engine_backend(engine)": "and not a Celery app",
            "shop = Celery('shop')": "stores nothing in a database",
            "shop = Celery('shop', backend=engine)": "'Engine' object is not callable",
            "shop = Celery('shop', backend=f'db+{engine.url}')": "but a new one for each call",
            "shop = Celery('shop', backend=engine_backend(make_engine()))": "but one of its own",
            "shop = Celery('shop', backend=f'tutorial.backend:EngineBackend+{engine.url}')": (
                "but one of its own"
            ),
            "shop = Celery('shop', backend=lambda app, url: DatabaseBackend(app=app, "
            "url=str(engine.url)))": "but a new one for each call",
            "shop = Celery('shop', broker=engine_backend(engine))": "stores nothing in a database",
        },
        right=[
            "shop = Celery('shop')\nshop.conf.result_backend = engine_backend(engine)",
            "from functools import partial\n\nfrom tutorial.backend import EngineBackend\n\n"
            "shop = Celery('shop', backend=partial(EngineBackend, engine=engine))",
        ],
    ),
    2: Answers(
        wrong={
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
            SESSION.replace("self.session_manager.prepare_models(self.engine)", ""): "who makes it",
            SESSION.replace("(self.engine)()", "(self.engine)"): "and not a session",
            SESSION.replace("return ", ""): "ResultSession returns None, and not a session",
            "return self.engine.connect()": "and not a session",
            "return super().ResultSession(session_manager)": "uses another engine than self.engine",
            SESSION.replace("(self.engine)()", "(make_engine())()"): "uses another engine",
            SESSION.replace("(self.engine)()", "(sa.create_engine(self.engine.url))()"): (
                "uses another engine"
            ),
            SESSION.replace("self.session_manager", "session_manager"): "raised AttributeError",
            SESSION.replace("(self.engine)()", "(engine)()"): "uses another engine",
            "if not hasattr(self, 'session'):\n"
            "    self.session_manager.prepare_models(self.engine)\n"
            "    self.session = sessionmaker(self.engine)()\n"
            "return self.session": "the same session",
        },
        right=[
            "from sqlalchemy.orm import Session\n\n"
            "self.session_manager.prepare_models(self.engine)\nreturn Session(self.engine)",
            "(session_manager or self.session_manager).prepare_models(self.engine)\n"
            "if not hasattr(self, 'sessions'):\n    self.sessions = sessionmaker(self.engine)\n"
            "return self.sessions()",
        ],
    ),
    4: Answers(
        wrong={
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
