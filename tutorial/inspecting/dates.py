"""Looks at when tasks ended: what should have been deleted, and what contradicts the time zone."""

import datetime as dt
from contextlib import suppress

import pandas as pd
from celery import states

from tutorial.inspecting.findings import Found, number, some
from tutorial.inspecting.rows import Rows
from tutorial.inspecting.source import now

A_DAY = dt.timedelta(days=1)
CLOCKS = dt.timedelta(minutes=5)  # by which the clocks of two machines may differ
JUMP = pd.Timedelta(minutes=29)  # no zones are closer than half an hour
NEIGHBOURS = 7  # rows whose median date is compared with that of the next ones


def check(rows: Rows, expires: dt.timedelta | None) -> Found:
    """Look at the dates.

    Parameters
    ----------
    rows : Rows
    expires : datetime.timedelta or None
        After which time a clean-up deletes a row; None if never.

    Yields
    ------
    tuple of str
    """
    frame, time = rows.frame, now()
    dates = frame["date_done"]
    bad = dates.isna() & frame["undecodable"].str.contains("date_done", na=False)
    if bad.any():
        yield "unreadable-dates", f"{rows.of(bad.sum())}{ids_of(frame[bad])}."
    late = dates > time + CLOCKS
    if late.any():
        ahead = _duration(dates.max() - time)
        yield "future-dates", f"{rows.of(late.sum())}; the latest is {ahead} ahead."
    undeletable = dates.isna() & ~bad & is_old(rows, time, ended=True)
    if undeletable.any():
        yield "never-deleted", f"{rows.of(undeletable.sum())}{ids_of(frame[undeletable])}."
    old = is_expired(dates, expires)
    if expires and old.any():
        yield (
            "expired-rows",
            f"{rows.of(old.sum())} are more than a day past {_duration(expires)}; the oldest ended "
            f"on {dates.min():%Y-%m-%d %H:%M} UTC.",
        )
    if rows.in_order:
        yield from _check_order(frame)


def is_expired(dates: pd.Series, expires: dt.timedelta | None) -> pd.Series:
    """Tell for each date whether a clean-up should have deleted its row.

    Parameters
    ----------
    dates : pandas.Series
    expires : datetime.timedelta or None
        After which time; None if never.

    Returns
    -------
    pandas.Series
    """
    oldest = None
    with suppress(OverflowError):  # kept for longer than there are dates
        # The clean-up runs once a day, at four o'clock in the morning.
        oldest = now() - expires - A_DAY if expires else None
    return dates < oldest if oldest else dates.isna() & False


def _check_order(frame: pd.DataFrame) -> Found:
    """Find where the dates jump back, though the ids go on."""
    ended = frame[frame["drawn"] & frame["date_done"].notna()]
    seconds = ended["date_done"].astype("int64") / 1e6
    if len(seconds) < 2 * NEIGHBOURS:
        return
    before = seconds.rolling(NEIGHBOURS).median()
    after = before.shift(-NEIGHBOURS)
    back = (before - after).max()
    if back > JUMP.total_seconds():
        row = ended.loc[(before - after).idxmax()]
        gap = _duration(dt.timedelta(seconds=float(back)))
        yield "mixed-zones", f"After the row with id {row['id']} the dates are {gap} earlier."


def is_old(rows: Rows, time: dt.datetime, *, ended: bool) -> pd.Series:
    """Tell for each row whether it is unfinished, and has been so for more than a day.

    A row without a date is at least as old as any row that was made after it. Only rows that have
    ended show when: Celery 5.4 and 5.5 give others the time at which they were imported.

    Parameters
    ----------
    rows : Rows
    time : datetime.datetime
        The present.
    ended : bool
        Whether to include rows that have ended.

    Returns
    -------
    pandas.Series
    """
    frame = rows.frame
    has_ended = frame["status"].isin(list(states.READY_STATES))
    dates = frame["date_done"]
    later = dates.where(has_ended)[::-1].cummin()[::-1].bfill()
    old = (dates.fillna(later) if rows.in_order else dates) < time - A_DAY
    unfinished = frame["status"].notna() & ~has_ended
    return (old & unfinished) | (~unfinished if ended else False)


def ids_of(frame: pd.DataFrame) -> str:
    """Return the first ids of some rows, in brackets; nothing if a view does not show them.

    Parameters
    ----------
    frame : pandas.DataFrame

    Returns
    -------
    str
    """
    ids = frame["id"].dropna()
    return f" (id {some(ids)})" if len(ids) else ""


def _duration(length: dt.timedelta) -> str:
    minutes = int(length.total_seconds() // 60)
    if minutes < 120:
        return number(minutes, "minute")
    return number(minutes // 60, "hour") if minutes < 2880 else number(minutes // 1440, "day")
