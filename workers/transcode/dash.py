"""The DASH manifest over the same segments (ISO/IEC 23009-1, profile isoff-live, static). Pure."""

from collections.abc import Iterable
from fractions import Fraction
from itertools import groupby, pairwise
from typing import Final
from xml.etree import ElementTree as ET

from workers.transcode.captions import TextTrack
from workers.transcode.layout import INIT
from workers.transcode.rendition import Rendition, Title, peak_bandwidth
from workers.transcode.tiles import FOLDER, Tiles

CENC: Final = "{urn:mpeg:cenc:2013}"
ET.register_namespace("cenc", CENC[1:-1])
ROLE: Final = "urn:mpeg:dash:role:2011"
PURPOSE: Final = "urn:tva:metadata:cs:AudioPurposeCS:2007"
MAIN: Final = (("Role", ROLE, "main"),)
ROLES: Final = {
    "main": (("Role", ROLE, "alternate"),),
    "commentary": (("Role", ROLE, "commentary"),),
    # 1: for the visually impaired (DASH-IF IOP 3.9.4).
    "description": (("Accessibility", PURPOSE, "1"), ("Role", ROLE, "alternate")),
}
"""Elements of an adaptation set by what its audio is for; in the order the schema wants."""
TRANSFERS: Final = {"PQ": "16", "HLG": "18"}
"""Code points of transfer characteristics (ITU-T H.273 table 3)."""


def manifest(root: str, title: Title) -> str:
    """The manifest; its URLs are relative to it, through the version's prefix `root`."""
    mpd = ET.Element(
        "MPD",
        {
            "xmlns": "urn:mpeg:dash:schema:mpd:2011",
            "profiles": "urn:mpeg:dash:profile:isoff-live:2011",
            "type": "static",
            "mediaPresentationDuration": _duration(title.plan.timeline.duration),
            "minBufferTime": f"PT{title.target}S",
        },
    )
    if title.plan.about.title:
        ET.SubElement(ET.SubElement(mpd, "ProgramInformation"), "Title").text = title.plan.about.title
    ET.SubElement(mpd, "BaseURL").text = f"{root}/"
    period = ET.SubElement(mpd, "Period", {"id": "0", "start": "PT0S"})
    if not title.videos:
        _sound(period, title)
    for number, audio in enumerate(title.audios if title.videos else (), _videos(period, title)):
        _audio(period, number, audio, title, main=_source(audio) == _source(title.audios[0]))
    for number, track in enumerate(title.extras.subtitles, len(title.audios) + 1):
        _text(period, number, track, title)
    if title.extras.tiles:
        _tiles(period, len(title.audios) + len(title.extras.subtitles) + 1, title.extras.tiles)
    ET.indent(mpd)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ET.tostring(mpd, encoding="unicode")}\n'


def _videos(period: ET.Element, title: Title) -> int:
    """An adaptation set for each codec and dynamic range: players switch within one. Returns how many there are."""
    group = {"contentType": "video", "mimeType": "video/mp4", "segmentAlignment": "true", "startWithSAP": "1"}
    kinds = list(dict.fromkeys(_kind(video) for video in title.videos))
    for number, kind in enumerate(kinds):
        adaptation = ET.SubElement(period, "AdaptationSet", {"id": str(number), **group})
        _protect(adaptation, title)
        _transfer(adaptation, kind[1])
        for video in title.videos:
            if video.track and _kind(video) == kind:
                size = {"width": str(video.track.width), "height": str(video.track.height), "sar": "1:1"}
                rate = {"frameRate": _words(title.timeline_of(video).rate)}
                _representation(adaptation, video, {**size, **rate}, title.target)
    return len(kinds)


def _protect(adaptation: ET.Element, title: Title) -> None:
    """How its samples are encrypted, and with which key (ISO/IEC 23001-7 section 11)."""
    for scheme, value, kid, pssh in title.seal.protections() if title.seal else ():
        about = {"schemeIdUri": scheme, **({"value": value} if value else {})}
        about |= {f"{CENC}default_KID": kid} if kid else {}
        found = ET.SubElement(adaptation, "ContentProtection", about)
        if pssh:
            ET.SubElement(found, f"{CENC}pssh").text = pssh


def _kind(video: Rendition) -> tuple[str, str]:
    return (video.rung.codec, video.rung.dynamic_range) if video.rung else ("", "SDR")


def _words(rate: Fraction) -> str:
    return str(rate) if rate.denominator == 1 else f"{rate.numerator}/{rate.denominator}"


def _transfer(adaptation: ET.Element, dynamic_range: str) -> None:
    """What a player must know to show high dynamic range (ISO/IEC 23009-1 section 5.8.5.8; DASH-IF IOP part 8)."""
    if dynamic_range == "SDR":
        return
    values = {"ColourPrimaries": "9", "MatrixCoefficients": "9", "TransferCharacteristics": TRANSFERS[dynamic_range]}
    for name, value in values.items():
        scheme = f"urn:mpeg:mpegB:cicp:{name}"
        ET.SubElement(adaptation, "EssentialProperty", {"schemeIdUri": scheme, "value": value})


