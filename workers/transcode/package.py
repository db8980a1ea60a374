"""Playlists, written from measured segments: RFC 8216 and the HLS Authoring Specification for Apple Devices. Pure."""

from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from workers.transcode.layout import INIT, MEDIA, segment_name
from workers.transcode.rates import Timeline
from workers.transcode.rendition import Rendition, Title, average_bandwidth, peak_bandwidth

VERSION: Final = 7
"""EXT-X-VERSION: 6 is the least for EXT-X-MAP in media playlists; 7 what fragmented MP4 came with."""
GROUP: Final = "audio"


@dataclass(frozen=True, slots=True)
class Pointers:
    """What is published: the texts of the master playlist and, where it is asked for, of the DASH manifest."""

    master: str
    manifest: str | None


def media_playlist(rendition: Rendition, target: int) -> str:
    """The media playlist of a rendition."""
    lines = [
        "#EXTM3U",
        f"#EXT-X-VERSION:{VERSION}",
        f"#EXT-X-TARGETDURATION:{target}",
        "#EXT-X-MEDIA-SEQUENCE:0",
        "#EXT-X-PLAYLIST-TYPE:VOD",
        "#EXT-X-INDEPENDENT-SEGMENTS",
        f'#EXT-X-MAP:URI="{INIT}"',
    ]
    for segment in rendition.segments:
        lines += [f"#EXTINF:{_decimal(rendition.seconds(segment), 6)},", segment_name(segment.index)]
    return "\n".join([*lines, "#EXT-X-ENDLIST", ""])


def master_playlist(root: str, title: Title) -> str:
    """The master playlist. URIs are relative to it, through the version's prefix `root`."""
    lines = ["#EXTM3U", f"#EXT-X-VERSION:{VERSION}", "#EXT-X-INDEPENDENT-SEGMENTS"]
    lines += [_media(root, audio, first=number == 0) for number, audio in enumerate(title.audios)]
    for video in title.videos:
        lines += [_stream(title, video), f"{root}/{video.path}/{MEDIA}"]
    return "\n".join([*lines, ""])


def variant_bandwidths(title: Title, video: Rendition) -> tuple[int, int]:
    """BANDWIDTH and AVERAGE-BANDWIDTH of a variant: its own and the largest of the audio it is played with."""
    target, audios = title.target, title.audios
    peak = peak_bandwidth(video, target) + max((peak_bandwidth(audio, target) for audio in audios), default=0)
    average = average_bandwidth(video) + max((average_bandwidth(audio) for audio in audios), default=0)
    return peak, average


def variant_codecs(title: Title, video: Rendition) -> str:
    """CODECS of a variant, as its init segments have them (RFC 6381)."""
    found = [rendition.track.codec for rendition in (video, *title.audios) if rendition.track]
    return ",".join(dict.fromkeys(found))


def frame_rate(line: Timeline) -> str:
    """FRAME-RATE: three decimals (RFC 8216 section 4.3.4.2)."""
    return _decimal(line.rate, 3)


def _media(root: str, audio: Rendition, *, first: bool) -> str:
    language = audio.audio.language if audio.audio else None
    fields = [
        "TYPE=AUDIO",
        f'GROUP-ID="{GROUP}"',
        f'NAME="{audio.name}"',
        *([f'LANGUAGE="{language}"'] if language else []),
        f"DEFAULT={'YES' if first else 'NO'}",
        "AUTOSELECT=YES",
        f'CHANNELS="{audio.track.channels if audio.track else 0}"',
        f'URI="{root}/{audio.path}/{MEDIA}"',
    ]
    return f"#EXT-X-MEDIA:{','.join(fields)}"


def _stream(title: Title, video: Rendition) -> str:
    peak, average = variant_bandwidths(title, video)
    width, height = (video.track.width, video.track.height) if video.track else (0, 0)
    fields = [
        f"BANDWIDTH={peak}",
        f"AVERAGE-BANDWIDTH={average}",
        f'CODECS="{variant_codecs(title, video)}"',
        f"RESOLUTION={width}x{height}",
        f"FRAME-RATE={frame_rate(title.plan.timeline)}",
        *([f'AUDIO="{GROUP}"'] if title.audios else []),
    ]
    return f"#EXT-X-STREAM-INF:{','.join(fields)}"


def _decimal(value: Fraction, places: int) -> str:
    """The fraction with so many decimals, rounded half up; exact, for no float is between."""
    scaled = int(value * 10**places + Fraction(1, 2))
    return f"{scaled // 10**places}.{scaled % 10**places:0{places}d}"
