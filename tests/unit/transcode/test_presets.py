"""The page on ladders says what the presets are."""

import re
from pathlib import Path

import pytest

from workers.transcode.presets import CRF, PRESETS

PAGE = (Path(__file__).parents[3] / "docs" / "ladders.md").read_text()
LINES = (2160, 1440, 1080, 720, 480, 360, 240)


@pytest.mark.parametrize("name", PRESETS)
def test_the_table_of_presets_has_their_caps(name: str) -> None:
    """Each cap stands under its lines, in megabits; the constant rate factor at the end."""
    (row,) = [line for line in PAGE.splitlines() if line.startswith(f"| `{name}`")]
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    for lines, cell in zip(LINES, cells[1:8], strict=True):
        caps = sorted((wish.cap or 0) / 1e6 for wish in PRESETS[name] if wish.lines == lines)
        assert sorted(float(number) for number in re.findall(r"\d+(?:\.\d+)?", cell.partition("(")[0])) == caps
    codecs = {wish.codec for wish in PRESETS[name]}
    assert {int(number) for number in re.findall(r"\d+", cells[8])} == {CRF[codec] for codec in codecs}
