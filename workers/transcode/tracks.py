"""Which audio becomes a rendition, and what is said about the rest. Pure."""

from collections.abc import Sequence
from typing import Final

from workers.transcode.media import Audio

_CODES: Final = """
ara=ar ben=bn bul=bg cat=ca ces=cs cze=cs dan=da deu=de ger=de ell=el gre=el eng=en est=et fas=fa per=fa fin=fi fra=fr
fre=fr heb=he hin=hi hrv=hr hun=hu ind=id isl=is ice=is ita=it jpn=ja kor=ko lav=lv lit=lt msa=ms may=ms nld=nl dut=nl
nor=no pol=pl por=pt ron=ro rum=ro rus=ru slk=sk slo=sk slv=sl spa=es srp=sr swe=sv tam=ta tel=te tha=th tur=tr ukr=uk
urd=ur vie=vi zho=zh chi=zh
"""
TWO_LETTERS: Final[dict[str, str]] = dict(pair.split("=") for pair in _CODES.split())
"""ISO 639-2 codes, as media files have them, whose BCP 47 tag is the two-letter code (RFC 5646 section 2.2.1)."""


def tag(language: str | None) -> str | None:
    """The BCP 47 tag of a file's language code; None when the file says none."""
    return TWO_LETTERS.get(language.lower(), language) if language else None


def choose(tracks: Sequence[Audio], languages: str) -> Audio | None:
    """The track to package: the first in a wished language (by the order of the wish), else the default, else the first."""
    for wished in languages.split(",") if languages != "all" else []:
        for track in tracks:
            if _speaks(track, wished):
                return _tagged(track)
    preferred = sorted(tracks, key=lambda track: not track.default)
    return _tagged(preferred[0]) if preferred else None


def note_tracks(tracks: Sequence[Audio], languages: str) -> str | None:
    """What is done to the audio that is not as it was, or nothing."""
    chosen = choose(tracks, languages)
    if chosen is None:
        return "no audio: video only"
    parts = []
    if languages != "all" and not any(_speaks(chosen, wished) for wished in languages.split(",")):
        parts.append(f"no track in {languages}, {chosen.language or 'the first'} is taken")
    others = [tag(track.language) or "unknown" for track in tracks if track.index != chosen.index]
    if others:
        parts.append(f"{len(tracks)} tracks, this version packages one; left out: {', '.join(others)[:96]}")
    if chosen.channels > 2:
        parts.append(f"{chosen.channels} channels are mixed down to stereo")
    return f"audio: {'; '.join(parts)}" if parts else None


def _speaks(track: Audio, wished: str) -> bool:
    spoken, asked = (tag(track.language) or "").lower(), (tag(wished) or "").lower()
    return spoken == asked or spoken.startswith(f"{asked}-")


def _tagged(track: Audio) -> Audio:
    return Audio(track.index, track.codec, track.channels, track.sample_rate, tag(track.language), track.default)
