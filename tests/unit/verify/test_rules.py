"""Rules that no damage to a real package trips alone: facts made by hand."""

from collections.abc import Mapping
from fractions import Fraction

import pytest
from msgspec.structs import replace

from workers.verify.facts import Kind, Object, Package, Segment, Stream, average, peak
from workers.verify.fragment import Fragment
from workers.verify.given import Planned, Sample, Source
from workers.verify.init import Track
from workers.verify.mpd import Representation
from workers.verify.playlist import Playlist, parse
from workers.verify.report import FINDINGS, judge
from workers.verify.rule import Severity
from workers.verify.rules import RULES

VIDEO = Track(1000, "avc1.64001f", 640, 360, nal_length=4)
SOUND = Track(48_000, "mp4a.40.2", channels=2, sample_rate=48_000, kind="audio")
HEAD = "#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-TARGETDURATION:1\n#EXT-X-PLAYLIST-TYPE:VOD\n#EXT-X-INDEPENDENT-SEGMENTS\n"


def media(uri: str) -> Playlist:
    text = f'{HEAD}#EXT-X-MAP:URI="init.mp4"\n#EXTINF:1.0,\n{uri}0.m4s\n#EXTINF:1.0,\n{uri}1.m4s\n#EXT-X-ENDLIST\n'
    return parse(text.encode(), f"{uri}.m3u8")


def stream(uri: str = "a", track: Track = VIDEO, samples: int = 25, size: int = 1000) -> Stream:
    """Two segments of a second."""
    segments = tuple(
        Segment(
            f"{uri}{number}.m4s",
            7 + 2 * number,
            Fraction(1),
            size=size,
            tracks=(track,),
            fragments=(Fragment(number * track.timescale, samples, track.timescale, 0, size, key=True),),
        )
        for number in range(2)
    )
    kind: Kind = "audio" if track.kind == "audio" else "video"
    return Stream(f"{uri}.m3u8", kind, "fmp4", (track,), segments, playlist=media(uri), inits=(f"{uri}.mp4",))


def package(*streams: Stream, **more: object) -> Package:
    found = Package(("a.m3u8",), tuple(one.playlist for one in streams if one.playlist), streams=streams)
    return replace(found, **more)


def broken(found: Package) -> set[str]:
    report = judge(found)
    return {one.rule.name for severity in (Severity.ERROR, Severity.WARNING) for one in report.of(severity)}


def test_what_the_others_break_is_right_as_it_is() -> None:
    """Two rungs and sound."""
    assert broken(package(stream(), stream("b"), stream("c", SOUND, 47))) == set()


def longer(one: Stream, ticks: int) -> Stream:
    """With a second segment that lasts longer, and a playlist that does not say so."""
    part = one.segments[1].fragments[0]
    return replace(
        one,
        segments=(
            one.segments[0],
            replace(one.segments[1], fragments=(replace(part, duration=part.duration + ticks),)),
        ),
    )


def dark(uri: str, *, is_dark: bool, start: int = 0) -> Sample:
    return Sample("x", uri, 25, 25, dark=is_dark, start=Fraction(start), duration=Fraction(1))


