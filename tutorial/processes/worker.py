"""The process that `tutorial.worker.Worker` starts: the real ``celery worker`` command.

Beside it run two things: a word to the parent when the worker is ready, and a thread that ends
the worker when the parent is gone. The thread is not in the pool's processes: with a second thread
such a process could die with the lock of the pool's queue, when a time limit ends it.
"""

import gc

if __name__ == "__main__":  # not in a process of the pool that imports this again
    gc.disable()  # until all is imported: to look for garbage took a ninth of the start

import os
import signal
import sys
import tempfile
import threading
from time import sleep

from amqp.exceptions import NotFound, ResourceLocked
from celery import Celery
from celery.app.utils import find_app
from celery.concurrency import prefork
from celery.exceptions import ImproperlyConfigured
from celery.signals import worker_init, worker_process_shutdown, worker_ready
from kombu import Connection

from tutorial.database import BACKENDS, explain, make_engine
from tutorial.processes.answer import within_limit
from tutorial.workspace import home


def main(arguments: list[str]) -> None:
    """Run the worker until it is told to stop.

    Parameters
    ----------
    arguments : list of str
        ``celery -A MODULE worker`` and the worker's options.
    """
    _celery, _option, module, _worker, *options = arguments
    worker_init.connect(_collect_garbage_again, weak=False)  # before there is a pool
    _keep_temporary_files_in_the_workspace()
    _say_when_ready()
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        app = _find_app(module)
        _reach_broker(app, options)
        _reach_result_backend(app)
    except ImproperlyConfigured as error:
        sys.exit(str(error))
    worker_process_shutdown.connect(_end_at_once, weak=False)  # after those of the app
    if "--pool=prefork" in options:
        from tutorial.processes import pool  # which Windows does not have

        prefork.TaskPool.BlockingPool = pool.Pool
    try:
        _run_command(app, options)
    except SystemExit as end:
        if end.code == 0:
            # The pool has ended. Without this, billiard's threads sleep for another second.
            os._exit(0)
        raise


def _run_command(app: Celery, options: list[str]) -> None:
    """Run the command ``worker`` without the others of the program ``celery``: that starts sooner.

    So does hiding pygments while the command is imported. Celery would make a lexer for other
    commands, which compiles a hundred regular expressions, but does without where there is none.
    """
    found = sys.modules.pop("pygments", None)
    sys.modules["pygments"] = None  # type: ignore[assignment]  # its import fails
    from celery.bin.base import CLIContext
    from celery.bin.worker import worker

    del sys.modules["pygments"]
    if found:
        sys.modules["pygments"] = found
    worker.main(options, obj=CLIContext(app=app, no_color=True, workdir=None, quiet=False))


def _keep_temporary_files_in_the_workspace() -> None:
    """Give the pool's temporary folder, which a killed worker cannot remove, a place that can be.

    It goes with the logs when the workspace is opened again.
    """
    folder = home() / "logs"
    folder.mkdir(exist_ok=True)
    tempfile.tempdir = str(folder)


def _say_when_ready() -> None:
    # Not closed: the pool holds it too, and its end of file tells the parent that all are gone.
    ready = os.dup(1)
    os.dup2(2, 1)  # what the worker prints goes to the log

    @worker_ready.connect(weak=False)
    def say_ready(**_: object) -> None:
        os.write(ready, b"ready\n")


def _collect_garbage_again(**_: object) -> None:
    gc.freeze()  # what is imported stays: neither a process of the pool nor the end looks at it
    gc.enable()


def _end_at_once(exitcode: int, **_: object) -> None:
    """End a process of the pool that has no more to do.

    Billiard has it sleep for a second, until the main process ends it; but that one has stopped
    listening by then, if it is going to stop itself.
    """
    os._exit(exitcode)


def _end_with_parent() -> None:
    """Wait for the end of file that the system makes when the parent ends, however it ends."""
    while os.read(0, 1):
        pass
    if hasattr(os, "killpg"):
        os.killpg(0, signal.SIGKILL)
    os._exit(1)


def _find_app(module: str) -> Celery:
    """Import the app, as ``celery -A`` does."""
    try:
        app = find_app(module)
    except AttributeError as error:
        if error.name != "celery":  # the last name under which Celery looks for an app
            raise
        app = None
    if not isinstance(app, Celery):
        sys.exit(f"The module {module!r} holds no Celery app, such as app = Celery(...).")
    return app


def _reach_broker(app: Celery, options: list[str]) -> None:
    """Try the broker: Celery itself would try for ever, and the notebook wait as long."""
    connection = app.connection_for_read()

    def connect() -> None:
        connection.ensure_connection(max_retries=2, interval_start=0, timeout=5)
        if connection.transport.driver_type == "amqp":
            _wait_for_the_name(connection, _queue_for_control(app, options))
        connection.release()

    try:
        within_limit(connect)
    except ImproperlyConfigured:
        raise
    except Exception as error:  # each of kombu's transports raises its own
        sys.exit(f"The broker at {connection.as_uri()} cannot be reached: {explain(error)}")


def _queue_for_control(app: Celery, options: list[str]) -> str:
    (name,) = (each.partition("=")[2] for each in options if each.startswith("--hostname="))
    return f"{name}.{app.conf.control_exchange}.pidbox"


def _wait_for_the_name(connection: Connection, queue: str, tries: int = 100) -> None:
    """Wait until RabbitMQ has noticed that a killed worker of this name is gone.

    Until then the worker's queue for remote control is locked, and Celery would end with an error.
    """
    for _ in range(tries):  # then Celery says that the name is in use
        try:
            connection.channel().queue_declare(queue, passive=True)
        except ResourceLocked:
            sleep(0.1)
        except NotFound:
            return
        else:
            return


def _reach_result_backend(app: Celery) -> None:
    """Try the database once: Celery tries for ten seconds, and ends with a long traceback."""
    setting = app.conf.result_backend
    backend, _plus, url = setting.partition("+") if isinstance(setting, str) else ("", "", "")
    if not url or backend not in BACKENDS:
        return
    engine = make_engine(url)
    try:
        within_limit(lambda: engine.connect().close())
    except Exception as error:  # not every driver keeps to its own kinds of error
        place = engine.url.set(query={})  # an option can be a secret too
        sys.exit(f"The result backend at {place} cannot be reached: {explain(error)}")


if __name__ == "__main__":
    main(sys.argv[1:])
