"""Plots of stored results that need no colour to be read, each with its text alternative.

Every plot returns matplotlib's Axes. `text_alternative` returns its text, and `show` displays both.
The colours are those of Okabe and Ito, https://jfly.uni-koeln.de/color/, which people with any kind
of colour vision can tell apart; a hatch repeats the same information, and a dark edge makes light
colours stand out from the page.
"""

import datetime as dt
import html
import io
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from IPython.display import display
from matplotlib import dates
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from tutorial.checks.arguments import shown, whole_number
from tutorial.reading.frame import check_frame

STYLES = {  # state -> colour and hatch
    "PENDING": ("#F0E442", ""),
    "STARTED": ("#56B4E9", ".."),
    "RETRY": ("#E69F00", "\\\\"),
    "SUCCESS": ("#0072B2", ""),
    "FAILURE": ("#D55E00", "//"),
    "REVOKED": ("#CC79A7", "xx"),
}
OTHER = ("#000000", "++")  # a custom state
NO_ROW = "no row"  # instead of the state of a task without a stored result
UNSTORED = ("#999999", "")  # and how it is drawn
NEVER_RAN = "FAILURE, never ran"  # of a task that was not sent, because one before it failed
WAITING = ("#F0E442", "//")
RUNNING = ("#0072B2", "")
EDGE = "#1f2933"
NARROWEST = 0.004  # of the width of a plot: a quicker task could not be seen
LONGEST_STEP = pd.Timedelta(36525, "D")  # a hundred years
BARS = 30  # about as many in a plot over time
STEPS = pd.to_timedelta(
    [
        *("10ms", "20ms", "50ms", "100ms", "200ms", "500ms", "1s", "2s", "5s", "10s", "30s"),
        *("1min", "2min", "5min", "10min", "30min", "1h", "3h", "6h", "12h", "1D", "7D"),
    ]
)


def plot_states(
    results: pd.DataFrame, *, step: str | None = None, axes: Axes | None = None
) -> Axes:
    """Draw how many tasks were done when, by state.

    Parameters
    ----------
    results : pandas.DataFrame
        From `tutorial.results.load_results`, with ``status`` and ``date_done``.
    step : str, optional
        The width of a bar, as in ``"5min"``; by default a round one for about `BARS` bars.
    axes : matplotlib.axes.Axes, optional
        Where to draw; by default on a figure of its own.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    TypeError, ValueError
        If an argument cannot be used.
    """
    check_frame(results, "results", ["status", "date_done"])
    width = None if step is None else _width(step)
    axes = _axes(axes)
    dated = results.dropna(subset=["date_done"])
    states = dated["status"].astype("category").cat.remove_unused_categories()
    width = width or _step(dated["date_done"])
    counts = pd.crosstab(dated["date_done"].dt.floor(width), states)
    below = np.zeros(len(counts))
    for state in counts.columns:
        color, hatch = STYLES.get(state, OTHER)
        bars = axes.bar(counts.index, counts[state], width, below, align="edge", label=state)
        plt.setp(bars, facecolor=color, hatch=hatch, edgecolor=EDGE)
        below += counts[state].to_numpy()
    if len(counts):
        axes.set_ylim(top=1.08 * below.max())
        axes.legend(title="state")
        axes.xaxis.set_major_formatter(dates.ConciseDateFormatter(axes.xaxis.get_major_locator()))
    axes.set(title="Tasks over time", xlabel="date_done (UTC)", ylabel=f"tasks in {_words(width)}")
    listed = ", ".join(f"{n} {state}" for state, n in states.value_counts(sort=False).items())
    undated = len(results) - len(dated)
    left_out = f" Not drawn: {undated} without a date_done." if undated else ""
    return _describe(axes, f"Bars over time, stacked by state: {listed or 'no task'}.{left_out}")


