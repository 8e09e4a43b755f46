"""What a teacher is told about a chapter, which ``notebooks/exercises/teachers.toml`` holds."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field

from tutorial.commands.chapters import EXERCISES, Chapter

LIST = EXERCISES / "teachers.toml"


@dataclass(frozen=True)
class Exercise:
    """What a teacher is told about an exercise.

    Parameters
    ----------
    minutes : int
        How long it takes, estimated.
    mistake : str
        A common one, in Markdown.
    says : str
        A part of what the check says to it.
    """

    minutes: int
    mistake: str
    says: str


@dataclass(frozen=True)
class Teaching:
    """What a teacher is told about a chapter.

    Parameters
    ----------
    ask : str
        Questions for the room, in Markdown.
    section : str
        The heading under which there is something to run in front of the class, if there is.
    how : str
        How to run it, in Markdown.
    exercises : mapping of str to Exercise
        By their numbers.
    """

    ask: str = ""
    section: str = ""
    how: str = ""
    exercises: Mapping[str, Exercise] = field(default_factory=dict)


def teaching(chapter: Chapter) -> Teaching:
    """Return what a teacher is told about a chapter; nothing about a new one.

    Parameters
    ----------
    chapter : tutorial.commands.chapters.Chapter

    Returns
    -------
    Teaching
    """
    facts = tomllib.loads(LIST.read_text(encoding="utf-8")).get(chapter.name, {})
    exercises = facts.get("exercise", {}).items()
    return Teaching(
        ask=facts.get("ask", ""),
        **facts.get("live", {}),
        exercises={number: Exercise(**each) for number, each in exercises},
    )
