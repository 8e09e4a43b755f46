"""Answers to the exercises of chapter 17."""

from answers.kinds import FUNCTION
from exercise_runs import Answers

BYTES = """
pages = "(SELECT page_count - freelist_count FROM pragma_page_count, pragma_freelist_count)"
size = "(SELECT page_size FROM pragma_page_size)"
with results.connect() as connection:
    query = f"SELECT {pages} * {size} * 1.0 / count(*) FROM celery_taskmeta"
    return connection.scalar(sa.text(query))
"""
DELETE = """
table = sa.Table("celery_taskmeta", sa.MetaData(), autoload_with=results)
some = sa.select(table.c.id).where(table.c.date_done < before).limit(batch)
total = 0
with results.connect() as connection:
    while deleted := connection.execute(table.delete().where(table.c.id.in_(some))).rowcount:
        connection.commit()
        total += deleted
return total
"""
# The ids first, and then a transaction for each few of them.
BY_ID = """
table = sa.Table("celery_taskmeta", sa.MetaData(), autoload_with=results)
with results.connect() as connection:
    old = connection.scalars(sa.select(table.c.id).where(table.c.date_done < before)).all()
for start in range(0, len(old), batch):
    with results.begin() as connection:
        ids = old[start : start + batch]
        connection.execute(table.delete().where(table.c.id.in_(ids)))
return len(old)
"""
# Each DELETE moves the rows that are left to the front, where the next offset skips them.
OFFSET = """
table = sa.Table("celery_taskmeta", sa.MetaData(), autoload_with=results)
old = sa.select(table.c.id).where(table.c.date_done < before)
total = 0
for start in range(0, 7, batch):
    some = old.limit(batch).offset(start)
    with results.begin() as connection:
        total += connection.execute(table.delete().where(table.c.id.in_(some))).rowcount
return total
"""
WHERE = "table.c.date_done < before"

PARTITIONS = """
days_of_table = [(n, first + timedelta(n)) for n in range(days)]
return [
    f"CREATE TABLE {table}_{n} PARTITION OF {table} "
    f"FOR VALUES FROM ('{day}') TO ('{first + timedelta(n + 1)}')"
    for n, day in days_of_table
]""".lstrip("\n")