def plot_timeline(timings: pd.DataFrame, *, last: int = 60, axes: Axes | None = None) -> Axes:
    """Draw each task as a line that first waits and then runs, grouped by worker.

    Parameters
    ----------
    timings : pandas.DataFrame
        From `tutorial.messages.join_timings`.
    last : int
        How many tasks to draw: those that were sent last.
    axes : matplotlib.axes.Axes, optional
        Where to draw; by default on a figure of its own.

    Returns
    -------
    matplotlib.axes.Axes
        Time is in seconds since the first task was sent.

    Raises
    ------
    TypeError, ValueError
        As `plot_states`.
    """
    check_frame(timings, "timings", ["worker", "sent_at", "waiting", "running"])
    last = whole_number("last", last, least=1)
    axes = _axes(axes)
    drawn = timings.dropna(subset=["waiting", "running"]).tail(last)
    drawn = drawn.sort_values(["worker", "sent_at"])
    start = (drawn["sent_at"] - drawn["sent_at"].min()).dt.total_seconds()
    waiting = drawn["waiting"].dt.total_seconds()
    running = drawn["running"].dt.total_seconds()
    shown = running.clip(lower=NARROWEST * (start + waiting + running).max())
    rows = np.arange(len(drawn))
    for label, left, width, (color, hatch) in (
        ("waiting", start, waiting, WAITING),
        ("running", start + waiting, shown, RUNNING),
    ):
        bars = axes.barh(rows, width, 0.8, left, label=label)
        plt.setp(bars, facecolor=color, hatch=hatch, edgecolor=EDGE, linewidth=0.5)
    workers = drawn["worker"].astype("str").value_counts(sort=False)
    ends = workers.cumsum()
    for end in ends[:-1]:
        axes.axhline(end - 0.5, color="black", linewidth=0.8)
    axes.set_yticks(ends - workers / 2 - 0.5, [f"{w} ({n})" for w, n in workers.items()])
    axes.invert_yaxis()
    if len(drawn):
        axes.legend()
    axes.set(title="Waiting and running", xlabel="seconds from the first sending")
    listed = ", ".join(f"{worker} ({n})" for worker, n in workers.items())
    text = f"A line for each task, first waiting, then running, by worker: {listed or 'no task'}."
    return _describe(axes, text)


def plot_workflow(tasks: pd.DataFrame, *, axes: Axes | None = None) -> Axes:
    """Draw tasks as boxes, from the first step on the left to the last, with arrows between them.

    A box with a dashed edge is a task that never ran: Celery stored the failure of another task
    under its id.

    Parameters
    ----------
    tasks : pandas.DataFrame
        Rows of `tutorial.workflows.load_workflows`, for example those of one workflow.
    axes : matplotlib.axes.Axes, optional
        Where to draw; by default on a figure of its own.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    TypeError, ValueError
        As `plot_states`.
    """
    check_frame(tasks, "tasks", ["task_id", "name", "status", "step", "after", "root_id"])
    axes = _axes(axes)
    axes.use_sticky_edges = False  # leave room on the left
    tasks = tasks.assign(
        name=tasks["name"].astype("str").str.split(".").str[-1],
        status=_outcomes(tasks),
        row=tasks.groupby("step").cumcount(),
    )
    # Each step is centred beside the longest one.
    height = tasks.groupby("step")["row"].transform("size")
    tasks["row"] += (height.max() - height) / 2
    places = tasks.set_index("task_id")[["step", "row"]]
    for state, some in tasks.groupby("status", sort=False):
        color, hatch = UNSTORED if state == NO_ROW else STYLES.get(state, OTHER)
        boxes = axes.barh(some["row"], 0.7, 0.5, some["step"] - 0.35, label=state)
        plt.setp(boxes, facecolor=color, hatch=hatch, edgecolor=EDGE)
        if state == NEVER_RAN:
            plt.setp(boxes, facecolor="white", hatch="", linestyle="--", linewidth=1.5)
    paper = {"facecolor": "white", "edgecolor": "none", "pad": 2}
    for step, row, name, before in tasks[["step", "row", "name", "after"]].itertuples(index=False):
        axes.text(step, row, name, ha="center", va="center", bbox=paper)
        for start in places.loc[[one for one in before if one in places.index]].itertuples():
            tail, tip = (start.step + 0.35, start.row), (step - 0.35, row)
            axes.annotate("", xy=tip, xytext=tail, arrowprops={"arrowstyle": "->"})
    axes.invert_yaxis()
    axes.set_yticks([])
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    if len(tasks):
        axes.legend(title="state")
    axes.set(title="Which task follows which", xlabel="step")
    counts = tasks[["step", "name", "status"]].value_counts(sort=False)
    words: dict[int, list[str]] = {}
    for (step, name, state), n in counts.items():
        words.setdefault(step, []).append(f"{n} {name} {state}")
    listed = "; ".join(f"step {step}: {', '.join(some)}" for step, some in words.items())
    text = f"A box for each task, with arrows to those that follow; {listed or 'no task'}."
    return _describe(axes, text)


