"""The planner over named inputs: sizes, rates, what is dropped, and every word the user reads."""

from fractions import Fraction
from typing import Any

import pytest
from msgspec.structs import replace

from narwhal_operator.contract.outcome import Reason, WorkError
from narwhal_operator.contract.transcode import TranscodeOptions
from tests.unit.transcode.inputs import STEREO, probed
from workers.transcode.ladder import plan
from workers.transcode.media import Audio, MediaInfo, Subtitle

STANDARD = ["1080p 1920x1080", "720p 1280x720", "480p 854x480", "360p 640x360"]
MOBILE: dict[str, Any] = {"ladder": {"preset": "h264-mobile"}}


def options(**given: Any) -> TranscodeOptions:
    return TranscodeOptions.model_validate(given)


def rungs(*heights: int) -> dict[str, Any]:
    return {"ladder": {"renditions": [{"name": f"{height}p", "height": height} for height in heights]}}


SIZES = [
    pytest.param("1920x1080", {}, {}, STANDARD, id="full-hd"),
    pytest.param("1280x720", {}, {}, STANDARD[1:], id="hd"),
    pytest.param("854x480", {}, {}, STANDARD[2:], id="sd-wide"),
    pytest.param("640x360", {}, {}, STANDARD[3:], id="exactly-the-lowest-rung"),
    pytest.param("3840x2160", {}, {}, STANDARD, id="uhd-gets-no-rung-of-its-own"),
    pytest.param("8192x4320", {}, {}, ["1080p 2048x1080", "720p 1366x720", "480p 910x480", "360p 682x360"], id="8k"),
    pytest.param("1080x1920", {}, {}, ["1080p 1080x1920", "720p 720x1280", "480p 480x854", "360p 360x640"], id="portrait"),
    pytest.param("1920x1080", {"rotation": 90}, {}, ["1080p 1080x1920", "720p 720x1280", "480p 480x854", "360p 360x640"], id="rotated-phone"),
    pytest.param("1920x1080", {"rotation": 270}, {}, ["1080p 1080x1920", "720p 720x1280", "480p 480x854", "360p 360x640"], id="rotated-the-other-way"),
    pytest.param("1280x720", {"rotation": 180}, {}, STANDARD[1:], id="upside-down"),
    pytest.param("720x720", {}, {}, ["720p 720x720", "480p 480x480", "360p 360x360"], id="square"),
    pytest.param("1920x800", {}, {}, ["720p 1728x720", "480p 1152x480", "360p 864x360"], id="scope-within-a-tenth-of-a-rung"),
    pytest.param("1920x816", {}, {}, ["816p 1920x816", "720p 1694x720", "480p 1130x480", "360p 848x360"], id="scope-keeps-its-size"),
    pytest.param("1918x1078", {}, {}, ["1078p 1918x1078", "720p 1282x720", "480p 854x480", "360p 640x360"], id="cropped-by-a-line"),
    pytest.param("1279x719", {}, {}, ["718p 1278x718", "480p 854x480", "360p 640x360"], id="odd-both-ways"),
    pytest.param("641x361", {}, {}, ["360p 640x360"], id="odd-by-one"),
    pytest.param("320x240", {}, {}, ["240p 320x240"], id="below-the-preset"),
    pytest.param("64x64", {}, {}, ["64p 64x64"], id="thumbnail"),
    pytest.param("3x3", {}, {}, ["2p 2x2"], id="three-pixels"),
    pytest.param("720x576", {"sample_aspect": Fraction(16, 15)}, {}, ["576p 768x576", "480p 640x480", "360p 480x360"], id="pal-dv"),
    pytest.param("720x576", {"sample_aspect": Fraction(64, 45)}, {}, ["576p 1024x576", "480p 854x480", "360p 640x360"], id="pal-wide"),
    pytest.param("720x480", {"sample_aspect": Fraction(8, 9)}, {}, ["480p 640x480", "360p 480x360"], id="ntsc-dv"),
    pytest.param("1440x1080", {"sample_aspect": Fraction(4, 3)}, {}, STANDARD, id="hdv"),
    pytest.param("1280x720", {"sample_aspect": Fraction(1, 100)}, {}, STANDARD[1:], id="absurd-aspect"),
    pytest.param("1280x720", {}, MOBILE, ["480p 854x480", "360p 640x360", "240p 426x240"], id="mobile"),
    pytest.param("426x240", {}, MOBILE, ["240p 426x240"], id="mobile-low"),
    pytest.param("1280x720", {}, rungs(2160, 720, 144), ["720p 1280x720", "144p 256x144"], id="explicit-drops-what-is-above"),
    pytest.param("1280x720", {}, rungs(144, 720), ["720p 1280x720", "144p 256x144"], id="explicit-in-any-order"),
    pytest.param("1280x720", {}, rungs(481), ["481p 854x480"], id="explicit-odd-lines"),
    pytest.param("1920x100", {}, rungs(100, 50), ["100p 1920x100", "50p 960x50"], id="banner"),
]  # fmt: skip


