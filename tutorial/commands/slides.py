"""Slides for the projector: ``python -m tutorial slides`` makes them from the stored notebooks.

A deck has no text of its own. The title, pictures, tables, questions (*Predict*, *Try it*), code
and outputs of a chapter are on its slides. Its prose is in the speaker notes, with what a teacher
is told about the chapter. Nothing is run, and nothing is loaded from elsewhere. The slides of
nbconvert would need reveal.js, which no package of the course brings along.
"""

import base64
import html
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import Path
from string import Template

import nbformat
from nbconvert.filters.ansi import strip_ansi
from nbconvert.filters.highlight import Highlight2HTML
from nbconvert.filters.markdown_mistune import markdown2html_mistune
from nbformat import NotebookNode
from pygments.formatters import HtmlFormatter

from tutorial.commands.chapters import NOTEBOOKS, Chapter, parts
from tutorial.commands.environment import COURSE
from tutorial.commands.teachers import Teaching, teaching

SLIDES = COURSE / "slides"  # which git ignores
DECK = Path(__file__).with_name("deck")
MARK = "deck.js"  # a folder without it holds something other than slides
LINES = 26  # of code or output that fit on a slide


class SlidesProblem(Exception):
    """The slides cannot be made; the message says why."""


@dataclass
class Slide:
    """What a slide shows, and what its speaker says.

    Parameters
    ----------
    title : str
        In Markdown.
    body : str
        HTML that is seen at once.
    answer : str
        HTML that is seen after another key: the output of the code.
    notes : list of str
        Markdown.
    """

    title: str
    body: str = ""
    answer: str = ""
    notes: list[str] = field(default_factory=list)


def run(folder: Path | None = None) -> int:
    """Make a deck for each chapter of parts I and II, and a page that lists them.

    Parameters
    ----------
    folder : pathlib.Path, optional
        A new folder, or one that holds older slides. By default ``slides`` in the folder of the
        course.

    Returns
    -------
    int
        The exit code, 0.

    Raises
    ------
    SlidesProblem
        If the folder holds something else.
    """
    target = (folder or SLIDES).resolve()
    if target.exists() and not target.is_dir():
        raise SlidesProblem(f"{target} is a file: name a new folder.")
    if target.exists() and not (target / MARK).exists() and any(target.iterdir()):
        raise SlidesProblem(f"{target} holds something other than slides: name a new folder.")
    target.mkdir(parents=True, exist_ok=True)
    shutil.copytree(NOTEBOOKS / "images", target / "images", dirs_exist_ok=True)
    shutil.copy(DECK / MARK, target)
    (target / "deck.css").write_text(_style(), encoding="utf-8")
    presented = [chapter for part in parts()[:2] for chapter in part.chapters]
    for chapter in presented:
        notebook = nbformat.read(NOTEBOOKS / f"{chapter.name}.ipynb", as_version=4)
        (target / f"{chapter.name}.html").write_text(deck(chapter, notebook), encoding="utf-8")
    (target / "index.html").write_text(_index(presented), encoding="utf-8")
    print(f"The slides begin with {target / 'index.html'}")
    return 0


def deck(chapter: Chapter, notebook: NotebookNode) -> str:
    """Return the page with the slides of a chapter, and what a teacher is told in its notes.

    Parameters
    ----------
    chapter : tutorial.commands.chapters.Chapter
    notebook : nbformat.NotebookNode
        With its outputs. Of the cells' metadata, ``slideshow.slide_type`` counts, which JupyterLab
        edits: ``skip`` leaves a cell out, and ``notes`` keeps it for the speaker.

    Returns
    -------
    str
        HTML.

    Raises
    ------
    SlidesProblem
        If a teacher is told to show a section that the chapter does not have.
    """
    shown = slides(notebook)
    _advise(shown, teaching(chapter))
    return _fill("deck.html", title=chapter.title, slides=_sections(shown))


def slides(notebook: NotebookNode) -> list[Slide]:
    """Return the slides of a notebook.

    Parameters
    ----------
    notebook : nbformat.NotebookNode

    Returns
    -------
    list of Slide
    """
    found: list[Slide] = []
    title, asked = "", ""
    notes: list[str] = []
    for cell in notebook.cells:
        kind = cell.metadata.get("slideshow", {}).get("slide_type")
        if kind == "skip":
            continue
        if cell.cell_type == "code":
            if kind != "notes":
                found += _code_slides(cell, title, asked, notes)
                asked, notes = "", []
            continue
        for block in _blocks(cell.source):
            if heading := re.match(r"#+ (.*)", block):
                _end_section(found, title, asked, notes)
                title, asked, notes = heading[1], "", []
            elif kind != "notes" and re.match(r"\||!\[", block):
                found.append(Slide(title, _markdown(block), notes=notes))
                notes = []
            else:
                notes.append(block)
                asked = _question(block) or asked
    _end_section(found, title, asked, notes)
    return found


def _end_section(found: list[Slide], title: str, asked: str, notes: list[str]) -> None:
    """Find a place for the prose that no code follows."""
    if asked or (notes and (not found or found[-1].title != title)):
        found.append(Slide(title, _markdown(asked or _first_sentence(notes[0])), notes=notes))
    elif notes:
        found[-1].notes += notes


def _first_sentence(block: str) -> str:
    return re.split(r"(?<=[.?!:]) ", block, maxsplit=1)[0]


