"""Answers to the exercises of chapter 03."""

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
            "answer = add(20, 22)": "was called, not sent",
            "answer = add.delay": "and not what sending a task returns",
            "answer = add.s(20, 22)": "and not what sending a task returns",
            'answer = add.delay("20", "22")': "with the arguments ['20', '22']",
            "answer = add.delay(20, 20)": "with the arguments [20, 20]",
            "answer = add.delay(2, 3)": "with the arguments [2, 3]",
            'answer = add.apply_async((20, 22), queue="math")': "in the queue 'math'",
            'answer = add.app.AsyncResult("20-22")': "no message with the task id",
            "answer = add.apply((20, 22))": "no message with the task id",
            "from tutorial.tasks import divide\n\nanswer = divide.delay(20, 22)": (
                "asks for the task tutorial.tasks.divide"
            ),
            "answer = 5": "`answer` is 5",
        },
        right=[
            "answer = add.apply_async((20, 22))",
            "answer = add.delay(x=20, y=22)",
            'answer = add.app.send_task("tutorial.tasks.add", [20, 22])',
        ],
    ),
    2: Answers(
        wrong={
            "worker = Worker": "and not a Worker",
            "worker = Worker(concurrency=1)": "its status is 'not started'",
            "worker = Worker(concurrency=1).start": "and not a Worker",
            'worker = Worker(concurrency=1, queues="math", pool="solo").start()': (
                "the worker listens on the queue 'math'"
            ),
            'worker = Worker(concurrency=2, queues="math", pool="threads").start()': "2 tasks",
            "with Worker(concurrency=1, queues='math', pool='solo') as worker:\n    pass": (
                "its status is 'stopped'"
            ),
            'worker = "celery -A tutorial.tasks worker"': "and not a Worker",
        },
        right=["worker = Worker(concurrency=1, pool='solo').start()"],
    ),
    3: Answers(
        wrong={
            "query = 5": "and not a text",
            'query = "SELECT name, status, result FROM celery_taskmeta WHERE id = :id"': (
                "finds 0 rows"
            ),
            'query = f"SELECT name, status, result FROM celery_taskmeta '
            "WHERE task_id = '{answer.id}'\"": "query finds 0 rows",
            f"query = {QUERY.replace('name, status, result', '*')!r}": "The query finds (",
            f"query = {QUERY.replace('name, status', 'status, name')!r}": "('SUCCESS', 'tut",
            f"query = {QUERY.replace('result', 'CAST(result AS INTEGER)')!r}": "42)",
            f"query = {QUERY.replace('celery_taskmeta', 'taskmeta')!r}": "no such table: taskmeta",
            f"query = {QUERY.replace('name', 'task_name')!r}": "no such column: task_name",
            f"query = {QUERY.replace(':id', ':task_id')!r}": "does not run the query",
            f"query = {QUERY.replace('task_id = :id', '')!r}": "does not run the query",
            'query = "DELETE FROM celery_taskmeta WHERE task_id = :id"': "it is no SELECT",
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
            'return "waiting"': "never sent it returns 'waiting'",
            "return add.AsyncResult(task_id).state": "returns 'PENDING', none of the four",
            'print("waiting")': "returns None, none of the four words",
            'return {"PENDING": "waiting", "SUCCESS": "done"}[add.AsyncResult(task_id).state]': (
                "never sent it returns 'waiting'"
            ),
            WHERE_IS.replace("rows and rows[0].status != 'STARTED'", "rows").replace(
                'rows and rows[0].status != "STARTED"', "rows"
            ): "says STARTED it returns 'done'",
            WHERE_IS.replace('!= "STARTED"', '== "SUCCESS"'): "says FAILURE it returns 'taken'",
            WHERE_IS.replace(
                "json_extract(payload, '$.headers.id') = :id", "payload LIKE :id"
            ).replace('{"id": task_id},\n    )', '{"id": f"%{task_id}%"},\n    )'): (
                "never sent it returns 'waiting'"
            ),
            WHERE_IS.replace("if not messages", "if not messages[0]"): "raised IndexError",
            WHERE_IS.replace("messages[0].visible", "True"): "returns 'waiting', and 'taken'",
            WHERE_IS.replace("messages[0].visible", "not messages[0].visible"): (
                "waits in the queue it returns 'taken'"
            ),
            "while True:\n    pass": "still running after 1 seconds",
        },
        right=[
            WHERE_IS,
            WHERE_IS.replace('!= "STARTED"', "in ('SUCCESS', 'FAILURE')"),
        ],
    ),
}
