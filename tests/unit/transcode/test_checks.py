"""Every rule of the gate, by breaking one thing of a package that is right."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.unit.transcode.fmp4 import avc_init, nal, segment
from tests.unit.transcode.packages import good, stored
from workers.transcode.checks import RULES, Object, Package
from workers.verify.init import read_init


def findings(package: Package) -> dict[str, list[str]]:
    return {rule.name: found for rule in RULES if (found := list(rule.check(package)))}


def test_a_right_package_has_no_finding() -> None:
    """Every rule passes."""
    assert findings(good()) == {}


def media(package: Package, old: str, new: str) -> Package:
    text = package.playlists["720p/media.m3u8"]
    assert old in text
    return replace(package, playlists={**package.playlists, "720p/media.m3u8": text.replace(old, new, 1)})


def master(package: Package, old: str, new: str) -> Package:
    text = package.pointers.master
    assert old in text
    return replace(package, pointers=replace(package.pointers, master=text.replace(old, new, 1)))


def manifest(package: Package, old: str, new: str) -> Package:
    text = package.pointers.manifest or ""
    assert old in text
    return replace(package, pointers=replace(package.pointers, manifest=text.replace(old, new, 1)))


def without(package: Package, path: str) -> Package:
    return replace(package, objects={name: found for name, found in package.objects.items() if name != path})


def changed(package: Package, path: str, found: Object) -> Package:
    return replace(package, objects={**package.objects, path: found})


def resegmented(package: Package, index: int, data: bytes) -> Package:
    video = package.title.videos[0]
    size = video.stored[index].size
    video.stored[index] = replace(stored(index, data, size=size), etag=video.stored[index].etag)
    return package


def swapped(package: Package) -> Package:
    video = package.title.videos[0]
    video.stored[0], video.stored[1] = video.stored[1], video.stored[0]
    return package


def other_init(package: Package) -> Package:
    package.title.videos[0].track = read_init(avc_init(640, 360, package.title.plan.timeline.timescale))
    return package


def short_audio(package: Package) -> Package:
    del package.title.audios[0].stored[2]
    return package


BROKEN: list[tuple[str, Callable[[Package], Package], str, str]] = [
    ("a segment is gone", lambda p: without(p, "720p/00001.m4s"), "segments-stored", "is not in the store"),
    ("a segment was cut", lambda p: changed(p, "360p/00001.m4s", Object(7, "etag-1")), "segments-stored", "has 7 bytes"),
    ("a segment was replaced", lambda p: changed(p, "360p/00001.m4s", Object(100_000, "x")), "segments-stored", "(x)"),
    ("an init segment is gone", lambda p: without(p, "audio/main/init.mp4"), "segments-stored", "init.mp4"),
    ("segments are swapped", swapped, "timeline-continuous", "starts at"),
    ("a segment starts late", lambda p: resegmented(p, 1, segment(40_001, 100, 400)), "timeline-continuous", "40001"),
    ("frames are missing", lambda p: resegmented(p, 2, segment(80_000, 49, 400)), "frames-complete", "249 frames of 250"),
    ("no IDR at the start", lambda p: resegmented(p, 1, segment(40_000, 100, 400, nal(1))), "starts-with-idr", "00001.m4s"),
    ("rungs part", lambda p: resegmented(p, 2, segment(80_400, 49, 400)), "rungs-aligned", "360p"),
    ("the sound ends early", short_audio, "durations-equal", "audio/main lasts"),
    ("the size is another", other_init, "init-as-planned", "is not 1280x720"),
    ("no first line", lambda p: media(p, "#EXTM3U", "#EXTM"), "media-playlists", "first line"),
    ("an entry is missing", lambda p: media(p, "#EXTINF:4.000000,\n00001.m4s\n", ""), "media-playlists", "2 entries for 3"),
    ("entries are swapped", lambda p: media(p, "00001.m4s", "00000.m4s"), "media-playlists", "belongs"),
    ("a duration is wrong", lambda p: media(p, "EXTINF:2.000000", "EXTINF:2.100000"), "media-playlists", "2.1"),
    ("a duration is none", lambda p: media(p, "EXTINF:2.000000", "EXTINF:two"), "media-playlists", "no duration"),
    ("the target is low", lambda p: media(p, "DURATION:4", "DURATION:3"), "media-playlists", "TARGETDURATION"),
    ("no end", lambda p: media(p, "#EXT-X-ENDLIST\n", ""), "media-playlists", "ENDLIST"),
    ("no type", lambda p: media(p, "TYPE:VOD", "TYPE:EVENT"), "media-playlists", "VOD"),
    ("an old version", lambda p: media(p, "VERSION:7", "VERSION:3"), "media-playlists", "EXT-X-MAP needs 6"),
    ("no map", lambda p: media(p, '#EXT-X-MAP:URI="init.mp4"\n', ""), "media-playlists", "EXT-X-MAP"),
    ("not independent", lambda p: media(p, "#EXT-X-INDEPENDENT-SEGMENTS\n", ""), "media-playlists", "INDEPENDENT"),
    ("bandwidth too low", lambda p: master(p, "BANDWIDTH=531250", "BANDWIDTH=500000"), "master-playlist", "measured 531250"),
    ("bandwidth too high", lambda p: master(p, "BANDWIDTH=531250", "BANDWIDTH=900000"), "master-playlist", "900000"),
    ("another average", lambda p: master(p, "AVERAGE-BANDWIDTH=331250", "AVERAGE-BANDWIDTH=1"), "master-playlist", "360p: AVERAGE"),
    ("other codecs", lambda p: master(p, "avc1.64001e", "avc1.42c01e"), "master-playlist", "CODECS"),
    ("another size", lambda p: master(p, "1280x720", "1920x1080"), "master-playlist", "RESOLUTION"),
    ("another rate", lambda p: master(p, "25.000", "30.000"), "master-playlist", "FRAME-RATE"),
    ("a rung is missing", lambda p: master(p, "v/0123456789abcdef/360p/media.m3u8\n", ""), "master-playlist", "it lists"),
    ("the group is missing", lambda p: master(p, 'TYPE=AUDIO,GROUP-ID="audio",', ""), "master-playlist", "audio"),
    ("a broken attribute", lambda p: master(p, "RESOLUTION=1280x720", 'RESOLUTION="1280x720'), "master-playlist", "breaks off"),
    ("another timeline", lambda p: manifest(p, 'd="20000"', 'd="20001"'), "dash-manifest", "720p"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("breaks", "rule", "words"), [pytest.param(b, r, w, id=n.replace(" ", "-")) for n, b, r, w in BROKEN]
)
def test_what_is_wrong_is_found_by_its_rule(breaks: Callable[[Package], Package], rule: str, words: str) -> None:
    """One thing is broken; the rule that owns it says so in words that name it."""
    found = findings(breaks(good()))
    assert rule in found, found
    assert any(words in line for line in found[rule]), found[rule]
