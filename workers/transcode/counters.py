"""What this worker counts, for /metrics."""

from typing import Final

from workers.common.metrics import Counter

SEGMENTS: Final = Counter("narwhal_transcode_stored_segments", "Segments encoded and stored.")
BYTES: Final = Counter("narwhal_transcode_stored_bytes", "Bytes of segments encoded and stored.")
REUSED: Final = Counter("narwhal_transcode_reused_segments", "Segments taken of earlier versions of the output.")
REUSED_BYTES: Final = Counter("narwhal_transcode_reused_bytes", "Bytes of segments taken of earlier versions.")
READ: Final = Counter("narwhal_transcode_input_bytes", "Bytes of the input read by range.")
