"""What FFmpeg said last of an attempt that failed: in the store, for some days, and in the message where."""

import os
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

from narwhal_operator.contract.outcome import Reason
from tests.integration.transcode.studio import BUCKET, X264, Ended, Studio, ffmpeg, picture
from workers.common.directory import DirectoryStore
from workers.transcode import evidence


def damaged(studio: Studio) -> None:
    """An input whose middle is zeros: it is probed well, and does not decode."""
    ffmpeg(*picture(seconds=4), *X264, studio.input())
    data = bytearray(studio.input().read_bytes())
    middle = len(data) // 2
    data[middle : middle + 3000] = bytes(3000)
    studio.input().write_bytes(data)


def place(studio: Studio, ended: Ended) -> Path:
    """Where the message says the words are."""
    found = re.search(rf" FFmpeg's words: ({BUCKET}/\.narwhal/evidence/\S+\.txt)$", ended.message)
    assert found is not None, ended.message
    return studio.root / found[1]


def kept(studio: Studio) -> list[Path]:
    return sorted((studio.root / BUCKET / ".narwhal/evidence").rglob("*.txt"))


def test_an_attempt_that_fails_leaves_the_words_of_its_program(studio: Studio) -> None:
    """By attempt; with whose they are; nothing of it is in the output, and a deletion with the output takes it along."""
    damaged(studio)
    first, second = (studio.run(studio.order(attempt=number)) for number in (1, 2))
    assert first.reason is Reason.INPUT_DAMAGED
    text = place(studio, first).read_text()
    assert text.startswith("TranscodingJob default/title, attempt 1, InputDamaged\n")
    assert "[error]" in text
    assert [place(studio, first), place(studio, second)] == kept(studio)
    assert len(first.message) <= 1024
    other = studio.run(studio.order(task="Sweep", uid="u-2", remove_output=True))
    assert (other.reason, len(kept(studio))) == (Reason.COMPLETED, 2)
    gone = studio.run(studio.order(task="Sweep", remove_output=True))
    assert (gone.reason, kept(studio)) == (Reason.COMPLETED, [])


def test_words_go_when_their_time_is_over(studio: Studio) -> None:
    """With the next run that publishes, of whomever it is; younger ones stay. Of one resource the oldest beyond a number go."""
    ffmpeg(*picture(seconds=1), *X264, studio.input())
    store, now = DirectoryStore(studio.root), datetime.now(UTC)
    for uid, name, age in (
        ("u-1", "old", timedelta(days=8)),
        ("u-2", "older", timedelta(days=30)),
        ("u-2", "new", timedelta()),
    ):
        key = f"{evidence.home_of(uid)}{name}.txt"
        store.put(BUCKET, key, b"words", content_type="text/plain")
        then = (now - age).timestamp()
        os.utime(studio.root / BUCKET / key, (then, then))
    assert studio.run(studio.order()).reason is Reason.COMPLETED
    assert [path.stem for path in kept(studio)] == ["new"]
    for number in range(evidence.MOST + 2):
        key = f"{evidence.home_of('u-3')}{number:02d}.txt"
        store.put(BUCKET, key, b"words", content_type="text/plain")
        then = now.timestamp() - 100 + number
        os.utime(studio.root / BUCKET / key, (then, then))
    evidence.tidy(store, BUCKET, "u-3", now)
    assert [path.stem for path in kept(studio) if path.stem != "new"] == [
        f"{n:02d}" for n in range(2, evidence.MOST + 2)
    ]


def test_words_that_cannot_be_stored_change_nothing(studio: Studio) -> None:
    """The attempt ends with its own reason and message."""
    damaged(studio)
    home = studio.root / BUCKET / ".narwhal/evidence"
    home.parent.mkdir(parents=True, exist_ok=True)
    home.write_text("a file where the directory should be")
    ended = studio.run(studio.order())
    assert ended.reason is Reason.INPUT_DAMAGED
    assert "FFmpeg's words" not in ended.message


def test_a_good_attempt_leaves_no_words(studio: Studio) -> None:
    """Nor does one whose failure is no program's."""
    ffmpeg(*picture(seconds=1), *X264, studio.input())
    assert studio.run(studio.order()).reason is Reason.COMPLETED
    assert studio.run(studio.order("none.mp4")).reason is Reason.INPUT_NOT_FOUND
    assert kept(studio) == []
