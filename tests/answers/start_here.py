"""Answers to the exercises of chapter 00."""

from answers.kinds import FUNCTION, value
from exercise_runs import Answers

GET = "total = answer.get(timeout=10)"
TOTAL = "total = add.AsyncResult(asked['ada'].id).get(timeout=10)"
IMPORT = "\nfrom tutorial.database import make_engine\n\n"
COUNT = """
results = load_results(engine)
own = results[results["worker"] == hostname]
return len(own[own["status"] == "SUCCESS"])
"""
QUERY = """
import sqlalchemy as sa

query = sa.text(
    "SELECT count(*) FROM celery_taskmeta WHERE worker = :name AND status = 'SUCCESS'"
)
with engine.connect() as connection:
    return connection.scalar(query, {"name": hostname})
"""
LOOP = """
count = 0
for row in load_results(engine).itertuples():
    if row.worker == hostname and row.status == "SUCCESS":
        count += 1
return count
"""

ANSWERS = {
    1: Answers(
        wrong={
            **value("answer", "total"),
            "answer = total = add(number, 2)": "`answer` is the sum itself",
            f"answer = add\n{GET.replace('answer.get', 'add.delay(number, 2).get')}": (
                "`answer` should be what sending a task returns, but is"
            ),
            f"answer = add.delay(40, 2)\n{GET}": "with the arguments [40, 2]",
            "answer = add.delay(number, '2')\ntotal = number + 2": "'2']",
            "answer = add.apply_async((number, 2), queue='math')\ntotal = number + 2": "has no row",
            f"answer = add.apply((number, 2))\n{GET}": (
                "row in the database: no worker has run it."
            ),
            f"answer = add.delay(number, 3)\n{GET}": ", 3]",
            f"from tutorial.tasks import divide\n\nanswer = divide.delay(number, 2)\n{GET}": (
                "The task that you sent is tutorial.tasks.divide with the"
            ),
            "answer = total = add.delay(number, 2)": (
                "a handle, not the sum: its method get waits for the sum."
            ),
            "answer = add.delay(number, 2)\ntotal = answer.state": "`total` is 'PENDING'",
            "answer = add.delay(number, 2)\ntotal = str(number + 2)": ("but the row says"),
            "answer = add.delay(number, 2)\ntotal = 42": "`total` is 42",
        },
        right=[
            f"answer = add.delay(2, number)\n{GET}",
            f"answer = add.apply_async(kwargs={{'x': number, 'y': 2}})\n{GET}",
        ],
    ),
    2: Answers(
        wrong={
            **value("stuck", "total"),
            f"stuck = 'ada'\n{TOTAL}": "The message of 'ada' is in our queue",
            "stuck = 'ada'\ntotal = 5": "The message of 'ada' is in our queue",
            f"stuck = 'Bob'\n{TOTAL}": "`stuck` should be one of ['ada', 'bob'], but is 'Bob'.",
            f"stuck = asked['bob']\n{TOTAL}": "`stuck` should be one of ['ada', 'bob'], but is <",
            "stuck = 'bob'\ntotal = asked['ada']": "`total` is a handle, not the sum",
            "stuck = 'bob'\ntotal = asked['ada'].state": "`total` is 'PENDING', which is not the",
            "stuck = 'bob'\ntotal = 5": "`total` is 5, which is not the result in the row",
            f"stuck = 'bob'\n{TOTAL}\ntotal = float(total)": ".0, which is not the result",
            "import pandas as pd\n\nstuck = 'bob'\n"
            "rows = pd.read_sql('SELECT result FROM celery_taskmeta', results)\n"
            "total = rows['result'].iloc[-1]": "', the bytes of a JSON text: load_results decodes",
            f"stuck = 'bob'\n{TOTAL}\ntotal = str(total)": "', which is not the result in the row",
        },
        right=[
            f"stuck = 'bob'\nother = Celery('other', backend='db+' + results)\n"
            f"{TOTAL.replace('add', 'other')}",
            f"""{IMPORT}{TOTAL}
import pandas as pd

rows = pd.read_sql("SELECT task_id, result FROM celery_taskmeta", results)
stuck = (set(asked) - {{name for name in asked if asked[name].id in set(rows["task_id"])}}).pop()
rows = load_results(make_engine(results)).set_index("task_id")
total = int(rows.loc[asked["ada"].id, "result"])""",
        ],
    ),
    3: Answers(
        wrong={
            **FUNCTION,
            "return 2": ("the worker celery@ada-2: expected 1, got 2."),
            "return len(load_results(engine))": ("the worker celery@ada: expected 2, got 5."),
            COUNT.replace('[own["status"] == "SUCCESS"]', ""): (
                "the worker celery@ada: expected 2, got 3."
            ),
            COUNT.replace('results[results["worker"] == hostname]', "results"): (
                "the worker celery@ada: expected 2, got 3."
            ),
            COUNT.replace('== "SUCCESS"', '!= "FAILURE"'): (
                "the worker celery@ada-2: expected 1, got 2."
            ),
            COUNT.replace("load_results(engine)", "load_results(make_engine())").replace(
                "\n", IMPORT, 1
            ): ("the worker celery@ada: expected 2, got 0."),
            COUNT.replace("hostname", '"celery@notebook"'): (
                "the worker celery@ada: expected 2, got 0."
            ),
            COUNT.replace(
                'results["worker"] == hostname', 'results["worker"].str.contains(hostname)'
            ): ("the worker celery@ada: expected 2, got 3."),
            COUNT.replace('"SUCCESS"', "'success'"): ("the worker celery@ada: expected 2, got 0."),
            COUNT.replace("return len", "print"): ("the worker celery@ada: expected 2, got None."),
            COUNT.replace('"worker"', '"hostname"'): "raised KeyError: 'hostname'",
            COUNT.replace("return len(", "return ("): (
                "the worker celery@ada: expected 2, got a DataFrame with 2 rows."
            ),
            'done = load_results(engine, status="SUCCESS")\n'
            "return int(done['worker'].value_counts()[hostname])": "raised KeyError",
        },
        right=[COUNT, QUERY, LOOP],
    ),
}
