"""What every chapter keeps to. Each check takes a chapter and returns a list of complaints."""

import ast
import re
import socket
import subprocess
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import nbformat
from IPython.core.inputtransformer2 import TransformerManager
from nbformat import NotebookNode

from tutorial.commands.chapters import chapters
from tutorial.commands.execute import IGNORED, canonical, serialize
from tutorial.commands.outputs import COMMENT_MARKERS, patterns
from tutorial.workspace import COURSE

OPENING_ROWS = ["What you'll do", "What you'll learn", "Prerequisites", "Time"]
MINUTES = range(5, 41)
CELLS = range(12, 41)
LINES = range(1, 13)  # of code in a cell
FILE_LINES = range(1, 18)  # in a cell that writes a file
CELL_WORDS = 120  # of prose in a Markdown cell, at most
WORDS = (8, 30)  # of prose for each line of code, at least and at most
SECONDS_ASLEEP = 2  # in all cells of a chapter together
RAISES = "raises-exception"
MINIMAL = "%xmode Minimal"
EXERCISES = "First, try this chapter's [exercises]({})."
HOSTS = {
    "alembic.sqlalchemy.org",
    "creativecommons.org",
    "docs.celeryq.dev",
    "docs.kombu.me",
    "docs.python.org",
    "docs.sqlalchemy.org",
    "flower.readthedocs.io",
    "github.com",
    "jupyterlab.readthedocs.io",
    "matplotlib.org",
    "pandas.pydata.org",
    "www.postgresql.org",
    "www.sqlite.org",
    "sqlite.org",
}


@dataclass(frozen=True)
class Chapter:
    """A notebook of the course, with the parts of it that the checks look at."""

    path: Path
    notebook: NotebookNode

    @classmethod
    def read(cls, path: Path) -> "Chapter":
        return cls(path, nbformat.read(path, as_version=4))

    @property
    def name(self) -> str:
        return self.path.stem

    @property
    def code(self) -> list[NotebookNode]:
        return [cell for cell in self.notebook.cells if cell.cell_type == "code"]

    @property
    def markdown(self) -> list[NotebookNode]:
        return [cell for cell in self.notebook.cells if cell.cell_type == "markdown"]

    @property
    def prose(self) -> str:
        return "\n\n".join(cell.source for cell in self.markdown)

    @property
    def source(self) -> str:
        return "\n\n".join(cell.source for cell in self.code)


# The parts of a text


def without_code_blocks(markdown: str) -> str:
    return re.sub(r"^(```|~~~).*?^\1", "", markdown, flags=re.DOTALL | re.MULTILINE)


def headings(markdown: str) -> list[tuple[int, str]]:
    """Return level and text of each heading."""
    found = re.findall(r"^(#+)\s+(.*?)\s*$", without_code_blocks(markdown), re.MULTILINE)
    return [(len(marks), text) for marks, text in found]


def images(markdown: str) -> Iterator[tuple[str, str]]:
    """Yield source and alternative text of each image, in Markdown or in HTML."""
    for alt, source in re.findall(r"!\[(.*?)\]\(\s*([^)\s]+)", markdown, re.DOTALL):
        yield source, alt
    for attributes in re.findall(r"<img\b(.*?)>", markdown, re.DOTALL):
        source, alt = (
            re.search(rf"\b{name}\s*=\s*[\"'](.*?)[\"']", attributes, re.DOTALL)
            for name in ("src", "alt")
        )
        yield source[1] if source else "", alt[1] if alt else ""


def anchors(path: Path) -> set[str]:
    """Return the addresses of a notebook's headings, as JupyterLab makes them."""
    titles = headings(Chapter.read(path).prose)
    return {text.replace("`", "").replace(" ", "-") for _, text in titles}


def broken_links(markdown: str, path: Path, own_anchors: Iterable[str] = ()) -> list[str]:
    """Complain of links in the file `path` that lead to no file, no heading or an unknown host."""
    complaints = []
    text = re.sub(r"`[^`\n]+`", "code", without_code_blocks(markdown))
    targets = re.findall(r"(?<!!)\[[^\]]*\]\(\s*<?([^)\s>]+)", text)
    targets += re.findall(r"^\[[^\]]+\]:\s*(\S+)", text, re.MULTILINE)
    targets += re.findall(r"\b(?:href|src)\s*=\s*[\"'](.*?)[\"']", text)
    targets += [source for source, _ in images(text)]
    targets += re.findall(r"\b\w+://[^\s)>\"'\]]+", text)
    for target in dict.fromkeys(targets):
        if "://" in target:
            scheme, _, rest = target.partition("://")
            if scheme != "https" or re.split(r"[/:#?]", rest)[0] not in HOSTS:
                complaints.append(f"links to {target}: not https, or not a host that is listed")
            continue
        file, _, anchor = target.partition("#")
        linked = path.parent / file if file else path
        if not linked.exists():
            complaints.append(f"links to {target}, which does not exist")
        elif anchor and linked.suffix == ".ipynb":
            known = anchors(linked) if file else set(own_anchors)
            if anchor not in known:
                complaints.append(f"links to {target}, but there is no such heading")
    return complaints


