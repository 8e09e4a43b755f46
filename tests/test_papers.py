"""Licences, citation, changelog, issue forms and workflows."""

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import check_jsonschema
import pytest
import yaml

from tutorial.commands import tables
from tutorial.commands.tables import TableProblem, renew, renewed
from tutorial.workspace import COURSE

PROJECT = tomllib.loads((COURSE / "pyproject.toml").read_text(encoding="utf-8"))["project"]
README = (COURSE / "README.md").read_text(encoding="utf-8")
CITATION = yaml.safe_load((COURSE / "CITATION.cff").read_text(encoding="utf-8"))
CHANGELOG = (COURSE / "CHANGELOG.md").read_text(encoding="utf-8")
GITHUB = COURSE / ".github"
FORMS = sorted(GITHUB.glob("ISSUE_TEMPLATE/[0-9]*.yml"))
WORKFLOWS = sorted(GITHUB.glob("workflows/*.yml"))
SCHEMAS = {
    "citation-file-format": [COURSE / "CITATION.cff"],
    "dependabot": [GITHUB / "dependabot.yml"],
    "github-issue-config": [GITHUB / "ISSUE_TEMPLATE" / "config.yml"],
    "github-issue-forms": FORMS,
    "github-workflows": WORKFLOWS,
}


def valid(schema: str, *paths: Path) -> bool:
    arguments = ["--builtin-schema", f"vendor.{schema}", *map(str, paths)]
    with pytest.raises(SystemExit) as end:
        check_jsonschema.main(arguments)
    assert end.value.code in (0, 1), arguments
    return end.value.code == 0


@pytest.mark.parametrize("schema", SCHEMAS)
def test_files_for_other_programs_have_the_right_form(schema: str, tmp_path: Path) -> None:
    assert valid(schema, *SCHEMAS[schema])
    for path in SCHEMAS[schema]:
        bad = tmp_path / path.name
        bad.write_text("surprise: 1\n" + path.read_text(encoding="utf-8"), encoding="utf-8")
        assert not valid(schema, bad)


def test_the_forms_are_those_of_the_course() -> None:
    names = [yaml.safe_load(path.read_text(encoding="utf-8"))["name"] for path in FORMS]
    assert names == ["A wrong statement", "A broken cell", "A question"]


def program(name: str) -> str:
    found = shutil.which(name, path=Path(sys.executable).parent)
    assert found, f"{name} is not installed beside this Python"
    return found


def lint(command: list[str], folder: Path) -> str:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=600)
    return done.stdout + done.stderr if done.returncode else ""


def test_actionlint_finds_nothing(tmp_path: Path) -> None:
    # It looks for shellcheck and pyflakes too, which a machine may have or not.
    command = [program("actionlint"), "-shellcheck=", "-pyflakes="]
    assert lint([*command, *map(str, WORKFLOWS)], COURSE) == ""
    bad = tmp_path / "bad.yml"
    text = WORKFLOWS[0].read_text(encoding="utf-8")
    bad.write_text(text.replace("matrix.os }}", "matrix.system }}"), encoding="utf-8")
    assert 'property "system" is not defined' in lint([*command, str(bad)], tmp_path)


def test_zizmor_finds_nothing(tmp_path: Path) -> None:
    command = [program("zizmor"), "--offline", "--no-progress"]
    assert lint([*command, str(GITHUB)], COURSE) == ""
    bad = tmp_path / "bad.yml"
    text = WORKFLOWS[0].read_text(encoding="utf-8")
    bad.write_text(text + "      - run: echo ${{ github.event.issue.title }}\n", encoding="utf-8")
    assert "template-injection" in lint([*command, str(bad)], tmp_path)


def test_a_failing_weekly_run_is_a_report() -> None:
    weekly = yaml.safe_load((GITHUB / "workflows/weekly.yml").read_text(encoding="utf-8"))
    triggers = weekly[True]  # YAML 1.1 reads "on" so
    assert set(triggers) == {"schedule", "workflow_dispatch"}
    report = weekly["jobs"]["report"]
    assert set(report["needs"]) == set(weekly["jobs"]) - {"report"}
    assert [name for name, job in weekly["jobs"].items() if "issues" in job["permissions"]] == [
        "report"
    ]
    options = [
        lane["options"] for lane in weekly["jobs"]["versions"]["strategy"]["matrix"]["include"]
    ]
    assert options == ["--resolution=lowest-direct", "--prerelease=allow"]


def test_the_version_of_the_course_is_the_same_everywhere() -> None:
    headings = re.findall(r"^## (.*)$", CHANGELOG, re.MULTILINE)
    assert headings[0] == PROJECT["version"] == CITATION["version"]
    assert f"\n| {PROJECT['version']} | " in README
    assert CITATION["date-released"].startswith(PROJECT["version"].replace(".", "-"))


def test_code_and_prose_have_a_licence() -> None:
    assert PROJECT["license"] == " AND ".join(CITATION["license"]) == "MIT AND CC-BY-4.0"
    assert (COURSE / "LICENSE").read_text(encoding="utf-8").startswith("MIT License")
    licence = README.partition("## License")[2]
    for part in ("[MIT License](LICENSE)", "[CC BY 4.0](https://creativecommons.org/"):
        assert part in licence
    assert "This is not an official Celery project." in licence


# The tables that python -m tutorial tables makes


def test_all_tables_are_current() -> None:
    old = [path.name for path, content in renewed() if path.read_bytes() != content]
    assert old == [], "run python -m tutorial tables"


def test_every_table_stands_somewhere() -> None:
    contents = [content.decode() for _, content in renewed()]
    for name in tables.TABLES:
        assert any(tables.BEGIN.format(name) in content for content in contents)


def test_a_table_replaces_what_stands_between_its_comments() -> None:
    begin = tables.BEGIN.format("map")
    text = f"Before.\n\n{begin}\nold\n{tables.END}\n\nAfter."
    new = renew(text, Path("a.md"))
    assert "old" not in new
    assert new.startswith(f"Before.\n\n{begin}\n\n| Chapter |")
    assert new.endswith(f"\n\n{tables.END}\n\nAfter.")
    assert renew(new, Path("a.md")) == new


@pytest.mark.parametrize(
    "text",
    [tables.BEGIN.format("nonsense") + f"\n{tables.END}", tables.BEGIN.format("map") + "\nold"],
    ids=["an unknown table", "no end"],
)
def test_a_wrong_comment_is_reported(text: str) -> None:
    with pytest.raises(TableProblem, match="expected the table"):
        renew(text, Path("a.md"))