@pytest.mark.parametrize(("size", "video", "spec", "expected"), SIZES)
def test_rungs_keep_the_shape_and_upscale_nothing(
    size: str, video: dict[str, Any], spec: dict[str, Any], expected: list[str]
) -> None:
    """Each input gets the rungs that fit it: even, in shape, none above it."""
    made = plan(probed(size, **video), options(**spec))
    assert [f"{rung.name} {rung.width}x{rung.height}" for rung in made.rungs] == expected


RATES = [
    pytest.param("24000/1001", "24000/1001", 96, id="film-ntsc"),
    pytest.param("24", "24", 96, id="film"),
    pytest.param("25", "25", 100, id="pal"),
    pytest.param("30000/1001", "30000/1001", 120, id="ntsc"),
    pytest.param("30", "30", 120, id="30"),
    pytest.param("50", "50", 200, id="50"),
    pytest.param("60000/1001", "60000/1001", 240, id="59.94"),
    pytest.param("60", "60", 240, id="60"),
    pytest.param("120", "60", 240, id="120-is-halved"),
    pytest.param("240000/1001", "60000/1001", 240, id="239.76-is-a-quarter"),
    pytest.param("100", "50", 200, id="100-is-halved"),
    pytest.param("15", "15", 60, id="15"),
    pytest.param("1", "1", 4, id="slideshow"),
    pytest.param("1/10", "1/10", 1, id="a-frame-each-ten-seconds"),
    pytest.param("12500/1000", "25/2", 50, id="12.5"),
]


@pytest.mark.parametrize(("rate", "expected", "gop"), RATES)
def test_constant_rates_stay_as_they_are(rate: str, expected: str, gop: int) -> None:
    """A constant rate is kept exactly, up to 60; segments are whole frames."""
    made = plan(probed(rate=rate, seconds=60), options()).timeline
    assert (made.rate, made.gop) == (Fraction(expected), gop)
    assert made.frame_ticks * made.rate == made.timescale


@pytest.mark.parametrize(
    ("average", "nominal", "expected"),
    [
        pytest.param("29.8", "30", "30", id="phone-that-skips-frames"),
        pytest.param("27.3", "90000", "30000/1001", id="screen-recording"),
        pytest.param("23.1", "1000", "24000/1001", id="near-film"),
        pytest.param("7.5", "1000", "15/2", id="slow-camera"),
        pytest.param("55", "1000", "60000/1001", id="game-capture"),
        pytest.param("143", "1000", "143/3", id="fast-game-capture"),
    ],
)
def test_variable_rates_become_constant(average: str, nominal: str, expected: str) -> None:
    """Irregular frames get the next standard rate, and a note that says so."""
    given = probed(rate=average, seconds=60, variable=True, nominal_rate=Fraction(nominal))
    made = plan(given, options())
    assert made.timeline.rate == Fraction(expected)
    assert any(note.startswith("variable frame rate") for note in made.notes)


