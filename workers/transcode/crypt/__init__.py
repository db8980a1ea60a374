"""Encryption of segments on their way to the store, and their opening on the way back: AES-128 of whole segments.

Segments are encoded clear and encrypted before they leave the pod. Initialization vectors are derived, never random: the
same work gives the same bytes, and no two plaintexts of one key share one.
"""

from workers.transcode.crypt.keys import Key, read_keys
from workers.transcode.crypt.seal import Seal, seal

__all__ = ["Key", "Seal", "read_keys", "seal"]
