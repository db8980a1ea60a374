"""Segments of MPEG-2 transport streams (RFC 8216 section 3.2), made of fragmented MP4 on the way to the store.

All is encoded as fragmented MP4, whatever is stored: ranges, resumes and pods are the same. A segment is one rendition alone,
H.264 or AAC, and depends on nothing but its own fragment and its number: whoever makes it, it joins its neighbours, in time
stamps and in continuity counters.
"""

from workers.transcode.transport.head import Ticks, as_stored, read_head
from workers.transcode.transport.mux import muxed
from workers.transcode.transport.times import ORIGIN, require

__all__ = ["ORIGIN", "Ticks", "as_stored", "muxed", "read_head", "require"]
