"""Ways to spoil a stored table, and what an inspection must then find besides the usual."""

import json
import pickle
import stat
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import sqlalchemy as sa

SERVERS = ("postgresql", "mariadb")
ALL = ("sqlite", *SERVERS)
ROW = "task_id = 'value-none'"  # a row that nothing else refers to


class Payload:
    def __reduce__(self) -> Any:
        return print, ("This must never run.",)


@dataclass(frozen=True)
class Spoil:
    """A fault.

    Attributes
    ----------
    spoil : callable
        It is given an engine, and changes the table.
    finds : set of str
        What must be found besides the usual.
    hides : set of str
        What of the usual is then not found.
    kinds, versions : sequence of str
        On which databases, and in the tables of which versions; all, if there are none.
    """

    spoil: Callable[[sa.Engine], None]
    finds: set[str]
    hides: set[str] = field(default_factory=set)
    kinds: tuple[str, ...] = ALL
    versions: tuple[str, ...] = ()


def kind_of(engine: sa.Engine) -> str:
    return {"mysql": "mariadb"}.get(engine.dialect.name, engine.dialect.name)


def run(engine: sa.Engine, *statements: str, **values: Any) -> None:
    with engine.begin() as connection:
        for statement in statements:
            connection.execute(sa.text(statement), values)


def sql(*statements: str) -> Callable[[sa.Engine], None]:
    return lambda engine: run(engine, *statements)


def each(**statements: str) -> Callable[[sa.Engine], None]:
    """Run another statement on each database."""
    return lambda engine: run(engine, statements[kind_of(engine)])


def put(where: str = ROW, **values: Any) -> Callable[[sa.Engine], None]:
    """Put values into the columns of some rows."""
    sets = ", ".join(f"{name} = :{name}" for name in values)
    return lambda engine: run(engine, f"UPDATE celery_taskmeta SET {sets} WHERE {where}", **values)


def fails_with(name: str) -> Callable[[sa.Engine], None]:
    error = {"exc_type": name, "exc_message": ["x"], "exc_module": "celery.exceptions"}
    return put(status="FAILURE", result=json.dumps(error).encode())


def shift(
    engine: sa.Engine, seconds: int, where: str = "id > 0", table: str = "celery_taskmeta"
) -> None:
    """Move the dates of some rows."""
    later = {
        "sqlite": f"strftime('%Y-%m-%d %H:%M:%f', date_done, '{seconds} seconds') || '000'",
        "postgresql": f"date_done + interval '{seconds} seconds'",
        "mariadb": f"date_done + INTERVAL {seconds} SECOND",
    }[kind_of(engine)]
    run(engine, f"UPDATE {table} SET date_done = {later} WHERE {where}")


def moved(
    seconds: int, where: str = "id > 0", table: str = "celery_taskmeta"
) -> Callable[[sa.Engine], None]:
    return lambda engine: shift(engine, seconds, where, table)


def both(*spoils: Callable[[sa.Engine], None]) -> Callable[[sa.Engine], None]:
    def spoil(engine: sa.Engine) -> None:
        for each in spoils:
            each(engine)

    return spoil


def without_unique(engine: sa.Engine) -> None:
    """Drop what keeps task_id unique."""
    if kind_of(engine) == "postgresql":
        run(engine, "ALTER TABLE celery_taskmeta DROP CONSTRAINT celery_taskmeta_task_id_key")
    elif kind_of(engine) == "mariadb":
        run(engine, "ALTER TABLE celery_taskmeta DROP INDEX task_id")
    else:
        with engine.begin() as connection:
            query = "SELECT sql FROM sqlite_master WHERE tbl_name = 'celery_taskmeta' AND sql <> ''"
            table, *indexes = connection.exec_driver_sql(query).scalars()
            for statement in (
                "CREATE TABLE kept AS SELECT * FROM celery_taskmeta",
                "DROP TABLE celery_taskmeta",
                "".join(table.split(", \n\tUNIQUE (task_id)")),
                "INSERT INTO celery_taskmeta SELECT * FROM kept",
                "DROP TABLE kept",
                *indexes,
            ):
                connection.exec_driver_sql(statement)


