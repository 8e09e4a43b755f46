"""An inspection with few rights, of views and archives, of servers that are silent, and shown."""

import datetime as dt
import json
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any
from uuid import uuid4

import nbformat
import pytest
import sqlalchemy as sa
from old_tables import old_table
from processes import LONG, PATIENCE, few, needs_fork, wait_for
from spoils import SPOILS, put, run
from test_inspection import checks, fresh_table, usual

from tutorial import tasks
from tutorial.broker import queue_engine
from tutorial.commands.chapters import NOTEBOOKS
from tutorial.commands.environment import DISTURBING
from tutorial.commands.main import main
from tutorial.database import make_engine, sqlite_url
from tutorial.inspecting import watch
from tutorial.inspecting.findings import CHECKS
from tutorial.inspection import Report, inspect
from tutorial.worker import Worker
from tutorial.workspace import COURSE

NEVER = dt.timedelta(days=36_500)


@contextmanager
def role(engine: sa.Engine, *grants: str) -> Iterator[sa.Engine]:
    """Yield an engine of a new role with some rights, on PostgreSQL."""
    name = f"reader_{uuid4().hex[:12]}"
    run(engine, f"CREATE ROLE {name}", *(f"GRANT {grant} TO {name}" for grant in grants))
    reader = make_engine(engine.url.update_query_dict({"options": f"-crole={name}"}))
    try:
        yield reader
    finally:
        reader.dispose()
        run(engine, f"DROP OWNED BY {name}", f"DROP ROLE {name}")


# Rights


def test_the_right_to_select_is_enough(tmp_path: Path) -> None:
    with (
        fresh_table("postgresql", "5.7.0", tmp_path) as engine,
        role(engine, "SELECT ON celery_taskmeta") as reader,
    ):
        report = inspect(reader, progress=False)
        expected = usual("postgresql", "5.7.0", engine)
    assert {finding.check for finding in report.findings} == expected
    assert "reader_" not in report.summary["May write"]
    assert report.unchecked == [
        ("ids", "permission denied for sequence task_id_sequence"),
        ("groups", "permission denied for table celery_tasksetmeta"),
    ]


def test_a_user_of_mariadb_who_may_only_select(tmp_path: Path) -> None:
    with fresh_table("mariadb", "5.7.0", tmp_path) as engine:
        user = f"reader_{uuid4().hex[:12]}"
        on_host = f"'{user}'@'%'"
        run(
            engine,
            f"CREATE USER {on_host} IDENTIFIED BY 'Geheim'",
            f"GRANT SELECT ON celery_taskmeta TO {on_host}",
        )
        reader = make_engine(engine.url.set(username=user, password="Geheim"))
        try:
            report = inspect(reader, progress=False)
            expected = usual("mariadb", "5.7.0", engine)
        finally:
            reader.dispose()
            run(engine, f"DROP USER {on_host}")
    assert {finding.check for finding in report.findings} == expected
    notes = dict(report.unchecked)
    assert list(notes) == ["triggers", "ids", "groups"]
    assert notes["triggers"] == "the right TRIGGER on the table is missing"
    assert "right to SELECT on it is missing" in notes["ids"]
    assert "denied" in notes["groups"]
    assert "Geheim" not in str(report) + report.to_html() + report.to_json() + repr(report)


def test_a_right_that_is_missing_is_named(tmp_path: Path) -> None:
    with (
        fresh_table("postgresql", "5.7.0", tmp_path) as engine,
        role(engine) as stranger,
        pytest.raises(ConnectionError, match="denied for table celery_taskmeta") as raised,
    ):
        inspect(stranger, progress=False)
    assert "Grant this role SELECT on the table." in str(raised.value)


def test_columns_that_may_not_be_read_are_named(tmp_path: Path) -> None:
    seen = "id, task_id, status, name, date_done, retries, worker, queue, traceback"
    with (
        fresh_table("postgresql", "5.7.0", tmp_path) as engine,
        role(engine, f"SELECT ({seen}) ON celery_taskmeta") as reader,
    ):
        report = inspect(reader, progress=False)
    notes = dict(report.unchecked)
    assert "denied for table celery_taskmeta" in notes["columns and indexes"]
    assert notes["some columns"] == (
        "The right to SELECT is missing for result, children, args, kwargs, stamps of the table "
        "celery_taskmeta: what may not be read is empty."
    )
    assert not {"missing-columns", "older-columns"} & {f.check for f in report.findings}


