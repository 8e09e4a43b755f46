"""The page for contributors: what it says is enough to add a chapter with exercises."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from test_course import NAME, good_notebook

from tutorial.commands.execute import serialize
from tutorial.workspace import COURSE

PAGE = (COURSE / ".github/CONTRIBUTING.md").read_text(encoding="utf-8")
MODEL = "14-schema"  # its exercises, which are quick, become those of the new chapter
NUMBER, WORD = "18", "small"
ENTRY = f"""
[[parts.chapters]]
name = "{NUMBER}-{WORD}"
question = "Is a small chapter enough?"
"""
SECONDS = 600


def section(title: str) -> str:
    return PAGE.partition(f"## {title}\n")[2].partition("\n## ")[0]


def files(title: str) -> list[str]:
    """Return the files that a section of the page names, for the new chapter."""
    found = re.findall(r"^\d\. `([^`]+)`", section(title), re.MULTILINE)
    return [path.replace("NN", NUMBER).replace("word", WORD) for path in found]


def commands(title: str) -> list[list[str]]:
    """Return the commands that a section of the page says to run."""
    (block,) = re.findall(r"```sh\n(.*?)```", section(title), re.DOTALL)
    lines = block.replace("NN", NUMBER).replace("word", WORD).splitlines()
    return [line.split()[1:] for line in lines]


def run(course: Path, *arguments: str) -> None:
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=course,
        env=os.environ | {"PYTHONPATH": str(course)},
        capture_output=True,
        text=True,
        timeout=SECONDS,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture
def course(tmp_path: Path) -> Path:
    """Return a copy of the course's files."""
    left_out = shutil.ignore_patterns(".*cache*", ".git", ".uv", ".venv", "workspaces")
    return Path(shutil.copytree(COURSE, tmp_path / "course", ignore=left_out))


def write(course: Path, path: str) -> None:
    """Write one of the files that the page names."""
    target = course / path
    if path == "notebooks/chapters.toml":
        target.write_text(target.read_text(encoding="utf-8") + ENTRY, encoding="utf-8")
    elif path == f"notebooks/{NUMBER}-{WORD}.ipynb":
        text = serialize(good_notebook()).decode()
        text = text.replace(NAME, f"{NUMBER}-{WORD}").replace("# 03.", f"# {NUMBER}.")
        target.write_text(text, encoding="utf-8")
    else:
        number, word = MODEL.split("-")
        model = path.replace(f"{NUMBER}-{WORD}", MODEL).replace(WORD, word)
        text = (course / model).read_text(encoding="utf-8")
        text = text.replace(MODEL, f"{NUMBER}-{WORD}").replace(f"# {number}.", f"# {NUMBER}.")
        target.write_text(text.replace(f"exercises.{word}", f"exercises.{WORD}"), encoding="utf-8")


def test_a_chapter_with_exercises_is_added_as_the_page_says(course: Path) -> None:
    titles = ("Add a chapter", "Add exercises to a chapter")
    assert 2 < sum(len(files(title)) for title in titles) <= 5
    for title in titles:
        for path in files(title):
            write(course, path)
        for command in commands(title):
            run(course, *command)
    chapter = f"{NUMBER}-{WORD}"
    for page in ("README.md", "notebooks/00-start-here.ipynb", "notebooks/exercises/TEACHERS.md"):
        assert chapter in (course / page).read_text(encoding="utf-8")
    # The command above has executed the chapter's cells; their rules are those of test_course.py.
    run(
        course,
        *("-m", "pytest", "-q", "-n0", "-k", f"{WORD} or of_the_map or tables_are_current"),
        *(f"tests/test_{name}.py" for name in ("course", "papers", "exercises", "answers")),
        f"notebooks/exercises/source/{chapter}.ipynb",
    )