def copied(engine: sa.Engine) -> None:
    """Replace the table by a copy, which has no keys."""
    run(
        engine,
        "CREATE TABLE kept AS SELECT * FROM celery_taskmeta",
        "DROP TABLE celery_taskmeta",
        "ALTER TABLE kept RENAME TO celery_taskmeta",
    )


def unreadable_date(engine: sa.Engine) -> None:
    with engine.begin() as connection:
        date = {"sqlite": "yesterday", "postgresql": "infinity", "mariadb": "0000-00-00"}
        lax = "SET STATEMENT sql_mode = '' FOR " if kind_of(engine) == "mariadb" else ""
        value = date[kind_of(engine)]
        update = f"{lax}UPDATE celery_taskmeta SET date_done = '{value}' WHERE {ROW}"
        connection.exec_driver_sql(update)


def drop_index(engine: sa.Engine) -> None:
    on_table = " ON celery_taskmeta" if kind_of(engine) == "mariadb" else ""
    run(engine, f"DROP INDEX ix_celery_taskmeta_date_done{on_table}")


def writable_file(engine: sa.Engine) -> None:
    file = Path(engine.url.database or "")
    file.chmod(file.stat().st_mode | stat.S_IWOTH)


def large_wal(engine: sa.Engine) -> None:
    with Path(f"{engine.url.database}-wal").open("wb") as file:
        file.truncate(200_000_000)  # without taking room


def fill_and_empty(engine: sa.Engine) -> None:
    run(
        engine,
        "CREATE TABLE filler AS SELECT randomblob(3000000) AS x",
        "DROP TABLE filler",
    )


def queued(engine: sa.Engine) -> None:
    """Send a task that no worker receives, beside the results."""
    from kombu import Connection

    path = Path(engine.url.database or "").with_name("queue.db")
    with Connection(f"sqla+sqlite:///{path}") as connection:
        connection.SimpleQueue("celery").put({"x": 1})


DROPS = "CREATE TRIGGER drops BEFORE INSERT ON celery_taskmeta FOR EACH ROW"
SPOILING_TRIGGERS = {
    "sqlite": [f"{DROPS} BEGIN SELECT RAISE(IGNORE); END"],
    "postgresql": [
        "CREATE FUNCTION drops() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'",
        f"{DROPS} EXECUTE FUNCTION drops()",
    ],
    "mariadb": [f"{DROPS} SET NEW.result = NULL"],
}


def triggered(engine: sa.Engine) -> None:
    run(engine, *SPOILING_TRIGGERS[kind_of(engine)])


BEFORE = 3 * 86_400  # seconds
NEWER = ("5.6.3", "5.7.0")
CAPITALS = ("id", "task_id", "status", "date_done", "retries")
DETAILS = dict.fromkeys(("name", "args", "kwargs", "worker", "queue"))

