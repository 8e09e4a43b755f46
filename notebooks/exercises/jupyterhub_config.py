"""The settings of JupyterHub for a class on one machine; TEACHERS.md shows how to set it up.

Every learner has an account on the machine, and gets a copy of the course in their home. All of
them use the packages of the environment in which JupyterHub is installed.
"""

import asyncio
import os
import pwd
import sys
from pathlib import Path

# What you may want to change
COURSE = Path(__file__).resolve().parents[2]  # what `classroom handout` has written; nobody's home
COPY = "course"  # the folder in each learner's home
EXCHANGE = "/srv/exchange"  # through which nbgrader hands out and collects; mode 1777
LEARNERS = "learners"  # the Unix group of the accounts that may log in

c = get_config()  # noqa: F821  JupyterHub defines it

c.LocalAuthenticator.allowed_groups = {LEARNERS}
c.Spawner.cmd = [f"{sys.prefix}/bin/jupyterhub-singleuser"]
c.Spawner.notebook_dir = "~"
c.Spawner.default_url = f"/lab/tree/{COPY}/notebooks/00-start-here.ipynb"
c.Spawner.args = [
    "--ServerApp.terminado_settings=shell_command=/bin/bash",  # a login shell sets another PATH
    f"--LabApp.app_settings_dir={COURSE}/tutorial/commands/lab_settings",
    # Kernels that start at the same time can choose the same port: then one of them does not start.
    "--KernelManager.transport=ipc",
]
c.Spawner.environment = {
    "PATH": f"{sys.prefix}/bin:{os.environ['PATH']}",
    "SHELL": "/bin/bash",
    # Kernels, workers and terminals use the learner's own copy, and keep their files in it.
    "PYTHONPATH": lambda spawner: str(copy_of(spawner)),
    "JUPYTER_PATH": f"{sys.prefix}/share/jupyter",
    "JUPYTER_CONFIG_PATH": f"{COURSE}/notebooks/exercises",  # for nbgrader_config.py
    "NBGRADER_EXCHANGE": EXCHANGE,
    # Holds the kernels' sockets, whose paths can have a hundred characters at most.
    "JUPYTER_RUNTIME_DIR": lambda spawner: f"{account(spawner).pw_dir}/.jupyter-runtime",
}
# A whole class starts in the same minute.
c.Spawner.start_timeout = 200
c.Spawner.http_timeout = 150


def account(spawner):
    """Return the account of a learner on this machine."""
    return pwd.getpwnam(spawner.user.name)


def copy_of(spawner):
    """Return the folder of a learner's copy of the course."""
    return Path(account(spawner).pw_dir, COPY)


async def prepare(spawner):
    """Close a learner's home to others, and put the newest course into it, as the learner.

    A notebook that is there stays as it is.
    """
    own = account(spawner)
    Path(own.pw_dir).chmod(0o700)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tutorial", "classroom", "handout", str(copy_of(spawner))),
        cwd=COURSE,
        env={"HOME": own.pw_dir, "PATH": os.defpath},
        user=own.pw_uid,
        group=own.pw_gid,
        extra_groups=[],
    )
    if await process.wait():
        raise RuntimeError(f"The course could not be copied to {copy_of(spawner)}.")


async def end_all(spawner):
    """End what a learner has left running, such as a worker from a terminal of JupyterLab."""
    uid = account(spawner).pw_uid
    if spawner.user.admin or uid < 1000:  # the machine's own accounts, and teachers who grade
        return
    for _ in range(100):
        killing = await asyncio.create_subprocess_exec("pkill", "-KILL", "--uid", str(uid))
        if await killing.wait():  # none is left
            return
        await asyncio.sleep(0.1)


c.Spawner.pre_spawn_hook = prepare
c.Spawner.post_stop_hook = end_all
