"""The commands start from any Python, in an environment that they make themselves.

Most tests run a small course without dependencies: it has the real beginning of the real commands,
and needs no network. ``reset`` in it prints which Python runs it.
"""

import ast
import json
import os
import shutil
import signal
import subprocess
import sys
import sysconfig
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import nbformat
import pytest
from packaging.specifiers import SpecifierSet
from processes import few, wait_for

from tutorial.commands.environment import COURSE

PROJECT = """
[build-system]
requires = ["uv_build>=0.9,<1"]
build-backend = "uv_build"

[project]
name = "celery-sql-results-tutorial"
version = "1"
requires-python = ">=3.11"
dependencies = []

[project.optional-dependencies]
classroom = []
site = []
servers = []

[dependency-groups]
test = []

[tool.uv.build-backend]
module-name = "tutorial"
module-root = ""
"""
RESET = """
import sys

def run():
    print(sys.prefix)
    return 0
"""
BEGINNING = ["__init__", "main", "environment", "uv"]
REAL = ["__init__", "__main__", *(f"commands/{name}" for name in BEGINNING)]
posix = pytest.mark.skipif(os.name != "posix", reason="for a shell, or for rights of POSIX")


class SmallCourse:
    """A course whose commands need no packages, and a home folder of its own."""

    def __init__(self, folder: Path, home: Path) -> None:
        self.folder, self.home = folder, home
        for name in REAL:
            path = folder / "tutorial" / f"{name}.py"
            path.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(COURSE / "tutorial" / f"{name}.py", path)
        (folder / "notebooks").mkdir()
        (folder / "pyproject.toml").write_text(PROJECT)
        (folder / "tutorial/commands/versions.txt").touch()
        (folder / "tutorial/commands/reset.py").write_text(RESET)

    def begin(
        self,
        *python: str,
        cwd: Path | None = None,
        arguments: tuple[str, ...] = ("-m", "tutorial", "reset"),
        **variables: str,
    ) -> subprocess.Popen[str]:
        """Begin ``reset``, by default with a Python that has no packages and beside a uv."""
        kept = {
            name: os.environ[name] for name in ("SSL_CERT_FILE", "SYSTEMROOT") if name in os.environ
        }
        folders = [str(Path(sys.executable).parent), *os.defpath.split(os.pathsep)]
        home = {"HOME": str(self.home), "USERPROFILE": str(self.home)}
        return subprocess.Popen(
            [*(python or (sys.executable, "-S")), *arguments],
            cwd=cwd or self.folder,
            env=kept | home | {"PATH": os.pathsep.join(folders)} | variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        )

    def start(self, *python: str, **options: Any) -> subprocess.CompletedProcess[str]:
        """Run ``reset`` as `begin` does, to its end."""
        with self.begin(*python, **options) as process:
            try:
                texts = process.communicate(timeout=600)
            finally:
                process.kill()
        return subprocess.CompletedProcess(process.args, process.returncode, *texts)

    def where(self, *python: str, **options: Any) -> str:
        """Return where the Python is that ran ``reset``."""
        done = self.start(*python, **options)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    @property
    def environment(self) -> str:
        return str(self.folder / ".venv")


@pytest.fixture
def course(tmp_path: Path) -> Iterator[SmallCourse]:
    home = tmp_path / "home"
    home.mkdir()
    yield SmallCourse(tmp_path / "ein Kurs für 日本", home)


WITHOUT_UV = {"PATH": os.defpath}


def test_the_first_run_makes_the_environment_and_the_second_needs_nothing(
    course: SmallCourse,
) -> None:
    first = course.start()
    assert first.returncode == 0, first.stderr
    assert first.stdout == course.environment + "\n"
    assert "Installing the packages of the course" in first.stderr
    second = course.start(UV_OFFLINE="1", **WITHOUT_UV)
    assert (second.stdout, second.stderr) == (first.stdout, "")


