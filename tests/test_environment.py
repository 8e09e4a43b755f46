"""The two commands, the CI, conda and Binder say the same as pyproject.toml and the README."""

import os
import re
import tomllib
from importlib import metadata

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from tutorial.commands.tables import supported_pythons
from tutorial.workspace import COURSE

PROJECT = tomllib.loads((COURSE / "pyproject.toml").read_text(encoding="utf-8"))["project"]
ENVIRONMENT = yaml.safe_load((COURSE / "environment.yml").read_text(encoding="utf-8"))
README = (COURSE / "README.md").read_text(encoding="utf-8")
INSTALL = (COURSE / "notebooks/INSTALL.md").read_text(encoding="utf-8")
WORKFLOW = yaml.safe_load((COURSE / ".github/workflows/ci.yml").read_text(encoding="utf-8"))

LEARN, TEST = "python3 -m tutorial lab", "python3 -m tutorial test"
# conda-forge's "matplotlib" brings a graphical toolkit too, which a notebook does not need.
CONDA_NAMES = {"matplotlib": "matplotlib-base"}
REQUIREMENTS = [Requirement(text) for text in PROJECT["dependencies"]]


def conda_spec(requirement: Requirement) -> str:
    """Return ``name=1.2`` for ``name==1.2.*``, and any other one unchanged."""
    name = CONDA_NAMES.get(requirement.name, requirement.name)
    return name + re.sub(r"^==(.*)\.\*$", r"=\1", str(requirement.specifier))


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


def test_conda_and_binder_install_the_course_itself() -> None:
    path = COURSE / "postBuild"
    assert os.access(path, os.X_OK)
    install = path.read_text(encoding="utf-8").splitlines()[-1]
    assert install.endswith(' --editable ".[servers]"')
    assert install in INSTALL


def test_the_readme_has_the_two_commands() -> None:
    assert re.findall(r"^```sh\n(.*?)\n```$", README, re.MULTILINE | re.DOTALL) == [LEARN, TEST]
    assert f"Python {supported_pythons(PROJECT['requires-python'])}" in README


def test_ci_runs_the_test_command_of_the_readme() -> None:
    script = (COURSE / ".ci/run").read_text(encoding="utf-8")
    assert script.splitlines()[-1] == TEST


def test_github_runs_the_test_command_on_the_oldest_and_the_newest_python() -> None:
    job = WORKFLOW["jobs"]["test"]
    assert [step["run"] for step in job["steps"] if "run" in step] == [TEST]
    matrix = job["strategy"]["matrix"]
    assert matrix["os"] == ["ubuntu-latest", "macos-latest"]
    assert " to ".join(matrix["python"]) == supported_pythons(PROJECT["requires-python"])


def test_the_readme_names_no_host_but_that_of_a_licence() -> None:
    assert re.findall(r"https?://[^/]+", README) == ["https://creativecommons.org"]
