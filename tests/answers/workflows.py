"""Answers to the exercises of chapter 08."""

from answers.kinds import FUNCTION, value
from exercise_runs import Answers

WAIT = "\nanswer.get(timeout=10, interval=0.002, propagate=False)"
CHAIN = "answer = chain(add.s(10, 20), add.s(3), divide.s(11)).apply_async()" + WAIT
GROUP = """
sums = group(add.s(n, n) for n in range(1, 6)).apply_async()
sums.save()
group_id = sums.id
"""
FAILED = """
import sqlalchemy as sa

query = "SELECT task_id FROM celery_taskmeta WHERE status = 'FAILURE' AND worker IS NOT NULL"
with results.connect() as connection:
    return list(connection.scalars(sa.text(query)))
"""
CHORD = """
numbers = [add.s(n, n) for n in (1, 2, 3)]
report = chord(numbers, total.s()).apply_async(max_retries=20, interval=0.5)
"""
LIMITS = "max_retries=20, interval=0.5"

ANSWERS = {
    1: Answers(
        wrong={
            **value("answer"),
            "answer = chain(add.s(10, 20), add.s(3), divide.s(11))": "`answer` is a signature",
            CHAIN.replace(WAIT, ".get(timeout=10, interval=0.002)"): (
                "`answer` should be what sending a chain returns, but is"
            ),
            "answer = divide.delay(33, 11)": (
                "is the end of a chain: expected three tasks, got 1."
            ),
            CHAIN + "\nanswer = answer.parent": (
                "is the end of a chain: expected three tasks, got 2."
            ),
            "answer = group(add.s(10, 20), add.s(30, 3), divide.s(33, 11)).apply_async()": (
                "`answer` should be what sending a chain returns, but is"
            ),
            "answer = chain(add.s(10, 20), divide.s(11), add.s(3)).apply_async()" + WAIT: (
                "Task 2: expected add"
            ),
            CHAIN.replace("11", "10"): ("Task 3: expected divide"),
            CHAIN.replace("(3)", "('3')"): ("Task 2: expected add"),
            CHAIN.replace("s(11)", "s(11, 33)"): ("Task 3: expected divide"),
            CHAIN.replace(
                "divide.s(11)", "divide.si(33, 11)"
            ): "not take the previous task's result",
            'answer = chain(add.s(10, 20), add.s(3), divide.s(11)).apply_async(queue="math")': (
                "in the queue 'math', which the worker does not serve"
            ),
        },
        right=[
            "answer = (add.s(10, 20) | add.s(3) | divide.s(11)).delay()" + WAIT,
            "answer = chain(add.s(x=10, y=20), add.s(3), divide.s(11))()" + WAIT,
        ],
    ),
    2: Answers(
        wrong={
            **value("group_id"),
            GROUP.replace("sums.save()", ""): "No row of celery_tasksetmeta has this id",
            GROUP.replace("sums.id", "sums"): "the GroupResult itself",
            GROUP.replace("sums.id", "sums[0].id"): "the id of a single task",
            GROUP.replace("sums.id", "[task.id for task in sums]"): (
                "`group_id` should be a string, but is"
            ),
            GROUP.replace("range(1, 6)", "range(1, 5)"): (
                "The saved group: expected five tasks, got 4."
            ),
            GROUP.replace("range(1, 6)", "range(5)"): (
                "Task 1 of the group: expected add(1, 1), got add(0, 0)."
            ),
            GROUP.replace("range(1, 6)", "(5, 4, 3, 2, 1)"): (
                "Task 1 of the group: expected add(1, 1), got add(5, 5)."
            ),
            GROUP.replace("add.s(n, n)", "add.s(2 * n, 0)"): (
                "Task 1 of the group: expected add(1, 1), got add(2, 0)."
            ),
            GROUP.replace("add.s(n, n)", "add.s(n, str(n))"): (
                "Task 1 of the group: expected add(1, 1), got add(1, '1')."
            ),
            GROUP.replace("apply_async()", "apply_async(queue='math')"): "in the queue 'math'",
            "group_id = chain(add.s(1, 1), add.s(2)).apply_async()\ngroup_id.get()": (
                "`group_id` should be a string, but is <AsyncResult:"
            ),
        },
        right=[
            "from celery import uuid\n\n"
            "sums = GroupResult(uuid(), [add.delay(n, n) for n in range(1, 6)])\n"
            "sums.save()\ngroup_id = sums.id",
            GROUP.replace("group(", "group(*[").replace("range(1, 6))", "range(1, 6)])"),
        ],
    ),
    3: Answers(
        wrong={
            **FUNCTION,
            FAILED.replace(" AND worker IS NOT NULL", ""): (
                "before it ran: its id should not be in the list."
            ),
            FAILED.replace("worker", "name"): ("before it ran: its id should not be in the list."),
            FAILED.replace("worker IS NOT NULL", "worker != NULL"): "by zero with the status FAIL",
            FAILED.replace("worker IS NOT NULL", "worker = 'celery@scratch'"): "another worker ran",
            FAILED.replace("status = 'FAILURE'", "status != 'SUCCESS'"): (
                "with the status RETRY: its id should not be in the list."
            ),
            FAILED.replace("list(", "set("): ("a table of 6 tasks: expected a list of ids, got {"),
            FAILED.replace("SELECT task_id", "SELECT id"): (
                "the status FAILURE: its id is missing from the list: it ra"
            ),
            FAILED.replace("celery_taskmeta", "taskmeta"): "raised OperationalError",
            'rows = load_results(results, status="FAILURE")\n'
            'return rows.loc[rows["exception"] != "ChordError", "task_id"].tolist()': (
                "before it ran: its id should not be in the list."
            ),
            'return load_results(results, status="FAILED")["task_id"].tolist()': (
                "the status FAILURE: its id is missing from the list: it ra"
            ),
            f"try:{FAILED.replace('sa.text(query)', 'query')}".replace("\n", "\n    ")
            + "\nexcept Exception:\n    return []": (
                "the status FAILURE: its id is missing from the list: it ra"
            ),
            "return 2": ("a table of 6 tasks: expected a list of ids, got 2."),
        },
        right=[
            FAILED,
            'rows = load_results(results)\nran = rows.dropna(subset="worker")\n'
            'return list(ran.loc[ran["status"] == "FAILURE", "task_id"])',
        ],
    ),
    4: Answers(
        wrong={
            **value("report"),
            CHORD.replace(LIMITS, ""): "it has no max_retries",
            CHORD.replace(LIMITS, "interval=5"): "it has no max_retries",
            CHORD.replace(LIMITS, "max_retries=3"): (
                "comes after 4 seconds: too early for a task that waits a li"
            ),
            CHORD.replace(LIMITS, "max_retries=3, interval=0.1"): "after 1.3 seconds",
            CHORD.replace(LIMITS, "max_retries=20"): ("The last check comes after"),
            CHORD.replace(LIMITS, "max_retries='10'"): ("max_retries should be a number, but is"),
            CHORD.replace("total.s()", "total.s().set(max_retries=10)").replace(LIMITS, ""): (
                "it has no max_retries"
            ),
            CHORD.replace(".apply_async(max_retries=20, interval=0.5)", ""): "is a signature",
            CHORD.replace("(1, 2, 3)", "range(3)"): (
                "The header: expected add(1, 1), add(2, 2), add(3, 3), got"
            ),
            CHORD.replace(LIMITS, f"{LIMITS}, queue='math'"): "in the queue 'math'",
            "report = group(add.s(n, n) for n in (1, 2, 3)).apply_async()": (
                "`report` should be what sending a chord returns, but is"
            ),
            CHORD.replace("total.s()", "add.s(6)"): ("The body of the chord: expected total, got"),
            "report = total.delay([2, 4, 6])": "not the body of a chord",
        },
        right=[
            CHORD.replace(LIMITS, "max_retries=4"),
            CHORD.replace(LIMITS, "max_retries=19, interval=1"),
            "report = chord(add.s(n, n) for n in (1, 2, 3))(total.s(), max_retries=8, interval=2)",
        ],
    ),
}
