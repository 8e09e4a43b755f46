"""The tool that executes notebooks and writes them back."""

import os
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from tutorial.commands import execute as notebooks
from tutorial.commands.execute import NotebookError, canonical, execute_notebooks, serialize
from tutorial.workspace import COURSE

ID = "6f1c9d9e-5f0a-4b9e-9a53-0123456789ab"
PIXEL = "iVBORw0KGgo="


def write(folder: Path, *sources: str, tags: tuple[str, ...] = ()) -> Path:
    cells = [new_code_cell(source, metadata={"tags": list(tags)}) for source in sources]
    path = folder / "00-sample.ipynb"
    nbformat.write(new_notebook(cells=cells), path)
    return path


@pytest.mark.slow
def test_two_runs_give_the_same_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.setenv("TUTORIAL_HOME", str(tmp_path / "home"))
    path = write(
        tmp_path,
        'from tutorial.workspace import open_workspace\n\nopen_workspace("00-sample").name',
        "import uuid\nfrom datetime import datetime\n\nprint(uuid.uuid4(), datetime.now())",
        'display({"image/png": uuid.uuid4().hex, "text/plain": "a plot of times"}, raw=True)',
        "import sys\n\nsys.executable",
    )
    execute_notebooks([path])
    first = path.read_bytes()
    execute_notebooks([path])
    assert path.read_bytes() == first
    execute_notebooks([path], fresh=True)
    assert path.read_bytes() != first
    news = [line.split(",")[0] for line in capsys.readouterr().out.splitlines()]
    assert news == [f"00-sample.ipynb: {what}" for what in ("written", "unchanged", "written")]

    cells = nbformat.read(path, as_version=4).cells
    assert list(cells[2].outputs[0].metadata) == ["drawn_by"]
    assert [cell.execution_count for cell in cells] == [1, 2, 3, 4]
    assert cells[0].outputs[0].data["text/plain"] == "'home'"
    assert cells[3].outputs[0].data["text/plain"] == repr(sys.executable), "the same Python"


def test_an_image_is_drawn_anew_when_its_code_has_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TUTORIAL_HOME", str(tmp_path / "home"))
    draw = 'import uuid\n\ndisplay({"image/png": uuid.uuid4().hex, "text/plain": "plot"}, raw=True)'
    path = write(tmp_path, draw)
    images = []
    for source in (draw, draw, f"{draw}  # in another colour"):
        notebook = nbformat.read(path, as_version=4)
        notebook.cells[0].source = source
        nbformat.write(notebook, path)
        execute_notebooks([path])
        images.append(nbformat.read(path, as_version=4).cells[0].outputs[0])
    first, second, third = (image.data["image/png"] for image in images)
    assert first == second != third
    assert images[2].metadata == {"drawn_by": notebooks.drawn_by(source)}


@pytest.mark.parametrize("path", notebooks.all_notebooks(), ids=lambda path: path.stem)
def test_no_stored_image_is_older_than_its_code(path: Path) -> None:
    for cell in nbformat.read(path, as_version=4).cells:
        for output in cell.get("outputs", []):
            if "image/png" in output.get("data", {}):
                signed = output.metadata.get("drawn_by")
                assert signed == notebooks.drawn_by(cell.source), (
                    f"the code of an image has changed: python -m tutorial execute {path}"
                )


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("1 / 0", "ZeroDivisionError: division by zero"),
        ("import os\n\nos._exit(1)", "the kernel died"),
    ],
)
def test_a_cell_that_fails_leaves_the_file_alone(source: str, reason: str, tmp_path: Path) -> None:
    path = write(tmp_path, "1 + 1", source, "2 + 2")
    before = path.read_bytes()
    with pytest.raises(NotebookError) as error:
        execute_notebooks([path])
    assert str(error.value) == f"00-sample.ipynb, cell [2]: {reason}"
    assert path.read_bytes() == before


def test_a_notebook_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(NotebookError, match=r"^There is no notebook .*02-gone.ipynb\.$"):
        execute_notebooks([tmp_path / "02-gone.ipynb"])


@pytest.mark.parametrize("content", [b"# no notebook", b"\xff\xfe", b"[]", b""])
def test_a_file_that_is_no_notebook(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "02-text.ipynb"
    path.write_bytes(content)
    with pytest.raises(NotebookError, match=r"02-text\.ipynb cannot be read as a notebook\.$"):
        execute_notebooks([path])
    assert path.read_bytes() == content


def test_a_cell_that_shall_fail_keeps_no_frames(tmp_path: Path) -> None:
    path = write(tmp_path, "1 / 0", tags=("raises-exception",))
    execute_notebooks([path])
    [output] = nbformat.read(path, as_version=4).cells[0].outputs
    assert output.traceback == ["ZeroDivisionError: division by zero"]


def test_the_file_holds_nothing_of_machine_or_editor() -> None:
    cell = new_code_cell("1", execution_count=1)
    cell.metadata = {"tags": ["x"], "execution": {"iopub.execute_input": "today"}, "scrolled": True}
    notebook = new_notebook(cells=[cell, new_markdown_cell("Text: ü")])
    notebook.metadata = {
        "language_info": {"name": "python", "version": "3.11.9"},
        "kernelspec": {"name": "my-env", "display_name": "mine"},
        "widgets": {},
    }
    content = serialize(canonical(notebook, "00-sample")).decode()
    assert content.endswith("}\n")
    assert "ü" in content
    assert '"id": "00-sample-01"' in content
    for word in ("today", "scrolled", "3.11.9", "my-env", "widgets"):
        assert word not in content


def kept(before: dict, after: dict, *tags: str) -> bool:
    """Tell whether the tool keeps the stored output `before` when a new run gives `after`."""
    old, new = (
        new_notebook(cells=[new_code_cell("x", metadata={"tags": list(tags)}, outputs=[output])])
        for output in (before, after)
    )
    notebooks._keep_equal_outputs(old, new)
    return new.cells[0].outputs == [before]


def shown(text: str, **others: str) -> dict:
    return new_output("display_data", {"text/plain": text, **others})


def test_only_what_pytest_does_not_compare_is_kept() -> None:
    other_id = ID.replace("9", "8")
    assert kept(shown(f"task {ID}"), shown(f"task {other_id}"))
    assert kept(shown("at 2026-01-02 03:04:05.678"), shown("at 2026-01-02 03:04:06.789"))
    assert kept(shown("plot", **{"image/png": PIXEL}), shown("plot", **{"image/png": "AAAA"}))
    assert kept(shown("0.12 s"), shown("0.34 s"), notebooks.IGNORED)
    assert not kept(shown("5"), shown("6"))
    assert not kept(shown("task 5"), shown(f"task {ID}"))
    assert not kept(shown("5"), shown("5", **{"text/html": "<b>5</b>"}))
    assert not kept(shown("0.12 s"), new_output("stream", text="0.34 s"), notebooks.IGNORED)


def test_the_command_names_notebook_and_cell(tmp_path: Path) -> None:
    path = write(tmp_path, "1 / 0")
    command = [sys.executable, "-m", "tutorial", "execute", str(path)]
    # IPython warns of a home folder that it cannot write to.
    variables = os.environ | {"IPYTHONDIR": str(tmp_path / "ipython")}
    done = subprocess.run(command, cwd=COURSE, env=variables, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr == "00-sample.ipynb, cell [1]: ZeroDivisionError: division by zero\n"