SPOILS = {
    # Values
    "a pickle that calls": Spoil(put(result=pickle.dumps(Payload())), {"dangerous-pickles"}),
    "a plain pickle": Spoil(put(result=pickle.dumps(5)), {"pickles"}, versions=("5.7.0",)),
    "half a JSON value": Spoil(put(result=b'{"a": [1, 2'), {"cut-values"}),
    "half a pickle": Spoil(put(result=pickle.dumps(["a"] * 9)[:-3]), {"cut-values"}),
    "a value that MariaDB cut": Spoil(
        put(result=b'"' + b"a" * 65_534), {"cut-values"}, kinds=("mariadb",)
    ),
    "another serializer": Spoil(put(result=b"\x82\xa1a\x01\xa1b\x02"), {"unreadable-values"}),
    "arguments that are none": Spoil(put(kwargs=b"!"), {"unreadable-values"}),
    "a large result": Spoil(
        put(result=b'"' + b"a" * 2_000_000 + b'"'), {"large-results"}, kinds=ALL[:2]
    ),
    "a name of 155 letters": Spoil(put(name="x" * 155), {"names-at-the-limit"}, kinds=SERVERS),
    "no details": Spoil(put("id > 0", **DETAILS), {"no-details"}),
    # States
    "a task that never ended": Spoil(
        both(put(status="STARTED"), moved(-BEFORE, ROW)), {"stuck-tasks", "expired-rows"}
    ),
    "a retry that never came": Spoil(
        both(put(status="RETRY"), moved(-BEFORE, ROW)), {"stuck-tasks", "expired-rows"}
    ),
    "progress that never ended": Spoil(
        both(put(status="PROGRESS"), moved(-BEFORE, ROW)), {"stuck-tasks", "expired-rows"}
    ),
    "a task without a date that never ended": Spoil(
        both(moved(-BEFORE), put(status="STARTED", date_done=None)),
        {"stuck-tasks", "never-deleted", "expired-rows"},
    ),
    "no state": Spoil(put(status=None), {"no-state"}),
    "an empty state": Spoil(put(status=""), {"no-state"}),
    "no task id": Spoil(put(task_id=None), {"no-task-id"}),
    "a task that fails": Spoil(
        put("name = 'shop.value'", status="FAILURE"), {"failing-task", "nameless-failures"}
    ),
    "a failure without an exception": Spoil(
        put(status="FAILURE", result=b'"boom"'), {"nameless-failures"}
    ),
    "a state in small letters": Spoil(put(status="success"), {"misspelt-states"}),
    "a killed process": Spoil(fails_with("WorkerLostError"), {"lost-processes"}),
    "a hard time limit": Spoil(fails_with("TimeLimitExceeded"), {"time-limits"}),
    "a soft time limit": Spoil(fails_with("SoftTimeLimitExceeded"), {"time-limits"}),
    "a result that is no JSON": Spoil(fails_with("EncodeError"), {"unserializable-results"}),
    "a result that was not stored": Spoil(fails_with("BackendStoreError"), {"unstored-results"}),
    "a task that nobody knows": Spoil(fails_with("NotRegistered"), {"unknown-tasks"}),
    "many retries": Spoil(put(retries=50), {"many-retries"}),
    # Dates
    "an old row": Spoil(moved(-BEFORE, ROW), {"expired-rows"}),
    "a row without a date": Spoil(put(date_done=None), {"never-deleted"}),
    "a date in the future": Spoil(moved(7200, ROW), {"future-dates"}),
    "two zones": Spoil(moved(-18_000, "id > 20"), {"mixed-zones"}),
    "an hour that comes twice": Spoil(moved(-3600, "id > 20"), {"mixed-zones"}),
    "a date that is none": Spoil(unreadable_date, {"unreadable-dates"}),
    # The table
    "no traceback": Spoil(
        sql("ALTER TABLE celery_taskmeta DROP COLUMN traceback"), {"missing-columns"}
    ),
    "no children and stamps": Spoil(
        sql(
            "ALTER TABLE celery_taskmeta DROP COLUMN children",
            "ALTER TABLE celery_taskmeta DROP COLUMN stamps",
        ),
        {"older-columns"},
        versions=("5.7.0",),
    ),
    "text for bytes": Spoil(
        each(
            postgresql="ALTER TABLE celery_taskmeta ALTER kwargs TYPE text "
            "USING convert_from(kwargs, 'UTF8')",
            mariadb="ALTER TABLE celery_taskmeta MODIFY kwargs LONGTEXT",
        ),
        {"column-types"},
        kinds=SERVERS,
        versions=("5.7.0",),
    ),
    "times with a zone": Spoil(
        each(
            postgresql="ALTER TABLE celery_taskmeta ALTER date_done TYPE timestamptz",
            mariadb="ALTER TABLE celery_taskmeta MODIFY date_done TIMESTAMP NULL",
        ),
        {"column-types"},
        kinds=SERVERS,
    ),
    "no index on dates": Spoil(drop_index, {"no-date-index"}, versions=NEWER),
    "an index that was not finished": Spoil(
        sql(
            "UPDATE pg_index SET indisvalid = false "
            "WHERE indexrelid = 'ix_celery_taskmeta_date_done'::regclass"
        ),
        {"invalid-index", "no-date-index"},
        kinds=("postgresql",),
        versions=NEWER,
    ),
    "an index on some dates": Spoil(
        both(
            drop_index,
            sql("CREATE INDEX p ON celery_taskmeta (date_done) WHERE status = 'FAILURE'"),
        ),
        {"no-date-index"},
        kinds=ALL[:2],
        versions=NEWER,
    ),
    "an index on an expression before the date": Spoil(
        both(drop_index, sql("CREATE INDEX p ON celery_taskmeta (lower(status), date_done)")),
        {"no-date-index"},
        kinds=ALL[:2],
        versions=NEWER,
    ),
    "an index that has no order": Spoil(
        both(drop_index, sql("CREATE INDEX p ON celery_taskmeta USING hash (date_done)")),
        {"no-date-index"},
        kinds=("postgresql",),
        versions=NEWER,
    ),
    "a unique index with one more column": Spoil(
        both(
            without_unique,
            sql("CREATE UNIQUE INDEX u ON celery_taskmeta (task_id) INCLUDE (status)"),
        ),
        set(),
        kinds=("postgresql",),
    ),
    "one more column": Spoil(sql("ALTER TABLE celery_taskmeta ADD note varchar(9)"), set()),
    "a column that must not be empty": Spoil(
        sql(
            "ALTER TABLE celery_taskmeta ADD tenant integer NOT NULL DEFAULT 0",
            "ALTER TABLE celery_taskmeta ALTER COLUMN tenant DROP DEFAULT",
        ),
        {"required-columns"},
        kinds=SERVERS,
    ),
    "a traceback that must not be empty": Spoil(
        sql(
            "ALTER TABLE celery_taskmeta ALTER traceback TYPE text USING coalesce(traceback, '')",
            "ALTER TABLE celery_taskmeta ALTER traceback SET NOT NULL",
        ),
        {"required-columns"},
        kinds=("postgresql",),
    ),
    "ids as uuids": Spoil(
        sql(
            "UPDATE celery_taskmeta SET task_id = gen_random_uuid()::text",
            "DELETE FROM celery_tasksetmeta",
            "UPDATE celery_taskmeta SET children = NULL",
            "ALTER TABLE celery_taskmeta ALTER task_id TYPE uuid USING task_id::uuid",
        ),
        {"column-types"},
        kinds=("postgresql",),
        versions=("5.7.0",),
    ),
    "short states": Spoil(
        sql("ALTER TABLE celery_taskmeta ALTER status TYPE varchar(9)"),
        {"column-types"},
        kinds=("postgresql",),
    ),
    "retries as text": Spoil(
        each(
            postgresql="ALTER TABLE celery_taskmeta ALTER retries TYPE text",
            mariadb="ALTER TABLE celery_taskmeta MODIFY retries varchar(9)",
        ),
        {"column-types"},
        kinds=SERVERS,
    ),
    "nothing unique": Spoil(without_unique, {"no-unique-index"}),
    "an id twice": Spoil(
        both(without_unique, put(task_id="moment")), {"no-unique-index", "repeated-task-ids"}
    ),
    "a copy without keys": Spoil(
        copied,
        {"no-primary-key", "no-unique-index", "no-date-index"},
        kinds=SERVERS,
        versions=("5.2.7", "5.4.0", *NEWER),  # before, on MariaDB the id was AUTO_INCREMENT
    ),
    "a sequence that starts again": Spoil(
        each(
            postgresql="ALTER SEQUENCE task_id_sequence RESTART",
            mariadb="ALTER SEQUENCE task_id_sequence RESTART",
        ),
        {"sequence-behind"},
        kinds=SERVERS,
        versions=("5.2.7", "5.4.0", *NEWER),
    ),
    "a table without its sequence": Spoil(
        sql("DROP SEQUENCE task_id_sequence"), {"sequence-behind"}, kinds=("postgresql",)
    ),
    "a sequence that ends": Spoil(
        sql("ALTER SEQUENCE task_id_sequence MAXVALUE 100000"),
        {"sequence-ends"},
        kinds=SERVERS,
        versions=("5.2.7", "5.4.0", *NEWER),
    ),
    "a sequence that ends soon": Spoil(
        sql("ALTER SEQUENCE task_id_sequence MAXVALUE 50"),
        {"sequence-ends", "ids-run-out"},
        kinds=("postgresql",),
    ),
    "a sequence that begins again": Spoil(
        sql("ALTER SEQUENCE task_id_sequence CYCLE"),
        {"sequence-cycles"},
        kinds=SERVERS,
        versions=("5.2.7", "5.4.0", *NEWER),
    ),
    "few ids left": Spoil(
        both(
            put(id=2_000_000_000),
            each(
                postgresql="SELECT setval('task_id_sequence', 2000000000)",
                mariadb="SELECT 1",
            ),
        ),
        {"ids-run-out"},
        kinds=("postgresql",),
    ),
    "columns in capitals": Spoil(
        sql(*(f"ALTER TABLE celery_taskmeta RENAME COLUMN {n} TO {n.upper()}" for n in CAPITALS)),
        set(),
        kinds=("sqlite", "mariadb"),
    ),
    "columns in quoted capitals": Spoil(
        sql(*(f'ALTER TABLE celery_taskmeta RENAME {n} TO "{n.upper()}"' for n in CAPITALS)),
        {"capital-names"},
        kinds=("postgresql",),
    ),
    "a trigger that drops rows": Spoil(triggered, {"triggers"}),
    "a rule that drops rows": Spoil(
        sql("CREATE RULE drops AS ON INSERT TO celery_taskmeta DO INSTEAD NOTHING"),
        {"triggers"},
        kinds=("postgresql",),
    ),
    "an unlogged table": Spoil(
        sql("ALTER TABLE celery_taskmeta SET UNLOGGED"),
        {"unlogged-table"},
        kinds=("postgresql",),
    ),
    "a table for everybody": Spoil(
        sql("GRANT INSERT ON celery_taskmeta TO PUBLIC"),
        {"anyone-may-write"},
        kinds=("postgresql",),
    ),
    "a file for everybody": Spoil(writable_file, {"anyone-may-write"}, kinds=("sqlite",)),
    "no vacuum": Spoil(
        sql("ALTER TABLE celery_taskmeta SET (autovacuum_enabled = off)"),
        {"autovacuum-off"},
        kinds=("postgresql",),
    ),
    "half of Unicode": Spoil(
        sql("ALTER TABLE celery_taskmeta MODIFY worker varchar(155) CHARACTER SET utf8mb3"),
        {"no-emoji"},
        kinds=("mariadb",),
    ),
    "a quarter of Unicode": Spoil(
        sql("ALTER TABLE celery_taskmeta MODIFY traceback text CHARACTER SET latin1"),
        {"no-emoji"},
        kinds=("mariadb",),
    ),
    "an engine without transactions": Spoil(
        sql("ALTER TABLE celery_taskmeta ENGINE = MyISAM"),
        {"no-transactions"},
        kinds=("mariadb",),
    ),
    "a column for large results": Spoil(
        sql("ALTER TABLE celery_taskmeta MODIFY result LONGBLOB"),
        set(),
        {"small-columns"},
        kinds=("mariadb",),
    ),
    "an empty file": Spoil(fill_and_empty, {"free-pages"}, kinds=("sqlite",)),
    "a journal that grows": Spoil(
        large_wal, {"large-wal"}, {"rollback-journal"}, kinds=("sqlite",)
    ),
    "the WAL mode": Spoil(
        lambda engine: _wal(engine), set(), {"rollback-journal"}, kinds=("sqlite",)
    ),
    # What belongs to it
    "a group that is none": Spoil(
        sql("UPDATE celery_tasksetmeta SET result = 'x'"), {"unreadable-groups"}
    ),
    "an old group": Spoil(moved(-BEFORE, table="celery_tasksetmeta"), {"expired-groups"}),
    "a group without a date": Spoil(
        sql("UPDATE celery_tasksetmeta SET date_done = NULL"), {"never-deleted-groups"}
    ),
    "a group without a member": Spoil(
        sql("DELETE FROM celery_taskmeta WHERE task_id = 'member-2'"), {"incomplete-groups"}
    ),
    "a chain without its end": Spoil(
        sql("DELETE FROM celery_taskmeta WHERE task_id = 'second'"),
        {"missing-children"},
        versions=("5.7.0",),
    ),
    "a task in the queue": Spoil(queued, {"waiting-messages"}, kinds=("sqlite",)),
}


def _wal(engine: sa.Engine) -> None:
    with engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA journal_mode = WAL")
