"""Answers to the exercises of chapter 07."""

from answers.kinds import FUNCTION, value
from exercise_runs import Answers

TAKE = """
take = "DELETE FROM kombu_message WHERE visible AND payload ->> '$.headers.id' = :id"
with queue.begin() as connection:
    return bool(connection.execute(sa.text(take), {"id": task_id}).rowcount)
"""
STEPS = """
statements = [
    "CREATE TABLE steps (id INTEGER PRIMARY KEY, task_id TEXT, status TEXT)",
    "CREATE TRIGGER keep AFTER UPDATE ON celery_taskmeta WHEN OLD.status != NEW.status BEGIN "
    "INSERT INTO steps (task_id, status) VALUES (NEW.task_id, NEW.status); END",
]
with engine.begin() as connection:
    for statement in statements:
        connection.execute(sa.text(statement))
"""
SEND = "again = add.apply_async([20, 22], task_id=first.id)"

ANSWERS = {
    1: Answers(
        wrong={
            **FUNCTION,
            "return True": ("a task that was never sent: expected False, got True."),
            "return False": ("a task that is waiting: it returned False, but the message"),
            "add.app.control.revoke(task_id)\nreturn True": (
                "a task that was never sent: expected False, got True."
            ),
            "add.app.control.revoke(task_id)": (
                "a task that was never sent: expected False, got None."
            ),
            TAKE.replace("begin", "connect"): (
                "a task that is waiting: it returned True, but the message"
            ),
            TAKE.replace("->> '$.headers.id' = :id", "LIKE '%' || :id || '%'"): (
                "that was never sent: it took another task's message."
            ),
            TAKE.replace(" AND payload ->> '$.headers.id' = :id", ""): "another task's message",
            TAKE.replace("payload ->> '$.headers.id'", "id"): "did the query find it",
            TAKE.replace("payload ->> '$.headers.id'", "task_id"): "raised OperationalError",
            TAKE.replace("visible AND ", ""): (
                "a task that was received: expected False, got True."
            ),
            TAKE.replace("return bool(connection", "(connection"): (
                "a task that was never sent: expected False, got None."
            ),
            TAKE.replace("DELETE FROM kombu_message", "UPDATE kombu_message SET visible = 1"): (
                "a task that is waiting: it returned True, but the message"
            ),
            TAKE.replace("DELETE FROM", "UPDATE").replace(
                "WHERE visible AND", "SET visible = NOT visible WHERE"
            ): ("that was received: it returned True, but the message is"),
            "try:" + TAKE.replace("\n", "\n    ").replace("headers.id", "id") + "\n"
            "except Exception:\n    return True": (
                "a task that is waiting: it returned False, but the message"
            ),
        },
        right=[
            TAKE,
            "from tutorial.messages import load_messages\n\n"
            "messages = load_messages(queue).query('waiting and task_id == @task_id')\n"
            "take = 'UPDATE kombu_message SET visible = 0 WHERE visible AND id = :id'\n"
            "with queue.begin() as connection:\n"
            "    done = [connection.execute(sa.text(take), {'id': int(n)}).rowcount\n"
            "            for n in messages['id']]\n"
            "return any(done)",
        ],
    ),
    2: Answers(
        wrong={
            **value("again"),
            SEND.replace("20, 22", "'20', '22'"): "has the arguments ['20', '22']",
            SEND.replace("20, 22", "20, 20"): "has the arguments [20, 20]",
            SEND: "The row still says 2",
            "again = first": "The row still says 2",
            "again = add.delay(20, 22)": "has a different task id",
            "again = add.apply((20, 22), task_id=first.id)": "ran here, in the notebook",
            "again = add(20, 22)": ("`again` should be what sending a task returns, but is"),
            "first.forget()\nagain = first\n"
            "add.app.backend.store_result(first.id, 42, 'SUCCESS')": ("no worker has stored it"),
            f"first.forget()\n{SEND[:-1]}, queue='again')": (
                "The message is waiting in the queue 'again', but the worker"
            ),
        },
        right=[
            f"first.forget()\n{SEND}",
            "add.app.backend.forget(first.id)\n"
            "again = add.signature((20, 22), task_id=first.id).delay()",
        ],
    ),
    3: Answers(
        wrong={
            **FUNCTION,
            "print(engine)": "no such table: steps",
            STEPS.replace("TABLE steps", "TABLE history"): (
                "goes through SUCCESS: Celery can no longer store anything:"
            ),
            "with engine.begin() as connection:\n"
            "    connection.execute(sa.text('CREATE TABLE steps (id INTEGER PRIMARY KEY, '\n"
            "        'task_id TEXT, status TEXT)'))": "the steps are none",
            STEPS.replace("WHEN OLD.status != NEW.status ", ""): (
                "the steps are STARTED → PROGRESS → PROGRESS → PROGRESS → SUCCESS"
            ),
            STEPS.replace("NEW.task_id, NEW.status", "OLD.task_id, OLD.status"): (
                "Celery has stored SUCCESS, and the steps are PENDING"
            ),
            STEPS.replace("UPDATE", "INSERT").replace("WHEN OLD.status != NEW.status ", ""): (
                "Celery has stored SUCCESS, and the steps are PENDING"
            ),
            STEPS.replace("WHEN OLD.status != NEW.status", "WHEN NEW.status = 'SUCCESS'"): (
                "the steps are SUCCESS."
            ),
            STEPS.replace("status TEXT)", "status TEXT, UNIQUE (task_id, status))")
            .replace("INSERT INTO", "INSERT OR IGNORE INTO")
            .replace("WHEN OLD.status != NEW.status ", ""): (
                "the steps are STARTED → RETRY → FAILURE"
            ),
            STEPS.replace("(NEW.task_id", "('add'"): "the steps are none",
            STEPS.replace("NEW.task_id", "NEW.id"): "the steps are none",
            STEPS.replace("VALUES (NEW.task_id", "VALUES (task_id"): (
                "goes through SUCCESS: Celery can no longer store anything:"
            ),
            STEPS.replace("; END", " END"): "raised OperationalError",
            STEPS.replace("UPDATE ON", "UPDATE OF status ON").replace(
                "WHEN OLD.status != NEW.status ", ""
            ): "the steps are STARTED → PROGRESS → PROGRESS",
        },
        right=[
            STEPS,
            STEPS.replace(
                "OLD.status != NEW.status",
                "NEW.status IS NOT (SELECT status FROM steps "
                "WHERE task_id = NEW.task_id ORDER BY id DESC LIMIT 1)",
            ),
        ],
    ),
}