def lines_of_code(cell: NotebookNode) -> int:
    lines = (line.strip() for line in cell.source.splitlines())
    return sum(bool(line) and not line.startswith("#") for line in lines)


def comments(cell: NotebookNode) -> list[str]:
    return re.findall(r"^\s*#\s*(.*)", cell.source, re.MULTILINE)


def texts(cell: NotebookNode) -> str:
    """Return all that a cell's outputs say, without images."""
    parts = []
    for output in cell.outputs:
        data = output.get("data", {})
        parts += [str(part) for kind, part in data.items() if not kind.startswith("image/")]
        parts += [str(output.get(key, "")) for key in ("text", "evalue", "traceback")]
    return "\n".join(parts)


def tags(cell: NotebookNode) -> list[str]:
    return cell.metadata.get("tags", [])


def must_show(source: str) -> bool:
    """Tell whether code prints, or ends in an expression that is not a call."""
    body = ast.parse(TransformerManager().transform_cell(source)).body
    values = [node.value for node in body if isinstance(node, ast.Expr)]
    calls = [value for value in values if isinstance(value, ast.Call)]
    prints = any(ast.unparse(call.func) == "print" for call in calls)
    ends_in_expression = bool(body) and isinstance(body[-1], ast.Expr)
    return prints or (ends_in_expression and values[-1] not in calls)


# One chapter


def check_opening(chapter: Chapter) -> list[str]:
    """The title, one or two sentences, and a table of four rows."""
    first = chapter.notebook.cells[0]
    number = chapter.name.partition("-")[0]
    complaints = []
    if first.cell_type != "markdown" or not re.match(rf"# {number}\. \S", first.source):
        return [f"the first cell does not start with '# {number}. Title'"]
    row = r"^\|\s*\*\*(.+?)\*\*\s*\|\s*(.*?)\s*\|\s*$"
    rows = dict(re.findall(row, first.source, re.MULTILINE))
    if list(rows) != OPENING_ROWS or not all(rows.values()):
        complaints.append(f"the first cell's table should have the rows {OPENING_ROWS}")
    minutes = re.fullmatch(r"(\d+) minutes", rows.get("Time", ""))
    if not minutes or int(minutes[1]) not in MINUTES:
        complaints.append(f"the time is not a number of minutes from {MINUTES[0]} to {MINUTES[-1]}")
    paragraph = first.source.partition("\n")[2].partition("\n|")[0]
    sentences = len(re.findall(r"[.?!](?=\s|$)", paragraph))
    if sentences not in (1, 2):
        complaints.append(f"the title is followed by {sentences} sentences, not by one or two")
    return complaints


def check_workspace(chapter: Chapter) -> list[str]:
    """The first code cell opens the notebook's own workspace."""
    if f'open_workspace("{chapter.name}")' not in chapter.code[0].source:
        return [f'the first code cell does not call open_workspace("{chapter.name}")']
    return []


def check_ending(chapter: Chapter) -> list[str]:
    """The last cell, or the last two, hold the recap and what comes next."""
    cells = chapter.notebook.cells[-2:]
    last = headings("\n\n".join(cell.source for cell in cells if cell.cell_type == "markdown"))
    if last[-2:] != [(2, "Recap"), (2, "What's next")] or cells[-1].cell_type != "markdown":
        return ["the notebook does not end with '## Recap' and '## What's next'"]
    return []


def check_exercises(chapter: Chapter) -> list[str]:
    """What comes next are the chapter's exercises, in the same words everywhere."""
    exercises = f"exercises/{chapter.path.name}"
    following = chapter.prose.rpartition("## What's next\n\n")[2].partition("\n")[0]
    exist = (chapter.path.parent / exercises).exists()
    if exist and following != EXERCISES.format(exercises):
        return [f"what's next does not begin with a sentence that links to {exercises}"]
    return []


def check_headings(chapter: Chapter) -> list[str]:
    """One title; no level is left out; no heading stands twice."""
    found = headings(chapter.prose)
    levels = [level for level, _ in found]
    complaints = []
    if levels.count(1) != 1:
        complaints.append(f"has {levels.count(1)} headings of the first level")
    for above, (level, text) in zip([0, *levels], found, strict=False):
        if level > above + 1:
            complaints.append(f"the heading {text!r} leaves a level out")
    names = [text for _, text in found]
    complaints += [f"two headings are {name!r}" for name in set(names) if names.count(name) > 1]
    return complaints


