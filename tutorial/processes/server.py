"""The process that `tutorial.servers.Server` starts: it keeps one server, and then removes it.

It reads orders from its standard input, one on each line, and answers each with a line of JSON. At
the end of that file, which the system makes when the parent ends, however it ends, it stops the
server and removes its files.
"""

import gc

if __name__ == "__main__":
    gc.disable()  # until all is imported, as in a worker

import json
import os
import sys
import threading
from contextlib import suppress
from pathlib import Path
from queue import Queue

from tutorial.processes.kinds import VARIABLES
from tutorial.processes.private import KILL, PRIVATE, Private
from tutorial.processes.shared import SHARED, Shared


def main(kind: str, program: str, host: str) -> None:
    """Keep a server until the parent is gone.

    Parameters
    ----------
    kind : str
        A key of `tutorial.processes.kinds.NAMES`.
    program : str
        The program of a private server; empty for the one that the environment names.
    host : str
        The address at which a private server listens.
    """
    gc.freeze()
    gc.enable()
    orders: Queue[str] = Queue()
    parent_is_gone = threading.Event()
    threading.Thread(target=listen_to_parent, args=[orders, parent_is_gone], daemon=True).start()
    kept: Private | Shared
    if program:
        kept = PRIVATE[kind](Path(program), host, parent_is_gone)
    else:
        kept = SHARED[kind](os.environ[VARIABLES[kind]])
    try:
        while order := orders.get():
            try:
                carry_out(order, kept)
                reply("done", kept.url)
            except Exception as error:  # each driver has its own
                reply("error", str(error) or repr(error))
    finally:
        kept.remove()


def listen_to_parent(orders: "Queue[str]", parent_is_gone: threading.Event) -> None:
    """Pass the orders on; an empty one, at the end of file, says that the parent is gone."""
    for line in sys.stdin:
        orders.put(line.strip())
    parent_is_gone.set()
    orders.put("")


def carry_out(order: str, kept: Private | Shared) -> None:
    """Start, stop or kill what is kept."""
    if order == "start":
        kept.start()
    else:
        kept.end(KILL if order == "kill" else kept.stop_signal)


def reply(kind: str, text: str) -> None:
    """Answer an order."""
    with suppress(BrokenPipeError):  # nobody is waiting for it any more
        print(json.dumps([kind, text]), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
