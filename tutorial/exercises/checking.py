"""An exercise: a check that names the learner's own mistake, hints in steps, and a solution."""

import _thread
import inspect
import json
import linecache
import re
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from types import CodeType
from typing import Any

import numpy as np
import pandas as pd
from celery.exceptions import ImproperlyConfigured

from tutorial.checks import arguments
from tutorial.workspace import COURSE, SOLVED, home

TIME_LIMIT = 10.0  # seconds that a check waits for a result, or for the learner's function
SOURCES = COURSE / "notebooks" / "exercises" / "source"
MADE = re.compile("<string>|<frozen |<.* generated ")  # names of code that no file holds


class NotSolved(Exception):
    """An exercise is not solved; the message says why."""

    title = "Not solved"

    def _render_traceback_(self) -> list[str]:
        """Return what IPython shows: the message, without the lines of the check."""
        return [f"{self.title}: {self}"]


class NotAttempted(NotSolved):
    """There is no answer yet."""

    title = "Not attempted"


class WrongAnswer(NotSolved):
    """The answer is not right; the message names the mistake."""

    title = "Wrong"


class Death(BaseException):
    """The end of a worker, which a check brings about; no `except Exception` survives it."""


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
        WrongAnswer
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
        names = list(inspect.signature(self.function).parameters)
        own_name = self.function.__name__
        if len(answers) != len(names):
            given = f"{len(answers) or 'none'} {'was' if len(answers) == 1 else 'were'} given"
            raise NotSolved(
                f"The check takes {len(names)} answer{'s' * (len(names) > 1)}, but {given}: "
                f"run {own_name}.check({', '.join(names)})."
            )
        missing = {
            f"`{name}`": answer
            for name, answer in zip(names, answers, strict=True)
            if not is_attempted(answer)
        }
        if missing:
            verb = "are" if len(missing) > 1 else "is"
            # It may well be assigned: answer.result, for example, is None before the result comes.
            none = all(answer is None for answer in missing.values())
            raise NotAttempted(
                f"{' and '.join(missing)} {verb} still {'None' if none else 'missing'}. "
                f"{own_name}.hint() helps you to begin."
            )
        try:
            return self.function(*answers)
        except NotSolved:
            raise
        except Exception as error:
            raise WrongAnswer(_unusable(error)) from error

    def hint(self) -> None:
        """Print the next hint."""
        number = min(self._hints_given + 1, len(self.hints))
        self._hints_given = number
        print(f"Hint {number} of {len(self.hints)}: {self.hints[number - 1]}")
        if number == len(self.hints):
            print(f"That was the last hint. {self.function.__name__}.solution() shows a solution.")

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


@contextmanager
def case(description: str) -> Iterator[Callable[..., Any]]:
    """Say in each message of a ``with`` block which case it is about.

    The block gets the only function that calls the learner's: no message about such a call can do
    without its case.

    Parameters
    ----------
    description : str
        The case in a few words, such as ``"a task that was never sent"``.

    Yields
    ------
    callable
        Takes a function of the learner's and its arguments, and returns what it returns. It raises
        `YourCodeRaised` if the function raises an exception, and `WrongAnswer` if it is not a
        function, or if it is still running after `TIME_LIMIT`.

    Raises
    ------
    NotSolved
        What the block raises, with the case before the message.
    """
    try:
        yield _call
    except NotSolved as error:
        raise type(error)(f"For {description}: {error}") from error.__cause__
    except Exception as error:
        raise WrongAnswer(f"For {description}: {_unusable(error)}") from error


def _call(function: Callable[..., Any], *arguments: Any) -> Any:
    """Call a function of the learner's, and interrupt it after `TIME_LIMIT`."""
    if not callable(function):
        raise WrongAnswer(f"the check has nothing to call: {shown(function)} is not a function.")
    late = threading.Event()
    timer = threading.Timer(TIME_LIMIT, _interrupt, [late])
    timer.start()
    try:
        try:
            return function(*arguments)
        finally:
            timer.cancel()
    except KeyboardInterrupt as interrupt:
        if not late.is_set():  # the learner has pressed the button
            raise
        raise WrongAnswer(
            f"your function was still running after {TIME_LIMIT:g} seconds"
            f"{_place(interrupt, function)}. Is it waiting for something that never comes?"
        ) from None
    except Death:
        raise
    except BaseException as error:  # SystemExit too, and what a learner derives from BaseException
        raise YourCodeRaised(f"{_named(error)}{_place(error, function)}") from error


