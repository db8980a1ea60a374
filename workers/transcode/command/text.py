"""The subtitles: one process reads the input once and writes each track as WebVTT."""

from collections.abc import Sequence

from workers.transcode.captions import TextTrack
from workers.transcode.command.common import Job, care, ffmpeg, given


def extract_text(
    tracks: Sequence[TextTrack], job: Job, most: int, charset: str | None = None, *, tolerant: bool = False
) -> list[str]:
    """Each track to a file of at most about `most` bytes, its times on the input's clock.

    FFmpeg takes text for UTF-8, and that it is not is an error; `charset` is what it is read as instead.
    """
    outputs = [
        flag
        for track in tracks
        for flag in (
            *("-map", f"0:{track.index}", "-c:s", "webvtt", "-map_metadata", "-1", "-fs", str(most)),
            *("-avoid_negative_ts", "disabled", "-f", "webvtt", f"file:{job.scratch}/{track.name}.vtt"),
        )
    ]
    encoding = ["-sub_charenc", charset] if charset else []
    head = [*ffmpeg(job.progress_fd), *care(tolerant=tolerant), "-copyts", "-vn", "-an"]
    return [*head, *encoding, *given(job.source), *outputs]