@pytest.mark.filterwarnings("ignore:unclosed file")
def test_a_file_that_was_left_open_elsewhere(tmp_path: Path) -> None:
    def leave_open(*_event: Any) -> None:
        (tmp_path / "left open").open("w")

    with fresh_table("sqlite", "5.7.0", tmp_path) as engine:
        sa.event.listen(sa.Engine, "engine_connect", leave_open)
        try:
            assert checks(engine) == usual("sqlite", "5.7.0", engine)
        finally:
            sa.event.remove(sa.Engine, "engine_connect", leave_open)


def test_several_writers(tmp_path: Path) -> None:
    right = "INSERT ON celery_taskmeta"
    with (
        fresh_table("postgresql", "5.7.0", tmp_path) as engine,
        role(engine, right) as _one,
    ):
        assert checks(engine) == usual("postgresql", "5.7.0", engine)
        with role(engine, right) as _two:
            assert checks(engine) == usual("postgresql", "5.7.0", engine) | {"many-writers"}


def test_hidden_rows(tmp_path: Path) -> None:
    with (
        fresh_table("postgresql", "5.7.0", tmp_path) as engine,
        role(engine, "SELECT ON celery_taskmeta") as reader,
    ):
        run(
            engine,
            "ALTER TABLE celery_taskmeta ENABLE ROW LEVEL SECURITY",
            "CREATE POLICY p ON celery_taskmeta FOR SELECT USING (task_id LIKE 'value-%')",
        )
        report = inspect(reader, progress=False)
    assert "row-security" in {finding.check for finding in report.findings}
    assert report.summary["Rows"] == "16"


def test_a_file_that_is_read_only(tmp_path: Path) -> None:
    with fresh_table("sqlite", "5.7.0", tmp_path) as engine:
        before = sorted(tmp_path.iterdir())
        content = Path(engine.url.database or "").read_bytes()
        Path(engine.url.database or "").chmod(0o444)
        tmp_path.chmod(0o555)
        assert checks(engine) == usual("sqlite", "5.7.0", engine)
        tmp_path.chmod(0o755)
        assert sorted(tmp_path.iterdir()) == before
        assert Path(engine.url.database or "").read_bytes() == content


# Databases


def test_a_mode_that_is_not_strict(tmp_path: Path) -> None:
    with fresh_table("mariadb", "5.7.0", tmp_path) as engine:
        lax = make_engine(engine.url, connect_args={"init_command": "SET sql_mode = ''"})
        assert checks(lax) == usual("mariadb", "5.7.0", engine) | {"not-strict"}
        lax.dispose()


def test_settings_do_not_stay_in_the_pool(tmp_path: Path) -> None:
    with fresh_table("mariadb", "5.7.0", tmp_path) as engine:
        inspect(engine, progress=False)
        put(retries=1)(engine)
        with engine.connect() as connection:
            assert connection.exec_driver_sql("SELECT @@max_statement_time").scalar() == 0


def test_a_session_in_another_zone(tmp_path: Path) -> None:
    with old_table("postgresql", "5.7.0", "session", tmp_path) as engine:
        found = checks(engine, expires=NEVER)
        assert found - {"autovacuum-off"} == {"session-not-utc", "no-details"}


@pytest.mark.slow
def test_dead_rows(tmp_path: Path) -> None:
    with fresh_table("postgresql", "5.7.0", tmp_path) as engine:
        expected = usual("postgresql", "5.7.0", engine)
        run(
            engine,
            "ALTER TABLE celery_taskmeta SET (autovacuum_enabled = off)",
            "INSERT INTO celery_taskmeta (id, task_id, date_done, status, name) SELECT "
            "i + 1000, i::text, now() AT TIME ZONE 'UTC', 'SUCCESS', 'shop.echo' "
            "FROM generate_series(1, 20000) AS i",
            "SELECT setval('task_id_sequence', 100000)",
            "DELETE FROM celery_taskmeta WHERE id > 1000",
        )
        wait_for(lambda: dead(engine) >= 20_000)
        assert checks(engine) == expected | {"dead-rows", "autovacuum-off"}


def dead(engine: sa.Engine) -> int:
    query = "SELECT pg_stat_get_dead_tuples('celery_taskmeta'::regclass)"
    with engine.connect() as connection:
        return connection.exec_driver_sql(query).scalar_one()


