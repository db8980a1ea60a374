"""Chapters of the input as players take them: WebVTT for web pages, JSON for Apple's players. Pure."""

import json
from collections.abc import Sequence
from fractions import Fraction
from typing import Final

import msgspec

from workers.transcode.webvtt import Cue, whole

MOST: Final = 1000
FILES: Final = ("chapters.vtt", "chapters.json")


class Chapter(msgspec.Struct, frozen=True):
    """A part of the film, in seconds."""

    start: Fraction
    end: Fraction
    title: str


def within(chapters: Sequence[Chapter], origin: Fraction, duration: Fraction) -> tuple[Chapter, ...]:
    """The chapters on the output's clock, cut to the film, in order; without a title they have a number."""
    moved = sorted((max(Fraction(0), c.start - origin), min(duration, c.end - origin), c.title) for c in chapters)
    kept = [Chapter(*one) for one in moved if one[0] < one[1]][:MOST]
    return tuple(Chapter(c.start, c.end, c.title or f"Chapter {number}") for number, c in enumerate(kept, 1))


def as_webvtt(chapters: Sequence[Chapter]) -> str:
    """A WebVTT file of chapters (W3C WebVTT section 1.6): a cue a chapter, its text the title."""
    escapes = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})
    return whole([Cue(round(c.start * 1000), round(c.end * 1000), c.title.translate(escapes)) for c in chapters])


def as_json(chapters: Sequence[Chapter]) -> str:
    """What Apple's players read where the master says com.apple.hls.chapters: start-time and duration in seconds."""
    found = [
        {
            "chapter": number,
            "start-time": round(float(c.start), 3),
            "duration": round(float(c.end - c.start), 3),
            "titles": [{"language": "und", "title": c.title}],
        }
        for number, c in enumerate(chapters, 1)
    ]
    return json.dumps(found, indent=1, ensure_ascii=False)