KNOWN = Source(Fraction(2), Fraction(1, 25), {"a.m3u8": Planned(50, "avc1", 640, 360)}, {"d": False}, {"s": False})
SILENT = Sample("x", "s", None, silent=True)
TWICE = replace(stream(), tracks=(SOUND, replace(SOUND, id=2)))
TRANSPORT = replace(stream(track=replace(VIDEO, codec="hvc1.1.6.L93.b0")), container="ts", inits=())
BROKEN: list[tuple[str, str, Package]] = [
    ("a long segment", "segment-duration-limit", package(longer(stream(), 600))),
    ("a segment that lasts longer", "extinf-true", package(longer(stream(), 100))),
    ("HEVC in a transport stream", "codec-container", package(TRANSPORT)),
    ("two audio tracks", "one-audio-per-segment", package(TWICE)),
    ("too fast", "frame-rate-limit", package(stream(samples=120))),
    ("a level that nothing decodes", "h264-limits", package(stream(track=replace(VIDEO, codec="avc1.640039")))),
    ("a profile that nothing decodes", "h264-limits", package(stream(track=replace(VIDEO, codec="avc1.6e001f")))),
    ("another shape", "same-shape", package(stream(), stream("b", replace(VIDEO, width=480)))),
    ("surround alone", "stereo-present", package(stream(), stream("b", replace(SOUND, channels=6), 47))),
    ("a frame that does not decode", "decodes-strictly", package(stream(), samples=(Sample("x", "u", 25, 24, dark=False),))),
    ("an error of the decoder", "decodes-strictly", package(stream(), samples=(Sample("x", "u", 25, error="bad"),))),
    ("black, the source is not", "picture-as-source", package(stream(), samples=(dark("d", is_dark=True),), source=KNOWN)),
    ("black beside bright", "picture-as-source", package(stream(), samples=(dark("b", is_dark=True), dark("w", is_dark=False)))),
    ("silent, the source is not", "sound-as-source", package(stream(), samples=(SILENT,), source=KNOWN)),
    ("a frame too few", "frames-complete", package(stream(samples=24), source=KNOWN)),
    ("another size than planned", "as-planned", package(stream(track=replace(VIDEO, width=638)), source=KNOWN)),
    ("a rung that is not named", "as-planned", package(replace(stream("b"), name="b.m3u8"), source=KNOWN)),
    ("shorter than the source", "duration-as-source", package(stream(), source=replace(KNOWN, duration=Fraction(3)))),
    ("stored otherwise", "objects-unchanged", package(stream(), problems=(("objects-unchanged", "a0.m4s", None, "x"),))),
    ("a redirect", "no-redirects", package(stream(), remote=True, objects={"https://h/a": Object(1, redirected="https://h/b")})),
    ("without TLS", "transport-secure", package(stream(), remote=True, objects={"http://h/a": Object(1)})),
    ("not compressed", "playlists-compressed", package(stream(), remote=True, objects={"a.m3u8": Object(9999)})),
    ("another type", "content-types", package(stream(), remote=True, objects={"https://h/a.ts": Object(1, content_type="text/html")})),
]  # fmt: skip


@pytest.mark.parametrize(("rule", "found"), [pytest.param(r, p, id=n.replace(" ", "-")) for n, r, p in BROKEN])
def test_each_rule_finds_what_it_is_for(rule: str, found: Package) -> None:
    """It is among what is broken; that nothing else is, real packages show."""
    assert rule in broken(found)


def test_black_beside_black_is_a_dark_film() -> None:
    """No rung knows better, and nothing is known of the source."""
    assert broken(package(stream(), samples=(dark("a", is_dark=True), dark("b", is_dark=True)))) == set()


def test_a_bright_segment_elsewhere_says_nothing() -> None:
    """Only the same span of time counts."""
    samples = (dark("a", is_dark=True), dark("b", is_dark=False, start=1))
    assert broken(package(stream(), samples=samples)) == set()


def test_representations_that_are_not_aligned_are_found() -> None:
    """By what the manifest says of them."""

    def one(name: str, second: int) -> Stream:
        attributes: Mapping[str, str] = {"segmentAlignment": "true", "mimeType": "video/mp4", "bandwidth": "9000"}
        found = stream(name)
        about = Representation(1, name, 0, 0, attributes, (), 1000, 0, None, None, ())
        starts = (0, second)
        segments = tuple(
            replace(segment, said_start=start) for segment, start in zip(found.segments, starts, strict=True)
        )
        return replace(found, name=f"m.mpd#{name}", playlist=None, representation=about, segments=segments)

    assert "mpd-aligned" in broken(package(one("a", 1000), one("b", 1200)))
    assert "mpd-aligned" not in broken(package(one("a", 1000), one("b", 1000)))


def test_the_peak_is_of_runs_of_half_to_one_and_a_half_target_durations() -> None:
    """RFC 8216 section 4.1; the average is over all."""
    one = stream(size=1000)
    large = replace(one.segments[1], size=3000, fragments=(replace(one.segments[1].fragments[0], length=3000),))
    both = replace(one, segments=(one.segments[0], large))
    assert (peak(both, Fraction(1)), average(both)) == (24_000, 16_000)
    assert peak(both, Fraction(2)) == 24_000
    assert peak(both, Fraction(4)) == 16_000
    assert peak(replace(both, segments=(replace(large, size=None, fragments=()),)), Fraction(1)) is None


def test_a_report_is_bounded() -> None:
    """More findings of one rule tell nothing new."""
    many = tuple(("objects-unchanged", f"{number}", None, "x") for number in range(FINDINGS * 2))
    assert judge(package(stream(), problems=many)).count(Severity.ERROR) == FINDINGS


def test_rules_have_names_of_their_own_and_sources() -> None:
    """A report names them, a script may rely on them."""
    assert len({rule.name for rule in RULES}) == len(RULES)
    assert all(rule.source and rule.meaning.endswith(".") for rule in RULES)