def _blocks(source: str) -> list[str]:
    """Return the paragraphs, tables and lists of a cell."""
    return [block.strip() for block in re.split(r"\n\s*\n", source) if block.strip()]


def _question(block: str) -> str:
    """Return what a paragraph asks its reader, from there to its end."""
    found = re.search(r"\*{1,2}(Predict|Try it)\b.*", block, re.DOTALL)
    return found[0] if found else ""


def _advise(shown: list[Slide], told: Teaching) -> None:
    """Put what a teacher is told into the speaker notes of the slides to which it belongs."""
    if told.ask:
        shown[0].notes.insert(0, f"**Ask the room.** {told.ask}")
    if told.section:
        titles = [slide.title for slide in shown]
        if told.section not in titles:
            raise SlidesProblem(f"teachers.toml names {told.section!r}, which no slide is called.")
        shown[titles.index(told.section)].notes.insert(0, f"**Show live.** {told.how}")
    mistakes = [f"- Exercise {number}: {each.mistake}" for number, each in told.exercises.items()]
    if mistakes:
        shown[-1].notes.append("\n".join(["**Common mistakes.**", "", *mistakes]))


# A slide with code


def _code_slides(cell: NotebookNode, title: str, asked: str, notes: list[str]) -> Iterator[Slide]:
    """Show the code with its output, or the output on a slide of its own if both are long."""
    code, output = _code(cell.source), "".join(_outputs(cell))
    question = _markdown(asked)
    if _length(cell) > LINES and output:
        yield Slide(title, question + code, notes=notes)
        yield Slide(title, output)
    else:
        yield Slide(title, question + code, output, notes)


def _length(cell: NotebookNode) -> int:
    """Return how many lines code and output have on a slide; a picture fills it."""
    data = [output.get("data", {}) for output in cell.outputs]
    texts = [output.get("text", "") for output in cell.outputs]
    texts += [each.get("text/plain", "") for each in data]
    pictures = sum("image/png" in each for each in data)
    return sum(len(_cut(text)) for text in [cell.source, *texts]) + LINES * pictures


def _code(source: str) -> str:
    return Highlight2HTML()("\n".join(_cut(source)))


def _outputs(cell: NotebookNode) -> Iterator[str]:
    """Yield the outputs as HTML; they are the course's own."""
    for output in cell.outputs:
        data = output.get("data", {})
        if output.output_type == "stream":
            yield _text(output.text)
        elif output.output_type == "error":
            yield _text("\n".join(output.traceback))
        elif "image/png" in data:
            alt = html.escape(output.metadata.get("image/png", {}).get("alt", ""))
            yield f'<img src="data:image/png;base64,{data["image/png"].strip()}" alt="{alt}">'
        elif "image/svg+xml" in data:
            picture = base64.b64encode(data["image/svg+xml"].encode()).decode()
            yield f'<img src="data:image/svg+xml;base64,{picture}" alt="">'
        elif "text/html" in data:
            yield f'<div class="output">{data["text/html"]}</div>'
        elif "text/plain" in data:
            yield _text(data["text/plain"])


def _text(output: str) -> str:
    lines = "\n".join(_cut(strip_ansi(output)))
    return f'<pre class="output">{html.escape(lines)}</pre>'


def _cut(text: str) -> list[str]:
    lines = text.rstrip().splitlines()
    return lines if len(lines) <= LINES else [*lines[: LINES - 1], "…"]


# Pages


def _sections(shown: list[Slide]) -> str:
    return "\n".join(
        _fill(
            "slide.html",
            number=str(number),
            title=_title(slide.title),
            body=slide.body,
            answer=f'<div class="answer">{slide.answer}</div>' if slide.answer else "",
            notes=_markdown("\n\n".join(slide.notes)),
            coming=html.escape(following.title if following else "the end"),
        )
        for number, (slide, following) in enumerate(zip_longest(shown, shown[1:]), 1)
        if slide
    )


def _markdown(text: str) -> str:
    """Return HTML whose links lead to websites only: a deck stands alone."""
    linked = re.sub(r"(?<!!)\[([^\]]*)\]\((?!https?:)[^)]*\)", r"\1", text)
    return str(markdown2html_mistune(linked)).strip() if text else ""


def _title(text: str) -> str:
    """Return the HTML of a heading, whose number begins no list."""
    escaped = re.sub(r"^(\d+)\.", r"\1\\.", text)
    return _markdown(escaped).removeprefix("<p>").removesuffix("</p>")


def _index(presented: list[Chapter]) -> str:
    items = (
        f'<li><a href="{chapter.name}.html">{html.escape(chapter.title)}</a></li>'
        for chapter in presented
    )
    return _fill("index.html", items="\n".join(items))


def _style() -> str:
    """Return the style of the decks with the colours of the code, light and dark."""
    light = HtmlFormatter(style="default").get_style_defs(".highlight")
    dark = HtmlFormatter(style="github-dark").get_style_defs(".highlight")
    own = (DECK / "deck.css").read_text(encoding="utf-8")
    return f"{light}\n@media screen and (prefers-color-scheme: dark) {{\n{dark}\n}}\n{own}"


def _fill(name: str, **words: str) -> str:
    return Template((DECK / name).read_text(encoding="utf-8")).substitute(words)
