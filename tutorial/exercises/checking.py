"""An exercise: a check that names the learner's own mistake, hints in steps, and a solution."""

import _thread
import importlib
import inspect
import json
import re
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from types import CodeType
from typing import Any

from celery.exceptions import ImproperlyConfigured

from tutorial.workspace import COURSE, SOLVED, home

PATIENCE = 10.0  # seconds that a check waits, for a result or for the learner's function
SOURCES = COURSE / "notebooks" / "exercises" / "source"


class NotSolved(Exception):
    """An exercise is not solved; the message says why."""

    title = "Not solved"

    def _render_traceback_(self) -> list[str]:
        """Return what IPython shows: the message, without the lines of the check."""
        return [f"{self.title}: {self}"]


class NotAttempted(NotSolved):
    """There is no answer yet."""

    title = "Not attempted"


class Wrong(NotSolved):
    """The answer is not right; the message names the mistake."""

    title = "Wrong"


class YourCodeRaised(NotSolved):
    """The learner's function raised an exception; the message names it and the line."""

    title = "Your code raised"


class Exercise:
    """An exercise of a chapter; the decorator `exercise` makes it from its check.

    Parameters
    ----------
    function : callable
        The check. It takes the learner's answers, raises `NotSolved` unless they are right, and
        returns a sentence that says what was right.
    points : int
        What it counts in a class.
    hints : sequence of str
        Each says more than the one before.
    """

    def __init__(self, function: Callable[..., str], points: int, hints: Sequence[str]) -> None:
        self.function = function
        self.points = points
        self.hints = hints
        number = function.__name__.rpartition("_")[2]
        self.name = f"{function.__module__.rpartition('.')[2]}-{number}"
        self._hints_given = 0

    def check(self, *answers: Any) -> None:
        """Check the answers, and say that they are right; the progress is noted in the workspace.

        Parameters
        ----------
        *answers
            The objects that the exercise asks for.

        Raises
        ------
        NotAttempted
            If one of them is still None, or a function that does nothing.
        Wrong
            If they are not right.
        YourCodeRaised
            If a function of the learner's raised an exception.
        """
        print(f"Right. {self.verify(*answers)}")
        with suppress(OSError, ImproperlyConfigured):  # a right answer is right without a note
            solved = home() / SOLVED
            solved.mkdir(exist_ok=True)
            (solved / self.name).touch()

    def verify(self, *answers: Any) -> str:
        """Check the answers as `check` does, and neither print nor note anything.

        Parameters
        ----------
        *answers
            As for `check`.

        Returns
        -------
        str
            What was right.

        Raises
        ------
        NotSolved
            As `check` does.
        """
        names = inspect.signature(self.function).parameters
        missing = [
            f"`{name}`"
            for name, answer in zip(names, answers, strict=True)
            if not is_attempted(answer)
        ]
        if missing:
            raise NotAttempted(
                f"{' and '.join(missing)} must still be made. "
                f"{self.function.__name__}.hint() helps to begin."
            )
        try:
            return self.function(*answers)
        except NotSolved:
            raise
        except Exception as error:
            raise Wrong(
                "The check could not use the answer, "
                f"it met {type(error).__name__}: {first_line(error)}"
            ) from error

    def hint(self) -> None:
        """Print the next hint."""
        number = min(self._hints_given + 1, len(self.hints))
        self._hints_given = number
        print(f"Hint {number} of {len(self.hints)}: {self.hints[number - 1]}")
        if number == len(self.hints):
            print(f"It was the last one. {self.function.__name__}.solution() shows a solution.")

    def solution(self) -> None:
        """Print a solution: the one that the tests run."""
        print(self.solution_code() or "The solutions are not in this copy of the course.")

    def solution_code(self) -> str:
        """Return the code that solves it, or an empty text where the copy has no solutions."""
        for path in SOURCES.glob("*.ipynb"):
            for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
                if cell["metadata"].get("nbgrader", {}).get("grade_id") == f"{self.name}-answer":
                    code = re.sub(
                        r"^ *### (BEGIN|END) SOLUTION\n?", "", "".join(cell["source"]), flags=re.M
                    )
                    return re.sub(r"\A.* = None\n+", "", code).rstrip("\n")
        return ""

    def __repr__(self) -> str:
        return f"<Exercise {self.name}: {self.points} points, {len(self.hints)} hints>"


