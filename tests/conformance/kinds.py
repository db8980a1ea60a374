"""The legal kinds: how each is made, and what must come out of it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

from tests.integration.transcode.studio import AAC, X264, picture, tone

FILM_NTSC, NTSC = "24000/1001", "30000/1001"
VFR: Final = "select='not(eq(mod(n,7),3))*not(eq(mod(n,11),5))'"
RUNGS: Final[dict[str, Any]] = {"renditions": [{"name": "high", "height": 90}, {"name": "low", "height": 48}]}
ZERO: Final = Fraction(0)
REORDERED: Final = 2
"""Frames of a segment from which on there are B frames."""
FAST: Final = ("-preset", "ultrafast")
LIBX265: Final = ("-c:v", "libx265", *FAST, "-x265-params")
DEEP: Final = ("-vf", "format=yuv420p10le", *LIBX265)
HDR: Final = "log-level=none:colorprim=bt2020:colormatrix=bt2020nc:transfer="
TWICE: Final = ("-map", "0:v", "-map", "1:a", "-map", "1:a")


@dataclass(frozen=True, slots=True)
class Kind:
    """A legal input: arguments that make it (a list of lists: one after the other, `{0}` is the file before)."""

    name: str
    made: Sequence[Sequence[str | Path]]
    frames: int
    rate: Fraction
    file: str = "in.mp4"
    note: str = ""
    """Words that the plan's notes have."""
    sound: bool = True
    pictures: bool = True
    """Whether there is video; frames and rate are those of packets of sound otherwise."""
    size: tuple[int, int] = (160, 90)
    """Of the top rung."""
    spec: dict[str, Any] = field(default_factory=dict)
    """What differs from RUNGS in HLS and DASH with segments of a second."""
    key: str = ""
    """The content key in hex, where it is encrypted; its id is KID."""
    unplayed: dict[str, str] = field(default_factory=dict)
    """Players of the browser that cannot play it, and why; all others must."""

    @property
    def manifests(self) -> list[str]:
        """Manifests that are written."""
        return list(self.spec.get("packaging", {}).get("manifests", ["HLS", "DASH"]))

    @property
    def origin(self) -> Fraction:
        """The first time stamp in the segments, in seconds."""
        return Fraction(10 if self.spec.get("packaging", {}).get("segmentFormat") == "ts" else 0)

    @property
    def ahead(self) -> Fraction:
        """Seconds that hls.js puts the first picture of a transport stream at: its zero is where decoding begins."""
        return (
            2 / self.rate
            if self.origin and self.pictures and self.rate > REORDERED and self.frames > REORDERED
            else ZERO
        )

    @property
    def seconds(self) -> float:
        """How long it plays."""
        return float(self.frames / self.rate)


def kind(name: str, frames: int, *parts: Sequence[str], rate: str = "25", **more: Any) -> Kind:
    """A kind that one FFmpeg makes."""
    flat = [argument for part in parts for argument in part]
    return Kind(name, [flat], frames, Fraction(rate), **more)


def copied(name: str, frames: int, first: Sequence[str], then: Sequence[str], **more: Any) -> Kind:
    """A kind made of another file, an MP4, without encoding again."""
    return Kind(name, [list(first), [*then, "-c", "copy"]], frames, Fraction(25), **more)


def silent(name: str, frames: int, *parts: Sequence[str], **more: Any) -> Kind:
    """A kind without audio."""
    return kind(name, frames, *parts, sound=False, **more)


BOTH: Final = (*picture(), *tone(), *X264, *AAC)
LONG_SOUND: Final = ("-c:a", "aac")

