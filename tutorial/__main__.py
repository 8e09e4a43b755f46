"""The commands of the course: ``python -m tutorial``."""

# An old Python must be able to read this file, to say which one is needed.
import gc
import os
import sys

OLDEST, NEWEST = (3, 11), (3, 14)  # as requires-python in pyproject.toml says

if not OLDEST <= sys.version_info[:2] <= NEWEST:
    sys.exit(  # f-strings are younger
        "The course needs Python %d.%d to %d.%d, but %s is Python %d.%d: run the command with "
        "another Python, such as python3.13."
        % (OLDEST + NEWEST + (sys.executable,) + sys.version_info[:2])
    )

if not __package__:  # started as "python FOLDER/tutorial", which works in any folder
    sys.path[0] = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))  # noqa: PTH100, PTH120

from tutorial.commands.main import main  # noqa: E402

if __name__ == "__main__":
    gc.set_threshold(100000, 50)  # most of what a command makes are the modules that it imports
    code = main()
    gc.freeze()  # the end of the process does not look for garbage either
    sys.exit(code)
