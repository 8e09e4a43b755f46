"""The messages of the embedded queue: each of them is a row, whose payload is JSON.

A payload has headers, which say what to do with the message, and a body, which holds the task's
arguments and what should follow the task. The format is Celery's message protocol, version 2:
https://docs.celeryq.dev/en/stable/internals/protocol.html
"""

import base64
import bz2
import datetime as dt
import lzma
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pandas as pd
import sqlalchemy as sa
from celery import states
from dateutil import tz

from tutorial.database import check_engine
from tutorial.reading.decoding import (
    Counts,
    Dates,
    Ids,
    Text,
    Words,
    decode,
    decode_json,
    decode_text,
)
from tutorial.reading.frame import FrameBuilder, check_frame
from tutorial.reading.moments import read_moment, read_zone
from tutorial.reading.source import (
    connect,
    is_missing,
    read_only,
    sqlite_file,
    warn_of_missing_file,
)
from tutorial.reading.table import Table
from tutorial.tables import MESSAGE_TABLE, QUEUE_TABLE

MESSAGE_COLUMNS = {
    "id": Ids,
    "queue_id": Counts,
    "visible": Counts,
    "timestamp": Dates,
    "payload": Text,
}
# The names that kombu gives to serializers and compressions in a message.
CONTENT_TYPES = {
    "application/json": "json",
    "application/x-msgpack": "msgpack",
    "application/x-yaml": "yaml",
    "application/x-python-serialize": "pickle",
}
DECOMPRESSORS: dict[str, Callable[[], Any]] = {
    "application/x-gzip": zlib.decompressobj,
    "application/x-bz2": bz2.BZ2Decompressor,
    "application/x-lzma": lzma.LZMADecompressor,
}
LARGEST_BODY = 100_000_000  # bytes, after decompression
MESSAGE_FIELDS = ["task_id", "name", "args", "kwargs", "retries", "sent_at", "eta", "undecodable"]
TIMING_COLUMNS = [
    *("task_id", "name", "status", "worker", "messages", "sent_at", "received_at", "date_done"),
    *("waiting", "running"),
]


@dataclass(frozen=True)
class Message:
    """A message of Celery's protocol.

    Parameters
    ----------
    headers : dict
        Among others ``id``, ``task``, ``parent_id`` and ``group``.
    args : object
        The task's positional arguments; the stored body if that cannot be decoded.
    kwargs : object
        The task's keyword arguments.
    embedded : dict
        What should follow the task: ``callbacks``, ``chain`` and ``chord``.
    readable : bool
        Whether the body could be decoded.
    """

    headers: dict[str, Any]
    args: Any = None
    kwargs: Any = None
    embedded: dict[str, Any] = field(default_factory=dict)
    readable: bool = True


def read_message(payload: str | bytes) -> Message:
    """Read a message as kombu's SQLAlchemy transport stores it; nothing in it is ever unpickled.

    Parameters
    ----------
    payload : str or bytes
        From the column ``payload`` of ``kombu_message``.

    Returns
    -------
    Message
        With its headers alone if its body cannot be decoded.

    Raises
    ------
    ValueError
        If it is not a message of Celery's.
    """
    message, headers = _read_payload(payload)
    body = message.get("body")
    try:
        args, kwargs, embedded = _read_body(body, message, headers.get("compression"))
    except Exception:
        return Message(headers, args=body, readable=False)
    return Message(headers, args, kwargs, embedded if isinstance(embedded, dict) else {})


def read_headers(payload: str | bytes) -> dict[str, Any]:
    """Read the headers of a message alone, which is quicker where its body does not matter.

    Parameters
    ----------
    payload : str or bytes
        As for `read_message`.

    Returns
    -------
    dict

    Raises
    ------
    ValueError
        If it is not a message of Celery's.
    """
    return _read_payload(payload)[1]


