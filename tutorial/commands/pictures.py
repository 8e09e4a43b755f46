"""Draw the course's diagrams, as SVG files: what ``python -m tutorial pictures`` runs.

Each has a light background of its own, so that it can be read in a dark theme too, and says
nothing by colour alone.
"""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

from tutorial.commands.chapters import NOTEBOOKS

IMAGES = NOTEBOOKS / "images"
INK, SOFT, PAPER = "#1f2933", "#52606d", "#ffffff"
FILLS = {"process": "#dbeafe", "store": "#fef3c7", "good": "#d1fae5", "bad": "#fee2e2"}
FILLS |= {"plain": "#f1f5f9"}
SIZE = 14  # of the letters, in pixels
LINE = 18  # from one line of text to the next


class Drawing:
    """A drawing of boxes and arrows.

    Parameters
    ----------
    width, height : int
        In pixels.
    description : str
        What the picture shows, for those who do not see it.
    """

    def __init__(self, width: int, height: int, description: str) -> None:
        self.svg = ET.Element(
            "svg",
            {
                "xmlns": "http://www.w3.org/2000/svg",
                "viewBox": f"0 0 {width} {height}",
                "width": str(width),
                "height": str(height),
                "role": "img",
                "font-family": "Helvetica, Arial, sans-serif",
                "font-size": str(SIZE),
            },
        )
        ET.SubElement(self.svg, "title").text = description
        self._add("rect", width=width, height=height, rx=8, fill=PAPER, stroke="#cbd5e1")

    def _add(self, tag: str, content: str = "", **attributes: object) -> None:
        names = {name.replace("_", "-"): str(value) for name, value in attributes.items()}
        element = ET.SubElement(self.svg, tag, names)
        element.text = content or None

    def text(self, x: float, y: float, text: str, anchor: str = "middle", **style: Any) -> None:
        """Write lines of text around a point."""
        lines = text.split("\n")
        first = y - (len(lines) - 1) * LINE / 2 + SIZE / 3
        style = {"fill": INK} | style
        for number, line in enumerate(lines):
            self._add("text", line, x=x, y=first + number * LINE, text_anchor=anchor, **style)

    def box(
        self, x: float, y: float, width: float, height: float, text: str, kind: str = "plain"
    ) -> None:
        """Draw a box with text; a store has the double line of a table, a process round corners."""
        radius = 12 if kind == "process" else 3
        style: dict[str, Any] = {"fill": FILLS[kind], "stroke": INK}
        if kind == "bad":
            style["stroke_dasharray"] = "5 3"
        self._add("rect", x=x, y=y, width=width, height=height, rx=radius, **style)
        if kind == "store":
            self.line(x, y + 6, x + width, y + 6)
        self.text(x + width / 2, y + height / 2 + (3 if kind == "store" else 0), text)

    def line(self, x1: float, y1: float, x2: float, y2: float, **style: Any) -> None:
        """Draw a line."""
        self._add("line", x1=x1, y1=y1, x2=x2, y2=y2, **{"stroke": INK, **style})

    def arrow(
        self,
        x1: float,
        y1: float,
        x2: float,
        y2: float,
        label: str = "",
        offset: float = -12,
        dashed: bool = False,
    ) -> None:
        """Draw an arrow, with a label beside its middle."""
        style = {"stroke_dasharray": "5 4"} if dashed else {}
        self.line(x1, y1, x2, y2, stroke_width=1.5, **style)
        angle = math.atan2(y2 - y1, x2 - x1)
        corners = [(x2, y2)]
        corners += [
            (x2 - 10 * math.cos(angle + turn), y2 - 10 * math.sin(angle + turn))
            for turn in (0.4, -0.4)
        ]
        self._add("polygon", points=" ".join(f"{x:.1f},{y:.1f}" for x, y in corners), fill=INK)
        if label:
            if abs(x2 - x1) > abs(y2 - y1):
                self.text((x1 + x2) / 2, (y1 + y2) / 2 + offset, label, fill=SOFT)
            else:
                self.text((x1 + x2) / 2 + 8, (y1 + y2) / 2, label, anchor="start", fill=SOFT)

    def write(self, path: Path) -> None:
        """Write the file."""
        ET.indent(self.svg)
        path.write_text(ET.tostring(self.svg, encoding="unicode") + "\n", encoding="utf-8")


def parts() -> Drawing:
    """Draw client, broker, worker and result backend."""
    d = Drawing(
        720,
        250,
        "The client sends a message to the broker, where it waits in a queue. A worker takes it, "
        "runs the task and stores the result in the result backend, where the client reads it.",
    )
    d.box(20, 95, 130, 60, "client\n(this notebook)", "process")
    d.box(295, 20, 130, 66, "broker\nqueue.db", "store")
    d.box(570, 95, 130, 60, "worker\n(a process)", "process")
    d.box(295, 164, 130, 66, "result backend\nresults.db", "store")
    d.arrow(150, 110, 295, 58)
    d.text(205, 62, "1. message", fill=SOFT)
    d.arrow(425, 58, 570, 110)
    d.text(515, 62, "2. message", fill=SOFT)
    d.arrow(570, 140, 425, 192)
    d.text(515, 190, "3. result", fill=SOFT)
    d.arrow(295, 192, 150, 140)
    d.text(205, 190, "4. result", fill=SOFT)
    return d


