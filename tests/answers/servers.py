"""Answers to the exercises of chapter 12."""

from answers.kinds import FUNCTION, value
from exercise_runs import Answers

BROKER = "redis://:carrot@queue.example.org:6380/2"
DATABASE = "db+postgresql+psycopg://shop:turnip@db.example.org:5432/results"
WAITING = """
total = 0
for step in range(10):
    total += client.llen(queue + chr(6) + chr(22) + str(step) if step else queue)
return total
"""
SEND = """
again = []
for task_id, args in sent.items():
    if app.AsyncResult(task_id).state not in ("SUCCESS", "FAILURE", "REVOKED"):
        app.send_task("tutorial.tasks.add", args=args, task_id=task_id)
        again.append(task_id)
return again
"""
STATES = 'not in ("SUCCESS", "FAILURE", "REVOKED")'


def variables(broker: str, backend: str) -> str:
    return f"environment = dict(CELERY_BROKER_URL={broker!r}, CELERY_RESULT_BACKEND={backend!r})"


ANSWERS = {
    1: Answers(
        wrong={
            **value("environment"),
            f"environment = [{BROKER!r}, {DATABASE!r}]": (
                "`environment` should be a dictionary, but is"
            ),
            f"environment = dict(CELERY_BROKER_URL={BROKER!r})": (
                "The variable CELERY_RESULT_BACKEND is missing"
            ),
            variables(BROKER, DATABASE).replace("BROKER_URL", "BROKER"): (
                "The variable CELERY_BROKER_URL is missing"
            ),
            variables(BROKER, DATABASE) + " | {'TUTORIAL_REDIS_URL': '...'}": (
                "The variable TUTORIAL_REDIS_URL is not one of the two that"
            ),
            variables(BROKER, DATABASE.removeprefix("db+")): "does not begin with db+",
            variables(BROKER, DATABASE.replace("+psycopg", "")): (
                "CELERY_RESULT_BACKEND: expected 'postgresql+psycopg', got '"
            ),
            variables(DATABASE, BROKER): ("is not a SQL backend: it does not begin with db+."),
            variables(BROKER.replace(":carrot", "carrot"), DATABASE): (
                "in CELERY_BROKER_URL: expected None, got 'carrot'."
            ),
            variables(BROKER.removesuffix("/2"), DATABASE): (
                "in CELERY_BROKER_URL: expected '2', got None."
            ),
            variables(BROKER.replace("6380", "6379"), DATABASE): (
                "The port in CELERY_BROKER_URL: expected"
            ),
            variables(BROKER.replace("redis", "db+redis"), DATABASE): (
                "in CELERY_BROKER_URL: expected 'redis', got 'db+redis'."
            ),
            variables("queue.example.org", DATABASE): (
                "The value of CELERY_BROKER_URL is not a URL."
            ),
            variables(BROKER, DATABASE.replace("turnip", "***")): (
                "CELERY_RESULT_BACKEND: expected 'turnip', got '***'."
            ),
        },
        right=[
            variables(BROKER, DATABASE) + " | {}",
            f"environment = dict(CELERY_RESULT_BACKEND={DATABASE!r}, CELERY_BROKER_URL={BROKER!r})",
        ],
    ),
    2: Answers(
        wrong={
            **FUNCTION,
            "return 4": ("an empty queue: expected 0, got 4."),
            "return client.llen(queue)": ("a queue with seven tasks, of priorities 0, 3, 5 and 9:"),
            "return client.llen('orders')": ("an empty queue: expected 0, got 1."),
            'return len(client.keys(f"{queue}*"))': ("of priority 0: expected 3, got 2."),
            'return sum(client.llen(name) for name in client.keys(f"{queue}*"))': (
                "of priority 0: expected 3, got 6: a second queue, w"
            ),
            'return sum(client.llen(f"{queue}{step}") for step in (0, 3, 6, 9))': (
                "of priority 0: expected 3, got 0."
            ),
            WAITING.replace("range(10)", "range(1, 10)"): ("of priority 0: expected 3, got 0."),
            WAITING.replace("range(10)", "range(9)"): (
                "a queue with seven tasks, of priorities 0, 3, 5 and 9:"
            ),
            WAITING.replace("return total", "return str(total)"): (
                "an empty queue: expected 0, got '0'."
            ),
            WAITING.replace("return total", "print(total)"): (
                "an empty queue: expected 0, got None."
            ),
            "return sum(client.llen(name) for name in client.keys())": "raised ResponseError",
            "total = 0\n"
            "for step in ('', '\\x06\\x163', '\\x06\\x166', '\\x06\\x169'):\n"
            "    while client.rpop(queue + step):\n"
            "        total += 1\n"
            "return total": ("of priority 0: it has changed the queue: counting m"),
        },
        right=[
            WAITING,
            'names = [queue, *client.keys(f"{queue}\\x06*")]\n'
            "return sum(client.llen(name) for name in names)",
        ],
    ),
    3: Answers(
        wrong={
            **FUNCTION,
            SEND.replace(STATES, '== "PENDING"'): (
                "of which have ended: 1 of the tasks that have not ended w"
            ),
            SEND.replace(STATES, '!= "SUCCESS"'): (
                "of which have ended: it sent again a task that has ended:"
            ),
            SEND.replace(STATES, '!= "FAILURE"'): (
                "of which have ended: it sent again a task that has ended:"
            ),
            SEND.replace(", task_id=task_id", ""): (
                "of which have ended: 3 messages have new ids instead of t"
            ),
            SEND.replace("args=args", "args=[args]"): (
                "of which have ended: the arguments of a message: expected"
            ),
            SEND.replace("args=args", "args=[2, 3]"): (
                "of which have ended: the arguments of a message: expected"
            ),
            SEND.replace("tutorial.tasks.add", "add"): (
                "of which have ended: the task of a message: expected 'tut"
            ),
            SEND.replace("return again", "return len(again)"): (
                "of which have ended: expected a list of the ids that were"
            ),
            SEND.replace("return again", ""): (
                "of which have ended: expected a list of the ids that were"
            ),
            SEND.replace("task_id=task_id", "task_id=task_id, queue='orders'"): (
                "of which have ended: no message has arrived in the defaul"
            ),
            SEND.replace(
                "        again",
                "        app.send_task('tutorial.tasks.add', args, task_id=task_id)\n        again",
            ): "sent again twice",
            "return [app.AsyncResult(i).retry() for i in sent]": "raised AttributeError",
            "return [i for i in sent if app.AsyncResult(i).get() is None]": "raised ValueError",
            "return [i for i in sent if not app.AsyncResult(i).ready()]": (
                "of which have ended: no message has arrived in the defaul"
            ),
        },
        right=[
            SEND,
            'done = [i for i in sent if app.AsyncResult(i).state in ("SUCCESS", "FAILURE")]\n'
            "lost = set(sent) - set(done)\n"
            "for i in lost:\n"
            '    app.signature("tutorial.tasks.add", sent[i]).apply_async(task_id=i)\n'
            "return lost",
        ],
    ),
}
