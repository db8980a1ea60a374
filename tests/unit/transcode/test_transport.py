"""Transport streams: packets, time stamps, counters, and what is read back of a segment's head."""

import struct
from collections.abc import Sequence
from fractions import Fraction
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from narwhal_operator.contract.outcome import Reason, WorkError
from narwhal_operator.contract.transcode import TranscodeOptions
from tests.unit.transcode.fmp4 import aac_init, box, full, opus_init
from tests.unit.transcode.inputs import probed
from workers.transcode import package, webvtt
from workers.transcode.iframes import iframe_playlist
from workers.transcode.ladder import plan
from workers.transcode.rendition import Rendition, Stored, Title, title
from workers.transcode.transport import ORIGIN, Ticks, as_stored, read_head, require
from workers.transcode.transport.head import check
from workers.transcode.transport.mux import segment
from workers.transcode.transport.packets import checksum, tables
from workers.transcode.transport.times import on_clock
from workers.verify import ts
from workers.verify.boxes import DamagedSegmentError, with_edit

SPS: Final = bytes.fromhex("6764000bacd9428df9301100000303e90000bb800f142996")
"""Of 160x90, High profile, level 1.1: what x264 writes."""
PPS: Final = bytes.fromhex("68ebe3cb22c0")
FILM: Final = 24_000
FRAME: Final = 1001


def avc(ahead: int = 0) -> bytes:
    """An init segment of H.264 with its parameter sets; decoding is so many ticks ahead of showing."""
    sets = b"".join(b"\x01" + struct.pack(">H", len(unit)) + unit for unit in (SPS, PPS))
    config = box("avcC", bytes([1, 100, 0, 11, 0xFF]) + b"\xe1" + sets[1:])
    entry = box("avc1", bytes(24), struct.pack(">HH", 160, 90), bytes(50), config)
    stsd = full("stsd", struct.pack(">I", 1), entry)
    hdlr = full("hdlr", bytes(4), b"vide", bytes(12), b"v\0")
    mdhd = full("mdhd", struct.pack(">IIIIHH", 0, 0, FILM, 0, 0, 0))
    minf = box("minf", box("stbl", stsd))
    tkhd = full("tkhd", struct.pack(">III", 0, 0, 1), bytes(68))
    made = box("ftyp", b"isom") + box("moov", box("trak", tkhd, box("mdia", mdhd, hdlr, minf)))
    return with_edit(made, ahead) if ahead else made


def fragment(start: int, ticks: int, samples: Sequence[bytes], offset: int = 0) -> bytes:
    """A media segment of samples that last equally long; all are shown so much after they are decoded."""
    tfhd = full("tfhd", struct.pack(">II", 1, ticks), flags=0x20008)
    tfdt = full("tfdt", struct.pack(">Q", start), version=1)
    rows = b"".join(struct.pack(">Ii", len(sample), offset) for sample in samples)

    def moof(at: int) -> bytes:
        trun = full("trun", struct.pack(">Ii", len(samples), at), rows, flags=0xA01)
        return box("moof", full("mfhd", bytes(4)), box("traf", tfhd, tfdt, trun))

    return moof(len(moof(0)) + 8) + box("mdat", *samples)


def picture(size: int, kind: int = 1) -> bytes:
    """A sample of one NAL unit of so many bytes."""
    return struct.pack(">IB", size, 0x60 | kind) + b"\x99" * (size - 1)


def pictures(sizes: Sequence[int], index: int = 0, ahead: int = 2) -> bytes:
    """A segment of 24000/1001 pictures a second as a transport stream; the first is a key picture."""
    samples = [picture(size, 5 if number == 0 else 1) for number, size in enumerate(sizes)]
    data = fragment(index * len(sizes) * FRAME, FRAME, samples, ahead * FRAME)
    return segment(data, avc(ahead * FRAME), index)


def sound(sizes: Sequence[int], index: int = 0) -> bytes:
    """A segment of AAC as a transport stream."""
    data = fragment(index * len(sizes) * 1024, 1024, [b"\x21" * size for size in sizes])
    return segment(data, aac_init(), index)


@given(st.lists(st.integers(1, 2000), min_size=1, max_size=40), st.integers(0, 40), st.integers(0, 2))
def test_pictures_of_any_size_come_out_as_they_went_in(sizes: list[int], index: int, ahead: int) -> None:
    """Another parser finds each picture, the codec, the size and the time; no counter jumps."""
    made = pictures(sizes, index, ahead)
    found = ts.parse(made)
    ((track, part),) = zip(found.tracks, found.fragments, strict=True)
    assert (track.codec, track.width, track.height) == ("avc1.64000b", 160, 90)
    assert (part.samples, part.key, found.gaps) == (len(sizes), True, ())
    shown = Fraction(part.start + part.offset - ORIGIN, ts.CLOCK)
    assert abs(shown - Fraction(index * len(sizes) * FRAME, FILM)) <= Fraction(1, 2 * ts.CLOCK)
    check(made, index)


