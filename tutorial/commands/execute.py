"""Execute the notebooks and write them back: the same bytes from every run of the same code."""

import hashlib
import re
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import nbformat
from nbclient.exceptions import CellExecutionError, DeadKernelError
from nbformat import NotebookNode

from tutorial.commands.chapters import NOTEBOOKS, chapters
from tutorial.commands.environment import COURSE
from tutorial.commands.outputs import RULES, Client, kernel_of_this_python, patterns

IGNORED = "nbval-ignore-output"  # the tag of a cell whose outputs pytest does not compare
DRAWN_BY = "drawn_by"  # the key of an image's metadata that tells whether the image is an old one
KERNEL = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}


class NotebookError(Exception):
    """A notebook could not be executed; the message names it, the cell and the error."""


def all_notebooks() -> list[Path]:
    """Return the paths of the chapters, and of their exercises with solutions."""
    folders = (NOTEBOOKS, NOTEBOOKS / "exercises" / "source")
    return [folder / f"{chapter.name}.ipynb" for folder in folders for chapter in chapters()]


def execute_notebooks(paths: Iterable[Path] = (), fresh: bool = False) -> None:
    """Execute notebooks one after the other, write each back, and print a line for each.

    Parameters
    ----------
    paths : iterable of pathlib.Path
        By default `all_notebooks`.
    fresh : bool
        Also replace stored outputs that differ from the new ones only in what pytest does not
        compare: times, task ids, images. Use it after a change to a plot.

    Raises
    ------
    NotebookError
        If a cell fails that has no tag ``raises-exception``, if the kernel dies, or if there is
        no such file. The notebook's file stays as it was.
    """
    for path in list(paths) or all_notebooks():
        started = time.perf_counter()
        if not path.is_file():
            raise NotebookError(f"There is no notebook {path}.")
        before = path.read_bytes()
        try:
            stored = canonical(nbformat.reads(before.decode(), as_version=4), path.stem)
        except Exception as error:  # nbformat has many, and some files are no text
            raise NotebookError(f"{path} cannot be read as a notebook.") from error
        notebook = canonical(_execute(stored, path), path.stem)
        _sign_images(notebook)
        if not fresh:
            _keep_equal_outputs(stored, notebook)
        after = serialize(notebook)
        if after != before:
            path.write_bytes(after)
        news = "unchanged" if after == before else "written"
        print(f"{path.name}: {news}, {time.perf_counter() - started:.1f} s", flush=True)


def canonical(notebook: NotebookNode, name: str) -> NotebookNode:
    """Return a copy without what depends on the machine, the editor or the moment.

    Parameters
    ----------
    notebook : nbformat.NotebookNode
    name : str
        The notebook's name, of which the ids of the cells are made.

    Returns
    -------
    nbformat.NotebookNode
        Of a traceback it keeps the last line: the frames hold paths of the machine.
    """
    notebook = nbformat.from_dict(notebook)
    notebook.nbformat_minor = 5  # the first format with ids
    notebook.metadata = {"kernelspec": KERNEL, "language_info": {"name": "python"}}
    for position, cell in enumerate(notebook.cells):
        cell.id = f"{name}-{position:02}"
        cell.metadata = {k: v for k, v in cell.metadata.items() if k in ("tags", "nbgrader")}
        for output in cell.get("outputs", []):
            if output.output_type == "error":
                output.traceback = [f"{output.ename}: {output.evalue}"]
    return nbformat.from_dict(notebook)


def serialize(notebook: NotebookNode) -> bytes:
    """Return the content of the notebook's file."""
    return (nbformat.writes(notebook) + "\n").encode()


def drawn_by(source: str) -> str:
    """Return a fingerprint of the code that draws an image.

    Parameters
    ----------
    source : str
        The source of the cell.

    Returns
    -------
    str
        It also depends on the module `tutorial.plots`, which the cell may use.
    """
    code = source + (COURSE / "tutorial" / "plots.py").read_text(encoding="utf-8")
    return hashlib.sha256(code.encode()).hexdigest()[:12]


def _sign_images(notebook: NotebookNode) -> None:
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            if "image/png" in output.get("data", {}):
                output.metadata[DRAWN_BY] = drawn_by(cell.source)


def _execute(notebook: NotebookNode, path: Path) -> NotebookNode:
    client = Client(
        nbformat.from_dict(notebook),
        km=kernel_of_this_python(),
        extra_arguments=["--log-level=CRITICAL"],
        record_timing=False,
        store_widget_state=False,
        coalesce_streams=True,
    )
    try:
        return client.execute(cwd=str(path.parent), cleanup_kc=True)
    except CellExecutionError as error:
        reason = f"{error.ename}: {error.evalue}"
    except (DeadKernelError, AssertionError):  # the second is how nbclient ends after Ctrl+C
        reason = "the kernel died"
    raise NotebookError(f"{path.name}, cell [{client.code_cells_executed}]: {reason}")


def _keep_equal_outputs(stored: NotebookNode, notebook: NotebookNode) -> None:
    """Put the stored outputs back into those cells where pytest would see no difference."""
    for old, new in zip(stored.cells, notebook.cells, strict=True):
        if new.cell_type == "code" and all(f(old) == f(new) for f in (_compared, _signatures)):
            new.outputs = old.outputs
            for output in new.outputs:
                if "execution_count" in output:
                    output.execution_count = new.execution_count


def _compared(cell: NotebookNode) -> list[dict[str, Any]]:
    """Return what nbval compares of a cell's outputs; for an ignored cell, only their kinds."""
    outputs = []
    for output in cell.outputs:
        parts = {**output, **output.get("data", {})}
        for key in list(parts):
            if key in ("data", "metadata", "execution_count") or key.startswith("image/"):
                del parts[key]
        outputs.append({key: _sanitized(part) for key, part in parts.items()})
    if IGNORED in cell.metadata.get("tags", []):
        return [dict.fromkeys(output) for output in outputs]
    return outputs


def _signatures(cell: NotebookNode) -> list[str | None]:
    return [output.get("metadata", {}).get(DRAWN_BY) for output in cell.outputs]


def _sanitized(part: Any) -> Any:
    if isinstance(part, str):
        for pattern, replacement in patterns(RULES.read_text(encoding="utf-8")):
            part = re.sub(pattern, replacement, part)
    return part
