"""New resources as their events told them: the first pass of each need not ask for what it was just told.

Nothing is decided for good from it: a pass uses it only where its first write names the version that was told, and is refused
where the resource has changed since, or where it starts nothing. Any other pass reads (`Reconciler.once`).
"""

from typing import Final

from narwhal_operator.core import labels
from narwhal_operator.core.observed import Json, Key

_MOST: Final = 1_000
"""Resources that are kept; those that come while so many wait are read: each may be as large as its spec, 50 kB."""


class Told:
    """Bounded in number; each is taken by the pass that its event brings."""

    def __init__(self) -> None:
        self._new: dict[Key, Json] = {}

    def note(self, key: Key, raw: Json, *, deleted: bool = False) -> None:
        """An event that brings about a pass."""
        self._new.pop(key, None)
        if not deleted and _is_new(raw) and len(self._new) < _MOST:
            self._new[key] = raw

    def take(self, key: Key) -> Json | None:
        """What was told last of a new resource, once."""
        return self._new.pop(key, None)


def _is_new(raw: Json) -> bool:
    """Whether nothing was done for it yet, as far as it shows."""
    meta = raw["metadata"]
    return not (raw.get("status") or "deletionTimestamp" in meta or labels.FINALIZER in (meta.get("finalizers") or ()))
