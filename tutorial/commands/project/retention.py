"""Archive old results into files and then delete them: run python retention.py every day."""

import datetime as dt
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from database import HERE, engine

KEEP = dt.timedelta(days=30)  # sql/dashboard.sql has an alarm a day later
BATCH = 1_000  # rows in a transaction: short enough for the workers not to notice


def old_rows(before: dt.datetime) -> Iterator[list[sa.RowMapping]]:
    """Yield the rows that were done before a moment, in batches; each must be deleted at once."""
    query = sa.text(
        "SELECT * FROM celery_taskmeta WHERE date_done < :before ORDER BY date_done LIMIT :batch"
    ).columns(date_done=sa.DateTime)
    query = query.bindparams(sa.bindparam("before", type_=sa.DateTime), batch=BATCH)
    while True:
        with engine.connect() as connection:
            rows = connection.execute(query, {"before": before}).mappings().all()
        if not rows:
            return
        yield list(rows)


def delete(rows: list[sa.RowMapping], before: dt.datetime) -> None:
    """Delete exactly these rows, except those that were stored again in the meantime."""
    query = sa.text("DELETE FROM celery_taskmeta WHERE id IN :ids AND date_done < :before")
    ids = sa.bindparam("ids", [row["id"] for row in rows], expanding=True)
    with engine.begin() as connection:
        connection.execute(query.bindparams(ids, sa.bindparam("before", before, sa.DateTime)))


def delete_groups(before: dt.datetime) -> None:
    """Delete the groups that were saved before a moment: they are only lists of task ids."""
    query = sa.text("DELETE FROM celery_tasksetmeta WHERE date_done < :before")
    with engine.begin() as connection:
        connection.execute(query.bindparams(sa.bindparam("before", before, sa.DateTime)))


def as_json(value: Any) -> str:
    """Write times in ISO format, and bytes as text: Celery stores JSON in them."""
    if isinstance(value, bytes | memoryview):
        return bytes(value).decode(errors="backslashreplace")
    return value.isoformat() if isinstance(value, dt.datetime) else str(value)


def archive(folder: Path = HERE / "archive", now: dt.datetime | None = None) -> int:
    """Move all results that have expired into a file of JSON lines; return their number."""
    now = now or dt.datetime.now(dt.UTC).replace(tzinfo=None)  # date_done is in UTC, without a zone
    before = now - KEEP  # one moment, for all that follows
    folder.mkdir(parents=True, exist_ok=True)
    moved = 0
    for rows in old_rows(before):
        with (folder / f"{now:%Y-%m-%d}.jsonl").open("a", encoding="utf-8") as file:
            file.writelines(json.dumps(dict(row), default=as_json) + "\n" for row in rows)
            file.flush()
            os.fsync(file.fileno())  # so that not even a power failure loses them
        delete(rows, before)  # after the file holds them: a crash in between leaves them in both
        moved += len(rows)
    delete_groups(before)
    return moved


if __name__ == "__main__":
    print(f"{archive()} results archived and deleted")
