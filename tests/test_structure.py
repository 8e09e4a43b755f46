"""The package's imports run one way: no circle, and nothing that runs back up."""

import ast
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import conftest
import pytest

from tutorial.workspace import COURSE

PACKAGE = COURSE / "tutorial"
# What the modules of each folder may import; "" is the folder of the chapters' modules itself.
ALLOWED = {
    "": {"", "checks", "reading", "processes", "inspecting"},
    "checks": {"checks"},
    "reading": {"", "checks", "reading"},
    "processes": {"", "processes"},
    "inspecting": {"", "reading", "inspecting"},
    "exercises": {"", "checks", "processes", "exercises"},
    "commands": {"", "reading", "processes", "exercises", "commands"},
}


def modules(package: Path) -> dict[str, Path]:
    """Return the files of the modules by their names, without the project that a command copies."""
    files = [file for file in package.rglob("*.py") if "project" not in file.parts]
    names = [file.relative_to(package.parent).with_suffix("").parts for file in files]
    return dict(zip(map(".".join, names), files, strict=True))


def imported(file: Path, names: set[str]) -> set[str]:
    """Return the modules of the package that a module imports, wherever in it."""
    found = set()
    tree = ast.parse(file.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {node.module or ""} | {f"{node.module}.{a.name}" for a in node.names}
    return found & names


def folder(module: str) -> str:
    _package, *folders, name = module.split(".")
    return "commands" if name == "__main__" else folders[0] if folders else ""


def room(module: str) -> str:
    return folder(module) or module


def complaints(package: Path) -> list[str]:
    """Return the imports that run back up; raise `graphlib.CycleError` for a circle."""
    found = modules(package)
    graph = {name: imported(file, set(found)) for name, file in found.items()}
    TopologicalSorter(graph).prepare()
    # A folder is one room, so two folders may not use each other either.
    rooms: dict[str, set[str]] = {}
    for module, others in graph.items():
        rooms.setdefault(room(module), set()).update(
            {room(each) for each in others} - {room(module)}
        )
    TopologicalSorter(rooms).prepare()
    return [
        f"{module} imports {other}"
        for module, others in graph.items()
        for other in others
        if folder(other) not in ALLOWED[folder(module)]
    ]


def test_folders_that_use_each_other_are_seen(tmp_path: Path) -> None:
    package = tmp_path / "tutorial"
    texts = {
        "database": "from tutorial.processes import path",
        "processes/path": "",
        "processes/child": "from tutorial import database",
    }
    for name, text in texts.items():
        file = package / f"{name}.py"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    with pytest.raises(CycleError):
        complaints(package)


def test_imports_run_one_way() -> None:
    assert complaints(PACKAGE) == []


@pytest.mark.parametrize(
    ("module", "text", "sentence"),
    [
        ("tables", "from tutorial.commands import lab", "tutorial.tables imports tutorial.comm"),
        ("tables", "def f():\n    import tutorial.exercises.quiz", "imports tutorial.exercises.q"),
        (
            "reading/arrow",
            "from tutorial import workspace\nfrom tutorial.processes.child import x",
            "tutorial.reading.arrow imports tutorial.processes.child",
        ),
    ],
)
def test_an_import_that_runs_back_up_is_seen(
    module: str, text: str, sentence: str, tmp_path: Path
) -> None:
    package = tmp_path / "tutorial"
    for name in ("commands/lab", "exercises/quiz", "processes/child", "workspace", module):
        file = package / f"{name}.py"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text if name == module else "")
    [complaint] = complaints(package)
    assert sentence in complaint


def test_the_files_that_the_tests_order_exist() -> None:
    folders = (COURSE, COURSE / "tests")
    for file in conftest.LONGEST | set(conftest.WAITING):
        assert any((folder / file).is_file() for folder in folders), file
