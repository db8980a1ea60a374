"""What an input may be at most, and how long things may take: every bound of this worker, in one place."""

from typing import Final

DEMUXERS: Final = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,mpegts,avi,flv,"
    # Containers of sound alone.
    "ogg,mp3,wav,flac,aac"
)
"""Demuxers FFmpeg may use. The control that matters: a playlist named .mp4 opens other files without it
(CVE-2016-1897, CVE-2023-6601 and their kin)."""

MAX_PIXELS: Final = 8192 * 4320
"""Pixels of a frame: 8K. A 200 KB file of 8192x8192 takes half a gigabyte without this bound."""
MAX_STREAMS: Final = 64
MAX_DURATION_SECONDS: Final = 24 * 3600
MAX_RATE: Final = 60
"""Frames per second of a rung (HLS Authoring Specification for Apple Devices 1.19)."""

PROBE_SECONDS: Final = 30.0
"""Wall clock of one ffprobe; a playlist that lists itself would hold it for ever."""
SCAN_BYTES_PER_SECOND: Final = 4 * 1024 * 1024
"""The slowest disk a scan of all packets is given time for, besides PROBE_SECONDS."""
PROBE_OUTPUT: Final = 4 * 1024 * 1024
"""Bytes of ffprobe's JSON that are read."""
STALL_SECONDS: Final = 120.0
"""FFmpeg is killed when its progress says nothing new for this long."""
ADDRESS_SPACE: Final = 32 * 1024**3
"""RLIMIT_AS of FFmpeg: a backstop behind the pod's memory limit, wide because x264's threads reserve a lot."""
PROBE_ADDRESS_SPACE: Final = 2 * 1024**3
FILE_SIZE: Final = 4 * 1024**3
"""RLIMIT_FSIZE: no segment is larger."""
STDERR_TAIL: Final = 16 * 1024
"""Bytes of FFmpeg's last words that are kept as evidence."""
SEGMENT_HEAD: Final = 64 * 1024
"""Bytes at the start of a segment that are parsed: styp, sidx, moof and the first sample's NAL headers. 600 samples
(10 s at 60 fps) take 10 KiB."""
WAITING_BYTES: Final = 1024**3
"""Finished segments on scratch that wait for the store; beyond it FFmpeg is stopped until half of them are gone."""
SPARE_BYTES: Final = 64 * 1024**2
"""With less room than this on the disk FFmpeg is stopped while any wait: more than it writes between two looks."""
SUBTITLE_BYTES: Final = 16 * 1024**2
"""Bytes of a subtitle track as one file; a long film's has a hundredth of it."""
SUBTITLE_SEGMENTS_BYTES: Final = 128 * 1024**2
"""Bytes of its segments: a cue stands in each one it is shown in."""
UPLOADS: Final = 4
"""Segments that are stored at once."""
STORE_READS: Final = 8
"""Objects that are read at once."""