RATES: Final = [
    silent("12", 36, picture(rate="12", seconds=3), X264, rate="12"),
    silent("24", 72, picture(rate="24", seconds=3), X264, rate="24", note="no audio"),
    kind("25", 80, BOTH),
    kind("30", 90, picture(rate="30", seconds=3), tone(3), X264, AAC, rate="30"),
    kind("50", 125, picture(rate="50", seconds=2.5), tone(), X264, AAC, rate="50"),
    kind("film-ntsc", 72, picture(rate=FILM_NTSC, seconds=3.003), tone(), X264, AAC, rate=FILM_NTSC),
    kind("ntsc", 90, picture(rate=NTSC, seconds=3.003), tone(), X264, AAC, rate=NTSC),
    kind("60", 150, picture(rate="60", seconds=2.5), tone(), X264, AAC, rate="60"),
    kind("ntsc-60", 150, picture(rate="60000/1001", seconds=2.5), tone(), X264, AAC, rate="60000/1001"),
    silent("120", 120, picture(rate="120", seconds=2), X264, rate="60", note="lowered to 60"),
    kind("slideshow", 6, picture(rate="1", seconds=6), tone(6), X264, AAC, rate="1"),
    silent("slow-slideshow", 4, picture(rate="1/5", seconds=20), X264, rate="1/5", file="in.mkv"),
    kind("a-still-with-sound", 12, picture(rate="1/12", seconds=12), tone(12), X264, LONG_SOUND, rate="1", note="shown again"),
    silent("variable-rate", 120, picture(rate="30", seconds=4), X264, ("-vf", VFR, "-fps_mode", "vfr"), rate="30", note="variable frame rate"),
]  # fmt: skip
LENGTHS: Final = [
    silent("one-frame", 1, picture(seconds=0.04), X264),
    kind("one-frame-with-sound", 1, picture(seconds=0.04), tone(0.04), X264, LONG_SOUND, unplayed={"hls": "hls.js 1.7 never ends the stream of a title of one fragment of 40 ms with audio apart"}),
    silent("two-frames", 2, picture(seconds=0.08), X264),
    silent("three-frames", 3, picture(seconds=0.12), X264),
    kind("under-a-segment", 10, picture(seconds=0.4), tone(0.4), X264, AAC),
    kind("sound-shorter", 80, picture(), tone(1.5), X264, LONG_SOUND),
    kind("sound-longer", 80, picture(), tone(5), X264, LONG_SOUND),
    kind("sound-late", 80, picture(), ("-itsoffset", "1.5"), tone(1.7), X264, LONG_SOUND, file="in.mkv"),
    kind("late-start", 80, BOTH, ("-output_ts_offset", "7.3"), file="in.mkv", note="moved to 0"),
    copied("edit-list", 50, (*picture(seconds=4), *X264, "-g", "100"), ("-ss", "2", "-i", "{0}"), sound=False, note="hides 50 frames"),
]  # fmt: skip
CONTAINERS: Final = [
    kind("matroska", 72, picture(rate=FILM_NTSC, seconds=3.003), tone(), X264, AAC, file="in.mkv", rate=FILM_NTSC),
    kind("webm", 80, picture(), tone(), ("-c:v", "libvpx", "-deadline", "realtime", "-c:a", "libopus"), file="in.webm"),
    kind("vp9-opus", 80, picture(), tone(), ("-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8", "-c:a", "libopus"), file="in.mkv"),
    kind("transport-stream", 80, BOTH, file="in.ts", note="moved to 0"),
    kind("transport-stream-ntsc", 90, picture(rate=NTSC, seconds=3.003), tone(), X264, AAC, file="in.ts", rate=NTSC, note="moved to 0"),
    kind("flash-video", 80, picture(), tone(), X264, LONG_SOUND, file="in.flv"),
    kind("avi", 81, picture(), tone(), ("-c:v", "mpeg4", "-c:a", "libmp3lame"), file="in.avi"),  # its second packet is empty: the first frame is shown twice
    kind("avi-mjpeg", 80, picture(), tone(), ("-c:v", "mjpeg", "-c:a", "pcm_s16le"), file="in.avi"),
    kind("prores", 80, picture(), tone(), ("-c:v", "prores_ks", "-c:a", "pcm_s24le"), file="in.mov", note="reduced to 8 bits"),
    kind("fragmented", 81, BOTH, ("-movflags", "frag_keyframe+empty_moov")),  # FFmpeg gives the first frame 61 ms
    copied("cover-art", 80, BOTH, ("-i", "{0}", "-i", "{cover}", "-map", "0", "-map", "1", "-disposition:v:1", "attached_pic")),
]  # fmt: skip
PICTURES: Final = [
    silent("b-frames", 80, picture(), X264, ("-preset", "fast", "-bf", "3", "-g", "50")),
    silent("open-gop", 80, picture(), X264, ("-preset", "fast", "-g", "20", "-x264-params", "open-gop=1"), file="in.mkv"),
    silent("odd-size", 80, picture(), ("-vf", "scale=161:91", "-c:v", "libx264", *FAST, "-pix_fmt", "yuv444p"), note="odd size"),
    kind("portrait", 80, picture("90x160"), tone(), X264, AAC, size=(90, 160)),
    silent("square", 80, picture("120x120"), X264, size=(90, 90)),
    silent("anamorphic", 80, picture(), X264, ("-vf", "setsar=4/3"), note="scaled to square pixels", size=(212, 90)),
    copied("rotated", 80, BOTH, ("-i", "{0}", "-metadata:s:v", "rotate=90"), note="turned upright", size=(90, 160)),
    silent("interlaced-top-first", 80, picture(rate="50"), X264, ("-vf", "scale=160:96,tinterlace=4", "-flags", "+ilme+ildct"), note="interlaced: deinterlaced"),
    kind("interlaced-mpeg2", 80, picture(rate="50"), tone(), ("-vf", "scale=160:96,tinterlace=5,setfield=bff", "-c:v", "mpeg2video", "-flags", "+ilme+ildct", "-c:a", "mp2"), file="in.ts", note="interlaced: deinterlaced"),
    silent("ten-bit", 80, picture(), ("-c:v", "libx264", *FAST, "-pix_fmt", "yuv420p10le"), note="reduced to 8 bits"),
    silent("yuv-444", 80, picture(), ("-c:v", "libx264", *FAST, "-pix_fmt", "yuv444p")),
    silent("full-range", 80, picture(), ("-c:v", "libx264", *FAST, "-pix_fmt", "yuvj420p")),
    silent("hevc", 80, picture(), LIBX265, ("log-level=none",)),
    silent("hevc-ten-bit", 80, picture(), DEEP, ("log-level=none",), note="reduced to 8 bits"),
    silent("hdr10", 80, picture(), DEEP, (HDR + "smpte2084",), note="tone-mapped"),
    silent("hlg", 80, picture(), DEEP, (HDR + "arib-std-b67",), note="tone-mapped"),
]  # fmt: skip
SOUNDS: Final = [
    kind("mono", 80, picture(), tone(layout="mono"), X264, AAC),
    kind("surround", 80, picture(), tone(layout="5.1"), X264, AAC, note="6 channels"),
    kind("sound-44100", 80, BOTH, ("-ar", "44100")),
    kind("sound-22050-mono-mp3", 80, BOTH, ("-c:a", "libmp3lame", "-ar", "22050", "-ac", "1"), file="in.mkv"),
    kind("silence", 80, picture(), ("-f", "lavfi", "-i", "anullsrc=r=48000:d=3.2"), X264, AAC),
    kind("two-languages", 80, picture(), tone(), TWICE, ("-metadata:s:a:0", "language=eng", "-metadata:s:a:1", "language=deu"), X264, AAC),
]  # fmt: skip
NO_HEVC: Final = dict.fromkeys(("hls", "dash"), "Debian's Chromium decodes no HEVC; FFmpeg's readers do")
SUBTITLES: Final = "1\n00:00:00,500 --> 00:00:01,500\nHello\n\n2\n00:00:02,000 --> 00:00:03,000\nGoodbye\n"


