"""``python -m tutorial doctor``, run as a learner runs it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from processes import PATIENCE, few

from tutorial.workspace import COURSE


def doctor(**variables: str | Path) -> subprocess.CompletedProcess[str]:
    """Run it in the course's folder, with these environment variables."""
    return subprocess.run(
        [sys.executable, "-m", "tutorial", "doctor"],
        cwd=COURSE,
        env=os.environ | {name: str(value) for name, value in variables.items()},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )


def parts(output: str) -> list[list[str]]:
    """Return the first two words of each line: what was found, and for which part."""
    return [line.split()[:2] for line in output.splitlines()]


def test_doctor_finds_all_well(tmp_path: Path) -> None:
    finished = doctor(TUTORIAL_HOME=tmp_path)
    assert finished.returncode == 0, finished.stdout + finished.stderr
    names = ["versions", "workspace", "settings", "broker", "database", "worker", "task", "stop"]
    assert parts(finished.stdout) == [["ok", name] for name in names]
    assert "add(2, 3) came back as 5." in finished.stdout
    assert finished.stderr == ""
    assert list(tmp_path.iterdir()) == []


def test_doctor_leaves_no_folder(tmp_path: Path) -> None:
    assert doctor(TUTORIAL_HOME=tmp_path / "new").returncode == 0
    assert list(tmp_path.iterdir()) == []


# Nothing listens on port 1.
@pytest.mark.parametrize(
    ("variable", "value", "part", "reason"),
    few(
        ("TUTORIAL_HOME", "{file}", "workspace", "cannot be written to"),
        ("CELERY_BROKER_URL", "carrier://pigeon", "settings", "does not know"),
        ("CELERY_BROKER_URL", "nonsense", "settings", "it needs a scheme"),
        ("CELERY_BROKER_URL", "sqla+sqlite:///{file}/queue.db", "broker", "cannot be reached"),
        ("CELERY_BROKER_URL", "amqp://me:secret@127.0.0.1:1//", "broker", "cannot be reached"),
        ("CELERY_RESULT_BACKEND", "redis://127.0.0.1", "settings", "not a SQL database"),
        ("CELERY_RESULT_BACKEND", "db+oracle://x", "settings", "is not installed"),
        ("CELERY_RESULT_BACKEND", "db+sqlite:///{file}/x.db", "database", "cannot be reached"),
        ("CELERY_BROKER_WRITE_URL", "amqp://127.0.0.1:1//", "broker", "cannot be reached"),
        ("CELERY_BROKER_URL", "amqp://u:sec#ret@host//", "settings", "write @ as %40"),
        ("CELERY_BROKER_URL", "memory://", "settings", "in memory"),
        ("CELERY_RESULT_BACKEND", "db+sqlite://x.db", "settings", "three slashes"),
        ("CELERY_RESULT_BACKEND", "db+sqlite://", "settings", "in memory"),
        ("CELERY_RESULT_BACKEND", "db+mysql+pymysql://u:secret@1@h/x", "settings", "as %40"),
    ),
)
def test_doctor_says_what_is_wrong(
    variable: str, value: str, part: str, reason: str, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    value = value.format(file=(tmp_path / "file").as_posix())
    finished = doctor(**{"TUTORIAL_HOME": tmp_path / "home", variable: value})
    assert finished.returncode == 1
    *before, last = finished.stdout.splitlines()
    assert all(line.startswith("ok") for line in before)
    assert last.split()[:2] == ["wrong", part]
    assert reason in last and variable in last
    assert "sec" not in finished.stdout
    assert finished.stderr == ""
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_doctor_sees_a_wrong_version(tmp_path: Path) -> None:
    folder = tmp_path / "celery-4.4.7.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: celery\nVersion: 4.4.7\n")
    finished = doctor(PYTHONPATH=tmp_path, TUTORIAL_HOME=tmp_path)
    assert finished.returncode == 1
    assert "celery==5.7.* (here is 4.4.7)" in finished.stdout
    assert parts(finished.stdout) == [["wrong", "versions"]]
