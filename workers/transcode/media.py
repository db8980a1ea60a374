"""What a probe found: plain values, and how they are read from ffprobe's JSON."""

import re
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from typing import Any, Final, Literal

import msgspec
from msgspec.structs import replace

from narwhal_operator.contract.tracks import Metadata
from workers.transcode.chapters import MOST, Chapter
from workers.transcode.colour import Colour, Mastering
from workers.transcode.damage import Span
from workers.transcode.scan import Scan

TITLE_LENGTH: Final = 64
"""Characters of a stream's title that are kept."""
LANGUAGE: Final = re.compile(r"[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8}){0,3}")
INTERLACED: Final = frozenset({"tt", "bb", "tb", "bt"})
"""ffprobe's field_order of interlaced video."""


Role = Literal["main", "commentary", "description"]


class Video(msgspec.Struct, frozen=True):
    """The video stream. Width and height are coded: before rotation and sample aspect ratio."""

    index: int
    codec: str
    width: int
    height: int
    time_base: Fraction
    sample_aspect: Fraction = Fraction(1)
    rotation: int = 0
    nominal_rate: Fraction | None = None
    pixel_format: str = "yuv420p"
    field_order: str = "progressive"
    transfer: str = "unknown"
    primaries: str = "unknown"
    matrix: str = "unknown"
    full_range: bool = False
    mastering: Mastering | None = None
    """Known of some inputs of high dynamic range."""
    undisplayable: str | None = None
    """Why nothing but a special decoder shows the right colours; None for all that is usual."""
    declared_frames: int | None = None

    @property
    def colour(self) -> Colour:
        """Its colours as it says them."""
        return Colour(self.primaries, self.transfer, self.matrix)

    @property
    def display(self) -> tuple[int, int]:
        """Width and height as shown: square pixels, upright."""
        width, height = round(self.width * self.sample_aspect), self.height
        return (height, width) if self.rotation % 180 == 90 else (width, height)


class Audio(msgspec.Struct, frozen=True):
    """An audio stream."""

    index: int
    codec: str
    channels: int
    sample_rate: int = 48000
    language: str | None = None
    default: bool = False
    title: str | None = None
    role: Role = "main"
    """By its dispositions: a commentary, or a description of the picture for who does not see it."""


class Subtitle(msgspec.Struct, frozen=True):
    """A subtitle stream."""

    index: int
    codec: str
    language: str | None = None
    title: str | None = None
    default: bool = False
    forced: bool = False
    """Only what must be read whatever the viewer chose: signs, foreign speech."""
    hearing_impaired: bool = False


class About(msgspec.Struct, frozen=True):
    """What a film is called; an empty text is unknown."""

    title: str = ""
    artist: str = ""


class MediaInfo(msgspec.Struct, frozen=True):
    """An input: its container, streams, and the walk over the video packets."""

    container: str
    streams: int
    video: Video | None
    audio: tuple[Audio, ...] = ()
    subtitles: tuple[Subtitle, ...] = ()
    chapters: tuple[Chapter, ...] = ()
    about: About = msgspec.field(default_factory=About)
    duration: Fraction | None = None
    """Seconds the container declares."""
    time_bases: Mapping[int, Fraction] = msgspec.field(default_factory=dict)
    """Of each stream."""
    cover: int | None = None
    """The stream of its cover picture."""
    films: int = 1
    """Video streams that are no cover pictures."""
    scan: Scan | None = None
    spans: Mapping[int, Span] = msgspec.field(default_factory=dict)
    """When the packets of each stream begin and end."""
    cut: str | None = None
    """How the file is known to be cut, where that is tolerated."""
    name: str = "the input"
    """What messages call it, such as bucket/key."""

    def scanned(self, scan: Scan) -> "MediaInfo":
        """The same with the walk over its packets."""
        return replace(self, scan=scan)


def parse(found: Mapping[str, Any]) -> MediaInfo:
    """The JSON object of `ffprobe -show_format -show_streams -show_chapters`. Raises ValueError for what ffprobe never writes."""
    streams = [stream for stream in found.get("streams", []) if isinstance(stream, dict)]
    container = found.get("format", {})
    return MediaInfo(
        container=str(container.get("format_name", "")),
        streams=int(container.get("nb_streams", len(streams))),
        video=_video(streams),
        cover=_cover(streams),
        films=len(_films(streams)),
        audio=tuple(_audio(stream) for stream in _of("audio", streams) if int(stream.get("channels", 0)) > 0),
        subtitles=tuple(_subtitle(stream) for stream in _of("subtitle", streams)),
        about=_about(container.get("tags", {})),
        chapters=tuple(_chapters(found.get("chapters", []))),
        duration=_fraction(container.get("duration")),
        time_bases={
            int(stream["index"]): base for stream in streams if (base := _fraction(stream.get("time_base"))) is not None
        },
    )


