"""A full disk, a folder that may only be read, a deleted and a damaged file, a clock that jumps.

Each ends in a sentence that says what to do, and nothing is lost that was stored before.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from clock import Clock, needs_clock
from processes import PATIENCE, needs_fork, python, survivors

pytestmark = needs_fork

# What each of the programs below begins with. The log is outside, where there is room for it.
BEGIN = """
import os, subprocess, sys, time
from pathlib import Path
from tutorial.broker import queue_engine
from tutorial.database import make_engine
from tutorial.commands.doctor import check_space
from tutorial.recovery import requeue_lost
from tutorial.results import load_results
from tutorial.tasks import add, nap
from tutorial.worker import Worker
from tutorial.workspace import home

def wait_for(words, times=1):
    while log.read_text().count(words) < times:
        time.sleep(0.01)

def stored(engine=None):
    return load_results(engine or make_engine())["status"].tolist()

def error(action, *arguments, **options):
    try:
        action(*arguments, **options)
    except Exception as failed:
        first, *_ = str(failed).splitlines()
        return f"{type(failed).__name__}: {first} ... {str(failed).splitlines()[-1]}"

where = home()
log = where.parent.parent / "worker.log"
app, pool = os.environ.get("APP", "tutorial.tasks"), os.environ.get("POOL", "prefork")
worker = Worker(app, pool=pool, logfile=log).start()
assert add.delay(2, 3).get(timeout=300, interval=0.01) == 5
"""

LARGE = """
import time
from tutorial.tasks import app

@app.task
def large(seconds):
    time.sleep(seconds)
    return "x" * 300_000  # no room that SQLite has left in its files is enough for it
"""

FULL = """
from large import large
ballast = where.parent / "ballast"
running = [large.delay(1), large.delay(1)]
wait_for("large[")
with ballast.open("wb", buffering=0) as file:
    while True:
        try:
            file.write(bytes(4096))
        except OSError:
            break
wait_for("Retrying inf more times", 6)
print(error(stored) or stored())
print(error(add.delay, 1, 1))
print(error(Worker(hostname="second@notebook", logfile=log.with_name("second")).start))
print(error(check_space))
ballast.unlink()
print([len(result.get(timeout=300, interval=0.01)) for result in running])
print(stored(), add.delay(1, 1).get(timeout=300, interval=0.01))
"""

READ_ONLY = """
engine = make_engine()
running = nap.delay(0.5)
wait_for("nap[")
root = os.geteuid() == 0
subprocess.run(["chattr", "-R", "+i", where] if root else ["chmod", "-R", "a-w", where], check=True)
try:
    print(error(Worker(hostname="second@notebook").start))
    print(error(make_engine))
    time.sleep(1)
finally:
    subprocess.run(["chattr", "-R", "-i", where] if root else ["chmod", "-R", "u+w", where])
print(running.get(timeout=300, interval=0.01), stored(engine))
"""

DELETED = """
for file in where.glob("results.db*"):
    file.unlink()
# The first attempt to store it notices, and the next one makes the table again.
print(add.delay(1, 2).get(timeout=300, interval=0.01), stored())
worker.kill()
worker.start()
print(requeue_lost(make_engine(), queue_engine()))
while len(stored()) < 2:  # the first task, whose result has gone with the file, comes back
    time.sleep(0.01)
print(stored())

for file in where.glob("queue.db*"):
    if file.is_file():
        file.unlink()
print(error(add.delay, 1, 1))
worker.restart()
print(add.delay(20, 22).get(timeout=300, interval=0.01), stored())
"""

DAMAGED = """
worker.stop()
for name, load in [("results.db", stored), ("queue.db", queue_engine().connect)]:
    with (where / name).open("r+b") as file:
        file.write(b"damage! " * 16)
    for journal in where.glob(f"{name}-[sw]*"):
        journal.unlink()
    print(error(load))
    print(error(worker.start))
    (where / name).rename(where / f"{name}.damaged")
    worker.start()
    print(add.delay(20, 22).get(timeout=300, interval=0.01), stored())
    worker.stop()
"""

JUMPS = """
import struct
def jump(seconds):
    clock = os.open(os.environ["CLOCK_OFFSET"], os.O_WRONLY)
    os.write(clock, struct.pack("l", seconds))
    os.close(clock)

