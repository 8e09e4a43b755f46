"""Answers to the exercises of chapter 09."""

from answers.kinds import FUNCTION, value
from exercise_runs import Answers

WEEK = """
week = Celery("week", backend=app.conf.result_backend)
week.conf.result_expires = timedelta(days=7)
"""
KILLED = """
worker = Worker(pool="solo").start()
lost = count_to.delay(1000, 1)
wait_for_row(lost)
worker.kill()
"""
QUERY = "SELECT task_id FROM celery_taskmeta WHERE date_done IS NULL"
BY_STATUS = "SELECT task_id FROM celery_taskmeta WHERE status"
STARTED, EMPTY = "'STARTED'", "= ''"
ARCHIVE = """
limit = pd.Timestamp.now("UTC") - pd.Timedelta(days=1)
old = load_results(results, until=limit, decode=False)
old.to_parquet(file)
with results.begin() as connection:
    delete = sa.text("DELETE FROM celery_taskmeta WHERE date_done < :limit")
    connection.execute(delete, {"limit": f"{limit:%Y-%m-%d %H:%M:%S.%f}"})
"""
WRITE = "old.to_parquet(file)"

ANSWERS = {
    1: Answers(
        wrong={
            **value("week"),
            "week = timedelta(days=7)": "and not a Celery app",
            "week = Celery('week')": "stores nothing in a database",
            WEEK.replace(
                "app.conf.result_backend", "f'db+sqlite:///{home}/week.db'"
            ): "week.db', not",
            WEEK.replace(
                "timedelta(days=7)", "7"
            ): "an hour too young for it: result_expires is 7.",
            WEEK.replace("timedelta(days=7)", "'7 days'"): "result_expires = '7 days'",
            WEEK.replace("days=7", "days=6"): "an hour too young",
            WEEK.replace("days=7", "weeks=7"): "a week and an hour old: result_expires is",
            WEEK.replace("timedelta(days=7)", "0"): "too young for it: result_expires is 0",
            WEEK.replace("timedelta(days=7)", "None"): "ends in TypeError",
            WEEK.replace(
                "result_expires", "result_expire"
            ): "result_expires is datetime.timedelta(",
            WEEK + "week.conf.timezone = 'America/Los_Angeles'": "the time zone 'America/Los_Ang",
        },
        right=[
            WEEK.replace("timedelta(days=7)", "7 * 24 * 60 * 60"),
            "week = Celery('week')\nweek.config_from_object('tutorial.celeryconfig')\n"
            "week.conf.result_expires = timedelta(weeks=1)",
        ],
    ),
    2: Answers(
        wrong={
            **value("lost", "worker"),
            KILLED.replace(".start()", "").replace("wait_for_row(lost)\n", ""): "'not started'",
            KILLED.replace("1000, 1", "5, 0.1").replace(
                "worker.kill()", ""
            ): "its status is 'ready'",
            KILLED.replace(
                "count_to.delay(1000, 1)", "app.tasks['tutorial.tasks.nap'].delay(600)"
            ).replace("wait_for_row(lost)", "sleep(0.2)"): "stores a row at its end only",
            "lost, worker = count_to.delay(1000, 1).id, Worker()": "and not what sending a task",
            "lost, worker = count_to.delay(1000, 1), 'celery@notebook'": "and not a Worker",
            "lost, worker = count_to(1), Worker()": "`lost` is 1, and not",
        },
        right=[KILLED.replace('"solo"', '"prefork", concurrency=1').replace("1000, 1", "1, 600")],
    ),
    3: Answers(
        wrong={
            **value("query"),
            f"query = {QUERY.replace('IS', '=')!r}": "does not find a task with the state STARTED",
            f'query = "{QUERY.replace("IS NULL", EMPTY)}"': "does not find a task",
            f'query = "{BY_STATUS} = {STARTED}"': "does not find a task with the state RETRY",
            f"query = \"{BY_STATUS} IN ({STARTED}, 'RETRY')\"": "with a state of its own, LOADING",
            f"query = \"{BY_STATUS} NOT IN ('SUCCESS', 'FAILURE')\"": (
                "finds a task with the state REVOKED"
            ),
            f"query = {QUERY.replace('IS NULL', 'IS NOT NULL')!r}": "does not find a task with",
            f"query = {QUERY.partition(' WHERE')[0]!r}": "finds a task with the state SUCCESS",
            f"query = {QUERY.replace('task_id', '*')!r}": "columns, and task_id alone",
            f"query = {QUERY.replace('task_id', 'id')!r}": "does not find a task",
            f"query = {QUERY.replace('celery_taskmeta', 'taskmeta')!r}": "no such table: taskmeta",
            f"query = {QUERY.replace('SELECT task_id', 'DELETE')!r}": "it is no SELECT",
            f"query = {QUERY.replace('date_done', 'date')!r}": "no such column: date",
            f"query = '{QUERY} UNION ALL SELECT 1'": "more than the ids of such tasks",
            "query = 3": "`query` is 3, and not a text",
        },
        right=[
            f"query = {QUERY.lower()!r}",
            f'query = "{QUERY.replace("date_done IS NULL", "ifnull(date_done, 0) = 0")}"',
        ],
    ),
    4: Answers(
        wrong={
            **FUNCTION,
            ARCHIVE.replace(WRITE, "") + WRITE: "could not be written, and 3 rows are deleted",
            ARCHIVE.replace(WRITE, f"try:\n    {WRITE}\nexcept OSError:\n    pass"): (
                "could not be written, and 3 rows are deleted"
            ),
            ARCHIVE.partition("with")[0]: "Another connection still finds a result that is 25",
            ARCHIVE.replace("begin", "connect"): "Another connection still finds a result",
            ARCHIVE.replace("decode=False", "decode=True"): "raised Arrow",
            ARCHIVE.replace("days=1", "days=2"): "The file lacks a result that is 25 hours old",
            ARCHIVE.replace("days=1", "hours=1"): "The file also holds a result that is 23 hours",
            ARCHIVE.replace("until", "status='SUCCESS', until"): "lacks a failure that is two days",
            ARCHIVE.replace(" WHERE date_done < :limit", ""): "has lost a result that is 23 hours",
            ARCHIVE.replace("< :limit", "< :limit OR date_done IS NULL"): "lost a task that runs",
            ARCHIVE.replace(WRITE, "old.to_csv(file)"): "it is no Parquet file",
            ARCHIVE.replace("(file)", "(file.with_suffix('.pq'))"): "has written no file",
            ARCHIVE.replace(WRITE, "file.parent.mkdir(exist_ok=True)\n" + WRITE): "has made it",
            ARCHIVE.replace("< :limit", "< yesterday"): "raised OperationalError",
            "load_results(results).to_pickle(file)": "it is no Parquet file",
            "app.backend.cleanup()": "has written no file",
        },
        right=[
            ARCHIVE,
            """
limit = "date_done < datetime('now', '-1 day')"
old = pd.read_sql(f"SELECT * FROM celery_taskmeta WHERE {limit}", results)
old[["task_id", "result"]].to_parquet(file)
with results.begin() as connection:
    connection.execute(sa.text(f"DELETE FROM celery_taskmeta WHERE {limit}"))
""",
        ],
    ),
}
