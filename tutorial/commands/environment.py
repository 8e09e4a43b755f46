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
from contextlib import suppress
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Any

COURSE = Path(__file__).resolve().parents[2]
ENVIRONMENT = COURSE / ".venv"
STAMP = ENVIRONMENT / "course.json"  # what was installed, written when it was complete
OWN_UV = COURSE / ".uv"  # uv itself, where the machine has none
VERSIONS = Path(__file__).with_name("versions.txt")
OLDEST_UV = (0, 9)
# uv trusts public certificate authorities only, unless it is told to trust those of the system, to
# which a company adds its own. The second name is the older one.
SYSTEM_CERTIFICATES = {"UV_SYSTEM_CERTS": "1", "UV_NATIVE_TLS": "1"}
POSIX = os.name == "posix"
PYTHON = ENVIRONMENT / ("bin/python" if POSIX else "Scripts/python.exe")
# Optional dependencies and dependency groups that a command needs besides the dependencies.
NEEDS = {
    "test": ["classroom", "servers", "site", "test"],
    "classroom": ["classroom", "servers"],
    "site": ["servers", "site"],
}
USUAL_NEEDS = ["servers"]


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
        that has all of them runs it instead, and this function does not return.

    Raises
    ------
    EnvironmentProblem
        If the packages cannot be installed.
    """
    needs = set(NEEDS.get(command, USUAL_NEEDS))
    stamp = _stamp()
    inside = ENVIRONMENT.exists() and ENVIRONMENT.samefile(sys.prefix)
    if inside and stamp:
        if _is_current(stamp, needs):
            return
    elif _is_complete(command):
        return
    if not (_is_current(stamp, needs) and _starts(PYTHON)):
        install(needs)
    _replace_process([str(PYTHON), str(COURSE / "tutorial"), *arguments])


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
    print(
        f"Installing the packages of the course into {ENVIRONMENT}: once, in a minute or two.",
        file=sys.stderr,
    )
    uv = find_uv()
    stamp = _stamp()
    # An environment knows its own path. One that works is kept: JupyterLab may be running in it.
    moved = bool(stamp) and stamp["course"] != str(COURSE)
    if moved or not _starts(PYTHON):
        run_uv(
            uv, "venv", "--quiet", "--no-project", "--clear", "--python", sys.executable, ".venv"
        )
        stamp = {}
    needs = needs | set(stamp.get("needs", []))
    groups = needs & set(_project()["dependency-groups"]) - {"servers"}
    extras = ",".join(sorted(needs - groups))
    STAMP.unlink(missing_ok=True)
    run_uv(
        uv,
        *("pip", "install", _compile_option()),
        *("--python", str(PYTHON), "--constraints", str(VERSIONS)),
        *("--editable", f".[{extras}]"),
        *(option for group in sorted(groups) for option in ("--group", group)),
    )
    new = {"course": str(COURSE), "packages": _digest(), "needs": sorted(needs)}
    STAMP.write_text(json.dumps(new), encoding="utf-8")


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
    variables = SYSTEM_CERTIFICATES | os.environ
    if not os.access(Path.home(), os.W_OK):
        variables.setdefault("UV_CACHE_DIR", str(OWN_UV / "cache"))
    done = subprocess.run([uv, *arguments], cwd=COURSE, env=variables)
    if done.returncode:
        raise EnvironmentProblem(
            "The packages of the course were not installed: the lines above say why. "
            "The first run of a command needs a network. Run the command again."
        )


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
    variables = os.environ | {"PIP_USER": "0", "PIP_REQUIRE_VIRTUALENV": "0"}
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
