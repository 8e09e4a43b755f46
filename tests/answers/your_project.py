"""Answers to the exercises of chapter 05."""

from answers.kinds import FUNCTION, value
from exercise_runs import Answers

TASKS = """
folder = home / "files" / "mine"
folder.mkdir(parents=True, exist_ok=True)
for old in folder.glob("*.db*"):
    old.unlink()
_ = (folder / "tasks.py").write_text('''
from pathlib import Path

from celery import Celery

HERE = Path(__file__).resolve().parent
app = Celery("mine", broker=f"sqla+sqlite:///{HERE}/queue.db")
app.conf.result_backend = f"db+sqlite:///{HERE}/results.db"
app.conf.result_extended = True


@app.task
def add(x, y):
    return x + y
''')
"""
READ = """
def decode(stored):
    try:
        return json.loads(stored) if stored is not None else None
    except ValueError:
        return stored

query = "SELECT result, date_done FROM celery_taskmeta ORDER BY id"
frame = pd.read_sql(query, engine, parse_dates=["date_done"])
frame["result"] = frame["result"].astype(object).map(decode, na_action=None)
frame["date_done"] = frame["date_done"].dt.tz_localize("UTC")
return frame
"""
REVIEW = """
wrong = {
    "accept_content": "pickle" in settings.get("accept_content", ()),
    "broker_url": "://" not in settings["broker_url"],
    "result_backend": not settings["result_backend"].startswith("db+"),
}
if settings["result_backend"].startswith("db+sqlite"):
    path = Path(sa.make_url(settings["result_backend"][3:]).database)
    wrong["result_backend"] = not path.is_absolute()
return [name for name, is_wrong in wrong.items() if is_wrong]
"""


def tasks(old: str, new: str) -> str:
    """Return the right project with one change."""
    assert old in TASKS
    return TASKS.replace(old, new)


def read(old: str, new: str) -> str:
    """Return the right reader with one change."""
    assert old in READ
    return READ.replace(old, new)


ANSWERS = {
    1: Answers(
        wrong={
            **value("folder"),
            "folder = 5": "`folder` should be a path, but is 5.",
            "folder = home / 'files' / 'nothing'": "There is no file tasks.py in the folder",
            tasks("return x + y", "return x - y"): "add(",
            tasks("def add", "def plus"): "Your program failed: ImportError",
            tasks("from celery import Celery", "import celeri"): (
                "Your program failed in tasks.py, line 4: Module"
            ),
            tasks("return x + y", "return (x + y"): "Your program failed in tasks.py, line",
            tasks("db+sqlite:///{HERE}/results.db", "db+sqlite:///results.db"): "is relative",
            tasks("db+sqlite:///{HERE}/results.db", "rpc://"): "must begin with db+sqlite",
            tasks('app.conf.result_backend = f"db+sqlite:///{HERE}/results.db"', ""): (
                "The app has no result_backend: did it load the settings?"
            ),
            tasks("app.conf.result_extended = True", ""): "does not say which task it belongs to",
            tasks("@app.task", "@app.task(ignore_result=True)"): "add(",
            tasks("@app.task", "@app.task(name='elsewhere')").replace(
                "def add(x, y):\n    return x + y",
                "def add(x, y):\n    raise ValueError(x)",
            ): "Your program failed: ValueError",
        },
        right=[TASKS, TASKS + "folder = str(folder)\n"],
    ),
    2: Answers(
        wrong={
            **FUNCTION,
            "return []": "expected a DataFrame, got []",
            "return pd.DataFrame()": "expected the columns result and date_done",
            read("return frame", "return frame[['result']]"): "expected the columns",
            "return pd.read_sql('SELECT result, date_done FROM celery_taskmeta', engine)": "For ",
            read("        return stored\n", "        return None\n"): "the results: ",
            read("        return stored\n", "        return str(stored)\n"): "the results: ",
            read(
                "        return stored\n",
                "        import pickle\n\n        return pickle.loads(stored)\n",
            ): "the results: ",
            read(" ORDER BY id", ""): "the results: ",
            read("ORDER BY id", "ORDER BY id DESC"): "the results: ",
            read("ORDER BY id", "WHERE id > 1 ORDER BY id"): "the results: ",
            read('tz_localize("UTC")', 'tz_localize("Asia/Tokyo")'): (
                "date_done should be times in UTC, but its type is datetime64["
            ),
            read(', parse_dates=["date_done"]', "").replace(
                'frame["date_done"] = frame["date_done"].dt.tz_localize("UTC")\n', ""
            ): "date_done should be times in UTC, but its type is str.",
            read('tz_localize("UTC")', 'tz_localize("Asia/Tokyo").dt.tz_convert("UTC")'): (
                "date_done: "
            ),
            read('frame["date_done"] = frame["date_done"].dt.tz_localize("UTC")\n', ""): (
                "date_done should be times in UTC, but its type is datetime64["
            ),
        },
        right=[READ],
    ),
    3: Answers(
        wrong={
            **FUNCTION,
            "return []": "For a broker without a scheme",
            "return ['broker_url']": "For settings that are right",
            "return set()": "For settings that are right",
            "return None or ()": "For settings that are right",
            REVIEW.replace('"://" not in settings["broker_url"]', "False"): "without a scheme",
            REVIEW.replace("path.is_absolute()", "True"): "For ",
            REVIEW.replace("not path.is_absolute()", "False"): "For a relative path",
            REVIEW.replace('.get("accept_content", ())', '["accept_content"]'): "raised ",
            REVIEW.replace('"pickle" in', '["pickle"] =='): "For pickles",
            REVIEW.replace("return [", "return sorted([").replace(
                "if is_wrong]", "if is_wrong])[:1]"
            ): ("For three mistakes"),
        },
        right=[REVIEW],
    ),
}
