"""Looks at the tables of a database: which could be Celery's, and how large they are."""

import stat

from tutorial.inspecting.findings import size, some
from tutorial.inspecting.source import NotChecked, Source
from tutorial.reading.source import similar

SIZE = {
    "postgresql": "SELECT coalesce(sum(pg_total_relation_size(relid)), "
    "pg_total_relation_size(CAST(:table AS regclass))) "
    "FROM pg_partition_tree(CAST(:table AS regclass))",  # which is empty without partitions
    "mysql": "SELECT data_length + index_length FROM information_schema.tables "
    "WHERE table_schema = coalesce(:schema, database()) AND table_name = :name",
    "sqlite": "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size",
}
LENGTHS = {
    "postgresql": "SELECT attname, atttypmod - 4 FROM pg_attribute "
    "WHERE attrelid = CAST(:table AS regclass) AND atttypid = 'varchar'::regtype "
    "AND atttypmod > 0",
    "mysql": "SELECT column_name, character_maximum_length FROM information_schema.columns "
    "WHERE data_type = 'varchar' AND table_schema = coalesce(:schema, database()) "
    "AND table_name = :name",
}
# Who may write, besides those to whom every table is open.
WRITERS = {
    "postgresql": "SELECT DISTINCT coalesce(rolname, 'PUBLIC') FROM pg_class, "
    "aclexplode(coalesce(relacl, acldefault('r', relowner))) "
    "LEFT JOIN pg_roles ON pg_roles.oid = grantee "
    "WHERE pg_class.oid = CAST(:table AS regclass) AND privilege_type IN ('INSERT', 'UPDATE') "
    "ORDER BY 1",
    "mysql": "SELECT grantee FROM information_schema.table_privileges "
    "WHERE table_schema = coalesce(:schema, database()) AND table_name = :name "
    "AND privilege_type IN ('INSERT', 'UPDATE') UNION "
    "SELECT grantee FROM information_schema.schema_privileges "
    "WHERE coalesce(:schema, database()) LIKE table_schema "
    "AND privilege_type IN ('INSERT', 'UPDATE') UNION "
    "SELECT grantee FROM information_schema.user_privileges "
    "WHERE privilege_type IN ('INSERT', 'UPDATE') ORDER BY 1",
}
TEXTS = ("task_id", "name", "worker", "queue")


def similar_tables(source: Source) -> list[str]:
    """Return the tables that look like Celery's, first those of the same schema.

    Parameters
    ----------
    source : Source

    Returns
    -------
    list of str
    """
    try:
        rows = source.rows(similar(source.kind))
    except NotChecked:
        return []
    return [f"{name} (in the schema {schema})" if schema else name for schema, name in rows]


def table_size(source: Source) -> str | None:
    """Return how large the table is, with its indexes; on SQLite, how large the file is.

    Parameters
    ----------
    source : Source

    Returns
    -------
    str or None
        None if the database does not say it.
    """
    if source.kind not in SIZE:
        return None
    where = {} if source.kind == "sqlite" else source.where()  # it is the size of the whole file
    amount = source.scalar(SIZE[source.kind], **where)
    return size(int(amount)) if amount else None


def writers(source: Source) -> str | None:
    """Return who may write to the table, as far as this role can see it.

    Parameters
    ----------
    source : Source

    Returns
    -------
    str or None
        On SQLite the permissions of the file and its owner; None if nothing is known.
    """
    if source.file is not None:
        status = source.file.stat()
        return f"{stat.filemode(status.st_mode)}, user {status.st_uid}, group {status.st_gid}"
    if source.kind not in WRITERS:
        return None
    return some([name for (name,) in source.rows(WRITERS[source.kind], **source.where())]) or None


def text_limits(source: Source) -> dict[str, int]:
    """Return how many characters the columns of text take.

    Parameters
    ----------
    source : Source

    Returns
    -------
    dict of str to int
    """
    if source.kind not in LENGTHS:
        return {}
    rows = source.rows(LENGTHS[source.kind], **source.where())
    return {name.lower(): int(most) for name, most in rows if name.lower() in TEXTS}
