import json
from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from nbclient import NotebookClient
from nbformat import v4
from stored_results import make_app, store, store_everything

from tutorial.database import make_engine
from tutorial.messages import TIMING_COLUMNS
from tutorial.plots import (
    EDGE,
    NARROWEST,
    OTHER,
    STYLES,
    plot_states,
    plot_timeline,
    text_alternative,
)
from tutorial.results import load_results

START = pd.Timestamp("2026-01-31 10:00", tz="UTC")


@pytest.fixture(scope="module", autouse=True)
def no_screen() -> None:
    mpl.use("agg")


@pytest.fixture(autouse=True)
def figures_closed() -> object:
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    url = f"sqlite:///{tmp_path_factory.mktemp('plots')}/results.db"
    app = make_app(url)
    store_everything(app)
    store(app, "failed again", ZeroDivisionError("division by zero"), "FAILURE")
    store(app, "failed otherwise", KeyError("x"), "FAILURE")
    return load_results(make_engine(url))


@pytest.fixture(scope="module")
def timings() -> pd.DataFrame:
    """Four tasks on two workers; the last one has not been done."""
    sent = START + pd.to_timedelta([0, 1, 2, 3], "s")
    frame = pd.DataFrame(
        {
            "task_id": ["a", "b", "c", "d"],
            "name": ["add", "add", "nap", "nap"],
            "worker": ["one", "two", "one", None],
            "sent_at": sent,
            "waiting": pd.to_timedelta([1, 2, 3, None], "s"),
            "running": pd.to_timedelta([0.5, 4, 0.001, None], "s"),
        }
    )
    return frame.reindex(columns=TIMING_COLUMNS)


def test_states(results: pd.DataFrame) -> None:
    axes = plot_states(results)
    drawn = {bars.get_label(): sum(bar.get_height() for bar in bars) for bars in axes.containers}
    dated = results.dropna(subset=["date_done"])["status"]
    assert drawn == dated.value_counts()[lambda counts: counts > 0].to_dict()
    assert text_alternative(axes) == (
        "Bars over time, stacked by state: 13 SUCCESS, 3 FAILURE, 1 REVOKED. "
        "Not drawn: 3 without a date_done."
    )


def test_step(results: pd.DataFrame) -> None:
    assert plot_states(results, step="1h").get_ylabel() == "tasks in 1 h"


def test_timeline(timings: pd.DataFrame) -> None:
    axes = plot_timeline(timings)
    waiting, running = axes.containers
    assert [bar.get_x() for bar in waiting] == [0, 2, 1]  # worker one first
    assert [bar.get_width() for bar in waiting] == [1, 3, 2]
    assert [bar.get_x() for bar in running] == [1, 5, 3]
    narrowest = NARROWEST * 7  # so that the shortest task can be seen
    assert [bar.get_width() for bar in running] == pytest.approx([0.5, narrowest, 4])
    assert text_alternative(axes) == (
        "A line for each task, first waiting, then running, by worker: one (2), two (1)."
    )
    assert text_alternative(plot_timeline(timings, last=1)).endswith("one (1).")


def test_nothing_to_draw(results: pd.DataFrame, timings: pd.DataFrame) -> None:
    for plot, frame in (
        (plot_states, results),
        (plot_timeline, timings),
    ):
        axes = plot(frame.iloc[:0])
        axes.figure.canvas.draw()
        assert "no " in text_alternative(axes)
        assert [text.get_text() for text in axes.texts] == ["nothing to draw"]


def test_axes_of_ones_own(results: pd.DataFrame) -> None:
    _figure, axes = plt.subplots()
    assert plot_states(results, axes=axes) is axes


# How people without one kind of cones see a colour, by the matrices of Machado, Oliveira and
# Fernandes, "A Physiologically-based Model for Simulation of Color Vision Deficiency" (2009).
VISIONS = {
    "full": np.eye(3),
    "protanopia": [[0.152, 1.053, -0.205], [0.115, 0.786, 0.099], [-0.004, -0.048, 1.052]],
    "deuteranopia": [[0.367, 0.861, -0.228], [0.280, 0.673, 0.047], [-0.012, 0.043, 0.969]],
    "tritanopia": [[1.256, -0.077, -0.179], [-0.078, 0.931, 0.148], [0.005, 0.691, 0.304]],
}


@pytest.mark.parametrize("vision", VISIONS)
def test_states_differ_in_colour_for_everybody(vision: str) -> None:
    seen = [
        np.clip(np.array(VISIONS[vision]) @ mpl.colors.to_rgb(color), 0, 1)
        for color, _hatch in [*STYLES.values(), OTHER]
    ]
    apart = [np.linalg.norm(a - b) for i, a in enumerate(seen) for b in seen[:i]]
    assert min(apart) > 0.1


def test_finished_states_differ_without_colour() -> None:
    hatches = [STYLES[state][1] for state in ("SUCCESS", "FAILURE", "REVOKED", "RETRY")]
    assert len(set(hatches)) == len(hatches)


def test_edges_stand_out_from_the_page() -> None:
    """WCAG 2.2 asks for a contrast of 3 to 1; some of the colours alone have less."""
    red, green, blue = (
        p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in mpl.colors.to_rgb(EDGE)
    )
    assert 1.05 / (0.2126 * red + 0.7152 * green + 0.0722 * blue + 0.05) > 3


CELL = """
import pandas as pd
from tutorial.plots import plot_states, show
done = pd.Timestamp("2026-01-31 10:00", tz="UTC")
show(plot_states(pd.DataFrame({"status": pd.Categorical(["FAILURE"]), "date_done": [done]})))
"""


def test_show_puts_the_words_under_the_picture(tmp_path: Path) -> None:
    notebook = v4.new_notebook(cells=[v4.new_code_cell(CELL)])
    NotebookClient(
        notebook, kernel_name="python3", resources={"metadata": {"path": tmp_path}}
    ).execute()
    picture, words = notebook.cells[0].outputs  # one picture, not two
    text = "Bars over time, stacked by state: 1 FAILURE."
    assert picture.output_type == words.output_type == "display_data"
    assert picture.data["text/plain"] == words.data["text/plain"] == text
    assert picture.data["image/png"].startswith("iVBOR")
    assert picture.metadata["image/png"]["alt"] == text
    assert words.data["text/html"] == f"<p><em>{text}</em></p>"
    json.dumps(notebook)