NOTES = [
    pytest.param(probed(), {}, [], id="nothing-to-say"),
    pytest.param(probed(field_order="tt"), {}, ["interlaced: deinterlaced"], id="interlaced"),
    pytest.param(probed(rotation=90), {}, ["rotated by 90 degrees: turned upright"], id="rotated"),
    pytest.param(probed(rate="120"), {}, ["120.000 frames per second: lowered to 60", "480p, 360p: every other frame, 30 per second"], id="fast"),
    pytest.param(probed(pixel_format="yuv420p10le"), {}, ["yuv420p10le: reduced to 8 bits (yuv420p)"], id="ten-bit"),
    pytest.param(probed(pixel_format="yuv422p12le"), {}, ["yuv422p12le: reduced to 8 bits (yuv420p)"], id="twelve-bit"),
    pytest.param(probed(pixel_format="yuva444p10le"), {}, ["yuva444p10le: reduced to 8 bits (yuv420p), its transparency is left out"], id="transparent"),
    pytest.param(replace(probed(), films=3), {}, ["3 video streams: stream 0 is used, the others are left out"], id="several-films"),
    pytest.param(probed(pixel_format="yuv420p10le", transfer="smpte2084"), {}, ["high dynamic range (smpte2084): tone-mapped to 8-bit standard range"], id="pq"),
    pytest.param(probed(pixel_format="yuv420p10le", transfer="arib-std-b67"), {}, ["high dynamic range (arib-std-b67): tone-mapped to 8-bit standard range"], id="hlg"),
    pytest.param(probed("719x479"), {"ladder": {"preset": "h264-mobile"}}, ["odd size 719x479: rounded to even"], id="odd"),
    pytest.param(probed("720x576", sample_aspect=Fraction(16, 15)), {}, ["sample aspect ratio 16:15: scaled to square pixels"], id="anamorphic"),
    pytest.param(probed(sample_aspect=Fraction(100)), {}, ["sample aspect ratio 100:1: taken for a mistake, pixels are treated as square"], id="absurd-aspect"),
    pytest.param(probed(start=1.48), {}, ["starts at 1.480 s: moved to 0"], id="late-start"),
    pytest.param(probed(start=0.021), {}, [], id="priming-is-no-late-start"),
    pytest.param(probed(hidden=12), {}, ["an edit list hides 12 frames: they are left out"], id="edit-list"),
    pytest.param(probed(audio=()), {}, ["no audio: video only"], id="silent"),
    pytest.param(probed(audio=(Audio(1, "ac3", 6),)), {}, ["audio: 6 channels are mixed down to stereo"], id="surround"),
    pytest.param(probed(audio=(Audio(1, "ac3", 8),)), {"audio": {"channels": "Source"}}, ["audio: 8 channels: 5.1, and mixed down to stereo beside it"], id="surround-kept"),
    pytest.param(probed(audio=(STEREO, Audio(2, "aac", 2, language="deu"))), {}, [], id="two-languages"),
    pytest.param(probed(audio=(STEREO, Audio(2, "aac", 2, language="deu"))), {"audio": {"languages": "de"}}, ["audio: 1 of 2 tracks are packaged; left out: unknown"], id="one-language-of-two"),
    pytest.param(probed(), {"audio": {"languages": "de"}}, ["audio: no track in de, the first is taken"], id="language-missing"),
    pytest.param(probed(), {"audio": {"loudness": {"target": -16}}}, [], id="loudness-is-measured-later"),
    pytest.param(probed(subtitles=(Subtitle(2, "mov_text"),)), {"subtitles": {"mode": "None"}}, ["subtitles: 1 tracks are left out, as spec.subtitles.mode says"], id="subtitles-dropped"),
    pytest.param(probed(subtitles=(Subtitle(2, "mov_text"),)), {"subtitles": {"mode": "WebVTT"}}, [], id="subtitles-packaged"),
    pytest.param(probed(subtitles=(Subtitle(2, "hdmv_pgs_subtitle", "eng"), Subtitle(3, "subrip"))), {}, ["subtitles: 1 tracks of pictures are lost (en hdmv_pgs_subtitle): give text tracks in their place"], id="subtitles-of-pictures"),
    pytest.param(probed(subtitles=(Subtitle(2, "subrip", "eng"), Subtitle(3, "subrip", "ger"))), {"subtitles": {"languages": "de"}}, ["subtitles: 1 tracks are left out (en subrip)"], id="subtitles-of-one-language"),
]  # fmt: skip


@pytest.mark.parametrize(("given", "spec", "expected"), NOTES)
def test_every_correction_and_omission_is_a_line(given: MediaInfo, spec: dict[str, Any], expected: list[str]) -> None:
    """What is not as the user may expect stands in the notes, and nothing else does."""
    assert list(plan(given, options(**spec)).notes) == expected


def test_a_dropped_rung_says_why() -> None:
    """A rung above the input is dropped with its reason."""
    made = plan(probed("1280x720"), options())
    assert made.dropped == ("1080p: 1080 lines are above the input's 720; nothing is upscaled",)


def test_a_ladder_with_no_rung_left_is_an_error_that_says_the_mend() -> None:
    """All explicit rungs above the input: LadderEmpty, with the lines it takes."""
    with pytest.raises(WorkError) as caught:
        plan(probed("640x360"), options(**rungs(2160, 1080)))
    assert caught.value.reason is Reason.LADDER_EMPTY
    assert "Add a rendition of at most 360 lines" in caught.value.message