def rungs(codec: str) -> dict[str, Any]:
    """The ladder in another codec."""
    return {"renditions": [{**rendition, "codec": codec} for rendition in RUNGS["renditions"]]}


ALONE: Final = [
    kind("sound-flac", 150, tone(), ("-c:a", "flac"), rate="375/8", file="in.flac", pictures=False, note="no video"),
    kind("sound-mp3-to-opus", 162, tone(), ("-c:a", "libmp3lame"), rate="50", file="in.mp3", pictures=False, spec={"audio": {"codec": "opus", "bitrates": ["96k", "32k"]}}),
]  # fmt: skip
"""Sound alone."""
WISHES: Final = [
    kind("to-hevc", 80, BOTH, spec={"ladder": rungs("hevc")}, unplayed=NO_HEVC),
    kind("to-av1", 80, BOTH, spec={"ladder": rungs("av1")}),
    kind("to-opus", 80, BOTH, spec={"audio": {"codec": "opus"}}),
    kind("to-both-5.1-and-stereo", 80, picture(), tone(layout="5.1"), X264, AAC, spec={"audio": {"channels": "Source"}}),
    kind("with-loudness", 80, BOTH, spec={"audio": {"loudness": {"target": -16}}}),
    kind("with-thumbnails", 80, BOTH, spec={"thumbnails": {"interval": "1s"}}),
    copied("with-damage", 80, BOTH, ("-i", "{0}", "-bsf:v", "noise=amount=if(between(n\\,30\\,36)\\,40\\,0)"), file="in.ts", spec={"onDamage": "Tolerate"}, note="damage tolerated in stream 0 (video)"),
    kind("with-subtitles", 80, picture(), tone(), ("-i", "{subtitles}"), X264, LONG_SOUND, ("-c:s", "srt", "-metadata:s:s:0", "language=eng"), file="in.mkv", spec={"subtitles": {"mode": "WebVTT"}}),
]  # fmt: skip
"""What is asked for besides the ladder and the manifests."""
IN_TS: Final = {"packaging": {"segmentDuration": "1s", "segmentFormat": "ts", "manifests": ["HLS"]}}
NO_DASH: Final = {"dash": "DASH players play no transport streams"}


