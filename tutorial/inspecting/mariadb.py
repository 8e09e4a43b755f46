"""Looks at what MariaDB and MySQL know of the table."""

from tutorial.inspecting.findings import Found, some
from tutorial.inspecting.source import NotChecked, Source

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
NUMBERED = """
SELECT count(*) FROM information_schema.columns
WHERE table_schema = coalesce(:schema, database()) AND table_name = :table
AND extra LIKE '%auto_increment%'
"""
SEQUENCE = """
SELECT count(*) FROM information_schema.tables WHERE table_type = 'SEQUENCE'
AND table_schema = coalesce(:schema, database()) AND table_name = 'task_id_sequence'
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


def next_id(source: Source) -> int | None:
    """Return the number that the sequence hands out next; None if the table needs none.

    Parameters
    ----------
    source : Source

    Returns
    -------
    int or None

    Raises
    ------
    NotChecked
        If the right to read it is missing.
    """
    table = source.tasks.table
    schema = table.schema
    if source.tasks.of_django or source.scalar(NUMBERED, table=table.name, schema=schema):
        return None
    if not source.scalar(SEQUENCE, schema=schema):
        raise NotChecked("there is no task_id_sequence, or the right to SELECT on it is missing")
    prefix = f"`{schema.replace('`', '``')}`." if schema else ""
    return int(source.scalar(f"SELECT next_not_cached_value FROM {prefix}task_id_sequence"))
