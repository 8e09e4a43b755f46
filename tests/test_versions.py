"""The recorded versions: those that are installed, and those that the papers name."""

import re
import sys
import sysconfig
from importlib import metadata

import pytest
from packaging.requirements import Requirement

from tutorial.commands.chapters import NOTEBOOKS
from tutorial.commands.environment import VERSIONS
from tutorial.commands.tables import PACKAGES, recorded_versions
from tutorial.workspace import COURSE

RECORDED = VERSIONS.read_text(encoding="utf-8")


def installed() -> dict[str, str]:
    """Return the versions that are installed, by the names that the record uses.

    Only this environment's own folder is read. Importing setuptools puts the copies that it
    carries with it (platformdirs, zipp) at the front of ``sys.path``, and another test in the same
    process may have imported it.
    """
    environment = [sysconfig.get_path("purelib"), sysconfig.get_path("platlib")]
    found = {
        re.sub(r"[-_.]+", "-", each.name).lower(): each.version
        for each in metadata.distributions(path=environment)
    }
    return {name: found[name] for name in found.keys() & recorded_versions().keys()}


def test_the_installed_versions_are_the_recorded_ones() -> None:
    found, recorded = installed(), recorded_versions()
    expected = {name: recorded[name] for name in found}
    assert found == expected, "run python3 -m tutorial test, which installs what is recorded"
    assert set(PACKAGES) <= set(expected)


def test_what_jupyter_does_without_is_not_recorded() -> None:
    """It makes each import of nbformat, and so each start of JupyterLab, a second or two longer."""
    assert not {"lark", "rfc3987-syntax"} & set(recorded_versions())


def test_the_record_has_names_and_versions_only() -> None:
    header, *lines = RECORDED.splitlines()
    assert header == "# Made by: python -m tutorial versions"
    for line in lines:
        requirement = Requirement(line)
        assert re.fullmatch(r"==[\w.]+", str(requirement.specifier))
        assert not requirement.url
        assert not requirement.extras


@pytest.mark.parametrize("python", ["3.11", "3.12", "3.13", "3.14"])
@pytest.mark.parametrize("system", ["linux", "darwin", "win32"])
def test_the_record_is_for_every_python_and_system(python: str, system: str) -> None:
    variables = {
        "python_version": python,
        "python_full_version": f"{python}.9",
        "sys_platform": system,
    }
    lines = [Requirement(line) for line in RECORDED.splitlines()[1:]]
    names = [each.name for each in lines if not each.marker or each.marker.evaluate(variables)]
    assert len(names) == len(set(names))
    assert {"jupyterlab", "numpy", "pyarrow", *PACKAGES} <= set(names)


def test_the_record_covers_what_is_installed_here() -> None:
    """Otherwise the next person would get another version of it."""
    tools = {"celery-sql-results-tutorial", "pip", "setuptools", "uv", "wheel"}
    requirements = [
        Requirement(text) for text in metadata.requires("celery-sql-results-tutorial") or []
    ]
    needed = {re.sub(r"[-_.]+", "-", each.name).lower() for each in requirements}
    assert needed - tools <= {Requirement(line).name for line in RECORDED.splitlines()[1:]}


def test_the_readme_and_the_changelog_name_the_versions() -> None:
    recorded = recorded_versions()
    readme = (COURSE / "README.md").read_text(encoding="utf-8")
    newest = (COURSE / "CHANGELOG.md").read_text(encoding="utf-8").split("\n## ")[1]
    for name, title in PACKAGES.items():
        assert f" {recorded[name]} |" in readme
        assert f"{title} {recorded[name]}" in newest


def test_this_python_is_a_supported_one() -> None:
    assert (3, 11) <= sys.version_info[:2] <= (3, 14)


@pytest.mark.parametrize("title", ["Flower", "kombu", "PyMySQL"])
def test_the_texts_name_the_versions_that_are_used(title: str) -> None:
    """Celery and SQLAlchemy are left out: the texts compare several of their versions."""
    version = recorded_versions()[title.lower()]
    paths = [*NOTEBOOKS.rglob("*.ipynb"), *NOTEBOOKS.rglob("*.md")]
    texts = [path.read_text(encoding="utf-8") for path in paths]
    named = re.findall(rf"\b{title} (\d+(?:\.\d+)+)\b", "\n".join(texts))
    assert named
    for each in named:
        assert f"{version}.".startswith(f"{each}.")
