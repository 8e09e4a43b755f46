"""A step of the grading: forgive learners who have copied or split a cell."""

from typing import Any

from nbformat import NotebookNode
from nbgrader.preprocessors import NbGraderPreprocessor


class ForgetCopies(NbGraderPreprocessor):
    """Let nbgrader take a copy of an answer or of a check for an ordinary cell.

    JupyterLab copies nbgrader's metadata with a cell. ``DeduplicateIds`` leaves them empty in all
    but the last copy, and ``OverwriteCells``, which follows, would fail on them.
    """

    def preprocess(
        self, notebook: NotebookNode, resources: dict[str, Any]
    ) -> tuple[NotebookNode, dict[str, Any]]:
        """Remove empty metadata of nbgrader from all cells.

        Parameters
        ----------
        notebook : nbformat.NotebookNode
        resources : dict

        Returns
        -------
        nbformat.NotebookNode, dict
            Both as they were given, and changed in place.
        """
        for cell in notebook.cells:
            if cell.metadata.get("nbgrader") == {}:
                del cell.metadata["nbgrader"]
        return notebook, resources
