"""A question of a quiz, with an explanation for each answer."""

from dataclasses import dataclass
from string import ascii_lowercase


@dataclass(frozen=True)
class Choice:
    """One answer to a question, and why it is right or not.

    Parameters
    ----------
    text, explanation : str
    right : bool
    """

    text: str
    explanation: str
    right: bool = False


class Question:
    """A question with a few choices, of which one is right.

    Parameters
    ----------
    text : str
    *choices : Choice
        They get the letters a, b, c and so on.
    """

    def __init__(self, text: str, *choices: Choice) -> None:
        self.text = text
        self.choices = dict(zip(ascii_lowercase, choices, strict=False))

    def ask(self) -> None:
        """Print the question and its choices."""
        print(self.text)
        for letter, choice in self.choices.items():
            print(f"  {letter}) {choice.text}")

    def answer(self, letter: str) -> None:
        """Print whether a choice is right, and why.

        Parameters
        ----------
        letter : str
            Such as ``"a"``.
        """
        choice = self.choices.get(str(letter).strip().lower())
        if choice is None:
            print(f"The answer is one of the letters {', '.join(self.choices)}.")
        else:
            print(f"{'Right.' if choice.right else 'No.'} {choice.explanation}")
