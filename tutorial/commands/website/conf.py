"""Sphinx's configuration. `tutorial.commands.site` adds what it must look up."""

import tomllib
from uuid import NAMESPACE_URL, uuid5

from tutorial.commands.environment import COURSE

_PROJECT = tomllib.loads((COURSE / "pyproject.toml").read_text(encoding="utf-8"))["project"]

project = "Keeping Celery results in a SQL database"
author = copyright = "The contributors of the course"
version = release = _PROJECT["version"]
language = "en"

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "numpydoc",
    "tutorial.commands.website.reading",
]
exclude_patterns = ["files"]  # the notebooks to download

# The outputs are those that are stored.
nb_execution_mode = "off"
myst_enable_extensions = ["colon_fence", "deflist"]
# Links to headings are written as JupyterLab writes them.
myst_heading_anchors = 4
myst_heading_slug_func = "tutorial.commands.website.reading.jupyterlab_address"

autodoc_member_order = "bysource"
autodoc_typehints = "none"  # numpydoc's sections have them
numpydoc_show_class_members = False
default_role = "py:obj"

html_theme = "furo"
html_title = project
html_static_path = ["static"]
html_favicon = "static/favicon.svg"
html_css_files = ["course.css"]
html_js_files = ["course.js"]
templates_path = ["templates"]
html_copy_source = False
html_show_sphinx = False
html_domain_indices = False

# By its identifier a reading program knows that a book is a later build of the same version.
epub_scheme = "UUID"
epub_uid = "book"
epub_identifier = uuid5(NAMESPACE_URL, f"{_PROJECT['name']}/{version}").urn
epub_title = project
epub_description = _PROJECT["description"]
epub_contributor = author
epub_copyright = "The prose is under CC BY 4.0, the code under the MIT License."
epub_show_urls = "no"
epub_exclude_files = ["search.html", "genindex.html"]
