"""Looks at the sequence from which Celery takes the ids of new rows."""

from dataclasses import dataclass

from tutorial.inspecting.source import NotChecked, Source

NAME = "task_id_sequence"
LIMITS_IN_POSTGRESQL = f"""
SELECT pg_class.oid::regclass::text, seqmax, seqcycle
FROM pg_class JOIN pg_sequence ON seqrelid = pg_class.oid WHERE relname = '{NAME}'
AND relnamespace = (SELECT relnamespace FROM pg_class WHERE oid = CAST(:table AS regclass))
"""
# The table itself numbers its rows: AUTO_INCREMENT, or a default.
NUMBERED = {
    "postgresql": "SELECT count(*) FROM pg_attribute LEFT JOIN pg_attrdef ON adrelid = attrelid "
    "AND adnum = attnum WHERE attrelid = CAST(:table AS regclass) AND lower(attname) = 'id' "
    "AND (adnum IS NOT NULL OR attidentity <> '')",
    "mysql": "SELECT count(*) FROM information_schema.columns "
    "WHERE table_schema = coalesce(:schema, database()) AND table_name = :name "
    "AND extra LIKE '%auto_increment%'",
}
IN_MYSQL = f"""
SELECT count(*) FROM information_schema.tables WHERE table_type = 'SEQUENCE'
AND table_schema = coalesce(:schema, database()) AND table_name = '{NAME}'
"""


@dataclass(frozen=True)
class Sequence:
    """What is known of a sequence.

    Attributes
    ----------
    last : int
        Its highest number.
    cycles : bool
        Whether it begins again after it.
    following : str
        The query for the number that it returns next.
    """

    last: int
    cycles: bool
    following: str


def find(source: Source) -> Sequence | None:
    """Return the sequence of a table; None if there is none, as after a restore of the table alone.

    Parameters
    ----------
    source : Source

    Returns
    -------
    Sequence or None

    Raises
    ------
    NotChecked
        If it cannot be seen.
    """
    if source.kind == "postgresql":
        rows = source.rows(LIMITS_IN_POSTGRESQL, **source.where())
        following = "SELECT last_value + is_called::int FROM {}"
        return Sequence(rows[0][1], rows[0][2], following.format(rows[0][0])) if rows else None
    schema = source.tasks.table.schema
    if not source.scalar(IN_MYSQL, schema=schema):
        raise NotChecked(f"there is no {NAME}, or the right to SELECT on it is missing")
    name = f"`{schema.replace('`', '``')}`.{NAME}" if schema else NAME
    last, cycles = source.rows(f"SELECT maximum_value, cycle_option FROM {name}")[0]
    return Sequence(int(last), bool(cycles), f"SELECT next_not_cached_value FROM {name}")


def is_needed(source: Source) -> bool:
    """Return whether the table does not number its rows itself.

    Parameters
    ----------
    source : Source

    Returns
    -------
    bool
    """
    if source.tasks.of_django:
        return False
    return not source.scalar(NUMBERED[source.kind], **source.where())
