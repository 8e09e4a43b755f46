"""How the website reads the notebooks: small additions to Sphinx."""

import gc
import inspect
from functools import cache
from pathlib import Path
from typing import Any

from docutils import nodes
from myst_nb.sphinx_ext import add_global_html_resources
from sphinx.application import Sphinx
from sphinx.search.en import SearchEnglish
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


class English(SearchEnglish):
    """The words of the search: each has the same stem on every page."""

    def __init__(self, options: dict[str, str]) -> None:
        super().__init__(options)
        self.stem = cache(super().stem)


def is_imported(_: Sphinx, kind: str, name: str, member: object, *others: object) -> bool | None:
    """Leave out the functions and classes of other packages that a module imports.

    Sphinx would leave them out too, but only after it has read where each of them comes from.

    Parameters
    ----------
    kind, name : str
    member : object
    *others : object

    Returns
    -------
    bool, optional
        By None Sphinx decides.
    """
    if inspect.isclass(member) or inspect.isroutine(member):
        module = getattr(member, "__module__", None) or ""
        return None if module.partition(".")[0] == "tutorial" else True
    return None


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
    # A page is hundreds of thousands of objects. Looking for garbage among them, during the build
    # and at its end, took a quarter of the time, and the process ends with the build.
    gc.disable()
    application.add_transform(EmptyHeads)
    application.add_search_language(English)
    application.connect("autodoc-skip-member", is_imported)
    application.connect("builder-inited", add_style_sheet)
    application.connect("build-finished", lambda *_: gc.freeze())
    return {"parallel_read_safe": True, "parallel_write_safe": True}
