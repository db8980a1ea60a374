"""What a probe's raw words mean: container, duration and a line a stream. Pure, and believes nothing it is told."""

import math
import re
from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import Any, Final

from narwhal_operator.contract.download import MediaFacts

LINE: Final = 128
STREAMS: Final = 32
LINES: Final = 1200
"""Letters of all lines together: the artifact goes through a termination message of 4 KiB (outcome.py)."""
LONGEST: Final = 1e9
"""Seconds of the longest duration that is believed: thirty years."""

# MediaInfo's names of containers and codecs, as the field (and ffprobe, which the transcoder uses) calls them.
_CONTAINERS: Final = {
    "MPEG-4": "mp4", "QuickTime": "mov", "Matroska": "matroska", "WebM": "webm", "AVI": "avi", "MPEG-TS": "mpegts",
    "BDAV": "mpegts", "MPEG-PS": "mpeg", "MPEG Audio": "mp3", "FLAC": "flac", "Wave": "wav", "Ogg": "ogg",
    "Flash Video": "flv", "Windows Media": "asf", "MXF": "mxf", "ADTS": "aac",
}  # fmt: skip
_CODECS: Final = {
    "AVC": "h264", "HEVC": "hevc", "AV1": "av1", "VP8": "vp8", "VP9": "vp9", "VVC": "vvc", "ProRes": "prores",
    "MPEG-4 Visual": "mpeg4", "VC-1": "vc1", "FFV1": "ffv1", "Theora": "theora", "AAC": "aac", "AC-3": "ac3",
    "E-AC-3": "eac3", "DTS": "dts", "MLP FBA": "truehd", "FLAC": "flac", "Opus": "opus", "Vorbis": "vorbis",
    "ALAC": "alac", "PCM": "pcm", "UTF-8": "subrip", "ASS": "ass", "Timed Text": "mov_text", "VobSub": "dvd_subtitle",
    "PGS": "hdmv_pgs_subtitle", "WebVTT": "webvtt", "Teletext": "teletext", "DVB Subtitle": "dvb_subtitle",
}  # fmt: skip
_KINDS: Final = {"Video": "video", "Audio": "audio", "Text": "subtitle"}


def facts_of(tracks: Any) -> MediaFacts | None:
    """The facts in a probe's tracks; None when they are not of a file with at least one stream."""
    found = [track for track in tracks if isinstance(track, dict)] if isinstance(tracks, list) else []
    general: Mapping[str, Any] = next((track for track in found if track.get("track_type") == "General"), {})
    lines = [line for line in map(_line, found) if line]
    container = _container(general)
    if not container or not lines:
        return None
    kept = [line for end, line in zip(accumulate(map(len, lines)), lines, strict=True) if end <= LINES]
    return MediaFacts(container=container, duration_seconds=_duration(general, found), streams=kept[:STREAMS])


def _container(general: Mapping[str, Any]) -> str:
    name = _word(general.get("format"))
    if name == "MPEG-4" and _word(general.get("format_profile")) == "QuickTime":
        return "mov"
    return _CONTAINERS.get(name, name.lower())[:64]


def _duration(general: Mapping[str, Any], tracks: Sequence[Mapping[str, Any]]) -> float | None:
    """Seconds; of the container, else of the longest stream. MediaInfo has milliseconds."""
    own = _number(general.get("duration"))
    known = [value for value in (_number(track.get("duration")) for track in tracks) if value]
    found = own or (max(known) if known else None)
    return round(found / 1000, 3) if found and found / 1000 <= LONGEST else None


def _line(track: Mapping[str, Any]) -> str | None:
    """Such as `video h264 1920x1080 24 fps` or `audio aac 48000 Hz 2 ch en`."""
    kind = _KINDS.get(str(track.get("track_type")))
    if kind is None:
        return None
    words = [kind, _codec(track)]
    width, height = _number(track.get("width")), _number(track.get("height"))
    rate = _number(track.get("frame_rate"))
    sampling, channels = _number(track.get("sampling_rate")), _number(track.get("channel_s"))
    if kind == "video":
        words += [f"{width:.0f}x{height:.0f}"] if width and height else []
        words += [f"{rate:.3f}".rstrip("0").rstrip(".") + " fps"] if rate else []
    if kind == "audio":
        words += [f"{sampling:.0f} Hz"] if sampling else []
        words += [f"{channels:.0f} ch"] if channels else []
    words.append(_word(track.get("language")))
    return " ".join(word for word in words if word)[:LINE]


def _codec(track: Mapping[str, Any]) -> str:
    name, profile = _word(track.get("format")), _word(track.get("format_profile"))
    if name == "MPEG Audio":
        return {"Layer 3": "mp3", "Layer 2": "mp2", "Layer 1": "mp1"}.get(profile, "mp2")
    if name == "MPEG Video":
        return "mpeg2video" if _word(track.get("format_version")).endswith("2") else "mpeg1video"
    return _CODECS.get(name, re.sub(r"\s+", "-", name.lower()) or "unknown")


def _word(value: Any) -> str:
    """A text as one short line of printable ASCII."""
    text = value if isinstance(value, str) else ""
    return "".join(letter for letter in text if " " <= letter <= "~")[:40].strip()


def _number(value: Any) -> float | None:
    """A positive number, also one that stands in a text."""
    try:
        found = float(value) if isinstance(value, int | float | str) and not isinstance(value, bool) else math.nan
    except (ValueError, OverflowError):
        return None
    return found if math.isfinite(found) and found > 0 else None
