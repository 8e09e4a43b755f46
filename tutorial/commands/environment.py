"""The Python environment of the course: the folder ``.venv``, which the first command makes.

The packages come in the versions that ``versions.txt`` records. They are installed by uv, because
uv needs neither an activated environment nor a pip that the system allows to install packages.
This module runs before any package is installed, so it imports the standard library only.
"""

import hashlib
import json
import os
import re
import shutil
import ssl
import subprocess
import sys
import tomllib
import venv
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Any

COURSE = Path(__file__).resolve().parents[2]
ENVIRONMENT = COURSE / ".venv"
STAMP = ENVIRONMENT / "course.json"  # what was installed, written when it was complete
UNFINISHED = ENVIRONMENT / "unfinished"  # is there from the beginning of an installation to its end
OWN_UV = COURSE / ".uv"  # uv itself, where the machine has none
VERSIONS = Path(__file__).with_name("versions.txt")
OLDEST_UV = (0, 9)
# uv trusts public certificate authorities only, unless it is told to trust those of the system, to
# which a company adds its own. The second name is the older one.
SYSTEM_CERTIFICATES = {"UV_SYSTEM_CERTS": "1", "UV_NATIVE_TLS": "1"}
# A learner's settings for other projects: which packages, for which Python, and where they go. The
# course decides that itself, and follows the settings that lead to packages: index, proxy, cache.
OTHER_PROJECTS = {
    *("UV_BUILD_CONSTRAINT", "UV_CONSTRAINT", "UV_EXCLUDE", "UV_NO_EDITABLE", "UV_OVERRIDE"),
    *("UV_PRERELEASE", "UV_PROJECT", "UV_PYTHON", "UV_REQUIRE_HASHES", "UV_RESOLUTION"),
    *("UV_SYSTEM_PYTHON", "UV_WORKING_DIR", "UV_WORKING_DIRECTORY"),
    *("PIP_ABI", "PIP_CONSTRAINT", "PIP_DRY_RUN", "PIP_IMPLEMENTATION", "PIP_PLATFORM"),
    *("PIP_PREFIX", "PIP_PYTHON", "PIP_PYTHON_VERSION", "PIP_REQUIREMENT", "PIP_REQUIRE_HASHES"),
    *("PIP_ROOT", "PIP_TARGET"),
}
POSIX = os.name == "posix"
PYTHON = ENVIRONMENT / ("bin/python" if POSIX else "Scripts/python.exe")
# Optional dependencies and dependency groups that a command needs besides the dependencies.
NEEDS = {
    "test": ["classroom", "servers", "site", "test"],
    "classroom": ["classroom", "servers"],
    "site": ["servers", "site"],
}
USUAL_NEEDS = ["servers"]
# A learner may have set these for other programs. No stored output was made with them, and with
# some of them cells, workers or tests fail.
DISTURBING = {
    *("CELERY_LOADER", "MPLBACKEND", "PYTEST_DISABLE_PLUGIN_AUTOLOAD", "PYTHONDEVMODE"),
    *("PYTHONINSPECT", "PYTHONOPTIMIZE", "PYTHONSAFEPATH", "PYTHONWARNINGS"),
}

_locks: list[int] = []  # which uv holds too, as it goes on when only this process is killed


class EnvironmentProblem(Exception):
    """The packages cannot be installed; the message says why and what to do."""


def enter(command: str, arguments: Sequence[str]) -> None:
    """Continue in the course's environment, unless this Python has what the command needs.

    Parameters
    ----------
    command : str
        The name of the command.
    arguments : sequence of str
        The command line after ``python -m tutorial``. If this Python lacks a package, a Python
        that has all of them runs it instead, and this function does not return. It does not
        return either where a setting has to be left behind that Python has already followed.

    Raises
    ------
    EnvironmentProblem
        If the packages cannot be installed.
    """
    needs = set(NEEDS.get(command, USUAL_NEEDS))
    disturbing = DISTURBING & os.environ.keys()
    for name in disturbing:
        del os.environ[name]
    python = sys.executable
    if not _has_all(command, needs):
        if not (_is_current(_stamp(), needs) and _starts(PYTHON)):
            install(needs)
        python = str(PYTHON)
    elif not disturbing:
        return
    _replace_process([python, str(COURSE / "tutorial"), *arguments])