def _audio(period: ET.Element, number: int, audio: Rendition, title: Title, *, main: bool) -> None:
    if audio.audio is None or audio.track is None:
        return
    group = {"contentType": "audio", "mimeType": "audio/mp4", "segmentAlignment": "true", "startWithSAP": "1"}
    language = {"lang": audio.audio.language} if audio.audio.language else {}
    # Where nobody chooses, players go by priority, then by bit rate: without it surround would come first.
    first = {"selectionPriority": "2"} if number == 1 else {}
    adaptation = ET.SubElement(period, "AdaptationSet", {"id": str(number), **group, **language, **first})
    _protect(adaptation, title)
    ET.SubElement(adaptation, "Label").text = audio.audio.label
    for name, scheme, value in MAIN if main and audio.audio.role == "main" else ROLES[audio.audio.role]:
        ET.SubElement(adaptation, name, {"schemeIdUri": scheme, "value": value})
    rate = {"audioSamplingRate": str(audio.track.sample_rate)}
    representation = _representation(adaptation, audio, rate, title.target)
    scheme = "urn:mpeg:mpegB:cicp:ChannelConfiguration"
    channels = ET.Element("AudioChannelConfiguration", {"schemeIdUri": scheme, "value": str(audio.track.channels)})
    representation.insert(0, channels)


def _sound(period: ET.Element, title: Title) -> None:
    """A title of sound alone: one set, for players switch between its bit rates."""
    first = title.audios[0]
    _audio(period, 0, first, title, main=True)
    for audio in title.audios[1:]:
        if audio.track:
            _representation(period[0], audio, {"audioSamplingRate": str(audio.track.sample_rate)}, title.target)
    channels = period[0].find("Representation/AudioChannelConfiguration")
    for representation in period[0].findall("Representation")[1:]:
        if channels is not None:
            representation.insert(0, channels)


def _text(period: ET.Element, number: int, track: TextTrack, title: Title) -> None:
    """Subtitles in MP4 segments that last as the video's do (wvtt.py)."""
    line = title.plan.timeline
    group = {"contentType": "text", "mimeType": "application/mp4", "segmentAlignment": "true", "startWithSAP": "1"}
    language = {"lang": track.language} if track.language else {}
    adaptation = ET.SubElement(period, "AdaptationSet", {"id": str(number), **group, **language})
    ET.SubElement(adaptation, "Label").text = track.label
    if track.hearing_impaired:
        ET.SubElement(adaptation, "Accessibility", {"schemeIdUri": PURPOSE, "value": "2"})
    role = "forced-subtitle" if track.forced else "caption" if track.hearing_impaired else "subtitle"
    ET.SubElement(adaptation, "Role", {"schemeIdUri": ROLE, "value": role})
    about = {"id": f"subtitles-{track.name}", "codecs": "wvtt", "bandwidth": str(title.extras.bits[track.name])}
    representation = ET.SubElement(adaptation, "Representation", about)
    _template(representation, track.folder, line.timescale, [b - a for a, b in pairwise(line.border_ticks)])


def _tiles(period: ET.Element, number: int, tiles: Tiles) -> None:
    """Sheets of thumbnails (DASH-IF IOP 6.2.6): size of a sheet, and its grid as an essential property."""
    about = {"id": str(number), "contentType": "image", "mimeType": "image/jpeg"}
    adaptation = ET.SubElement(period, "AdaptationSet", about)
    each = tiles.each * tiles.interval
    # In milliseconds, as the duration of the presentation: the last sheet ends there.
    times = {"timescale": "1000", "duration": str(int(each * 1000)), "startNumber": "0"}
    ET.SubElement(adaptation, "SegmentTemplate", {"media": f"{FOLDER}/$Number%05d$.jpg", **times})
    size = {"width": str(tiles.columns * tiles.width), "height": str(tiles.rows * tiles.height)}
    found = ET.SubElement(adaptation, "Representation", {"id": FOLDER, "bandwidth": str(tiles.bandwidth), **size})
    grid = {"schemeIdUri": "http://dashif.org/guidelines/thumbnail_tile", "value": f"{tiles.columns}x{tiles.rows}"}
    ET.SubElement(found, "EssentialProperty", grid)


def _source(audio: Rendition) -> int | None:
    return audio.audio.index if audio.audio else None


def _representation(parent: ET.Element, rendition: Rendition, about: dict[str, str], target: int) -> ET.Element:
    track = rendition.track
    codec, timescale = (track.codec, track.timescale) if track else ("", 1)
    name = rendition.path.replace("/", "-")
    element = ET.SubElement(
        parent,
        "Representation",
        {"id": name, "codecs": codec, "bandwidth": str(peak_bandwidth(rendition, target)), **about},
    )
    _template(element, rendition.path, timescale, [segment.fragment.duration for segment in rendition.segments])
    return element


def _template(element: ET.Element, path: str, timescale: int, durations: Iterable[int]) -> None:
    template = {
        "timescale": str(timescale),
        "initialization": f"{path}/{INIT}",
        "media": f"{path}/$Number%05d$.m4s",
        "startNumber": "0",
    }
    timeline = ET.SubElement(ET.SubElement(element, "SegmentTemplate", template), "SegmentTimeline")
    for duration, run in groupby(durations):
        count = len(list(run))
        ET.SubElement(timeline, "S", {"d": str(duration), **({"r": str(count - 1)} if count > 1 else {})})


def _duration(seconds: Fraction) -> str:
    # Milliseconds up: a player that stops at the stated end stops after the last frame.
    thousandths = -int(-seconds * 1000 // 1)
    return f"PT{thousandths // 1000}.{thousandths % 1000:03d}S"
