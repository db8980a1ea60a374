"""Pieces and files: which bytes of which file a piece holds. Pure.

A torrent is one run of bytes, cut into pieces of one length; its files lie one after the other in it.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from workers.download.torrent.names import TorrentFile


@dataclass(frozen=True, slots=True)
class Span:
    """Bytes of one file."""

    index: int
    offset: int
    length: int


@dataclass(frozen=True, slots=True)
class Layout:
    """The files that are stored, by offset, and the pieces they lie in."""

    piece_length: int
    files: tuple[TorrentFile, ...]

    @classmethod
    def of(cls, piece_length: int, files: Iterable[TorrentFile]) -> "Layout":
        """The layout of files in any order; empty ones lie in no piece."""
        stored = sorted((file for file in files if file.size), key=lambda file: file.offset)
        return cls(piece_length, tuple(stored))

    def pieces_of(self, file: TorrentFile) -> range:
        """The pieces that hold bytes of the file."""
        if not file.size:
            return range(0)
        return range(file.offset // self.piece_length, (file.offset + file.size - 1) // self.piece_length + 1)

    def is_whole(self, file: TorrentFile, have: Sequence[bool]) -> bool:
        """Whether all pieces of the file are there."""
        return all(have[piece] for piece in self.pieces_of(file))

    def spans(self, pieces: Iterable[int]) -> Iterator[Span]:
        """The bytes of files that pieces (ascending) hold, those that follow each other joined."""
        held: Span | None = None
        for span in self._single(pieces):
            if held is not None and held.index == span.index and held.offset + held.length == span.offset:
                held = Span(held.index, held.offset, held.length + span.length)
                continue
            if held is not None:
                yield held
            held = span
        if held is not None:
            yield held

    def _single(self, pieces: Iterable[int]) -> Iterator[Span]:
        first = 0  # of the files that a later piece can reach: both ascend
        for piece in pieces:
            start, end = piece * self.piece_length, (piece + 1) * self.piece_length
            while first < len(self.files) and self.files[first].offset + self.files[first].size <= start:
                first += 1
            at = first
            while at < len(self.files) and self.files[at].offset < end:
                file = self.files[at]
                low, high = max(start, file.offset), min(end, file.offset + file.size)
                yield Span(file.index, low - file.offset, high - low)
                at += 1