REFUSED = [
    pytest.param(MediaInfo("mov", 1, None, (STEREO,)), Reason.INPUT_DAMAGED, "no packet with a time", id="no-time"),
    pytest.param(MediaInfo("mov", 0, None), Reason.NO_VIDEO, "neither a video nor an audio stream", id="nothing"),
    pytest.param(probed("8192x8192"), Reason.INPUT_OVER_LIMITS, "8192x8192", id="pixel-bomb"),
    pytest.param(probed(audio=(STEREO,) * 64), Reason.INPUT_OVER_LIMITS, "65 streams", id="many-streams"),
    pytest.param(probed(rate="1", seconds=90_000), Reason.INPUT_OVER_LIMITS, "90000 s", id="too-long"),
    pytest.param(probed(codec="unknown"), Reason.NOT_SUPPORTED, "not known", id="unknown-codec"),
    pytest.param(probed("0x0"), Reason.INPUT_DAMAGED, "no frame", id="no-size"),
]


@pytest.mark.parametrize(("given", "reason", "words"), REFUSED)
def test_what_cannot_be_planned_is_refused_with_its_reason(given: MediaInfo, reason: Reason, words: str) -> None:
    """Limits are looked at before anything is planned, and the message names the one that is passed."""
    with pytest.raises(WorkError, match=words) as caught:
        plan(given, options())
    assert caught.value.reason is reason


def test_fast_video_gets_half_as_many_bits_again() -> None:
    """Caps of a preset are 1.5 times above 30 frames per second."""
    slow, fast = (plan(probed(rate=rate), options()).rungs[0].max_bitrate for rate in ("30", "60"))
    assert (slow, fast) == (5_000_000, 7_500_000)


def test_explicit_rungs_take_their_own_caps_and_factors() -> None:
    """The maxBitrate and crf of a rendition are what is encoded; without a cap there is none."""
    spec = {"renditions": [{"name": "a", "height": 360, "maxBitrate": "1.5M", "crf": 20}, {"name": "b", "height": 240}]}
    made = plan(probed(), options(ladder=spec))
    assert [(rung.name, rung.crf, rung.max_bitrate) for rung in made.rungs] == [("a", 20, 1_500_000), ("b", 23, None)]


def test_fields_of_interlaced_video_are_not_counted_as_frames() -> None:
    """Interlaced packets at 59.94 are fields: 29.97 frames come out."""
    made = plan(probed(rate="60000/1001", field_order="tt"), options())
    assert (made.timeline.rate, made.deinterlace) == (Fraction(30000, 1001), True)


def test_sound_lasts_as_long_as_the_picture() -> None:
    """The packets of a track are the nearest number to the video's duration."""
    made = plan(probed(seconds=5.28), options())
    assert made.audio[0].packets == round(5.28 * 48_000 / 1024)


def test_a_mono_track_stays_mono_with_half_the_bits() -> None:
    """One channel is not made two."""
    track = plan(probed(audio=(Audio(1, "aac", 1),)), options()).audio[0]
    assert (track.channels, track.bitrate) == (1, 64_000)


def test_the_wished_language_is_chosen_and_tagged() -> None:
    """`languages: de,en` finds the track that the file calls deu; its name is the BCP 47 tag."""
    tracks = (Audio(1, "aac", 2, language="eng", default=True), Audio(2, "aac", 2, language="ger"))
    track = plan(probed(audio=tracks), options(audio={"languages": "de,en"})).audio[0]
    assert (track.index, track.name, track.language) == (2, "de", "de")


def test_only_containers_with_an_index_are_sought_in() -> None:
    """MP4 and Matroska find their key frames; a transport stream is decoded from its start."""
    assert plan(probed(container="matroska,webm"), options()).seekable
    assert not plan(probed(container="mpegts"), options()).seekable


def test_the_summary_fits_the_status() -> None:
    """The contract's plan holds sizes as shown, frames, segments, rungs, notes."""
    summary = plan(probed("1920x1080", "30000/1001", 10.01, rotation=90), options()).summary()
    assert (summary.width, summary.height, summary.frames, summary.segments) == (1080, 1920, 300, 3)
    assert (summary.frame_rate, summary.segment_seconds, summary.audio_tracks) == ("30000/1001", 4.004, 1)
