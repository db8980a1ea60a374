"""Named inputs and wishes, as the table of plans has them."""

from collections.abc import Iterator
from fractions import Fraction
from typing import Any, Final

from narwhal_operator.contract.outcome import WorkError
from narwhal_operator.contract.transcode import TranscodeOptions
from tests.unit.transcode.inputs import heard, probed
from workers.transcode.ladder import plan
from workers.transcode.media import Audio, MediaInfo
from workers.transcode.plan import Plan

PQ: Final[dict[str, Any]] = {
    "pixel_format": "yuv420p10le",
    "transfer": "smpte2084",
    "primaries": "bt2020",
    "matrix": "bt2020nc",
}
HLG: Final[dict[str, Any]] = {**PQ, "transfer": "arib-std-b67"}
WIDE: Final[dict[str, Any]] = {**PQ, "transfer": "bt2020-10"}
TAGGED: Final[dict[str, Any]] = {"primaries": "bt709", "transfer": "bt709", "matrix": "bt709"}


def preset(name: str) -> dict[str, Any]:
    return {"ladder": {"preset": name}}


def rungs(*given: dict[str, Any]) -> dict[str, Any]:
    return {"ladder": {"renditions": [{"name": f"r{number}", **one} for number, one in enumerate(given)]}}


HEVC, AV1, BOTH, MOBILE = (preset(name) for name in ("hevc-standard", "av1-standard", "hevc+h264", "h264-mobile"))

KINDS: Final[list[tuple[str, MediaInfo, dict[str, Any]]]] = [
    ("full-hd", probed(**TAGGED), {}),
    ("hd", probed("1280x720", "24"), {}),
    ("quarter-hd", probed("960x540", "25"), {}),
    ("sd-wide", probed("854x480", "25"), {}),
    ("lowest-rung", probed("640x360", "25"), {}),
    ("below-the-preset", probed("320x240", "15"), {}),
    ("thumbnail", probed("64x64", "25"), {}),
    ("two-pixels", probed("2x2", "25"), {}),
    ("odd-three", probed("3x3", "25"), {}),
    ("uhd", probed("3840x2160", "25"), {}),
    ("cinema-4k", probed("4096x2160", "24"), {}),
    ("eight-k", probed("7680x4320", "30"), {}),
    ("portrait", probed("1080x1920", "30"), {}),
    ("rotated-phone", probed("1920x1080", "30", rotation=90), {}),
    ("upside-down", probed("1280x720", "30", rotation=180), {}),
    ("square", probed("720x720", "30"), {}),
    ("scope", probed("1920x816", "24"), {}),
    ("scope-near-a-rung", probed("1920x800", "24"), {}),
    ("banner", probed("1920x100", "25"), {}),
    ("tower", probed("100x1920", "25"), {}),
    ("cropped-by-lines", probed("1918x1078", "25"), {}),
    ("odd-both-ways", probed("1279x719", "25"), {}),
    ("pal-dv", probed("720x576", "25", field_order="bb", sample_aspect=Fraction(16, 15)), {}),
    ("pal-wide", probed("720x576", "25", sample_aspect=Fraction(64, 45)), {}),
    ("ntsc-dv", probed("720x480", "30000/1001", field_order="bb", sample_aspect=Fraction(8, 9)), {}),
    ("hdv", probed("1440x1080", "25", field_order="tt", sample_aspect=Fraction(4, 3)), {}),
    ("absurd-aspect", probed("1280x720", "25", sample_aspect=Fraction(100)), {}),
    ("fields-as-packets", probed("1920x1080", "60000/1001", field_order="tt"), {}),
    ("film-ntsc", probed(rate="24000/1001"), {}),
    ("ntsc", probed(rate="30000/1001"), {}),
    ("pal-fast", probed(rate="50"), {}),
    ("ntsc-fast", probed(rate="60000/1001"), {}),
    ("48", probed(rate="48"), {}),
    ("120", probed(rate="120"), {}),
    ("fast-and-small", probed("640x480", "60"), {}),
    ("fast-mobile", probed(rate="60"), MOBILE),
    ("slideshow", probed(rate="1", seconds=60), {}),
    ("a-frame-each-ten-seconds", probed(rate="1/10", seconds=600), {}),
    ("a-still-for-an-hour", probed(rate="1/3600", seconds=3600), {}),
    ("one-frame", probed(rate="25", seconds=0.04), {}),
    ("screen-recording", probed(rate="27.3", seconds=60, variable=True, nominal_rate=Fraction(90_000)), {}),
    ("phone-that-skips", probed(rate="29.8", seconds=60, variable=True, nominal_rate=Fraction(30)), {}),
    ("late-start", probed(rate="25", start=1.48), {}),
    ("edit-list", probed(rate="25", hidden=12), {}),
    ("full-range", probed("1280x720", "25", full_range=True, pixel_format="yuvj420p"), {}),
    ("ten-bit", probed("1280x720", "25", pixel_format="yuv420p10le", **TAGGED), {}),
    ("prores", probed("1280x720", "25", codec="prores", pixel_format="yuv422p10le", **TAGGED), {}),
    ("yuv444", probed("1280x720", "25", pixel_format="yuv444p"), {}),
    ("rgb", probed("1280x720", "25", codec="rawvideo", pixel_format="gbrp", matrix="gbr"), {}),
    ("grey", probed("1280x720", "25", pixel_format="gray"), {}),
    ("wide-gamut", probed("1280x720", "25", **WIDE), {}),
    ("bt601", probed("720x576", "25", primaries="bt470bg", transfer="smpte170m", matrix="bt470bg"), {}),
    ("hdr10-h264", probed("1920x1080", "24", **PQ), {}),
    ("hdr10-hevc", probed("3840x2160", "24", **PQ), HEVC),
    ("hdr10-av1", probed("3840x2160", "24", **PQ), AV1),
    ("hdr10-both", probed("1920x1080", "24", **PQ), BOTH),
    ("hlg-both-fast", probed("1920x1080", "50", **HLG), BOTH),
    ("hdr10-odd", probed("1281x721", "24", **PQ), {}),
    ("hevc", probed("1920x1080", "25"), HEVC),
    ("hevc-between", probed("1600x900", "25"), HEVC),
    ("hevc-small", probed("320x180", "25"), HEVC),
    ("hevc-tiny", probed("8x8", "25"), HEVC),
    ("av1", probed("1920x1080", "25"), AV1),
    ("av1-fast", probed("3840x2160", "60"), AV1),
    ("av1-small", probed("160x90", "25"), AV1),
    ("av1-tiny", probed("80x60", "25"), AV1),
    ("av1-slow", probed("640x360", "1/5", seconds=100), AV1),
    ("both", probed("1920x1080", "25"), BOTH),
    ("both-between", probed("1600x900", "25"), BOTH),
    ("both-small", probed("320x180", "25"), BOTH),
    ("explicit", probed(rate="25"), rungs({"height": 720, "maxBitrate": "2M", "crf": 20}, {"height": 145})),
    ("explicit-above", probed("640x360", "25"), rungs({"height": 2160}, {"height": 1080})),
    ("explicit-some-above", probed("640x360", "25"), rungs({"height": 2160}, {"height": 144})),
    ("explicit-half", probed(rate="60"), rungs({"height": 1080}, {"height": 360, "frameRate": "Half"})),
    ("explicit-half-of-slow", probed(rate="25"), rungs({"height": 360, "frameRate": "Half"})),
    ("explicit-all-half", probed(rate="50"), rungs({"height": 360, "frameRate": "Half"})),
    ("explicit-av1-too-low", probed(rate="25"), rungs({"height": 48, "codec": "av1"}, {"height": 90, "codec": "av1"})),
    ("explicit-av1-only-too-low", probed(rate="25"), rungs({"height": 48, "codec": "av1"})),
    ("explicit-hdr-to-sdr", probed(rate="25", **PQ), rungs({"height": 720, "codec": "hevc", "dynamicRange": "SDR"})),
    ("explicit-mixed", probed(rate="25", **PQ), rungs({"height": 720, "codec": "av1"}, {"height": 720}, {"height": 360})),
    ("clip", probed(rate="30000/1001", seconds=60), {"clip": {"start": "10s", "duration": "5s"}}),
    ("clip-to-the-end", probed(rate="25", seconds=60, start=7.3), {"clip": {"start": "59.5s"}}),
    ("clip-longer-than-the-rest", probed(rate="50", seconds=60), {"clip": {"start": "58s", "duration": "1h"}}),
    ("clip-after-the-end", probed(rate="25", seconds=60), {"clip": {"start": "1m"}}),
    ("clip-of-a-frame", probed(rate="25", seconds=60), {"clip": {"duration": "1ms"}}),
    ("dolby-vision-5", probed(rate="24", **PQ, undisplayable="Dolby Vision profile 5: only Dolby's"), HEVC),
    ("neither-video-nor-sound", MediaInfo("mov", 1, None), {}),
    ("song", heard(Audio(0, "mp3", 2)), {}),
    ("song-mono-with-a-cover", heard(Audio(0, "mp3", 1), cover=1), {"thumbnails": {}}),
    ("song-opus", heard(Audio(0, "flac", 6)), {"audio": {"codec": "opus", "bitrates": ["48k", "96k", "48000"]}}),
    ("audiobook-in-part", heard(Audio(0, "aac", 2), seconds=7200), {"clip": {"start": "1h", "duration": "10m"}}),
    ("two-languages-of-sound", heard(Audio(0, "aac", 2, language="eng"), Audio(1, "aac", 2, language="deu")), {"audio": {"languages": "de"}, "quality": {"metric": "SSIM"}}),
    ("pixel-bomb", probed("8192x8192"), {}),
]  # fmt: skip


