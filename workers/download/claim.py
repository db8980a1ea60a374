"""The claim of one process to the upload of one object, kept as a note in the store.

Whatever moment a process is killed at, a later attempt or the sweep finds the note: it is written before the upload is
started, names it afterwards, and tells how much of it can be gone on from. It is written beside the stream, never in it.

Two processes may believe that the work is theirs (a node that was cut off goes on working). Before each note, before the
upload is completed and before anything is removed the note is read: a process that finds another of the same or a later
attempt in it gives up. Between that look and what follows it lies a moment; a completion that falls into it is one of
the same bytes, for both go on only from parts that their source's validators vouch for.
"""

import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import wait as wait_for
from dataclasses import replace
from typing import Final

from narwhal_operator.contract.naming import digest_of
from narwhal_operator.contract.outcome import Reason, WorkError
from workers.common.store import PRIVATE, ObjectStore
from workers.download.note import LIMIT, Held, Note, read_note
from workers.download.sink import Target

NOTES: Final = f"{PRIVATE}/uploads/"
NOTE_PARTS: Final = 2
NOTE_SECONDS: Final = 0.5
"""A note is written when so many parts have been acknowledged, or so long after the last one: what a kill loses of them."""
SETTLE_SECONDS: Final = 5.0


class TakenOver(WorkError):  # noqa: N818 - no error of ours: another process has the work
    """Another process goes on with the work of this one."""

    def __init__(self, target: Target) -> None:
        super().__init__(
            Reason.STORE_ERROR, f"Another process fetches {target.bucket}/{target.key} to this store; this one ends."
        )


class Claim:
    """The note of this process's upload. Each call may raise TakenOver, and WorkError of the store."""

    def __init__(self, store: ObjectStore, target: Target) -> None:
        self._store = store
        self._target = target
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="note")
        self._lock = threading.Lock()
        self._note = Note(target.uid, target.key, target.transfer, target.attempt, target.transfer)
        self._written = False
        self._lost = False
        self._news: Held | None = None
        self._told = (0, 0.0)
        self._writing: Future[None] | None = None

    def found(self) -> Note | None:
        """The note that an earlier process left. Raises TakenOver when a later attempt is at work."""
        note = found_note(self._store, self._target)
        if note is not None and note.attempt > self._target.attempt:
            self._lost = True
            raise TakenOver(self._target)
        return note

    def start(self) -> None:
        """Notes that an upload is about to start; what an earlier process had under way is removed."""
        if self._lost:
            raise TakenOver(self._target)
        note = self.found()
        if note is not None and note.holder != self._target.transfer:
            abort_noted(self._store, self._target)
        self._note = replace(self._note, transfer=self._target.transfer, upload_id=None, held=None)
        self._put()

    def name(self, upload_id: str) -> None:
        """Notes which upload it is."""
        self._note = replace(self._note, upload_id=upload_id)
        self._put()

    def take_over(self, note: Note) -> None:
        """Goes on with the upload of a note."""
        self._note = replace(note, holder=self._target.transfer, attempt=self._target.attempt)
        self._told = (note.held.parts if note.held else 0, time.monotonic())
        self._put()

    def offer(self, held: Held) -> None:
        """Has what is held now noted when it is time, in the background. Raises nothing: `poll` does."""
        with self._lock:
            self._news = held
            self._begin()

    def poll(self) -> None:
        """Starts a note that has become due. Raises what an earlier one failed with."""
        with self._lock:
            self._begin()
            failed = self._writing if self._writing is not None and self._writing.done() else None
        if failed is not None:
            failed.result()

    def settle(self) -> None:
        """Notes the last that was offered, now; what is being written is waited for first, however it ends."""
        with self._lock:
            writing = self._writing
        if writing is None or wait_for([writing], SETTLE_SECONDS).done:
            self._tell()

    def confirm(self) -> None:
        """Raises TakenOver unless the upload is still this process's."""
        note = found_note(self._store, self._target) if self._written and not self._lost else None
        mine = note is not None and (note.holder == self._target.transfer or note.attempt < self._target.attempt)
        # No note, though one was written: the sweep took it away, and the upload with it.
        self._lost = self._lost or (self._written and not mine)
        if self._lost:
            raise TakenOver(self._target)

    def holds(self) -> bool:
        """Whether the upload is still this process's."""
        try:
            self.confirm()
        except TakenOver:
            return False
        return True

    def remove(self) -> None:
        """Removes the note, when the upload it names is no more."""
        with self._lock:
            writing, self._writing, self._news = self._writing, None, None
        if writing is not None:
            writing.exception()  # waits: a note that is late would stay. Why it failed does not matter any more
        if self._written and not self._lost:
            self._store.delete(self._target.bucket, [note_key(self._target.uid, self._target.key)])
        self._written = False
        self._told = (0, 0.0)

    def _begin(self) -> None:
        """Starts a note if there is news and it is time; one that failed stays, for `poll` to raise."""
        if self._writing is not None and self._writing.done() and self._writing.exception() is None:
            self._writing = None
        parts, at = self._told
        late = time.monotonic() - at >= NOTE_SECONDS
        if self._writing is None and self._news is not None and (late or self._news.parts - parts >= NOTE_PARTS):
            self._writing = self._pool.submit(self._tell)

    def _tell(self) -> None:
        with self._lock:
            held = self._news
        if held is None:
            return
        self.confirm()
        self._note = replace(self._note, held=held)
        self._put()
        self._told = (held.parts, time.monotonic())
        with self._lock:
            self._news = None if self._news is held else self._news

    def _put(self) -> None:
        name = note_key(self._target.uid, self._target.key)
        self._store.put(self._target.bucket, name, self._note.text(), content_type="application/json")
        self._written = True


def note_key(uid: str, key: str) -> str:
    """Where the note of an upload is: one for each resource and key."""
    return f"{NOTES}{digest_of([uid, key], 32)}.json"


def found_note(store: ObjectStore, target: Target) -> Note | None:
    """The note of this resource and key; None when there is none."""
    return _read(store, target.bucket, note_key(target.uid, target.key), target)


def abort_noted(store: ObjectStore, target: Target) -> bool:
    """Aborts what the note of this resource and key names, and removes the note; whether there was one.

    A note without a name is that of a process killed between the note and the upload, or right after: then uploads of
    the very key that are not older than the note and that no other note names are its.
    """
    bucket, key, name = target.bucket, target.key, note_key(target.uid, target.key)
    note = found_note(store, target)
    if note is None:
        return False
    if note.upload_id is not None:
        store.abort_upload(bucket, key, note.upload_id)
    else:
        _abort_nameless(store, target, name)
    store.delete(bucket, [name])
    return True


def _abort_nameless(store: ObjectStore, target: Target, name: str) -> None:
    noted = store.head(target.bucket, name)
    others = [_read(store, target.bucket, item.key, target) for item in store.list(target.bucket, NOTES)]
    named = {note.upload_id for note in others if note is not None}
    for upload in store.list_uploads(target.bucket, target.key):
        older = noted and upload.started and noted.last_modified and upload.started < noted.last_modified
        if upload.key == target.key and not older and upload.upload_id not in named:
            store.abort_upload(target.bucket, target.key, upload.upload_id)


def _read(store: ObjectStore, bucket: str, name: str, target: Target) -> Note | None:
    try:
        return read_note(store.read(bucket, name, 0, LIMIT), target.uid, target.key)
    except WorkError as error:
        if error.reason is Reason.INPUT_NOT_FOUND:
            return None
        raise
