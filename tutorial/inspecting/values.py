"""Looks at what is stored in the rows: values, states, exceptions, retries."""

import pandas as pd
from celery import states

from tutorial.inspecting.dates import ids_of, is_old
from tutorial.inspecting.findings import Facts, Found, size, some
from tutorial.inspecting.rows import Rows
from tutorial.inspecting.source import now

LARGE = 1_000_000  # bytes of a result
TRIES = 10
ENOUGH = 20  # tasks of a name, from which on a share of failures says something
KINDS = {
    "dangerous": "dangerous-pickles",
    "pickle": "pickles",
    "cut": "cut-values",
    "unreadable": "unreadable-values",
}
EXCEPTIONS = {
    "lost-processes": ("WorkerLostError",),
    "time-limits": ("TimeLimitExceeded", "SoftTimeLimitExceeded"),
    "unserializable-results": ("EncodeError",),
    "unstored-results": ("BackendStoreError",),
    "unknown-tasks": ("NotRegistered",),
}


def check(rows: Rows, limits: dict[str, int]) -> Found:
    """Look at the values.

    Parameters
    ----------
    rows : Rows
    limits : dict
        For each column of text how many characters the database takes.

    Yields
    ------
    tuple of str
    """
    frame = rows.frame
    for kind, finding in KINDS.items():
        odd = frame[frame["kind"] == kind]
        if len(odd):
            yield finding, f"{rows.of(len(odd))}{_where(odd)}."
    large = frame[frame["size"] > LARGE]
    if len(large):
        largest = size(int(large["size"].max()))
        yield "large-results", f"{rows.of(len(large))}{_where(large)}; the largest has {largest}."
    full = {name for name, most in limits.items() if (frame[name].str.len() >= most).any()}
    if full:
        yield "names-at-the-limit", f"In the columns {some(sorted(full))}."
    ended = frame[frame["status"].isin(list(states.READY_STATES))]
    if len(ended) and ended[["name", "worker", "queue"]].isna().all(axis=None):
        yield "no-details", f"No name, worker or queue in {rows.of(len(frame))}."
    yield from _check_states(rows)


def _check_states(rows: Rows) -> Found:
    frame = rows.frame
    stuck = frame[is_old(rows, now(), ended=False)]
    if len(stuck):
        counts = some(f"{status} {count:,}" for status, count in _counts(stuck["status"]))
        yield "stuck-tasks", f"For more than a day, {rows.of(len(stuck))}: {counts}{ids_of(stuck)}."
    for column, finding in (("status", "no-state"), ("task_id", "no-task-id")):
        empty = frame[frame[column].fillna("") == ""]
        if len(empty):
            yield finding, f"{rows.of(len(empty))}{ids_of(empty)}."
    almost = frame[
        frame["status"].isin(list(filter(_is_almost, frame["status"].dropna().unique())))
    ]
    if len(almost):
        words = some(map(repr, almost["status"].unique()))
        yield "misspelt-states", f"{rows.of(len(almost))}: {words}{ids_of(almost)}."
    repeated = frame["task_id"].notna() & frame["task_id"].duplicated()
    if repeated.any():
        yield "repeated-task-ids", f"{rows.of(repeated.sum())} repeat the task id of another."
    tried = frame[frame["retries"].fillna(0) > TRIES]
    if len(tried):
        most = int(tried["retries"].max())
        yield "many-retries", f"{rows.of(len(tried))}{_where(tried)}; one was tried {most:,} times."
    yield from _check_failures(rows)


def _is_almost(status: str) -> bool:
    """Tell whether a state is one of Celery's, but for capitals and blanks."""
    return status not in states.ALL_STATES and status.strip().upper() in states.ALL_STATES


