"""The Python environment of the course: the folder ``.venv``, which the first command makes.

The packages come in the versions that ``versions.txt`` records. This module runs before any package
is installed, so it imports the standard library only.
"""

import hashlib
import json
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from importlib import metadata
from pathlib import Path
from typing import Any

from tutorial.commands.uv import POSIX, EnvironmentProblem, find_uv, run_uv, settings

COURSE = Path(__file__).resolve().parents[2]
ENVIRONMENT = COURSE / ".venv"
STAMP = ENVIRONMENT / "course.json"  # what was installed, written when it was complete
UNFINISHED = ENVIRONMENT / "unfinished"  # is there from the beginning of an installation to its end
VERSIONS = Path(__file__).with_name("versions.txt")
PYTHON = ENVIRONMENT / ("bin/python" if POSIX else "Scripts/python.exe")
# Optional dependencies and dependency groups that a command needs besides the dependencies.
NEEDS = {
    "test": ["classroom", "servers", "site", "test"],
    "classroom": ["classroom", "servers"],
    "site": ["servers", "site"],
}
USUAL_NEEDS = ["servers"]
# A learner may have set these for other programs. No stored output was made with them, and with
# some of them cells, workers or tests fail. Without bytecode each of a thousand processes would
# compile what it imports.
DISTURBING = {
    *("CELERY_CONFIG_MODULE", "CELERY_LOADER", "MPLBACKEND", "PYTEST_DISABLE_PLUGIN_AUTOLOAD"),
    *("PYTHONDEVMODE", "PYTHONDONTWRITEBYTECODE", "PYTHONINSPECT", "PYTHONOPTIMIZE"),
    *("PYTHONSAFEPATH", "PYTHONWARNINGS"),
}


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
    with _only_installation() as (waited, locks):
        if waited and _is_current(_stamp(), needs) and _starts(PYTHON):
            return
        try:
            _install(needs, locks)
        except OSError as error:  # root has made the folder, for example
            raise EnvironmentProblem(
                f"{error.filename} cannot be written ({error.strerror}): delete the folder "
                f"{ENVIRONMENT}, and run the command again."
            ) from error


def _install(needs: set[str], locks: Sequence[int]) -> None:
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
        make = ["venv", "--quiet", "--no-project", "--clear", "--python", sys.executable, ".venv"]
        run_uv(uv, *make, locks=locks)
        stamp = {}
    needs = needs | set(stamp.get("needs", []))
    groups = needs & set(_project()["dependency-groups"]) - {"servers"}
    extras = ",".join(sorted(needs - groups))
    STAMP.unlink(missing_ok=True)
    UNFINISHED.touch()
    try:
        run_uv(
            uv,
            # Compiling all modules, most of which are never imported, takes longer than all the
            # rest. It is left to the first import, which keeps its work.
            *("pip", "install", "--no-compile-bytecode"),
            *("--python", str(PYTHON), "--constraints", str(VERSIONS)),
            *("--editable", f".[{extras}]"),
            *(option for group in sorted(groups) for option in ("--group", group)),
            locks=locks,
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
def _only_installation() -> Iterator[tuple[bool, list[int]]]:
    """Let one command after the other install.

    Yields
    ------
    tuple of bool and list of int
        Whether this command has waited for another one, and the lock. Uv has to hold it too, as it
        goes on when only this process is killed.
    """
    if not POSIX:  # Windows cannot lock a folder
        yield False, []
        return
    import fcntl

    folder = os.open(COURSE, os.O_RDONLY)
    waited = False
    try:
        with suppress(OSError):  # a file system without locks
            try:
                fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                waited = True
                print("Waiting for another command, which installs the packages.", file=sys.stderr)
                fcntl.flock(folder, fcntl.LOCK_EX)
        yield waited, [folder]
    finally:
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
            f"uv has not installed all packages into {ENVIRONMENT}.{settings('UV_')}"
        )


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
