"""A report, and how it is shown: as text, as a page, and as a panel in a notebook."""

import datetime as dt
import html
import json
import textwrap
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from string import Template
from typing import Any

from tutorial.inspecting.findings import SEVERITIES, Facts, Finding, number

WIDTH = 79
FILLER = "\0"  # stands behind a character that takes two columns, until the text is wrapped
CLASS = ' class="number"'
HERE = Path(__file__).parent
PAGE, PANEL, FINDING = (
    Template((HERE / name).read_text(encoding="utf-8"))
    for name in ("inspection.html", "panel.html", "finding.html")
)


@dataclass(frozen=True)
class Report:
    """What an inspection has found. In a notebook it shows itself; ``print`` shows it as text.

    Attributes
    ----------
    database, table : str
        What was inspected, without user or password.
    inspected_at : datetime.datetime
    summary : dict
        What is known about the whole table, such as the version of Celery that made it.
    findings : list of Finding
        The most severe first; each has ``check``, ``severity``, ``title``, ``evidence``,
        ``leads_to``, ``to_do`` and ``chapter``.
    facts : list of Facts
        Tables of counts: by state, task, exception and day.
    unchecked : list of tuple of str
        What could not be checked, and why.
    """

    database: str
    table: str
    inspected_at: dt.datetime
    summary: dict[str, str]
    findings: list[Finding]
    facts: list[Facts]
    unchecked: list[tuple[str, str]]

    def to_json(self) -> str:
        """Return the report for a program.

        Returns
        -------
        str
            JSON with the attributes of this class.
        """
        return json.dumps(asdict(self), default=str, indent=2)

    def to_html(self) -> str:
        """Return the report as an HTML page of its own.

        Returns
        -------
        str
        """
        return page(self)

    def __str__(self) -> str:
        return text(self)

    def __repr__(self) -> str:
        return f"<Report on {self.table}: {number(len(self.findings), 'finding')}>"

    def _repr_html_(self) -> str:
        return panel(self)


def heading(report: Report) -> str:
    """Say how much was found, such as ``"1 critical finding, 2 notices"``."""
    counts = {
        severity: sum(each.severity == severity for each in report.findings)
        for severity in SEVERITIES
    }
    words = {"critical": "critical finding", "warning": "warning", "notice": "notice"}
    parts = [number(count, words[severity]) for severity, count in counts.items() if count]
    return ", ".join(parts) or "nothing found"


def counted(report: Report) -> str:
    """Say of which rows the counts are."""
    return f"Rows of the table: {report.summary['Rows']}."


def text(report: Report) -> str:
    """Return the report as text of at most `WIDTH` columns."""
    lines = _wrapped(f"{report.table} in {report.database}: {heading(report)}")
    lines += [""]
    for name, value in report.summary.items():
        lines += _wrapped(f"{name}: {value}", "  ")
    for finding in report.findings:
        lines += ["", *_finding_lines(finding)]
    if report.unchecked:
        lines += ["", "Not checked"]
        for what, why in report.unchecked:
            lines += _wrapped(f"{what}: {why}", "  ")
    for facts in report.facts:
        lines += ["", facts.title, *_table_lines(facts)]
    return "\n".join(lines)


def _finding_lines(finding: Finding) -> list[str]:
    return [
        *_wrapped(f"{finding.severity.upper()}: {finding.title}"),
        *_wrapped(f"Seen: {finding.evidence}", "  "),
        *_wrapped(f"Leads to: {finding.leads_to}", "  "),
        *_wrapped(f"To do: {finding.to_do}", "  "),
        *_wrapped(f"Chapter: {finding.chapter} ({finding.check})", "  "),
    ]


def _wrapped(sentence: str, indent: str = "") -> list[str]:
    filled = "".join(c + FILLER * (_columns(c) - 1) for c in sentence)
    lines = textwrap.wrap(filled, WIDTH, initial_indent=indent, subsequent_indent=f"{indent}  ")
    return [line.replace(FILLER, "") for line in lines]


def _columns(text: str) -> int:
    """Return how many columns of a terminal a text takes."""
    marks = sum(unicodedata.category(c) in ("Mn", "Me") for c in text)  # above the one before
    wide = sum(unicodedata.east_asian_width(c) in "WF" for c in text)
    return len(text) + wide - marks


