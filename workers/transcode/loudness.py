"""Loudness by EBU R128: what a measurement says, and what is done about it. Pure.

Two passes: the first measures, the second applies one gain to the whole track, so that nothing quiet is pulled up and nothing loud
pushed down against the rest. Only peaks that the gain would bring above -1.5 dBFS meet a limiter.
"""

import re
from collections.abc import Mapping
from typing import Final

from narwhal_operator.contract.transcode import LoudnessPlan

PEAK: Final = -1.5
"""dBFS that no sample is above: half a decibel below the -1 dBTP of EBU R128, for peaks between samples and of the codec."""
MOST: Final = 20.0
"""Decibels of gain at most; what needs more is noise or a mistake."""
SILENT: Final = -69.0
"""LUFS that are silence, or too little sound to judge: the gate of EBU R128 is at -70, over blocks of 400 ms."""
FAR: Final = 1.0
"""LU from the target that are said."""
_SUMMARY: Final = re.compile(
    r"\[(?P<name>[a-z0-9]+)@t(?P<track>\d{1,3}) @ [^\]]*\](?: \[\w+\])? Summary:.{1,200}?"
    r"I:\s+(?P<loudness>\S+) LUFS.{1,400}?Peak:\s+(?P<peak>\S+) dBFS",
    re.DOTALL,
)


def read(text: str) -> dict[int, tuple[float, float]]:
    """Integrated loudness in LUFS and true peak in dBFS of each track by its number, from FFmpeg's ebur128 filters.

    The last word counts: a filter that is set up anew says a summary of nothing first. A peak of silence is -99.
    """
    found = {}
    for match in _SUMMARY.finditer(text):
        peak = -99.0 if match["peak"] == "-inf" else float(match["peak"])
        found[int(match["track"])] = (float(match["loudness"]), peak)
    return found


def decide(loudness: float, peak: float, target: float) -> LoudnessPlan:
    """The gain for a track of that loudness and true peak; none for silence."""
    silent = loudness <= SILENT
    gain = 0.0 if silent else max(-MOST * 3, min(MOST, round(target - loudness, 1)))
    return LoudnessPlan(loudness=loudness, peak=peak, gain=gain, limited=not silent and gain > 0 and peak + gain > PEAK)


def resulting(plan: LoudnessPlan, loudness: float, peak: float) -> LoudnessPlan:
    """The same with what the second measurement found."""
    return plan.model_copy(update={"result_loudness": loudness, "result_peak": peak})


def chain(plan: LoudnessPlan | None) -> list[str]:
    """The filters that apply it."""
    if plan is None or plan.gain == 0:
        return []
    limiter = [f"alimiter=limit={10 ** (PEAK / 20):.4f}:level=false:latency=true"] if plan.limited else []
    return [f"volume={plan.gain:.1f}dB:precision=double", *limiter]


def notes(found: Mapping[str, LoudnessPlan], target: float) -> list[str]:
    """A line for each track that is not as loud as was asked for."""
    return [line for name, plan in found.items() if (line := _note(name, plan, target))]


def _note(name: str, plan: LoudnessPlan, target: float) -> str | None:
    if plan.loudness <= SILENT:
        return f"audio {name}: silent or shorter than 0.4 s; its loudness is left as it is"
    result = plan.loudness if plan.result_loudness is None else plan.result_loudness
    if abs(result - target) > FAR:
        why = f"the gain ends at {MOST:.0f} dB" if plan.gain >= MOST else "its peaks are limited"
        return f"audio {name}: {result:.1f} LUFS instead of {target:.1f}; {why}"
    return None
