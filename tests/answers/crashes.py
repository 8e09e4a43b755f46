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
            "return requeue_lost(results, queue)": "of the type int",
            "requeue_lost(results, queue)": "of the type NoneType",
            "requeue_lost(results, queue)\nreturn []": (
                "put back a lost task that was received three times"
            ),
            RECOVER.replace(">= 3", "> 3"): "put back a lost task that was received three times",
            RECOVER.replace(">= 3", ">= 2"): "not put back a lost task that was received twice",
            RECOVER.replace(
                "requeue_lost", "# "
            ): "not put back a lost task that was received once",
            RECOVER.replace(
                'return list(lost["task_id"][often])', 'return list(lost["task_id"])'
            ): ("returns the id of a lost task that was received once"),
            RECOVER.replace('list(lost["task_id"][often])', "[]"): (
                "does not return the id of a lost task that was received three times"
            ),
            RECOVER.replace('return list(lost["task_id"][often])', "return lost[often]"): (
                "of the type DataFrame"
            ),
            RECOVER.replace("results, queue", "queue, results"): "raised ImproperlyConfigured",
            RECOVER.replace(">= 3", '>= "3"'): "raised TypeError",
            PUT_BACK + "return []": "put back a lost task that was received three times",
            PUT_BACK.replace("= 1", "= (version < 6)")
            + 'lost = lost_tasks(results, queue)\nreturn list(lost["task_id"])': (
                "It has put back a task that is done"
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
            "return amount": "After a deposit of 70 the balance is 0",
            f"with engine.begin() as connection:\n"
            f"    connection.execute(sa.text({ADD}), {{'amount': amount}})": (
                "After a deposit of 70 the table deposits holds []"
            ),
            DEPOSIT.replace("begin", "connect"): "After a deposit of 70 the balance is 0",
            DEPOSIT.replace("if not noted", "if True"): "raised IntegrityError",
            SWALLOWED: "for the second time the balance is 140, and 70 is right",
            DEPOSIT.replace("WHERE key = :key", "WHERE amount = :amount"): (
                "After 70 with another key the balance is 70"
            ),
            DEPOSIT.replace("balance + :amount", ":amount"): (
                "After 70 with another key the balance is 70, and 140 is right"
            ),
            DEPOSIT.replace("values)\n        conn", "{**values, 'key': amount})\n        conn"): (
                "holds [] for the key"
            ),
            TWO_COMMITS: (
                "before its step 3 and run again, after a deposit of 5 to 150, the balance is 150, "
                "and 155 is right"
            ),
            ADD_FIRST: "after a deposit of 5 to 155, the balance is 165, and 160 is right",
            "import time\n\nwhile True:\n    time.sleep(0.1)": "still running after 1 seconds",
        },
        right=[DEPOSIT, SUM],
    ),
}
