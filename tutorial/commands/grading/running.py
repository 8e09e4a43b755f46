"""A step of the grading: run a submission so that each exercise costs its own points only."""

import secrets
import shutil
import tempfile
from functools import partial
from typing import Any

from jupyter_core.utils import run_sync
from nbclient.exceptions import DeadKernelError
from nbformat import NotebookNode
from nbformat.v4 import new_output
from nbgrader.preprocessors import Execute
from nbgrader.utils import is_grade
from traitlets import Bool, Integer

from tutorial.commands.outputs import AlwaysEnds

HIDDEN = "### BEGIN HIDDEN TESTS\n"
TRUNCATED = "\n... The rest of the output is left out ...\n"
RUNS = 12  # how often the kernel of a submission may die


class RunExercises(AlwaysEnds, Execute):
    """Run a notebook, and run it again without the cell that has killed the kernel.

    A check has passed only if it ran to its end: no output alone gives points, and none costs any.
    """

    iopub_timeout = Integer(30, help="Seconds for the rest of a flood of output.").tag(config=True)
    raise_on_iopub_timeout = Bool(False).tag(config=True)
    startup_timeout = Integer(300, help="Seconds; it ends only what hangs.").tag(config=True)
    patience = Integer(30, help="Seconds until a kernel answers an interrupt.").tag(config=True)
    most_output = Integer(100_000, help="Characters for each cell.").tag(config=True)

    def preprocess(
        self, notebook: NotebookNode, resources: dict[str, Any]
    ) -> tuple[NotebookNode, dict[str, Any]]:
        """Run all cells, in a folder of their own.

        Parameters
        ----------
        notebook : nbformat.NotebookNode
        resources : dict
            nbgrader's; the files beside the notebook are copied.

        Returns
        -------
        nbformat.NotebookNode, dict
            The notebook with its outputs, and the resources as they were given.
        """
        self.fatal: dict[int, str] = {}  # what each cell that killed a kernel has done
        beside = resources.get("metadata", {}).get("path")
        for _ in range(RUNS):
            self.written: dict[int, int] = {}
            with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
                if beside:
                    skip = shutil.ignore_patterns("*.ipynb")
                    shutil.copytree(beside, folder, ignore=skip, dirs_exist_ok=True)
                own = {**resources, "metadata": {"path": folder}}
                try:
                    done, _ = super().preprocess(notebook, own)
                except DeadKernelError:
                    continue
                return done, resources
        raise DeadKernelError("its kernel died again and again")

    async def async_execute_cell(
        self, cell: NotebookNode, cell_index: int, **options: Any
    ) -> NotebookNode:
        """Run one cell; a check runs with a mark at its end.

        Parameters
        ----------
        cell : nbformat.NotebookNode
        cell_index : int
        **options
            As nbclient takes them.

        Returns
        -------
        nbformat.NotebookNode
            The cell.
        """
        if cell_index in self.fatal:
            cell.outputs = [_error("KernelDied", self.fatal[cell_index])]
            return cell
        source = cell.source
        try:
            if is_grade(cell):
                cell.source = self._with_mark(source)
            return await super().async_execute_cell(cell, cell_index, **options)
        except DeadKernelError:
            self.fatal.setdefault(cell_index, "This cell has ended the kernel.")
            raise
        finally:
            cell.source = source
            if self.kc is not None:
                self.kc.__dict__.pop("execute", None)

    execute_cell = run_sync(async_execute_cell)

    def _with_mark(self, source: str) -> str:
        """Return a check's code with an assignment at its end that the kernel will report."""
        self.mark = secrets.token_hex()
        assert self.kc is not None
        self.kc.execute = partial(self.kc.execute, user_expressions={"mark": "_passed"})
        # The visible part of a check runs with what the learner's cells have left in memory.
        own = source.partition(HIDDEN)[2] or source
        return f"_passed = None\n{own}\n_passed = {self.mark!r}"

    def on_cell_executed(self, **facts: Any) -> None:
        """Note why a cell has failed, and whether a check has passed.

        Parameters
        ----------
        **facts
            As nbclient gives them: the cell, its index and the kernel's reply.
        """
        super().on_cell_executed(**facts)
        cell, reply = facts["cell"], facts["execute_reply"]["content"]
        if is_grade(cell):
            cell.outputs = [_harmless(output) for output in cell.outputs]
            marked = reply.get("user_expressions", {}).get("mark", {}).get("data", {})
            if marked.get("text/plain") == repr(self.mark):
                cell.outputs.insert(0, new_output("stream", name="stdout", text="Right.\n"))
            elif reply["status"] == "ok":
                cell.outputs.append(_error("NotRun", "The check did not finish."))
        if any(each.get("source") == "ask_exit" for each in reply.get("payload", [])):
            self.fatal[facts["cell_index"]] = "This cell has ended the kernel."
            raise DeadKernelError("The cell asked the kernel to exit.")

    async def _async_handle_timeout(self, timeout: int, cell: NotebookNode | None = None) -> Any:
        """Interrupt a cell; a kernel that does not answer then counts as dead."""
        reply = await super()._async_handle_timeout(timeout, cell)
        assert self.kc is not None
        asked = self.kc.kernel_info()
        while True:
            try:
                answer = await self.kc.shell_channel.get_msg(timeout=self.patience)
            except Exception:
                if cell is not None:  # or it was the kernel's first reply
                    self.fatal[self.nb.cells.index(cell)] = "This cell could not be interrupted."
                raise DeadKernelError("The kernel does not answer.") from None
            if answer["parent_header"].get("msg_id") == asked:
                return reply

    def output(self, outs: Any, msg: Any, display_id: Any, cell_index: int) -> Any:
        """Keep an output, until a cell has written too much.

        Parameters
        ----------
        outs, msg, display_id, cell_index
            As nbclient gives them.

        Returns
        -------
        nbformat.NotebookNode or None
        """
        room = self.most_output - self.written.get(cell_index, 0)
        content = msg["content"]
        if msg["msg_type"] != "error":
            size = len(content.get("text", "")) or len(str(content))
            self.written[cell_index] = self.written.get(cell_index, 0) + size
            if room <= 0:
                return None
            if size > room:
                text = content.get("text", "")[:room] + TRUNCATED
                content = {"name": content.get("name", "stdout"), "text": text}
                msg = {**msg, "msg_type": "stream", "content": content}
                msg["header"] = {**msg["header"], "msg_type": "stream"}
        return super().output(outs, msg, display_id, cell_index)


def _error(name: str, message: str) -> NotebookNode:
    return new_output("error", ename=name, evalue=message, traceback=[f"{name}: {message}"])


def _harmless(output: NotebookNode) -> NotebookNode:
    """Return an output of a check as one that nbgrader takes neither for points nor for a fault."""
    if output.output_type == "stream":
        return new_output("stream", name="stdout", text=output.text)
    if output.output_type == "execute_result":
        return new_output("display_data", data=output.data, metadata=output.metadata)
    return output