def described(given: MediaInfo, spec: dict[str, Any]) -> Iterator[str]:
    """The plan of an input in words, or its refusal."""
    try:
        made = plan(given, TranscodeOptions.model_validate(spec))
    except WorkError as error:
        yield f"{error.reason.value}: {error.message}"
        return
    line = made.timeline
    yield f"{line.rate} fps, {line.frames} frames, segments of {line.gop}"
    yield from (_rung(made, number) for number in range(len(made.rungs)))
    if not made.rungs:
        yield from (
            f"{one.name} {one.codec} stream {one.index} {one.channels} channels {one.bitrate}" for one in made.audio
        )
    yield from (f"dropped {words}" for words in made.dropped)
    yield from (f"note {words}" for words in made.notes)


def _rung(made: Plan, number: int) -> str:
    rung = made.rungs[number]
    cap = f" <= {rung.max_bitrate}" if rung.max_bitrate else ""
    rate = f" {made.timeline_of(rung).rate} fps" if rung.halved else ""
    light = "" if rung.dynamic_range == "SDR" else f" {rung.dynamic_range}"
    return f"{rung.name} {rung.codec} {rung.width}x{rung.height}{rate}{light} crf {rung.crf}{cap}"


def table() -> str:
    """All of them, as plans.txt has them."""
    parts = [f"{name}\n" + "".join(f"  {line}\n" for line in described(given, spec)) for name, given, spec in KINDS]
    return "\n".join(parts)
