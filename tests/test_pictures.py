"""The diagrams are those that the code draws, and each can be read."""

import re
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from tutorial.commands import pictures


def test_the_stored_pictures_are_those_that_the_code_draws(tmp_path: Path) -> None:
    assert pictures.run(tmp_path) == 0
    drawn = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert drawn == {path.name: path.read_bytes() for path in pictures.IMAGES.glob("*.svg")}


@pytest.mark.parametrize("name", pictures.PICTURES)
def test_a_picture_is_described_and_nothing_lies_outside_it(name: str) -> None:
    drawing = ET.parse(pictures.IMAGES / f"{name}.svg").getroot()
    prefix = "{http://www.w3.org/2000/svg}"
    assert len(drawing.findtext(f"{prefix}title", "").split()) > 15
    width, height = int(drawing.get("width", "0")), int(drawing.get("height", "0"))
    for text in drawing.iter(f"{prefix}text"):
        x, y = float(text.get("x", "-1")), float(text.get("y", "-1"))
        assert 0 <= x <= width
        assert 0 < y < height


@pytest.mark.parametrize("fill", [*pictures.FILLS.values(), pictures.PAPER])
def test_text_stands_out_from_what_is_behind_it(fill: str) -> None:
    """WCAG 2.2 asks for a contrast of 4.5 to 1."""
    for ink in (pictures.INK, pictures.SOFT):
        lighter, darker = sorted(map(luminance, (fill, ink)), reverse=True)
        assert (lighter + 0.05) / (darker + 0.05) > 4.5


def luminance(color: str) -> float:
    parts = [int(part, 16) / 255 for part in re.findall("[0-9a-f]{2}", color)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))
