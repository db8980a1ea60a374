"""Sabotaged packages: each trips exactly its rule, and the good one none."""

import struct
from collections.abc import Callable

import pytest

from tests.integration.verify.packs import ENTRIES, Pack

HLS = ENTRIES[:1]
HIGH, LOW, AUDIO, TEXT = "high/media.m3u8", "low/media.m3u8", "audio/main/media.m3u8", "subtitles/main/media.m3u8"
FRAMES, IMAGES, MASTER, MPD = "high/iframes.m3u8", "thumbnails/media.m3u8", *ENTRIES
MEDIA = '#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="{}",NAME="{}"{}\n'


def test_the_good_package_breaks_no_rule(pack: Pack) -> None:
    """Neither a MUST nor a SHOULD."""
    assert pack.broken() == {}


def texts(name: str, old: str, new: str, count: int = 1) -> Callable[[Pack], None]:
    return lambda pack: pack.replace(name, old, new, count)


def regex(name: str, pattern: str, new: str, count: int = 1) -> Callable[[Pack], None]:
    return lambda pack: pack.sub(name, pattern, new, count)


def nowhere_independent(pack: Pack) -> None:
    for name in (MASTER, HIGH, LOW):
        pack.replace(name, "#EXT-X-INDEPENDENT-SEGMENTS\n", "")


def byte_order_mark(pack: Pack) -> None:
    path = pack.path(HIGH)
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())


def bell(pack: Pack) -> None:
    pack.replace(HIGH, "#EXT-X-ENDLIST", "# \x07\n#EXT-X-ENDLIST")


def uri_missing(pack: Pack) -> None:
    path = pack.path(MASTER)
    path.write_text(path.read_text() + "#EXT-X-STREAM-INF:BANDWIDTH=1,AVERAGE-BANDWIDTH=1\n")


def gone(name: str) -> Callable[[Pack], None]:
    return lambda pack: pack.path(name).unlink()


def cut(name: str) -> Callable[[Pack], None]:
    def damage(pack: Pack) -> None:
        path = pack.path(name)
        path.write_bytes(path.read_bytes()[:-40])

    return damage


def web_page(pack: Pack) -> None:
    pack.path("audio/main/00001.m4s").write_text("<html>")


def no_image(pack: Pack) -> None:
    for path in pack.path("thumbnails").glob("*.jpg"):
        path.write_bytes(b"GIF89a" + bytes(40))


def no_idr(pack: Pack) -> None:
    """The IDR slice becomes one of another picture: nal_unit_type 1."""
    name = "low/00001.m4s"
    data, at = pack.path(name).read_bytes(), pack.find(name, b"mdat") + 4
    while data[at + 4] & 0x1F != 5:
        at += 4 + int.from_bytes(data[at : at + 4])
    pack.patch(name, at + 4, bytes([data[at + 4] & 0xE0 | 1]))


def shifted(name: str, ticks: int) -> Callable[[Pack], None]:
    def damage(pack: Pack) -> None:
        at = pack.find(name, b"tfdt") + 8
        start = struct.unpack_from(">Q", pack.path(name).read_bytes(), at)[0]
        pack.patch(name, at, struct.pack(">Q", start + ticks))

    return damage


def all_shifted(pack: Pack) -> None:
    for path in pack.path("audio/main").glob("*.m4s"):
        shifted(f"audio/main/{path.name}", 9600)(pack)


def late_picture(pack: Pack) -> None:
    """The composition offset of the first sample: the last of its fields in trun."""
    name = "low/00001.m4s"
    at = pack.find(name, b"trun") + 4
    data = pack.path(name).read_bytes()
    flags = int.from_bytes(data[at + 1 : at + 4])
    assert flags & 0x800
    columns = sum(1 for flag in (0x100, 0x200, 0x400) if flags & flag)
    at += 8 + 4 * bool(flags & 1) + 4 * bool(flags & 4) + 4 * columns
    pack.patch(name, at, struct.pack(">I", struct.unpack_from(">I", data, at)[0] + 400))


