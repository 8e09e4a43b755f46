"""Read a large table at full speed: with ADBC, which makes no Python objects.

A thread fetches from PostgreSQL while this one decodes. For SQLite that is not enough.

ADBC has a copy of SQLite of its own. Two copies must never open the same file in one process: when
one of them closes it, the system drops the locks that the other one holds, and the file can be
damaged (https://www.sqlite.org/howtocorrupt.html, section 2.2.1). So this module runs ADBC in a
process of its own, and reads Arrow's stream from it. That process works while this one decodes.
"""

import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path

import pyarrow as pa

ROWS = "20000"  # in a batch


def available(database: str = "sqlite") -> bool:
    """Return whether ADBC's driver for a database is installed.

    Parameters
    ----------
    database : {"sqlite", "postgresql"}

    Returns
    -------
    bool
    """
    return find_spec(f"adbc_driver_{database}") is not None


def read(path: Path, query: str) -> Iterator[pa.RecordBatch]:
    """Run a query on a SQLite file.

    Parameters
    ----------
    path : pathlib.Path
        The file; it is opened for reading only.
    query : str
        ADBC takes the type of a column from the first rows, so these should hold no NULL.

    Yields
    ------
    pyarrow.RecordBatch

    Raises
    ------
    OSError
        If the file cannot be read.
    """
    command = [sys.executable, __file__, f"{path.resolve().as_uri()}?mode=ro", query]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        try:
            with pa.ipc.open_stream(process.stdout) as batches:
                yield from batches
            complete = process.wait() == 0
        except pa.ArrowInvalid:
            complete = False
        finally:
            process.kill()  # it has ended, unless the caller wants no more
        if not complete:
            cause = process.stderr.read().decode(errors="replace").strip() if process.stderr else ""
            raise OSError(f"The file {path} cannot be read with ADBC: {cause}.")


def read_postgresql(
    conninfo: str, query: str, same: str, expected: str
) -> Iterator[pa.RecordBatch]:
    """Run a query on a PostgreSQL server, over a connection of its own.

    Parameters
    ----------
    conninfo : str
        How libpq connects.
    query : str
    same, expected : str
        A query for one text, and this text: the connection must have the same user and database.

    Yields
    ------
    pyarrow.RecordBatch

    Raises
    ------
    OSError
        If the server cannot be read in this way.
    """
    from adbc_driver_postgresql import dbapi

    try:
        with dbapi.connect(conninfo) as connection, connection.cursor() as cursor:
            cursor.execute(same)
            if cursor.fetchone() != (expected,):
                raise OSError("The connection does not see the same table.")
            cursor.execute(query)
            batches = cursor.fetch_record_batch()
            with ThreadPoolExecutor(1) as thread:
                coming = thread.submit(next, batches, None)
                while batch := coming.result():
                    coming = thread.submit(next, batches, None)
                    yield batch
    except dbapi.Error as error:
        raise OSError("The table cannot be read with ADBC.") from error


def main(uri: str, query: str) -> None:
    """Write the result of a query to standard output."""
    from adbc_driver_sqlite import dbapi

    with dbapi.connect(uri) as connection, connection.cursor() as cursor:
        cursor.adbc_statement.set_options(**{"adbc.sqlite.query.batch_rows": ROWS})
        cursor.execute(query)
        batches = cursor.fetch_record_batch()
        with pa.ipc.new_stream(sys.stdout.buffer, batches.schema) as stream:
            for batch in batches:
                stream.write_batch(batch)


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except Exception as error:
        sys.exit(str(error).partition("\n")[0])  # the one line that the caller reports
