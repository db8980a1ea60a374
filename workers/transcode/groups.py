"""The audio as HLS groups it, and the variants that follow: RFC 8216 section 4.3.4. Pure."""

from collections.abc import Iterator

import msgspec

from workers.transcode.layout import MEDIA
from workers.transcode.rendition import Rendition, Title, average_bandwidth, peak_bandwidth


class Group(msgspec.Struct, frozen=True):
    """Renditions a player chooses one of: the same tracks in each group, in other encodings."""

    name: str
    members: tuple[Rendition, ...]


class Variant(msgspec.Struct, frozen=True):
    """A rung together with a group of audio; of a title of sound alone a rung of that."""

    video: Rendition
    group: Group | None

    @property
    def renditions(self) -> tuple[Rendition, ...]:
        """All that may play in it."""
        return (self.video, *(self.group.members if self.group else ()))

    def bandwidths(self, target: int) -> tuple[int, int]:
        """BANDWIDTH and AVERAGE-BANDWIDTH: the rung's own and the largest of the audio it is played with."""
        audios = self.group.members if self.group else ()
        peak = peak_bandwidth(self.video, target) + max((peak_bandwidth(audio, target) for audio in audios), default=0)
        average = average_bandwidth(self.video) + max((average_bandwidth(audio) for audio in audios), default=0)
        return peak, average

    def codecs(self) -> str:
        """CODECS, as the init segments have them (RFC 6381)."""
        found = [rendition.track.codec for rendition in self.renditions if rendition.track]
        return ",".join(dict.fromkeys(found))


def audio_groups(title: Title) -> tuple[Group, ...]:
    """The stereo renditions; where there is surround, a second group of the same tracks, each in surround if it has it.

    Every group must have the same members, of the same names (RFC 8216 section 4.3.4.2.1): a track without surround
    stands in both. Without video there is none: each rendition is a variant.
    """
    if not title.videos:
        return ()
    stereo = [audio for audio in title.audios if audio.audio and not audio.audio.surround]
    surround = {audio.audio.index: audio for audio in title.audios if audio.audio and audio.audio.surround}
    if not stereo:
        return ()
    groups = [Group("audio", tuple(stereo))]
    if surround:
        members = [surround.get(audio.audio.index, audio) for audio in stereo if audio.audio]
        groups.append(Group("surround", tuple(members)))
    return tuple(groups)


def variants(title: Title) -> tuple[Variant, ...]:
    """Each rung with each group; without video the sound itself, in each bit rate. Stereo is first: a player that looks no further, or knows no surround, plays that."""
    if not title.videos:
        return tuple(Variant(audio, None) for audio in title.audios)
    groups = audio_groups(title) or (None,)
    return tuple(Variant(video, group) for group in groups for video in title.videos)


def media_tags(root: str, group: Group) -> Iterator[str]:
    """EXT-X-MEDIA of each member; the first is the one that plays where nobody chooses."""
    for number, member in enumerate(group.members):
        track = member.audio
        if track is None:
            continue
        # A commentary is for who asks for it; what only differs by language may be chosen by the system's.
        automatic = number == 0 or track.role != "commentary"
        described = track.role == "description"
        fields = [
            "TYPE=AUDIO",
            f'GROUP-ID="{group.name}"',
            f'NAME="{track.label}"',
            *([f'LANGUAGE="{track.language}"'] if track.language else []),
            f"DEFAULT={'YES' if number == 0 else 'NO'}",
            f"AUTOSELECT={'YES' if automatic else 'NO'}",
            *(['CHARACTERISTICS="public.accessibility.describes-video"'] if described else []),
            f'CHANNELS="{member.track.channels if member.track else 0}"',
            f'URI="{root}/{member.path}/{MEDIA}"',
        ]
        yield f"#EXT-X-MEDIA:{','.join(fields)}"