def merged(pack: Pack) -> None:
    """The last two segments of a rung become one."""
    third, fourth = pack.path("low/00002.m4s"), pack.path("low/00003.m4s")
    third.write_bytes(third.read_bytes() + fourth.read_bytes())
    pack.sub(LOW, r"#EXTINF:0.200000,\n00003.m4s\n", "")
    pack.sub(LOW, r"#EXTINF:1.000000,\n00002.m4s", "#EXTINF:1.200000,\n00002.m4s")


def short_sound(pack: Pack) -> None:
    pack.sub(AUDIO, r"#EXTINF:[0-9.]+,\n00003.m4s\n", "")


def one_variant(pack: Pack) -> None:
    pack.sub(MASTER, r"#EXT-X-STREAM-INF:.*\n.*low/media.m3u8\n", "")


def added(line: str) -> Callable[[Pack], None]:
    return texts(MASTER, "#EXT-X-STREAM-INF", f"{line}#EXT-X-STREAM-INF")


def fewer_pictures(pack: Pack) -> None:
    pack.sub(FRAMES, r"(#EXTINF:.*\n#EXT-X-BYTERANGE:.*\n0000[12].m4s\n){2}", "")


Damage = Callable[[Pack], None]
CASES: list[tuple[str, str, Damage]] = [
    ("playlist-header", "no first line", texts(HIGH, "#EXTM3U", "#EXTM3X")),
    ("playlist-text", "a byte order mark", byte_order_mark),
    ("playlist-text", "a control character", bell),
    ("attribute-lists", "an attribute twice", regex(MASTER, r"(RESOLUTION=\d+x\d+)", r"\1,\1")),
    ("attribute-lists", "an open quote", regex(MASTER, r'(EXT-X-STREAM-INF.*SUBTITLES="[^"]*)"$', r"\1")),
    ("tags-once", "two versions", regex(HIGH, r"(#EXT-X-VERSION:\d\n)", r"\1\1")),
    ("extinf-each", "no duration", regex(AUDIO, r"#EXTINF:.*\n", "")),
    ("extinf-each", "a duration in words", regex(AUDIO, r"#EXTINF:[0-9.]+", "#EXTINF:one")),
    ("uri-follows", "a variant without a URI", uri_missing),
    ("playlist-kind", "a media tag in the master", texts(MASTER, "#EXT-X-STREAM", "#EXT-X-TARGETDURATION:1\n#EXT-X-STREAM")),
    ("attributes-required", "no BANDWIDTH", texts(MASTER, "#EXT-X-STREAM-INF:BANDWIDTH", "#EXT-X-STREAM-INF:X")),
    ("version-covers", "too low a version", regex(HIGH, r"VERSION:\d", "VERSION:3")),
    ("target-duration", "no target duration", texts(HIGH, "#EXT-X-TARGETDURATION:1\n", "")),
    ("target-duration", "too low a target", regex(TEXT, r"#EXT-X-TARGETDURATION:1", "#EXT-X-TARGETDURATION:0")),
    ("target-equal", "another target", texts(AUDIO, "#EXT-X-TARGETDURATION:1", "#EXT-X-TARGETDURATION:2")),
    ("vod-ends", "no end", texts(HIGH, "#EXT-X-ENDLIST\n", "")),
    ("vod-type", "an event", texts(HIGH, "PLAYLIST-TYPE:VOD", "PLAYLIST-TYPE:EVENT")),
    ("independent-declared", "nowhere independent", nowhere_independent),
    ("objects-exist", "a segment is gone", gone("low/00001.m4s")),
    ("objects-exist", "an init segment is gone", gone("low/init.mp4")),
    ("objects-exist", "a playlist is gone", gone(FRAMES)),
    ("objects-exist", "a URI leads out of the package", regex(MASTER, r'URI="v/[^"]*iframes.m3u8"', 'URI="../../x.m3u8"')),
    ("segments-whole", "a segment is cut", cut("high/00001.m4s")),
    ("segments-whole", "a segment is a web page", web_page),
    ("init-readable", "an init segment is cut", cut("low/init.mp4")),
    ("byte-ranges", "a range beyond the end", regex(FRAMES, r"BYTERANGE:\d+", "BYTERANGE:99999999")),
    ("extinf-true", "a duration that is not true", texts(HIGH, "EXTINF:1.000000", "EXTINF:1.040000")),
    ("starts-with-key", "no IDR picture", no_idr),
    ("timeline-continuous", "a hole", shifted("low/00002.m4s", 400)),
    ("presentation-continuous", "a late picture", late_picture),
    ("discontinuities-match", "a discontinuity in one", texts(HIGH, "#EXTINF", "#EXT-X-DISCONTINUITY\n#EXTINF")),
    ("map-for-fmp4", "no init segment named", regex(HIGH, r"#EXT-X-MAP.*\n", "")),
    ("bandwidth-true", "too low a bandwidth", regex(MASTER, r"INF:BANDWIDTH=\d+", "INF:BANDWIDTH=1000")),
    ("bandwidth-true", "too high a bandwidth", regex(MASTER, r"INF:BANDWIDTH=(\d+)", r"INF:BANDWIDTH=\g<1>0")),
    ("average-bandwidth-true", "another average", regex(MASTER, r"(-STREAM-INF.*)AVERAGE-BANDWIDTH=\d+", r"\1AVERAGE-BANDWIDTH=1")),
    ("average-bandwidth-said", "no average", regex(MASTER, r"(-STREAM-INF.*)AVERAGE-BANDWIDTH=\d+,", r"\1")),
    ("codecs-true", "another level", regex(MASTER, r'CODECS="avc1.(....)..,', r'CODECS="avc1.\g<1>33,')),
    ("codecs-true", "a codec too few", texts(MASTER, ",mp4a.40.2", "")),
    ("resolution-true", "another size", regex(MASTER, r"RESOLUTION=\d+x\d+", "RESOLUTION=1920x1080")),
    ("frame-rate-true", "another rate", texts(MASTER, "FRAME-RATE=25.000", "FRAME-RATE=30.000")),
    ("frame-rate-said", "no rate", texts(MASTER, "FRAME-RATE=25.000,", "")),
    ("video-range-true", "PQ that is none", texts(MASTER, "FRAME-RATE", "VIDEO-RANGE=PQ,FRAME-RATE")),
    ("variants-many", "one variant", one_variant),
    ("groups-exist", "a group that is not there", regex(MASTER, r'(STREAM-INF.*),AUDIO="[^"]*"', r'\1,AUDIO="none"')),
    ("groups-used", "a group that nobody names", added(MEDIA.format("other", "x", ""))),
    ("group-names", "a name twice", regex(MASTER, r"(#EXT-X-MEDIA:TYPE=AUDIO.*)DEFAULT=YES(.*\n)", r"\1DEFAULT=YES\2\1DEFAULT=NO\2")),
    ("default-once", "two defaults", added(MEDIA.format("audio", "x", ",DEFAULT=YES"))),
    ("media-uri", "subtitles without a URI", texts(MASTER, "#EXT-X-STREAM-INF", '#EXT-X-MEDIA:TYPE=SUBTITLES,GROUP-ID="subtitles",NAME="x"\n#EXT-X-STREAM-INF')),
    ("channels-true", "other channels", texts(MASTER, 'CHANNELS="2"', 'CHANNELS="6"')),
    ("subtitles-readable", "no WebVTT", texts("subtitles/main/00000.vtt", "WEBVTT", "WEB")),
    ("subtitles-readable", "a cue that ends before it starts", texts("subtitles/main/00000.vtt", "--> 00:00:00.800", "--> 00:00:00.100")),
    ("subtitles-mapped", "no time map", regex("subtitles/main/00000.vtt", r"X-TIMESTAMP-MAP.*\n", "")),
    ("subtitles-in-place", "a cue elsewhere", regex("subtitles/main/00000.vtt", r"00:00:00(\.\d+) --> 00:00:00", r"00:00:59\1 --> 00:00:59")),
    ("subtitles-full-length", "subtitles that end early", regex(TEXT, r"(#EXTINF.*\n.*vtt\n){2}#EXT-X-ENDLIST", "#EXT-X-ENDLIST")),
    ("i-frames-present", "no I-frame playlists", regex(MASTER, r"#EXT-X-I-FRAME.*\n", "", 0)),
    ("i-frames-declared", "a playlist of I-frames that does not say so", texts(FRAMES, "#EXT-X-I-FRAMES-ONLY\n", "")),
    ("i-frames-true", "a range within the picture", regex(FRAMES, r"BYTERANGE:\d+", "BYTERANGE:900")),
    ("i-frames-full-length", "pictures too few", fewer_pictures),
    ("i-frames-attributes", "another codec of the pictures", regex(MASTER, r'(I-FRAME.*CODECS=")avc1', r"\1hvc1")),
    ("i-frames-bandwidth", "too low a bandwidth of pictures", regex(MASTER, r"(I-FRAME-STREAM-INF:)BANDWIDTH=\d+", r"\1BANDWIDTH=1")),
    ("images-true", "an image that is none", no_image),
    ("images-true", "another layout", regex(IMAGES, r"RESOLUTION=\d+x", "RESOLUTION=8x")),
    ("images-full-length", "images that end early", regex(IMAGES, r"#EXTINF:[0-9.]+", "#EXTINF:0.100000")),
    ("mpd-well-formed", "a document type", texts(MPD, "<MPD", '<!DOCTYPE MPD [<!ENTITY a "b">]><MPD')),
    ("mpd-well-formed", "no end tag", texts(MPD, "</MPD>", "")),
    ("mpd-required", "no minBufferTime", regex(MPD, r' minBufferTime="[^"]*"', "")),
    ("mpd-required", "no bandwidth", regex(MPD, r' bandwidth="[^"]*"', "")),
    ("mpd-mime-type", "another type", texts(MPD, 'mimeType="audio/mp4"', 'mimeType="video/mp4"')),
    ("mpd-codecs-true", "another profile", regex(MPD, r'codecs="avc1.64', 'codecs="avc1.42')),
    ("mpd-resolution-true", "another width", regex(MPD, r' width="\d+"', ' width="1920"')),
    ("mpd-frame-rate-true", "another frame rate", texts(MPD, 'frameRate="25"', 'frameRate="30"')),
    ("mpd-audio-true", "another sampling rate", texts(MPD, 'audioSamplingRate="48000"', 'audioSamplingRate="44100"')),
    ("mpd-bandwidth-true", "too low", regex(MPD, r' bandwidth="\d+"', ' bandwidth="1"')),
    ("mpd-timeline-true", "a duration that is not true", regex(MPD, r'<S d="2000" />', '<S d="3000" />')),
    ("mpd-duration-true", "too long", regex(MPD, r'mediaPresentationDuration="[^"]*"', 'mediaPresentationDuration="PT3.5S"')),
]  # fmt: skip
HLS_ONLY: list[tuple[str, str, Damage]] = [
    ("start-together", "sound that begins late", all_shifted),
    ("rungs-aligned", "two segments that became one", merged),
    ("durations-equal", "sound that ends early", short_sound),
]


@pytest.mark.parametrize(("rule", "damage"), [pytest.param(r, d, id=n.replace(" ", "-")) for r, n, d in CASES])
def test_each_sabotage_trips_exactly_its_rule(pack: Pack, rule: str, damage: Damage) -> None:
    """One thing is damaged: one rule finds it, no other."""
    damage(pack)
    found = pack.broken()
    assert list(found) == [rule], found


@pytest.mark.parametrize(("rule", "damage"), [pytest.param(r, d, id=n.replace(" ", "-")) for r, n, d in HLS_ONLY])
def test_without_the_manifest_each_trips_exactly_its_rule(pack: Pack, rule: str, damage: Damage) -> None:
    """What the manifest would contradict as well."""
    damage(pack)
    found = pack.broken(HLS)
    assert list(found) == [rule], found
