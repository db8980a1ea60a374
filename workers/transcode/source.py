"""Where ffprobe and FFmpeg read an input, and which doors are open to them."""

from collections.abc import Iterable
from typing import Final

import msgspec

from workers.transcode import limits

LOOPBACK: Final = "http://127.0.0.1:"
"""What an input that is read by range begins with (parallel/remote.py); no other host is ever named."""


class Source(msgspec.Struct, frozen=True):
    """Where FFmpeg reads: a path it takes literally, such as /dev/fd/7, or a URL of this process on the loopback."""

    path: str

    @property
    def url(self) -> str:
        """As FFmpeg is told it."""
        return self.path if self.remote else f"file:{self.path}"

    @property
    def remote(self) -> bool:
        """Whether it is read over HTTP."""
        return self.path.startswith(LOOPBACK)


def doors(source: Source) -> Iterable[str]:
    """What FFmpeg may open: files, or HTTP where the source is read so, in containers that name no other file."""
    return ("-protocol_whitelist", "http,tcp" if source.remote else "file", "-format_whitelist", limits.DEMUXERS)