def install(needs: set[str]) -> None:
    """Install the recorded versions of all packages into the course's environment.

    Parameters
    ----------
    needs : set of str
        The names of optional dependencies and dependency groups. What was installed before stays.

    Raises
    ------
    EnvironmentProblem
        If there is no uv and no pip, or if one of them fails.
    """
    if not os.access(COURSE, os.W_OK):
        raise EnvironmentProblem(
            f"The course's packages go into {ENVIRONMENT}, but {COURSE} is read-only: "
            "copy the course to a folder of your own."
        )
    with _only_installation() as waited:
        if waited and _is_current(_stamp(), needs) and _starts(PYTHON):
            return
        try:
            _install(needs)
        except OSError as error:  # root has made the folder, for example
            raise EnvironmentProblem(
                f"{error.filename} cannot be written ({error.strerror}): delete the folder "
                f"{ENVIRONMENT}, and run the command again."
            ) from error


def _install(needs: set[str]) -> None:
    print(
        f"Installing the packages of the course into {ENVIRONMENT}: once, in a minute or two.",
        file=sys.stderr,
    )
    uv = find_uv()
    stamp = _stamp()
    # An environment knows its own path. One that works is kept: JupyterLab may be running in it.
    moved = bool(stamp) and stamp["course"] != str(COURSE)
    killed = UNFINISHED.exists()  # a package may be there in part, which uv cannot mend
    if moved or killed or not _starts(PYTHON):
        run_uv(
            uv, "venv", "--quiet", "--no-project", "--clear", "--python", sys.executable, ".venv"
        )
        stamp = {}
    needs = needs | set(stamp.get("needs", []))
    groups = needs & set(_project()["dependency-groups"]) - {"servers"}
    extras = ",".join(sorted(needs - groups))
    STAMP.unlink(missing_ok=True)
    UNFINISHED.touch()
    try:
        run_uv(
            uv,
            *("pip", "install", _compile_option()),
            *("--python", str(PYTHON), "--constraints", str(VERSIONS)),
            *("--editable", f".[{extras}]"),
            *(option for group in sorted(groups) for option in ("--group", group)),
        )
        _check_installed()
    except EnvironmentProblem:
        if stamp:  # JupyterLab may be running in what was complete: it is not made anew
            UNFINISHED.unlink()
        raise
    new = {"course": str(COURSE), "packages": _digest(), "needs": sorted(needs)}
    STAMP.write_text(json.dumps(new), encoding="utf-8")
    UNFINISHED.unlink()


@contextmanager
def _only_installation() -> Iterator[bool]:
    """Let one command after the other install, and tell whether this one has waited."""
    if not POSIX:  # Windows cannot lock a folder
        yield False
        return
    import fcntl

    folder = os.open(COURSE, os.O_RDONLY)
    _locks.append(folder)
    waited = False
    try:
        with suppress(OSError):  # a file system without locks
            try:
                fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                waited = True
                print("Waiting for another command, which installs the packages.", file=sys.stderr)
                fcntl.flock(folder, fcntl.LOCK_EX)
        yield waited
    finally:
        _locks.remove(folder)
        os.close(folder)


def _check_installed() -> None:
    """Check that uv has installed into the environment, all of it.

    Raises
    ------
    EnvironmentProblem
        If it has not: a file of settings can name another folder, or leave packages out.
    """
    project = _project()["project"]
    names = [re.split(r"[^\w.-]", text)[0] for text in [project["name"], *project["dependencies"]]]
    code = "import sys; from importlib import metadata; [*map(metadata.version, sys.argv[1:])]"
    if subprocess.run([PYTHON, "-I", "-c", code, *names], capture_output=True).returncode:
        raise EnvironmentProblem(
            f"uv has not installed all packages into {ENVIRONMENT}.{_settings('UV_')}"
        )


