"""What goes with the video of a TranscodingJob: audio, subtitles, thumbnails."""

from typing import Annotated, Final, Literal

from narwhal_operator.contract.base import Bitrate, Span, lasting
from narwhal_operator.contract.model import Contract, Field
from narwhal_operator.contract.rules import matches

LANGUAGES_PATTERN: Final = r"^(all|[A-Za-z]{2,3}(-[A-Za-z0-9]{1,8})*(,[A-Za-z]{2,3}(-[A-Za-z0-9]{1,8})*)*)$"
_LANGUAGES: Final = matches(
    LANGUAGES_PATTERN, "must be all, or language tags (BCP 47) with commas and no blanks between, such as en,de"
)


TEXT_PATTERN: Final = r'^[^"\x00-\x1f\x7f]*$'
_PLAIN: Final = matches(TEXT_PATTERN, "must be one line without double quotes, which no playlist can carry")
PlainText = Annotated[str, Field(max_length=128), _PLAIN]
"""A text that stands in a playlist as it is (RFC 8216 section 4.2)."""


class Metadata(Contract):
    """What the film is called; an empty text says nothing."""

    title: PlainText | None = Field(None, description="Title for players to show; absent takes the input's.")
    artist: PlainText | None = Field(None, description="Artist or maker; absent takes the input's.")


class Loudness(Contract):
    """EBU R128 loudness normalisation."""

    target: float = Field(-16, ge=-70, le=-5, description="Integrated loudness in LUFS, such as -16.")


class Audio(Contract):
    """The audio renditions."""

    codec: Literal["aac", "opus"] = Field(
        "aac", description="Audio codec: aac plays everywhere; opus needs half the bits, and players of 2020 or later."
    )
    bitrate: Bitrate = Field(
        "128k", description="Bit rate of a stereo track; mono takes half, 5.1 three times as much."
    )
    bitrates: list[Bitrate] | None = Field(
        None,
        min_length=1,
        max_length=6,
        description="Of an input without video: the bit rates of its rungs in stereo; mono takes half. Absent means 160k,"
        " 96k, 64k for aac and 128k, 64k, 32k for opus.",
    )
    channels: Literal["Stereo", "Source"] = Field(
        "Stereo",
        description="Stereo mixes surround down. Source packages 5.1 beside the stereo mix, for tracks that have it.",
    )
    languages: Annotated[str, Field(max_length=128), _LANGUAGES] = Field(
        "all",
        description="all tracks (16 at most), or those in these languages, in this order (BCP 47), such as en,de.",
    )
    loudness: Loudness | None = Field(None, description="Loudness normalisation; absent leaves it as it is.")


class Subtitles(Contract):
    """What becomes of text subtitles."""

    mode: Literal["None", "WebVTT"] = Field("WebVTT", description="WebVTT packages text subtitles; None drops them.")
    languages: Annotated[str, Field(max_length=128), _LANGUAGES] = Field(
        "all",
        description="all tracks (32 at most), or those in these languages, in this order (BCP 47), such as en,de.",
    )


class Thumbnails(Contract):
    """A poster, and thumbnails on sheets (sprites)."""

    width: int = Field(320, ge=64, le=640, description="Pixels of a thumbnail's longer side.")
    interval: Annotated[Span, lasting("1s", "10m")] = Field("10s", description="Time from one to the next; 1s to 10m.")
