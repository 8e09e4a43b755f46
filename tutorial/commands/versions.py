"""The record of the packages' versions: what ``python -m tutorial versions`` renews.

The stored outputs of the notebooks are those of these versions. The file holds names and versions,
for every supported Python and system, but no addresses: each person's package index decides.
"""

import tempfile
from pathlib import Path

from tutorial.commands.environment import COURSE, VERSIONS
from tutorial.commands.uv import find_uv, run_uv

HEADER = "# Made by: python -m tutorial versions\n"


def run() -> int:
    """Record the newest versions that pyproject.toml allows, and say what has changed.

    Returns
    -------
    int
        The exit code, 0.
    """
    before = set(VERSIONS.read_text(encoding="utf-8").splitlines())
    VERSIONS.write_text(HEADER + newest(), encoding="utf-8")
    after = set(VERSIONS.read_text(encoding="utf-8").splitlines())
    for line in sorted(before ^ after):
        print("+" if line in after else "-", line)
    print("Next: python -m tutorial test installs these versions and compares all outputs.")
    return 0


def newest() -> str:
    """Return a line for each package, as pip and uv take them as constraints.

    Returns
    -------
    str
        A line is such as ``celery==5.7.0``; a package whose version depends on the Python or on
        the system has more lines, with the conditions.
    """
    uv = find_uv()
    with tempfile.TemporaryDirectory() as folder:
        # Locking in the course's folder would leave a file there that holds addresses.
        copy = Path(folder, "pyproject.toml")
        copy.write_bytes((COURSE / "pyproject.toml").read_bytes())
        for name in ("README.md", "LICENSE"):
            Path(folder, name).touch()
        run_uv(uv, "lock", "--quiet", "--project", folder)
        listed = Path(folder, "versions.txt")
        run_uv(
            uv,
            *("export", "--quiet", "--frozen", "--project", folder, "--output-file", str(listed)),
            *("--all-groups", "--all-extras", "--no-emit-project"),
            *("--no-hashes", "--no-annotate", "--no-header"),
        )
        return listed.read_text(encoding="utf-8")