def life() -> Drawing:
    """Draw the life of a task, with the two rows at each stage."""
    d = Drawing(
        760,
        330,
        "Four stages of a task. Before sending there is no row anywhere. Sent: a visible message, "
        "no result, state PENDING. Running: the message is invisible, still no result. Done: the "
        "message is invisible and the result has the state SUCCESS.",
    )
    stages = ["not sent", "sent", "running", "done"]
    waiting, taken = (f"a message,\nvisible = {number}" for number in (1, 0))
    messages = ["no row", waiting, taken, taken]
    results = ["no row", "no row", "no row", "a row,\nSUCCESS"]
    events = ["add.delay(2, 3)", "worker takes it", "worker stores 5"]
    for row, title in [(100, "queue.db\nkombu_message"), (180, "results.db\ncelery_taskmeta")]:
        d.text(10, row, title, anchor="start", fill=SOFT)
    d.text(10, 265, "answer.state", anchor="start", fill=SOFT)
    for number, stage in enumerate(stages):
        x = 215 + number * 145
        d.text(x, 45, stage, font_weight="bold")
        for y, text in [(100, messages[number]), (180, results[number])]:
            kind = "plain" if text == "no row" else "store"
            d.box(x - 55, y - 30, 110, 60, text, kind)
        d.text(x, 265, "SUCCESS" if stage == "done" else "PENDING")
        if number:
            d.arrow(x - 108, 45, x - 40, 45)
            d.text(x - 72, 20, events[number - 1], fill=SOFT, font_size=12)
    meaning = "PENDING only means that the result backend has no row for this task id."
    d.text(380, 308, meaning, fill=SOFT)
    return d


def states() -> Drawing:
    """Draw the states, and who writes each."""
    d = Drawing(
        760,
        400,
        "The states of a task. PENDING is written by nobody: there is no row. The worker writes "
        "STARTED if task_track_started is set, RETRY between two attempts, and SUCCESS or FAILURE "
        "at the end. The task itself writes states of its own such as PROGRESS. REVOKED is "
        "written by a worker that declines a revoked task. SENT needs a handler in the client.",
    )
    d.box(20, 150, 120, 50, "PENDING\n(no row)", "plain")
    d.box(190, 150, 120, 50, "SENT", "plain")
    d.box(360, 150, 120, 50, "STARTED", "process")
    d.box(360, 40, 120, 50, "RETRY", "process")
    d.box(360, 260, 120, 50, "PROGRESS", "process")
    d.box(600, 60, 130, 50, "SUCCESS", "good")
    d.box(600, 150, 130, 50, "FAILURE", "bad")
    d.box(600, 240, 130, 50, "REVOKED", "bad")
    d.arrow(140, 175, 190, 175)
    d.arrow(310, 175, 360, 175)
    d.arrow(405, 150, 405, 90)
    d.arrow(435, 90, 435, 150)
    d.arrow(405, 200, 405, 260)
    d.arrow(435, 260, 435, 200)
    d.arrow(480, 165, 600, 95)
    d.arrow(480, 175, 600, 175)
    d.arrow(480, 185, 600, 255, dashed=True)
    lines = [
        "PENDING: nobody writes it; it means that there is no row.",
        "SENT: a handler of before_task_publish in the client; not a Celery state.",
        "STARTED (if task_track_started), RETRY and the final states: the worker.",
        "PROGRESS and other custom states: the task itself, with update_state.",
    ]
    for number, line in enumerate(lines):
        d.text(20, 335 + number * LINE - 5, line, anchor="start", fill=SOFT)
    return d


def workflows() -> Drawing:
    """Draw a chain, a group and a chord, with the rows that they leave."""
    d = Drawing(
        760,
        300,
        "A chain of three tasks leaves three rows, one after another. A group of three tasks "
        "leaves three rows in any order. A chord is a group, called its header, followed by one "
        "more task, the body: four rows. The task chord_unlock, which waits for the header, leaves "
        "no row.",
    )
    d.text(120, 25, "chain: 3 rows", font_weight="bold")
    for number in range(3):
        d.box(20 + number * 75, 130, 50, 40, f"{number + 1}", "process")
        if number:
            d.arrow(-5 + number * 75, 150, 20 + number * 75, 150)
    d.text(350, 25, "group: 3 rows", font_weight="bold")
    for number in range(3):
        d.box(325, 60 + number * 70, 50, 40, f"{number + 1}", "process")
    d.text(600, 25, "chord: 3 + 1 rows", font_weight="bold")
    for number in range(3):
        d.box(480, 60 + number * 70, 50, 40, f"{number + 1}", "process")
        d.arrow(530, 80 + number * 70, 575, 150)
    d.box(575, 125, 75, 50, "chord_\nunlock", "plain")
    d.arrow(650, 150, 685, 150)
    d.box(685, 130, 55, 40, "body", "process")
    d.text(505, 280, "header", fill=SOFT)
    d.text(645, 205, "checks again and again,\nleaves no row", fill=SOFT)
    return d