def test_it_runs_from_another_folder(course: SmallCourse, tmp_path: Path) -> None:
    arguments = (str(course.folder / "tutorial"), "reset")
    assert course.where(cwd=tmp_path, arguments=arguments) == course.environment


def test_the_environments_own_python_runs_it_itself(course: SmallCourse) -> None:
    course.where()
    python = Path(course.environment, "Scripts/python.exe" if os.name == "nt" else "bin/python")
    assert course.where(str(python), **WITHOUT_UV) == course.environment


def test_a_python_that_has_all_packages_runs_it_itself(course: SmallCourse) -> None:
    assert course.where(sys.executable, **WITHOUT_UV) == sys.prefix
    assert not Path(course.environment).exists()


def test_a_changed_list_of_packages_is_installed(course: SmallCourse) -> None:
    course.where()
    changed = PROJECT.replace('version = "1"', 'version = "2"')
    (course.folder / "pyproject.toml").write_text(changed)
    course.where()
    metadata = Path(course.environment).rglob("celery_sql_results_tutorial-*.dist-info")
    assert [path.name for path in metadata] == ["celery_sql_results_tutorial-2.dist-info"]


def test_what_a_command_needs_besides_is_added(course: SmallCourse) -> None:
    course.where()
    (course.folder / "tutorial/commands/test.py").write_text(
        RESET.replace("run()", "run(options)").replace("sys.prefix", "options")
    )
    run = course.start(arguments=("-m", "tutorial", "test", "-m", "slow", "-k", "a or b"))
    assert run.stdout == "['-m', 'slow', '-k', 'a or b']\n"
    stamp = json.loads(Path(course.environment, "course.json").read_text())
    assert stamp["needs"] == ["classroom", "servers", "site", "test"]
    course.where()
    assert json.loads(Path(course.environment, "course.json").read_text()) == stamp


def test_an_interrupted_installation_is_completed(course: SmallCourse) -> None:
    course.where()
    Path(course.environment, "course.json").unlink()
    assert course.where() == course.environment
    assert Path(course.environment, "course.json").exists()


def test_a_moved_course_gets_a_new_environment(course: SmallCourse, tmp_path: Path) -> None:
    course.where()
    course.folder = course.folder.rename(tmp_path / "elsewhere")
    assert course.where() == course.environment
    script = next(Path(course.environment).glob("*/activate")).read_text(encoding="utf-8")
    assert "elsewhere" in script


def need_small(course: SmallCourse) -> None:
    """Let the course need a package, which is in a folder."""
    small = course.home / "small"
    (small / "small").mkdir(parents=True)
    (small / "small" / "__init__.py").touch()
    (small / "pyproject.toml").write_text(
        PROJECT.replace("celery-sql-results-tutorial", "small").replace('"tutorial"', '"small"')
    )
    needed = f'dependencies = ["small @ {small.as_uri()}"]'
    (course.folder / "pyproject.toml").write_text(PROJECT.replace("dependencies = []", needed))


def uv_that(course: SmallCourse, first: str) -> str:
    """Return a PATH with a uv that first runs a line of the shell."""
    uv = shutil.which("uv", path=Path(sys.executable).parent) or shutil.which("uv")
    folder = course.home / "programs"
    folder.mkdir()
    (folder / "uv").write_text(f'#!/bin/sh\nuv=\'{uv}\'\n{first}\nexec "$uv" "$@"\n')
    (folder / "uv").chmod(0o755)
    return os.pathsep.join([str(folder), os.defpath])


KILLED = """
if [ "$1" = pip ]; then
    "$uv" "$@"
    rm .venv/lib/python*/site-packages/small-*.dist-info/METADATA
    kill -KILL $PPID
    exit
fi
"""


