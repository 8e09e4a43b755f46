"""Looks at a SQLite file."""

import stat

from tutorial.inspecting.findings import Found, plain, size
from tutorial.inspecting.source import NotChecked, Source

LARGE_FILE = 256_000_000  # bytes: SQLite would take long to look through more
LARGE_WAL = 100_000_000  # bytes; SQLite starts again at its beginning after 4 MB
ENOUGH = 1_000_000  # bytes of a file in which empty pages matter


def check(source: Source) -> Found:
    """Look at the file.

    Parameters
    ----------
    source : Source

    Yields
    ------
    tuple of str

    Raises
    ------
    NotChecked
        If the file is too large to look for damage.
    """
    if source.scalar("PRAGMA journal_mode") == "delete":
        yield "rollback-journal", "journal_mode is delete, which is SQLite's default."
    pages, free, page = (
        source.scalar(f"PRAGMA {name}") for name in ("page_count", "freelist_count", "page_size")
    )
    if free > pages / 2 and free * page > ENOUGH:
        yield "free-pages", f"{size(free * page)} of {size(pages * page)} are empty."
    if source.file is not None and source.file.exists():
        yield from _check_file(source)
    if pages * page > LARGE_FILE:
        raise NotChecked(f"it has {size(pages * page)}: run PRAGMA quick_check when you have time")
    damage = _damage(source)
    if damage:
        yield "damaged-file", f"PRAGMA quick_check says: {damage}"


def _damage(source: Source) -> str | None:
    """Return what SQLite says of damage; None if it finds none."""
    try:
        found = str(source.scalar("PRAGMA quick_check(1)"))
    except NotChecked as reason:  # there is so much damage that it gives up
        if "malformed" not in str(reason):
            raise
        found = str(reason)
    return None if found == "ok" else plain(" ".join(found.split())[:120])


def _check_file(source: Source) -> Found:
    assert source.file is not None
    if source.file.stat().st_mode & stat.S_IWOTH:
        yield "anyone-may-write", "The file's permissions let every user of the machine write."
    journal = source.file.with_name(f"{source.file.name}-wal")
    if journal.exists() and journal.stat().st_size > LARGE_WAL:
        yield "large-wal", f"{journal.name} has {size(journal.stat().st_size)}."
