"""Names of a torrent that could harm are refused; those that cannot are kept as they are."""

from typing import Any

import pytest

from narwhal_operator.contract.outcome import Reason, WorkError
from workers.download.torrent.names import FILES_LIMIT, Slot, TorrentFile, judged_files

Info = dict[bytes, Any]


def slots(*sizes: int, pads: tuple[int, ...] = ()) -> list[Slot]:
    """Slots of these sizes, one after the other."""
    found, offset = [], 0
    for index, size in enumerate(sizes):
        found.append(Slot(index, offset, size, pad=index in pads))
        offset += size
    return found


def several(*paths: list[bytes], **more: Any) -> Info:
    """The info dictionary of version 1 with files of 10 bytes."""
    extra = {name.encode(): value for name, value in more.items()}
    return {b"name": b"show", b"files": [{b"length": 10, b"path": path, **extra} for path in paths]}


def tree(**files: Any) -> Info:
    """The info dictionary of version 2."""
    return {b"name": b"show", b"file tree": {name.encode(): below for name, below in files.items()}}


def refusal(info: Info, *sizes: int) -> WorkError:
    """How the torrent is refused."""
    with pytest.raises(WorkError) as caught:
        judged_files(info, slots(*sizes))
    return caught.value


def test_paths_are_kept_as_they_are_written() -> None:
    """Letters of all scripts, blanks and dots inside a name are no harm; the torrent's own name is left out."""
    info = several([b"Season 1", "Größe - é.mkv".encode()], [b"..hidden..", b"a.b.c"])

    assert judged_files(info, slots(10, 10)) == (
        TorrentFile(0, "Season 1/Größe - é.mkv", 0, 10),
        TorrentFile(1, "..hidden../a.b.c", 10, 10),
    )


def test_a_single_file_has_the_name_of_its_torrent() -> None:
    """A torrent of one file lists no files."""
    assert judged_files({b"name": b"film.mkv", b"length": 7}, slots(7)) == (TorrentFile(0, "film.mkv", 0, 7),)


def test_version_2_is_a_tree() -> None:
    """Files of version 2 are read from its tree, in the order libtorrent numbers them; pads are not in it."""
    file = {b"": {b"length": 5, b"pieces root": b"r" * 32}}
    info = tree(a=file, sub={b"b": file})

    assert judged_files(info, slots(5, 11, 5, pads=(1,))) == (
        TorrentFile(0, "a", 0, 5),
        TorrentFile(2, "sub/b", 16, 5),
    )


def test_pads_are_no_files() -> None:
    """What only fills up a piece (BEP 47) is not among the files."""
    info = several([b"a"], [b"c"])
    info[b"files"].insert(1, {b"length": 6, b"path": [b".pad", b"6"], b"attr": b"p"})

    assert [file.index for file in judged_files(info, slots(10, 6, 10, pads=(1,)))] == [0, 2]


@pytest.mark.parametrize(
    "path",
    [
        pytest.param([b"..", b"..", b"etc", b"passwd"], id="up"),
        pytest.param([b"a", b".."], id="up-at-the-end"),
        pytest.param([b"."], id="dot"),
        pytest.param([b""], id="empty-name"),
        pytest.param([], id="no-name"),
        pytest.param([b"/etc/passwd"], id="absolute"),
        pytest.param([b"a/b"], id="slash"),
        pytest.param([b"..\\..\\boot.ini"], id="backslash"),
        pytest.param([b"C:\\boot.ini"], id="drive"),
        pytest.param([b"a\0b"], id="nul"),
        pytest.param([b"a\nb"], id="newline"),
        pytest.param([b"a\x7f"], id="delete"),
        pytest.param(["a\x85b".encode()], id="c1-control"),
        pytest.param([b"\xff\xfe"], id="not-utf-8"),
        pytest.param([b"\xed\xa0\x80"], id="surrogate"),
        pytest.param([b"\xc0\xae\xc0\xae"], id="overlong-dots"),
        pytest.param([b"n" * 256], id="long-name"),
        pytest.param(["é".encode() * 128], id="long-name-in-bytes"),
        pytest.param([b"n" * 250] * 5, id="long-path"),
        pytest.param([b"d"] * 33, id="deep"),
        pytest.param([7], id="number"),
        pytest.param(b"a", id="text-for-a-list"),
    ],
)
def test_a_bad_path_is_refused(path: Any) -> None:
    """A path that leads elsewhere, or that some file system or store would not take, ends with TorrentUnsafe."""
    assert refusal(several([b"good"], path), 10, 10).reason is Reason.TORRENT_UNSAFE