@posix
def test_an_installation_that_was_killed_halfway_begins_anew(course: SmallCourse) -> None:
    needed = PROJECT.replace("dependencies = []", 'dependencies = ["small"]')
    (course.folder / "pyproject.toml").write_text(needed)
    with ZipFile(course.home / "small-1-py3-none-any.whl", "w") as wheel:
        wheel.writestr(
            "small-1.dist-info/METADATA", "Metadata-Version: 2.1\nName: small\nVersion: 1\n"
        )
        wheel.writestr("small-1.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        wheel.writestr("small-1.dist-info/RECORD", "")
    settings = {"UV_FIND_LINKS": str(course.home), "UV_OFFLINE": "1"}
    killed = course.start(PATH=uv_that(course, KILLED), **settings)
    assert killed.returncode == -signal.SIGKILL
    assert course.where(**settings) == course.environment


@posix
def test_two_commands_at_the_same_time_install_once(course: SmallCourse) -> None:
    begun, go = course.home / "begun", course.home / "go"
    hold = f"touch '{begun}'; until [ -e '{go}' ]; do sleep 0.1; done"
    path = uv_that(course, f'if [ "$1" = venv ]; then {hold}; fi')
    with course.begin(PATH=path) as first:
        wait_for(begun.exists)
        with course.begin(PATH=path) as second:
            assert second.stderr
            line = second.stderr.readline()
            go.touch()
            stdout, stderr = second.communicate(timeout=600)
        assert line == "Waiting for another command, which installs the packages.\n", stderr
        assert (stdout, stderr) == (course.environment + "\n", "")
        stdout, stderr = first.communicate(timeout=600)
    assert stdout == course.environment + "\n"
    assert stderr.count("Installing the packages") == 1


SETTINGS = {
    "UV_WORKING_DIR": "{home}",
    "UV_REQUIRE_HASHES": "1",
    "UV_OVERRIDE": "{home}/missing.txt",
    "UV_PYTHON": "{home}/missing",
    "UV_PROJECT_ENVIRONMENT": "{home}/elsewhere",
    "UV_SYSTEM_PYTHON": "1",
    "VIRTUAL_ENV": "{home}",
    "CONDA_PREFIX": "{home}",
}


@pytest.mark.parametrize("names", few(list(SETTINGS), *([name] for name in SETTINGS)))
def test_settings_for_other_projects_do_no_harm(names: list[str], course: SmallCourse) -> None:
    values = {name: SETTINGS[name].format(home=course.home) for name in names}
    assert course.where(**values) == course.environment
    assert [path for path in course.home.iterdir() if path.name != ".cache"] == []


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('required-version = ">=99"', "The packages of the course were not installed"),
        ("[pip]\ntarget = 'elsewhere'", "uv has not installed all packages into"),
        ("[pip]\nno-deps = true", "uv has not installed all packages into"),
    ],
    ids=["version", "target", "no dependencies"],
)
def test_a_setting_that_is_followed_and_may_be_the_cause_is_named(
    text: str, sentence: str, course: SmallCourse
) -> None:
    need_small(course)
    settings = course.home / "uv" / "uv.toml"
    settings.parent.mkdir()
    settings.write_text(text)
    for place in ({"XDG_CONFIG_HOME": str(course.home)}, {"UV_CONFIG_FILE": str(settings)}):
        done = course.start(**place, APPDATA=str(course.home))
        assert done.returncode == 1
        last = done.stderr.splitlines()[-1]
        assert last.startswith(sentence)
        name = "UV_CONFIG_FILE" if "UV_CONFIG_FILE" in place else str(settings)
        assert f"These settings of yours are followed, and may be the cause: {name}." in last
        assert not Path(course.environment, "course.json").exists()


def test_a_folder_that_cannot_be_written_is_named(course: SmallCourse) -> None:
    """As when root has run the first command."""
    course.where()
    stamp = Path(course.environment, "course.json")
    stamp.unlink()
    stamp.mkdir()
    done = course.start()
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith(f"{stamp} cannot be written (")
    assert "delete the folder" in done.stderr