def streamed(name: str, frames: int, *parts: Sequence[str], **more: Any) -> Kind:
    """A kind in transport streams."""
    spec = {**more.pop("spec", {}), **IN_TS}
    return kind(f"ts-{name}", frames, *parts, spec=spec, unplayed=NO_DASH | more.pop("unplayed", {}), **more)


STREAMED: Final = [
    streamed("plain", 80, BOTH),
    streamed("ntsc-b-frames-late-start", 90, picture(rate=NTSC, seconds=3.003), tone(), X264, ("-preset", "fast", "-bf", "3"), AAC, ("-output_ts_offset", "7.3"), rate=NTSC, file="in.mkv", note="moved to 0"),
    streamed("film-ntsc-two-languages-subtitles", 72, picture(rate=FILM_NTSC, seconds=3.003), tone(3.003), ("-i", "{subtitles}"), TWICE, ("-map", "2:s", "-metadata:s:a:0", "language=eng", "-metadata:s:a:1", "language=deu"), X264, LONG_SOUND, ("-c:s", "srt"), rate=FILM_NTSC, file="in.mkv", spec={"subtitles": {"mode": "WebVTT"}}),
    streamed("surround-thumbnails", 80, picture(), tone(layout="5.1"), X264, AAC, spec={"audio": {"channels": "Source"}, "thumbnails": {"interval": "1s"}}),
    streamed("silence", 80, picture(), ("-f", "lavfi", "-i", "anullsrc=r=48000:d=3.2"), X264, AAC),
    streamed("one-frame", 1, picture(seconds=0.04), X264, sound=False, unplayed={"hls": "nothing says how long a single picture is: hls.js takes 33 ms"}),
    streamed("slideshow", 6, picture(rate="1", seconds=6), tone(6), X264, AAC, rate="1"),
    streamed("sound", 150, tone(), ("-c:a", "flac"), rate="375/8", file="in.flac", pictures=False, note="no video"),
]  # fmt: skip
"""In MPEG-2 transport streams."""
KINDS: Final = [*RATES, *LENGTHS, *CONTAINERS, *PICTURES, *SOUNDS, *ALONE, *WISHES, *STREAMED]

KID: Final = "00112233445566778899aabbccddeeff"


def encrypted(method: str, manifests: Sequence[str], **more: Any) -> Kind:
    """A kind that is encrypted."""
    wish = {"method": method, "keysFrom": {"secretRef": {"name": "film-keys"}}, "keyUri": "/keys/{kid}"}
    packaging = {"segmentDuration": "1s", "manifests": manifests, "encryption": wish}
    packaging |= more.pop("packaging", {})
    name = f"encrypted-{method.lower()}{'-ts' if 'segmentFormat' in packaging else ''}"
    return kind(name, 80, BOTH, spec={"packaging": packaging}, note="encrypted", **more)


_BY_SYSTEMS: Final = "hls.js decrypts samples by a DRM system, not with a key it is given"
ENCRYPTED: Final = [
    encrypted("AES-128", ["HLS"], key="5f1d9c3ab27e84460fd1c2b3a4958677", unplayed={"dash": "DASH players know no AES-128"}),
    encrypted("AES-128", ["HLS"], key="5f1d9c3ab27e84460fd1c2b3a4958677", packaging={"segmentFormat": "ts"}, unplayed=NO_DASH),
    encrypted("cbcs", ["HLS", "DASH"], key="6f1d9c3ab27e84460fd1c2b3a4958677", unplayed={"hls": _BY_SYSTEMS}),
    encrypted("cenc", ["HLS", "DASH"], key="7f1d9c3ab27e84460fd1c2b3a4958677", unplayed={"hls": _BY_SYSTEMS}),
]  # fmt: skip
"""Encrypted packages, which only readers with the key can play."""