@pytest.mark.parametrize("part", ["index", "table"])
def test_a_damaged_file(part: str, tmp_path: Path) -> None:
    with fresh_table("sqlite", "5.7.0", tmp_path) as engine:
        name = "sqlite_autoindex_celery_taskmeta_1" if part == "index" else "celery_taskmeta"
        with engine.connect() as connection:
            query = f"SELECT rootpage FROM sqlite_master WHERE name = '{name}'"
            page = connection.exec_driver_sql(query).scalar_one()
            size = connection.exec_driver_sql("PRAGMA page_size").scalar_one()
        engine.dispose()
        with Path(engine.url.database or "").open("r+b") as file:
            file.seek((page - 1) * size)
            file.write(b"\xff" * size)
        report = inspect(engine, progress=False)
        assert "damaged-file" in {finding.check for finding in report.findings}


@needs_fork
def test_tasks_that_were_lost_with_their_worker(home: Path) -> None:
    engine, queue = make_engine(), queue_engine()
    with Worker(pool="solo") as worker:
        assert tasks.add.delay(2, 3).get(timeout=PATIENCE, interval=0.005) == 5
        tasks.nap.delay(LONG)
        query = sa.text("SELECT count(*) FROM kombu_message WHERE NOT visible")
        with queue.connect() as connection:
            wait_for(lambda: connection.execute(query).scalar_one() == 2)
        connection.rollback()
        assert "lost-tasks" not in checks(engine)
        worker.kill()
    assert checks(engine) == {"lost-tasks"}
    assert checks(engine, queue=queue) == {"lost-tasks"}
    engine.dispose()
    queue.dispose()


def test_a_silent_server() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        url = f"postgresql+psycopg://u:Geheim@127.0.0.1:{port}/db"
        engine = make_engine(url, connect_args={"connect_timeout": 2})
        with pytest.raises(ConnectionError, match=f"127.0.0.1.*{port}") as raised:
            inspect(engine, progress=False)
    assert "Geheim" not in str(raised.value)


class Proxy:
    """Passes on what client and server say, and falls silent after some bytes of the server's."""

    def __init__(self, port: int, most: int) -> None:
        self.target, self.left = ("127.0.0.1", port), most
        self.server = socket.create_server(("127.0.0.1", 0))
        self.port = self.server.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with suppress(OSError):  # closed
            while True:
                client, server = self.server.accept()[0], socket.create_connection(self.target)
                for pair in ((client, server, False), (server, client, True)):
                    threading.Thread(target=self._copy, args=pair, daemon=True).start()

    def _copy(self, source: socket.socket, target: socket.socket, counted: bool) -> None:
        with suppress(OSError), source, target:
            while data := source.recv(4096):
                if counted:
                    data, self.left = data[: self.left], max(self.left - len(data), 0)
                if data:
                    target.sendall(data)
            target.shutdown(socket.SHUT_RDWR)  # closing it does not end the other thread's recv


@pytest.mark.parametrize(
    ("kind", "bytes_passed"),
    [("mariadb", 8_000), *few(("postgresql", 16_000),
        *[("postgresql", n) for n in range(1_000, 22_000, 3_000)],
        *[("mariadb", n) for n in range(500, 12_000, 2_000)])],
)  # fmt: skip
def test_a_server_that_falls_silent_in_the_middle(
    kind: str, bytes_passed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "SILENCE", 1)
    with fresh_table(kind, "5.7.0", tmp_path) as engine:
        proxy = Proxy(engine.url.port or 0, bytes_passed)
        there = make_engine(engine.url.set(host="127.0.0.1", port=proxy.port))
        with pytest.raises(ConnectionError, match="has not answered for"):
            inspect(there, progress=False)
        there.dispose()
        proxy.server.close()


def test_a_database_without_results(tmp_path: Path) -> None:
    engine = make_engine(sqlite_url(tmp_path / "shop.db"))
    run(engine, "CREATE TABLE orders (id integer)")
    with pytest.raises(ValueError, match="no table celery_taskmeta, nothing that looks like"):
        inspect(engine, progress=False)
    with pytest.raises(FileNotFoundError, match="check the path"):
        inspect(make_engine(sqlite_url(tmp_path / "none.db")), progress=False)


def test_a_table_without_results(tmp_path: Path) -> None:
    with (
        fresh_table("sqlite", "5.7.0", tmp_path) as engine,
        pytest.raises(ValueError, match="celery_tasksetmeta has neither a task_id nor a status"),
    ):
        inspect(engine, table="celery_tasksetmeta", progress=False)


