"""Looks for triggers and rules, which act on rows without the knowledge of the worker."""

from tutorial.inspecting.findings import Found, some
from tutorial.inspecting.source import NotChecked, Source

TRIGGERS = {
    "postgresql": """
SELECT concat_ws(' ', tgname, CASE WHEN tgtype & 2 > 0 THEN 'before' ELSE 'after' END, concat_ws(
    '/', CASE WHEN tgtype & 4 > 0 THEN 'insert' END, CASE WHEN tgtype & 16 > 0 THEN 'update' END,
    CASE WHEN tgtype & 8 > 0 THEN 'delete' END, CASE WHEN tgtype & 32 > 0 THEN 'truncate' END
)) FROM pg_trigger
WHERE tgrelid = CAST(:table AS regclass) AND NOT tgisinternal AND tgenabled <> 'D' UNION ALL
SELECT concat('the rule ', rulename) FROM pg_rewrite
WHERE ev_class = CAST(:table AS regclass) AND ev_enabled <> 'D' ORDER BY 1
""",
    "mysql": """
SELECT lower(concat_ws(' ', trigger_name, action_timing, event_manipulation))
FROM information_schema.triggers WHERE event_object_table = :name
AND event_object_schema = coalesce(:schema, database()) ORDER BY 1
""",
    "sqlite": """
SELECT name FROM sqlite_master
WHERE type = 'trigger' AND lower(tbl_name) = lower(:name) ORDER BY 1
""",
}
# Without the right TRIGGER, MariaDB and MySQL hide them.
SEEN_IN_MYSQL = """
SELECT count(*) FROM (
    SELECT grantee FROM information_schema.user_privileges WHERE privilege_type = 'TRIGGER' UNION
    SELECT grantee FROM information_schema.schema_privileges
    WHERE privilege_type = 'TRIGGER' AND coalesce(:schema, database()) LIKE table_schema UNION
    SELECT grantee FROM information_schema.table_privileges WHERE privilege_type = 'TRIGGER'
    AND table_schema = coalesce(:schema, database()) AND table_name = :name
) AS granted WHERE grantee = concat('''', replace(current_user(), '@', '''@'''), '''')
"""


def check(source: Source) -> Found:
    """Look for what acts when a row is stored.

    Parameters
    ----------
    source : Source

    Yields
    ------
    tuple of str

    Raises
    ------
    NotChecked
        If this role may not see it.
    """
    if source.kind not in TRIGGERS:
        return
    names = [name for (name,) in source.rows(TRIGGERS[source.kind], **source.where())]
    if names:
        yield "triggers", f"The table has {some(names)}."
    elif source.kind == "mysql" and not source.scalar(SEEN_IN_MYSQL, **source.where()):
        raise NotChecked("the right TRIGGER on the table is missing")
