"""The program uv, which installs the packages of the course.

It needs neither an activated environment nor a pip that the system allows to install packages. This
module runs before any package is installed, so it imports the standard library only.
"""

import os
import re
import shutil
import ssl
import subprocess
import sys
import venv
from collections.abc import Iterator, Sequence
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

OWN_UV = Path(__file__).resolve().parents[2] / ".uv"  # uv itself, where the machine has none
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


class EnvironmentProblem(Exception):
    """The packages cannot be installed; the message says why and what to do."""


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


def run_uv(uv: str, *arguments: str, locks: Sequence[int] = ()) -> None:
    """Run uv in the course's folder.

    Parameters
    ----------
    uv : str
        The path of the program.
    *arguments : str
        Its command line.
    locks : sequence of int
        Descriptors of open files that uv keeps open as well.

    Raises
    ------
    EnvironmentProblem
        If it fails; uv itself has printed why.
    """
    variables = SYSTEM_CERTIFICATES | _variables()
    if not os.access(_home(), os.W_OK):
        variables.setdefault("UV_CACHE_DIR", str(OWN_UV / "cache"))
    done = subprocess.run([uv, *arguments], cwd=OWN_UV.parent, env=variables, pass_fds=locks)
    if done.returncode:
        raise EnvironmentProblem(
            "The packages of the course were not installed: the lines above say why."
            f"{settings('UV_')} "
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
        f"{settings('PIP_')}"
    )


def _last_line(text: str) -> str:
    lines = [line for line in text.splitlines() if line.startswith("ERROR")] or text.splitlines()
    return lines[-1] if lines else "it does not say why."


def settings(prefix: str) -> str:
    """Return a sentence that names the learner's settings of uv or pip, if there are any.

    Parameters
    ----------
    prefix : str
        With which the names of the program's variables begin: ``"UV_"`` or ``"PIP_"``.

    Returns
    -------
    str
        The sentence after a space, or an empty text.
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