def test_a_table_of_another_name_is_suggested(tmp_path: Path) -> None:
    with fresh_table("sqlite", "5.7.0", tmp_path) as engine:
        run(engine, "ALTER TABLE celery_taskmeta RENAME TO my_results")
        with pytest.raises(ValueError, match="but my_results looks like Celery's"):
            inspect(engine, progress=False)
        assert checks(engine, table="my_results") == usual("sqlite", "5.7.0", engine)


@pytest.mark.parametrize("kind", few("postgresql", "mariadb", "sqlite"))
def test_a_table_in_capitals(kind: str, tmp_path: Path) -> None:
    name = "CELERY_TASKMETA"
    with fresh_table(kind, "5.7.0", tmp_path) as engine:
        quoted = engine.dialect.identifier_preparer.quote(name)
        run(engine, "ALTER TABLE celery_taskmeta RENAME TO kept")  # SQLite takes it for the same
        run(engine, f"ALTER TABLE kept RENAME TO {quoted}")
        expected = usual(kind, "5.7.0", engine)
        if kind == "sqlite":
            assert checks(engine) == expected
        elif kind == "postgresql":  # MariaDB may name other databases, with tables of other tests
            with pytest.raises(ValueError, match=f"but {name} looks like Celery's"):
                inspect(engine, progress=False)
        assert checks(engine, table=name) == expected


def test_another_schema(tmp_path: Path) -> None:
    with fresh_table("postgresql", "5.7.0", tmp_path) as engine:
        run(
            engine,
            "CREATE SCHEMA shop",
            "ALTER TABLE celery_taskmeta SET SCHEMA shop",
            "ALTER TABLE celery_tasksetmeta SET SCHEMA shop",
            "ALTER SEQUENCE task_id_sequence SET SCHEMA shop",
        )
        assert checks(engine, schema="shop") == usual("postgresql", "5.7.0", engine)


@pytest.mark.parametrize("kind", ["sqlite", "postgresql", "mariadb"])
def test_a_view_with_an_archive(kind: str, tmp_path: Path) -> None:
    with fresh_table(kind, "5.7.0", tmp_path) as engine:
        run(
            engine,
            "CREATE TABLE archive AS SELECT * FROM celery_taskmeta",
            "UPDATE archive SET status = 'STARTED' WHERE task_id = 'value-none'",
            "CREATE VIEW everything AS "
            "SELECT * FROM celery_taskmeta UNION ALL SELECT * FROM archive",
        )
        found = checks(engine, table="everything", expires=None)
        wrong = {"column-types"} if kind == "sqlite" else set()  # which keeps no types there
        assert found - wrong == {"unserializable-results", "repeated-task-ids"}


def test_a_view_of_some_columns(tmp_path: Path) -> None:
    with fresh_table("sqlite", "5.7.0", tmp_path) as engine:
        run(engine, "CREATE VIEW few AS SELECT task_id, name, status, result FROM celery_taskmeta")
        report = inspect(engine, table="few", progress=False)
        with pytest.raises(ValueError, match="is a schema, pass it as the schema"):
            inspect(engine, table="main.celery_taskmeta", progress=False)
    assert [finding.check for finding in report.findings] == ["unserializable-results"]
    assert report.unchecked == [
        ("columns and indexes", "the view has no column id, date_done, traceback")
    ]


@pytest.mark.parametrize("version", ["2.4.0", "2.6.0"])
@pytest.mark.parametrize("name", ["json", "pickle"])
def test_a_table_of_django_celery_results(version: str, name: str, tmp_path: Path) -> None:
    with old_table("sqlite", f"django-celery-results-{version}", name, tmp_path) as engine:
        report = inspect(
            engine, table="django_celery_results_taskresult", expires=NEVER, progress=False
        )
    found = {finding.check for finding in report.findings} - {"stuck-tasks"}
    expected = {"json": {"unserializable-results"}, "pickle": {"pickles"}}[name]
    assert found == {"rollback-journal"} | expected
    assert report.unchecked == []
    assert report.summary["Made by"] == "django-celery-results"


# How it is shown


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Report:
    folder = tmp_path_factory.mktemp("report")
    with fresh_table("sqlite", "4.4.7", folder) as engine:
        put(name="<b>bold</b>\x1b[2J" + "x" * 300, result=b"secret")(engine)
        put("task_id = 'value-true'", date_done=None)(engine)
        return inspect(engine, progress=False)