def test_a_user_without_a_home_folder_can_install(course: SmallCourse) -> None:
    """As in a container that runs with the number of a user whom its system does not know."""
    homeless = (
        "import os, sys; sys.path.insert(0, '.'); os.path.expanduser = lambda path: path; "
        "from tutorial.commands import main; sys.exit(main.main(['reset']))"
    )
    done = course.start(arguments=("-c", homeless))
    assert done.stdout == course.environment + "\n", done.stderr


STRICT = """
import os, sys

def run():
    left = [name for name in os.environ if name.startswith("CELERY")]
    print(sys.warnoptions, sys.flags.optimize, sys.dont_write_bytecode, left)
    return 0
"""


def test_settings_that_change_what_python_does_are_left_behind(course: SmallCourse) -> None:
    (course.folder / "tutorial/commands/reset.py").write_text(STRICT)
    course.where()
    own = Path(course.environment, "Scripts/python.exe" if os.name == "nt" else "bin/python")
    settings = {
        "PYTHONWARNINGS": "error",
        "PYTHONOPTIMIZE": "2",
        "PYTHONINSPECT": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "CELERY_LOADER": "nowhere",
        "CELERY_CONFIG_MODULE": "nowhere",
    }
    # A Python of another environment, the course's, and one that has all packages.
    for python in ((sys.executable, "-S"), (str(own),), (sys.executable,)):
        assert course.where(*python, **settings) == "[] 0 False []"


OTHERS = """\
import os
1
2 - ("CELERY_BROKER_URL" in os.environ) - ("TkAgg" in os.environ.values())
"""


def test_settings_for_other_notebooks_and_tests_change_no_output(tmp_path: Path) -> None:
    settings = {
        "IPYTHONDIR": str(tmp_path),
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        "CELERY_BROKER_URL": "amqp://127.0.0.1:1//",
        "MPLBACKEND": "TkAgg",
    }
    startup = tmp_path / "profile_default" / "startup" / "mine.py"
    startup.parent.mkdir(parents=True)
    startup.write_text("get_ipython().ast_node_interactivity = 'all'")
    cell = nbformat.v4.new_code_cell(OTHERS, execution_count=1)
    cell.outputs = [
        nbformat.v4.new_output("execute_result", {"text/plain": "2"}, execution_count=1)
    ]
    notebook = tmp_path / "sum.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=[cell]), notebook)
    done = subprocess.run(
        [sys.executable, "-m", "tutorial", "test", "-n0", "-c", "pyproject.toml", str(notebook)],
        cwd=COURSE,
        env=os.environ | settings,
        capture_output=True,
        text=True,
    )
    assert "1 passed" in done.stdout, done.stdout + done.stderr


