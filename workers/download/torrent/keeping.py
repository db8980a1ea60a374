"""Keeping what has arrived while more arrives: a thread that stores pieces and publishes whole files.

The thread of the session decides when and takes the snapshot; the bytes are read after libtorrent has written them.
"""

import time
from collections.abc import Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final

from narwhal_operator.contract.outcome import TABLE, Class, WorkError
from workers.common.log import log
from workers.download.torrent.choice import Chosen
from workers.download.torrent.chunks import CHUNK_BYTES
from workers.download.torrent.layout import Layout, Span
from workers.download.torrent.publish import Publisher
from workers.download.torrent.record import Made
from workers.download.torrent.swarm import Swarm

KEEP_SECONDS: Final = 15.0
"""Longest time that what arrives slowly is kept nowhere but in the pod."""
RESUME_SECONDS: Final = 60.0
"""How often the counters of the swarm are stored."""
STEPS: Final = 50
"""What a kill may cost, as a part of the torrent: a chunk is due after so much of it, and at CHUNK_BYTES."""
AHEAD: Final = 25
LEAST_AHEAD: Final = 32 * 1024 * 1024
"""How far the swarm may be ahead of the store: a twenty-fifth of the torrent, or this. Then the swarm waits."""
PATIENCE_SECONDS: Final = 120.0
"""How long the swarm waits for a store that takes nothing."""


class Keeping:
    """The pieces that are kept, the files that are objects, and the work under way."""

    def __init__(
        self, swarm: Swarm, publisher: Publisher, layout: Layout, chosen: Sequence[Chosen], made: Iterable[Made]
    ) -> None:
        self._swarm = swarm
        self._publisher = publisher
        self._keep = publisher.keep
        self._layout = layout
        self._chosen = chosen
        self._made = {item.entry.key: item for item in made}
        self._kept: set[int] = set()
        total = sum(file.size for file in layout.files)
        self._step = min(CHUNK_BYTES, max(layout.piece_length, total // STEPS))
        self._ahead = max(LEAST_AHEAD, total // AHEAD)
        self._safe = self._asked = 0  # bytes that are stored, and that are when what is under way is
        self._failing: float | None = None
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="keep")
        self._job: Future[None] | None = None
        self._snapshot: Sequence[bool] | None = None
        self._done_before = 0
        self._at = self._resume_at = time.monotonic()
        self._not_before = 0.0

    def begin(self, done: int, have: Sequence[bool]) -> None:
        """Counts what is there at the start as kept: it came from where it is kept."""
        self._done_before = self._safe = done
        self._kept = {piece for piece, there in enumerate(have) if there}

    def step(self, done: int) -> None:
        """Goes on; `done` are the bytes that have arrived. Never waits. Raises WorkError of the store."""
        if self._keep.early:
            self._swarm.hold(done - self._safe > (self._ahead // 2 if self._swarm.held else self._ahead))
        if self._job is not None:
            if not self._job.done():
                return
            job, self._job = self._job, None
            if self._tolerate(job):
                self._safe, self._failing = self._asked, None
        if self._snapshot is not None:
            if self._swarm.flushed:
                have, self._snapshot = self._snapshot, None
                self._job = self._pool.submit(self._store, have, self._resume_data())
            return
        if self._due(done):
            self._done_before = self._asked = done
            self._at = time.monotonic()
            self._snapshot = self._swarm.pieces()
            self._swarm.flush()

    def finish(self) -> tuple[Made, ...]:
        """Waits for what is under way, then publishes what is left; all objects. Raises WorkError."""
        if self._job is not None:
            self._tolerate(self._job)
        self._swarm.flush_now()
        for item in self._chosen:
            self._publish(item)
        self._pool.shutdown()
        return tuple(self._made[item.key] for item in self._chosen)

    def leave(self) -> None:
        """Told to stop: keeps what one write can keep, the resume data first. Raises WorkError."""
        self._keep.room.write_resume(self._swarm.resume_data())
        if self._job is not None and not self._job.done():
            return  # the thread is storing already, and is the only one that may
        self._swarm.flush_now()
        spans, left = [], CHUNK_BYTES
        for span in self._layout.spans(self._new(self._swarm.pieces())):
            spans.append(Span(span.index, span.offset, min(span.length, left)))
            left -= spans[-1].length
            if not left:
                break
        self._keep.save(spans)

    def _due(self, done: int) -> bool:
        if time.monotonic() < self._not_before:
            return False
        new = done - self._done_before
        return new >= self._step or (new > 0 and time.monotonic() - self._at >= KEEP_SECONDS)

    def _resume_data(self) -> bytes | None:
        if time.monotonic() - self._resume_at < RESUME_SECONDS:
            return None
        self._resume_at = time.monotonic()
        return self._swarm.resume_data()

    def _store(self, have: Sequence[bool], resume: bytes | None) -> None:
        """In the thread: whole files become objects, other pieces chunks."""
        if self._keep.early:
            for item in self._chosen:
                if item.file.size and self._layout.is_whole(item.file, have):
                    self._publish(item)
        new = self._new(have)
        self._keep.save(self._layout.spans(new))
        self._kept.update(new)
        if resume is not None:
            self._keep.room.write_resume(resume)

    def _new(self, have: Sequence[bool]) -> list[int]:
        """Pieces that hold bytes of files that are no objects yet, and are not kept."""
        open_files = [item.file for item in self._chosen if item.key not in self._made]
        needed = {piece for file in open_files for piece in self._layout.pieces_of(file)}
        return sorted(piece for piece in needed - self._kept if have[piece])

    def _publish(self, item: Chosen) -> None:
        if item.key not in self._made:
            self._made[item.key] = self._publisher.publish(item)

    def _tolerate(self, job: Future[None]) -> bool:
        """Whether it is stored. A store that is away for a moment costs no attempt: it is tried again later.

        Raises WorkError when that is no use, or when the swarm has waited for the store for long.
        """
        try:
            job.result()
        except WorkError as error:
            now = time.monotonic()
            self._failing = self._failing or now
            waited = self._swarm.held and now - self._failing >= PATIENCE_SECONDS
            if waited or TABLE[error.reason].cls is not Class.RETRY:
                raise
            log("warning", "pieces could not be kept; tried again later", reason=error.reason.value)
            self._done_before, self._not_before = 0, now + KEEP_SECONDS
            return False
        return True