@given(st.lists(st.integers(6, 1500), min_size=14, max_size=60))
def test_segments_made_apart_join_without_a_gap_in_their_counters(sizes: list[int]) -> None:
    """Of pictures and of sound: one after the other is one stream (RFC 8216 section 3)."""
    for made in (pictures, sound):
        both = ts.parse(made(sizes, 6) + made(sizes, 7))
        assert both.gaps == ()
        assert both.fragments[0].samples == 2 * len(sizes)
        counters = {pid: (first, last) for pid, first, last in ts.parse(made(sizes, 6)).counters}
        media = next(pair for pid, pair in counters.items() if pid in {0x100, 0x101})
        assert (media, counters[0], counters[0x1000]) == ((0, 15), (6, 6), (6, 6))


def test_a_segment_begins_with_its_tables_and_all_a_decoder_needs() -> None:
    """PAT, PMT, then the first picture: delimiter, parameter sets, the picture (RFC 8216 section 3.2)."""
    made = pictures([300, 20])
    assert [int.from_bytes(made[at + 1 : at + 3]) & 0x1FFF for at in (0, 188, 376)] == [0, 0x1000, 0x100]
    ends = ts.parse(made).fragments[0].first_end
    payload = made[376:ends]
    order = [payload.index(unit) for unit in (b"\0\0\1\xe0", b"\0\0\0\1\x09\xf0", b"\0\0\0\1" + SPS, b"\0\0\0\1" + PPS)]
    assert order == sorted(order)
    assert b"\0\0\0\1\x65" in payload
    assert b"\0\0\0\1" + SPS not in made[ends:], "other pictures need none"
    assert payload[5] & 0x40, "random_access_indicator"


def test_the_checksum_is_that_of_ffmpeg() -> None:
    """CRC_32 of the PAT that FFmpeg writes for program 1 at PID 0x1000."""
    section = bytes.fromhex("00b00d0001c100000001f000")
    assert checksum(section) == bytes.fromhex("2ab104b2")
    assert section + checksum(section) in tables(0x100, 0x1B, 0)


def test_sound_has_a_header_for_each_frame() -> None:
    """ADTS with rate and channels; each frame is whole, eight are in a PES packet."""
    found = ts.parse(sound([200] * 20))
    (track,) = found.tracks
    assert (track.codec, track.channels, track.sample_rate) == ("mp4a.40.2", 2, 48_000)
    assert (found.fragments[0].samples, found.fragments[0].duration) == (20, 20 * 1920)
    frames = fragment(0, 960, [b"\x21" * 9])
    with pytest.raises(DamagedSegmentError, match="sound of Opus is none that ADTS has"):
        segment(frames, opus_init(), 0)


def test_time_stamps_are_rounded_each_by_itself() -> None:
    """After ten hours of 24000/1001 pictures a second they are as right as in the beginning."""
    for number in (1, 2, 3, 863_136):
        exact = ORIGIN + Fraction(number * FRAME * ts.CLOCK, FILM)
        assert abs(on_clock(number * FRAME, FILM) - exact) <= Fraction(1, 2)


def test_a_head_tells_what_the_whole_has() -> None:
    """The first kilobytes are enough for what playlists are written from, on the rendition's own clock."""
    made = pictures([900] * 48, index=3)
    track, part = read_head(made[:4096], Ticks(FILM, FRAME), len(made))
    assert (track.timescale, track.codec, track.width) == (FILM, "avc1.64000b", 160)
    assert (part.start, part.samples, part.duration, part.offset) == (3 * 48 * FRAME, 48, 48 * FRAME, 0)
    assert (part.length, part.key, part.moof) == (len(made), True, 376)
    whole = ts.parse(made)
    assert part.first_end == whole.fragments[0].first_end
    clocked, stored = as_stored(track, part)
    assert clocked.timescale == ts.CLOCK
    true = whole.fragments[0]
    assert abs(stored.start - true.start - true.offset) <= 1
    assert abs(stored.duration - true.duration) <= 1


def test_a_head_that_is_none_of_ours_is_told() -> None:
    """Another packager's stream, one of another rate, one of two tracks."""
    made = pictures([900] * 48, index=3)
    with pytest.raises(DamagedSegmentError, match="where no picture or packet does"):
        read_head(made, Ticks(25_000, 1000), len(made))
    with pytest.raises(DamagedSegmentError, match="does not say what it has"):
        read_head(made.replace(b"nrwl", b"else"), Ticks(FILM, FRAME), len(made))
    with pytest.raises(DamagedSegmentError, match="has 2 tracks"):
        read_head(made + sound([90] * 20, 3), Ticks(FILM, FRAME), len(made))


def test_a_segment_that_is_not_what_it_says_is_not_stored() -> None:
    """A packet that is lost, or there is one more of."""
    made = pictures([900] * 20)
    for wrong, words in ((made[:-188], "samples in"), (made[:752] + made[940:], "continuity counter of PID 256")):
        with pytest.raises(DamagedSegmentError, match=words):
            check(wrong, 0)


