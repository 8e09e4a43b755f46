"""What can be found, and what it means: the texts are in ``checks.toml`` beside this file."""

import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

CHECKS: dict[str, dict[str, str]] = tomllib.loads(
    Path(__file__).with_name("checks.toml").read_text(encoding="utf-8")
)
SEVERITIES = ("critical", "warning", "notice")

Found = Iterator[tuple[str, str]]  # what a check yields: the name of a finding, and the evidence


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong, or worth knowing.

    Attributes
    ----------
    check : str
        Its name, such as ``"expired-rows"``; it stays the same from version to version.
    severity : {"critical", "warning", "notice"}
    title, evidence, leads_to, to_do : str
        What it is, what shows it in this table, what it leads to, and what to do.
    chapter : str
        The chapter that explains it, such as ``"09-expiry"``.
    """

    check: str
    severity: str
    title: str
    evidence: str
    leads_to: str
    to_do: str
    chapter: str


@dataclass(frozen=True)
class Facts:
    """A small table of the report.

    Attributes
    ----------
    title : str
    columns : tuple of str
    rows : list of tuple
    """

    title: str
    columns: tuple[str, ...]
    rows: list[tuple[Any, ...]]


def findings(found: Iterable[tuple[str, str]]) -> list[Finding]:
    """Return the findings of some checks, the most severe first.

    Parameters
    ----------
    found : iterable of tuple of str
        Names of findings, each with its evidence.

    Returns
    -------
    list of Finding
    """
    order = list(CHECKS)
    made = [_finding(check, evidence) for check, evidence in found]
    return sorted(made, key=lambda f: (SEVERITIES.index(f.severity), order.index(f.check)))


def _finding(check: str, evidence: str) -> Finding:
    texts = {name: text for name, text in CHECKS[check].items() if name != "word"}
    return Finding(check, evidence=evidence, **texts)


def number(count: int, word: str, words: str | None = None) -> str:
    """Return a number with its noun, such as ``"1 row"`` or ``"2,000 rows"``."""
    return f"{count:,} {word if count == 1 else words or word + 's'}"


def size(amount: float) -> str:
    """Return a number of bytes for a reader, such as ``"2.5 MB"``."""
    if amount == 1:
        return "1 byte"
    for unit in ("bytes", "kB", "MB", "GB"):
        if amount < 1000 or unit == "GB":
            break
        amount /= 1000
    return f"{amount:,.0f} {unit}" if amount >= 100 or unit == "bytes" else f"{amount:.1f} {unit}"


def some(words: Iterable[Any], most: int = 5) -> str:
    """Return the first of some words, such as ``"a, b and 3 more"``."""
    words = list(words)
    more = f" and {len(words) - most:,} more" if len(words) > most else ""
    return ", ".join(map(plain, words[:most])) + more


def plain(word: Any) -> str:
    """Return text from a table in such a form that it cannot command a terminal."""
    text = str(word)
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text[:200])
