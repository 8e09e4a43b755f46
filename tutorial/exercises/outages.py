"""The exercises of chapter 13: outages."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa

from tutorial.exercises.checking import WrongAnswer, case, exercise, expect
from tutorial.exercises.scratch import scratch

RETRIES = 60
LONGEST = 10.0  # seconds
INSERT = sa.text("INSERT INTO results VALUES (:key)")


@exercise(
    points=1,
    hints=[
        "The longest possible pauses are 0.02 s, 0.04 s, 0.08 s and so on, up to 10 s.",
        "On average, a random part of a pause is half of it.",
        "Add the averages in a loop, and count them until the sum is large enough.",
    ],
)
def exercise_1(retries_for: Callable[[float], int]) -> str:
    """Check that a function finds how many retries outlast an outage on average."""
    for seconds in (0.005, 0.01, 0.05, 5, 60, 120, 600):
        with case(f"an outage of {seconds:g} seconds") as call:
            expect(call(retries_for, seconds), _retries_for(seconds))
    return "So 60 retries outlast an outage of four minutes, on average."


def _retries_for(seconds: float) -> int:
    retries, total = 0, 0.0
    while total < seconds:
        retries += 1
        total += min(LONGEST, 0.01 * 2**retries) / 2
    return retries


@exercise(
    points=2,
    hints=[
        "with engine.begin() commits when its block ends without an error.",
        "What comes after the block runs only if the commit has succeeded.",
        "The attribute lastrowid of the insert's result is the id of the new row.",
    ],
)
def exercise_2(place_order: Callable[[sa.Engine, str, Callable[[int], None]], Any]) -> str:
    """Check that a task is sent after the commit, once, and not if there is none."""
    with _shop() as engine:
        for item in ("a book", "a pen"):
            with case(f"the item {item!r}, which is in stock") as call:
                sent: list[tuple[int, str | None]] = []
                call(place_order, engine, item, _sender(engine, sent))
                numbers = _orders(engine, item)
                if len(numbers) != 1:
                    raise WrongAnswer(f"expected one order for it, but there are {len(numbers)}.")
                if not sent:
                    raise WrongAnswer("`send` was not called.")
                expect([number for number, _ in sent], numbers, "the ids given to `send`: ")
                if sent[0][1] is None:
                    raise WrongAnswer("when `send` was called, nobody else could see the order.")
        with case("the item 'a whale', which the database refuses at the commit") as call:
            sent = []
            raised = call(_raises, place_order, engine, "a whale", _sender(engine, sent))
            if sent:
                raise WrongAnswer("`send` was called, but there is no such order.")
            if not raised:
                raise WrongAnswer("your function hides the error, but its caller must see it.")
    return "The task is sent when others can see its order, and not before."


@contextmanager
def _shop() -> Iterator[sa.Engine]:
    """Yield an engine of a database with orders; an unknown item is refused at the commit."""
    with scratch() as databases:
        engine = databases.results
        sa.event.listen(
            engine, "connect", lambda opened, _: opened.execute("PRAGMA foreign_keys = ON")
        )
        with engine.begin() as connection:
            connection.exec_driver_sql("CREATE TABLE items (name TEXT PRIMARY KEY)")
            connection.exec_driver_sql("INSERT INTO items VALUES ('a book'), ('a pen')")
            connection.exec_driver_sql(
                "CREATE TABLE orders (id INTEGER PRIMARY KEY, item TEXT NOT NULL "
                "REFERENCES items DEFERRABLE INITIALLY DEFERRED)"
            )
        yield engine


def _sender(engine: sa.Engine, sent: list[tuple[int, str | None]]) -> Callable[[int], None]:
    """Return a `send` that notes each id, with the item that another connection finds for it."""

    def send(number: int) -> None:
        find = sa.text("SELECT item FROM orders WHERE id = :number")
        with engine.connect() as other:
            sent.append((number, other.scalar(find, {"number": number})))

    return send


def _orders(engine: sa.Engine, item: str) -> list[int]:
    with engine.connect() as connection:
        find = sa.text("SELECT id FROM orders WHERE item = :item")
        return list(connection.scalars(find, {"item": item}))


def _raises(function: Callable[..., Any], *arguments: Any) -> bool:
    try:
        function(*arguments)
    except sa.exc.IntegrityError:
        return True
    return False


class _Store:
    """An action that stores a row in a database that does not take it for a number of tries."""

    def __init__(self, engine: sa.Engine, key: str, away: float) -> None:
        self.engine, self.key, self.away = engine, key, away
        self.tries = 0

    def __call__(self) -> str:
        self.tries += 1
        if self.tries > 2 * RETRIES:
            raise WrongAnswer(f"`action` was called more than {2 * RETRIES} times.")
        with self.engine.begin() as connection:
            refuses = self.tries <= self.away
            connection.exec_driver_sql(f"PRAGMA query_only = {refuses}")
            connection.execute(INSERT, {"key": self.key})
        return f"stored {self.key}"


@exercise(
    points=3,
    hints=[
        "Use a loop that ends with return: try the action, and return what it returns.",
        "except sa.exc.OperationalError catches only errors that may pass; others are raised.",
        "After the loop of 60 tries, call the action for the last time, without try.",
    ],
)
def exercise_3(persist: Callable[[Callable[[], Any], Callable[[float], None]], Any]) -> str:
    """Check that a function retries as long as that can help, and no longer."""
    with scratch() as databases:
        engine = databases.results
        with engine.begin() as connection:
            connection.exec_driver_sql("CREATE TABLE results (key TEXT PRIMARY KEY)")
        pauses: list[float] = []
        for away in (0, 3, 12, RETRIES):
            with case(f"a database that is down for {away} attempts") as call:
                pauses, action = [], _Store(engine, f"row {away}", away)
                expect(call(persist, action, pauses.append), f"stored row {away}")
                expect(pauses, _pauses(away), "the pauses: ")
        with case("a database that never comes back") as call:
            pauses, action = [], _Store(engine, "never", float("inf"))
            _expect_error(call, persist, action, pauses, sa.exc.OperationalError)
            expect(action.tries, 1 + RETRIES, "the number of attempts: ")
        with case("a row that the database refuses, because its key exists") as call:
            pauses, action = [], _Store(engine, "row 0", 0)
            _expect_error(call, persist, action, pauses, sa.exc.IntegrityError)
            expect(action.tries, 1, "the number of attempts: ")
    return "Your function tries again after errors that may pass, and raises all others at once."


def _pauses(retries: int) -> list[float]:
    return [min(LONGEST, 0.01 * 2**n) for n in range(1, retries + 1)]


def _expect_error(
    call: Callable[..., Any],
    persist: Callable[..., Any],
    action: _Store,
    pauses: list[float],
    kind: type[Exception],
) -> None:
    def raised() -> str:
        try:
            persist(action, pauses.append)
        except kind as error:
            return type(error).__name__
        return "no exception"

    expect(call(raised), kind.__name__, "the exception: ")
