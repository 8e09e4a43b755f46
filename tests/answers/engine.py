"""Answers to the exercises of chapter 01."""

from answers.kinds import FUNCTION, value
from exercise_runs import Answers

ORDERS = """
with engine.begin() as connection:
    connection.execute(sa.text("CREATE TABLE IF NOT EXISTS orders (number INTEGER)"))
    connection.execute(sa.text("DELETE FROM orders"))
    connection.execute(sa.text("INSERT INTO orders VALUES (1), (2), (3)"))
"""
SHOP = """
from tutorial.database import make_engine, sqlite_url

(home / "files" / "shop.db").unlink(missing_ok=True)
engine = make_engine(sqlite_url(home / "files" / "shop.db"))
"""
PRAGMAS = """
engine = sa.create_engine(f"sqlite:///{file}")

def set_pragmas(connection, record):
    connection.execute("PRAGMA busy_timeout = 30000")
    connection.execute("PRAGMA journal_mode = WAL")

sa.event.listen(engine, "connect", set_pragmas)
return engine
"""
URL = "postgresql+psycopg://ada:p%40ss%2Fword@db.example.org:5433/results"

ANSWERS = {
    1: Answers(
        wrong={
            **value("url"),
            f"url = {URL.replace('%40', '@').replace('%2F', '/')!r}": (
                "The password: expected 'p@ss/word', got 'p'."
            ),
            f"url = {URL.replace('+psycopg', '')!r}": (
                "The drivername: expected 'postgresql+psycopg', got"
            ),
            f"url = {URL.replace('postgresql', 'postgres')!r}": (
                "The drivername: expected 'postgresql+psycopg', got"
            ),
            f"url = {URL.replace(':5433', '')!r}": ("The port: expected"),
            f"url = {URL.replace('5433', '5432')!r}": ("The port: expected"),
            f"url = str(sa.make_url({URL!r}))": "three stars",
            f"url = {URL.replace('%2F', '%252F')!r}": (
                "The password: expected 'p@ss/word', got 'p@ss%2Fword'."
            ),
            f"url = {URL.removesuffix('/results')!r}": (
                "The database: expected 'results', got None."
            ),
            f"url = sa.make_url({URL!r}).set(port='5433')": ("The port: expected"),
            "url = 'db.example.org'": "cannot read the URL",
            f"url = sa.create_engine({URL!r})": "SQLAlchemy cannot read the URL",
        },
        right=[f"url = {URL!r}", f"url = sa.make_url({URL!r})"],
    ),
    2: Answers(
        wrong={
            **value("engine"),
            SHOP.replace("make_engine(", "("): ("`engine` should be an engine, but is sqlite:///"),
            'engine = sa.create_engine("sqlite:///shop.db")': "is relative",
            SHOP: "There is no file yet",
            SHOP + "engine.connect().close()": "cannot read the orders: no such table",
            SHOP + ORDERS.replace("begin", "connect"): "was there a commit?",
            SHOP + ORDERS.replace("DELETE", "SELECT 1") * 2: (
                "The table: expected [1, 2, 3], got [1, 1, 2, 2, 3, 3]."
            ),
            SHOP + ORDERS.replace("(1), (2), (3)", "('1'), ('2'), ('three')"): "'three'",
            SHOP + ORDERS.replace("orders", "order_numbers"): "no such table: orders",
            SHOP.replace("shop.db", "orders.db") + ORDERS: "The engine's file is 'orders.db'",
            SHOP.replace('home / "files"', "home") + ORDERS: "The engine's file is 'shop.db'",
        },
        right=[
            SHOP + ORDERS,
            'engine = sa.create_engine(f"sqlite:///{home}/files/shop.db")' + ORDERS,
            SHOP
            + "import pandas as pd\n\n"
            + 'pd.DataFrame({"number": [1, 2, 3]}).to_sql("orders", engine, if_exists="replace")',
        ],
    ),
    3: Answers(
        wrong={
            **FUNCTION,
            'return sa.URL.create("sqlite", database=str(file))': (
                "a new SQLite file: expected an engine, got sqlite:///"
            ),
            'sa.create_engine(f"sqlite:///{file}")': (
                "a new SQLite file: expected an engine, got None."
            ),
            'return sa.create_engine(f"sqlite:///{file}")': (
                "The first one waits 5000 milliseconds."
            ),
            'return sa.create_engine("sqlite:///numbers.db")': (
                "a new SQLite file: the engine's file is 'numbers.db'"
            ),
            'return sa.create_engine(f"sqlite:///{file}", timeout=30)': "raised TypeError",
            'return sa.create_engine(f"sqlite:///{file}", connect_args={"timeout": 30})': (
                "The journal mode is 'delete'"
            ),
            PRAGMAS.replace("30000", "30"): "The first one waits 30 milliseconds.",
            'return sa.create_engine(f"sqlite:///{file}", connect_args={"timeout": 30000})': (
                "a new SQLite file: A connection waits"
            ),
            "engine = sa.create_engine(f'sqlite:///{file}')\n"
            "with engine.connect() as connection:\n"
            "    connection.execute(sa.text('PRAGMA busy_timeout = 30000'))\n"
            "    connection.execute(sa.text('PRAGMA journal_mode = WAL'))\n"
            "return engine": "The second one waits 5000 milliseconds.",
            "import time\n\nwhile True:\n    time.sleep(0.1)": "still running after 1 seconds",
            "try:\n    return sa.create_engine(file)\nexcept Exception:\n    pass": (
                "a new SQLite file: expected an engine, got None."
            ),
        },
        right=[
            PRAGMAS,
            "from tutorial.database import make_engine, sqlite_url\n\n"
            "return make_engine(sqlite_url(file))",
        ],
    ),
}
