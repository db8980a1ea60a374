"""A look over a damaged input before a tolerant encode: each stream is decoded once, and what is lost of it is told."""

from fractions import Fraction
from functools import partial
from typing import Final, Literal

from msgspec.structs import replace

from narwhal_operator.contract.outcome import Reason, WorkError
from workers.transcode import command, runner
from workers.transcode.damage import Damage, Holes, Span, found
from workers.transcode.inputfile import InputFile
from workers.transcode.plan import Plan
from workers.transcode.walk import lines

IRREGULAR: Final = Fraction(1)
"""Seconds between two frames of a variable rate that are a hole."""


async def survey(plan: Plan, given: InputFile, threads: int) -> Plan:
    """The plan with the damage of its streams. A track of which nothing decodes is left out.

    A seek could end in the damage, so a damaged film is always decoded from its start. Raises WorkError(InputDamaged)
    where nothing of the film decodes.
    """
    damages: list[Damage] = []
    dead: set[int] = set()
    for stream, kind, holes in _streams(plan):
        damage, lives = await _look(plan, given, (stream, kind), holes, threads)
        damages += [damage] if damage else []
        if not lives:
            dead.add(stream)
    audio = tuple(track for track in plan.audio if track.index not in dead)
    if plan.video and plan.video.index in dead:
        message = (
            f"Nothing of stream {plan.video.index} (video) of {given.name} decodes; fetch or export the file again."
        )
        raise WorkError(Reason.INPUT_DAMAGED, message)
    if plan.video is None and not audio:
        raise WorkError(Reason.INPUT_DAMAGED, f"Nothing of {given.name} decodes; fetch or export the file again.")
    return replace(plan, audio=audio, damage=tuple(damages), seekable=plan.seekable and not damages)


def _streams(plan: Plan) -> list[tuple[int, Literal["video", "audio"], Holes]]:
    """The streams that are encoded, and what a hole in them is."""
    sounds = sorted({track.index for track in plan.audio})
    heard: list[tuple[int, Literal["video", "audio"], Holes]]
    heard = [(index, "audio", Holes(None, Fraction(1, 100))) for index in sounds]
    scan, video = plan.info.scan, plan.video
    if video is None:
        return heard
    rate = scan.average_rate(video.time_base) if scan else None
    usual = 1 / rate if rate else 1 / plan.timeline.rate
    patience = max(IRREGULAR, 4 * usual) if scan and scan.variable else usual / 2
    return [(video.index, "video", Holes(usual, patience)), *heard]


async def _look(
    plan: Plan, given: InputFile, which: tuple[int, Literal["video", "audio"]], holes: Holes, threads: int
) -> tuple[Damage | None, bool]:
    """The damage of one stream, and whether anything of it decodes."""
    stream, kind = which
    argv = partial(command.survey, given.source, stream, threads)
    ended = await runner.ask(argv, fds=[given.fd], on_output=lines(holes.line))
    complained = bool(ended.tail.strip()) or ended.code != 0
    span = plan.info.spans.get(stream, Span(holes.first or Fraction(0), holes.end or Fraction(0)))
    return found(stream, kind, holes, span, complained=complained), holes.frames > 0
