"""An error in a learner's kernel is as long as the stored one, which nbval does not compare."""

from pathlib import Path
from typing import Any

import nbformat
import pytest
from kernels import Kernel

from tutorial.commands.chapters import chapters
from tutorial.workspace import COURSE

QUICK = ("02-configuration",)  # the other chapters with errors take longer
NAMES = [
    name if name in QUICK else pytest.param(name, marks=pytest.mark.slow)
    for name in (chapter.name for chapter in chapters())
]


def length(error: Any) -> int:
    return sum(len(part.splitlines()) for part in error["traceback"])


@pytest.mark.parametrize("name", NAMES)
def test_errors_are_as_long_as_the_stored_ones(name: str, tmp_path: Path) -> None:
    notebook = nbformat.read(COURSE / "notebooks" / f"{name}.ipynb", as_version=4)
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    failing = [
        i for i, cell in enumerate(cells) if any(o.output_type == "error" for o in cell.outputs)
    ]
    if not failing:
        pytest.skip("no cell of this chapter fails")
    kernel = Kernel(tmp_path)
    try:
        for cell in cells[: failing[-1] + 1]:
            shown: list[int] = []

            def note(message: dict[str, Any], shown: list[int] = shown) -> None:
                if message["msg_type"] == "error":
                    shown.append(length(message["content"]))

            kernel.client.execute_interactive(
                cell.source, timeout=300, stop_on_error=False, output_hook=note
            )
            stored = [length(o) for o in cell.outputs if o.output_type == "error"]
            assert shown == stored, cell.id
    finally:
        kernel.close()
