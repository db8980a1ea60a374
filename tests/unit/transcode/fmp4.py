"""Fragmented MP4 made by hand, so that the reader is tested by the standard and not by one muxer."""

import struct


def box(name: str, *content: bytes) -> bytes:
    """A box (ISO/IEC 14496-12 section 4.2)."""
    inner = b"".join(content)
    return struct.pack(">I4s", 8 + len(inner), name.encode()) + inner


def full(name: str, *content: bytes, version: int = 0, flags: int = 0) -> bytes:
    """A full box."""
    return box(name, struct.pack(">I", version << 24 | flags), *content)


def avc_init(width: int = 640, height: int = 360, timescale: int = 25_000, level: int = 30) -> bytes:
    """An init segment with one H.264 track, High profile."""
    config = box("avcC", bytes([1, 100, 0, level, 0xFF, 0xE0, 0]))
    entry = box("avc1", bytes(24), struct.pack(">HH", width, height), bytes(50), config)
    return _init(entry, timescale)


def aac_init(channels: int = 2, rate: int = 48_000, *, long_lengths: bool = False) -> bytes:
    """An init segment with one AAC-LC track; descriptor lengths in one byte or in four, as both are legal."""

    def descriptor(tag: int, content: bytes) -> bytes:
        length = b"\x80\x80\x80" if long_lengths else b""
        return bytes([tag]) + length + bytes([len(content)]) + content

    specific = descriptor(5, bytes([2 << 3 | 1, 0x80 | channels << 3]))
    decoder = descriptor(4, bytes([0x40]) + bytes(12) + specific)
    esds = full("esds", descriptor(3, bytes(3) + decoder + descriptor(6, b"\x02")))
    entry = box("mp4a", bytes(16), struct.pack(">HHI", 2, 16, 0), struct.pack(">I", rate << 16), esds)
    return _init(entry, rate)


def opus_init(channels: int = 2, *, pre_skip: int = 0) -> bytes:
    """An init segment with one Opus track (Encapsulation of Opus in ISO Base Media File Format, section 4.3)."""
    table = struct.pack(">BB", 4, 2) + bytes(range(channels)) if channels > 2 else b""
    config = struct.pack(">BBHIhB", 0, channels, pre_skip, 48_000, 0, 1 if table else 0) + table
    entry = box(
        "Opus", bytes(16), struct.pack(">HHI", channels, 16, 0), struct.pack(">I", 48_000 << 16), box("dOps", config)
    )
    return _init(entry, 48_000)


def _init(entry: bytes, timescale: int) -> bytes:
    stsd = full("stsd", struct.pack(">I", 1), entry)
    mdhd = full("mdhd", struct.pack(">IIIIHH", 0, 0, timescale, 0, 0, 0))
    return box("ftyp", b"isom") + box(
        "moov", box("trak", full("tkhd", bytes(80)), box("mdia", mdhd, box("minf", box("stbl", stsd))))
    )


def segment(
    start: int, frames: int, ticks: int, nals: bytes = b"", *, each: bool = False, offset: int | None = None
) -> bytes:
    """A media segment; durations by a default, or one each. `nals` begins its first sample."""
    default, extra = (0x20008, struct.pack(">I", ticks)) if not each else (0x20000, b"")
    tfhd = full("tfhd", struct.pack(">I", 1), extra, flags=default)
    tfdt = full("tfdt", struct.pack(">Q", start), version=1)
    fields = ([ticks, 1] if each else []) + ([] if offset is None else [offset])
    flags = 0x1 | (0x300 if each else 0) | (0 if offset is None else 0x800)
    moof = b""
    for _ in range(2):  # the run says where its data are: behind the moof, once that is known
        run = struct.pack(">Ii", frames, len(moof) + 8) + struct.pack(f">{len(fields)}i", *fields) * frames
        moof = box("moof", full("mfhd", bytes(4)), box("traf", tfhd, tfdt, full("trun", run, flags=flags)))
    return box("styp", b"msdh") + moof + box("mdat", nals or idr())


def nal(kind: int, size: int = 8) -> bytes:
    """A NAL unit with a four-byte length."""
    return struct.pack(">IB", size, 0x60 | kind) + bytes(size - 1)


def idr() -> bytes:
    """An SEI message and a slice of an IDR picture, as x264 begins."""
    return nal(6, 700) + nal(5, 64)