def _settings(prefix: str) -> str:
    """Return a sentence that names the learner's settings of uv or pip, if there are any.

    Parameters
    ----------
    prefix : str
        With which the names of the program's variables begin.
    """
    found = sorted(name for name in os.environ if name.startswith(prefix))
    found = [name for name in found if name not in OTHER_PROJECTS]
    if prefix == "UV_" and not {"UV_CONFIG_FILE", "UV_NO_CONFIG"} & os.environ.keys():
        user = os.environ.get("APPDATA" if not POSIX else "XDG_CONFIG_HOME")
        folders = [Path(user) if user else _home() / ".config", Path("/etc")]
        files = [folder / "uv" / "uv.toml" for folder in folders]
        found += [str(file) for file in files if file.exists()]
    if not found:
        return ""
    return f" These settings of yours are followed, and may be the cause: {', '.join(found)}."


def _compile_option() -> str:
    """Return whether uv compiles all modules, most of which are never imported.

    That takes longer than all the rest, so it is left to the first import, which keeps its work.
    With PYTHONDONTWRITEBYTECODE it does not: every process would compile what it imports, and the
    tests would take twice as long.
    """
    return "--compile-bytecode" if sys.dont_write_bytecode else "--no-compile-bytecode"


def find_uv() -> str:
    """Return the program uv: the machine's, or else the course's own, which pip brings.

    Returns
    -------
    str
        The path of the program.

    Raises
    ------
    EnvironmentProblem
        If pip is missing, cannot install uv, or installs one that does not start.
    """
    uv = _usable_uv()
    if not uv:
        _install_uv()
        uv = _usable_uv()
    if not uv:
        raise EnvironmentProblem(
            f"pip has installed uv into {OWN_UV}, but it does not start on this machine: install "
            "uv in another way, and run the command again."
        )
    return uv


def run_uv(uv: str, *arguments: str) -> None:
    """Run uv in the course's folder.

    Parameters
    ----------
    uv : str
        The path of the program.
    *arguments : str
        Its command line.

    Raises
    ------
    EnvironmentProblem
        If it fails; uv itself has printed why.
    """
    variables = SYSTEM_CERTIFICATES | _variables()
    if not os.access(_home(), os.W_OK):
        variables.setdefault("UV_CACHE_DIR", str(OWN_UV / "cache"))
    done = subprocess.run([uv, *arguments], cwd=COURSE, env=variables, pass_fds=_locks)
    if done.returncode:
        raise EnvironmentProblem(
            "The packages of the course were not installed: the lines above say why."
            f"{_settings('UV_')} "
            "The first run of a command needs a network. Run the command again."
        )


def _home() -> Path:
    return Path(os.path.expanduser("~"))  # noqa: PTH111 - Path.home() fails if there is none


def _variables() -> dict[str, str]:
    return {name: text for name, text in os.environ.items() if name not in OTHER_PROJECTS}


def _usable_uv() -> str | None:
    """Return the first uv that is new enough and starts: pyenv's may belong to another Python."""
    for uv in _installed_uvs():
        with suppress(OSError):
            asked = subprocess.run([uv, "--version"], capture_output=True, text=True)
            found = re.match(r"uv (\d+)\.(\d+)", asked.stdout)
            if found and (int(found[1]), int(found[2])) >= OLDEST_UV:
                return uv
    return None


def _installed_uvs() -> Iterator[str]:
    own = os.pathsep.join(str(OWN_UV / folder) for folder in ("bin", "Scripts"))
    places = [None, os.path.dirname(sys.executable), own]  # noqa: PTH120
    yield from filter(None, (shutil.which("uv", path=place) for place in places))


