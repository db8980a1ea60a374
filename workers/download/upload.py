"""A multipart upload, part by part as the bytes come, and a note of it that lets others clean up.

Parts go out while the next is filled, so that the source and the store work at the same time. A file no larger than
one part is one request. The note is written before the upload is started and names it afterwards: whatever moment the
process is killed at, a later attempt or the sweep finds what is left.
"""

import json
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final

from narwhal_operator.contract.naming import digest_of
from narwhal_operator.contract.outcome import Reason, WorkError
from workers.common.store import PRIVATE, ObjectInfo, ObjectStore, PartInfo
from workers.download.digest import Digests
from workers.download.rules import Source
from workers.download.sink import Target

MIB: Final = 1024 * 1024
PARTS: Final = 10_000
"""Parts an upload may have, in S3."""
PART_BYTES: Final = 8 * MIB
GROWS_AFTER: Final = 1500
MOST_BYTES: Final = 128 * MIB
IN_FLIGHT: Final = 3
"""Parts on their way at once; with the one being filled they bound the memory."""
NOTES: Final = f"{PRIVATE}/uploads/"


def part_bytes(number: int, length: int | None) -> int:
    """Bytes of part `number` (from 1): equal ones when the length is known, growing ones when it is not.

    Equal parts are what every S3 takes. With an unknown length the 10,000 parts hold 670 GiB.
    """
    if length is not None:
        needed = -(-length // (PARTS - 1))
        return max(PART_BYTES, -(-needed // MIB) * MIB)
    return min(MOST_BYTES, PART_BYTES << min(8, (number - 1) // GROWS_AFTER))


class Upload:
    """The bytes of one object of an S3 store, until they are the object."""

    def __init__(self, store: ObjectStore, target: Target, digests: Digests) -> None:
        self.have = 0
        self.source: Source | None = None
        self.content_type = ""
        self.digests = digests
        self._store = store
        self.target = target
        self._pool = ThreadPoolExecutor(IN_FLIGHT, thread_name_prefix="part")
        self._blocks: deque[memoryview] = deque()
        self._held = 0
        self._upload_id: str | None = None
        self._parts: list[Future[PartInfo]] = []

    def resume(self) -> None:
        """Clears what an earlier process left: the state of its digest is lost, so its parts are of no use."""
        abort_noted(self._store, self.target.bucket, self.target.key, self.target.uid)

    def begin(self, source: Source, content_type: str) -> None:
        """Gives up what was held and notes the new source."""
        self.discard()
        self.source, self.content_type = source, content_type

    def write(self, blocks: Sequence[bytes]) -> None:
        """Takes bytes; sends each part that is full, and waits when too many are on their way."""
        self.digests.update(blocks)
        for block in blocks:
            self._blocks.append(memoryview(block))
            self._held += len(block)
            self.have += len(block)
        # Not >=: the bytes that remain are the last part, or the whole object of one request.
        while self._held > self._size():
            self._send(self._size())

    def finish(self) -> ObjectInfo:
        """Makes the parts the object."""
        bucket, key = self.target.bucket, self.target.key
        if self._upload_id is None:
            metadata = {**self.target.metadata(), "narwhal-sha256": self.digests.sha256}
            return self._store.put(
                bucket, key, self._take(self._held), content_type=self.content_type, metadata=metadata
            )
        self._send(self._held)
        parts = [part.result() for part in self._parts]
        found = self._store.complete_upload(bucket, key, self._upload_id, parts)
        if found.size != self.have:
            raise WorkError(Reason.STORE_ERROR, f"{bucket}/{key} has {found.size} bytes in the store, not {self.have}.")
        self._upload_id = None
        self._store.delete(bucket, [note_key(self.target.uid, key)])
        return found

    def discard(self) -> None:
        """Aborts the upload, once its parts are no longer on their way."""
        for part in self._parts:
            part.cancel()
        for part in self._parts:
            if not part.cancelled():
                part.exception()  # waits; why it failed does not matter any more
        if self._upload_id is not None:
            self._store.abort_upload(self.target.bucket, self.target.key, self._upload_id)
            self._store.delete(self.target.bucket, [note_key(self.target.uid, self.target.key)])
        self._upload_id, self._parts = None, []
        self._blocks.clear()
        self._held = self.have = 0
        self.source = None
        self.digests.reset()

    def keep(self) -> None:
        """As remove: an upload cannot be gone on with yet."""
        self.discard()

    def remove(self) -> None:
        """Leaves no trace."""
        self.discard()

    def _size(self) -> int:
        return part_bytes(len(self._parts) + 1, self.source.length if self.source else None)

    def _send(self, count: int) -> None:
        """Hands the next `count` bytes to a thread. Raises what an earlier part failed with."""
        bucket, key = self.target.bucket, self.target.key
        number = len(self._parts) + 1
        if number > PARTS:
            raise WorkError(
                Reason.SOURCE_TOO_LARGE,
                f"{bucket}/{key}: {self.have} bytes of unknown length do not fit into {PARTS} parts.",
            )
        if len(self._parts) >= IN_FLIGHT:
            self._parts[-IN_FLIGHT].result()
        if self._upload_id is None:
            self._upload_id = self._start()
        data = self._take(count)
        self._parts.append(self._pool.submit(self._store.put_part, bucket, key, self._upload_id, number, data))

    def _start(self) -> str:
        bucket, key = self.target.bucket, self.target.key
        write_note(self._store, bucket, key, self.target.uid, None)
        found = self._store.start_upload(bucket, key, content_type=self.content_type, metadata=self.target.metadata())
        write_note(self._store, bucket, key, self.target.uid, found)
        return found

    def _take(self, count: int) -> bytes:
        """The next `count` of the bytes held, as one part."""
        taken: list[memoryview] = []
        left = count
        while left:
            block = self._blocks.popleft()
            if len(block) > left:
                self._blocks.appendleft(block[left:])
                block = block[:left]
            taken.append(block)
            left -= len(block)
        self._held -= count
        return b"".join(taken)


def note_key(uid: str, key: str) -> str:
    """Where the note of an upload is: one for each resource and key."""
    return f"{NOTES}{digest_of([uid, key], 32)}.json"


def write_note(store: ObjectStore, bucket: str, key: str, uid: str, upload_id: str | None) -> None:
    """Notes that an upload is about to start (None), or which it is."""
    text = json.dumps({"uid": uid, "key": key, "uploadId": upload_id}).encode()
    store.put(bucket, note_key(uid, key), text, content_type="application/json")


def abort_noted(store: ObjectStore, bucket: str, key: str, uid: str) -> bool:
    """Aborts what the note of this resource and key names, and removes the note; whether there was one.

    A note without a name is that of a process killed between the note and the upload, or right after: then uploads of
    the very key that are not older than the note and that no other note names are its.
    """
    name = note_key(uid, key)
    note = store.head(bucket, name)
    if note is None:
        return False
    upload_id = _noted(store, bucket, name)
    if upload_id is not None:
        store.abort_upload(bucket, key, upload_id)
    else:
        others = {_noted(store, bucket, item.key) for item in store.list(bucket, NOTES) if item.key != name}
        for upload in store.list_uploads(bucket, key):
            older = upload.started and note.last_modified and upload.started < note.last_modified
            if upload.key == key and not older and upload.upload_id not in others:
                store.abort_upload(bucket, key, upload.upload_id)
    store.delete(bucket, [name])
    return True


def _noted(store: ObjectStore, bucket: str, name: str) -> str | None:
    try:
        found = json.loads(store.read(bucket, name, 0, 64 * 1024))["uploadId"]
    except (ValueError, KeyError, TypeError):
        return None
    return found if isinstance(found, str) else None
