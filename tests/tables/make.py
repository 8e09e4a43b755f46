"""Make the tables of older versions, with the real packages.

    python tests/tables/make.py                 all of them: a quarter of an hour
    python tests/tables/make.py 4.4.7 5.6.3     those of some versions

It needs uv, Python 3.8 to 3.13, ``pg_dump`` and ``mariadb-dump``, and a PostgreSQL and a MariaDB
server that ``TUTORIAL_POSTGRESQL_URL`` and ``TUTORIAL_MARIADB_URL`` name. Each version works in an
environment of its own; `shop.py` sends the tasks and runs a worker. The rows are as Celery left
them, so that each making has other times and process numbers. Only the comments of a dump and the
folder of Python in the tracebacks are changed, and a SQLite file is packed into smaller pages.
"""

import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from pathlib import Path

import sqlalchemy as sa

HERE = Path(__file__).parent
# The same for everybody: the tracebacks in the tables name it.
FOLDER = Path(tempfile.gettempdir()) / "celery-tables"
PREFIX = "/usr"  # in place of where Python lies
DATABASE = "celery_tables"  # made on the servers, and dropped

# Celery: the Python and the other packages of its time.
VERSIONS = {
    "4.4.7": ("3.8", "kombu==4.6.11 sqlalchemy==1.3.24 psycopg2-binary==2.9.9 pymysql==1.0.3"),
    "5.2.7": ("3.9", "kombu==5.2.4 sqlalchemy==1.4.54 psycopg2-binary==2.9.9 pymysql==1.1.1"),
    "5.3.6": ("3.10", "kombu==5.3.7 sqlalchemy==2.0.36 psycopg2-binary==2.9.9 pymysql==1.1.1"),
    "5.4.0": ("3.11", "kombu==5.4.2 sqlalchemy==2.0.36 psycopg2-binary==2.9.9 pymysql==1.1.1"),
    "5.5.3": ("3.12", "kombu==5.5.4 sqlalchemy==2.0.41 psycopg2-binary==2.9.10 pymysql==1.1.1"),
    "5.6.3": ("3.13", "kombu==5.6.2 sqlalchemy==2.0.46 psycopg2-binary==2.9.11 pymysql==1.1.2"),
    "5.7.0": ("3.13", "kombu==5.7.0 sqlalchemy==2.1.9 psycopg2-binary==2.9.11 pymysql==1.1.2"),
}
EXTENDED = {"result_extended": True}
NEW_YORK = {"timezone": "America/New_York"}
# django-celery-results: the Python, and Celery and Django of its time.
DJANGO_VERSIONS = {
    "2.4.0": ("3.9", "celery==5.2.7 kombu==5.2.4 django==3.2.25"),
    "2.6.0": ("3.13", "celery==5.6.3 kombu==5.6.2 django==6.1.3 psycopg2-binary==2.9.11"),
}
# A name: Celery's settings, which tasks, and on which databases.
TABLES = {
    "json": (EXTENDED, "all", "sqlite postgresql mariadb"),
    "pickle": ({**EXTENDED, "result_serializer": "pickle"}, "all", "sqlite"),
    "yaml": ({**EXTENDED, "result_serializer": "yaml"}, "all", "sqlite"),
    "msgpack": ({**EXTENDED, "result_serializer": "msgpack"}, "all", "sqlite"),
    "plain": ({}, "times", "sqlite postgresql mariadb"),
    "zone": (NEW_YORK, "times", "sqlite postgresql mariadb"),
    "zone-no-utc": ({**NEW_YORK, "enable_utc": False}, "times", "sqlite postgresql mariadb"),
    "machine-no-utc": ({"enable_utc": False}, "times", "sqlite postgresql mariadb"),
    "session": ({}, "times", "postgresql"),
    "session-zone": (NEW_YORK, "times", "postgresql"),
}


def main(versions):
    """Make the tables of some versions, or of all."""
    FOLDER.mkdir(exist_ok=True)
    for name in ("shop.py", "django_tables.py"):
        shutil.copy(HERE / name, FOLDER)
    for version in [version for version in VERSIONS if not versions or version in versions]:
        python = environment(f"celery=={version}", *VERSIONS[version])
        (HERE / version).mkdir(exist_ok=True)
        for name, (settings, tasks, kinds) in TABLES.items():
            for kind in kinds.split():
                print(version, name, kind, flush=True)
                MAKERS[kind](python, name, settings, tasks, HERE / version)
    if not versions or "django" in versions:
        make_django()


def environment(package, number, others):
    """Return the Python of an environment with a package, installed if need be."""
    folder = FOLDER / package.replace("==", "-")
    python = folder / "bin" / "python"
    if not python.exists():
        run("uv", "venv", "--quiet", "--python", number, folder)
        packages = [package, *others.split(), "pyyaml", "msgpack", "tzdata"]
        run("uv", "pip", "install", "--quiet", "--python", python, *packages)
    return python


