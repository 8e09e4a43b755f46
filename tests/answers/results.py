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
            f"{FAILED}customer = str(failed['args'].iloc[0])": "should be a whole number",
            f"{FAILED}customer = int(failed['id'].iloc[0])": "No order has the customer ",
            f"{FAILED}customer = len(failed)": "No order has the customer ",
            "customer = True": "should be a whole number",
            "customer = 7": "No order has the customer 7",
            f"{FAILED.replace('Type', 'ZeroDivision')}customer = failed['args'].iloc[0][0]": (
                "The failed task of this customer is tutorial.tasks.divide."
            ),
            "results = load_results(engine, status='SUCCESS')\n"
            "customer = results['args'].iloc[0][0]": "have succeeded",
            "results = load_results(engine, status='FAILURE')\n"
            "customer = results['args'].iloc[-1][0]": "have succeeded",
        },
        right=[
            "results = load_results(engine)\n"
            "failed = results[results['exception'] == 'TypeError']\n"
            "customer = failed['args'].str[0].mode()[0]",
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
            "print((results['status'] == 'FAILURE').mean())": (
                "tasks: expected a Series, got None."
            ),
            "return results['status'].value_counts(normalize=True)": (
                "tasks failed: the name is missing from the Series."
            ),
            "failed = results[results['status'] == 'FAILURE']\n"
            "return failed['name'].value_counts()": ("tasks failed: expected 0."),
            "failed = results[results['status'] == 'FAILURE']\n"
            "return failed['name'].astype(str).value_counts() / results['name'].value_counts()": (
                "tasks failed: expected 0, got nan."
            ),
            "failed = results[results['status'] == 'FAILURE']\n"
            "return failed.groupby(failed['name'].astype(str)).size() / len(results)": (
                "tasks failed: the name is missing from the Series."
            ),
            "return (results['status'] != 'SUCCESS').groupby(results['name']).mean()": (
                "tasks failed: expected 0."
            ),
            "return 100 * (results['status'] == 'FAILURE').groupby(results['name']).mean()": (
                "tasks failed: expected 0."
            ),
            "share = (results['status'] == 'FAILURE').groupby(results['name']).mean()\n"
            "return share.map('{:.2f}'.format).astype(str)": (
                "tasks: expected numbers from 0 to 1, got '0."
            ),
            "share = (results['status'] == 'FAILURE').groupby(results['name']).mean()\n"
            "return share.to_dict()": ("expected a Series, got {'tutorial.tasks.add': 0."),
            "task = results['name'].astype(str).str.rpartition('.')[2]\n"
            "return (results['status'] == 'FAILURE').groupby(task).mean()": (
                "tasks failed: the name is missing from the Series."
            ),
            "return pd.Series({'tutorial.tasks.add': 0, 'tutorial.tasks.divide': 0.25})": (
                "tasks failed: expected 0."
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
            HOURS.replace(".dt.tz_convert(zone)", ""): (
                "UTC in January, America/New_York: the hours: expected"
            ),
            HOURS.replace("convert", "localize"): "raised TypeError",
            HOURS.replace(".dt.tz_convert", ".dt.tz_localize(None).dt.tz_localize"): (
                "UTC in January, America/New_York: the hours: expected"
            ),
            HOURS.replace("zone", "'America/New_York'"): (
                "UTC in January, Asia/Kolkata: the hours: expected"
            ),
            HOURS.replace("zone", "'Europe/Paris'"): (
                "UTC in January, America/New_York: the hours: expected"
            ),
            "offset = pd.Timestamp('2026-01-01', tz=zone).utcoffset()\n"
            "return (results['date_done'] + offset).dt.hour.value_counts()": (
                "UTC in July, America/New_York: the hours: expected"
            ),
            "offset = pd.Timestamp('2026-07-01', tz=zone).utcoffset()\n"
            "return (results['date_done'] + offset).dt.hour.value_counts()": (
                "UTC in January, America/New_York: the hours: expected"
            ),
            HOURS.replace("hour", "strftime('%H')"): (
                "America/New_York: the index should hold hours from 0 t"
            ),
            HOURS.replace("hour", "floor('h')"): (
                "America/New_York: the index should hold hours from 0 t"
            ),
            HOURS.replace("value_counts()", "unique()"): (
                "America/New_York: expected a Series, got array(["
            ),
            HOURS.replace("value_counts()", "value_counts(normalize=True)"): (
                "America/New_York: the number of tasks: expected"
            ),
            HOURS.replace("return ", ""): ("America/New_York: expected a Series, got None."),
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
            "worker = Worker": ("`worker` should be a Worker, but is <class"),
            "worker = Worker(queues='desk-1')": "its status is 'not started'",
            "worker = lost": ("`worker` should be a Worker, but is <AsyncResult:"),
            "worker = load_messages(queue_engine())['queue'].iloc[-1]": (
                "`worker` should be a Worker, but is"
            ),
            "worker = Worker(pool='solo').start()\n"
            "add.apply_async([40, 2], task_id=lost.id).get(timeout=30, interval=0.002)": (
                "worker listens on the queue 'celery'"
            ),
            "lost = add.delay(40, 2)\nworker = Worker(pool='solo')": (
                "longer the given task: run that task, not another"
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
            "return add.AsyncResult(task_id).result": (": expected"),
            "from celery.backends.database import DatabaseBackend\n\n"
            "backend = DatabaseBackend(app=add.app, url=str(engine.url))\n"
            "return backend.get_result(task_id)": (
                "pickle that runs code: code from the table has run: your fu"
            ),
            STORED + "import pickle\n\nreturn pickle.loads(stored)": "raised UnpicklingError",
            STORED + "return stored": (": expected"),
            STORED + "return stored.decode()": (": expected"),
            STORED + "import json\n\nreturn json.loads(stored)": (
                "1, 2, 3, 4): expected datetime.datetime"
            ),
            STORED
            + "from kombu.serialization import loads\n\njson = 'application/json'\n"
            + "try:\n    return loads(stored, json, 'utf-8', accept={json})\n"
            + "except Exception:\n    import pickle\n\n    return pickle.loads(stored)": (
                "pickle that runs code: code from the table has run: your fu"
            ),
            STORED
            + "from kombu.serialization import loads\n\njson = 'application/json'\n"
            + "try:\n    return loads(stored, json, 'utf-8', accept={json})\n"
            + "except Exception:\n    return None": (
                "pickle that runs code: expected a ValueError, got None."
            ),
            LOADED + "return row['result']": (
                "pickle that runs code: expected a ValueError, got b'\\x80\\x0"
            ),
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
            "return load_results(engine)['result'].iloc[0]": (
                "a task that returned None: expected None, got"
            ),
        },
        right=[
            LOADED + "if row['undecodable'] == 'result':\n    raise ValueError(task_id)\n"
            "return row['result']",
            STORED + "if stored.startswith(b'\\x80'):\n    raise ValueError(task_id)\n"
            "return add.app.backend.decode(stored)",
        ],
    ),
}
