"""The questions of a chapter's quiz, with an explanation for each choice.

A file beside the exercises, such as ``engine.toml``, holds the questions of a chapter.
"""

import html
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from IPython.display import display

FOLDER = Path(__file__).parent


@dataclass(frozen=True)
class Choice:
    """One possible answer to a question, and why it is right or wrong.

    Parameters
    ----------
    text, explanation : str
        Code stands between backticks.
    """

    text: str
    explanation: str


class Question:
    """A question with a few choices, one of which is right.

    Parameters
    ----------
    question : str
        Code stands between backticks.
    right : str
        The letter of the right choice.
    choices : mapping of str to Choice
        The choices by their letters.
    """

    def __init__(self, question: str, right: str, choices: Mapping[str, Choice]) -> None:
        self.text = question
        self.right = right
        self.choices = choices

    def ask(self) -> None:
        """Show the question; a click on a choice opens its explanation."""
        display(self)

    def answer(self, letter: str) -> None:
        """Print whether a choice is right, and why.

        Parameters
        ----------
        letter : str
            Such as ``"a"``.
        """
        letter = str(letter).strip().lower()
        if letter in self.choices:
            print(self._verdict(letter))
        else:
            print(f"Answer with one of the letters {', '.join(self.choices)}.")

    def _verdict(self, letter: str) -> str:
        return f"{'Right' if letter == self.right else 'No'}. {self.choices[letter].explanation}"

    def __repr__(self) -> str:
        choices = [f"  {letter}) {choice.text}" for letter, choice in self.choices.items()]
        return "\n".join([self.text, *choices])

    def _repr_html_(self) -> str:
        """Return the question for a notebook: HTML alone, which needs no kernel."""
        choices = [
            f"<details><summary>{letter}) {_as_html(choice.text)}</summary>"
            f"<p>{_as_html(self._verdict(letter))}</p></details>"
            for letter, choice in self.choices.items()
        ]
        return "\n".join([f"<p>{_as_html(self.text)}</p>", *choices])


def _as_html(text: str) -> str:
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", html.escape(text, quote=False))


def questions(chapter: str) -> list[Question]:
    """Return the questions of a chapter's quiz.

    Parameters
    ----------
    chapter : str
        The chapter's word, such as ``"one_engine"``.

    Returns
    -------
    list of Question
    """
    with (FOLDER / f"{chapter}.toml").open("rb") as file:
        found = tomllib.load(file)["questions"]
    return [
        Question(
            each["question"],
            each["right"],
            {letter: Choice(**choice) for letter, choice in each["choices"].items()},
        )
        for each in found
    ]
