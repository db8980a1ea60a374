"""Room on the scratch volume: what may lie there, and what a disk without room is called."""

import errno
from pathlib import Path

import pytest

from narwhal_operator.contract.outcome import Reason, WorkError
from workers.common.worker import _ending_of
from workers.transcode import limits, room

GI = 1024**3


def taken(size: int, bound: int | None) -> bool:
    """Whether an input of this size is fetched."""
    try:
        room.require("media/film.mp4", size, bound)
    except WorkError:
        return False
    return True


@pytest.mark.parametrize(
    ("size", "bound"),
    [(10**15, None), (48 * GI, 50 * GI), (3 * GI, 4 * GI), (1, 2)],
    ids=["no bound", "large", "a quarter is kept", "tiny"],
)
def test_an_input_that_leaves_room_is_taken(size: int, bound: int | None) -> None:
    """A volume without a bound has the disk's; of one with a bound a part is the segments', and a byte more would be too much."""
    assert taken(size, bound)
    assert bound is None or not taken(bound - room.kept(bound) + 1, bound)


@pytest.mark.parametrize(("size", "bound"), [(48 * GI + 1, 50 * GI), (3 * GI + 1, 4 * GI), (3, 2)])
def test_an_input_that_leaves_none_is_refused_before_it_is_fetched(size: int, bound: int) -> None:
    """The message has both sizes and the field to raise."""
    with pytest.raises(WorkError, match=r"limits\.ephemeral-storage") as caught:
        room.require("media/film.mp4", size, bound)
    assert caught.value.reason is Reason.SCRATCH_FULL
    assert f"{size} bytes, the scratch volume room for {bound}" in caught.value.message


def test_segments_that_wait_fit_beside_the_input() -> None:
    """Half of what is kept may wait; the other half is for those that are being written."""
    assert room.kept(None) // 2 == limits.WAITING_BYTES
    assert room.kept(50 * GI) // 2 == limits.WAITING_BYTES
    assert room.kept(4 * GI) // 2 == GI // 2


def test_a_full_disk_has_its_reason_wherever_it_is_met(tmp_path: Path) -> None:
    """Not only where a file of ours is written: making a directory needs room, too."""
    full = _ending_of(OSError(errno.ENOSPC, "No space left on device", str(tmp_path / "video")))
    assert full["reason"] is Reason.SCRATCH_FULL
    assert f"{tmp_path}/video: No space left on device. Raise spec.template" in full["message"]
    assert _ending_of(OSError(errno.EIO, "Input/output error"))["reason"] is Reason.INTERNAL_ERROR
