"""Answers to the exercises of chapter 03."""

from answers.kinds import FUNCTION, value
from exercise_runs import Answers

ID = "json_extract(payload, '$.headers.id')"
QUERY = (
    f"SELECT {ID} FROM queue.kombu_message LEFT JOIN celery_taskmeta ON task_id = {ID} "
    "WHERE NOT visible AND task_id IS NULL"
)
STATES = {"a": "SUCCESS", "b": "FAILURE", "c": "FAILURE", "d": "PENDING", "e": "PENDING"}
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
            **value("states"),
            f"states = {list(STATES)}": "`states` should be a dictionary with the keys a, b",
            f"states = {STATES}\ndel states['e']": "should be a dictionary with the keys",
            f"states = {STATES | {'f': 'PENDING'}}": "should be a dictionary with the keys",
            f"states = {STATES | {'a': 'PENDING'}}": "a will not be 'PENDING': its message asks",
            f"states = {STATES | {'b': 'SUCCESS'}}": "b will not be 'SUCCESS': the worker runs",
            f"states = {STATES | {'c': 'PENDING'}}": "c will not be 'PENDING': the worker gets",
            f"states = {STATES | {'d': 'SUCCESS'}}": "d will not be 'SUCCESS': the worker serves",
            f"states = {STATES | {'e': 'FAILURE'}}": "e will not be 'FAILURE': no message has",
            f"states = {STATES | {'a': 42}}": "a will not be 42",
            f"states = {STATES | {'a': 'success'}}": "a will not be 'success'",
            "states = {name: handle.state for name, handle in handles.items()}": (
                "a will not be 'PENDING'"
            ),
            "states = {name: 'SUCCESS' for name in handles}": "b will not be 'SUCCESS'",
        },
        right=[
            "states = dict(zip('abcde', ['SUCCESS', *['FAILURE'] * 2, *['PENDING'] * 2]))",
            f"states = {STATES}\nprint(states)",
        ],
    ),
    2: Answers(
        wrong={
            **value("worker"),
            "worker = Worker": ("`worker` should be a Worker, but is <class"),
            "worker = Worker(concurrency=1)": "its status is 'not started'",
            "worker = Worker(concurrency=1, queues='celery,reports').start": (
                "`worker` should be a Worker, but is <bound method"
            ),
            "worker = Worker(concurrency=1, pool='solo').start()": (
                "The message of d is in the queue 'reports', but the worker serves 'celery'."
            ),
            "worker = Worker(concurrency=1, pool='solo', queues='reports').start()": (
                "The message of a is in the queue 'celery', but the worker serves 'reports'."
            ),
            "worker = Worker(queues='celery,reports', pool='threads').start()": "2 tasks at once",
            "with Worker(concurrency=1, queues='reports', pool='solo') as worker:\n    pass": (
                "its status is 'stopped'"
            ),
            'worker = "celery -A tutorial.tasks worker"': (
                "`worker` should be a Worker, but is 'celery -A"
            ),
        },
        right=["worker = Worker(concurrency=1, pool='solo', queues='reports,celery').start()"],
    ),
    3: Answers(
        wrong={
            **value("query"),
            "query = 5": ("`query` should be a string, but is 5."),
            f"query = {QUERY.replace('AND task_id IS NULL', '')!r}": (
                "the query also returns a task that has a row."
            ),
            f"query = {QUERY.replace('NOT visible AND', '')!r}": (
                "the query also returns a task that is still waiting."
            ),
            f"query = {QUERY.replace('LEFT JOIN', 'JOIN')!r}": "the number of tasks: expected 2",
            'query = "SELECT task_id FROM celery_taskmeta"': "the query also returns a task that",
            f"query = {QUERY.replace(ID, 'queue.kombu_message.id', 1)!r}": (
                "the query also returns"
            ),
            f"query = {QUERY.replace('queue.kombu_message', 'queue.messages')!r}": (
                "the database cannot run the query: no such table: queue.messages."
            ),
            f"query = {QUERY.replace('WHERE', 'WHERE AND')!r}": "the database cannot run the query",
            'query = "DELETE FROM queue.kombu_message"': "it is not a SELECT",
            "query = \"SELECT task_id FROM celery_taskmeta WHERE status = 'STARTED'\"": (
                "the number of tasks: expected 2"
            ),
        },
        right=[
            f"query = {QUERY.lower()!r}",
            f'''query = """
SELECT {ID} AS id FROM queue.kombu_message AS message WHERE visible = 0
AND NOT EXISTS (SELECT * FROM celery_taskmeta WHERE task_id = {ID})
"""''',
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
