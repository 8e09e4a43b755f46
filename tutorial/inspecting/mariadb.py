"""Looks at what MariaDB and MySQL know of the table."""

from tutorial.inspecting.findings import Found, some
from tutorial.inspecting.source import Source

FULL = ("utf8mb4", "utf16", "utf16le", "utf32")  # character sets with all of Unicode
STRICT = ("STRICT_TRANS_TABLES", "STRICT_ALL_TABLES")
TABLE = """
SELECT engine FROM information_schema.tables
WHERE table_schema = coalesce(:schema, database()) AND table_name = :table
"""
COLUMNS = """
SELECT column_name, data_type, character_set_name, character_maximum_length
FROM information_schema.columns
WHERE table_schema = coalesce(:schema, database()) AND table_name = :table
"""


def check(source: Source) -> Found:
    """Look at modes, types and character sets.

    Parameters
    ----------
    source : Source

    Yields
    ------
    tuple of str
    """
    where = {"table": source.tasks.table.name, "schema": source.tasks.table.schema}
    mode = source.scalar("SELECT @@sql_mode") or ""
    if not any(word in mode.split(",") for word in STRICT):
        yield "not-strict", f"sql_mode is {some([mode]) or 'empty'} for this connection."
    engine = source.scalar(TABLE, **where)
    if engine and engine != "InnoDB":
        yield "no-transactions", f"The engine is {some([engine])}."
    columns = source.rows(COLUMNS, **where)
    if any(name.lower() == "result" and kind == "blob" for name, kind, _set, _most in columns):
        yield "small-columns", "The column result is a BLOB."
    poor = [f"{name} is {set}" for name, _kind, set, _most in columns if set and set not in FULL]
    if poor:
        yield "no-emoji", f"{some(poor)}."
