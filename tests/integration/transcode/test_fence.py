"""A pod that was cut off and works on finds that its work is another's, whatever it is at."""

import json
import threading
from pathlib import Path
from typing import Any, Final

import pytest

from narwhal_operator.contract.outcome import Reason
from tests.integration.transcode.studio import X264, Studio, ffmpeg, picture
from workers.common.directory import DirectoryStore
from workers.common.store import ObjectInfo
from workers.transcode.parallel import fence

LIMIT: Final = 60.0
"""Seconds until a pod that never looks is told apart from one that is slow."""


class Claimed(DirectoryStore):
    """A store in which a later attempt claims the version at the first segment; no other is stored until that was read."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.claim = b""
        self.claiming = threading.Lock()
        self.read_since = threading.Event()

    def put_file(self, bucket: str, key: str, *given: Any, **how: Any) -> ObjectInfo:
        """Stores a file, and lets the caller go on when somebody has looked whose the version is."""
        stored = super().put_file(bucket, key, *given, **how)
        with self.claiming:  # several segments are stored at once
            if not self.claim:
                order = f"{key.rsplit('/', 2)[0]}/{fence.ORDER}"
                self.claim = json.dumps(json.loads(super().read(bucket, order)) | {"attempt": "2"}).encode()
                self.put(bucket, order, self.claim, content_type="application/json")
        assert self.read_since.wait(LIMIT), "nobody looked whose the version is"
        return stored

    def read(self, bucket: str, key: str, start: int = 0, length: int | None = None) -> bytes:
        """What is stored."""
        found = super().read(bucket, key, start, length)
        if found == self.claim:
            self.read_since.set()
        return found


def test_one_pod_that_does_all_stops_when_it_is_taken_over(studio: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    """It looks while it encodes, not at the end alone: a title may take hours."""
    monkeypatch.setattr(fence, "SECONDS", 0.05)
    ffmpeg(*picture(seconds=6), *X264, studio.input())
    store = Claimed(studio.root)
    ended = studio.run(studio.order(), store=store)
    assert ended.reason is Reason.CANCELLED, ended.message
    assert "Attempt 2 has taken over" in ended.message
    assert (studio.version / fence.ORDER).read_bytes() == store.claim
    assert not (studio.output / "master.m3u8").exists()
