"""Answers to the exercises of chapter 13."""

from answers.kinds import FUNCTION
from exercise_runs import Answers

RETRIES = """
retries, total = 0, 0
while total < seconds:
    retries += 1
    total += min(10, 0.01 * 2**retries) / 2
return retries
"""
ORDER = """
with engine.connect() as connection:
    insert = sa.text("INSERT INTO orders (item) VALUES (:item) RETURNING id")
    number = connection.scalar(insert, {"item": item})
    connection.commit()
send(number)
"""
HIDDEN = """
try:
    with engine.begin() as connection:
        insert = sa.text("INSERT INTO orders (item) VALUES (:item)")
        number = connection.execute(insert, {"item": item}).lastrowid
except sa.exc.IntegrityError:
    return
send(number)
"""
FINALLY = """
try:
    with engine.begin() as connection:
        insert = sa.text("INSERT INTO orders (item) VALUES (:item)")
        number = connection.execute(insert, {"item": item}).lastrowid
finally:
    send(number)
"""
PERSIST = """
for n in range(61):
    try:
        return action()
    except sa.exc.OperationalError:
        if n == 60:
            raise
        pause(min(10, 0.02 * 2**n))
"""

ANSWERS = {
    1: Answers(
        wrong={
            **FUNCTION,
            "return 60": "For an outage of 0.005 seconds: expected 1, got 60",
            RETRIES.replace(" / 2", ""): "For an outage of 0.05 seconds: expected 3, got 2",
            RETRIES.replace("min(10, 0.01 * 2**retries)", "0.01 * 2**retries"): (
                "For an outage of 60 seconds: expected 20, got 13"
            ),
            RETRIES.replace("<", "<="): "For an outage of 0.01 seconds: expected 1, got 2",
            RETRIES.replace("0.01 *", "10 *").replace("(10,", "(10_000,"): "expected 3, got 1",
            RETRIES.replace("return retries", "return str(retries)"): "expected 1, got '1'",
        },
        right=[RETRIES],
    ),
    2: Answers(
        wrong={
            **FUNCTION,
            ORDER.replace(
                "    connection.commit()\n", ""
            ): "expected one order for it, but there are 0",
            ORDER.replace("    connection.commit()\nsend", "    send"): (
                "expected one order for it, but there are 0"
            ),
            ORDER.replace("    connection.commit()\nsend(number)", "    send(number)")
            + "    connection.commit()": "nobody else could see the order",
            ORDER.replace("send(number)", ""): "`send` was not called",
            ORDER.replace("send(number)", "send(item)"): "expected [1], got ['a book']",
            ORDER + "send(number)": "expected [1], got [1, 1]",
            HIDDEN: "'a whale', which the database refuses at the commit: your function hides",
            FINALLY: "`send` was called, but there is no such order",
        },
        right=[ORDER],
    ),
    3: Answers(
        wrong={
            **FUNCTION,
            "return action()": "raised OperationalError",
            PERSIST.replace("61", "4").replace("60", "3"): "raised OperationalError",
            PERSIST.replace("return action()", "action()\n        return"): (
                "expected 'stored row 0', got None"
            ),
            PERSIST.replace("min(10, 0.02 * 2**n)", "0.02 * 2**n"): (
                "For a database that is down for 12 attempts: the pauses: "
            ),
            PERSIST.replace("0.02 * 2**n", "0.02"): "down for 3 attempts: the pauses: ",
            PERSIST.replace("if n == 60", "if n == 59"): "raised OperationalError",
            PERSIST.replace("            raise", "            return None"): (
                "a database that never comes back: the exception: "
            ),
            PERSIST.replace("range(61)", "range(62)").replace("n == 60", "n == 61"): (
                "the number of attempts: expected 61, got 62"
            ),
            PERSIST.replace("sa.exc.OperationalError", "Exception"): (
                "because its key exists: the number of attempts: expected 1, got 61"
            ),
            "while True:\n    try:\n        return action()\n"
            "    except sa.exc.OperationalError:\n        pause(1)": "the pauses: ",
        },
        right=[PERSIST],
    ),
}