@pytest.mark.parametrize("cut", [0, 100, 1000])
def test_a_fragment_that_breaks_off_is_told(cut: int) -> None:
    """Nothing is made of half a fragment."""
    data = fragment(0, FRAME, [picture(900, 5), picture(900)])
    with pytest.raises(DamagedSegmentError):
        segment(data[: -cut - 1], avc(), 0)


def test_a_film_longer_than_the_clock_is_refused() -> None:
    """33 bits at 90 kHz are 26.5 hours; the message has both ways out."""
    require("film.mkv", Fraction(26 * 3600))
    with pytest.raises(WorkError, match=r"27\.0 hours.*segmentFormat to fmp4, or spec\.clip") as error:
        require("film.mkv", Fraction(27 * 3600))
    assert error.value.reason is Reason.INPUT_OVER_LIMITS


def written() -> Title:
    """A title of one rung and one track, in two segments of 2 s at 25 frames per second."""
    spec = {"ladder": {"renditions": [{"name": "90p", "height": 90}]}, "packaging": {"segmentDuration": "2s"}}
    made = title(plan(probed("160x90", "25", 4), TranscodeOptions.model_validate(spec)), transport=True)
    for one in made.renditions:
        ticks = one.transport
        assert ticks
        for index in range(2):
            data = _segment(one, ticks, index)
            one.track, part = read_head(data, ticks, len(data))
            one.stored[index] = Stored(index, len(data), "etag", part, len(data))
    return made


def _segment(one: Rendition, ticks: Ticks, index: int) -> bytes:
    if one.audio:
        count = 94
        return segment(fragment(index * count * 1024, 1024, [b"\x21" * 100] * count), aac_init(), index)
    init = avc().replace(
        struct.pack(">IIIIHH", 0, 0, FILM, 0, 0, 0), struct.pack(">IIIIHH", 0, 0, ticks.timescale, 0, 0, 0)
    )
    samples = [picture(400, 5), *(picture(60) for _ in range(49))]
    return segment(fragment(index * 50 * ticks.sample, ticks.sample, samples), init, index)


MEDIA: Final = """#EXTM3U
#EXT-X-VERSION:3
#EXT-X-TARGETDURATION:2
#EXT-X-MEDIA-SEQUENCE:0
#EXT-X-PLAYLIST-TYPE:VOD
#EXT-X-INDEPENDENT-SEGMENTS
#EXTINF:2.000000,
00000.ts
#EXTINF:2.000000,
00001.ts
#EXT-X-ENDLIST
"""


def test_playlists_of_transport_streams() -> None:
    """No init segment, the least version; a picture's range begins behind PAT and PMT (RFC 8216 section 4.3.3.6)."""
    made = written()
    (video,) = made.videos
    assert package.media_playlist(video, made.target) == MEDIA
    lines = iframe_playlist(video, made.target, package.RANGES).splitlines()
    assert "#EXT-X-VERSION:4" in lines
    assert not any("EXT-X-MAP" in line for line in lines)
    ranges = [line for line in lines if "BYTERANGE" in line]
    assert ranges == [f"#EXT-X-BYTERANGE:{one.fragment.first_end - 376}@376" for one in video.segments]
    master = package.master_playlist("v/1", made).splitlines()
    assert master[1] == "#EXT-X-VERSION:4"
    assert any('CODECS="avc1.64000b,mp4a.40.2",RESOLUTION=160x90' in line for line in master)


def test_bit_rates_are_those_of_the_packets() -> None:
    """What is transferred counts, not what FFmpeg encoded."""
    made = written()
    (video,), (audio,) = made.videos, made.audios
    bits = 8 * max(one.size for one in video.segments) / 2
    sounds = [8 * one.size / float(audio.seconds(one)) for one in audio.segments]
    assert f"BANDWIDTH={-int(-bits // 1) - int(-max(sounds) // 1)}" in package.master_playlist("v/1", made)


def test_subtitles_say_the_films_start() -> None:
    """X-TIMESTAMP-MAP has the time stamp of the first picture."""
    cues = webvtt.parse("WEBVTT\n\n00:01.000 --> 00:02.000\nHello\n", Fraction(0), Fraction(4))
    (text,) = webvtt.segments(cues, [Fraction(0), Fraction(4)], ORIGIN)
    assert "X-TIMESTAMP-MAP=MPEGTS:900000,LOCAL:00:00:00.000\n" in text


def test_a_segment_of_one_picture_is_made_longer() -> None:
    """Nothing in a transport stream says how long a single picture is."""
    spec = {"packaging": {"segmentDuration": "1s", "segmentFormat": "ts"}}
    slow = probed("160x90", "1", 8)
    assert plan(slow, TranscodeOptions.model_validate(spec)).timeline.gop == 2
    assert plan(slow, TranscodeOptions.model_validate({"packaging": {"segmentDuration": "1s"}})).timeline.gop == 1


def test_an_init_segment_of_another_codec_is_told() -> None:
    """HEVC never gets there; if it did nothing would be stored."""
    other = avc().replace(b"avc1", b"hvc1").replace(b"avcC", b"hvcC")
    with pytest.raises(DamagedSegmentError):
        segment(fragment(0, FRAME, [picture(90, 5)]), other, 0)