def test_text_fits_a_terminal(report: Report) -> None:
    lines = str(report).splitlines()
    assert max(map(len, lines)) <= 80
    assert all(line.isprintable() for line in lines)
    for finding in report.findings:
        assert finding.check in str(report)


@pytest.mark.parametrize(
    ("letter", "columns"),
    few(("漢", 2), ("🐇", 2), ("한", 2), ("e\u0301", 1), ("é", 1)),
)
def test_letters_that_take_two_columns_or_none(letter: str, columns: int, tmp_path: Path) -> None:
    def width(line: str) -> int:
        return len(line.replace(letter, "x" * columns))

    with fresh_table("sqlite", "5.7.0", tmp_path) as engine:
        put(name=f"shop.{letter * 90}", status="FAILURE", result=b'"no exception"')(engine)
        put("task_id = 'value-true'", name=f"{letter}s.short")(engine)
        put("task_id = 'value-list'", name=letter * 200, result=b"[1, 2")(engine)
        lines = str(inspect(engine, progress=False)).splitlines()
    assert sum(letter in line for line in lines) > 5
    assert max(map(width, lines)) <= 80
    # The columns of a table begin at the same place in each line.
    table = lines[lines.index("Tasks") + 1 :]
    assert len(set(map(width, table[: table.index("")]))) == 1


def test_no_stored_value_is_shown_unless_asked(report: Report, tmp_path: Path) -> None:
    for shown in (str(report), report.to_json(), report.to_html(), report._repr_html_()):
        assert "secret" not in shown
        assert "value-none" not in shown
    with fresh_table("sqlite", "4.4.7", tmp_path) as engine:
        put(result=b"secret")(engine)
        asked = inspect(engine, show_values=True, progress=False)
    assert "secret" in str(asked)
    assert "value-none" in str(asked)


def test_json_is_for_programs(report: Report) -> None:
    read = json.loads(report.to_json())
    assert [each["check"] for each in read["findings"]] == [f.check for f in report.findings]
    assert read["table"] == "celery_taskmeta"


