"""Answers to the exercises of chapter 11."""

from answers.kinds import FUNCTION
from exercise_runs import Answers

RECOVER = """
lost = lost_tasks(results, queue)
often = lost["deliveries"] >= 3
requeue_lost(results, queue, list(lost["task_id"][~often]))
return list(lost["task_id"][often])
"""
PUT_BACK = """
with queue.begin() as connection:
    connection.execute(sa.text("UPDATE kombu_message SET visible = 1"))
"""
NOTE = '"INSERT INTO deposits VALUES (:key, :amount)"'
ADD = '"UPDATE account SET balance = balance + :amount"'
DEPOSIT = f"""
values = {{"key": key, "amount": amount}}
with engine.begin() as connection:
    noted = connection.scalar(sa.text("SELECT count(*) FROM deposits WHERE key = :key"), values)
    if not noted:
        connection.execute(sa.text({NOTE}), values)
        connection.execute(sa.text({ADD}), values)
"""
TWO_COMMITS = f"""
values = {{"key": key, "amount": amount}}
with engine.begin() as connection:
    new = connection.execute(sa.text({NOTE.replace("INSERT", "INSERT OR IGNORE")}), values).rowcount
if new:
    with engine.begin() as connection:
        connection.execute(sa.text({ADD}), values)
"""
ADD_FIRST = f"""
values = {{"key": key, "amount": amount}}
with engine.connect() as connection:
    noted = connection.scalar(sa.text("SELECT 1 FROM deposits WHERE key = :key"), values)
if not noted:
    with engine.begin() as connection:
        connection.execute(sa.text({ADD}), values)
    with engine.begin() as connection:
        connection.execute(sa.text({NOTE}), values)
"""
SWALLOWED = f"""
values = {{"key": key, "amount": amount}}
try:
    with engine.begin() as connection:
        connection.execute(sa.text({NOTE}), values)
except sa.exc.IntegrityError:
    pass
with engine.begin() as connection:
    connection.execute(sa.text({ADD}), values)
"""
SUM = f"""
values = {{"key": key, "amount": amount}}
with engine.begin() as connection:
    connection.execute(sa.text({NOTE.replace("INSERT", "INSERT OR IGNORE")}), values)
with engine.begin() as connection:
    connection.execute(
        sa.text("UPDATE account SET balance = (SELECT sum(amount) FROM deposits)")
    )
"""

DONE = """
import pandas as pd

query = "SELECT task_id FROM celery_taskmeta WHERE status = 'SUCCESS'"
done = set(pd.read_sql(query, results)["task_id"])
"""

DIAGNOSE = """
rows = dict(load_results(results)[["task_id", "status"]].values)
waiting = dict(load_messages(queue)[["task_id", "waiting"]].values)
lost = set(lost_tasks(results, queue)["task_id"])
if task_id in rows and rows[task_id] != "STARTED":
    return "done"
if waiting[task_id]:
    return "waiting"
return "lost" if task_id in lost else "running"
"""