def expiry() -> Drawing:
    """Draw the age of rows against the clean-up."""
    d = Drawing(
        760,
        260,
        "Rows along a time axis, by their date_done. When the clean-up runs, it deletes those that "
        "are older than result_expires. Younger rows stay, and so do rows whose date_done is NULL, "
        "however old they are.",
    )
    d.arrow(40, 150, 720, 150)
    d.text(690, 175, "now", fill=SOFT)
    d.text(70, 175, "older", fill=SOFT)
    d.line(380, 60, 380, 170, stroke_dasharray="6 4")
    d.text(380, 45, "now minus result_expires", font_weight="bold")
    for x in (90, 170, 250, 330):
        d.box(x - 25, 105, 50, 30, "row", "bad")
    for x in (430, 520, 610):
        d.box(x - 25, 105, 50, 30, "row", "good")
    d.text(210, 80, "deleted by the next clean-up")
    d.text(560, 80, "kept")
    d.box(40, 200, 150, 40, "date_done is NULL", "good")
    d.text(205, 220, "never deleted, such as a task that began but never ended", anchor="start")
    return d


def crashes() -> Drawing:
    """Draw what is lost where when a worker dies."""
    d = Drawing(
        760,
        330,
        "What becomes of a message when its worker is killed. Waiting in the queue: safe. Taken "
        "in advance by the worker's main process, or running in a pool process: lost with early "
        "acknowledgement on this queue, returned by RabbitMQ and Redis if it was not "
        "acknowledged. Result stored: safe.",
    )
    d.box(20, 90, 140, 66, "waiting\nin the queue", "store")
    d.box(210, 90, 150, 66, "taken in advance\n(prefetch)", "process")
    d.box(410, 90, 130, 66, "running", "process")
    d.box(590, 90, 150, 66, "result stored", "store")
    for x in (160, 360, 540):
        d.arrow(x, 123, x + 50, 123)
    d.line(185, 60, 185, 190, stroke_dasharray="6 4")
    d.line(565, 60, 565, 190, stroke_dasharray="6 4")
    d.text(90, 40, "safe", font_weight="bold")
    d.text(375, 40, "in the killed worker", font_weight="bold")
    d.text(665, 40, "safe", font_weight="bold")
    rows = [
        ("embedded queue", "lost until requeue_lost puts it back", "lost until it is put back"),
        ("RabbitMQ", "returned at once", "returned only with acks_late"),
        ("Redis", "returned after visibility_timeout", "returned only with acks_late"),
    ]
    for number, (broker, prefetched, running) in enumerate(rows):
        y = 220 + number * 38
        d.text(20, y, broker, anchor="start", font_weight="bold")
        d.text(200, y, prefetched, anchor="start", font_size=13)
        d.text(480, y, running, anchor="start", font_size=13)
    return d


def partitions() -> Drawing:
    """Draw a table of results in partitions, one for each day."""
    d = Drawing(
        760,
        250,
        "A table of results in partitions by date_done, one for each day. New rows go into today's "
        "partition, two empty ones are ready for the next days, and the oldest is dropped as a "
        "whole instead of being deleted row by row.",
    )
    d.text(380, 30, "celery_taskmeta, partitioned by date_done", font_weight="bold")
    names = ["3 days ago", "2 days ago", "yesterday", "today", "tomorrow", "in 2 days"]
    kinds = ["bad", "good", "good", "store", "plain", "plain"]
    for number, (name, kind) in enumerate(zip(names, kinds, strict=True)):
        d.box(20 + number * 122, 70, 110, 60, name, kind)
    d.arrow(75, 190, 75, 130)
    d.text(75, 205, "DROP TABLE:\nno row is touched", fill=SOFT)
    d.arrow(441, 190, 441, 130)
    d.text(441, 205, "new results", fill=SOFT)
    d.text(625, 170, "made ahead of time,\nwith their grants", fill=SOFT)
    return d


PICTURES: dict[str, Callable[[], Drawing]] = {
    drawing.__name__: drawing
    for drawing in (parts, life, states, workflows, expiry, crashes, partitions)
}


def run(folder: Path = IMAGES) -> int:
    """Write all pictures.

    Parameters
    ----------
    folder : pathlib.Path

    Returns
    -------
    int
        The exit code, 0.
    """
    for name, draw in PICTURES.items():
        draw().write(folder / f"{name}.svg")
    return 0