class Page(HTMLParser):
    """Notes the tags of a page, and whether each is closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_stands_alone_and_has_a_structure(report: Report) -> None:
    text = report.to_html()
    page = Page(text)
    tags = [tag for tag, _attributes in page.tags]
    assert dict(page.tags)["html"] == {"lang": "en"}
    assert tags.count("title") == tags.count("h1") == tags.count("main") == 1
    levels = [int(tag[1]) for tag in tags if tag in ("h1", "h2", "h3")]
    assert all(after - before <= 1 for before, after in pairwise(levels))
    assert all(a["scope"] == "col" for tag, a in page.tags if tag == "th")
    assert tags.count("caption") == tags.count("table") == tags.count("thead")
    assert not {"script", "link", "img", "iframe"} & set(tags)
    assert "http" not in text and "<b>" not in text
    assert "prefers-color-scheme: dark" in text
    Page(report._repr_html_())


def luminance(colour: str) -> float:
    digits = colour * 2 if len(colour) == 3 else colour
    parts = [int(digits[i : i + 2], 16) / 255 for i in (0, 2, 4)]
    r, g, b = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * r + 0.7152 * g + 0.0722 * b


def test_the_colours_of_the_page_can_be_read() -> None:
    style = (COURSE / "tutorial" / "inspecting" / "inspection.html").read_text()
    light, dark = style.split("@media (prefers")
    for part in (light, dark):
        colours = {}
        for piece in part.split("--")[1:]:
            name, colon, rest = piece.partition(": #")
            if colon:
                colours[name] = luminance(rest.split(";")[0].strip())
        paper = colours.pop("paper")
        for name, colour in colours.items():
            ratio = (max(paper, colour) + 0.05) / (min(paper, colour) + 0.05)
            assert ratio >= 4.5, name


def test_the_text_of_every_finding() -> None:
    for check, texts in CHECKS.items():
        assert all(texts[name].endswith(".") for name in ("title", "leads_to", "to_do")), check
        assert len(texts["title"]) <= 80, check


def test_the_chapter_of_every_finding_explains_it() -> None:
    sources = {
        chapter: "\n".join(cell.source for cell in nbformat.read(path, as_version=4).cells)
        for chapter in {texts["chapter"] for texts in CHECKS.values()}
        for path in [NOTEBOOKS / f"{chapter}.ipynb"]
    }
    silent = [
        f"{texts['chapter']} does not say {texts['word']!r}, of {check}"
        for check, texts in CHECKS.items()
        if texts["word"] not in sources[texts["chapter"]]
    ]
    assert silent == []


def test_every_finding_has_a_test() -> None:
    elsewhere = {
        *("many-writers", "row-security", "not-strict", "session-not-utc", "dead-rows"),
        *("damaged-file", "lost-tasks", "rollback-journal", "small-columns"),
    }
    assert set().union(*(spoil.finds for spoil in SPOILS.values())) | elsewhere == set(CHECKS)


# The command


def command(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tutorial", "inspect", *arguments],
        cwd=COURSE,
        capture_output=True,
        text=True,
        timeout=LONG,
    )


@pytest.fixture
def inspected(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, str]]:
    """Return what runs the command in this process, without the second for importing it."""
    monkeypatch.chdir(COURSE)
    for name in DISTURBING:  # where one is set, the command starts another process
        monkeypatch.delenv(name, raising=False)

    def inspected(*arguments: str) -> tuple[int, str, str]:
        code = main(["inspect", *arguments])
        return (code, *capsys.readouterr())

    return inspected


def test_the_command(tmp_path: Path, inspected: Callable[..., tuple[int, str, str]]) -> None:
    with fresh_table("sqlite", "5.7.0", tmp_path) as engine:
        page = tmp_path / "report.html"
        done = command(f"db+{engine.url}", "--html", str(page))
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.startswith("celery_taskmeta in sqlite at ")
        assert page.read_text().startswith("<!DOCTYPE html>")
        SPOILS["half a JSON value"].spoil(engine)
        code, output, _ = inspected(str(engine.url.database), "--json", "--expires", "never")
        assert code == 1
        assert "cut-values" in [each["check"] for each in json.loads(output)["findings"]]


@needs_fork
def test_the_command_is_interrupted() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        place = f"127.0.0.1:{silent.getsockname()[1]}"
        url = f"postgresql+psycopg://{place}/shop?connect_timeout={LONG}"
        process = subprocess.Popen(
            [sys.executable, "-m", "tutorial", "inspect", url],
            cwd=COURSE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        with silent.accept()[0]:
            process.send_signal(signal.SIGINT)
            output, errors = process.communicate(timeout=PATIENCE)
    assert (process.returncode, output) == (130, "")
    assert errors == "Interrupted: there is no report, and nothing in the database has changed.\n"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    few(
        (["mysql+pymysql://u:Geheim@123@h/x"], "must be escaped: write @ as %40"),
        (["nothing.db"], "There is no file nothing.db: give a database URL, or the path of"),
        (["tests"], "tests is a folder: give a database URL, or the path of a SQLite file"),
        (["README.md"], "README.md is not a SQLite file, or it is damaged or encrypted: give a"),
        (["sqlite://"], "names a database in memory"),
        (["tests", "--html", "/nowhere/x.html"], "cannot be written: its folder does not exist"),
        (["tests", "--html", "tests"], "tests cannot be written: it is a folder"),
        (["sqlite:////nowhere/x.db"], "There is no file /nowhere/x.db"),
        (["sqlite:////x.db", "--expires", "soon"], "--expires takes a number of days, or never"),
    ),
    ids=str,
)
def test_the_command_with_a_wrong_argument(
    arguments: list[str], sentence: str, inspected: Callable[..., tuple[int, str, str]]
) -> None:
    code, output, errors = inspected(*arguments)
    assert (code, output) == (2, "")
    assert sentence in errors
    assert "123@" not in errors
    assert len(errors.splitlines()) == 1


def test_the_command_with_a_wrong_table_names_the_option(
    tmp_path: Path, inspected: Callable[..., tuple[int, str, str]]
) -> None:
    with old_table("sqlite", "5.7.0", "plain", tmp_path) as engine:
        code, _, errors = inspected(str(engine.url.database), "--table", "results")
    assert code == 2
    assert "looks like Celery's: pass --table 'celery_taskmeta'" in errors


@pytest.mark.parametrize(
    "options", [{"rows": 5}, {"expires": 3}, {"seconds": 0}, {"timezone": "Mars"}], ids=str
)
def test_arguments_that_cannot_be_used(options: dict[str, Any], tmp_path: Path) -> None:
    with (
        old_table("sqlite", "5.7.0", "plain", tmp_path) as engine,
        pytest.raises((ValueError, TypeError)),
    ):
        inspect(engine, progress=False, **options)
