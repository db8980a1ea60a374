"""The tracks of an init segment (ISO/IEC 14496-12, 14496-15; ISO/IEC 23000-19). Pure."""

import struct
from collections.abc import Iterator
from typing import Final

import msgspec
from msgspec.structs import replace

from workers.verify.boxes import DamagedSegmentError, boxes, find, lookup
from workers.verify.codecs import Config, configuration

VISUAL: Final = 78
"""Bytes of a VisualSampleEntry before its boxes."""
AUDIO: Final = 28
"""Bytes of an AudioSampleEntry before its boxes."""
HANDLERS: Final = {b"vide": "video", b"soun": "audio", b"subt": "text", b"text": "text", b"sbtl": "text"}
VIDEO_ENTRIES: Final = frozenset({"avc1", "avc3", "hvc1", "hev1", "av01", "vp09", "vp08", "encv", "dvh1", "dvhe"})
AUDIO_ENTRIES: Final = frozenset({"mp4a", "Opus", "ac-3", "ec-3", "fLaC", "alac", "enca"})


class Protection(msgspec.Struct, frozen=True):
    """What the boxes schm and tenc say (ISO/IEC 14496-12 section 8.12.6, ISO/IEC 23001-7 section 8.2)."""

    scheme: str
    """cenc, cbcs."""
    kid: bytes
    iv_size: int = 0
    """Bytes of the IV of each sample; 0: one IV for all."""


class Track(msgspec.Struct, frozen=True):
    """A track of an init segment. Width and height are 0 and channels and sample rate too where they do not apply."""

    timescale: int
    codec: str
    """RFC 6381: avc1.640028, mp4a.40.2."""
    width: int = 0
    height: int = 0
    channels: int = 0
    sample_rate: int = 0
    edit: int = 0
    """Ticks that its edit list takes off every presentation time."""
    id: int = 1
    kind: str = "video"
    """video, audio, text, or other."""
    protected: bool = False
    """Whether its samples are encrypted (encv, enca)."""
    protection: Protection | None = None
    """How, where they are."""
    transfer: int | None = None
    """Transfer characteristics by colr (ISO/IEC 23091-2): 1 BT.709, 16 PQ, 18 HLG; None when it does not say."""
    nal_length: int = 0
    default_duration: int = 0
    """Ticks of a sample where neither its fragment nor its run says (trex)."""

    @property
    def entry(self) -> str:
        """The sample entry: avc1, hvc1, mp4a."""
        return self.codec.split(".")[0]


def read_init(data: bytes) -> Track:
    """The only track of an init segment; of several the first. Raises DamagedSegmentError."""
    return read_tracks(data)[0]


def read_tracks(data: bytes) -> tuple[Track, ...]:
    """The tracks of an init segment. Raises DamagedSegmentError."""
    try:
        start, end = find(data, "moov")
        defaults = dict(_defaults(data, start, end))
        tracks = [
            replace(track, default_duration=defaults.get(track.id, 0))
            for name, inner, after in boxes(data, start, end)
            if name == b"trak"
            for track in [_track(data, inner, after)]
        ]
    except (struct.error, IndexError, ValueError, StopIteration) as error:
        raise DamagedSegmentError("the init segment breaks off") from error
    if not tracks:
        raise DamagedSegmentError("no moov/trak box")
    return tuple(tracks)


def _defaults(data: bytes, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Track and default_sample_duration of each trex (ISO/IEC 14496-12 section 8.8.3)."""
    found = lookup(data, "mvex", start, end)
    for name, inner, _ in boxes(data, *found) if found else ():
        if name == b"trex":
            track, _, duration = struct.unpack_from(">III", data, inner + 4)
            yield track, duration


def _track(data: bytes, start: int, end: int) -> Track:
    at, _ = find(data, "mdia/mdhd", start, end)
    timescale = struct.unpack_from(">I", data, at + (20 if data[at] == 1 else 12))[0]
    if timescale == 0:
        raise DamagedSegmentError("the timescale of mdhd is 0")
    at, _ = find(data, "tkhd", start, end)
    number = struct.unpack_from(">I", data, at + (20 if data[at] == 1 else 12))[0]
    handler = lookup(data, "mdia/hdlr", start, end)
    handled = HANDLERS.get(data[handler[0] + 8 : handler[0] + 12], "other") if handler else None
    entries, after = find(data, "mdia/minf/stbl/stsd", start, end)
    name, inner, inner_end = next(boxes(data, entries + 8, after))
    if inner_end > len(data):
        raise DamagedSegmentError("the stsd box breaks off")
    entry = name.decode("latin-1")
    kind = handled or ("video" if entry in VIDEO_ENTRIES else "audio" if entry in AUDIO_ENTRIES else "other")
    track = _sample_entry(data, kind, entry, inner, inner_end)
    return replace(track, timescale=timescale, id=number or 1, kind=kind, edit=_edit(data, start, end))


def _sample_entry(data: bytes, kind: str, entry: str, inner: int, end: int) -> Track:
    head = VISUAL if kind == "video" else AUDIO if kind == "audio" else None
    if head is None:
        return Track(1, entry)
    protected, begin = entry in {"encv", "enca"}, inner + head
    entry = _original(data, begin, end) if protected else entry
    config: Config = configuration(entry, data, inner + head, end)
    if kind == "video":
        width, height = struct.unpack_from(">HH", data, inner + 24)
        transfer = _transfer(data, inner + head, end)
        track = Track(1, config.codec, width, height, transfer=transfer, nal_length=config.nal_length)
    else:
        channels, rate = struct.unpack_from(">H", data, inner + 16)[0], struct.unpack_from(">I", data, inner + 24)[0]
        track = Track(1, config.codec, channels=config.channels or channels, sample_rate=rate >> 16)
    return replace(track, protected=protected, protection=_protection(data, begin, end) if protected else None)


def _original(data: bytes, start: int, end: int) -> str:
    """The entry that an encrypted one stands for (ISO/IEC 14496-12 section 8.12)."""
    at, _ = find(data, "sinf/frma", start, end)
    return data[at : at + 4].decode("latin-1")


def _protection(data: bytes, start: int, end: int) -> Protection | None:
    scheme, default = lookup(data, "sinf/schm", start, end), lookup(data, "sinf/schi/tenc", start, end)
    if scheme is None or default is None or default[1] - default[0] < 24:
        return None
    at = default[0]
    return Protection(
        data[scheme[0] + 4 : scheme[0] + 8].decode("latin-1"), bytes(data[at + 8 : at + 24]), iv_size=data[at + 7]
    )


def _transfer(data: bytes, start: int, end: int) -> int | None:
    found = lookup(data, "colr", start, end)
    if found is None or data[found[0] : found[0] + 4] not in {b"nclx", b"nclc"}:
        return None
    return int(struct.unpack_from(">H", data, found[0] + 6)[0])


def _edit(data: bytes, start: int, end: int) -> int:
    """media_time of the first edit that shows something; 0 without one (ISO/IEC 14496-12 section 8.6.6)."""
    found = lookup(data, "edts/elst", start, end)
    if found is None:
        return 0
    at, after = found
    step, form = (20, ">Qq") if data[at] == 1 else (12, ">Ii")
    for place in range(at + 8, after - step + 1, step):
        media = int(struct.unpack_from(form, data, place)[1])
        if media >= 0:
            return media
    return 0
