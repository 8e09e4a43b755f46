"""Reads the times and the time zones that a caller gives."""

import datetime as dt
from typing import Any
from zoneinfo import ZoneInfo

Moment = str | dt.date | None


def read_zone(name: str) -> dt.tzinfo:
    """Return the time zone of a name.

    Parameters
    ----------
    name : str
        Such as ``"Europe/Berlin"``.

    Returns
    -------
    datetime.tzinfo

    Raises
    ------
    ValueError
        If there is none of this name.
    """
    try:
        return ZoneInfo(name)
    except (TypeError, ValueError, KeyError, OSError):
        raise ValueError(f"No time zone is called {name!r}; one is 'Europe/Berlin'.") from None


def read_moment(moment: Any, what: str) -> dt.datetime:
    """Return a moment in UTC.

    Parameters
    ----------
    moment : str, datetime.datetime or datetime.date
        Text in ISO 8601's format, and nothing else: "today" or "01.02.2026" would not mean the
        same on every machine. Without an offset it is in UTC.
    what : str
        The name of the argument, for the error.

    Returns
    -------
    datetime.datetime

    Raises
    ------
    TypeError, ValueError
        If it is no moment.
    """
    if not isinstance(moment, str | dt.date):
        raise TypeError(f"The moment {what!r} is a string or a datetime; not {moment!r}.")
    try:
        time = dt.datetime.fromisoformat(moment if isinstance(moment, str) else moment.isoformat())
    except ValueError:
        raise ValueError(
            f"{what}={moment!r} is not a moment in ISO 8601's format, "
            "such as '2026-01-31 12:00' or '2026-01-31T12:00+01:00'."
        ) from None
    return time.replace(tzinfo=time.tzinfo or dt.UTC).astimezone(dt.UTC)
