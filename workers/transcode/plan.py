"""The internal plan of one transcode: what is encoded, exactly. Values only; the contract's TranscodePlan is its summary."""

from collections.abc import Sequence
from fractions import Fraction
from typing import Final, Literal

import msgspec

from narwhal_operator.contract.base import clip
from narwhal_operator.contract.ladder import Codec
from narwhal_operator.contract.transcode import AudioPlan, RungPlan, TranscodePlan
from workers.transcode.captions import TextTrack
from workers.transcode.chapters import Chapter
from workers.transcode.colour import Colour, DynamicRange
from workers.transcode.damage import Damage, note
from workers.transcode.media import About, MediaInfo, Role, Video
from workers.transcode.rates import Timeline

AUDIO_RATE: Final = 48_000
AAC_FRAME: Final = 1024
"""Samples of an AAC-LC packet, and of the encoder's priming."""
OPUS_FRAME: Final = 960
"""Samples of an Opus packet of 20 ms."""
OPUS_PRIMING: Final = 312
"""Samples libopus's output is late by at 48 kHz (its OpusHead's pre-skip, RFC 7845 section 4.2)."""
AudioCodec = Literal["aac", "opus"]
NOTE_LENGTH: Final = 256
DROPPED_LENGTH: Final = 128
NOTES: Final = 20
TRACKS: Final = 6
"""Renditions of audio, and of subtitles, that the status lists; it says how many there are."""


class Rung(msgspec.Struct, frozen=True):
    """One rendition of the video. Even sizes, square pixels; bit rates in bits per second."""

    name: str
    width: int
    height: int
    crf: int
    max_bitrate: int | None = None
    codec: Codec = "h264"
    halved: bool = False
    """Every other frame of the plan's timeline."""
    dynamic_range: DynamicRange = "SDR"


class AudioTrack(msgspec.Struct, frozen=True):
    """One rendition of the audio at 48 kHz. `label` is what a player's menu shows."""

    name: str
    index: int
    channels: int
    bitrate: int
    packets: int
    language: str | None = None
    label: str = "Audio"
    codec: AudioCodec = "aac"
    role: Role = "main"
    downmix: bool = False
    """Whether a surround source is mixed down to it."""

    @property
    def frame(self) -> int:
        """Samples of a packet."""
        return AAC_FRAME if self.codec == "aac" else OPUS_FRAME

    @property
    def priming(self) -> int:
        """Samples the decoder gives before the first that was encoded."""
        return AAC_FRAME if self.codec == "aac" else OPUS_PRIMING

    @property
    def surround(self) -> bool:
        """More than stereo."""
        return self.channels > 2

    @property
    def samples(self) -> int:
        """Samples of the whole, as its packets have them."""
        return self.packets * self.frame

    def first_packet(self, segment: int, segment_duration: Fraction) -> int:
        """The first packet of a segment: the first that starts when the video's segment does, or after."""
        return -(-(segment * segment_duration * AUDIO_RATE) // self.frame)

    def segments(self, segment_duration: Fraction) -> int:
        """Segments of the track."""
        per = segment_duration * AUDIO_RATE / self.frame
        return int((self.packets - 1) // per) + 1


class Mark(msgspec.Struct, frozen=True):
    """A watermark: a PNG on scratch, at the size it is laid on the upright frames, and its place; margins in pixels."""

    path: str
    position: str
    across: int = 0
    down: int = 0


class Plan(msgspec.Struct, frozen=True):
    """All that is to be done, and why."""

    info: MediaInfo
    video: Video | None
    """None: a title of sound alone. It has no rungs of video; its renditions of the audio are its rungs."""
    first_tick: int
    """The first frame's time in ticks of the video stream (of the sound without one): the output's zero."""
    timeline: Timeline
    """Of the video's frames; without video of the packets of the sound."""
    skipped: Fraction
    """Seconds of the input's film before the output's zero: what a clip leaves out."""
    rungs: tuple[Rung, ...]
    audio: tuple[AudioTrack, ...]
    deinterlace: bool
    colour: Colour
    """Of the rungs of standard range."""
    convert: bool
    """Whether a rung of standard range takes more than scaling: another matrix, a tone map."""
    seekable: bool
    """Whether the demuxer finds the key frame before a time; otherwise a tail is decoded from the start."""
    dropped: tuple[str, ...]
    notes: tuple[str, ...]
    subtitles: tuple[TextTrack, ...] = ()
    chapters: tuple[Chapter, ...] = ()
    about: About = msgspec.field(default_factory=About)
    loudness: float | None = None
    """LUFS the audio is brought to; None leaves it as it is."""
    watermark: Mark | None = None
    tolerant: bool = False
    """Whether what does not decode is concealed, and not an error."""
    damage: tuple[Damage, ...] = ()
    """What does not decode, where that is tolerated and was looked for."""

    @property
    def origin(self) -> Fraction:
        """The output's zero in seconds on the input's clock."""
        if self.video is None:
            return self.first_tick * self.info.time_bases[self.audio[0].index]
        return self.first_tick * self.video.time_base

    @property
    def picture(self) -> Video:
        """The video of a plan that has some, which is one that has rungs."""
        if self.video is None:
            raise ValueError("a title of sound alone has no pictures")
        return self.video

    @property
    def faults(self) -> list[str]:
        """The damage that is tolerated, in words."""
        return note(self.info.cut, self.damage) if self.tolerant else []

    def timeline_of(self, rung: Rung) -> Timeline:
        """The time of a rung: the plan's, or with every other frame."""
        return self.timeline.halved() if rung.halved else self.timeline

    def summary(self) -> TranscodePlan:
        """The plan as the status shows it."""
        line, video = self.timeline, self.video
        return TranscodePlan(
            width=max(1, video.display[0]) if video else None,
            height=max(1, video.display[1]) if video else None,
            frame_rate=f"{line.rate.numerator}/{line.rate.denominator}" if video else None,
            duration_seconds=float(line.duration),
            frames=line.frames if video else 0,
            video_codec=video.codec if video else None,
            audio_tracks=len({track.index for track in self.audio}),
            audio=[_audio(track) for track in self.audio[:TRACKS]],
            subtitles=[track.summary() for track in self.subtitles[:TRACKS]],
            chapters=len(self.chapters),
            segments=self.timeline.segments,
            segment_seconds=float(self.timeline.segment_duration),
            rungs=[_rung(rung, self.timeline_of(rung)) for rung in self.rungs],
            dropped=[clip(line, DROPPED_LENGTH) for line in self.dropped],
            notes=bounded([*self.faults, *self.notes]),
        )


def bounded(notes: Sequence[str]) -> list[str]:
    """The notes as the status takes them; a cut list says so."""
    kept = list(notes) if len(notes) <= NOTES else [*notes[: NOTES - 1], f"and {len(notes) - NOTES + 1} more"]
    return [clip(line, NOTE_LENGTH) for line in kept]


def _audio(track: AudioTrack) -> AudioPlan:
    return AudioPlan(
        name=track.name,
        title=clip(track.label, 48),
        language=track.language,
        role=track.role,
        codec=track.codec,
        channels=track.channels,
        bitrate=track.bitrate,
    )


def _rung(rung: Rung, line: Timeline) -> RungPlan:
    return RungPlan(
        name=rung.name,
        width=rung.width,
        height=rung.height,
        codec=rung.codec,
        frame_rate=f"{line.rate.numerator}/{line.rate.denominator}",
        dynamic_range=rung.dynamic_range,
        max_bitrate=rung.max_bitrate,
        crf=rung.crf,
    )
