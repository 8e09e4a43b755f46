"""Answers to the exercises of chapter 06."""

from answers.kinds import FUNCTION, value
from exercise_runs import Answers

REPORT = """
last = sales["day"].dropna().max()
return {
    "total": sum(sales["sold"].tolist()),
    "sold": list(map(int, sales["sold"])),
    "last": last.to_pydatetime() if last is not pd.NaT else None,
}
"""

ERROR = """
class OutOfStock(Exception):
    def __init__(self, item, left):
        super().__init__(item, left)
        self.item, self.left = item, left

    def __str__(self):
        return f"{self.item}: only {self.left} left"


error_class = OutOfStock
"""


def error(old: str, new: str) -> str:
    """Return the right exception with one change."""
    assert old in ERROR
    return ERROR.replace(old, new)


ANSWERS = {
    1: Answers(
        wrong={
            **value("answer"),
            "answer = divide.delay(12, 0)": "failed with a ZeroDivisionError",
            "answer = divide.delay(12, 3)": "did not fail: it returned 4.0",
            "from tutorial.tasks import add\n\nanswer = add.delay('twelve', 3)": (
                "asks for the task tutorial.tasks.add"
            ),
            "answer = divide.apply(('twelve', 3))": "ran here, in the notebook",
            "try:\n    divide('twelve', 3)\nexcept TypeError as error:\n    answer = error": (
                "`answer` should be what sending a task returns, but is"
            ),
            "answer = divide.s('twelve', 3)": (
                "`answer` should be what sending a task returns, but is"
            ),
            "answer = 'TypeError'": ("`answer` should be what sending a task returns, but is"),
            "answer = divide.apply_async(('twelve', 3), queue='failures')": (
                "The message is waiting in the queue 'failures', but the"
            ),
            "answer = divide.apply_async(('twelve', 3), ignore_result=True)": "The task has no row",
            "answer = divide.apply_async(('twelve', 3), expires=-1)": (
                "The row: expected the status FAILURE, got REVOKED."
            ),
            "answer = divide.app.AsyncResult('twelve')\n"
            "divide.app.backend.store_result(answer.id, TypeError('twelve'), 'FAILURE')": (
                "no message with the task id"
            ),
        },
        right=[
            "answer = divide.apply_async((12, None))",
            "answer = divide.delay('12', '3')",
            "answer = divide.app.send_task('tutorial.tasks.divide', [12])",
        ],
    ),
    2: Answers(
        wrong={
            **FUNCTION,
            "return sales": ("of which is missing: expected a dictionary, got a DataFra"),
            "return sales.to_dict('records')": (
                "of which is missing: expected a dictionary, got [{'day': "
            ),
            "return REPORT": "raised NameError",
            "return {'total': sales['sold'].sum()}": "int64 is not JSON serializable",
            REPORT.replace('sum(sales["sold"].tolist())', 'sales["sold"].sum()'): (
                "int64 is not JSON serializable"
            ),
            REPORT.replace("sum(", "str(sum(").replace("tolist())", "tolist()))"): (
                "days, one of which is missing: 'total': expected"
            ),
            REPORT.replace("sum(", "len("): ("days, one of which is missing: 'total': expected"),
            REPORT.replace('list(map(int, sales["sold"]))', 'sales["sold"].to_numpy()'): (
                "ndarray is not JSON serializable"
            ),
            REPORT.replace("list(map", "set(map"): "set is not JSON serializable",
            REPORT.replace("list(map", "tuple(map"): ("days, one of which is missing: 'sold' is"),
            REPORT.replace("list(map(int", "list(map(str"): (
                "days, one of which is missing: 'sold': expected"
            ),
            REPORT.replace(".to_pydatetime()", ""): "'last' is Timestamp(",
            REPORT.replace(" if last is not pd.NaT else None", ""): (
                "that are all missing: 'last' is NaT, but comes back as dat"
            ),
            REPORT.replace(".to_pydatetime()", ".isoformat()"): (
                "of which is missing: 'last': expected datetime.datetime"
            ),
            REPORT.replace(".to_pydatetime()", ".date()"): (
                "of which is missing: 'last': expected datetime.datetime"
            ),
            REPORT.replace(".max()", ".iloc[-1]"): (
                "of which is missing: 'last': expected datetime.datetime"
            ),
            REPORT.replace('    "last"', '    "latest"'): (
                "days, one of which is missing: the report has no 'last'."
            ),
            REPORT.replace('    "last"', '    "days": len(sales),\n    "last"'): (
                "of which is missing: the keys: expected ['last', 'sold', "
            ),
            "return {'total': 12, 'sold': [4, 0, 8], 'last': None}": (
                "days, one of which is missing: 'total': expected"
            ),
        },
        right=[
            REPORT,
            "days = [day.to_pydatetime() for day in sales['day'] if pd.notna(day)]\n"
            "sold = sales['sold'].tolist()\n"
            "return {'total': sum(sold), 'sold': sold, 'last': max(days, default=None)}",
        ],
    ),
    3: Answers(
        wrong={
            **value("error_class"),
            "error_class = Exception": "it has no attribute 'item'",
            "error_class = ValueError('lamp', 0)": "should be an exception class",
            "error_class = str": "should be an exception class",
            "error_class = BaseException": "should be an exception class",
            error("self, item, left", "self, item, *, left"): "raised ",
            error("super().__init__(item, left)", "super().__init__(str(self.__class__))"): (
                "when it comes back"
            ),
            error("super().__init__(item, left)", "super().__init__(left, item)"): (
                "when it comes back"
            ),
            error("super().__init__(item, left)", "super().__init__(item)"): ("when it comes back"),
            error("self.item, self.left = item, left", "self.thing = item"): (
                "it has no attribute 'item'"
            ),
            error("only", "just"): "when it is made, its text: expected",
            error("item, left):", "item, left=0):").replace(
                "super().__init__(item, left)", "super().__init__(item)"
            ): "For the arguments 'chair' and 3",
        },
        right=[
            ERROR,
            error("        self.item, self.left = item, left\n", "").replace(
                "\n\nerror_class",
                "\n    @property\n    def item(self):\n        return self.args[0]\n"
                "\n    @property\n    def left(self):\n        return self.args[1]\n\n"
                "\nerror_class",
            ),
        ],
    ),
}
