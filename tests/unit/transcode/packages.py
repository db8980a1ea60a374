"""A package of two rungs and a track, as the worker writes it."""

from dataclasses import dataclass

from msgspec.structs import replace

from narwhal_operator.contract.transcode import TranscodeOptions
from tests.unit.transcode.fmp4 import aac_init, avc_init, segment
from tests.unit.transcode.inputs import probed
from workers.transcode import dash, package
from workers.transcode.ladder import plan
from workers.transcode.plan import Plan
from workers.transcode.rendition import Rendition, Stored, Title
from workers.verify.fragment import read_fragment
from workers.verify.init import read_init

ROOT = "v/0123456789abcdef"


def planned() -> Plan:
    """10 s at 25 frames per second: three segments, the last of 2 s."""
    spec = {"ladder": {"renditions": [{"name": "720p", "height": 720}, {"name": "360p", "height": 360}]}}
    return plan(probed("1280x720", "25", 10), TranscodeOptions.model_validate(spec))


@dataclass(frozen=True, slots=True)
class Written:
    """A title, and the texts that are written of it."""

    title: Title
    playlists: dict[str, str]
    """Media playlists by path."""
    pointers: package.Pointers


def good() -> Written:
    """A package in which all is right."""
    made = planned()
    found = Title(made, tuple(_video(made, number) for number in range(len(made.rungs))), (_audio(made),))
    return Written(
        title=found,
        playlists={f"{one.path}/media.m3u8": package.media_playlist(one, found.target) for one in found.renditions},
        pointers=package.Pointers(package.master_playlist(ROOT, found), dash.manifest(ROOT, found)),
    )


def _video(made: Plan, number: int) -> Rendition:
    rung, line = made.rungs[number], made.timeline
    init = avc_init(rung.width, rung.height, line.timescale)
    rendition = Rendition(rung.name, rung.name, rung=rung, init=init, track=read_init(init))
    for index in range(line.segments):
        frames = line.frames_of(index)
        data = segment(index * line.gop * line.frame_ticks, frames, line.frame_ticks)
        rendition.stored[index] = stored(index, data, size=(2000 - 1000 * number) * frames)
    return rendition


def _audio(made: Plan) -> Rendition:
    track = made.audio[0]
    init = aac_init(track.channels)
    rendition = Rendition(track.name, f"audio/{track.name}", audio=track, init=init, track=read_init(init))
    borders = [track.first_packet(index, made.timeline.segment_duration) for index in range(made.timeline.segments)]
    for index, (first, after) in enumerate(zip(borders, [*borders[1:], track.packets], strict=True)):
        rendition.stored[index] = stored(index, segment(first * 1024, after - first, 1024), size=350 * (after - first))
    return rendition


def stored(index: int, data: bytes, size: int) -> Stored:
    """A stored segment that claims to have that size."""
    return Stored(index, size, f"etag-{index}", replace(read_fragment(data), length=size), size)
