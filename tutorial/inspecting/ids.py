"""Looks at the numbers of the rows: how many are left, and whether the next one is free."""

import datetime as dt

import pandas as pd

from tutorial.inspecting import sequences
from tutorial.inspecting.findings import Found
from tutorial.inspecting.rows import Rows
from tutorial.inspecting.source import Source

LAST = 2_147_483_647  # of an integer with four bytes, which is what Celery creates
LASTS = {"smallint": 32_767, "mediumint": 8_388_607, "bigint": 2**63 - 1}
USED = 0.7  # the part of all numbers, from which on it is time to act
SOON = dt.timedelta(days=365)
LONG_ENOUGH = pd.Timedelta(days=1)  # of which a rate can be taken
TYPES = {
    "postgresql": "SELECT format_type(atttypid, NULL) FROM pg_attribute "
    "WHERE attrelid = CAST(:table AS regclass) AND attname = :id",
    "mysql": "SELECT data_type FROM information_schema.columns WHERE column_name = :id "
    "AND table_schema = coalesce(:schema, database()) AND table_name = :name",
}


def check(source: Source, rows: Rows) -> Found:
    """Look at the ids.

    Parameters
    ----------
    source : Source
    rows : Rows

    Yields
    ------
    tuple of str

    Raises
    ------
    NotChecked
        If the right to read the sequence is missing.
    """
    ids = rows.frame["id"]
    if source.kind not in TYPES or not len(ids) or not pd.api.types.is_integer_dtype(ids):
        return
    kind = source.scalar(TYPES[source.kind], **source.where(), id=source.tasks.columns["id"].name)
    last = LASTS.get(kind, LAST)
    if not sequences.is_needed(source):
        yield from _check_left(rows, last)
        return
    sequence = sequences.find(source)
    yield from _check_left(rows, min(last, sequence.last) if sequence else last)
    following = 1
    if sequence:
        yield from _check_sequence(sequence)
        following = source.scalar(sequence.following)
    if following <= ids.max():
        yield (
            "sequence-behind",
            f"The next number is {following:,}; the highest id is {ids.max():,}.",
        )


def _check_sequence(sequence: sequences.Sequence) -> Found:
    name = sequences.NAME
    if sequence.last < LAST:
        yield "sequence-ends", f"The last number of {name} is {sequence.last:,}."
    if sequence.cycles:
        yield "sequence-cycles", f"{name} begins again after {sequence.last:,}."


def _check_left(rows: Rows, limit: int) -> Found:
    """Find out how long the numbers last."""
    highest = int(rows.frame["id"].max())
    dated = rows.drawn.dropna(subset="date_done")
    days = None
    if len(dated):
        first, last = dated.iloc[0], dated.iloc[-1]
        span = last["date_done"] - first["date_done"]
        if span >= LONG_ENOUGH and last["id"] > first["id"]:
            days = (limit - highest) * (span / dt.timedelta(days=1)) / (last["id"] - first["id"])
    if highest > USED * limit or (days is not None and days < SOON.days):
        rate = "" if days is None else f" At the present rate they last for {days:,.0f} more days."
        yield "ids-run-out", f"The highest id is {highest:,} of {limit:,}.{rate}"
