"""The website: built from the stored notebooks, complete, and right wherever its links lead.

``RECORD_ADDRESSES=1`` adds the addresses of new headings to the list of those that must stay.
"""

import gc
import json
import os
import posixpath
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from urllib.parse import unquote, urlsplit
from xml.etree import ElementTree

import nbformat
import pytest
import yaml
from bs4 import BeautifulSoup, Tag
from course_checks import images

from tutorial.commands import site
from tutorial.commands.chapters import EXERCISES, NOTEBOOKS, chapters, parts
from tutorial.exercises.checking import SOURCES
from tutorial.workspace import COURSE

NAMES = [chapter.name for chapter in chapters()]
PRACTISED = [name for name in NAMES if (EXERCISES / f"{name}.ipynb").exists()]
QUESTIONS = re.findall(
    r"^### (.*)$", (NOTEBOOKS / "QUESTIONS.md").read_text(encoding="utf-8"), re.MULTILINE
)
ADDRESSES = Path(__file__).with_name("site_addresses.txt")
COLOURS = re.compile(r"\x1b\[[\d;]*m")


def build(folder: Path, *options: str) -> None:
    command = [sys.executable, "-m", "tutorial", "site", str(folder), *options]
    done = subprocess.run(command, cwd=COURSE, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"The website begins with {folder / 'index.html'}\n"


@pytest.fixture(scope="module")
def website(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("the web").resolve() / "site"
    build(folder)
    return folder


@pytest.fixture(scope="module")
def pages(website: Path) -> dict[Path, BeautifulSoup]:
    gc.disable()  # all that is made here is kept, and looking for garbage took a fifth of the time
    try:
        return {
            path: BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser")
            for path in sorted(website.rglob("*.html"))
        }
    finally:
        gc.enable()


def page(pages: dict[Path, BeautifulSoup], name: str) -> BeautifulSoup:
    return next(soup for path, soup in pages.items() if path.as_posix().endswith(f"site/{name}"))


# The pages


def test_every_chapter_has_its_page_and_its_notebook(website: Path) -> None:
    for name in [*NAMES, *(f"exercises/{name}" for name in PRACTISED)]:
        assert (website / f"{name}.html").exists()
        stored = (NOTEBOOKS / f"{name}.ipynb").read_bytes()
        assert (website / f"{name}.ipynb").read_bytes() == stored
    assert (website / "objects.inv").exists()


@pytest.mark.parametrize("name", NAMES)
def test_a_page_shows_the_stored_outputs(name: str, pages: dict[Path, BeautifulSoup]) -> None:
    shown = page(pages, f"{name}.html").select("div.cell")
    stored = [cell for cell in notebook(NOTEBOOKS / f"{name}.ipynb") if cell.cell_type == "code"]
    assert len(shown) == len(stored)
    for on_page, cell in zip(shown, stored, strict=True):
        assert words(on_page.select_one(".cell_input").text) == words(cell.source)
        outputs = on_page.select(".cell_output > *")
        assert [words(each.text) for each in outputs] == [
            words(text) for text in texts(cell.outputs)
        ]


def texts(outputs: list[nbformat.NotebookNode]) -> Iterator[str]:
    """Yield the text of each stored output, as a browser shows it; a picture has none."""
    for output in outputs:
        data = output.get("data", {})
        if output.output_type == "stream":
            yield output.text
        elif output.output_type == "error":
            yield COLOURS.sub("", "\n".join(output.traceback))
        elif "text/html" in data:
            yield BeautifulSoup(data["text/html"], "html.parser").text
        elif "image/png" in data:
            yield ""
        else:
            yield data["text/plain"]


def words(text: str) -> list[str]:
    return COLOURS.sub("", text).split()


def notebook(path: Path) -> list[nbformat.NotebookNode]:
    return nbformat.read(path, as_version=4).cells


@pytest.mark.parametrize("name", PRACTISED)
def test_exercises_have_their_quiz_and_no_solutions(
    name: str, pages: dict[Path, BeautifulSoup]
) -> None:
    shown = page(pages, f"exercises/{name}.html")
    cells = [cell for cell in notebook(EXERCISES / f"{name}.ipynb") if cell.cell_type == "code"]
    inputs = [words(cell.text) for cell in shown.select(".cell_input")]
    assert inputs == [words(cell.source) for cell in cells]
    solved = [cell for cell in notebook(SOURCES / f"{name}.ipynb") if cell.cell_type == "code"]
    quiz = [cell for cell in solved if cell.source.endswith(".ask()")]
    assert len(shown.select(".cell_output")) == len(quiz) > 0
    choices = sum(cell.outputs[0].data["text/html"].count("<details>") for cell in quiz)
    assert len(shown.select(".cell_output details > summary")) == choices


def test_every_picture_is_described(pages: dict[Path, BeautifulSoup]) -> None:
    for path, soup in pages.items():
        for image in soup.select("article img"):
            assert len(image.get("alt", "")) > 20, f"{path.name}: {image.get('src', '')[:40]}"


def test_pictures_in_notebooks_have_a_caption_that_everyone_sees() -> None:
    for path in [*NOTEBOOKS.glob("*.ipynb"), *EXERCISES.glob("*.ipynb")]:
        for cell in notebook(path):
            if cell.cell_type == "markdown":
                for source, _ in images(cell.source):
                    rest = cell.source.partition(source)[2].partition(")")[2].strip()
                    assert re.match(r"\*[^*]", rest), f"{path.name}: no caption under {source}"
            for output in cell.get("outputs", []):
                if alt := output.get("metadata", {}).get("image/png", {}).get("alt"):
                    assert alt in BeautifulSoup(str(cell.outputs), "html.parser").text


def test_every_page_says_whose_it_is(pages: dict[Path, BeautifulSoup]) -> None:
    for soup in pages.values():
        footer = soup.select_one("footer").text
        for words_of_the_licence in ("CC BY 4.0", "MIT License", "not an official Celery project"):
            assert words_of_the_licence in footer


def test_headings_are_in_order(pages: dict[Path, BeautifulSoup]) -> None:
    for path, soup in pages.items():
        levels = [int(each.name[1]) for each in soup.select("article :is(h1, h2, h3, h4, h5)")]
        assert levels.count(1) == 1, path.name
        assert levels[0] == 1, path.name
        steps = pairwise(levels)
        assert all(below <= above + 1 for above, below in steps), f"{path.name}: {levels}"


# Links


def test_links_inside_lead_somewhere(website: Path, pages: dict[Path, BeautifulSoup]) -> None:
    anchors = {path: {each["id"] for each in soup.select("[id]")} for path, soup in pages.items()}
    for path, soup in pages.items():
        for link in links(soup):
            parts = urlsplit(link)
            if parts.scheme:
                continue
            assert not parts.path.startswith("/"), f"{path.name} works in one place only: {link}"
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            assert target.is_file(), f"{path.name} links to {link}"
            if parts.fragment and target in anchors and not link.startswith("#svg-"):
                assert unquote(parts.fragment) in anchors[target], f"{path.name} links to {link}"


def links(soup: BeautifulSoup) -> Iterator[str]:
    for attribute in ("href", "src"):
        for tag in soup.select(f"[{attribute}]"):
            yield str(tag[attribute])


def test_nothing_is_loaded_from_elsewhere(pages: dict[Path, BeautifulSoup]) -> None:
    for soup in pages.values():
        for tag in soup.select("[src], link[href]"):
            address = str(tag.get("src") or tag.get("href"))
            assert not re.match(r"(?!data:)\w+:|//", address), address


def test_without_an_address_no_link_leads_to_a_repository(
    pages: dict[Path, BeautifulSoup],
) -> None:
    for soup in pages.values():
        for link in links(soup):
            host = urlsplit(link).hostname or ""
            assert "mybinder" not in host
            assert "codespaces" not in host
            assert "issues/new" not in link


def test_no_address_has_vanished(pages: dict[Path, BeautifulSoup]) -> None:
    """People link to headings. An address that must go is taken out of the list by hand."""
    names = [*(f"{name}.html" for name in NAMES), "questions.html", "glossary.html", "cards.html"]
    found = {f"{name}#{each['id']}" for name in names for each in sections(page(pages, name))}
    assert [address for address in found if re.search(r"#id\d+$", address)] == []
    recorded = set(ADDRESSES.read_text(encoding="utf-8").splitlines())
    if os.environ.get("RECORD_ADDRESSES"):
        ADDRESSES.write_text("\n".join(sorted(recorded | found)) + "\n", encoding="utf-8")
    assert sorted(recorded - found) == []


def sections(soup: BeautifulSoup) -> list[Tag]:
    return soup.select("article section[id]")


# The questions


def test_each_question_has_an_answer_a_version_and_a_proof() -> None:
    text = (NOTEBOOKS / "QUESTIONS.md").read_text(encoding="utf-8")
    answers = re.split(r"^### .*\n", text, flags=re.MULTILINE)[1:]
    assert len(answers) == len(QUESTIONS) == len(set(QUESTIONS)) >= 30
    for question, answer in zip(QUESTIONS, answers, strict=True):
        prose, proof = answer.partition("\n## ")[0].strip().rsplit("\n\n", 1)
        assert 15 <= len(prose.split()) <= 90, question
        assert re.match(r"\*.*(versions|later|\d\.\d|PostgreSQL|exists)", proof), question
        assert re.search(r"\]\(\d\d-[\w-]+\.ipynb#", proof), question


def test_each_word_of_the_glossary_leads_to_a_chapter() -> None:
    text = (NOTEBOOKS / "GLOSSARY.md").read_text(encoding="utf-8")
    entries = re.findall(r"^\*\*(.+)\*\*\n: (.*)$", text, re.MULTILINE)
    terms = [term.lower() for term, _ in entries]
    assert terms == sorted(set(terms))
    for term, definition in entries:
        assert re.search(r"\[[Cc]hapter \d\d\]\(\d\d-[\w-]+\.ipynb\)$", definition), term


def test_each_part_has_its_card() -> None:
    text = (NOTEBOOKS / "CARDS.md").read_text(encoding="utf-8")
    cards = re.split(r"^## ", text, flags=re.MULTILINE)[1:]
    titles = [
        f"Card {number}. {part.title}"
        for number, part in zip(["I", "II", "III"], parts(), strict=True)
    ]
    assert [card.partition("\n")[0] for card in cards] == titles
    for card in cards:
        sections = re.findall(r"^### Card I+: (.*)$", card, re.MULTILINE)
        assert sections == ["states", "settings", "symptom, cause, fix"]
        assert card.count("|---|---|---|") == len(sections)
        for section in card.split("\n### ")[1:]:
            # Two lines make the head of the table.
            assert len(re.findall(r"^\|", section, re.MULTILINE)) >= 5, section.partition("\n")[0]
        for row in re.findall(r"^\| (.*) \|$", card, re.MULTILINE):
            assert len(re.split(r" \| ", row)) == 3, row


# The command


def test_a_folder_with_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("ten years of work")
    with pytest.raises(site.SiteProblem, match="holds something other than a website"):
        site.run(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_what_is_no_folder_and_no_address_is_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("ten years of work")
    with pytest.raises(site.SiteProblem, match="is a file: name a new folder"):
        site.run(tmp_path / "thesis.txt")
    with pytest.raises(site.SiteProblem, match="'me/course' is not the address of a repository"):
        site.run(tmp_path / "new", repository="me/course")
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_git_ignores_the_website() -> None:
    lines = (COURSE / ".gitignore").read_text(encoding="utf-8").splitlines()
    assert f"/{site.SITE.relative_to(COURSE)}/" in lines


def test_publishing_adds_a_folder_and_keeps_the_others(tmp_path: Path) -> None:
    """The workflow's own script, with a repository in a folder in the place of GitHub's."""
    workflow = yaml.safe_load((COURSE / ".github/workflows/site.yml").read_text(encoding="utf-8"))
    steps = {step.get("name"): step for step in workflow["jobs"]["publish"]["steps"]}
    script = steps["Add the website to the branch"]["run"].replace("gh auth setup-git\n", "")
    (tmp_path / "built/_static").mkdir(parents=True)
    origin = tmp_path / "github/example/course"
    subprocess.run(["git", "init", "--quiet", "--bare", origin], check=True)
    environment = os.environ | {
        "GITHUB_SERVER_URL": (tmp_path / "github").as_uri(),
        "GITHUB_REPOSITORY": "example/course",
    }
    for version in ["main", "2026.9", "2026.11", "main", "main"]:
        shutil.rmtree(tmp_path / "pages", ignore_errors=True)
        (tmp_path / "built/index.html").write_text(f"the website of {version}")
        subprocess.run(
            ["bash", "-eo", "pipefail", "-c", script],
            cwd=tmp_path,
            env=environment | {"VERSION": version},
            check=True,
            stdout=subprocess.DEVNULL,
        )

    def git(*words: str) -> str:
        return subprocess.check_output(["git", "-C", origin, *words], text=True)

    files = git("ls-tree", "-r", "--name-only", "gh-pages").split()
    versions = ["2026.11", "2026.9", "main"]
    assert sorted(files) == sorted(
        [".nojekyll", "index.html", *(f"{version}/index.html" for version in versions)]
    )
    for version in versions:
        assert git("show", f"gh-pages:{version}/index.html") == f"the website of {version}"
    assert "url=2026.11/" in git("show", "gh-pages:index.html")


def test_a_codespace_makes_the_environment_of_the_course() -> None:
    path = COURSE / ".devcontainer" / "devcontainer.json"
    container = json.loads(path.read_text(encoding="utf-8"))
    assert container["postCreateCommand"] == "python3 -m tutorial doctor"
    for name in container["customizations"]["codespaces"]["openFiles"]:
        assert (COURSE / name).exists()


@pytest.mark.slow
def test_with_an_address_the_links_to_the_repository_are_there(tmp_path: Path) -> None:
    build(tmp_path / "site", "--repository", "https://github.com/example/course/", "--epub")
    text = (tmp_path / "site/exercises/03-add.html").read_text(encoding="utf-8")
    for address in (
        "https://mybinder.org/v2/gh/example/course/HEAD?urlpath=lab/tree/notebooks/exercises/03-add.ipynb",
        "https://codespaces.new/example/course",
        "https://github.com/example/course/issues/new?template=1-wrong-statement.yml"
        "&amp;place=exercises/03-add",
    ):
        assert f'href="{address}"' in text
    [book] = (tmp_path / "site").glob("*.epub")
    check_book(book)


def check_book(path: Path) -> None:
    """Read a book as an e-reader does: each file in its list is there, and is right XML."""
    with zipfile.ZipFile(path) as book:
        first, *rest = book.infolist()
        assert (first.filename, first.compress_type) == ("mimetype", zipfile.ZIP_STORED)
        names = {each.filename for each in rest}
        assert {f"{name}.xhtml" for name in NAMES} <= names
        assert not any(name.endswith(".ipynb") for name in names)
        package = ElementTree.fromstring(book.read("content.opf"))
        core = "{http://purl.org/dc/elements/1.1/}"
        [identifier] = package.iter(f"{core}identifier")
        assert identifier.get("id") == package.get("unique-identifier")
        assert (identifier.text or "").startswith("urn:uuid:")
        assert "unknown" not in [each.text for each in package[0]]
        for name in names:
            if name.endswith((".xhtml", ".opf", ".ncx", ".xml", ".svg")):
                root = ElementTree.fromstring(book.read(name))
                ids = {each.get("id") for each in root.iter()}
                for tag in root.iter():
                    link = tag.get("src") or tag.get("href") or ""
                    parts = urlsplit(link)
                    if not parts.scheme and parts.path:
                        file = posixpath.normpath(
                            posixpath.join(posixpath.dirname(name), parts.path)
                        )
                        assert unquote(file) in names, f"{name} needs {link}"
                    elif not parts.scheme and parts.fragment and name.endswith(".xhtml"):
                        assert unquote(parts.fragment) in ids, f"{name} links to {link}"
