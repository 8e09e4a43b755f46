"""The package's imports run one way: no circle, and nothing that runs back up."""

import ast
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

from tutorial.workspace import COURSE

PACKAGE = COURSE / "tutorial"
# What the modules of each folder may import; "" is the folder of the chapters' modules itself.
ALLOWED = {
    "": {"", "reading", "processes", "inspecting"},
    "reading": {"", "reading"},
    "processes": {"", "processes"},
    "inspecting": {"", "reading", "inspecting"},
    "exercises": {"", "processes", "exercises"},
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
    # What only a type checker imports makes no circle.
    unused = {
        inner
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if node in unused:
            continue
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {node.module or ""} | {f"{node.module}.{a.name}" for a in node.names}
    return found & names


def folder(module: str) -> str:
    _package, *folders, name = module.split(".")
    return "commands" if name == "__main__" else folders[0] if folders else ""


def complaints(package: Path) -> list[str]:
    """Return the imports that run back up; raise `graphlib.CycleError` for a circle."""
    found = modules(package)
    graph = {name: imported(file, set(found)) for name, file in found.items()}
    TopologicalSorter(graph).prepare()
    return [
        f"{module} imports {other}"
        for module, others in graph.items()
        for other in others
        if folder(other) not in ALLOWED[folder(module)]
    ]


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