def test_pytest_itself_leaves_such_settings_behind() -> None:
    """Otherwise a command that a test calls would start another process in pytest's place."""
    of_a_command = ["tests/test_classroom.py", "-k", "without_nbgrader_the_message"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-n0", *of_a_command],
        cwd=COURSE,
        env=os.environ | {"PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
    )
    assert "1 passed" in done.stdout, done.stdout + done.stderr


@posix
def test_an_environment_whose_python_is_gone_is_made_again(course: SmallCourse) -> None:
    course.where()
    python = Path(course.environment, "bin/python")
    python.unlink()
    python.symlink_to("/removed/by/an/upgrade")
    assert course.where() == course.environment


@posix
@pytest.mark.skipif(os.name == "posix" and os.geteuid() == 0, reason="root may write everywhere")
def test_a_home_folder_may_be_read_only(course: SmallCourse) -> None:
    course.home.chmod(0o555)
    assert course.where() == course.environment


@posix
@pytest.mark.skipif(os.name == "posix" and os.geteuid() == 0, reason="root may write everywhere")
def test_a_course_that_is_read_only_says_so(course: SmallCourse) -> None:
    course.folder.chmod(0o555)
    done = course.start()
    course.folder.chmod(0o755)
    assert done.returncode == 1
    assert done.stderr.endswith("is read-only: copy the course to a folder of your own.\n")


def test_without_network_the_sentence_says_so(course: SmallCourse) -> None:
    needy = PROJECT.replace("dependencies = []", 'dependencies = ["celery==5.7.*"]', 1)
    (course.folder / "pyproject.toml").write_text(needy)
    done = course.start(UV_OFFLINE="1")
    assert done.returncode == 1
    assert "The first run of a command needs a network" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr


def test_without_uv_and_pip_the_sentence_says_what_to_install(course: SmallCourse) -> None:
    hide = (
        "import sys; sys.path.insert(0, '.'); from tutorial.commands import main, uv; "
        "uv.find_spec = lambda name: None; sys.exit(main.main(['reset']))"
    )
    done = course.start(arguments=("-c", hide), PATH=str(course.home))
    # uv stands beside the Python of these tests, which is where it is looked for too.
    if done.returncode == 0:
        pytest.skip("this Python has a uv beside it")
    assert "has no pip, and there is no program uv: install one of the two" in done.stderr


def test_an_old_uv_is_not_used(course: SmallCourse, tmp_path: Path) -> None:
    old = tmp_path / "old"
    old.mkdir()
    for name, text in {"uv": "#!/bin/sh\necho uv 0.4.1\n", "uv.bat": "@echo uv 0.4.1\n"}.items():
        (old / name).write_text(text)
        (old / name).chmod(0o755)
    assert course.where(PATH=os.pathsep.join([str(old), os.defpath])) == course.environment


# Pythons of other kinds


def pythons() -> list[Path]:
    """Return the Pythons of this machine: of the system, and of pyenv."""
    found = [Path("/usr/bin/python3"), *Path.home().glob(".pyenv/versions/*/bin/python")]
    return [path for path in found if path.exists()]


def version(python: Path) -> tuple[int, ...]:
    code = "import sys; print('%d %d' % sys.version_info[:2])"
    asked = subprocess.run([python, "-c", code], capture_output=True, text=True, check=True)
    return tuple(map(int, asked.stdout.split()))


def supported(python: Path) -> bool:
    return (3, 11) <= version(python) <= (3, 14)


def test_an_old_python_is_told_which_one_is_needed(course: SmallCourse) -> None:
    for python in pythons():
        if not supported(python):
            done = course.start(str(python))
            assert done.returncode == 1
            assert done.stderr.startswith("The course needs Python 3.11 to 3.14, but ")
            assert len(done.stderr.splitlines()) == 1


def test_the_beginning_can_be_read_by_an_old_python() -> None:
    """Also where no old Python is installed."""
    for name in ("__init__", "__main__"):
        text = (COURSE / "tutorial" / f"{name}.py").read_text(encoding="utf-8")
        tree = ast.parse(text, feature_version=(3, 4))
        assert not any(isinstance(node, ast.JoinedStr | ast.AnnAssign) for node in ast.walk(tree))


def test_the_pythons_are_those_of_pyproject() -> None:
    project = tomllib.loads((COURSE / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = SpecifierSet(project["requires-python"])
    code = "import sys; sys.version_info = {}; sys.argv = ['tutorial', '--help']; "
    for minor in range(8, 20):
        done = subprocess.run(
            [sys.executable, "-c", code.format((3, minor)) + "import tutorial.__main__"],
            cwd=COURSE,
            capture_output=True,
            text=True,
        )
        assert (done.returncode == 0) == (f"3.{minor}" in wanted), done.stderr


@pytest.mark.slow  # needs a network: pip fetches uv
@pytest.mark.parametrize("python", [path for path in pythons() if supported(path)], ids=str)
def test_pip_brings_uv(python: Path, course: SmallCourse) -> None:
    # Without -S it may have all packages that the small course needs.
    assert course.where(str(python), "-S", **WITHOUT_UV) == course.environment
    has_uv = python.resolve().with_name("uv").exists()
    assert bool(list(course.folder.glob(".uv/*/uv*"))) != has_uv


@pytest.mark.slow  # needs a network: pip fetches uv
@pytest.mark.parametrize("version", ["echo uv 0.4.1", "exit 127"], ids=["old", "of pyenv"])
def test_pip_brings_uv_where_the_only_one_cannot_be_used(
    course: SmallCourse, tmp_path: Path, version: str
) -> None:
    """The program of pyenv fails unless the chosen Python has uv."""
    python = next(path for path in pythons() if supported(path))
    if python.resolve().with_name("uv").exists():
        pytest.skip("this Python has a uv beside it")
    folder = tmp_path / "programs"
    folder.mkdir()
    (folder / "uv").write_text(f"#!/bin/sh\n{version}\n")
    (folder / "uv").chmod(0o755)
    path = os.pathsep.join([str(folder), os.defpath])
    assert course.where(str(python), "-S", PATH=path) == course.environment
    assert list(course.folder.glob(".uv/*/uv*"))


@pytest.mark.slow  # needs a network: pip fetches uv
def test_pip_brings_uv_whatever_it_installs_for_other_projects(course: SmallCourse) -> None:
    python = next(path for path in pythons() if supported(path))
    settings = {
        "PIP_CONSTRAINT": "missing.txt",
        "PIP_DRY_RUN": "1",
        "PIP_PLATFORM": "any",
        "PIP_PREFIX": str(course.home),
        "PIP_REQUIRE_HASHES": "1",
        "PIP_ROOT": str(course.home),
    }
    assert course.where(str(python), "-S", **WITHOUT_UV, **settings) == course.environment


def test_a_setting_that_keeps_pip_from_uv_is_named(course: SmallCourse) -> None:
    python = next(path for path in pythons() if supported(path))
    if python.resolve().with_name("uv").exists():
        pytest.skip("this Python has a uv beside it")
    done = course.start(str(python), "-S", **WITHOUT_UV, PIP_NO_INDEX="1")
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert last.startswith("pip cannot install uv, which installs all other packages: ERROR")
    assert last.endswith("are followed, and may be the cause: PIP_NO_INDEX.")


@pytest.mark.slow  # needs a network: pip fetches uv
def test_pip_brings_uv_to_an_externally_managed_python(course: SmallCourse) -> None:
    managed = [
        path
        for path in pythons()
        if supported(path)
        and Path(
            subprocess.run(
                [path, "-c", "import sysconfig; print(sysconfig.get_path('stdlib'))"],
                capture_output=True,
                text=True,
            ).stdout.strip(),
            "EXTERNALLY-MANAGED",
        ).exists()
    ]
    if not managed:
        pytest.skip("no Python of this machine is externally managed")
    assert course.where(str(managed[0]), **WITHOUT_UV, PIP_USER="1") == course.environment


# Installed in another way


def test_a_package_without_the_notebooks_says_so(tmp_path: Path) -> None:
    """As after "pip install ." without --editable."""
    target = tmp_path / "installed"
    shutil.copytree(COURSE / "tutorial", target / "tutorial")
    for command in ("lab", "test", "reset", "progress", "execute", "doctor"):
        done = subprocess.run(
            [sys.executable, "-m", "tutorial", command],
            cwd=tmp_path,
            env=os.environ | {"PYTHONPATH": str(target)},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 1
        assert "holds the package without the notebooks" in done.stderr
        assert len(done.stderr.splitlines()) == 1


def test_scripts_of_this_environment_come_first() -> None:
    code = (
        "from tutorial.commands.lab import prefer_this_environment as prefer; prefer(); "
        "import os; print(os.environ['PATH']); print(os.environ['PYTHONPATH'])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=COURSE, capture_output=True, text=True, check=True
    )
    path, python_path = (line.split(os.pathsep)[0] for line in done.stdout.splitlines())
    assert (path, python_path) == (sysconfig.get_path("scripts"), str(COURSE))
