"""What goes with the video of a TranscodingJob: audio, subtitles, thumbnails."""

from typing import Annotated, Final, Literal

from pydantic import Field

from narwhal_operator.contract.base import Bitrate, Contract, Span, lasting, matches

LANGUAGES_PATTERN: Final = r"^(all|[A-Za-z]{2,3}(-[A-Za-z0-9]{1,8})*(,[A-Za-z]{2,3}(-[A-Za-z0-9]{1,8})*)*)$"
_LANGUAGES: Final = matches(
    LANGUAGES_PATTERN, "must be all, or language tags (BCP 47) with commas and no blanks between, such as en,de"
)


class Loudness(Contract):
    """EBU R128 loudness normalisation."""

    target: float = Field(-16, ge=-70, le=-5, description="Integrated loudness in LUFS, such as -16.")


class Audio(Contract):
    """The audio renditions."""

    codec: Literal["aac"] = Field("aac", description="Audio codec.")
    bitrate: Bitrate = Field("128k", description="Bit rate of a stereo track.")
    languages: Annotated[str, Field(max_length=128), _LANGUAGES] = Field(
        "all", description="all, or the languages to take (BCP 47, comma-separated), such as en,de."
    )
    loudness: Loudness | None = Field(None, description="Loudness normalisation; absent leaves it as it is.")


class Subtitles(Contract):
    """What becomes of text subtitles."""

    mode: Literal["None", "WebVTT"] = Field("None", description="WebVTT packages text subtitles; None drops them.")


class Thumbnails(Contract):
    """Thumbnail sprites."""

    interval: Annotated[Span, lasting("1s", "10m")] = Field("10s", description="Time from one to the next; 1s to 10m.")
