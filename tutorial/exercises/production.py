"""The exercises of chapter 15: production."""

import re
import socket
import ssl
import struct
import tempfile
import uuid
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from threading import Thread
from typing import Any

import sqlalchemy as sa
import trustme
from celery import Celery
from celery.backends.base import Backend
from kombu.exceptions import ContentDisallowed
from kombu.serialization import dumps, loads, prepare_accept_content

from tutorial.database import explain, make_engine
from tutorial.exercises.checking import TIME_LIMIT, WrongAnswer, case, exercise, shown
from tutorial.servers import Server
from tutorial.tables import GROUP_TABLE, TASK_TABLE

SHOP = {  # the settings of exercise 1
    "task_serializer": "pickle",
    "accept_content": ["json", "pickle"],
    "result_serializer": "json",
    "result_accept_content": ["json", "pickle"],
}


@exercise(
    points=1,
    hints=[
        "accept_content, a list, decides what is read from the queue.",
        "There is another list for results: result_accept_content.",
        "Workers that refuse pickles do not run tasks sent as pickles: see task_serializer.",
    ],
)
def exercise_1(settings: Mapping[str, Any]) -> str:
    """Check that settings make an app read and write only JSON."""
    if not isinstance(settings, Mapping):
        raise WrongAnswer(f"`settings` should be a dictionary, but is {shown(settings)}.")
    app = Celery("shop", set_as_current=False)
    app.conf.update(SHOP)
    app.conf.update(settings)
    for name in ("accept_content", "result_accept_content"):
        if isinstance(app.conf[name], str):
            raise WrongAnswer(
                f"{name} is a string, which Celery reads letter by letter: write a list."
            )
    for name in ("task_serializer", "result_serializer"):
        if app.conf[name] != "json":
            raise WrongAnswer(
                f"{name} is still {app.conf[name]!r}, but nothing accepts what the app then writes."
            )
    accepted = {
        "A worker": prepare_accept_content(app.conf.accept_content),
        "A client that asks for a result": Backend(app, url="").accept,
    }
    for reader, content in accepted.items():
        if not _reads("json", content):
            raise WrongAnswer(f"{reader} refuses JSON too.")
        if _reads("pickle", content):
            raise WrongAnswer(f"{reader} still reads a pickle, which can run any code.")
    return "The app writes JSON, and reads only JSON from the queue and from the table."


def _reads(serializer: str, accepted: Any) -> bool:
    content_type, encoding, text = dumps([1, 2], serializer)
    try:
        return bool(loads(text, content_type, encoding, accept=accepted) == [1, 2])
    except ContentDisallowed:
        return False


SHOP_HOST, OTHER_HOST = "localhost", "other.example.org"
SSL_REQUEST = struct.pack("!ii", 8, 80877103)  # what a client of PostgreSQL sends first
PASSWORD_PLEASE = b"R" + struct.pack("!ii", 8, 3)
PASSWORD = "open-sesame"


@exercise(
    points=2,
    hints=[
        "PostgreSQL's client takes sslmode and sslrootcert in the query of the URL, after a `?`.",
        "sslmode=verify-ca checks who issued the certificate, but not for which host.",
        "sa.make_url(url).update_query_dict({...}) adds to the query, and "
        "render_as_string(hide_password=False) makes it a string again.",
    ],
)
def exercise_2(secure: Callable[[str, str], str]) -> str:
    """Check that a client talks to its own server, and to no impostor."""
    authority = trustme.CA()
    with tempfile.TemporaryDirectory() as folder:
        ca_file = str(Path(folder, "ca.pem"))
        authority.cert_pem.write_to_path(ca_file)
        certificates = {
            "an impostor with a certificate for another host": authority.issue_cert(OTHER_HOST),
            "an impostor with a certificate of its own making": trustme.CA().issue_cert(SHOP_HOST),
        }
        for description, certificate in certificates.items():
            with case(description) as call:
                heard, _error = _connect(call, secure, ca_file, certificate)
                if PASSWORD.encode() in heard:
                    raise WrongAnswer("it gets the password.")
                if heard:
                    raise WrongAnswer("the client talks to it.")
        with case("the shop's own server") as call:
            heard, error = _connect(call, secure, ca_file, authority.issue_cert(SHOP_HOST))
            if not heard:
                raise WrongAnswer(f"the client refuses it: {error}.")
    return "The client talks to the shop's server, and to no other."


def _connect(
    call: Callable[..., Any], secure: Callable[[str, str], str], ca_file: str, certificate: Any
) -> tuple[bytes, str]:
    """Connect with the learner's URL; return what a fake server hears, and the client's error."""
    heard: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as door:
        port = door.getsockname()[1]
        url = sa.URL.create("postgresql+psycopg", "shop", PASSWORD, SHOP_HOST, port, "results")
        answer = call(secure, url.render_as_string(hide_password=False), ca_file)
        made = _usable(answer, url)
        server = Thread(target=_listen, args=(door, certificate, heard), daemon=True)
        server.start()
        engine = sa.create_engine(made, connect_args={"connect_timeout": int(TIME_LIMIT)})
        reason = ""
        try:
            engine.connect().close()
        except sa.exc.SQLAlchemyError as error:
            reason = explain(error)
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            pass  # lets the server go if nobody has come
        server.join(TIME_LIMIT)
    return b"".join(heard), reason


