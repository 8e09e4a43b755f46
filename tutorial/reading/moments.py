"""Times: those that a caller gives, and those that a table holds."""

import datetime as dt
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa

from tutorial.checks.arguments import shown

NAIVE = pa.timestamp("us")
UTC = pa.timestamp("us", "UTC")

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
        raise ValueError(
            f"There is no time zone {shown(name)}: write a name such as 'Europe/Berlin'."
        ) from None


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
        raise TypeError(
            f"The moment {what!r} must be a string or a datetime, but is {shown(moment)}."
        )
    try:
        time = dt.datetime.fromisoformat(moment if isinstance(moment, str) else moment.isoformat())
    except ValueError:
        raise ValueError(
            f"{what}={shown(moment)} is not a moment in ISO 8601's format, "
            "such as '2026-01-31 12:00' or '2026-01-31T12:00+01:00'."
        ) from None
    try:
        return time.replace(tzinfo=time.tzinfo or dt.UTC).astimezone(dt.UTC)
    except OverflowError:
        raise ValueError(f"{what}={shown(moment)} is not in the years 1 to 9999 in UTC.") from None


def is_fixed(zone: dt.tzinfo, moment: dt.datetime) -> bool:
    """Return whether a zone's clocks are not changed within a day of a moment.

    Parameters
    ----------
    zone : datetime.tzinfo
    moment : datetime.datetime

    Returns
    -------
    bool
    """
    try:
        days = [moment + dt.timedelta(days) for days in (-1, 1)]
    except OverflowError:
        return True
    before, after = (day.astimezone(zone).utcoffset() for day in days)
    return before == after


def to_utc(values: pa.Array, zone: dt.tzinfo) -> tuple[pa.Array, np.ndarray]:
    """Return stored times in UTC.

    The hour that a clock shows twice in autumn is taken for its first pass; one that it skips in
    spring, for the moment of the change. What is really meant nobody knows.

    Parameters
    ----------
    values : pyarrow.Array
        Times without a zone, or text in ISO 8601's format. Arrow is strict: both pandas and numpy
        would take a stored "now" for the present time.
    zone : datetime.tzinfo
        The zone of the times without an offset.

    Returns
    -------
    times : pyarrow.Array
        Missing where there is no time, or none that can be read.
    bad : numpy.ndarray
        The places of the times that cannot be read, or are not known for certain.
    """
    if pa.types.is_timestamp(values.type):
        return _localize(values.cast(NAIVE), zone)
    try:
        return _localize(values.cast(pa.large_string()).cast(NAIVE), zone)
    except pa.ArrowException:
        pass
    try:
        return values.cast(pa.large_string()).cast(UTC), np.empty(0, int)
    except pa.ArrowException:
        return _one_by_one(values, zone)


def _localize(naive: pa.Array, zone: dt.tzinfo) -> tuple[pa.Array, np.ndarray]:
    if zone is dt.UTC or getattr(zone, "key", None) == "UTC":
        return naive.cast(UTC), np.empty(0, int)
    times = naive.to_pandas().astype("datetime64[us]")
    try:
        first = np.ones(len(times), bool)
        local = times.dt.tz_localize(zone, ambiguous=first, nonexistent="shift_forward")
        certain = times.dt.tz_localize(zone, ambiguous="NaT", nonexistent="NaT")
        doubtful = np.flatnonzero(times.notna() & certain.isna())
        return pa.array(local.dt.tz_convert("UTC"), UTC), doubtful
    except (OverflowError, ValueError):  # a time that is too early or too late for the zone
        alone = [_localize_one(time, zone) for time in naive.to_pylist()]
        lost = [
            place
            for place, (moment, time) in enumerate(zip(alone, naive.to_pylist(), strict=True))
            if moment is None and time is not None
        ]
        return pa.array(alone, UTC), np.array(lost, int)


def _localize_one(time: dt.datetime | None, zone: dt.tzinfo) -> dt.datetime | None:
    try:
        return None if time is None else time.replace(tzinfo=zone).astimezone(dt.UTC)
    except (OverflowError, ValueError):
        return None


def _in_utc(time: dt.datetime) -> dt.datetime | None:
    try:
        return time.astimezone(dt.UTC)
    except OverflowError:
        return None


def _one_by_one(values: pa.Array, zone: dt.tzinfo) -> tuple[pa.Array, np.ndarray]:
    read = [_read(value) for value in values.to_pylist()]
    naive = [None if time is None or time.tzinfo else time for time in read]
    aware = [_in_utc(time) if time and time.tzinfo else None for time in read]
    times, doubtful = _localize(pa.array(naive, NAIVE), zone)
    times = pa.array([time or other.as_py() for time, other in zip(aware, times, strict=True)], UTC)
    lost = [
        place
        for place, (value, time) in enumerate(zip(values, times, strict=True))
        if value.is_valid and not time.is_valid
    ]
    return times, np.union1d(doubtful, np.array(lost, int)).astype(int)


def _read(raw: bytes | None) -> dt.datetime | None:
    try:
        return None if raw is None else dt.datetime.fromisoformat(raw.decode())
    except ValueError:
        return None
