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
            "week = timedelta(days=7)": ("`week` should be a Celery app, but is"),
            "week = Celery('week')": (
                "results in a database: its backend is <celery.backends.base"
            ),
            WEEK.replace(
                "app.conf.result_backend", "f'db+sqlite:///{home}/week.db'"
            ): "week.db', not",
            WEEK.replace("timedelta(days=7)", "7"): (
                "two minutes too early: result_expires is 7, in the time zon"
            ),
            WEEK.replace("timedelta(days=7)", "'7 days'"): "result_expires = '7 days'",
            WEEK.replace("days=7", "days=6"): (
                "two minutes too early: result_expires is datetime.timedelta"
            ),
            WEEK.replace("days=7", "weeks=7"): (
                "A clean-up leaves a result that is a week and two minutes old:"
            ),
            WEEK.replace("timedelta(days=7)", "0"): (
                "two minutes too early: result_expires is 0, in the time zon"
            ),
            WEEK.replace("timedelta(days=7)", "None"): "fails with TypeError",
            WEEK.replace(
                "result_expires", "result_expire"
            ): "result_expires is datetime.timedelta(",
            WEEK + "week.conf.timezone = 'America/Los_Angeles'": (
                "two minutes too early: result_expires is datetime.timedelta"
            ),
            WEEK + "week.conf.timezone = 'Europe/London'": (  # UTC in winter only
                "result_expires is datetime.timedelta(days=7), in the time zone Europe/London"
            ),
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
            ).replace("wait_for_row(lost)", "sleep(0.2)"): (
                "The task has no row: no worker began it, or it stores its"
            ),
            "lost, worker = count_to.delay(1000, 1).id, Worker()": (
                "`lost` should be what sending a task returns, but is"
            ),
            "lost, worker = count_to.delay(1000, 1), 'celery@notebook'": (
                "`worker` should be a Worker, but is 'celery@notebook'."
            ),
            "lost, worker = count_to(1), Worker()": (
                "`lost` should be what sending a task returns, but is 1."
            ),
        },
        right=[KILLED.replace('"solo"', '"prefork", concurrency=1').replace("1000, 1", "1, 600")],
    ),
    3: Answers(
        wrong={
            **value("query"),
            f"query = {QUERY.replace('IS', '=')!r}": (
                "the state STARTED: the query does not find it, but no c"
            ),
            f'query = "{QUERY.replace("IS NULL", EMPTY)}"': (
                "the state STARTED: the query does not find it, but no c"
            ),
            f'query = "{BY_STATUS} = {STARTED}"': (
                "with the state RETRY: the query does not find it, but no c"
            ),
            f"query = \"{BY_STATUS} IN ({STARTED}, 'RETRY')\"": (
                "custom state LOADING: the query does not find it, but no c"
            ),
            f"query = \"{BY_STATUS} NOT IN ('SUCCESS', 'FAILURE')\"": (
                "the state REVOKED: the query finds it, but a clean-up w"
            ),
            f"query = {QUERY.replace('IS NULL', 'IS NOT NULL')!r}": (
                "the state STARTED: the query does not find it, but no c"
            ),
            f"query = {QUERY.partition(' WHERE')[0]!r}": (
                "the state SUCCESS: the query finds it, but a clean-up w"
            ),
            f"query = {QUERY.replace('task_id', '*')!r}": ("columns: expected only task_id."),
            f"query = {QUERY.replace('task_id', 'id')!r}": (
                "the state STARTED: the query does not find it, but no c"
            ),
            f"query = {QUERY.replace('celery_taskmeta', 'taskmeta')!r}": "no such table: taskmeta",
            f"query = {QUERY.replace('SELECT task_id', 'DELETE')!r}": (
                "The query returns no rows: it is not a SELECT."
            ),
            f"query = {QUERY.replace('date_done', 'date')!r}": "no such column: date",
            f"query = '{QUERY} UNION ALL SELECT 1'": "more than the ids of such tasks",
            "query = 3": ("`query` should be a string, but is 3."),
        },
        right=[
            f"query = {QUERY.lower()!r}",
            f'query = "{QUERY.replace("date_done IS NULL", "ifnull(date_done, 0) = 0")}"',
        ],
    ),
    4: Answers(
        wrong={
            **FUNCTION,
            ARCHIVE.replace(WRITE, "") + WRITE: (
                "that does not exist: the file could not be written, but 3"
            ),
            ARCHIVE.replace(WRITE, f"try:\n    {WRITE}\nexcept OSError:\n    pass"): (
                "that does not exist: the file could not be written, but 3"
            ),
            ARCHIVE.partition("with")[0]: (
                "and two minutes old: another connection still finds it in"
            ),
            ARCHIVE.replace("begin", "connect"): (
                "and two minutes old: another connection still finds it in"
            ),
            ARCHIVE.replace("decode=False", "decode=True"): "raised Arrow",
            ARCHIVE.replace("days=1", "days=2"): ("and two minutes old: the file lacks it."),
            ARCHIVE.replace("days=1", "hours=1"): ("short of a day old: the file also holds it."),
            ARCHIVE.replace("until", "status='SUCCESS', until"): (
                "a failure that is two days old: the file lacks it."
            ),
            ARCHIVE.replace(" WHERE date_done < :limit", ""): (
                "short of a day old: the table has lost it."
            ),
            ARCHIVE.replace("< :limit", "< :limit OR date_done IS NULL"): (
                "a task that is running: the table has lost it."
            ),
            ARCHIVE.replace(WRITE, "old.to_csv(file)"): (
                "with old and new rows: pandas cannot read the file: it is n"
            ),
            ARCHIVE.replace("(file)", "(file.with_suffix('.pq'))"): "has written no file",
            ARCHIVE.replace(WRITE, "file.parent.mkdir(exist_ok=True)\n" + WRITE): (
                "that does not exist: the function has made the folder."
            ),
            ARCHIVE.replace("< :limit", "< yesterday"): "raised OperationalError",
            "load_results(results).to_pickle(file)": (
                "with old and new rows: pandas cannot read the file: it is n"
            ),
            "app.backend.cleanup()": "has written no file",
            ARCHIVE.replace('now("UTC")', "now()"): "and two minutes old: the file lacks it.",
            ARCHIVE.replace("{limit:", "{pd.Timestamp.now('UTC') - pd.Timedelta(days=1):"): (
                "but are not in the file: use one moment."
            ),
            """
limit = "date_done < datetime('now', '-1 day')"
old = pd.read_sql(f"SELECT * FROM celery_taskmeta WHERE {limit}", results)
old[["task_id", "result"]].to_parquet(file)
with results.begin() as connection:
    connection.execute(sa.text(f"DELETE FROM celery_taskmeta WHERE {limit}"))
""": "but are not in the file: use one moment.",
        },
        right=[
            ARCHIVE,
            """
old = load_results(results, until=pd.Timestamp.now("UTC") - pd.Timedelta(days=1), decode=False)
old.to_parquet(file)
with results.begin() as connection:
    for task_id in old["task_id"]:
        delete = sa.text("DELETE FROM celery_taskmeta WHERE task_id = :id")
        connection.execute(delete, {"id": task_id})
""",
        ],
    ),
}
