"""The list of the course's chapters, which ``notebooks/chapters.toml`` holds."""

import tomllib
from dataclasses import dataclass

from tutorial.workspace import COURSE

NOTEBOOKS = COURSE / "notebooks"
LIST = NOTEBOOKS / "chapters.toml"
EXERCISES = NOTEBOOKS / "exercises"


@dataclass(frozen=True)
class Chapter:
    """A chapter of the course.

    Parameters
    ----------
    name : str
        The name of its notebook, such as ``"10-one-engine"``.
    question : str
        The question that it answers, in Markdown.
    part : str
        The title of its part.
    """

    name: str
    question: str
    part: str

    @property
    def number(self) -> str:
        """The two digits that its notebook's name begins with."""
        return self.name.partition("-")[0]

    @property
    def module(self) -> str:
        """The name of its module in `tutorial.exercises`, and of its answers in the tests."""
        return self.name.partition("-")[2].replace("-", "_")

    @property
    def title(self) -> str:
        """Its name for a reader, such as ``"10. One engine"``."""
        return f"{self.number}. {self.module.replace('_', ' ').capitalize()}"


@dataclass(frozen=True)
class Part:
    """A part of the course.

    Parameters
    ----------
    title : str
    about : str
        What it is for, in a sentence.
    chapters : list of Chapter
        In reading order.
    """

    title: str
    about: str
    chapters: list[Chapter]


def parts() -> list[Part]:
    """Return the parts of the course, in reading order.

    Returns
    -------
    list of Part
    """
    return [
        Part(
            title=part["title"],
            about=part["about"],
            chapters=[Chapter(part=part["title"], **facts) for facts in part["chapters"]],
        )
        for part in tomllib.loads(LIST.read_text(encoding="utf-8"))["parts"]
    ]


def chapters() -> list[Chapter]:
    """Return the chapters of all parts, in reading order.

    Returns
    -------
    list of Chapter
    """
    return [chapter for part in parts() for chapter in part.chapters]
