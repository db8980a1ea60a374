"""libtorrent, imported when it is first used.

It is an extra: an image or a machine without it runs every other download, and says at a torrent what to install.
"""

import importlib
import importlib.util
from typing import TYPE_CHECKING, Any

from narwhal_operator.contract.outcome import Reason, WorkError

if TYPE_CHECKING:
    import libtorrent as lt
else:

    class _Late:
        def __getattr__(self, name: str) -> Any:
            found = getattr(importlib.import_module("libtorrent"), name)
            setattr(self, name, found)
            return found

    lt = _Late()

__all__ = ["lt", "require"]


def require() -> None:
    """Raises WorkError(NotSupported) where libtorrent is not installed."""
    if importlib.util.find_spec("libtorrent") is None:
        raise WorkError(
            Reason.NOT_SUPPORTED,
            "Torrents need libtorrent, which is not installed here; "
            "install narwhal-operator[torrent], or in a cluster use the image with it.",
        )