def check_images(chapter: Chapter) -> list[str]:
    """Every image has an alternative text."""
    shown = chapter.prose + "".join(texts(cell) for cell in chapter.code)
    return [
        f"the image {source[:60]} has no alternative text"
        for source, alt in images(shown)
        if not alt.strip()
    ]


def check_size(chapter: Chapter) -> list[str]:
    """The number of cells, and of lines in a code cell."""
    complaints = []
    if len(chapter.notebook.cells) not in CELLS:
        complaints.append(f"has {len(chapter.notebook.cells)} cells")
    for cell in chapter.code:
        allowed = FILE_LINES if cell.source.startswith("%%writefile") else LINES
        if lines_of_code(cell) not in allowed:
            complaints.append(f"{cell.id} has {lines_of_code(cell)} lines of code")
    return complaints


def check_words(chapter: Chapter) -> list[str]:
    """The words of a Markdown cell, outside tables and hidden comments."""
    complaints = []
    for cell in chapter.markdown:
        text = re.sub(r"<!--.*?-->", "", cell.source, flags=re.DOTALL)
        words = len(re.sub(r"^\|.*", "", text, flags=re.MULTILINE).split())
        if words > CELL_WORDS:
            complaints.append(f"{cell.id} has {words} words, more than {CELL_WORDS}")
    return complaints


def check_density(chapter: Chapter) -> list[str]:
    """The words of prose, outside tables, comments and descriptions, for each line of code."""
    text = without_code_blocks(chapter.prose)
    text = re.sub(r"^(\||<!--|!\[).*", "", text, flags=re.MULTILINE)
    ratio = len(re.findall(r"[^\W\d_][\w'-]*", text)) / sum(map(lines_of_code, chapter.code))
    if not WORDS[0] <= ratio <= WORDS[1]:
        return [f"has {ratio:.0f} words of prose for each line of code"]
    return []


def check_explained(chapter: Chapter) -> list[str]:
    """The cell after an output says in words what the output means."""
    complaints = []
    cells = chapter.notebook.cells
    for cell, after in pairwise(cells):
        explained = after.cell_type == "markdown" and not after.source.startswith("#")
        if cell.get("outputs") and not explained:
            complaints.append(f"nothing explains the output of {cell.id}")
    return complaints


def check_executed(chapter: Chapter) -> list[str]:
    """The cells were run once each, from top to bottom."""
    counts = [cell.execution_count for cell in chapter.code]
    results = [
        (output.execution_count, cell.execution_count)
        for cell in chapter.code
        for output in cell.outputs
        if output.output_type == "execute_result"
    ]
    if counts != list(range(1, len(counts) + 1)) or any(one != other for one, other in results):
        return [f"the execution counts are {counts}: run python -m tutorial execute"]
    return []


def check_outputs_stored(chapter: Chapter) -> list[str]:
    """A cell that prints or ends in a value has an output."""
    return [
        f"{cell.id} has no stored output: run python -m tutorial execute"
        for cell in chapter.code
        if not cell.outputs and must_show(cell.source)
    ]


def check_errors(chapter: Chapter) -> list[str]:
    """Exactly the cells that say so fail, and nothing is written to standard error."""
    complaints = []
    for cell in chapter.code:
        fails = any(output.output_type == "error" for output in cell.outputs)
        if fails != (RAISES in tags(cell)):
            complaints.append(f"{cell.id}: an error output and the tag {RAISES} go together")
        elif fails and MINIMAL not in chapter.source.partition(cell.source)[0]:
            # Else a learner gets a page of frames, where one line is stored and shown to readers.
            complaints.append(f"{cell.id} fails, but no cell before it has {MINIMAL}")
        if any(output.get("name") == "stderr" for output in cell.outputs):
            complaints.append(f"{cell.id} writes to standard error")
    return complaints


def check_ignored(chapter: Chapter) -> list[str]:
    """A cell whose output is not compared says why; none is skipped."""
    complaints = []
    for cell in chapter.code:
        if set(comments(cell)) & COMMENT_MARKERS or "nbval-skip" in tags(cell):
            complaints.append(f"{cell.id} hides from nbval in another way than the tag {IGNORED}")
        if IGNORED in tags(cell) and not any(len(line.split()) > 3 for line in comments(cell)):
            complaints.append(f"{cell.id} has the tag {IGNORED} and no comment that says why")
    return complaints


