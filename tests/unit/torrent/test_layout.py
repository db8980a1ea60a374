"""Which bytes of which file a piece holds."""

from hypothesis import given
from hypothesis import strategies as st

from workers.download.torrent.layout import Layout, Span
from workers.download.torrent.names import TorrentFile


def laid(piece: int, *sizes: int, without: frozenset[int] = frozenset()) -> Layout:
    """Files of these sizes, one after the other; those in `without` are not stored."""
    found, offset = [], 0
    for index, size in enumerate(sizes):
        found.append(TorrentFile(index, f"f{index}", offset, size))
        offset += size
    return Layout.of(piece, [file for file in found if file.index not in without])


def test_a_piece_may_hold_ends_of_several_files() -> None:
    """A piece is cut at the edges of files; files of 0 bytes lie in no piece."""
    layout = laid(10, 7, 0, 2, 21)

    assert list(layout.spans([0])) == [Span(0, 0, 7), Span(2, 0, 2), Span(3, 0, 1)]
    assert list(layout.spans([1, 2])) == [Span(3, 1, 20)]
    assert [list(layout.pieces_of(file)) for file in layout.files] == [[0], [0], [0, 1, 2]]


def test_bytes_of_other_files_are_left_out() -> None:
    """Of a piece at the edge of a file that is not stored only the stored bytes count."""
    assert list(laid(10, 5, 10, 5, without=frozenset({1})).spans([0, 1])) == [Span(0, 0, 5), Span(2, 0, 5)]


def test_pieces_that_follow_each_other_are_one_span() -> None:
    """A gap in the pieces is a gap in the spans."""
    assert list(laid(10, 100).spans([1, 2, 3, 5])) == [Span(0, 10, 30), Span(0, 50, 10)]


def test_a_file_is_whole_when_all_its_pieces_are_there() -> None:
    """One missing piece is enough for it not to be."""
    layout = laid(10, 15, 15)

    assert layout.is_whole(layout.files[0], [True, True, False])
    assert not layout.is_whole(layout.files[1], [True, True, False])


@given(
    piece=st.integers(1, 40),
    sizes=st.lists(st.integers(0, 100), min_size=1, max_size=8),
    without=st.frozensets(st.integers(0, 7)),
    chosen=st.sets(st.integers(0, 400)),
)
def test_spans_are_the_bytes_of_the_pieces(
    piece: int, sizes: list[int], without: frozenset[int], chosen: set[int]
) -> None:
    """Each stored byte of a chosen piece is in one span, and no other byte is in any."""
    layout = laid(piece, *sizes, without=without)
    pieces = sorted(number for number in chosen if number * piece < sum(sizes))
    expected = {
        (file.index, at - file.offset)
        for file in layout.files
        for at in range(file.offset, file.offset + file.size)
        if at // piece in set(pieces)
    }
    spans = list(layout.spans(pieces))
    found = [(span.index, at) for span in spans for at in range(span.offset, span.offset + span.length)]

    assert len(found) == len(set(found))
    assert set(found) == expected