def _of(kind: str, streams: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    return [stream for stream in streams if stream.get("codec_type") == kind]


def _video(streams: Sequence[Mapping[str, Any]]) -> Video | None:
    films = sorted(_films(streams), key=lambda stream: not _disposition(stream, "default"))
    if not films:
        return None
    stream = films[0]
    aspect = _fraction(stream.get("sample_aspect_ratio")) or Fraction(1)
    frames = str(stream.get("nb_frames", ""))
    return Video(
        index=int(stream["index"]),
        codec=_codec(stream),
        width=int(stream.get("width", 0)),
        height=int(stream.get("height", 0)),
        time_base=_fraction(stream.get("time_base")) or Fraction(1, 1000),
        sample_aspect=aspect,
        rotation=_rotation(stream),
        nominal_rate=_fraction(stream.get("r_frame_rate")),
        pixel_format=str(stream.get("pix_fmt", "unknown")),
        field_order=str(stream.get("field_order", "unknown")),
        transfer=str(stream.get("color_transfer", "unknown")),
        primaries=str(stream.get("color_primaries", "unknown")),
        matrix=str(stream.get("color_space", "unknown")),
        full_range=stream.get("color_range") == "pc",
        mastering=mastering(stream),
        undisplayable=_dolby(stream),
        declared_frames=int(frames) if frames.isdecimal() else None,
    )


def _films(streams: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    # A cover picture is a video stream to FFmpeg.
    return [stream for stream in _of("video", streams) if not _disposition(stream, "attached_pic")]


def _cover(streams: Sequence[Mapping[str, Any]]) -> int | None:
    pictures = [stream for stream in _of("video", streams) if _disposition(stream, "attached_pic")]
    return int(pictures[0]["index"]) if pictures else None


def _audio(stream: Mapping[str, Any]) -> Audio:
    return Audio(
        index=int(stream["index"]),
        codec=_codec(stream),
        channels=int(stream.get("channels", 0)),
        sample_rate=int(stream.get("sample_rate", 0)),
        language=_language(stream),
        default=_disposition(stream, "default"),
        title=_title(stream),
        role=_role(stream),
    )


def _role(stream: Mapping[str, Any]) -> Role:
    if _disposition(stream, "visual_impaired") or _disposition(stream, "descriptions"):
        return "description"
    return "commentary" if _disposition(stream, "comment") else "main"


def _subtitle(stream: Mapping[str, Any]) -> Subtitle:
    return Subtitle(
        index=int(stream["index"]),
        codec=_codec(stream),
        language=_language(stream),
        title=_title(stream),
        default=_disposition(stream, "default"),
        forced=_disposition(stream, "forced"),
        hearing_impaired=_disposition(stream, "hearing_impaired") or _disposition(stream, "captions"),
    )


def _codec(stream: Mapping[str, Any]) -> str:
    return str(stream.get("codec_name", "unknown"))[:32]


def _disposition(stream: Mapping[str, Any], name: str) -> bool:
    return bool(stream.get("disposition", {}).get(name))


def _language(stream: Mapping[str, Any]) -> str | None:
    language = str(stream.get("tags", {}).get("language", "und")).strip()
    # It becomes part of a key and of a playlist: what is no language tag is none.
    return language if language != "und" and LANGUAGE.fullmatch(language) else None


def _about(tags: Mapping[str, Any]) -> About:
    found = {str(name).lower(): str(value) for name, value in tags.items()}  # Matroska writes them in capitals
    return About(*(plain(found.get(name, ""), 2 * TITLE_LENGTH) or "" for name in ("title", "artist")))


def named(found: About, wish: Metadata) -> About:
    """What it is called: as the user says, else as the input does."""
    title, artist = wish.title, wish.artist
    return About(found.title if title is None else title, found.artist if artist is None else artist)


def _chapters(found: Sequence[Mapping[str, Any]]) -> Iterator[Chapter]:
    for chapter in found[:MOST]:
        base = _fraction(chapter.get("time_base")) or Fraction(1, 1000)
        title = plain(str(chapter.get("tags", {}).get("title", "")), 2 * TITLE_LENGTH)
        yield Chapter(int(chapter["start"]) * base, int(chapter["end"]) * base, title or "")


def _title(stream: Mapping[str, Any]) -> str | None:
    return plain(str(stream.get("tags", {}).get("title", "")))


def plain(text: str, length: int = TITLE_LENGTH) -> str | None:
    """A file's text as an attribute of a playlist takes it: one line, no double quotes (RFC 8216 section 4.2), bounded."""
    line = " ".join("".join(letter if letter.isprintable() else " " for letter in text[: 4 * length]).split())
    return line.replace('"', "'")[:length].rstrip() or None


def mastering(found: Mapping[str, Any]) -> Mastering | None:
    """What the side data of a stream, or of its first frame, say of the light it was made for."""
    sides = {str(side.get("side_data_type")): side for side in found.get("side_data_list", [])}
    display, light = sides.get("Mastering display metadata", {}), sides.get("Content light level metadata", {})
    values = {name: _fraction(value) for name, value in display.items() if name[-2:] in {"_x", "_y"} or "lumin" in name}
    points = tuple(
        (float(values[f"{name}_x"] or 0), float(values[f"{name}_y"] or 0))
        for name in ("green", "blue", "red", "white_point")
        if f"{name}_x" in values and f"{name}_y" in values
    )
    luminance = (float(values.get("max_luminance") or 0), float(values.get("min_luminance") or 0))
    content = (int(light.get("max_content", 0)), int(light.get("max_average", 0))) if light else None
    whole = points if len(points) == 4 else ()
    return Mastering(whole, luminance, content) if whole or content else None


def _dolby(stream: Mapping[str, Any]) -> str | None:
    for side in stream.get("side_data_list", []):
        if "dv_profile" in side and int(side.get("dv_bl_signal_compatibility_id", 1)) == 0:
            return f"Dolby Vision profile {int(side['dv_profile'])}: its base layer is shown right by Dolby's decoders only"
    return None


def _rotation(stream: Mapping[str, Any]) -> int:
    for side in stream.get("side_data_list", []):
        if "rotation" in side:
            return round(float(side["rotation"])) % 360
    return 0


def _fraction(text: Any) -> Fraction | None:
    """A positive fraction such as 24000/1001, 16:15 or 11.000000; None for 0/0, N/A and the like."""
    try:
        value = Fraction(str(text).replace(":", "/"))
    except (ValueError, ZeroDivisionError):
        return None
    return value if value > 0 else None