def _outcomes(tasks: pd.DataFrame) -> pd.Series:
    """Return the states of tasks, and tell a failure from one that is stored for another task."""
    states = tasks["status"].astype("str").fillna(NO_ROW)
    return states.mask((states == "FAILURE") & tasks["root_id"].isna(), NEVER_RAN)


def text_alternative(axes: Axes) -> str:
    """Return what a plot of this module says, in words.

    Parameters
    ----------
    axes : matplotlib.axes.Axes

    Returns
    -------
    str
        Names, states and numbers of tasks, but no times: it is the same in every run.

    Raises
    ------
    TypeError
        If it is not an Axes.
    """
    _check_axes(axes)
    return str(axes.get_label())


def show(axes: Axes) -> None:
    """Display a plot in the notebook, with its description in words below it.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
        Its figure is closed, so that it is not shown a second time.

    Raises
    ------
    ValueError
        If the Axes were removed from their figure.
    TypeError
        If it is not an Axes.
    """
    _check_axes(axes)
    picture = io.BytesIO()
    figure = axes.get_figure(root=True)
    if figure is None:
        raise ValueError("These axes were removed from their figure, so there is nothing to show.")
    figure.savefig(picture, format="png")
    plt.close(figure)
    text = text_alternative(axes)
    display(
        {"image/png": picture.getvalue(), "text/plain": text},
        metadata={"image/png": {"alt": text}},
        raw=True,
    )
    # JupyterLab gives an image no alternative text, so the words stand where all can read them.
    display({"text/html": f"<p><em>{html.escape(text)}</em></p>", "text/plain": text}, raw=True)


def _axes(axes: Axes | None) -> Axes:
    """Return the axes to draw on."""
    if axes is None:
        return plt.subplots(figsize=(8, 4), layout="constrained")[1]
    _check_axes(axes)
    return axes


def _check_axes(axes: Any) -> None:
    if not isinstance(axes, Axes):
        raise TypeError(f"axes must be matplotlib's Axes, but is {shown(axes)}.")


def _width(step: Any) -> pd.Timedelta:
    """Return the width of a bar that was asked for."""
    if not isinstance(step, str | dt.timedelta):
        raise TypeError(f"step must be a string such as '5min', but is {shown(step)}.")
    try:
        width = pd.Timedelta(step)
    except (ValueError, OverflowError):
        width = pd.NaT
    if not pd.Timedelta(0) < width < LONGEST_STEP:
        raise ValueError(f"step must be a duration such as '5min', but is {shown(step)}.")
    return width


def _describe(axes: Axes, text: str) -> Axes:
    if not axes.has_data():
        axes.text(0.5, 0.5, "nothing to draw", transform=axes.transAxes, ha="center", va="center")
        axes.set(xticks=[], yticks=[])
    axes.set_label(text)
    return axes


def _step(times: pd.Series) -> pd.Timedelta:
    """Return the round width of a bar that gives about `BARS` of them."""
    span = times.max() - times.min() if len(times) else pd.Timedelta(0)
    return STEPS[min(STEPS.searchsorted(span / BARS), len(STEPS) - 1)]


def _words(width: pd.Timedelta) -> str:
    """Return a duration as a person writes it: 500 ms, 2 s, 5 min."""
    units = {"D": "d", "h": "h", "min": "min", "s": "s", "ms": "ms"}
    unit = next(unit for unit in units if width >= pd.Timedelta(1, unit) or unit == "ms")
    return f"{width / pd.Timedelta(1, unit):g} {units[unit]}"