def _install_uv() -> None:
    pip = [sys.executable, "-m", "pip"]
    target = ["--target", str(OWN_UV)]  # an externally managed Python refuses all other places
    if not find_spec("pip"):
        if not find_spec("ensurepip"):
            raise EnvironmentProblem(
                f"{sys.executable} has no pip, and there is no program uv: install one of the two "
                "(on Debian and Ubuntu: sudo apt install python3-pip), and run the command again."
            )
        venv.create(OWN_UV, clear=True, with_pip=True)
        pip = [str(OWN_UV / ("bin/python" if POSIX else "Scripts/python.exe")), "-m", "pip"]
        target = []
    command = [
        *pip,
        "install",
        "--quiet",
        "--upgrade",
        "--only-binary=:all:",
        *target,
        "uv>=0.9,<1",
    ]
    # Settings of the user that do not go together with --target.
    variables = _variables() | {"PIP_USER": "0", "PIP_REQUIRE_VIRTUALENV": "0"}
    # Before version 24.2, pip knows public certificate authorities only.
    system = ssl.get_default_verify_paths().cafile
    for certificates in [[], ["--cert", system]] if system else [[]]:
        done = subprocess.run(
            [*command, *certificates], env=variables, capture_output=True, text=True
        )
        if done.returncode == 0:
            return
    raise EnvironmentProblem(
        f"pip cannot install uv, which installs all other packages: {_last_line(done.stderr)}"
        f"{_settings('PIP_')}"
    )


def _last_line(text: str) -> str:
    lines = [line for line in text.splitlines() if line.startswith("ERROR")] or text.splitlines()
    return lines[-1] if lines else "it does not say why."


def _starts(python: Path) -> bool:
    """Tell whether a Python runs. The one that an environment was made of may be gone."""
    try:
        return subprocess.run([python, "-I", "-c", ""], capture_output=True).returncode == 0
    except OSError:
        return False


def _replace_process(command: list[str]) -> None:
    if POSIX:
        os.execv(command[0], command)
    with subprocess.Popen(command) as process:  # Windows cannot replace a process
        while process.poll() is None:
            with suppress(KeyboardInterrupt):  # the child gets it too, and decides
                process.wait()
    sys.exit(process.returncode)


# What is installed


def _project() -> dict[str, Any]:
    return tomllib.loads((COURSE / "pyproject.toml").read_text(encoding="utf-8"))


def _digest() -> str:
    """Return a fingerprint of all that decides which packages are installed."""
    project = _project()
    parts = [project["project"], project["dependency-groups"], VERSIONS.read_text(encoding="utf-8")]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _has_all(command: str, needs: set[str]) -> bool:
    """Tell whether this Python has what the command needs."""
    stamp = _stamp()
    inside = ENVIRONMENT.exists() and ENVIRONMENT.samefile(sys.prefix)
    return _is_current(stamp, needs) if inside and stamp else _is_complete(command)


def _stamp() -> dict[str, Any]:
    try:
        return json.loads(STAMP.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}


def _is_current(stamp: dict[str, Any], needs: set[str]) -> bool:
    return (
        bool(stamp)
        and (stamp["course"], stamp["packages"]) == (str(COURSE), _digest())
        and needs <= set(stamp["needs"])
    )


def _is_complete(command: str) -> bool:
    """Tell whether this Python, of conda for example, has the packages that a command needs."""
    try:
        from packaging.requirements import Requirement
    except ModuleNotFoundError:
        return False
    project = _project()
    texts = list(project["project"]["dependencies"])
    for need in set(NEEDS.get(command, [])) - {"servers"}:  # without servers, 10 to 17 say so
        texts += project["project"]["optional-dependencies"].get(need, [])
        texts += [text for text in project["dependency-groups"].get(need, []) if type(text) is str]
    needed = [Requirement(text) for text in texts]
    return all(
        _is_installed(each.name, each.specifier)
        for each in needed
        if each.name != project["project"]["name"] and (not each.marker or each.marker.evaluate())
    )


def _is_installed(name: str, specifier: Any) -> bool:
    try:
        return bool(specifier.contains(metadata.version(name), prereleases=True))
    except metadata.PackageNotFoundError:
        return False
