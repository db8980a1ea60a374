"""Files done right: classified errors, whole or not at all, nothing left behind."""

import errno
from pathlib import Path

import pytest

from narwhal_operator.contract.outcome import Reason, WorkError
from workers.common.files import copy_into, removed, scratch_errors, store_errors, write_atomically


@pytest.mark.parametrize(
    ("number", "reason"),
    [
        (errno.ENOSPC, Reason.STORE_FULL),
        (errno.EDQUOT, Reason.STORE_FULL),
        (errno.EACCES, Reason.STORE_ACCESS_DENIED),
        (errno.EROFS, Reason.STORE_ACCESS_DENIED),
        (errno.ENAMETOOLONG, Reason.INVALID_ORDER),
        (errno.ENOTDIR, Reason.INVALID_ORDER),
        (errno.EIO, Reason.STORE_ERROR),
    ],
)
def test_an_error_of_a_directory_store_has_its_reason(number: int, reason: Reason, tmp_path: Path) -> None:
    """The number of the error decides, and the path stands in the message."""
    with pytest.raises(WorkError) as caught, store_errors(tmp_path):
        raise OSError(number, "said so", str(tmp_path / "object"))
    assert caught.value.reason is reason
    assert str(tmp_path / "object") in caught.value.message


def test_a_full_scratch_volume_has_its_own_reason(tmp_path: Path) -> None:
    """ScratchFull names what to raise; other errors of scratch stay bugs of ours."""
    with pytest.raises(WorkError) as caught, scratch_errors(tmp_path):
        Path("/dev/full").write_bytes(b"x")
    assert caught.value.reason is Reason.SCRATCH_FULL
    with pytest.raises(FileNotFoundError), scratch_errors(tmp_path):
        (tmp_path / "none").read_bytes()


def test_a_copy_has_the_bytes_and_tells_them(tmp_path: Path) -> None:
    """Two copies into one file stand one after the other; a source that is shorter ends the copy."""
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_bytes(b"0123456789")
    told: list[int] = []
    with target.open("wb") as out:
        for size in (10, 4, 100):
            with source.open("rb") as file:
                copied = copy_into(out, file, size, told.append)
                out.seek(0, 2)
            assert copied == min(size, 10)
    assert target.read_bytes() == b"0123456789" + b"0123" + b"0123456789"
    assert told == [10, 4, 10]


def test_a_small_file_is_replaced_whole(tmp_path: Path) -> None:
    """The new content or the old one, and no third file."""
    path = tmp_path / "note"
    write_atomically(path, b"one")
    write_atomically(path, b"two")
    assert path.read_bytes() == b"two"
    assert [item.name for item in tmp_path.iterdir()] == ["note"]


def test_a_temporary_file_goes_whatever_happens(tmp_path: Path) -> None:
    """Also when it is gone already, and when an exception ends the block."""
    path = tmp_path / "temporary"
    with removed(path):
        pass
    path.write_text("x")
    with pytest.raises(ValueError, match="stop"), removed(path):
        raise ValueError("stop")
    assert not path.exists()
