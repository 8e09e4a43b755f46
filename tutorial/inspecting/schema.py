"""Looks at the table itself: its columns, its types, its keys and its indexes."""

from collections.abc import Iterable
from dataclasses import dataclass

import sqlalchemy as sa

from tutorial.inspecting.findings import Found, plain, some
from tutorial.inspecting.source import NotChecked, Source

NEEDED = ("id", "task_id", "status", "result", "date_done", "traceback")
DETAILS = ("name", "args", "kwargs", "worker", "retries", "queue")  # since 4.4
OF_5_7 = ("children", "stamps")
ALL = (*NEEDED, *DETAILS, *OF_5_7)
BINARY = ("result", "args", "kwargs", "children", "stamps")
LENGTHS = {"task_id": 155, "status": 50, "name": 155, "worker": 155, "queue": 155}
NUMBERS = ("id", "retries")
FILLED = ("id", "task_id", "status")  # by Celery, in every row from its first storing on

# Only a B-tree leads to the rows of a day in their order. Columns after INCLUDE have no order.
INDEXES_OF_POSTGRESQL = """
SELECT indisunique, indisvalid, ARRAY(
    SELECT pg_get_indexdef(indexrelid, place, true) FROM generate_series(1, indnkeyatts) AS place
), nullif(concat_ws(' ', nullif('using ' || amname, 'using btree'),
    'where ' || pg_get_expr(indpred, indrelid)), '')
FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid JOIN pg_am ON pg_am.oid = relam
WHERE indrelid = CAST(:table AS regclass)
"""
INDEXES_OF_MYSQL = """
SELECT max(non_unique) = 0, group_concat(concat(
    coalesce(column_name, '?'), coalesce(concat(' up to ', sub_part), '')
) ORDER BY seq_in_index)
FROM information_schema.statistics
WHERE table_schema = coalesce(:schema, database()) AND table_name = :table GROUP BY index_name
"""
INDEXES_OF_SQLITE = """
SELECT "unique", (SELECT group_concat(name) FROM (
    SELECT coalesce(name, '?') AS name FROM pragma_index_info(list.name) ORDER BY seqno
)), CASE WHEN partial THEN 'where ...' END FROM pragma_index_list(:table, :schema) AS list
"""
REQUIRED = {
    "postgresql": "SELECT attname, atthasdef OR attidentity <> '' FROM pg_attribute "
    "WHERE attrelid = CAST(:table AS regclass) AND attnum > 0 AND NOT attisdropped AND attnotnull",
    "mysql": "SELECT column_name, column_default IS NOT NULL OR extra <> '' "
    "FROM information_schema.columns WHERE table_schema = coalesce(:schema, database()) "
    "AND table_name = :name AND is_nullable = 'NO'",
    "sqlite": "SELECT name, dflt_value IS NOT NULL FROM pragma_table_info(:name, :schema) "
    'WHERE "notnull"',
}
KIND_OF_POSTGRESQL = "SELECT relkind::text FROM pg_class WHERE oid = CAST(:table AS regclass)"
KIND_OF_MYSQL = """
SELECT table_type FROM information_schema.tables
WHERE table_schema = coalesce(:schema, database()) AND table_name = :table
"""


@dataclass(frozen=True)
class Index:
    """An index of the table; ``limits`` says why it does not lead to all rows in their order."""

    columns: tuple[str, ...]
    unique: bool
    valid: bool = True
    limits: str | None = None

    def serves(self, column: str) -> bool:
        """Return whether the index leads to each row by a column."""
        return self.valid and self.columns[:1] == (column,) and not self.limits


@dataclass(frozen=True)
class Schema:
    """What the table looks like.

    Attributes
    ----------
    is_view : bool
    indexes : list of Index or None
        None if they cannot be seen.
    made_by : str
        Which version of Celery made the table, as far as its columns and indexes tell.
    """

    is_view: bool
    indexes: list[Index] | None
    made_by: str

    def has_index_on_dates(self) -> bool:
        """Return whether an index leads to the rows of a day."""
        return any(each.serves("date_done") for each in self.indexes or ())


def look(source: Source) -> Schema:
    """Return what the table looks like.

    Parameters
    ----------
    source : Source

    Returns
    -------
    Schema
    """
    is_view = _is_view(source)
    try:
        indexes = None if is_view else _indexes(source)
    except NotChecked:
        indexes = None
    schema = Schema(is_view, indexes, "")
    return Schema(is_view, indexes, _made_by(source, schema))


def _is_view(source: Source) -> bool:
    table = source.tasks.table
    if source.kind == "postgresql":
        kind = source.scalar(KIND_OF_POSTGRESQL, table=source.full_name())
        return kind in ("v", "m", "f")
    if source.kind == "mysql":
        return "VIEW" in (source.scalar(KIND_OF_MYSQL, table=table.name, schema=table.schema) or "")
    names = sa.inspect(source.connection).get_view_names(schema=table.schema)
    source.connection.rollback()
    return table.name in names


def _indexes(source: Source) -> list[Index]:
    table = source.tasks.table
    if source.kind == "postgresql":
        rows = source.rows(INDEXES_OF_POSTGRESQL, table=source.full_name())
        return [Index(_lower(names), unique, valid, why) for unique, valid, names, why in rows]
    if source.kind == "mysql":
        rows = source.rows(INDEXES_OF_MYSQL, table=table.name, schema=table.schema)
        return [Index(_lower(names.split(",")), bool(unique)) for unique, names in rows]
    # SQLAlchemy does not see a UNIQUE that stands behind a type with a length.
    rows = source.rows(INDEXES_OF_SQLITE, table=table.name, schema=table.schema or "main")
    return [Index(_lower(names.split(",")), bool(unique), True, why) for unique, names, why in rows]


