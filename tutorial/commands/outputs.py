"""Kernels that run notebooks, and how their outputs are compared.

Only this module uses what nbval does not make public.
"""

from pathlib import Path
from typing import Any

from jupyter_client.manager import AsyncKernelManager
from jupyter_core.utils import run_sync
from nbclient import NotebookClient
from nbval.kernel import CURRENT_ENV_KERNEL_NAME, NbvalKernelspecManager
from nbval.plugin import comment_markers, get_sanitize_patterns

RULES = Path(__file__).with_name("not_compared.cfg")
COMMENT_MARKERS = frozenset(comment_markers)  # comments that change what nbval compares
PATIENCE = 60  # seconds for an output to arrive after its cell has ended


def kernel_of_this_python() -> AsyncKernelManager:
    """Return a manager that starts this Python, as ``--nbval-current-env`` does.

    The kernel that is installed under the name ``python3`` can be another Python.

    Returns
    -------
    jupyter_client.manager.AsyncKernelManager
    """
    return AsyncKernelManager(
        kernel_name=CURRENT_ENV_KERNEL_NAME, kernel_spec_manager=NbvalKernelspecManager()
    )


class AlwaysEnds:
    """What nbclient's clients lack: to end, always, when a kernel has died.

    The heartbeat of a dead kernel opens a new socket every second. If it does so while nbclient
    ends the context of its sockets, the context waits for this socket for ever
    (https://github.com/jupyter/jupyter_client/issues/771), so the heartbeat has to end first.
    """

    kc: Any

    async def _async_cleanup_kernel(self) -> None:
        if self.kc is not None:
            self.kc.stop_channels()
        await super()._async_cleanup_kernel()  # type: ignore[misc]

    _cleanup_kernel = run_sync(_async_cleanup_kernel)


class Client(AlwaysEnds, NotebookClient):
    """Runs a notebook."""


def patterns(rules: str) -> list[tuple[str, str]]:
    """Return the regular expressions in a file of rules, each with its replacement.

    Parameters
    ----------
    rules : str
        The content of the file.

    Returns
    -------
    list of (str, str)
    """
    found: list[tuple[str, str]] = list(get_sanitize_patterns(rules))
    return found


def tags_of(item: Any) -> list[str]:
    """Return the tags of the cell that a pytest item runs; an item without a cell has none.

    Parameters
    ----------
    item : pytest.Item

    Returns
    -------
    list of str
    """
    cell = getattr(item, "cell", None)
    return list(cell.metadata.get("tags", [])) if cell else []


def wait_longer(item: Any) -> None:
    """Let a busy machine deliver the outputs of a pytest item's cell late: nbval allows 5 s.

    Parameters
    ----------
    item : pytest.Item
    """
    if hasattr(item, "cell"):
        item.output_timeout = PATIENCE