def _table_lines(facts: Facts) -> list[str]:
    rows = [facts.columns, *([_cell(cell) for cell in row] for row in facts.rows)]
    widths = [max(_columns(row[place]) for row in rows) for place in range(len(facts.columns))]
    # A long name is shortened in the middle: the module and the function are at its ends.
    while sum(widths) + 2 * len(widths) > WIDTH:
        widths[widths.index(max(widths))] -= 1
    numbers = [_is_number(facts, place) for place in range(len(widths))]
    return [
        "  "
        + "  ".join(
            _fitted(cell, width, right)
            for cell, width, right in zip(row, widths, numbers, strict=True)
        ).rstrip()
        for row in rows
    ]


def _fitted(cell: str, width: int, right: bool) -> str:
    """Return a cell with exactly so many columns."""
    if _columns(cell) > width:
        start = _start(cell, (width - 3) // 2)
        end = _end(cell, width - 3 - _columns(start))
        cell = f"{start}...{end}"
    blanks = " " * (width - _columns(cell))
    return f"{blanks}{cell}" if right else f"{cell}{blanks}"


def _start(text: str, width: int) -> str:
    """Return as much of a text as fits."""
    while _columns(text) > width:
        text = text[:-1]
    return text


def _end(text: str, width: int) -> str:
    """Return as much of the end of a text as fits, without a mark whose letter does not."""
    while text and (_columns(text) > width or not _columns(text[0])):
        text = text[1:]
    return text


def _is_number(facts: Facts, place: int) -> bool:
    """Tell whether a column is aligned to the right."""
    return place > 0 and not any(row[place] is None or _is_word(row[place]) for row in facts.rows)


def _is_word(cell: Any) -> bool:
    return isinstance(cell, str) and not cell[:1].isdigit()


def _cell(cell: Any) -> str:
    if cell is None:
        return "(none)"
    return f"{cell:,}" if isinstance(cell, int) else str(cell)


def page(report: Report) -> str:
    """Return the report as an HTML page that needs no other file."""
    found = "".join(FINDING.substitute(_escaped(vars(each))) for each in report.findings)
    return PAGE.substitute(_parts(report), findings=found or "<p>Nothing was found.</p>")


def panel(report: Report) -> str:
    """Return the report as the HTML of a cell's output."""
    rows = [
        (each.severity, each.title, each.evidence, each.to_do, each.chapter)
        for each in report.findings
    ]
    columns = ("severity", "finding", "what shows it", "what to do", "chapter")
    found = _html_table(Facts("Findings", columns, rows)) if rows else ""
    return PANEL.substitute(_parts(report), findings=found)


def _parts(report: Report) -> dict[str, str]:
    """Return what page and panel have in common, as HTML."""
    summary = Facts("Summary", ("property", "value"), list(report.summary.items()))
    unchecked = Facts("Not checked", ("what", "why"), list(report.unchecked))
    return {
        **_escaped(
            {
                "title": f"{report.table} in {report.database}",
                "heading": heading(report),
                "counted": counted(report),
                "time": f"{report.inspected_at:%Y-%m-%d %H:%M}",
            }
        ),
        "summary": _html_table(summary),
        "unchecked": _html_table(unchecked) if report.unchecked else "",
        "facts": "".join(map(_html_table, report.facts)),
    }


def _html_table(facts: Facts) -> str:
    head = "".join(f'<th scope="col">{html.escape(name)}</th>' for name in facts.columns)
    numbers = [_is_number(facts, place) for place in range(len(facts.columns))]
    body = "".join(f"<tr>{_html_cells(row, numbers)}</tr>\n" for row in facts.rows)
    return (
        f"<table><caption>{html.escape(facts.title)}</caption>\n"
        f"<thead><tr>{head}</tr></thead>\n<tbody>{body}</tbody></table>\n"
    )


def _html_cells(row: Iterable[Any], numbers: Sequence[bool]) -> str:
    return "".join(
        f"<td{CLASS if right else ''}>{html.escape(_cell(cell))}</td>"
        for cell, right in zip(row, numbers, strict=True)
    )


def _escaped(parts: dict[str, Any]) -> dict[str, str]:
    return {name: html.escape(str(value)) for name, value in parts.items()}