def _lower(names: Iterable[str]) -> tuple[str, ...]:
    """Return the names of columns as Celery writes them, whatever letters the table uses."""
    return tuple(name.strip('"').lower() for name in names)


def _made_by(source: Source, schema: Schema) -> str:
    """Say which version made the table; one that was upgraded has the columns in another order."""
    columns = [name.lower() for name in source.tasks.columns]
    if source.tasks.of_django:
        return "django-celery-results"
    if not set(DETAILS) <= set(columns):
        return "a Celery before 4.4, or something else"
    if schema.is_view:
        return "unknown: it is a view"
    if "children" in columns and columns.index("children") < columns.index("name"):
        return "Celery 5.7"
    later = ", upgraded to 5.7" if "children" in columns else ""
    if schema.has_index_on_dates() and not later:
        return "Celery 5.6.3"
    return f"Celery 4.4 to {'5.6' if later else '5.6.2'}{later}"


def check(source: Source, schema: Schema) -> Found:
    """Compare the table with what Celery makes.

    Parameters
    ----------
    source : Source
    schema : Schema

    Yields
    ------
    tuple of str
        The name of a finding, and its evidence.

    Raises
    ------
    NotChecked
        If this role may not see all columns.
    """
    if not schema.is_view and schema.indexes is not None:
        yield from _check_indexes(source, schema.indexes, schema.has_index_on_dates())
    yield from _check_columns(source, schema)


def _check_indexes(source: Source, indexes: list[Index], on_dates: bool) -> Found:
    if not _is_split(source):
        yield from _check_keys(source, indexes)
    if not on_dates:
        yield "no-date-index", f"The table has {_list(indexes)}."
    for each in indexes:
        if not each.valid:
            yield "invalid-index", f"The index on ({', '.join(each.columns)}) is not valid."


def _is_split(source: Source) -> bool:
    """Tell whether the table has partitions, so that no index can keep an id alone unique."""
    if source.kind != "postgresql":
        return False
    return source.scalar(KIND_OF_POSTGRESQL, table=source.full_name()) == "p"


def _check_keys(source: Source, indexes: list[Index]) -> Found:
    key = source.tasks.columns.get("id")
    if key and not key.key and not any(each.unique and each.serves("id") for each in indexes):
        yield "no-primary-key", "The column id is not the primary key."
    unique = [each.columns for each in indexes if each.unique and each.serves("task_id")]
    if "task_id" in source.tasks.columns and ("task_id",) not in unique:
        yield "no-unique-index", f"The table has {_list(indexes)}."


def _list(indexes: list[Index]) -> str:
    names = sorted({_described(each) for each in indexes})
    return f"indexes on {', '.join(names)}" if names else "no index"


def _described(index: Index) -> str:
    return plain(f"({', '.join(index.columns)}) {index.limits or ''}".rstrip())


def _check_columns(source: Source, schema: Schema) -> Found:
    columns = source.tasks.columns
    lacking = [name for name in NEEDED if name not in columns]
    older = [name for name in (*DETAILS, *OF_5_7) if name not in columns]
    if lacking or older:
        source.rows(sa.select(sa.text("*")).select_from(source.tasks.table).limit(0))  # may we?
    if lacking and not schema.is_view:
        yield "missing-columns", f"It has no column {some(lacking)}."
    if older and not source.tasks.of_django and not schema.is_view:
        yield "older-columns", f"It has no column {some(older, 8)}."
    if source.kind == "postgresql" and not source.tasks.of_django:
        own = [columns[name].name for name in ALL if name in columns]
        capital = [name for name in own if name not in ALL]
        if capital:
            yield "capital-names", f"The table has {some(capital, 8)}."
    wrong = [f"{name} is {columns[name].type}" for name in columns if _is_wrong(source, name)]
    if wrong:
        yield "column-types", f"{some(wrong, 8)}."
    required = [] if source.tasks.of_django or schema.is_view else _required(source)
    if required:
        yield "required-columns", f"{some(required, 8)} may not be NULL."
    if lacking and schema.is_view:
        raise NotChecked(f"the view has no column {some(lacking)}")


def _required(source: Source) -> list[str]:
    """Return the columns that must have a value, and that Celery leaves empty.

    In its own columns Celery stores NULL, so that a default does not help them.
    """
    if source.kind not in REQUIRED:
        return []
    rows = source.rows(REQUIRED[source.kind], **source.where())
    return [
        name
        for name, has_default in rows
        if name.lower() not in FILLED and (name.lower() in ALL or not has_default)
    ]


def _is_wrong(source: Source, name: str) -> bool:
    """Return whether a column lacks the sort of type that Celery gives it."""
    kind = source.tasks.columns[name].type
    if source.tasks.of_django:
        return False
    if name in (*LENGTHS, *NUMBERS) and isinstance(kind, sa.types.NullType):
        return False  # a type that we do not know
    if name in LENGTHS:
        short = source.kind != "sqlite" and (getattr(kind, "length", None) or 1000) < LENGTHS[name]
        return short or not isinstance(kind, sa.String)
    if name in NUMBERS:
        return not isinstance(kind, sa.Integer)
    if name in BINARY:
        return not isinstance(kind, sa.LargeBinary)
    if name == "date_done":
        return not isinstance(kind, sa.DateTime) or bool(
            isinstance(kind, sa.TIMESTAMP) and (kind.timezone or source.kind == "mysql")
        )
    return False