def exercise(points: int, hints: Sequence[str]) -> Callable[[Callable[..., str]], Exercise]:
    """Make an exercise from a check: a function ``exercise_1`` in a chapter's module.

    Parameters
    ----------
    points : int
        What it counts in a class.
    hints : sequence of str
        Each says more than the one before.

    Returns
    -------
    callable
        The decorator.
    """
    return lambda function: Exercise(function, points, hints)


def is_attempted(answer: Any) -> bool:
    """Tell whether an answer is anything but None and a function that does nothing.

    Parameters
    ----------
    answer : object

    Returns
    -------
    bool
    """

    def nothing() -> None: ...

    def is_empty(code: CodeType) -> bool:
        return code.co_code == nothing.__code__.co_code and code.co_consts[-1:] == (None,)

    code = getattr(answer, "__code__", None)
    return not (answer is None or answer is ... or (code and is_empty(code)))


def call(function: Callable[..., Any], *arguments: Any) -> Any:
    """Call a function of the learner's, and interrupt it after `PATIENCE`.

    Parameters
    ----------
    function : callable
    *arguments
        What it is called with.

    Returns
    -------
    object
        What it returns.

    Raises
    ------
    YourCodeRaised
        If it raises an exception.
    Wrong
        If it is no function, or takes too long.
    """
    if not callable(function):
        raise Wrong(f"{shown(function)} is no function: the check has nothing to call.")
    late = threading.Event()
    timer = threading.Timer(PATIENCE, _interrupt, [late])
    timer.start()
    try:
        try:
            return function(*arguments)
        finally:
            timer.cancel()
    except KeyboardInterrupt:
        if not late.is_set():  # it was the learner who interrupted
            raise
        raise Wrong(
            f"Your function was still running after {PATIENCE:g} seconds: "
            "does it wait for something that does not come?"
        ) from None
    except (Exception, SystemExit) as error:
        raise YourCodeRaised(
            f"{type(error).__name__}: {first_line(error)}{_place(error)}"
        ) from error


def _interrupt(late: threading.Event) -> None:
    """Do to the main thread what the *Interrupt* button does."""
    late.set()
    if hasattr(signal, "pthread_kill"):
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
    else:  # Windows
        _thread.interrupt_main()


def _place(error: BaseException) -> str:
    """Return the last line of the learner's code that led to an exception: after our own."""
    frames = traceback.extract_tb(error.__traceback__)[1:]
    # The course's own code, installed code, and what that has made.
    others = (str(COURSE / "tutorial"), sys.prefix, sys.base_prefix, "<string>")
    own = [frame for frame in frames if not frame.filename.startswith(others)]
    return f", at the line: {own[-1].line}" if own and own[-1].line else ""


def wait_until(condition: Callable[[], Any]) -> bool:
    """Wait until a condition holds, for `PATIENCE` at most.

    Parameters
    ----------
    condition : callable
        It is asked a hundred times a second.

    Returns
    -------
    bool
        Whether it holds.
    """
    deadline = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def shown(value: Any) -> str:
    """Return a value as Python writes it, in one line that is not too long.

    Parameters
    ----------
    value : object

    Returns
    -------
    str
    """
    text = " ".join(repr(value).split())
    return text if len(text) <= 100 else f"{text[:97]}..."


def first_line(error: BaseException) -> str:
    """Return the first line of an exception's message.

    Parameters
    ----------
    error : BaseException

    Returns
    -------
    str
    """
    return (str(error).splitlines() or [""])[0]


def as_delivered(exercise: Exercise) -> Exercise:
    """Load an exercise again from its file: the cells before may have changed the one in memory.

    The hidden tests of a class use it.

    Parameters
    ----------
    exercise : Exercise

    Returns
    -------
    Exercise
        A new one of the same name.
    """
    module = exercise.function.__module__
    for name in [name for name in sys.modules if name.startswith(__package__)]:
        del sys.modules[name]
    return vars(importlib.import_module(module))[exercise.function.__name__]
