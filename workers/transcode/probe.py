"""Finds out what an input is, by facts: lengths in the file, and what ffprobe lists of it, packet by packet.

Every refusal is decided here, before anything is encoded.
"""

import json
from collections.abc import Callable, Sequence
from fractions import Fraction
from functools import partial
from typing import Any, Final

from msgspec.structs import replace

from narwhal_operator.contract.outcome import Reason, WorkError
from workers.transcode import ffprobe, limits, runner
from workers.transcode.colour import HDR, Mastering
from workers.transcode.examine import admit
from workers.transcode.inputfile import InputFile
from workers.transcode.media import MediaInfo, Video, mastering, parse
from workers.transcode.probing import BOUNDS, Probing
from workers.transcode.scan import Scanner
from workers.transcode.walk import Listing, Walk, lines

SHORT_SECONDS: Final = Fraction(1)
SHORT_PART: Final = Fraction(1, 20)
"""A file whose packets end this much before its declared end was cut; less is how containers round."""
GUESSED: Final = frozenset({"mp3", "aac"})
"""Containers without a duration: FFmpeg guesses one by the bit rate of the first packets."""
ACCEPTED: Final = (
    "Give an MP4, MOV, Matroska, WebM, MPEG-TS, AVI or FLV file, or sound as M4A, MP3, FLAC, Ogg, WAV or AAC; playlists"
    " are refused."
)


async def examine(probing: Probing, *, tolerant: bool = False) -> MediaInfo:
    """What the input is, with its packets walked; of one that was cut, where that is tolerated, what is there. Raises WorkError with an Input* reason or NoVideo."""
    given = probing.given
    info, walk = await _list(probing)
    video = admit(info)
    if video and video.transfer in HDR and video.mastering is None:
        info = replace(info, video=replace(video, mastering=await _mastering(given, video.index)))
    cut = given.seen.cut or _short(info, video, walk)
    stream = video.index if video else info.audio[0].index
    if cut and not tolerant:
        raise _cut(given, f"{cut}; {walk.reach(info, stream)}")
    scan = walk.scanners.get(stream, Scanner()).result() if video else None
    return replace(info, scan=scan, spans=walk.spans(info), cut=cut)


def _cut(given: InputFile, how: str) -> WorkError:
    return WorkError(Reason.INPUT_TRUNCATED, f"{given.name} was cut: {how}. Fetch or export the file again.")


async def _list(probing: Probing) -> tuple[MediaInfo, Walk]:
    """Its header and its packets, of one ffprobe: to load FFmpeg's libraries takes longer than to walk over a clip."""
    given, found = probing.given, Listing()
    ended = await probing.end(lines(found.line, limits.PROBE_OUTPUT))
    if ended.stalled and found.walk.scanners:
        message = (
            f"Walking over the packets of {given.name} took over {probing.seconds:.0f} s; is the scratch volume slow?"
        )
        raise WorkError(Reason.NO_PROGRESS, message)
    info = _parsed(given, ended, found.header)
    if info is None:
        raise await _unreadable(given, ended)
    return info, found.walk


async def _unreadable(given: InputFile, ended: runner.Ended) -> WorkError:
    seen = given.seen
    if seen.cut:
        return _cut(given, seen.cut)
    if seen.container is None:
        return WorkError(Reason.INPUT_NOT_MEDIA, f"{given.name} is no media file that is accepted. {ACCEPTED}")
    await _refuse_large(given)
    return WorkError(
        Reason.INPUT_DAMAGED,
        f"{given.name} begins like {seen.container} but cannot be read; fetch or export the file again.",
        evidence=ended.tail,
    )


async def _mastering(given: InputFile, stream: int) -> Mastering | None:
    """What the first frame says of the light it was made for, where the container does not."""
    text = bytearray()

    def take(data: bytes) -> None:
        text.extend(data[: limits.PROBE_OUTPUT - len(text)])

    await runner.ask(lambda _: ffprobe.first_frame(given.source, stream), fds=[given.fd], bounds=BOUNDS, on_output=take)
    try:
        frames = json.loads(bytes(text)).get("frames", [])
        return mastering(frames[0]) if frames else None
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


async def _refuse_large(given: InputFile) -> None:
    """Whether the guard on pixels is what refused: asks without it, first without decoding, then in little memory."""
    for instead in (("-skip_frame", "all"), ("-threads", "1")):
        text = bytearray()

        def take(data: bytes, text: bytearray = text) -> None:
            text.extend(data[: limits.PROBE_OUTPUT - len(text)])

        argv = partial(_header, given, instead)
        ended = await runner.ask(argv, fds=[given.fd], bounds=BOUNDS, on_output=take)
        info = _parsed(given, ended, partial(json.loads, text))
        if info is not None and info.video is not None and info.video.width > 0:
            admit(info)
            return


def _header(given: InputFile, guard: Sequence[str], _: int) -> Sequence[str]:
    return ffprobe.header(given.source, *guard)


def _parsed(given: InputFile, ended: runner.Ended, found: Callable[[], Any]) -> MediaInfo | None:
    """What ffprobe told, where that is what it tells of a file that it can read."""
    if ended.code != 0:
        return None
    try:
        return replace(parse(found()), name=given.name)
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def _short(info: MediaInfo, video: Video | None, walk: Walk) -> str | None:
    """How the walk found less than is declared; None where it is all there."""
    # nb_frames is exact where the index is a table of samples; AVI counts empty chunks.
    if video and video.declared_frames and "mov" in info.container:
        packets = walk.scanners.get(video.index, Scanner()).packets
        if packets < video.declared_frames:
            return f"it has {packets} of {video.declared_frames} frames"
    if info.container in GUESSED:
        return None
    length = walk.length(info)
    if info.duration and info.duration - length > max(SHORT_SECONDS, info.duration * SHORT_PART):
        return f"it ends after {float(length):.1f} of {float(info.duration):.1f} s"
    return None