def _usable(answer: Any, url: sa.URL) -> sa.URL:
    if not isinstance(answer, str):
        raise WrongAnswer(f"expected a URL as a string, got {shown(answer)}.")
    try:
        made = sa.make_url(answer)
    except sa.exc.ArgumentError:
        raise WrongAnswer(f"{shown(answer)} is not a URL.") from None
    if made.set(query={}) != url:
        raise WrongAnswer("the URL has another server, user, password or database.")
    return made


def _listen(door: socket.socket, certificate: Any, heard: list[bytes]) -> None:
    """Play a PostgreSQL server that asks for the password in plain text."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    client, _address = door.accept()
    client.settimeout(TIME_LIMIT)
    with suppress(OSError), client:
        request = client.recv(len(SSL_REQUEST))
        if request != SSL_REQUEST:  # a client that does not encrypt begins at once
            heard.append(request)
            client.sendall(PASSWORD_PLEASE)
            heard.append(client.recv(1000))
            return
        client.sendall(b"S")
        with context.wrap_socket(client, server_side=True) as talk:
            heard.append(talk.recv(1000))
            talk.sendall(PASSWORD_PLEASE)
            heard.append(talk.recv(1000))


READABLE = ("task_id", "status", "name", "worker", "date_done")
PRIVATE = ("result", "traceback", "args", "kwargs")
RESULTS, GROUPS = f"public.{TASK_TABLE}", f"public.{GROUP_TABLE}"
WRITES = {
    "change": f"UPDATE {RESULTS} SET status = 'SUCCESS'",
    "add": f"INSERT INTO {RESULTS} (id, task_id) VALUES (-1, 'forged')",
    "delete": f"DELETE FROM {RESULTS}",
}


@exercise(
    points=3,
    hints=[
        "Every role has the rights of PUBLIC: REVOKE ... FROM PUBLIC takes them away.",
        "REVOKE takes back what was granted in the same form. A right to the whole table remains "
        "when a right to one of its columns is revoked.",
        f"GRANT SELECT (status, name) ON {TASK_TABLE} TO ... grants two columns and no others.",
    ],
)
def exercise_3(rights: Callable[[str], list[str]], server: Server) -> str:
    """Check that a role may read some columns of the results, but do nothing else."""
    role = f"dashboard_{uuid.uuid4().hex}"
    engine = make_engine(server.url)
    try:
        with case("a new role") as call, engine.connect() as connection:  # no commit: all is undone
            statements = call(rights, role)
            if not isinstance(statements, list | tuple) or not all(
                isinstance(each, str) for each in statements
            ):
                raise WrongAnswer(f"expected a list of strings, got {shown(statements)}.")
            ends = r"\b(COMMIT|END|ROLLBACK)\b"
            if any(re.search(ends, text, re.IGNORECASE) for text in statements):
                raise WrongAnswer("a statement ends the transaction, which is not allowed.")
            _look_at(connection, statements, role)
    finally:
        engine.dispose()
    return "The dashboard reads five columns and nothing else, and the worker still works."


def _look_at(connection: sa.Connection, statements: Sequence[str], role: str) -> None:
    worker = role.replace("dashboard", "worker")
    for statement in [
        "SET LOCAL statement_timeout = '5s'",
        f"CREATE ROLE {role}",
        f"CREATE ROLE {worker}",
        f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {worker}",
    ]:
        connection.exec_driver_sql(statement)
    for statement in statements:
        if refusal := _refusal(connection, statement):
            raise WrongAnswer(
                f"PostgreSQL refuses {shown(statement.replace(role, 'ROLE'))}: {refusal}."
            )

    for column in READABLE:
        if refusal := _refusal(connection, f"SELECT {column} FROM {RESULTS}", role):
            raise WrongAnswer(f"the dashboard cannot read the column {column!r}: {refusal}.")
    for column in PRIVATE:
        if not _refusal(connection, f"SELECT {column} FROM {RESULTS}", role):
            reason = _reason(connection, "SELECT", RESULTS)
            raise WrongAnswer(f"the dashboard can read the column {column!r}{reason}.")
    for verb, statement in WRITES.items():
        if not _refusal(connection, statement, role):
            reason = _reason(connection, statement.split()[0], RESULTS)
            raise WrongAnswer(f"the dashboard can {verb} rows{reason}.")
    if not _refusal(connection, f"SELECT taskset_id FROM {GROUPS}", role):
        reason = _reason(connection, "SELECT", GROUPS)
        raise WrongAnswer(f"the dashboard can read the table {GROUP_TABLE}{reason}.")
    for verb, statement in WRITES.items():
        if refusal := _refusal(connection, statement, worker):
            raise WrongAnswer(f"the role of the workers can no longer {verb} rows: {refusal}.")


def _reason(connection: sa.Connection, right: str, table: str) -> str:
    everybody = sa.text("SELECT has_table_privilege('public', :table, :right)")
    if connection.scalar(everybody, {"table": table, "right": right}):
        return ": PUBLIC can, and so can every role"
    return ""


def _refusal(connection: sa.Connection, statement: str, role: str = "") -> str:
    """Run a statement, as another role if one is named; return why PostgreSQL refuses it."""
    savepoint = connection.begin_nested()
    try:
        if role:
            connection.exec_driver_sql(f"SET LOCAL ROLE {role}")
        connection.exec_driver_sql(statement)
        if role:
            savepoint.rollback()
        else:
            savepoint.commit()
    except sa.exc.DBAPIError as error:
        savepoint.rollback()
        return explain(error)
    return ""
