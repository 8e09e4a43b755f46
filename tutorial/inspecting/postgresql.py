"""Looks at what PostgreSQL knows of the table."""

from tutorial.inspecting.findings import Found, number, some
from tutorial.inspecting.source import Source

DEAD = 10_000  # dead rows, below which their share does not matter

TABLE = """
SELECT relpersistence = 'u', row_security_active(oid), coalesce(
    'autovacuum_enabled=false' = ANY(reloptions) OR 'autovacuum_enabled=off' = ANY(reloptions),
    false) OR current_setting('autovacuum') = 'off',
    pg_stat_get_live_tuples(oid), pg_stat_get_dead_tuples(oid)
FROM pg_class WHERE oid = CAST(:table AS regclass)
"""
WRITERS = """
SELECT DISTINCT grantee = 0, coalesce(rolname, 'PUBLIC')
FROM pg_class, aclexplode(relacl) LEFT JOIN pg_roles ON pg_roles.oid = grantee
WHERE pg_class.oid = CAST(:table AS regclass) AND grantee <> relowner
AND privilege_type IN ('INSERT', 'UPDATE') ORDER BY 2
"""


def check(source: Source) -> Found:
    """Look at how the table is kept, and at who may write to it.

    Parameters
    ----------
    source : Source

    Yields
    ------
    tuple of str
    """
    table = source.full_name()
    unlogged, filtered, unswept, live, dead = source.rows(TABLE, table=table)[0]
    if unlogged:
        yield "unlogged-table", f"The table {table} is UNLOGGED."
    if filtered:
        yield "row-security", "Row-level security applies to this role."
    if unswept:
        yield "autovacuum-off", "autovacuum_enabled, or autovacuum for the whole server, is off."
    if dead > max(DEAD, live):
        yield "dead-rows", f"{dead:,} dead rows beside {number(live, 'live row')}."
    zone = source.scalar("SHOW timezone")
    if zone not in ("UTC", "Etc/UTC", "GMT"):
        yield "session-not-utc", f"SHOW timezone answers {some([zone])}."
    writers = source.rows(WRITERS, table=table)
    if any(public for public, _name in writers):
        yield "anyone-may-write", "INSERT or UPDATE is granted to PUBLIC."
    names = [name for public, name in writers if not public]
    if len(names) > 1:
        yield "many-writers", f"INSERT or UPDATE is granted to {some(names)}."
