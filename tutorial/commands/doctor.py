"""Check a machine, one line for each part: what ``python -m tutorial doctor`` runs."""

import os
import platform
import shutil
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager, suppress
from importlib import metadata
from pathlib import Path

import sqlalchemy as sa
from celery.exceptions import ImproperlyConfigured
from celery.exceptions import TimeoutError as ResultTimeout
from kombu.utils.url import url_to_parts
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from tutorial.broker import BROKER_VARIABLE, SQL_TRANSPORTS, broker_url, check_broker_url
from tutorial.database import RESULT_BACKEND_VARIABLE, explain, make_engine
from tutorial.tasks import add, app
from tutorial.urls import address
from tutorial.worker import Worker, WorkerStartError
from tutorial.workspace import HOME_VARIABLE, WORKSPACES, home, lack_of_space, place

DISTRIBUTION = "celery-sql-results-tutorial"
PARTS = ("versions", "workspace", "settings", "broker", "database", "worker", "task", "stop")
TIMEOUT = 20  # seconds for an answer
# Celery's own variables; each replaces BROKER_VARIABLE in one direction
WRITE_VARIABLE, READ_VARIABLE = "CELERY_BROKER_WRITE_URL", "CELERY_BROKER_READ_URL"


class Fault(Exception):
    """Something that keeps the course from running; the message names it and the way out."""


def run() -> int:
    """Check this machine, and print what works and what does not.

    Each part needs those before it: what comes after the first failure is not tried.

    Returns
    -------
    int
        The exit code: 0 if the course runs here, 1 if something is wrong.
    """
    with closing(examine()) as findings:
        for part in PARTS:
            try:
                print(f"ok     {part:<9}  {next(findings)}", flush=True)
            except (Fault, ImproperlyConfigured, WorkerStartError) as error:
                print(f"wrong  {part:<9}  {error}")
                return 1
    return 0


def examine() -> Generator[str, None, None]:
    """Yield, for each of `PARTS`, a sentence that says what was found.

    Raises
    ------
    Fault, celery.exceptions.ImproperlyConfigured, tutorial.worker.WorkerStartError
        At the first part that fails.
    """
    yield check_versions()
    with own_workspace():
        yield check_space()
        yield check_settings()
        yield check_broker()
        yield check_database()
        with Worker(concurrency=1) as worker:
            yield "A real worker started."
            yield check_task()
        if worker.returncode != 0:
            raise Fault(f"The worker ended with the exit code {worker.returncode}.")
        yield "The worker stopped when it was told to."


def check_versions() -> str:
    """Compare Python and the installed packages with what the course asks for."""
    wrong = []
    python = metadata.metadata(DISTRIBUTION)["Requires-Python"]
    if platform.python_version() not in SpecifierSet(python, prereleases=True):
        wrong.append(f"Python {python} (here is {platform.python_version()})")
    for text in metadata.requires(DISTRIBUTION) or []:
        requirement = Requirement(text)
        if requirement.marker and not requirement.marker.evaluate():
            continue
        installed = _installed_version(requirement.name)
        if installed not in requirement.specifier:
            wrong.append(f"{requirement.name}{requirement.specifier} (here is {installed})")
    if wrong:
        raise Fault(
            f"The course asks for {', '.join(wrong)}: run the README's first command, "
            "which installs what is missing."
        )
    return "Python and the packages are those that the course asks for."


def _installed_version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "none"


def check_space() -> str:
    """Check that the workspace can be written to, and that its disk has room."""
    if full := lack_of_space():
        raise Fault(full)
    return f"{home().parent} can be written to."


def check_settings() -> str:
    """Read the two URLs, and load what they name, but connect to nothing."""
    broker_url()
    for variable in (READ_VARIABLE, WRITE_VARIABLE):
        if url := os.environ.get(variable):
            check_broker_url(variable, url)
    make_engine().dispose()
    return "The URLs of broker and result backend can be read."


def check_broker() -> str:
    """Declare the default queue at the broker, as every worker does when it starts."""
    try:
        with app.connection_for_write() as connection:
            connection.ensure_connection(max_retries=1, timeout=TIMEOUT)
            app.amqp.queues[app.conf.task_default_queue](connection.default_channel).declare()
            return f"The broker answers: {connection.transport.driver_type}."
    except ImproperlyConfigured:
        raise
    except Exception as error:  # each of kombu's transports raises its own
        where = " or ".join(map(_address, app.conf.broker_write_url.split(";")))
        raise Fault(
            f"The broker cannot be reached, {where} ({_reason(error, where)}): "
            f"{_way_out(WRITE_VARIABLE, BROKER_VARIABLE)}."
        ) from error


def check_database() -> str:
    """Connect to the database of the results."""
    engine = make_engine()
    try:
        engine.connect().close()
    except Exception as error:  # not every driver keeps to its own kinds of error
        where = address(engine.url)
        raise Fault(
            f"The database of the results cannot be reached, {where} ({_reason(error, where)}): "
            f"{_way_out(RESULT_BACKEND_VARIABLE)}."
        ) from error
    finally:
        engine.dispose()
    return f"The database of the results answers: {engine.dialect.name}."


def _address(url: str) -> str:
    """Say where a broker is, without the user, the password and the options."""
    transport, _plus, rest = url.partition("+")
    if transport in SQL_TRANSPORTS:
        return address(sa.make_url(rest))
    parts = url_to_parts(url)
    place = parts.hostname or "its default address"
    return f"{parts.scheme} at {place}{f':{parts.port}' if parts.port else ''}"


def _reason(error: Exception, where: str) -> str:
    return explain(error).replace(f" ({where})", "")


def _way_out(*variables: str) -> str:
    """Name the variable that the address comes from: the first that is set, or the workspace's."""
    for variable in variables:
        if os.environ.get(variable):
            return f"start it, or correct or unset {variable}"
    return f"check the folder, or set {HOME_VARIABLE} to a new or empty one"


def check_task() -> str:
    """Send a task to the worker, and wait for its result."""
    result = add.delay(2, 3)
    try:
        total = result.get(timeout=TIMEOUT)
    except ResultTimeout as error:
        raise Fault(
            f"No result came back within {TIMEOUT} s (the task's state is {result.state}): "
            "another worker may have taken the task, with other settings."
        ) from error
    result.forget()
    return f"The task add(2, 3) came back as {total}."


@contextmanager
def own_workspace() -> Iterator[Path]:
    """Work in a folder of this process alone, and remove it at the end."""
    chosen = os.environ.get(HOME_VARIABLE)
    parent = place() if chosen else WORKSPACES
    is_new = not parent.exists()
    folder = parent / f"doctor-{os.getpid()}"
    os.environ[HOME_VARIABLE] = str(folder)
    try:
        yield home()
    finally:
        app.close()
        del os.environ[HOME_VARIABLE]
        if chosen:
            os.environ[HOME_VARIABLE] = chosen
        shutil.rmtree(folder, ignore_errors=True)
        if is_new:
            with suppress(OSError):
                parent.rmdir()
