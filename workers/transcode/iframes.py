"""I-frame playlists, for scrubbing and fast forward: the first picture of each segment, by its byte range. Pure.

RFC 8216 sections 4.3.3.6 and 4.3.4.3; HLS Authoring Specification for Apple Devices 6.1 and 9.3. The ranges are those of
the segments as they were read back: from the segment's start, through its moof, to the end of its first sample. Of a
transport stream the packets of its first picture: PAT and PMT before them are the initialization section, which a range has not.
"""

from collections.abc import Iterator
from fractions import Fraction

from workers.transcode.crypt import Seal
from workers.transcode.layout import IFRAMES, INIT
from workers.transcode.rendition import Rendition, Stored, Title


def iframe_playlist(rendition: Rendition, target: int, version: int, seal: Seal | None = None) -> str:
    """The I-frame playlist of a rung. Each entry lasts until the next picture: a segment."""
    lines = [
        "#EXTM3U",
        f"#EXT-X-VERSION:{version}",
        f"#EXT-X-TARGETDURATION:{target}",
        "#EXT-X-MEDIA-SEQUENCE:0",
        "#EXT-X-PLAYLIST-TYPE:VOD",
        "#EXT-X-I-FRAMES-ONLY",
        "#EXT-X-INDEPENDENT-SEGMENTS",
        *([] if rendition.transport else [f'#EXT-X-MAP:URI="{INIT}"']),
    ]
    if seal is not None and (tag := seal.tag(rendition.path, 0)):
        lines.append(tag)
    for segment in rendition.segments:
        seconds = f"{float(rendition.seconds(segment)):.6f}"
        lines += [
            f"#EXTINF:{seconds},",
            f"#EXT-X-BYTERANGE:{_picture(rendition, segment)}@{_begin(rendition, segment)}",
            rendition.file(segment.index),
        ]
    return "\n".join([*lines, "#EXT-X-ENDLIST", ""])


def _begin(rendition: Rendition, segment: Stored) -> int:
    return segment.fragment.moof if rendition.transport else 0


def _picture(rendition: Rendition, segment: Stored) -> int:
    """Bytes of the range of a segment's first picture."""
    return segment.fragment.first_end - _begin(rendition, segment)


def iframe_streams(root: str, title: Title) -> Iterator[str]:
    """The lines of the master playlist: one for each rung."""
    ranges = {video.rung.dynamic_range for video in title.videos if video.rung}
    for video in title.videos:
        if video.track is None or video.rung is None:
            continue
        peak, average = bandwidths(video)
        fields = [
            f"BANDWIDTH={peak}",
            f"AVERAGE-BANDWIDTH={average}",
            f'CODECS="{video.track.codec}"',
            f"RESOLUTION={video.track.width}x{video.track.height}",
            *([f"VIDEO-RANGE={video.rung.dynamic_range}"] if ranges != {"SDR"} else []),
            f'URI="{root}/{video.path}/{IFRAMES}"',
        ]
        yield f"#EXT-X-I-FRAME-STREAM-INF:{','.join(fields)}"


def bandwidths(rendition: Rendition) -> tuple[int, int]:
    """Bits per second of the pictures at the speed they are shown: of the largest segment's, and over the whole; rounded up."""
    pictures = [(8 * _picture(rendition, segment), rendition.seconds(segment)) for segment in rendition.segments]
    peak = max((bits / seconds for bits, seconds in pictures if seconds), default=Fraction(0))
    seconds = sum((each for _, each in pictures), Fraction(0))
    average = Fraction(sum(bits for bits, _ in pictures)) / seconds if seconds else Fraction(0)
    return -int(-peak // 1), -int(-average // 1)
