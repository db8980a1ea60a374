"""Probed inputs for the tables of the planner's tests."""

from fractions import Fraction
from typing import Any

from msgspec.structs import replace

from workers.transcode.damage import Span
from workers.transcode.media import Audio, MediaInfo, Subtitle, Video
from workers.transcode.scan import Scan

STEREO = Audio(index=1, codec="aac", channels=2)


def probed(
    size: str = "1920x1080",
    rate: str = "25",
    seconds: float = 10,
    *,
    audio: tuple[Audio, ...] = (STEREO,),
    subtitles: tuple[Subtitle, ...] = (),
    **video: Any,
) -> MediaInfo:
    """An input of that size and rate, in a time base of 90 kHz; `video` replaces fields of the video stream."""
    width, height = (int(number) for number in size.split("x"))
    start = round(90_000 * video.pop("start", 0))
    hidden, variable = video.pop("hidden", 0), video.pop("variable", False)
    container = video.pop("container", "mov,mp4,m4a,3gp,3g2,mj2")
    frames = round(Fraction(rate) * Fraction(seconds))
    scan = Scan(frames + hidden, frames, start, start + round(90_000 * frames / Fraction(rate)), variable)
    stream = Video(0, "h264", width, height, Fraction(1, 90_000), nominal_rate=Fraction(rate))
    count = 1 + len(audio) + len(subtitles)
    return MediaInfo(container, count, replace(stream, **video), audio, subtitles, scan=scan)


def heard(*audio: Audio, seconds: float = 200, cover: int | None = None) -> MediaInfo:
    """An input of sound alone, from 25 ms on."""
    start = Fraction(1, 40)
    return MediaInfo(
        "matroska,webm",
        len(audio),
        None,
        audio,
        cover=cover,
        spans={track.index: Span(start, start + Fraction(seconds)) for track in audio},
        time_bases={track.index: Fraction(1, 1000) for track in audio},
    )
