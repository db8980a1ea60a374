"""Playlists, written from measured segments: RFC 8216 and the HLS Authoring Specification for Apple Devices. Pure."""

from collections.abc import Iterator
from fractions import Fraction
from typing import Final

import msgspec

from workers.transcode import captions, tiles
from workers.transcode.crypt import Seal
from workers.transcode.groups import Variant, audio_groups, media_tags, variants
from workers.transcode.iframes import iframe_streams
from workers.transcode.layout import INIT, MEDIA, text_name
from workers.transcode.media import About
from workers.transcode.rates import Timeline
from workers.transcode.rendition import Rendition, Title

VERSION: Final = 7
"""EXT-X-VERSION: 6 is the least for EXT-X-MAP in media playlists; 7 what fragmented MP4 came with."""
PLAIN: Final = 3
"""That of transport streams: EXTINF has decimals, and an IV takes less. Players that take no more are who they are for."""
RANGES: Final = 4
"""That of their I-frame playlists, for byte ranges, and of their master, which has EXT-X-MEDIA (RFC 8216 section 7)."""


class Pointers(msgspec.Struct, frozen=True):
    """What is published: the texts of the master playlist and, where it is asked for, of the DASH manifest."""

    master: str
    manifest: str | None


def media_playlist(rendition: Rendition, target: int, seal: Seal | None = None) -> str:
    """The media playlist of a rendition. Its init segment stands before the first key: it is clear."""
    lines = [
        "#EXTM3U",
        f"#EXT-X-VERSION:{PLAIN if rendition.transport else VERSION}",
        f"#EXT-X-TARGETDURATION:{target}",
        "#EXT-X-MEDIA-SEQUENCE:0",
        "#EXT-X-PLAYLIST-TYPE:VOD",
        "#EXT-X-INDEPENDENT-SEGMENTS",
        *([] if rendition.transport else [f'#EXT-X-MAP:URI="{INIT}"']),
    ]
    for segment in rendition.segments:
        if seal is not None and (tag := seal.tag(rendition.path, segment.index)):
            lines.append(tag)
        lines += [f"#EXTINF:{_decimal(rendition.seconds(segment), 6)},", rendition.file(segment.index)]
    return "\n".join([*lines, "#EXT-X-ENDLIST", ""])


def subtitle_playlist(line: Timeline, target: int, version: int = VERSION) -> str:
    """The media playlist of a subtitle track: its segments last as the video's do."""
    lines = [
        "#EXTM3U",
        f"#EXT-X-VERSION:{version}",
        f"#EXT-X-TARGETDURATION:{target}",
        "#EXT-X-MEDIA-SEQUENCE:0",
        "#EXT-X-PLAYLIST-TYPE:VOD",
    ]
    for index in range(line.segments):
        lines += [f"#EXTINF:{_decimal(line.frames_of(index) / line.rate, 6)},", text_name(index)]
    return "\n".join([*lines, "#EXT-X-ENDLIST", ""])


def master_playlist(root: str, title: Title) -> str:
    """The master playlist. URIs are relative to it, through the version's prefix `root`."""
    lines = ["#EXTM3U", f"#EXT-X-VERSION:{RANGES if title.transport else VERSION}", "#EXT-X-INDEPENDENT-SEGMENTS"]
    lines += _about(title.plan.about)
    lines += [line for group in audio_groups(title) for line in media_tags(root, group)]
    lines += captions.media_tags(root, title.extras.subtitles)
    if title.extras.chapters:
        lines.append(f'#EXT-X-SESSION-DATA:DATA-ID="com.apple.hls.chapters",URI="{root}/chapters.json"')
    for variant in variants(title):
        lines += [_stream(title, variant), f"{root}/{variant.video.path}/{MEDIA}"]
    if title.seal is None or title.seal.pictures:
        lines += iframe_streams(root, title)
    lines += tiles.stream_tags(root, title.extras.tiles)
    return "\n".join([*lines, ""])


def frame_rate(line: Timeline) -> str:
    """FRAME-RATE: three decimals (RFC 8216 section 4.3.4.2)."""
    return _decimal(line.rate, 3)


def video_range(title: Title, video: Rendition) -> str | None:
    """VIDEO-RANGE, said of every variant unless all are SDR (HLS Authoring Specification 9.16)."""
    ranges = [other.rung.dynamic_range for other in title.videos if other.rung]
    return video.rung.dynamic_range if video.rung and set(ranges) != {"SDR"} else None


def _about(about: About) -> Iterator[str]:
    """The title as players show it (com.apple.hls.title: Apple's, Shaka's); for an artist there is no common name."""
    for name, text in (("com.apple.hls.title", about.title), ("dev.narwhal.artist", about.artist)):
        if text:
            yield f'#EXT-X-SESSION-DATA:DATA-ID="{name}",VALUE="{text}"'


def _stream(title: Title, variant: Variant) -> str:
    peak, average = variant.bandwidths(title.target)
    track, rung = variant.video.track, variant.video.rung
    size = [f"RESOLUTION={track.width}x{track.height}"] if track and rung else []
    fields = [
        f"BANDWIDTH={peak}",
        f"AVERAGE-BANDWIDTH={average}",
        f'CODECS="{variant.codecs()}"',
        *size,
        *([f"FRAME-RATE={frame_rate(title.timeline_of(variant.video))}"] if rung else []),
        *([f"VIDEO-RANGE={range_}"] if (range_ := video_range(title, variant.video)) else []),
        *([f'AUDIO="{variant.group.name}"'] if variant.group else []),
        *([f'SUBTITLES="{captions.GROUP}"'] if title.extras.subtitles else []),
    ]
    return f"#EXT-X-STREAM-INF:{','.join(fields)}"


def _decimal(value: Fraction, places: int) -> str:
    """The fraction with so many decimals, rounded half up; exact, for no float is between."""
    scaled = int(value * 10**places + Fraction(1, 2))
    return f"{scaled // 10**places}.{scaled % 10**places:0{places}d}"
