"""A multipart upload, part by part as the bytes come, that a later process can go on with.

Parts go out while the next is filled, so that the source and the store work at the same time. A file no larger than
one part is one request. The claim (claim.py) notes which parts the store has acknowledged, in order, together with the
state of the digests at that very byte; a later process lists the parts, compares, and goes on after the last of them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Final

from narwhal_operator.contract.outcome import Reason, WorkError
from workers.common.log import log
from workers.common.store import ObjectInfo, ObjectStore
from workers.download import hashes
from workers.download.claim import Claim, TakenOver, abort_noted
from workers.download.digest import Digests
from workers.download.flight import Acknowledged, Flight
from workers.download.note import Chain, Held, Note
from workers.download.rules import Source
from workers.download.sink import Target

MIB: Final = 1024 * 1024
PARTS: Final = 10_000
"""Parts an upload may have, in S3."""
LEAST_BYTES: Final = 5 * MIB
"""The least an S3 takes for a part that is not the last."""
PART_BYTES: Final = 8 * MIB
SMALL_PARTS: Final = 256
"""Parts that a file is made of at least, within these bounds: what a kill loses, some parts, is little of the file."""
GROWS_AFTER: Final = 1500
MOST_BYTES: Final = 128 * MIB
KEEP_SECONDS: Final = 3.0
"""How long a process that is told to stop waits for parts on their way."""


def part_bytes(number: int, length: int | None) -> int:
    """Bytes of part `number` (from 1): equal ones when the length is known, growing ones when it is not.

    Equal parts are what every S3 takes. With an unknown length the 10,000 parts hold 670 GiB.
    """
    if length is not None:
        needed = -(-length // (PARTS - 1))
        small = max(LEAST_BYTES, min(PART_BYTES, length // SMALL_PARTS))
        return max(small, -(-needed // MIB) * MIB)
    return min(MOST_BYTES, PART_BYTES << min(8, (number - 1) // GROWS_AFTER))


class Upload:
    """The bytes of one object of an S3 store, until they are the object."""

    def __init__(self, store: ObjectStore, target: Target, digests: Digests) -> None:
        self.target = target
        self.have = 0
        self.source: Source | None = None
        self.content_type = ""
        self.digests = digests
        self._store = store
        self._own = target
        self._claim = Claim(store, target)
        self._flight = Flight(self._acknowledge)
        self._blocks: list[bytes] = []
        self._filled = 0
        self._upload_id: str | None = None

    def resume(self) -> None:
        """Goes on with what an earlier process uploaded if the store has it as noted; aborts it if not."""
        if not hashes.available():
            log("warning", "digests cannot be kept here: a download to S3 that is interrupted starts anew")
        note = self._claim.found()
        if note is not None and not self._take_over(note):
            abort_noted(self._store, self.target)

    def begin(self, source: Source, content_type: str) -> None:
        """Gives up what was held and notes the new source."""
        self.discard()
        self.source, self.content_type = source, content_type

    def write(self, blocks: Sequence[bytes]) -> None:
        """Takes bytes; sends each part that is full, and waits when too many are on their way."""
        for block in blocks:
            rest = block
            while rest:
                # Not when it is full but when more follows: what remains is the last part, or an object of one request.
                if self._filled == self._size():
                    self._send()
                room = self._size() - self._filled
                taken, rest = (rest, b"") if len(rest) <= room else (rest[:room], rest[room:])
                self.digests.update([taken])
                self._blocks.append(taken)
                self._filled += len(taken)
                self.have += len(taken)
        self._claim.poll()

    def seal(self) -> None:
        """Sends the last part and waits for all. Raises TakenOver when a later attempt is at work or has made it."""
        if self._upload_id is not None:
            if self._filled:
                self._send()
            self._flight.all()
        self._claim.confirm()
        made = self._store.head(self.target.bucket, self.target.key)
        if made is not None and _attempt(made.metadata, self.target.uid) > self.target.attempt:
            raise TakenOver(self.target)

    def finish(self) -> ObjectInfo:
        """Makes the parts the object."""
        bucket, key = self.target.bucket, self.target.key
        if self._upload_id is None:
            metadata = {**self.target.metadata(), "narwhal-sha256": self.digests.sha256}
            return self._store.put(bucket, key, self._take(), content_type=self.content_type, metadata=metadata)
        parts = self._flight.all()
        self._claim.confirm()
        found = self._store.complete_upload(bucket, key, self._upload_id, parts)
        if found.size != self.have:
            raise WorkError(Reason.STORE_ERROR, f"{bucket}/{key} has {found.size} bytes in the store, not {self.have}.")
        self._upload_id = None
        self._claim.remove()
        return found

    def discard(self) -> None:
        """Aborts the upload, once its parts are no longer on their way; not one that another process has taken over."""
        self._flight.stop()
        if self._upload_id is not None and self._claim.holds():
            self._store.abort_upload(self.target.bucket, self.target.key, self._upload_id)
        self._claim.remove()
        self._upload_id, self._flight = None, Flight(self._acknowledge)
        self._blocks.clear()
        self._filled = self.have = 0
        self.source, self.target = None, self._own
        self.digests.reset()

    def keep(self) -> None:
        """Notes what the store has; what a later process could not go on from is aborted."""
        if self._upload_id is None or self.source is None or not self.source.resumable or not hashes.available():
            self.discard()
        elif self._claim.holds():
            self._flight.settle(KEEP_SECONDS)
            self._claim.settle()

    def remove(self) -> None:
        """Leaves no trace."""
        self.discard()

    def _take_over(self, note: Note) -> bool:
        """Whether the store lists the parts that were noted, and the digests can go on; then this process does."""
        held = note.held
        if held is None or note.upload_id is None or not held.source.resumable:
            return False
        parts = self._store.list_parts(self.target.bucket, self.target.key, note.upload_id)[: held.parts]
        sizes = [part_bytes(number, held.source.length) for number in range(1, held.parts + 1)]
        same = [part.size for part in parts] == sizes and sum(sizes) == held.count
        if not same or Chain(parts).value() != held.chain or not self.digests.restore(held.states):
            return False
        self._claim.take_over(note)
        self._upload_id, self._flight = note.upload_id, Flight(self._acknowledge, parts)
        self.have, self.source, self.content_type = held.count, held.source, held.content_type
        self.target = replace(self.target, transfer=note.transfer)
        return True

    def _acknowledge(self, done: Acknowledged) -> None:
        if self.source is not None and self.source.resumable:
            held = Held(self.source, self.content_type, done.parts, done.chain, done.count, done.states)
            self._claim.offer(held)

    def _size(self) -> int:
        return part_bytes(self._flight.next, self.source.length if self.source else None)

    def _send(self) -> None:
        """Hands what is filled to a thread. Raises what an earlier part failed with."""
        bucket, key = self.target.bucket, self.target.key
        number = self._flight.next
        if number > PARTS:
            raise WorkError(
                Reason.SOURCE_TOO_LARGE,
                f"{bucket}/{key}: {self.have} bytes of unknown length do not fit into {PARTS} parts.",
            )
        if self._upload_id is None:
            self._upload_id = self._start()
        self._flight.room(self._filled)
        put = partial(self._store.put_part, bucket, key, self._upload_id, number, self._take())
        self._flight.send(put, self.have, self.digests.states())

    def _start(self) -> str:
        self._claim.start()
        metadata = self.target.metadata()
        found = self._store.start_upload(
            self.target.bucket, self.target.key, content_type=self.content_type, metadata=metadata
        )
        self._claim.name(found)
        return found

    def _take(self) -> bytes:
        """What is filled, as one part."""
        taken = self._blocks[0] if len(self._blocks) == 1 else b"".join(self._blocks)
        self._blocks.clear()
        self._filled = 0
        return taken


def _attempt(metadata: Mapping[str, str], uid: str) -> int:
    """Which attempt of this resource made an object; 0 when another resource did, or it does not say."""
    text = metadata.get("narwhal-attempt", "")
    return int(text) if metadata.get("narwhal-uid") == uid and text.isascii() and text.isdigit() else 0