year = 365 * 24 * 3600
for turn, seconds in enumerate([-year, year, 0]):
    running, waiting = nap.delay(0.5), [add.delay(number, 1) for number in range(3)]
    wait_for("nap[", 2 * turn + 1)  # two lines for each: received, succeeded
    jump(seconds)
    values = [result.get(timeout=300, interval=0.01) for result in [running, *waiting]]
    print(values, add.delay(2, 3).get(timeout=300, interval=0.01))
print(sorted(set(load_results(make_engine())["date_done"].dt.year - time.gmtime().tm_year)))
print(set(stored()), len(stored()), requeue_lost(make_engine(), queue_engine()))
"""


def run(program: str, home: Path, cwd: Path | None = None, **variables: str) -> list[str]:
    """Run a program to its end; return the lines that it prints."""
    done = python(BEGIN + program, home, cwd, timeout=PATIENCE, **variables)
    assert done.returncode == 0, done.stderr[-3000:]
    assert survivors(home) == []
    return done.stdout.splitlines()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 8 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=8m", "none", str(folder)]
    if sys.platform != "linux" or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("only root of a Linux machine can make a small disk")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


@pytest.fixture
def folder_to_protect(tmp_path: Path) -> Path:
    """A folder that even root can be kept from writing to."""
    folder = tmp_path / "some" / "home"
    folder.mkdir(parents=True)
    if os.geteuid() == 0:
        change = [["chattr", sign, folder] for sign in ("+i", "-i")]
        if any(subprocess.run(command, capture_output=True).returncode for command in change):
            pytest.skip("root can write to every folder here")
    return folder


@pytest.mark.parametrize(
    "pool",
    ["prefork", *(pytest.param(pool, marks=pytest.mark.slow) for pool in ("threads", "solo"))],
)
def test_a_full_disk_delays_results_and_loses_none(small_disk: Path, pool: str) -> None:
    (small_disk / "large.py").write_text(LARGE)
    kept, send, start, doctor, values, after = run(
        *(FULL, small_disk / "home", small_disk), APP="large", POOL=pool
    )
    # Without room for the file's index in memory, SQLite does not even read it.
    assert kept == "['SUCCESS']" or "disk I/O error (the disk is full," in kept
    assert send.startswith("OperationalError: (sqlite3.OperationalError) database or disk is full")
    for sentence in (start, doctor):
        assert "is full (" in sentence
        assert "delete what you do not need" in sentence
    assert values == "[300000, 300000]"
    assert after == "['SUCCESS', 'SUCCESS', 'SUCCESS'] 2"


@pytest.mark.slow
def test_a_folder_that_becomes_read_only(folder_to_protect: Path) -> None:
    start, engine, after = run(READ_ONLY, folder_to_protect)
    for sentence in (start, engine):
        assert sentence.startswith("ImproperlyConfigured: The workspace ")
        assert "cannot be written to (" in sentence
        assert "make it writable, or set TUTORIAL_HOME" in sentence
    assert after == "0.5 ['SUCCESS', 'SUCCESS']"


def test_a_deleted_file_is_noticed_and_its_tasks_come_back(tmp_path: Path) -> None:
    next_one, put_back, again, send, after = run(DELETED, tmp_path / "some" / "home")
    assert next_one == "3 ['SUCCESS']"
    assert put_back == "1"
    assert again == "['SUCCESS', 'SUCCESS']"
    assert "no such table: kombu_queue" in send
    assert after == "42 ['SUCCESS', 'SUCCESS', 'SUCCESS']"


@pytest.mark.slow
def test_a_damaged_file_is_named_and_can_be_moved_away(tmp_path: Path) -> None:
    *first, after_results, load, start, after_queue = run(DAMAGED, tmp_path / "some" / "home")
    for sentence in (*first, start):
        assert "file is not a database (the file is damaged: move it away" in sentence
    assert "file is not a database" in load
    assert after_results == "42 ['SUCCESS']"
    assert after_queue == "42 ['SUCCESS', 'SUCCESS']"


@needs_clock
@pytest.mark.slow
def test_a_clock_that_jumps_changes_only_dates(tmp_path: Path) -> None:
    back, forth, home, years, stored = run(
        JUMPS, tmp_path / "some" / "home", **Clock(tmp_path).variables
    )
    assert {back, forth, home} == {"[0.5, 1, 2, 3] 5"}
    assert years == "[-1, 0, 1]"
    assert stored == "{'SUCCESS'} 16 0"
