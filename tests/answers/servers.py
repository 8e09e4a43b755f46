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
            f"environment = [{BROKER!r}, {DATABASE!r}]": "and not a dictionary",
            f"environment = dict(CELERY_BROKER_URL={BROKER!r})": (
                "The variable CELERY_RESULT_BACKEND is missing"
            ),
            variables(BROKER, DATABASE).replace("BROKER_URL", "BROKER"): (
                "The variable CELERY_BROKER_URL is missing"
            ),
            variables(BROKER, DATABASE) + " | {'TUTORIAL_REDIS_URL': '...'}": (
                "TUTORIAL_REDIS_URL is none of the two"
            ),
            variables(BROKER, DATABASE.removeprefix("db+")): "does not begin with db+",
            variables(BROKER, DATABASE.replace("+psycopg", "")): "the scheme is 'postgresql'",
            variables(DATABASE, BROKER): "CELERY_RESULT_BACKEND is no SQL backend",
            variables(BROKER.replace(":carrot", "carrot"), DATABASE): "the username is 'carrot'",
            variables(BROKER.removesuffix("/2"), DATABASE): "the database is None, and '2'",
            variables(BROKER.replace("6380", "6379"), DATABASE): "the port is 6379",
            variables(BROKER.replace("redis", "db+redis"), DATABASE): "the scheme is 'db+redis'",
            variables("queue.example.org", DATABASE): "cannot be read as a URL",
            variables(BROKER, DATABASE.replace("turnip", "***")): "the password is '***'",
        },
        right=[
            variables(BROKER, DATABASE) + " | {}",
            f"environment = dict(CELERY_RESULT_BACKEND={DATABASE!r}, CELERY_BROKER_URL={BROKER!r})",
        ],
    ),
    2: Answers(
        wrong={
            **FUNCTION,
            "return 4": "For an empty queue it returns 4",
            "return client.llen(queue)": "it returns 3, and 7 is right",
            "return client.llen('orders')": "For an empty queue it returns 1",
            'return len(client.keys(f"{queue}*"))': "priority 0 it returns 2, and 3 is right",
            'return sum(client.llen(name) for name in client.keys(f"{queue}*"))': (
                "it returns 6, and 3 is right"
            ),
            'return sum(client.llen(f"{queue}{step}") for step in (0, 3, 6, 9))': (
                "it returns 0, and 3 is right"
            ),
            WAITING.replace("range(10)", "range(1, 10)"): "it returns 0, and 3 is right",
            WAITING.replace("range(10)", "range(9)"): "it returns 5, and 7 is right",
            WAITING.replace("return total", "return str(total)"): "and not a whole number",
            WAITING.replace("return total", "print(total)"): "returns None, and not a whole",
            "return sum(client.llen(name) for name in client.keys())": "raised ResponseError",
            "total = 0\n"
            "for step in ('', '\\x06\\x163', '\\x06\\x166', '\\x06\\x169'):\n"
            "    while client.rpop(queue + step):\n"
            "        total += 1\n"
            "return total": "It has changed the queue",
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
            SEND.replace(STATES, '== "PENDING"'): "whose row says STARTED was not sent again",
            SEND.replace(STATES, '!= "SUCCESS"'): "A task that has failed was sent again",
            SEND.replace(STATES, '!= "FAILURE"'): "A task that has succeeded was sent again",
            SEND.replace(", task_id=task_id", ""): "3 messages have ids that are none of the old",
            SEND.replace("args=args", "args=[args]"): "has the arguments [[",
            SEND.replace("args=args", "args=[2, 3]"): "has the arguments [2, 3]",
            SEND.replace("tutorial.tasks.add", "add"): "asks for the task add",
            SEND.replace("return again", "return len(again)"): "It returns 3, and not the ids",
            SEND.replace("return again", ""): "It returns None, and not the ids",
            SEND.replace("task_id=task_id", "task_id=task_id, queue='orders'"): (
                "No message has come to the default queue"
            ),
            SEND.replace(
                "        again",
                "        app.send_task('tutorial.tasks.add', args, task_id=task_id)\n        again",
            ): "sent again twice",
            "return [app.AsyncResult(i).retry() for i in sent]": "raised AttributeError",
            "return [i for i in sent if app.AsyncResult(i).get() is None]": "raised ValueError",
            "return [i for i in sent if not app.AsyncResult(i).ready()]": "No message has come",
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