def _check_failures(rows: Rows) -> Found:
    frame = rows.frame
    failed = frame[frame["status"] == states.FAILURE]
    nameless = frame[frame["nameless"]]
    if len(nameless):
        yield "nameless-failures", f"{rows.of(len(nameless))}{_where(nameless)}."
    for finding, names in EXCEPTIONS.items():
        of_kind = failed[failed["exception"].isin(names)]
        if len(of_kind):
            yield finding, f"{rows.of(len(of_kind))}{_where(of_kind)}."
    ended = rows.drawn[rows.drawn["status"].isin([states.SUCCESS, states.FAILURE])]
    for name, group in ended.groupby("name"):
        failures = (group["status"] == states.FAILURE).sum()
        if len(group) >= ENOUGH and failures > len(group) / 2:
            yield "failing-task", f"{some([name])}: {failures:,} of {len(group):,} failed."


def facts(rows: Rows) -> list[Facts]:
    """Return tables of counts.

    Parameters
    ----------
    rows : Rows

    Returns
    -------
    list of Facts
    """
    frame = rows.drawn
    if not len(frame):
        return []
    by_status = [
        (status, count, _share(count, frame)) for status, count in _counts(frame["status"])
    ]
    tables = [Facts("States", ("state", "rows", "share"), by_status)]
    if frame["name"].notna().any():
        tables.append(Facts("Tasks", TASK_COLUMNS, _by_task(frame)))
    failed = frame[frame["exception"].notna()]
    if len(failed):
        pairs = failed.groupby(["name", "exception"], dropna=False).size()
        found = [(*key, int(count)) for key, count in pairs.sort_values(ascending=False).items()]
        tables.append(Facts("Exceptions", ("task", "exception", "rows"), _plain(found[:20])))
    if frame["date_done"].notna().any():
        tables.append(_over_time(frame))
    return tables


def odd_values(rows: Rows) -> list[Facts]:
    """Return the beginnings of values that may be private.

    Parameters
    ----------
    rows : Rows

    Returns
    -------
    list of Facts
    """
    odd = rows.frame[rows.frame["kind"].notna()].head(20)
    columns = ("id", "task id", "is", "begins")
    found = zip(odd["id"], odd["task_id"], odd["kind"], map(repr, odd["start"]), strict=True)
    table = Facts("Odd values", columns, _plain([tuple(row) for row in found]))
    return [table] if len(odd) else []


TASK_COLUMNS = ("task", "rows", "share", "failed", "mean size", "largest")


def _by_task(frame: pd.DataFrame) -> list[tuple[object, ...]]:
    failed = (frame["status"] == states.FAILURE).rename("failed")
    grouped = frame.assign(failed=failed).groupby("name", dropna=False)
    found = grouped.agg(
        rows=("name", "size"),
        failed=("failed", "sum"),
        mean=("sizes", "mean"),
        largest=("sizes", "max"),
    ).sort_values("rows", ascending=False)
    return _plain(
        [
            (
                name,
                int(row["rows"]),
                _share(row["rows"], frame),
                int(row["failed"]),
                size(row["mean"]),
                size(row["largest"]),
            )
            for name, row in found.head(20).iterrows()
        ]
    )


def _over_time(frame: pd.DataFrame) -> Facts:
    """Count what ended in the last days that have rows."""
    ended = frame[frame["date_done"].notna()]
    day = ended["date_done"].dt.strftime("%Y-%m-%d")
    failed = (ended["status"] == states.FAILURE).groupby(day).sum()
    counts = day.value_counts().sort_index().tail(14)
    rows = [(name, int(count), int(failed[name])) for name, count in counts.items()]
    return Facts("Days (UTC)", ("day", "rows", "failed"), rows)


def _plain(rows: list[tuple[object, ...]]) -> list[tuple[object, ...]]:
    return [
        tuple(
            None if cell != cell else some([cell]) if isinstance(cell, str) else cell
            for cell in row
        )
        for row in rows
    ]


def _share(count: float, frame: pd.DataFrame) -> str:
    return f"{100 * count / len(frame):.1f} %"


def _counts(column: pd.Series) -> list[tuple[str | None, int]]:
    counts = column.value_counts(dropna=False)
    return [(None if word != word else some([word]), int(count)) for word, count in counts.items()]


def _where(frame: pd.DataFrame) -> str:
    """Name the tasks of some rows, or else their ids."""
    names = [name for name, _count in _counts(frame["name"]) if name]
    return f", from {some(names, 3)}" if names else ids_of(frame)
