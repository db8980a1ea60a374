"""Torrents are an extra: without libtorrent everything else works, and a torrent says what is missing."""

import importlib.util
import subprocess
import sys

import pytest

from narwhal_operator.contract.outcome import Reason, WorkError
from workers.download.torrent import library

WITHOUT = """
import importlib, pkgutil, sys
sys.modules["libtorrent"] = None  # what an import then meets is ImportError
import workers.download as package
for found in pkgutil.walk_packages(package.__path__, "workers.download."):
    importlib.import_module(found.name)
"""


def test_every_module_is_imported_without_libtorrent() -> None:
    """An image without it imports all of the download worker, as its smoke test does."""
    assert subprocess.run([sys.executable, "-c", WITHOUT], timeout=60, check=False).returncode == 0


def test_a_torrent_without_libtorrent_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """NotSupported, with the extra's name."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)

    with pytest.raises(WorkError, match=r"install narwhal-operator\[torrent\]") as caught:
        library.require()
    assert caught.value.reason is Reason.NOT_SUPPORTED


def test_libtorrent_is_there_for_tests() -> None:
    """Or none of the torrent tests would run."""
    library.require()
    assert importlib.util.find_spec("libtorrent") is not None
