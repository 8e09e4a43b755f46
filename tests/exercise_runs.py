"""Runs an exercise notebook with answers of learners, in a process and a workspace of its own.

Started as a program, it takes the notebook's name as its argument and the answers as JSON.
"""

import json
import linecache
import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import nbformat
from processes import environment

from tutorial.commands.chapters import EXERCISES
from tutorial.exercises.checking import SOURCES
from tutorial.workspace import COURSE

REGION = re.compile(r"^( *)### BEGIN SOLUTION\n.*?### END SOLUTION", re.DOTALL | re.MULTILINE)
CHECK = re.compile(r"exercise_(\d+)\.check")
PATIENT = 60.0  # seconds for what ends by itself, on a loaded machine too
SECONDS = 800  # for all answers to the exercises of a chapter; it only ends what hangs


@dataclass(frozen=True)
class Answers:
    """What learners write in place of the dots.

    Parameters
    ----------
    wrong : mapping of str to str
        Wrong answers, and a part of what the check says to each: five at least.
    right : sequence of str
        Right answers other than the solution.
    """

    wrong: Mapping[str, str]
    right: Sequence[str] = field(default_factory=list)


@dataclass(frozen=True)
class Outcome:
    """What a check said."""

    kind: str  # "Right", or the name of the exception
    message: str = ""
    changed: str = ""  # what the check did to the learner's databases


def run(notebook: str, answers: Mapping[int, Answers], home: Path) -> dict[str, list[Outcome]]:
    """Return, for each exercise, what the check says to no answer, to the answers, to the solution.

    The first outcome is that of the notebook as learners get it.
    """
    given = {
        number: [
            *((code, time_limit(message)) for code, message in each.wrong.items()),
            *((code, PATIENT) for code in each.right),
        ]
        for number, each in answers.items()
    }
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:  # answers write files
        done = subprocess.run(
            [sys.executable, __file__, notebook],
            input=json.dumps(given),
            cwd=folder,
            env=environment(home, PYTHONPATH=str(COURSE)),
            capture_output=True,
            text=True,
            timeout=SECONDS,
        )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    return {number: [Outcome(**each) for each in outcomes] for number, outcomes in found.items()}


def time_limit(message: str) -> float:
    """Return for how long the check of a wrong answer waits: not long for what never comes."""
    waits = any(words in message for words in ("after 1 seconds", "in time", "no row"))
    return 1 if waits else PATIENT


# In the process of its own


def main(notebook: str, answers: dict[str, list[tuple[str, float]]]) -> None:
    from tutorial.exercises import checking

    outcomes = unsolved(notebook)
    namespace: dict[str, Any] = {}
    answer_cell = ""
    for cell in code_cells(SOURCES / f"{notebook}.ipynb"):
        if REGION.search(cell):
            answer_cell = cell
        elif answer_cell and (check := CHECK.match(cell)):
            number = check[1]
            for answer, checking.TIME_LIMIT in answers[number]:
                outcomes[number].append(attempt(with_answer(answer_cell, answer), cell, namespace))
            checking.TIME_LIMIT = PATIENT
            outcomes[number].append(attempt(answer_cell, cell, namespace, keep=True))
            answer_cell = ""
        else:
            execute(cell, namespace)
    print()
    print(json.dumps({n: [asdict(each) for each in found] for n, found in outcomes.items()}))


def code_cells(path: Path) -> list[str]:
    cells = nbformat.read(path, as_version=4).cells
    return [cell.source for cell in cells if cell.cell_type == "code"]


def unsolved(notebook: str) -> dict[str, list[Outcome]]:
    """Run the notebook as learners get it."""
    namespace: dict[str, Any] = {}
    outcomes = {}
    for cell in code_cells(EXERCISES / f"{notebook}.ipynb"):
        if check := CHECK.match(cell):
            outcomes[check[1]] = [outcome(cell, namespace)]
        else:
            execute(cell, namespace)
    keep_workers([])
    return outcomes


def with_answer(cell: str, answer: str) -> str:
    def indented(region: re.Match[str]) -> str:
        return "\n".join(region[1] + line for line in answer.splitlines())

    return REGION.sub(indented, cell)


def attempt(answer: str, check: str, namespace: dict[str, Any], keep: bool = False) -> Outcome:
    """Run an answer and its check; afterwards the same workers run as before."""
    from tutorial.worker import _running

    before = list(_running.values())
    names = namespace if keep else dict(namespace)
    try:
        execute(answer, names)
    except Exception as error:  # the notebook shows it, and the learner can still run the check
        print(type(error).__name__, error)
    found = outcome(check, names)
    if not keep:
        keep_workers(before)
    return found


def outcome(check: str, namespace: dict[str, Any]) -> Outcome:
    before = stored()
    try:
        execute(check, namespace)
    except Exception as error:
        return Outcome(type(error).__name__, str(error), difference(before, stored()))
    return Outcome("Right", "", difference(before, stored()))


def execute(code: str, namespace: dict[str, Any]) -> None:
    name = f"<cell {len(linecache.cache)}>"
    linecache.cache[name] = (len(code), None, code.splitlines(keepends=True), name)
    exec(compile(code, name, "exec"), namespace)


def keep_workers(kept: Sequence[Any]) -> None:
    from tutorial.worker import _running

    for worker in list(_running.values()):
        if worker not in kept:
            worker.stop()
    for worker in kept:
        if worker.status != "ready":
            worker.start()


def stored() -> dict[str, list[Any]]:
    """Return the learner's messages, and the results that will not change any more."""
    from tutorial.broker import queue_engine
    from tutorial.database import make_engine
    from tutorial.messages import load_messages
    from tutorial.results import load_results

    messages, results = load_messages(queue_engine()), load_results(make_engine())
    final = results["status"].isin(["SUCCESS", "FAILURE", "REVOKED"])
    return {
        "messages": list(messages["task_id"]),
        "results": [
            (row.task_id, row.status, repr(row.result)) for row in results[final].itertuples()
        ],
    }


def difference(before: dict[str, list[Any]], after: dict[str, list[Any]]) -> str:
    """Name what is gone from the databases, or was sent; results can have arrived."""
    gone = set(before["results"]) - set(after["results"])
    if before["messages"] != after["messages"]:
        return "messages were sent or deleted"
    return f"results changed: {gone}" if gone else ""


if __name__ == "__main__":
    main(sys.argv[1], json.loads(sys.stdin.read()))