def store(python, backend, name, settings, tasks):
    """Let a worker of a version store its results."""
    zone = "America/New_York" if name.startswith("machine") else "UTC"
    code = "import shop; shop.main()"
    if backend == "django-db":
        code = f"import django_tables; {code}"
    environ = {**os.environ, "TZ": zone, "C_FORCE_ROOT": "1", "PYTHONPATH": str(FOLDER)}
    for variable in ("CELERY_BROKER_URL", "CELERY_RESULT_BACKEND"):
        environ.pop(variable, None)
    command = [python, "-W", "ignore", "-c", code, backend, json.dumps(settings), tasks]
    with (FOLDER / "log").open("w") as log:
        run(*command, cwd=FOLDER, env=environ, stdout=log, stderr=log, timeout=300)


def make_sqlite(python, name, settings, tasks, folder, backend="db+sqlite:///results.db"):
    """Make a SQLite file."""
    (FOLDER / "results.db").unlink(missing_ok=True)
    store(python, backend, name, settings, tasks)
    connection = sqlite3.connect(FOLDER / "results.db")
    table = "celery_taskmeta" if backend != "django-db" else "django_celery_results_taskresult"
    hide = f"UPDATE {table} SET traceback = replace(traceback, ?, ?)"
    connection.execute(hide, (prefix(python), PREFIX))
    connection.commit()
    connection.execute("PRAGMA page_size = 1024")
    connection.execute("VACUUM")
    connection.close()
    (FOLDER / "results.db").replace(folder / f"{name}.db")


def make_django():
    """Make SQLite files of django-celery-results."""
    for version, (number, others) in DJANGO_VERSIONS.items():
        python = environment(f"django-celery-results=={version}", number, others)
        folder = HERE / f"django-celery-results-{version}"
        folder.mkdir(exist_ok=True)
        for name in ("json", "pickle"):
            print(folder.name, name, flush=True)
            settings, tasks, _kinds = TABLES[name]
            make_sqlite(python, name, settings, tasks, folder, "django-db")


def make_postgresql(python, name, settings, tasks, folder):
    """Make a dump of PostgreSQL."""
    url = sa.make_url(os.environ["TUTORIAL_POSTGRESQL_URL"])
    server = sa.create_engine(url, isolation_level="AUTOCOMMIT")
    with server.connect() as connection:
        connection.execute(sa.text(f"DROP DATABASE IF EXISTS {DATABASE}"))
        connection.execute(sa.text(f"CREATE DATABASE {DATABASE}"))
        zone = "America/New_York" if name.startswith("session") else "UTC"
        connection.execute(sa.text(f"ALTER DATABASE {DATABASE} SET timezone = '{zone}'"))
        url = url.set(drivername="postgresql", database=DATABASE)
        plain = url.render_as_string(hide_password=False)
        backend = url.set(drivername="db+postgresql+psycopg2")
        store(python, backend.render_as_string(hide_password=False), name, settings, tasks)
        dump = run("pg_dump", "--inserts", "--no-owner", plain, capture_output=True, text=True)
        connection.execute(sa.text(f"DROP DATABASE {DATABASE}"))
    kept = [line for line in dump.stdout.splitlines() if not line.startswith(("--", "\\"))]
    text = re.sub(r"\n{2,}", "\n", "\n".join(kept)).strip().replace(prefix(python), PREFIX)
    (folder / f"{name}.postgresql.sql").write_text(text + "\n")


def make_mariadb(python, name, settings, tasks, folder):
    """Make a dump of MariaDB."""
    url = sa.make_url(os.environ["TUTORIAL_MARIADB_URL"])
    server = sa.create_engine(url)
    with server.connect() as connection:
        connection.execute(sa.text(f"CREATE OR REPLACE DATABASE {DATABASE} CHARSET utf8mb4"))
        url = url.set(drivername="mysql+pymysql", database=DATABASE)
        store(python, f"db+{url.render_as_string(hide_password=False)}", name, settings, tasks)
        where = [f"--host={url.host}", f"--port={url.port}", f"--user={url.username}"]
        options = ["--compact", "--hex-blob", "--skip-extended-insert", "--single-transaction"]
        environ = {**os.environ, "MYSQL_PWD": url.password or ""}
        command = ["mariadb-dump", *where, *options, DATABASE]
        dump = run(*command, env=environ, capture_output=True, text=True)
        connection.execute(sa.text(f"DROP DATABASE {DATABASE}"))
    (folder / f"{name}.mariadb.sql").write_text(dump.stdout.replace(prefix(python), PREFIX))


def prefix(python):
    """Return where Python lies on this machine."""
    command = "import sys; print(sys.base_prefix)"
    return run(python, "-c", command, capture_output=True, text=True).stdout.strip()


def run(*command, **options):
    """Run a program, which must succeed."""
    return subprocess.run([str(word) for word in command], check=True, **options)


MAKERS = {"sqlite": make_sqlite, "postgresql": make_postgresql, "mariadb": make_mariadb}

if __name__ == "__main__":
    main(sys.argv[1:])
