"""What is said of decoded pictures and samples."""

import struct
from pathlib import Path

import pytest

from workers.transcode.decode import BRIGHT, DARK, LOUD, PICTURE, SILENT, _seen
from workers.verify.given import Sample

SAMPLE = Sample("x", "u", None)


@pytest.mark.parametrize(
    ("brightest", "dark"), [(16, True), (DARK, True), (DARK + 1, None), (BRIGHT, None), (BRIGHT + 1, False)]
)
def test_a_picture_between_black_and_bright_is_neither(tmp_path: Path, brightest: int, *, dark: bool | None) -> None:
    """Two of 16x16 points; one point is the brightest."""
    (tmp_path / "x").write_bytes(bytes([brightest]) + bytes(2 * PICTURE - 1))
    found = _seen(SAMPLE, tmp_path / "x", 0)
    assert (found.decoded, found.dark, found.silent) == (2, dark, None)


@pytest.mark.parametrize(
    ("loudest", "silent"), [(0, True), (-SILENT, True), (-SILENT - 1, None), (LOUD, None), (LOUD + 1, False)]
)
def test_sound_between_silent_and_loud_is_neither(tmp_path: Path, loudest: int, *, silent: bool | None) -> None:
    """Samples of both signs count."""
    (tmp_path / "x").write_bytes(struct.pack("<3h", 0, loudest, 1))
    found = _seen(SAMPLE, tmp_path / "x", 48_000)
    assert (found.decoded, found.silent, found.dark) == (3, silent, None)


def test_nothing_is_neither_black_nor_silent(tmp_path: Path) -> None:
    """That no frame came is for another rule."""
    (tmp_path / "x").write_bytes(b"")
    assert _seen(SAMPLE, tmp_path / "x", 0).dark is None
    assert _seen(SAMPLE, tmp_path / "x", 48_000).silent is None