def check_machine(chapter: Chapter) -> list[str]:
    """No output tells where it was made."""
    folders = {str(folder) for folder in (COURSE, Path.home(), Path(sys.prefix)) if folder.name}
    names = {*folders, "/home/", "/Users/", "/tmp/", ":\\Users", f"@{socket.gethostname()}"}
    longest_first = sorted(names, key=len, reverse=True)
    found = {cell.id: [n for n in longest_first if n in texts(cell)] for cell in chapter.code}
    return [f"the output of {cell} holds {names[0]!r}" for cell, names in found.items() if names]


def check_canonical(chapter: Chapter) -> list[str]:
    """The file is as the tool writes it."""
    if chapter.path.read_bytes() != serialize(canonical(chapter.notebook, chapter.name)):
        return ["the file was saved by an editor: run python -m tutorial execute"]
    return []


def check_links(chapter: Chapter) -> list[str]:
    """Links lead to files and headings that exist, or to a host that is listed."""
    own = {text.replace("`", "").replace(" ", "-") for _, text in headings(chapter.prose)}
    elsewhere = re.findall(
        r"\]\(([^)\s#]+\.(?:ipynb|md)#[^)\s]*)\)", without_code_blocks(chapter.prose)
    )
    return broken_links(chapter.prose, chapter.path, own) + [
        # JupyterLab opens the notebook at its top, and finds the heading on a second click only.
        f"links to a heading in another file, {link}: link to the file"
        for link in elsewhere
    ]


def check_names(chapter: Chapter) -> list[str]:
    """Files and names of the package that the prose quotes exist."""
    complaints = []
    for quoted in re.findall(r"`([^`\n]+)`", chapter.prose):
        if re.fullmatch(r"(tutorial|tests|notebooks)/[\w./-]+", quoted):
            exists = (COURSE / quoted).exists()
        elif name := re.fullmatch(r"tutorial\.(\w+)(?:\.(\w+))?[\w.]*(?:\(.*\))?", quoted):
            exists = is_in_package(*name.groups())
        else:
            continue
        if not exists:
            complaints.append(f"there is no {quoted}")
    return complaints


def is_in_package(module: str, name: str | None) -> bool:
    """Tell whether a module defines a name, without importing it."""
    path = COURSE / "tutorial" / f"{module}.py"
    if not path.exists():
        return False
    text = path.read_text(encoding="utf-8")
    return not name or bool(re.search(rf"^((def|class) )?{name}\b", text, re.MULTILINE))


def check_real(chapter: Chapter) -> list[str]:
    """Tasks run in workers, and cells wait for events and not for time to pass."""
    complaints = []
    if "always_eager" in chapter.source:
        complaints.append("runs tasks without a worker (task_always_eager)")
    asleep = sum(float(seconds) for seconds in re.findall(r"\bsleep\(([\d.]+)\)", chapter.source))
    if asleep > SECONDS_ASLEEP:
        complaints.append(f"sleeps for {asleep} s")
    return complaints


CHAPTER_CHECKS = [check for name, check in list(globals().items()) if name.startswith("check_")]


# The course


def map_complaints(names: Iterable[str]) -> list[str]:
    """The notebooks are those of the list, which is in their order."""
    found = sorted(names)
    expected = [chapter.name for chapter in chapters()]
    return [] if found == expected else [f"expected {expected}, found {found}"]


def ignored_complaints(chapters: Iterable[Chapter]) -> list[str]:
    """At most two cells in a hundred have an output that is not compared."""
    cells = [cell for chapter in chapters for cell in chapter.code]
    ignored = [cell.id for cell in cells if IGNORED in tags(cell)]
    if len(ignored) > 0.02 * len(cells):
        return [f"{len(ignored)} of {len(cells)} cells are not compared: {', '.join(ignored)}"]
    return []


def sanitizer_complaints(text: str) -> list[str]:
    """At most ten rules, each with a comment, and none that touches a plain result."""
    rules = patterns(text)
    complaints = []
    if len(rules) > 10:
        complaints.append(f"has {len(rules)} rules")
    if not len(rules) == text.count("regex:") == len(re.findall(r"^#.*\n\[", text, re.MULTILINE)):
        complaints.append("a rule is not read by nbval, or has no comment")
    for pattern, _ in rules:
        for plain in ("5", "3.14", "42 rows", "add(2, 3)", "SUCCESS", "2026-01-02", "1000", "0.5"):
            if re.search(pattern, plain):
                complaints.append(f"the rule {pattern!r} hides a change to {plain!r}")
    return complaints


def spelling_complaints(texts: dict[str, str], folder: Path) -> list[str]:
    """Return what codespell finds in texts, each given by its name; `folder` takes copies."""
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")
    known = "--ignore-words-list=checkin"  # an event of SQLAlchemy
    command = [sys.executable, "-m", "codespell_lib", known, *sorted(texts)]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True).stdout.splitlines()