def _read_payload(payload: str | bytes) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return a message and its headers."""
    try:
        message = decode_json(payload)
        return message, dict(message["headers"])
    except Exception as error:  # whatever is wrong with it
        raise ValueError("This is not a Celery message.") from error


def _read_body(body: Any, message: dict[str, Any], compression: str | None) -> Any:
    """Decode a body as its message says: base64, then what compressed it, then the serializer."""
    if message["properties"].get("body_encoding") == "base64":
        body = base64.b64decode(body)
    if compression:
        body = _decompress(body, compression)
    return decode(body, CONTENT_TYPES[message["content-type"]])


def _decompress(body: bytes, compression: str) -> bytes:
    """Decompress a body, up to `LARGEST_BODY`: a small one can hold any amount."""
    decompressor = DECOMPRESSORS[compression]()
    plain: bytes = decompressor.decompress(body, LARGEST_BODY)
    if not decompressor.eof:
        raise ValueError(f"The body is not complete, or larger than {LARGEST_BODY} bytes.")
    return plain


def payloads(queue: sa.Engine) -> list[str]:
    """Return the payloads of all messages of the embedded queue, in the order of sending.

    Parameters
    ----------
    queue : sqlalchemy.Engine
        As `tutorial.broker.queue_engine` returns it.

    Returns
    -------
    list of str
        None if there is no queue yet. `read_message` reads them.

    Raises
    ------
    TypeError
        If it is not an engine.
    ConnectionError
        If the database cannot be read.

    Warns
    -----
    UserWarning
        If there is no such file: its name may be wrong.
    """
    check_engine(queue)
    file = sqlite_file(queue)
    if file and is_missing(file):
        warn_of_missing_file(file, MESSAGE_TABLE)
        return []
    messages = sa.table(MESSAGE_TABLE, sa.column("id"), sa.column("payload"))
    with connect(read_only(queue), queue.url) as connection:
        if not sa.inspect(connection).has_table(MESSAGE_TABLE):
            return []
        return list(connection.scalars(sa.select(messages.c.payload).order_by(messages.c.id)))


def load_messages(engine: sa.Engine, *, timezone: str | None = None) -> pd.DataFrame:
    """Load the messages of the embedded queue, both those that are waiting and those received.

    Parameters
    ----------
    engine : sqlalchemy.Engine
        The engine of the queue, as `tutorial.broker.queue_engine` returns it.
    timezone : str, optional
        The time zone of the machine whose workers received the messages; by default this one's.

    Returns
    -------
    pandas.DataFrame
        One row for each message, ordered by ``id``; a task that was retried has several.

        ================================== =======================================================
        ``id``                             int64: the order of sending
        ``task_id``                        str
        ``name``, ``queue``                category
        ``args``, ``kwargs``               object
        ``retries``                        Int64
        ``waiting``                        bool: no worker has received it
        ``sent_at``                        datetime64[us, UTC]: written by the sender,
                                           `tutorial.tasks.note_sending_time`
        ``eta``                            datetime64[us, UTC]: not to be run before
        ``received_at``                    datetime64[us, UTC]: when a worker received it
        ``undecodable``                    category, as in `load_results`
        ================================== =======================================================

    Raises
    ------
    ValueError, TypeError, ConnectionError
        As `load_results`.
    """
    names = _queue_names(engine)
    columns = {**MESSAGE_COLUMNS, "undecodable": Words}
    builder = FrameBuilder(columns, columns, _zone_of_workers(timezone))
    for batch in Table(engine, MESSAGE_TABLE).batches(builder.stored):
        builder.add(batch)
    raw = builder.frame()
    fields = [_fields(text) for text in raw["payload"]]
    read = pd.DataFrame(fields, columns=MESSAGE_FIELDS, dtype="object")  # numbers stay exact
    return pd.DataFrame(
        {
            "id": raw["id"],
            "task_id": read["task_id"].astype("str"),
            "name": read["name"].astype("str").astype("category"),
            "queue": raw["queue_id"].map(names).astype("str").astype("category"),
            "args": read["args"].astype("object"),
            "kwargs": read["kwargs"].astype("object"),
            "retries": read["retries"].astype("Int64"),
            "waiting": raw["visible"].fillna(0).astype("bool"),
            "sent_at": read["sent_at"].astype("datetime64[us, UTC]"),
            "eta": read["eta"].astype("datetime64[us, UTC]"),
            "received_at": raw["timestamp"],
            "undecodable": _all_notes(raw["undecodable"], read["undecodable"]),
        }
    )


def join_timings(results: pd.DataFrame, messages: pd.DataFrame) -> pd.DataFrame:
    """Join results and messages, to find out how long each task waited and ran.

    Neither table says when a task started. A worker receives a message a little before it starts
    the task: it may hold as many messages as ``worker_prefetch_multiplier`` allows, and it holds a
    message with an ``eta`` until that moment. So while a worker is busy, ``waiting`` is a little
    too short and ``running`` a little too long.

    Parameters
    ----------
    results, messages : pandas.DataFrame
        From `load_results` and `load_messages`.

    Returns
    -------
    pandas.DataFrame
        One row for each task that has a message or a result, in the order of sending: ``task_id``,
        ``name``, ``status`` (missing while there is no result), ``worker``, ``messages`` (their
        number; more than one after a retry, or if a stopping worker gave the message back),
        ``sent_at``, ``received_at``, ``date_done``, ``waiting`` and ``running``
        (timedelta64[us]). For a task with several messages the times are those of the last one.

    Raises
    ------
    TypeError, ValueError
        If one of them is not a frame, or lacks a column that is needed.
    """
    check_frame(results, "results", ["task_id", "name", "status", "worker", "date_done"])
    check_frame(messages, "messages", ["task_id", "name", "sent_at", "received_at", "eta"])
    done = results[["task_id", "name", "status", "worker", "date_done"]]
    last = messages.drop_duplicates("task_id", keep="last")
    last = last[["task_id", "name", "sent_at", "received_at", "eta"]]
    tasks = last.merge(done, on="task_id", how="outer", suffixes=("_sent", ""), sort=False)
    tasks["name"] = tasks["name"].astype("object").fillna(tasks["name_sent"]).astype("category")
    tasks["messages"] = tasks["task_id"].map(messages["task_id"].value_counts()).fillna(0)
    tasks["messages"] = tasks["messages"].astype("int64")
    started = tasks[["received_at", "eta"]].max(axis="columns").where(tasks["received_at"].notna())
    finished = tasks["status"].isin(list(states.READY_STATES))
    tasks["waiting"] = started - tasks["sent_at"]
    tasks["running"] = (tasks["date_done"] - started).where(finished)
    tasks = tasks.sort_values(["sent_at", "task_id"], ignore_index=True)
    return tasks[TIMING_COLUMNS]


def _queue_names(engine: sa.Engine) -> dict[int, str]:
    builder = FrameBuilder(["id", "name"], {"id": Ids, "name": Text})
    for batch in Table(engine, QUEUE_TABLE).batches(builder.stored):
        builder.add(batch)
    queues = builder.frame()
    return dict(zip(queues["id"], queues["name"], strict=True))


def _zone_of_workers(timezone: str | None) -> dt.tzinfo:
    return tz.tzlocal() if timezone is None else read_zone(timezone)


def _fields(payload: Any) -> dict[str, Any]:
    """Return what a frame of messages says about a message."""
    fields: dict[str, Any] = dict.fromkeys(MESSAGE_FIELDS)
    try:
        message = read_message(payload)
    except ValueError:
        return {**fields, "undecodable": "payload"}
    headers = message.headers
    readers: dict[str, Callable[[], Any]] = {
        "task_id": lambda: _word(headers["id"]),
        "name": lambda: _word(headers["task"]),
        "retries": lambda: _count(headers.get("retries")),
        "sent_at": lambda: _time(headers.get("sent_at")),
        "eta": lambda: _time(headers.get("eta")),
    }
    bad = []
    for name, read in readers.items():
        try:
            fields[name] = read()
        except Exception:
            bad.append(name)
    fields["args"], fields["kwargs"] = message.args, message.kwargs
    if not message.readable:
        bad.append("args, kwargs")
    return {**fields, "undecodable": ", ".join(bad) or None}


def _all_notes(stored: pd.Series, read: pd.Series) -> pd.Series:
    """Join what the table's own columns could not hold and what its payloads could not."""
    renamed = {"timestamp": "received_at", "queue_id": "queue", "visible": "waiting"}
    notes = []
    for columns, fields in zip(stored.astype(object), read, strict=True):
        of_table = columns.split(", ") if isinstance(columns, str) else []
        of_payload = fields.split(", ") if isinstance(fields, str) else []
        all_notes = [renamed.get(column, column) for column in of_table] + of_payload
        notes.append(", ".join(dict.fromkeys(all_notes)) or None)
    return pd.Series(notes, dtype="str").astype("category")


def _word(raw: Any) -> str | None:
    return None if raw is None else decode_text(raw)[0]


def _count(raw: Any) -> int:
    count = 0 if raw is None else int(raw)
    if count.bit_length() > 63:
        raise ValueError("a frame's numbers have 64 bits")
    return count


def _time(text: str | None) -> dt.datetime | None:
    return None if text is None else read_moment(text, "time")
