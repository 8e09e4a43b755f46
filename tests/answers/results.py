"""Answers to the exercises of chapter 04."""

from answers.kinds import FUNCTION, value
from exercise_runs import Answers

HOURS = "return results['date_done'].dt.tz_convert(zone).dt.hour.value_counts()"
STORED = """
import sqlalchemy as sa

query = sa.text("SELECT result FROM celery_taskmeta WHERE task_id = :id")
with engine.connect() as connection:
    stored = connection.scalar(query, {"id": task_id})
"""
LOADED = "row = load_results(engine).set_index('task_id').loc[task_id]\n"

FAILED = """
results = load_results(engine)
failed = results[results["exception"] == "TypeError"]
"""

ANSWERS = {
    1: Answers(
        wrong={
            **value("customer"),
            f"{FAILED}customer = failed['args'].iloc[0]": "should be a single number",
            f"{FAILED}customer = failed['args'].str[0].tolist()": "should be a single number",
            f"{FAILED}customer = failed['args'].str[0]": "should be a single number",
            f"{FAILED}customer = str(failed['args'].iloc[0][0])": "should be a whole number",
            f"{FAILED}customer = float(failed['args'].iloc[0][0])": "should be a whole number",
            f"{FAILED}customer = failed['args'].iloc[0][1]": "",
            f"{FAILED}customer = int(failed['id'].iloc[0])": "No order has the customer ",
            f"{FAILED}customer = len(failed)": "No order has the customer 3",
            "customer = True": "should be a whole number",
            "customer = 7": "No order has the customer 7",
            f"{FAILED.replace('Type', 'ZeroDivision')}customer = failed['args'].iloc[0][0]": (
                "The failed task of this customer is tutorial.tasks.divide."
            ),
            "results = load_results(engine, status='SUCCESS')\n"
            "customer = results['args'].iloc[0][0]": "have succeeded",
            "results = load_results(engine)\ncustomer = int(results['args'].str[0].max())": "",
            "results = load_results(engine, status='FAILURE')\n"
            "customer = results['args'].iloc[-1][0]": "have succeeded",
        },
        right=[
            "results = load_results(engine)\n"
            "failed = results[results['exception'] == 'TypeError']\n"
            "customer = failed['args'].str[0].mode().item()",
            "import sqlalchemy as sa\n\n"
            "query = sa.text(\"SELECT args ->> 0 FROM celery_taskmeta WHERE status = 'FAILURE' \"\n"
            "                \"AND name = 'tutorial.tasks.add' GROUP BY 1\")\n"
            "with engine.connect() as connection:\n"
            "    customer = int(connection.scalar(query))",
        ],
    ),
    2: Answers(
        wrong={
            **FUNCTION,
            "return results": "take one of its columns",
            "print((results['status'] == 'FAILURE').mean())": "returns None, and not a Series",
            "return results['status'].value_counts(normalize=True)": "tasks.add is missing",
            "failed = results[results['status'] == 'FAILURE']\n"
            "return failed['name'].value_counts()": "For tutorial.tasks.divide it says",
            "failed = results[results['status'] == 'FAILURE']\n"
            "return failed['name'].astype(str).value_counts() / results['name'].value_counts()": (
                "For tutorial.tasks.add it says nan"
            ),
            "failed = results[results['status'] == 'FAILURE']\n"
            "return failed.groupby(failed['name'].astype(str)).size() / len(results)": (
                "tutorial.tasks.add is missing: 0 of its"
            ),
            "return (results['status'] != 'SUCCESS').groupby(results['name']).mean()": (
                "For tutorial.tasks.nap it says 1:"
            ),
            "return 100 * (results['status'] == 'FAILURE').groupby(results['name']).mean()": (
                "For tutorial.tasks.divide it says"
            ),
            "share = (results['status'] == 'FAILURE').groupby(results['name']).mean()\n"
            "return share.map('{:.2f}'.format).astype(str)": "holds '0.00', and not numbers",
            "share = (results['status'] == 'FAILURE').groupby(results['name']).mean()\n"
            "return share.to_dict()": "and not a Series",
            "task = results['name'].astype(str).str.rpartition('.')[2]\n"
            "return (results['status'] == 'FAILURE').groupby(task).mean()": (
                "tutorial.tasks.add is missing"
            ),
            "return pd.Series({'tutorial.tasks.add': 0, 'tutorial.tasks.divide': 0.25})": (
                "For tutorial.tasks.divide it says 0.25"
            ),
            "return results.groupby('name')['failed'].mean()": "raised KeyError",
        },
        right=[
            "results['failed'] = results['status'] == 'FAILURE'\n"
            "return results.groupby('name')['failed'].mean()",
            "return pd.crosstab(results['name'], results['status'], normalize='index')['FAILURE']",
            "names = results['name'].astype(str)\n"
            "failed = results['status'].eq('FAILURE')\n"
            "return pd.Series({name: failed[names == name].mean() for name in set(names)})",
        ],
    ),
    3: Answers(
        wrong={
            **FUNCTION,
            HOURS.replace(".dt.tz_convert(zone)", ""): "and the function says",
            HOURS.replace("convert", "localize"): "raised TypeError",
            HOURS.replace(".dt.tz_convert", ".dt.tz_localize(None).dt.tz_localize"): (
                "UTC in January is"
            ),
            HOURS.replace("zone", "'America/New_York'"): "in Asia/Kolkata",
            HOURS.replace("zone", "'Europe/Paris'"): "UTC in January is",
            "offset = pd.Timestamp('2026-01-01', tz=zone).utcoffset()\n"
            "return (results['date_done'] + offset).dt.hour.value_counts()": "UTC in July is",
            "offset = pd.Timestamp('2026-07-01', tz=zone).utcoffset()\n"
            "return (results['date_done'] + offset).dt.hour.value_counts()": "UTC in January is",
            HOURS.replace("hour", "strftime('%H')"): "and not an hour from 0 to 23",
            HOURS.replace("hour", "floor('h')"): "The index holds Timestamp(",
            HOURS.replace("value_counts()", "unique()"): "and not a Series",
            HOURS.replace("value_counts()", "value_counts(normalize=True)"): "function says",
            HOURS.replace("return ", ""): "returns None",
        },
        right=[
            "results['hour'] = results['date_done'].dt.tz_convert(zone).dt.hour\n"
            "return results.groupby('hour').size()",
            HOURS + ".reindex(range(24), fill_value=0)",
        ],
    ),
    4: Answers(
        wrong={
            **value("worker"),
            "worker = Worker": "and not a Worker",
            "worker = Worker(queues='desk-1')": "its status is 'not started'",
            "worker = lost": "and not a Worker",
            "worker = load_messages(queue_engine())['queue'].iloc[-1]": "`worker` is 'desk-",
            "worker = Worker(pool='solo').start()\n"
            "add.apply_async([40, 2], task_id=lost.id).get(timeout=30, interval=0.002)": (
                "worker listens on the queue 'celery'"
            ),
            "lost = add.delay(40, 2)\nworker = Worker(pool='solo')": (
                "not the given task any more"
            ),
        },
        right=[
            "desks = ','.join(f'desk-{n}' for n in range(1, 10))\n"
            "worker = Worker(queues=desks, pool='solo').start()",
        ],
    ),
    5: Answers(
        wrong={
            **FUNCTION,
            "return add.AsyncResult(task_id).result": "and the function returns None",
            "from celery.backends.database import DatabaseBackend\n\n"
            "backend = DatabaseBackend(app=add.app, url=str(engine.url))\n"
            "return backend.get_result(task_id)": "Code from the table has run",
            STORED + "import pickle\n\nreturn pickle.loads(stored)": "raised UnpicklingError",
            STORED + "return stored": "the function returns b'",
            STORED + "return stored.decode()": "the function returns '",
            STORED + "import json\n\nreturn json.loads(stored)": (
                "datetime(2026, 1, 2, 3, 4), and the function returns {'__type__'"
            ),
            STORED
            + "from kombu.serialization import loads\n\njson = 'application/json'\n"
            + "try:\n    return loads(stored, json, 'utf-8', accept={json})\n"
            + "except Exception:\n    import pickle\n\n    return pickle.loads(stored)": (
                "Code from the table has run"
            ),
            STORED
            + "from kombu.serialization import loads\n\njson = 'application/json'\n"
            + "try:\n    return loads(stored, json, 'utf-8', accept={json})\n"
            + "except Exception:\n    return None": "returns None, and a ValueError is right",
            LOADED + "return row['result']": "returns b'\\x80",
            LOADED
            + "if isinstance(row['result'], bytes):\n    raise ValueError(task_id)\n"
            + "return row['result']": "raised ValueError",
            LOADED
            + "if row['undecodable']:\n    raise ValueError(task_id)\nreturn row['result']": (
                "raised ValueError"
            ),
            LOADED + "assert row['undecodable'] != 'result'\nreturn row['result']": (
                "raised AssertionError"
            ),
            "return load_results(engine)['result'].iloc[0]": "A task returned None",
        },
        right=[
            LOADED + "if row['undecodable'] == 'result':\n    raise ValueError(task_id)\n"
            "return row['result']",
            STORED + "if stored.startswith(b'\\x80'):\n    raise ValueError(task_id)\n"
            "return add.app.backend.decode(stored)",
        ],
    ),
}