ANSWERS = {
    1: Answers(
        wrong={
            **FUNCTION,
            "return 'lost'": "expected 'waiting', got 'lost'",
            "return 'waiting'": "begun: expected 'lost', got 'waiting'",
            "print('lost')": "expected 'waiting', got None",
            DIAGNOSE.replace('"lost"', '"LOST"'): "expected 'lost', got 'LOST'",
            DIAGNOSE.replace(' != "STARTED"', ' == "SUCCESS"'): "expected 'done', got 'running'",
            DIAGNOSE.replace('rows[task_id] != "STARTED"', "True"): "expected 'lost', got 'done'",
            DIAGNOSE.replace('"lost" if', '"lost" if True or'): "expected 'running', got 'lost'",
            DIAGNOSE.replace(
                "task_id in lost", "task_id in rows"
            ): "expected 'lost', got 'running'",
            DIAGNOSE.replace("task_id in lost", "task_id not in lost"): "got 'running'",
            DIAGNOSE.replace("if waiting[task_id]", "if not waiting[task_id]"): "got 'running'",
            DIAGNOSE.replace('    return "waiting"', '    return "running"'): "got 'running'",
            DIAGNOSE.replace("lost_tasks(results, queue)", "lost_tasks(queue, results)"): "raised ",
            DIAGNOSE.replace("[task_id]:", "['task_id']:"): "raised KeyError",
            "import time\n\ntime.sleep(60)": "after 1 seconds, at the line: time.sleep(60)",
        },
        right=[
            DIAGNOSE,
            DIAGNOSE.replace('!= "STARTED"', "in ('SUCCESS', 'FAILURE')"),
        ],
    ),
    2: Answers(
        wrong={
            **FUNCTION,
            "return requeue_lost(results, queue)": ("7 tasks: expected a list of task ids, got 4."),
            "requeue_lost(results, queue)": ("7 tasks: expected a list of task ids, got None."),
            "requeue_lost(results, queue)\nreturn []": ("received three times: it was put back."),
            RECOVER.replace(">= 3", "> 3"): ("received three times: it was put back."),
            RECOVER.replace(">= 3", ">= 2"): ("was received twice: it was not put back."),
            RECOVER.replace("requeue_lost", "# "): (
                "a lost task that was received once: it was not put back."
            ),
            RECOVER.replace(
                'return list(lost["task_id"][often])', 'return list(lost["task_id"])'
            ): ("was received once: its id should not be in the list."),
            RECOVER.replace('list(lost["task_id"][often])', "[]"): (
                "received three times: its id is missing from the list."
            ),
            RECOVER.replace('return list(lost["task_id"][often])', "return lost[often]"): (
                "7 tasks: expected a list of task ids, got a DataFrame with 2 rows."
            ),
            RECOVER.replace("results, queue", "queue, results"): "raised ImproperlyConfigured",
            RECOVER.replace(">= 3", '>= "3"'): "raised TypeError",
            PUT_BACK + "return []": ("received three times: it was put back."),
            PUT_BACK.replace("= 1", "= (version < 6)")
            + 'lost = lost_tasks(results, queue)\nreturn list(lost["task_id"])': (
                "a task that is done: it was put back."
            ),
        },
        right=[
            RECOVER,
            "lost = lost_tasks(results, queue)\n"
            "left = []\n"
            "for task in lost.itertuples():\n"
            "    if task.deliveries < 3:\n"
            "        requeue_lost(results, queue, [task.task_id])\n"
            "    else:\n"
            "        left.append(task.task_id)\n"
            "return left",
        ],
    ),
    3: Answers(
        wrong={
            **FUNCTION,
            "return amount": (": the balance: expected"),
            f"with engine.begin() as connection:\n"
            f"    connection.execute(sa.text({ADD}), {{'amount': amount}})": (
                ": the amounts in the table deposits: expected"
            ),
            DEPOSIT.replace("begin", "connect"): (": the balance: expected"),
            DEPOSIT.replace("if not noted", "if True"): "raised IntegrityError",
            SWALLOWED: ("made again: the balance: expected"),
            DEPOSIT.replace("WHERE key = :key", "WHERE amount = :amount"): (
                "with another key: the balance: expected"
            ),
            DEPOSIT.replace("balance + :amount", ":amount"): (
                "with another key: the balance: expected"
            ),
            DEPOSIT.replace("values)\n        conn", "{**values, 'key': amount})\n        conn"): (
                ": the amounts in the table deposits: expected"
            ),
            TWO_COMMITS: ("step 3 and run again: the balance: expected"),
            ADD_FIRST: ("step 4 and run again: the balance: expected"),
            "import time\n\nwhile True:\n    time.sleep(0.1)": "still running after 1 seconds",
        },
        right=[DEPOSIT, SUM],
    ),
}
