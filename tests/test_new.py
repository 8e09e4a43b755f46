"""``python -m tutorial new``: the project runs, survives a kill and cleans up by itself."""

import os
import re
import signal
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from packaging.requirements import Requirement
from processes import needs_fork, wait_for

from tutorial.commands.new import TEMPLATE, NewProjectError, create
from tutorial.servers import Server, missing
from tutorial.workspace import COURSE

Run = Callable[..., str]
ADD = "from tasks import add; print([add.delay(2, n).get(timeout=60) for n in range(3)])"
OWNER = "from tasks import app; print(app.AsyncResult('none').state)"
DEADLY = """

app.conf.worker_lost_wait = 0.1


@app.task(max_retries=0)
def deadly() -> None:
    import os

    os.kill(os.getpid(), 9)
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "Größe des Lagers"
    assert create(folder) == "gr_e_des_lagers"
    return folder


def runner(project: Path, **settings: str) -> Run:
    """Return a function that runs a program of the project's, and returns what it prints."""
    environment = {
        k: v for k, v in os.environ.items() if not k.startswith(("CELERY_", "TUTORIAL_"))
    }

    def run(*command: str) -> str:
        done = subprocess.run(
            [sys.executable, *command],
            cwd=project,
            env=environment | settings,
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    run.environment = environment | settings  # type: ignore[attr-defined]
    return run


class RunningWorker:
    """A worker of the project's, as its README starts it."""

    def __init__(self, project: Path, run: Any) -> None:
        command = [sys.executable, "-m", "celery", "-A", "tasks", "worker", "--concurrency=2"]
        self.log = project / "worker.log"
        self.begin = self.log.stat().st_size if self.log.exists() else 0
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [*command, "--loglevel=info"],
                cwd=project,
                env=run.environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def kill(self) -> None:
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def __enter__(self) -> "RunningWorker":
        """Wait until it is ready, as a person does who starts it in a second terminal.

        Two programs that make kombu's tables in a new file at once can end in an error.
        """
        wait_for(lambda: b" ready." in self.log.read_bytes()[self.begin :])
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait(60)


def rows(project: Path) -> list[str]:
    return [str(p.relative_to(project)) for p in sorted(project.rglob("*")) if p.is_file()]


def test_it_writes_all_files_under_the_new_name(project: Path) -> None:
    assert {"database.py", "celeryconfig.py", "tasks.py", "README.md"} <= set(rows(project))
    assert ".gitignore" in rows(project)
    for path in map(project.joinpath, rows(project)):
        text = path.read_text(encoding="utf-8")
        assert "myproject" not in text
        assert "tutorial" not in text, f"{path.name} needs the course"


def test_its_requirements_are_the_versions_of_the_course() -> None:
    asked = tomllib.loads((COURSE / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    course = {r.name: r for r in map(Requirement, asked["dependencies"])}
    lines = (TEMPLATE / "requirements.txt").read_text(encoding="utf-8").splitlines()
    own = [Requirement(line) for line in lines if not line.startswith("#")]
    for requirement in own:
        if requirement.name in ("celery", "sqlalchemy", "pandas"):
            assert requirement.specifier == course[requirement.name].specifier


@pytest.mark.parametrize("name", ["1st", "...", "äö"])
def test_a_folder_that_gives_no_name(name: str, tmp_path: Path) -> None:
    with pytest.raises(NewProjectError, match="begins with a letter"):
        create(tmp_path / name)


def test_a_folder_with_files_keeps_them(tmp_path: Path) -> None:
    (tmp_path / "tasks.py").write_text("mine")
    with pytest.raises(NewProjectError, match="not empty"):
        create(tmp_path)
    assert (tmp_path / "tasks.py").read_text() == "mine"
    assert rows(tmp_path) == ["tasks.py"]


def test_its_own_tests_pass(project: Path) -> None:
    assert "3 passed" in runner(project)("-m", "pytest", "-q", "-p", "no:cacheprovider")


def test_results_are_read_in_the_order_of_their_ids(project: Path) -> None:
    """A server may return rows in any order, and SQLite does so without a primary key."""
    (project / "data").mkdir()
    engine = sa.create_engine(f"sqlite:///{project}/data/results.db")
    columns = "task_id, name, status, args, kwargs, result, worker, date_done"
    with engine.begin() as connection:
        connection.execute(
            sa.text(f"CREATE TABLE celery_taskmeta (id INTEGER NOT NULL, {columns})")
        )
        for number in (3, 1, 2):
            row = f"INSERT INTO celery_taskmeta (id, task_id) VALUES ({number}, 'task-{number}')"
            connection.execute(sa.text(row))
    engine.dispose()
    printed = runner(project)("results.py")
    assert re.findall("task-[0-9]", printed) == ["task-1", "task-2", "task-3"]


def test_a_day_with_files(project: Path) -> None:
    run = runner(project)
    run("-m", "alembic", "upgrade", "head")
    with RunningWorker(project, run) as worker:
        assert run("-c", ADD) == "[2, 3, 4]\n"
        worker.kill()
    with RunningWorker(project, run):
        assert run("-c", ADD) == "[2, 3, 4]\n"
    assert_results_and_retention(
        project, run, sa.create_engine(f"sqlite:///{project}/data/results.db")
    )


@pytest.mark.slow  # test_recovery.py does the same with the course's app
@needs_fork
def test_a_task_that_kills_its_process_fails_in_the_end(project: Path) -> None:
    with (project / "tasks.py").open("a") as tasks:
        tasks.write(DEADLY)
    run = runner(project)
    with RunningWorker(project, run):
        ask = "from tasks import deadly; print(deadly.delay().get(timeout=60, propagate=False))"
        assert "signal 9" in run("-c", ask)


@pytest.fixture(params=["postgresql", "mariadb"])
def server(request: pytest.FixtureRequest) -> Iterator[sa.Engine]:
    """Return an engine of an empty database whose sessions do not keep time in UTC."""
    if reason := missing(request.param) or missing("redis"):
        pytest.skip(reason)
    with Server(request.param) as server:
        engine = sa.create_engine(server.url, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            if request.param == "postgresql":
                name = engine.url.database
                zone = f"ALTER DATABASE {name} SET timezone TO 'America/Los_Angeles'"
                connection.execute(sa.text(zone))
        engine.dispose()
        yield engine
        engine.dispose()


@pytest.mark.slow
def test_a_day_with_servers(project: Path, server: sa.Engine) -> None:
    with Server("redis") as redis:
        url = server.url.render_as_string(hide_password=False)
        run = runner(project, DATABASE_URL=url, BROKER_URL=redis.url)
        run("-m", "alembic", "upgrade", "head")
        assert OWNER in (project / "README.md").read_text(encoding="utf-8")
        assert run("-c", OWNER) == "PENDING\n"
        with RunningWorker(project, run) as worker:
            assert run("-c", ADD) == "[2, 3, 4]\n"
            worker.kill()
        with RunningWorker(project, run) as worker:
            run("-c", "from tasks import add; add.apply_async((1, 1), task_id='i' * 200)")
            wait_for(lambda: b"too long" in worker.log.read_bytes())
            assert run("-c", ADD) == "[2, 3, 4]\n"
            assert b"Retrying" not in worker.log.read_bytes()
        assert_alembic_leaves_celerys_tables_alone(project, run)
        if server.dialect.name == "postgresql":
            assert_roles_are_enough(project, server, redis.url)
        assert_results_and_retention(project, run, server)


def assert_alembic_leaves_celerys_tables_alone(project: Path, run: Run) -> None:
    run("-m", "alembic", "revision", "--autogenerate", "-m", "nothing")
    (written,) = project.glob("migrations/versions/*_nothing.py")
    assert written.read_text().count("    pass\n") == 2
    written.unlink()


def assert_roles_are_enough(project: Path, server: sa.Engine, broker: str) -> None:
    """The worker's role runs tasks, and the analyst's runs the dashboard; neither may do more."""
    roles = statements(project / "sql" / "roles.sql")
    names = re.findall(r"CREATE ROLE (\w+)", "\n".join(roles))
    with server.connect() as connection:
        try:
            for statement in [*roles, *(f"ALTER ROLE {name} PASSWORD 'secret'" for name in names)]:
                connection.execute(sa.text(statement))
            worker, analyst = (server.url.set(username=n, password="secret") for n in names)
            url = worker.render_as_string(hide_password=False)
            run = runner(project, DATABASE_URL=url, BROKER_URL=broker)
            with RunningWorker(project, run):
                assert run("-c", ADD) == "[2, 3, 4]\n"
            assert_dashboard(project, analyst)
        finally:
            for name in names:
                connection.execute(sa.text(f"DROP OWNED BY {name}"))
                connection.execute(sa.text(f"DROP ROLE {name}"))


def assert_dashboard(project: Path, analyst: sa.URL) -> None:
    engine = sa.create_engine(analyst)
    with engine.connect() as connection:
        found = [
            connection.execute(sa.text(query)).all()
            for query in statements(project / "sql" / "dashboard.sql")
        ]
        states, failures, (minutes,), (expired,), (slow,), (future,), (ids,) = found
        assert states == [("SUCCESS", 9)]
        assert failures == []
        assert 0 <= minutes[0] < 60, "not eight hours, in whichever zone the server is"
        assert expired == slow == future == (0,)
        assert 0 <= ids[0] < 1
        with pytest.raises(sa.exc.ProgrammingError, match="permission denied"):
            connection.execute(sa.text("DELETE FROM celery_taskmeta"))
    engine.dispose()


def statements(file: Path) -> list[str]:
    """Return the statements of a file of SQL, without comments and what only psql understands."""
    text = re.sub(r"(?m)(^\\.*|--.*)$", "", file.read_text(encoding="utf-8"))
    return [statement.strip() for statement in text.split(";") if statement.strip()]


STORED_AGAIN = """
import retention, sqlalchemy as sa
from database import engine

def rows(before, old_rows=retention.old_rows):
    for batch in old_rows(before):
        with engine.begin() as connection:
            again = "UPDATE celery_taskmeta SET date_done = '2999-01-01 00:00:00' WHERE id = 1"
            connection.execute(sa.text(again))
        yield batch

retention.old_rows = rows
print(retention.archive())
"""


def assert_results_and_retention(project: Path, run: Run, engine: sa.Engine) -> None:
    assert run("results.py").count("[2, 2]     {}       4") >= 2
    group = "INSERT INTO celery_tasksetmeta (id, taskset_id, date_done) VALUES ({}, '{}', '{}')"
    with engine.begin() as connection:
        total = connection.scalar(sa.text("SELECT count(*) FROM celery_taskmeta"))
        old = sa.text("UPDATE celery_taskmeta SET date_done = '2020-01-02 03:04:05' WHERE id <= 3")
        connection.execute(old)
        for number, (name, year) in enumerate([("old", 2020), ("new", 2999)], start=1):
            date = f"{year}-01-02 03\\:04\\:05"
            connection.execute(sa.text(group.format(number, name, date)))
    assert run("-c", STORED_AGAIN) == "3\n"
    assert run("retention.py") == "0 results archived and deleted\n"
    (archive,) = project.glob("archive/*.jsonl")
    assert len(archive.read_text().splitlines()) == 3
    with engine.connect() as connection:
        assert connection.scalar(sa.text("SELECT count(*) FROM celery_taskmeta")) == total - 2
        names = connection.scalars(sa.text("SELECT taskset_id FROM celery_tasksetmeta")).all()
        assert names == ["new"]
    engine.dispose()


RETRIES = """
from celery.signals import celeryd_init
from tasks import app
print(app.backend.max_retries)
celeryd_init.send(sender="worker", instance=None, conf=app.conf, options={})
app._local.__dict__.clear()
print(app.backend.max_retries)
"""


def test_a_worker_outlasts_a_failover_and_a_client_does_not_wait(project: Path) -> None:
    client, worker = map(float, runner(project)("-c", RETRIES).split())
    assert client <= 3
    assert worker == 60


def test_a_silent_redis_is_given_up(project: Path) -> None:
    code = "from tasks import app; print(app.conf.broker_transport_options['socket_timeout'])"
    assert runner(project, BROKER_URL="redis://127.0.0.1:1/0")("-c", code) == "10\n"