@pytest.mark.parametrize("name", [b"path", b"path.utf-8"])
def test_both_spellings_of_a_path_are_judged(name: bytes) -> None:
    """`path.utf-8` is what clients prefer, `path` what others see: neither may be bad."""
    info = several([b"good"])
    info[b"files"][0] = {b"length": 10, b"path": [b"good"], b"path.utf-8": [b"good"], name: [b".."]}

    assert refusal(info, 10).reason is Reason.TORRENT_UNSAFE


@pytest.mark.parametrize("name", [b"..", b"../../x", b"/etc", b"a\0"])
def test_the_torrents_own_name_is_judged(name: bytes) -> None:
    """A client that makes a directory of the name must not be led elsewhere."""
    assert refusal({b"name": name, b"length": 10}, 10).reason is Reason.TORRENT_UNSAFE
    assert refusal({**several([b"a"]), b"name": name}, 10).reason is Reason.TORRENT_UNSAFE


@pytest.mark.parametrize("mark", [{"attr": b"l"}, {"attr": b"xl"}, {"symlink path": [b"..", b"etc"]}])
def test_links_are_refused(mark: dict[str, Any]) -> None:
    """A symbolic link (BEP 47) leads wherever it says."""
    assert refusal(several([b"a"], **mark), 10).reason is Reason.TORRENT_UNSAFE


@pytest.mark.parametrize(
    "files",
    [
        pytest.param({"..": {b"x": {b"": {b"length": 5}}}}, id="up"),
        pytest.param({"a\0": {b"": {b"length": 5}}}, id="nul"),
        pytest.param({"a": {b"": {b"length": 5, b"attr": b"l"}}}, id="link"),
        pytest.param({"a": 5}, id="no-tree"),
    ],
)
def test_the_tree_of_version_2_is_judged(files: dict[str, Any]) -> None:
    """What is refused in version 1 is refused in version 2."""
    assert refusal(tree(**files), 5).reason is Reason.TORRENT_UNSAFE


def test_a_bottomless_tree_is_refused() -> None:
    """A tree that is deeper than any path ends by its depth, not by the stack."""
    below: Any = {b"": {b"length": 5}}
    for _ in range(200):
        below = {b"d": below}

    assert refusal(tree(a=below), 5).reason is Reason.TORRENT_UNSAFE


def test_a_hybrid_is_judged_by_both_lists() -> None:
    """A torrent of both versions may not hide a bad name in the one that is not used."""
    info = {**several([b".."]), **tree(a={b"": {b"length": 10}})}

    assert refusal(info, 10).reason is Reason.TORRENT_UNSAFE


def test_too_many_files_are_refused() -> None:
    """The number is judged before any name is read."""
    assert refusal(several([b"a"]), *[1] * (FILES_LIMIT + 1)).reason is Reason.TORRENT_UNSAFE


@pytest.mark.parametrize(
    "paths",
    [
        pytest.param(([b"a"], [b"a"]), id="same-path"),
        pytest.param(([b"a", b"b"], [b"a", b"b", b"c"]), id="file-and-directory"),
    ],
)
def test_paths_that_exclude_each_other_are_refused(paths: tuple[list[bytes], ...]) -> None:
    """One of two files would be lost, or could not be stored beside the other."""
    assert refusal(several(*paths), 10, 10).reason is Reason.TORRENT_UNSAFE


@pytest.mark.parametrize(
    ("info", "sizes"),
    [
        pytest.param(several([b"a"]), (10, 10), id="fewer-names"),
        pytest.param(several([b"a"]), (11,), id="other-size"),
        pytest.param({b"name": b"show"}, (10,), id="no-list"),
    ],
)
def test_a_list_that_libtorrent_reads_otherwise_is_refused(info: Info, sizes: tuple[int, ...]) -> None:
    """Names are matched with libtorrent's files by place and size; where they differ nothing is guessed."""
    assert refusal(info, *sizes).reason is Reason.TORRENT_INVALID


def test_a_refusal_shows_the_name_without_its_harm() -> None:
    """A name in a message is escaped and bounded."""
    message = refusal(several([b"\x1b[2J" + b"\n" * 200]), 10).message

    assert "\\x1b" in message
    assert message.isprintable()
    assert len(message) < 250
