"""The two commands, the CI and environment.yml say the same as pyproject.toml and the README."""

import os
import re
import subprocess
import sys
import tomllib
from importlib import metadata

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from tutorial.workspace import COURSE

PROJECT = tomllib.loads((COURSE / "pyproject.toml").read_text(encoding="utf-8"))["project"]
ENVIRONMENT = yaml.safe_load((COURSE / "environment.yml").read_text(encoding="utf-8"))
README = (COURSE / "README.md").read_text(encoding="utf-8")
WORKFLOW = yaml.safe_load((COURSE / ".github/workflows/ci.yml").read_text(encoding="utf-8"))

# conda-forge's "matplotlib" brings a graphical toolkit too, which a notebook does not need.
CONDA_NAMES = {"matplotlib": "matplotlib-base"}
REQUIREMENTS = [Requirement(text) for text in PROJECT["dependencies"]]


def conda_spec(requirement: Requirement) -> str:
    """Return ``name=1.2`` for ``name==1.2.*``, and any other one unchanged."""
    name = CONDA_NAMES.get(requirement.name, requirement.name)
    return name + re.sub(r"^==(.*)\.\*$", r"=\1", str(requirement.specifier))


def code_blocks() -> list[str]:
    return re.findall(r"^```sh\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


def commands(end: str) -> list[str]:
    """Return the README's commands that install uv and end so."""
    lines = [line for block in code_blocks() for line in block.splitlines()]
    return [line for line in lines if "pip install uv" in line and line.endswith(end)]


def test_environment_yml_lists_the_packages_of_pyproject() -> None:
    python, pip, *packages = ENVIRONMENT["dependencies"]
    assert packages == [conda_spec(requirement) for requirement in REQUIREMENTS]
    assert pip == "pip"
    assert ENVIRONMENT["name"] == PROJECT["name"]
    # repo2docker, which builds Binder's image, ignores a Python that is not given exactly.
    assert re.fullmatch(r"python=3\.\d+", python)
    assert python.removeprefix("python=") in SpecifierSet(PROJECT["requires-python"])


@pytest.mark.parametrize("requirement", REQUIREMENTS, ids=str)
def test_the_installed_version_is_the_one_asked_for(requirement: Requirement) -> None:
    assert metadata.version(requirement.name) in requirement.specifier


def test_the_installed_course_asks_for_the_same() -> None:
    installed = [Requirement(text) for text in metadata.requires(PROJECT["name"]) or []]
    needed = {each for each in installed if "extra" not in str(each.marker)}
    assert needed == set(REQUIREMENTS), "install the course again: pyproject.toml is newer"


def test_binder_installs_the_course_itself() -> None:
    path = COURSE / "postBuild"
    assert os.access(path, os.X_OK)
    install = 'python -m pip install --editable ".[servers]"'
    assert path.read_text(encoding="utf-8").splitlines()[-1] == install
    assert install in README


def test_the_readme_has_the_two_commands() -> None:
    (learn,) = commands("python -m tutorial lab")
    (test,) = commands("pytest")
    assert code_blocks()[:2] == [f"{learn}\n", f"{test}\n"]


@pytest.mark.skipif(sys.platform == "win32", reason="CI runs this script on Linux")
def test_ci_runs_the_test_command_of_the_readme() -> None:
    script = (COURSE / ".ci/run").read_text(encoding="utf-8")
    assert script.endswith('\neval "$command"\n')
    (assignment,) = re.findall(r"^command=.*$", script, re.MULTILINE)
    found = subprocess.run(
        ["bash", "-c", f'{assignment}; echo "$command"'],
        cwd=COURSE,
        capture_output=True,
        text=True,
        check=True,
    )
    assert found.stdout.splitlines() == commands("pytest")


def test_github_runs_the_test_command_on_the_oldest_and_the_newest_python() -> None:
    job = WORKFLOW["jobs"]["test"]
    assert [step["run"] for step in job["steps"] if "run" in step] == commands("pytest")
    assert job["strategy"]["matrix"]["os"] == ["ubuntu-latest", "macos-latest"]
    supported = [
        f"3.{minor}"
        for minor in range(8, 30)
        if f"3.{minor}" in SpecifierSet(PROJECT["requires-python"])
    ]
    assert job["strategy"]["matrix"]["python"] == [supported[0], supported[-1]]
    assert f"Python {supported[0]} to {supported[-1]}" in README


def test_the_readme_links_to_nothing_outside() -> None:
    assert re.findall(r"https?://", README) == []
