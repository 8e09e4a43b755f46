"""Answers to the exercises of chapter 04."""

from exercise_runs import Answers

HOURS = "return results['date_done'].dt.tz_convert(zone).dt.hour.value_counts()"
STORED = """
import sqlalchemy as sa

query = sa.text("SELECT result FROM celery_taskmeta WHERE task_id = :id")
with engine.connect() as connection:
    stored = connection.scalar(query, {"id": task_id})
"""
LOADED = "row = load_results(engine).set_index('task_id').loc[task_id]\n"

ANSWERS = {
    1: Answers(
        wrong={
            "results = load_results": "`results` is <function load_results",
            "results = engine": "and not a DataFrame",
            "results = load_results(engine, decode=False)": "are still bytes",
            "results = load_results(engine, limit=10)": "rows, and `results` has 10.",
            'results = load_results(engine, status="SUCCESS")': "rows, and `results` has ",
            'results = load_results(engine, columns=["task_id", "status", "result"])': (
                "Columns are missing: id, name, args"
            ),
            'results = pd.read_sql("SELECT * FROM celery_taskmeta", engine)': (
                "Columns are missing: exception, undecodable"
            ),
            "results = load_messages(queue_engine())": "holds the messages of the queue",
            "from tutorial.results import count_results\n\nresults = count_results(engine)": (
                "and not a DataFrame"
            ),
            "results = pd.DataFrame([task.get(propagate=False) for task in sent])": (
                "Columns are missing: id, task_id"
            ),
        },
        right=[
            "results = load_results(make_engine(), progress=False)",
            "from tutorial.results import iter_results\n\n"
            "results = pd.concat(iter_results(engine, chunksize=5))",
        ],
    ),
    2: Answers(
        wrong={
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
