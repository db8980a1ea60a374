"""Which audio becomes which renditions, and what is said about the rest. Pure."""

from collections.abc import Sequence
from typing import Final

from msgspec.structs import replace

from narwhal_operator.contract.base import bits_of
from narwhal_operator.contract.tracks import Audio as Wish
from workers.transcode.languages import name_of, speaks, tag, unique
from workers.transcode.media import Audio
from workers.transcode.plan import AUDIO_RATE, AudioCodec, AudioTrack
from workers.transcode.rates import Timeline

MOST: Final = 16
"""Tracks of an input that are packaged; each may become two renditions."""
SURROUND: Final = 6
"""Channels of a surround rendition: 5.1."""
SURROUND_FROM: Final = 5
"""Channels a source has at least to be called surround; of less nothing is behind the listener."""
SURROUND_BITS: Final = 3
"""Bits of 5.1 to those of stereo: its channels by three, for the bits of a coded pair do for front, back and centre."""
RATES: Final[dict[AudioCodec, tuple[str, ...]]] = {"aac": ("160k", "96k", "64k"), "opus": ("128k", "64k", "32k")}
"""Bit rates of the rungs of a title of sound alone, in stereo."""
ROLES: Final = {"commentary": "commentary", "description": "audio description"}


def choose(tracks: Sequence[Audio], languages: str) -> list[Audio]:
    """The tracks to package, the one to play first by itself at the head.

    All, or those in the wished languages in the order of the wish; where there is none, the one that plays by itself.
    """
    usual = sorted(tracks, key=lambda track: (track.role != "main", not track.default))
    if languages == "all":
        return usual[:MOST]
    wished = languages.split(",")
    found = [track for wish in wished for track in usual if speaks(track.language, wish)]
    return list(dict.fromkeys(found))[:MOST] or usual[:1]


def renditions(tracks: Sequence[Audio], wish: Wish, line: Timeline) -> tuple[AudioTrack, ...]:
    """The renditions of the audio: of each track the stereo one, then, where it is wished for and there, the surround."""
    stereo: list[AudioTrack] = []
    surround: list[AudioTrack] = []
    for track in choose(tracks, wish.languages):
        label = unique(_label(track), [made.label for made in stereo], "{} ({})")
        taken = [made.name for made in (*stereo, *surround)]
        name = unique(tag(track.language) or "main", taken)
        stereo.append(_track(track, name, label, min(track.channels, 2), wish, line))
        if wish.channels == "Source" and track.channels >= SURROUND_FROM:
            name = unique(f"{name}-surround", [*taken, name])
            surround.append(_track(track, name, label, SURROUND, wish, line))
    return (*stereo, *surround)


def ladder(track: Audio, wish: Wish, line: Timeline) -> tuple[AudioTrack, ...]:
    """The rungs of a title of sound alone: the same track in several bit rates, the highest first."""
    asked = {bits_of(rate) for rate in wish.bitrates or RATES[wish.codec]}
    channels = min(track.channels, 2)
    made = [
        _track(track, f"{bits // 1000}k", _label(track), channels, wish.model_copy(update={"bitrate": str(bits)}), line)
        for bits in sorted(asked, reverse=True)
    ]
    return tuple(replace(one, packets=line.frames) for one in made)


def _label(track: Audio) -> str:
    """What a menu shows: the file's own title, else the language's name."""
    if track.title:
        return track.title
    name = name_of(tag(track.language)) or "Audio"
    return f"{name} ({ROLES[track.role]})" if track.role in ROLES else name


def _track(track: Audio, name: str, label: str, channels: int, wish: Wish, line: Timeline) -> AudioTrack:
    bits = bits_of(wish.bitrate)
    made = AudioTrack(
        name=name,
        index=track.index,
        channels=channels,
        bitrate=bits * SURROUND_BITS if channels > 2 else bits if channels == 2 else max(32_000, bits // 2),
        packets=0,
        language=tag(track.language),
        label=label,
        codec=wish.codec,
        role=track.role,
        downmix=track.channels > 2 and channels == 2,
    )
    return replace(made, packets=max(2, round(line.duration * AUDIO_RATE / made.frame)))


def note_tracks(tracks: Sequence[Audio], wish: Wish) -> str | None:
    """What is done to the audio that is not as it was, or nothing."""
    if not tracks:
        return "no audio: video only"
    chosen = choose(tracks, wish.languages)
    parts = []
    wished = wish.languages.split(",")
    if wish.languages != "all" and not any(speaks(chosen[0].language, one) for one in wished):
        parts.append(f"no track in {wish.languages}, {tag(chosen[0].language) or 'the first'} is taken")
    others = [tag(track.language) or "unknown" for track in tracks if track not in chosen]
    if others:
        parts.append(f"{len(chosen)} of {len(tracks)} tracks are packaged; left out: {', '.join(others)[:96]}")
    many = max(track.channels for track in chosen)
    if many >= SURROUND_FROM and wish.channels == "Source":
        parts.append(f"{many} channels: 5.1, and mixed down to stereo beside it")
    elif many > 2:
        parts.append(f"{many} channels are mixed down to stereo")
    return f"audio: {'; '.join(parts)}" if parts else None