ANSWERS = {
    1: Answers(
        wrong={
            **FUNCTION,
            "return []": "no partition takes a row of 2026-12-30 00:00:00",
            "return 'CREATE TABLE x (y int)'": "expected a list of strings",
            "return [first]": "expected a list of strings",
            PARTITIONS.replace("return", "found ="): "expected a list of strings, got None",
            PARTITIONS.replace("range(days)", "range(days - 1)"): "no partition takes a row of",
            PARTITIONS.replace("range(days)", "range(days + 1)"): "this day was not asked for",
            PARTITIONS.replace("range(days)", "range(1, days + 1)"): "no partition takes a row of",
            PARTITIONS.replace("('{day}')", "('{day} 00:00:01')"): "no partition takes a row of",
            PARTITIONS.replace("n + 1)}')", "n)} 23:59:59')"): "no partition takes a row before",
            PARTITIONS.replace("n + 1)}')", "n + 2)}')"): "PostgreSQL refuses",
            PARTITIONS.replace("n + 1)}')", "n)}')"): "PostgreSQL refuses",
            PARTITIONS.replace("_{n}", ""): "PostgreSQL refuses",
            PARTITIONS.replace("{table}_{n}", "day_{n}").replace("OF {table}", "OF results"): (
                "PostgreSQL refuses"
            ),
            PARTITIONS.replace("('{day}')", "('{day} 08:00')").replace(
                "n + 1)}')", "n + 1)} 08:00')"
            ): "no partition takes a row of",
            "return [f'CREATE TABLE {table}_all PARTITION OF {table} DEFAULT']": (
                "has no partition of its own"
            ),
            "last = first + timedelta(days)\n"
            'return [f"CREATE TABLE {table}_all PARTITION OF {table} "\n'
            "        f\"FOR VALUES FROM ('{first}') TO ('{last}')\"]": "no partition of its own",
            PARTITIONS + " + [f'CREATE TABLE {table}_rest PARTITION OF {table} DEFAULT']": (
                "this day was not asked for"
            ),
            # The day of the month alone: two months have a 31st, and 32 is none.
            'return [\n    f"CREATE TABLE {table}_{n} PARTITION OF {table} "\n'
            "    f\"FOR VALUES FROM ('{first:%Y-%m}-{first.day + n}') \"\n"
            "    f\"TO ('{first:%Y-%m}-{first.day + n + 1}')\"\n    for n in range(days)\n]": (
                "PostgreSQL refuses"
            ),
            # In a session in Los Angeles, midnight UTC is another one.
            PARTITIONS.replace("('{day}')", "(timestamptz '{day} 00:00Z')").replace(
                "('{first + timedelta(n + 1)}')",
                "(timestamptz '{first + timedelta(n + 1)} 00:00Z')",
            ): ("are in two partitions."),
        },
        right=[
            PARTITIONS,
            PARTITIONS.replace("('{day}')", "('{day:%Y-%m-%d} 00:00:00')"),
        ],
    ),
    2: Answers(
        wrong={
            **FUNCTION,
            "return 300": ("rows with a result of 1 characters: expected"),
            BYTES.replace(" - freelist_count", ""): (
                "rows with a result of 1 characters: expected"
            ),
            BYTES.replace(" * {size}", ""): ("rows with a result of 1 characters: expected"),
            BYTES.replace(" * {size}", "").replace(" - freelist_count", ""): "not bytes, and the",
            BYTES.replace(" / count(*)", ""): ("rows with a result of 1 characters: expected"),
            BYTES.replace(" / count(*)", "").replace(" - freelist_count", ""): "of the whole file",
            BYTES.replace("{size}", "1024"): ("rows with a result of 1 characters: expected"),
            BYTES.replace("{size}", "1").replace("return ", ""): (
                "of 1 characters: expected a number, got None: the fun"
            ),
            BYTES.replace("return connection", "return str(connection").replace(
                "(query))", "(query)))"
            ): ("of 1 characters: expected a number, got"),
            BYTES.replace("celery_taskmeta", "taskmeta"): "raised OperationalError",
            BYTES.replace(
                "    query", "    connection.execute(sa.text('VACUUM'))\n    query"
            ): "has changed the database",
            # What the values take, without the indexes and what goes with each row.
            "with results.connect() as connection:\n"
            "    query = 'SELECT avg(length(result) + length(args)) FROM celery_taskmeta'\n"
            "    return connection.scalar(sa.text(query))": (
                "rows with a result of 1 characters: expected"
            ),
        },
        right=[
            BYTES,
            BYTES.replace("return ", "return round(").replace("(query))", "(query)))"),
        ],
    ),
    3: Answers(
        wrong={
            **FUNCTION,
            BY_ID.replace("batch):", "len(old) or 1):").replace("+ batch", "+ len(old)"): (
                "rows and batches of 3: a transaction has deleted 7 rows, bu"
            ),
            DELETE.replace("connection.commit()", "pass"): "still finds 7 of 7 old rows",
            DELETE.replace("connect()", "begin()").replace("connection.commit()", "pass"): (
                "rows and batches of 3: a transaction has deleted 7 rows, bu"
            ),
            DELETE.replace("connection.commit()", "connection.commit()\n        break"): (
                "still finds 4 of 7 old rows"
            ),
            DELETE.replace("limit(batch)", "limit(batch + 1)"): (
                "rows and batches of 3: a transaction has deleted 4 rows, bu"
            ),
            DELETE.replace("limit(batch)", "limit(3)"): (
                "rows and batches of 2: a transaction has deleted 3 rows, bu"
            ),
            DELETE.replace("limit(batch)", "limit(1)"): (
                "rows and batches of 3: the rows of each transaction: expect"
            ),
            OFFSET: "still finds 3 of 7 old rows",
            BY_ID.replace("len(old), batch", "len(old) // batch * batch, batch"): (
                "still finds 1 of 7 old rows"
            ),
            DELETE.replace("< before", "<= before"): "lost a row of that very moment",
            DELETE.replace(WHERE, f"({WHERE}) | (table.c.date_done == None)"): (
                "lost a row without a date"
            ),
            DELETE.replace(f"where({WHERE}).", ""): "has lost a row of that very moment",
            DELETE.replace(WHERE, "table.c.date_done < sa.func.datetime('now', '-1 day')"): (
                "lost a row of that very moment"
            ),
            DELETE.replace("return total", ""): (
                "rows and batches of 3: the number of deleted rows: expected"
            ),
            DELETE.replace("return total", "return deleted"): (
                "rows and batches of 3: the number of deleted rows: expected"
            ),
            DELETE.replace("while deleted :=", "while True:\n        deleted =").replace(
                ".rowcount:", ".rowcount"
            ): "still running after",
            DELETE.replace(
                "while deleted",
                "delete_limit = 'DELETE FROM celery_taskmeta LIMIT batch'\n"
                "    connection.execute(sa.text(delete_limit))\n"
                "    while deleted",
            ): "raised OperationalError",
            "with results.begin() as connection:\n"
            "    delete = sa.text('DELETE FROM celery_taskmeta WHERE date_done < :before')\n"
            "    return connection.execute(delete, {'before': str(before)}).rowcount": (
                "rows and batches of 3: a transaction has deleted 7 rows, bu"
            ),
            DELETE.replace("results.connect()", "sa.create_engine(results.url).connect()"): (
                "use this engine"
            ),
        },
        right=[
            DELETE,
            BY_ID,
            # SQLite commits each statement by itself.
            DELETE.replace(
                "results.connect()",
                "results.execution_options(isolation_level='AUTOCOMMIT').connect()",
            ).replace("connection.commit()", "pass"),
        ],
    ),
}