def _interrupt(late: threading.Event) -> None:
    """Do to the main thread what the *Interrupt* button does."""
    late.set()
    if hasattr(signal, "pthread_kill"):
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
    else:  # Windows
        _thread.interrupt_main()


def _unusable(error: Exception) -> str:
    """Return the message about an answer with which a check itself has failed."""
    return f"the check could not use the answer: {_named(error)}{_place(error)}"


def _named(error: BaseException) -> str:
    """Return an exception's type, and its message if it has one."""
    message = first_line(error)
    return f"{type(error).__name__}: {message}" if message else type(error).__name__


def _place(error: BaseException, function: Callable[..., Any] | None = None) -> str:
    """Name the last line of the learner's code that led to an exception.

    A function that takes other arguments is not entered: then it is the line that defines it.
    Without such a line, as when the answer is a function of a library, name the function.
    """
    lines = [
        frame.line
        for frame in traceback.extract_tb(error.__traceback__)
        if frame.line and _is_learners(frame.filename)
    ]
    if not lines and (defined := _first_line_of(function)):
        lines = [defined]
    if lines:
        return f", at the line: {lines[-1]}"
    return f", in the call to {shown(function)}" if function else ""


def _first_line_of(function: object) -> str:
    """Return the first line of a function of the learner's, or an empty text."""
    while isinstance(function, partial):
        function = function.func
    called = inspect.getattr_static(type(function), "__call__", None)  # of an object like one
    code = getattr(function, "__code__", None) or getattr(called, "__code__", None)
    if code is None or not _is_learners(code.co_filename):
        return ""
    return linecache.getline(code.co_filename, code.co_firstlineno).strip()


def _is_learners(filename: str) -> bool:
    """Tell whether a file is the learner's: neither the course's, nor installed, nor made.

    Compiled libraries, such as parts of SQLAlchemy and pyarrow, name their files by relative paths;
    code that SQLAlchemy makes when it is imported has a name such as "<sqlalchemy generated ...>".
    """
    others = (str(COURSE / "tutorial"), sys.prefix, sys.base_prefix)
    is_cell = filename.startswith("<") and not MADE.match(filename)
    return is_cell or (Path(filename).is_absolute() and not filename.startswith(others))


def wait_until(condition: Callable[[], Any]) -> bool:
    """Wait until a condition holds, for `TIME_LIMIT` at most.

    Parameters
    ----------
    condition : callable
        It is called a hundred times per second.

    Returns
    -------
    bool
        Whether it holds.
    """
    deadline = time.monotonic() + TIME_LIMIT
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def expect(found: Any, right: Any, what: str = "") -> None:
    """Refuse a value that is not the right one, or only claims to be equal to it.

    Parameters
    ----------
    found : object
        What the learner's function has returned.
    right : object
        A plain value of Python's.
    what : str
        Words to put before the message, such as ``"the host: "``.

    Raises
    ------
    WrongAnswer
        If they are not equal, or not of the same type; a number of NumPy's counts as Python's.
    """
    plain = found.item() if isinstance(found, np.generic) else found
    if type(plain) is not type(right) or plain != right:
        raise WrongAnswer(f"{what}expected {shown(right)}, got {shown(found)}.")


def shown(value: Any) -> str:
    """Return a value as Python writes it, in one line that is not too long.

    Of a table or a column of pandas', only the kind and the length, and a number of NumPy's looks
    like Python's.

    Parameters
    ----------
    value : object

    Returns
    -------
    str
    """
    if isinstance(value, pd.DataFrame | pd.Series):
        rows = f"{len(value)} row{'s' * (len(value) != 1)}"
        return f"a {type(value).__name__} with {rows}"
    if isinstance(value, np.number | np.bool_):
        value = value.item()
    return arguments.shown(value)


def first_line(error: BaseException) -> str:
    """Return the first line of an exception's message.

    Parameters
    ----------
    error : BaseException

    Returns
    -------
    str
    """
    try:
        return (str(error).splitlines() or [""])[0]
    except Exception:  # the exception may be the learner's, and so is its text
        return ""
