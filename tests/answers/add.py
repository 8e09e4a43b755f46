"""Answers to the exercises of chapter 03."""

from answers.kinds import FUNCTION, value
from exercise_runs import Answers

QUERY = "SELECT name, status, result FROM celery_taskmeta WHERE task_id = :id"
WHERE_IS = """
with results.connect() as connection:
    rows = connection.execute(
        sa.text("SELECT status FROM celery_taskmeta WHERE task_id = :id"), {"id": task_id}
    ).all()
with queue.connect() as connection:
    messages = connection.execute(
        sa.text(
            "SELECT visible FROM kombu_message WHERE json_extract(payload, '$.headers.id') = :id"
        ),
        {"id": task_id},
    ).all()
if rows and rows[0].status != "STARTED":
    return "done"
if not messages:
    return "unknown"
return "waiting" if messages[0].visible else "taken"
"""

ANSWERS = {
    1: Answers(
        wrong={
            **value("answer"),
            "answer = add(20, 22)": "was called, not sent",
            "answer = add.delay": ("`answer` should be what sending a task returns, but is"),
            "answer = add.s(20, 22)": ("`answer` should be what sending a task returns, but is"),
            'answer = add.delay("20", "22")': "with the arguments ['20', '22']",
            "answer = add.delay(20, 20)": "with the arguments [20, 20]",
            "answer = add.delay(2, 3)": "with the arguments [2, 3]",
            'answer = add.apply_async((20, 22), queue="math")': "in the queue 'math'",
            'answer = add.app.AsyncResult("20-22")': "no message with the task id",
            "answer = add.apply((20, 22))": "no message with the task id",
            "from tutorial.tasks import divide\n\nanswer = divide.delay(20, 22)": (
                "asks for the task tutorial.tasks.divide"
            ),
            "answer = 5": ("`answer` should be what sending a task returns, but is 5."),
        },
        right=[
            "answer = add.apply_async((20, 22))",
            "answer = add.delay(x=20, y=22)",
            'answer = add.app.send_task("tutorial.tasks.add", [20, 22])',
        ],
    ),
    2: Answers(
        wrong={
            **value("worker"),
            "worker = Worker": ("`worker` should be a Worker, but is <class"),
            "worker = Worker(concurrency=1)": "its status is 'not started'",
            "worker = Worker(concurrency=1).start": (
                "`worker` should be a Worker, but is <bound method"
            ),
            'worker = Worker(concurrency=1, queues="math", pool="solo").start()': (
                "the worker listens on the queue 'math'"
            ),
            'worker = Worker(concurrency=2, queues="math", pool="threads").start()': "2 tasks",
            "with Worker(concurrency=1, queues='math', pool='solo') as worker:\n    pass": (
                "its status is 'stopped'"
            ),
            'worker = "celery -A tutorial.tasks worker"': (
                "`worker` should be a Worker, but is 'celery -A"
            ),
        },
        right=["worker = Worker(concurrency=1, pool='solo').start()"],
    ),
    3: Answers(
        wrong={
            **value("query"),
            "query = 5": ("`query` should be a string, but is 5."),
            'query = "SELECT name, status, result FROM celery_taskmeta WHERE id = :id"': (
                "that is done: expected one row, got 0."
            ),
            'query = f"SELECT name, status, result FROM celery_taskmeta '
            "WHERE task_id = '{answer.id}'\"": ("that is done: expected one row, got 0."),
            f"query = {QUERY.replace('name, status, result', '*')!r}": (
                "that is done: expected ('tutorial.tasks.add', 'SUC"
            ),
            f"query = {QUERY.replace('name, status', 'status, name')!r}": "('SUCCESS', 'tut",
            f"query = {QUERY.replace('result', 'CAST(result AS INTEGER)')!r}": "42)",
            f"query = {QUERY.replace('celery_taskmeta', 'taskmeta')!r}": "no such table: taskmeta",
            f"query = {QUERY.replace('name', 'task_name')!r}": "no such column: task_name",
            f"query = {QUERY.replace(':id', ':task_id')!r}": (
                "that is done: the database cannot run the query: A"
            ),
            f"query = {QUERY.replace('task_id = :id', '')!r}": (
                "that is done: the database cannot run the query: i"
            ),
            'query = "DELETE FROM celery_taskmeta WHERE task_id = :id"': (
                "that is done: the query returns no rows: it is not"
            ),
            "query = \"SELECT 'tutorial.tasks.add', 'SUCCESS', 42\"": "'SUCCESS', 42)",
            "query = \"SELECT 'tutorial.tasks.add', 'SUCCESS', x'3432'\"": "tutorial.tasks.divide",
        },
        right=[
            f"query = {QUERY.lower().replace(':id', '(:id)')!r}",
            'query = "SELECT t.name, t.status, t.result FROM celery_taskmeta t '
            'WHERE :id = t.task_id LIMIT 1;"',
        ],
    ),
    4: Answers(
        wrong={
            **FUNCTION,
            'return "waiting"': ("that was never sent: expected 'unknown', got 'waiting'."),
            "return add.AsyncResult(task_id).state": (
                "that was never sent: expected 'unknown', got 'PENDING'."
            ),
            'print("waiting")': ("that was never sent: expected 'unknown', got None."),
            'return {"PENDING": "waiting", "SUCCESS": "done"}[add.AsyncResult(task_id).state]': (
                "that was never sent: expected 'unknown', got 'waiting'."
            ),
            WHERE_IS.replace("rows and rows[0].status != 'STARTED'", "rows").replace(
                'rows and rows[0].status != "STARTED"', "rows"
            ): ("row that says STARTED: expected 'taken', got 'done'."),
            WHERE_IS.replace('!= "STARTED"', '== "SUCCESS"'): (
                "row that says FAILURE: expected 'done', got 'taken'."
            ),
            WHERE_IS.replace(
                "json_extract(payload, '$.headers.id') = :id", "payload LIKE :id"
            ).replace('{"id": task_id},\n    )', '{"id": f"%{task_id}%"},\n    )'): (
                "that was never sent: expected 'unknown', got 'waiting'."
            ),
            WHERE_IS.replace("if not messages", "if not messages[0]"): "raised IndexError",
            WHERE_IS.replace("messages[0].visible", "True"): (
                "without a row: expected 'taken', got 'waiting'."
            ),
            WHERE_IS.replace("messages[0].visible", "not messages[0].visible"): (
                "waiting in the queue: expected 'waiting', got 'taken'."
            ),
            "while True:\n    pass": "still running after 1 seconds",
        },
        right=[
            WHERE_IS,
            WHERE_IS.replace('!= "STARTED"', "in ('SUCCESS', 'FAILURE')"),
        ],
    ),
}
