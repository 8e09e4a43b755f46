"""How the website reads the notebooks: three small additions to Sphinx."""

from pathlib import Path
from typing import Any

from docutils import nodes
from myst_nb.sphinx_ext import add_global_html_resources
from sphinx.application import Sphinx
from sphinx.transforms import SphinxTransform


def jupyterlab_address(heading: str) -> str:
    """Return the address of a heading in JupyterLab.

    Parameters
    ----------
    heading : str
        Its text.

    Returns
    -------
    str
    """
    return heading.replace(" ", "-").replace('"', "")  # a quote would end the attribute


class EmptyHeads(SphinxTransform):
    """A table with an empty head gets none: each of its rows begins with the row's head."""

    default_priority = 400

    def apply(self, **options: Any) -> None:
        """Change all such tables of a page."""
        for head in list(self.document.findall(nodes.thead)):
            if not head.astext().strip():
                group = head.parent
                group.remove(head)
                next(group.findall(nodes.colspec))["stub"] = 1


def add_style_sheet(application: Sphinx) -> None:
    """Put MyST-NB's style sheet into the book: MyST-NB itself writes it after the book is packed.

    Parameters
    ----------
    application : sphinx.application.Sphinx
    """
    if application.builder.name == "epub":
        Path(application.outdir, "_static").mkdir(parents=True, exist_ok=True)
        add_global_html_resources(application, None)


def setup(application: Sphinx) -> dict[str, bool]:
    """Register the additions with Sphinx.

    Parameters
    ----------
    application : sphinx.application.Sphinx

    Returns
    -------
    dict of str to bool
    """
    application.add_transform(EmptyHeads)
    application.connect("builder-inited", add_style_sheet)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
