"""Hashes whose state can be kept: SHA-256, SHA-512, SHA-1 and MD5 by OpenSSL's own low-level calls.

`hashlib` cannot say what state a hash is in, and OpenSSL's EVP interface under it cannot either. The calls of its man
page SHA256_Init(3) can: their context is plain memory without pointers, which the caller owns. They are taken from the
very library `hashlib` uses, so they are as fast (SHA-NI and the like). Decision 0014 has what was refused.

A state is believed by what it does, never by where it comes from: it is kept with the digest of the bytes so far, and
must give that digest again. A state of another machine's byte order or another library's layout does not.
"""

import base64
import ctypes
import hashlib
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

Buffer = bytes | bytearray | memoryview


@dataclass(frozen=True, slots=True)
class _Algorithm:
    """Bytes of its context, its digest and its block, and where the context has the count of bytes held back."""

    prefix: str
    context: int
    digest: int
    block: int
    held: int


# As <openssl/sha.h> and <openssl/md5.h> declare the contexts.
_ALGORITHMS: Final = {
    "sha256": _Algorithm("SHA256", 112, 32, 64, 104),
    "sha512": _Algorithm("SHA512", 216, 64, 128, 208),
    "sha1": _Algorithm("SHA1", 96, 20, 64, 92),
    "md5": _Algorithm("MD5", 92, 16, 64, 88),
}
_SPARE: Final = 160
"""Bytes after a context that must stay as they are: a library with a larger one is not used."""
_LIBRARY: Final = "libcrypto.so.3"
STATE_LIMIT: Final = 512
"""Letters of a state at most."""


class Hash(Protocol):
    """A hash that is being made."""

    def update(self, data: Buffer, /) -> None:
        """Takes the bytes that follow."""

    def hexdigest(self) -> str:
        """The digest of the bytes so far, in hex; more may follow."""

    def state(self) -> str | None:
        """All that is needed to go on in another process, as text of at most STATE_LIMIT letters; None if it cannot be had."""


class Plain:
    """A hash of `hashlib`: its state cannot be had."""

    def __init__(self, name: str) -> None:
        self._hash = hashlib.new(name, usedforsecurity=False)

    def update(self, data: Buffer, /) -> None:
        """Takes the bytes that follow."""
        self._hash.update(data)

    def hexdigest(self) -> str:
        """The digest of the bytes so far."""
        return self._hash.copy().hexdigest()

    def state(self) -> str | None:
        """None."""
        return None


class _Functions:
    """The three calls of one algorithm. Raises AttributeError when the library lacks one."""

    def __init__(self, library: ctypes.CDLL, algorithm: _Algorithm) -> None:
        self.algorithm = algorithm
        self.init = library[f"{algorithm.prefix}_Init"]
        self.update = library[f"{algorithm.prefix}_Update"]
        self.final = library[f"{algorithm.prefix}_Final"]
        self.init.argtypes = [ctypes.c_void_p]
        self.update.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t]
        self.final.argtypes = [ctypes.c_void_p, ctypes.c_void_p]


class Kept:
    """A hash whose state can be kept. Calls release the interpreter's lock, as those of `hashlib` do."""

    def __init__(self, functions: _Functions) -> None:
        self._functions = functions
        self._context = ctypes.create_string_buffer(functions.algorithm.context + _SPARE)
        functions.init(self._context)

    def update(self, data: Buffer, /) -> None:
        """Takes the bytes that follow; of a memoryview that is read-only a copy is made."""
        if isinstance(data, bytes):
            self._functions.update(self._context, data, len(data))
            return
        view = memoryview(data).cast("B")
        if view.readonly:
            self.update(view.tobytes())
        elif view.nbytes:
            pointer = ctypes.addressof(ctypes.c_char.from_buffer(view))
            self._functions.update(self._context, pointer, view.nbytes)

    def hexdigest(self) -> str:
        """The digest of the bytes so far: a copy of the context is finished. Empty when the context is nonsense."""
        copy = ctypes.create_string_buffer(self._context.raw, len(self._context))
        digest = ctypes.create_string_buffer(self._functions.algorithm.digest)
        return digest.raw.hex() if self._functions.final(digest, copy) == 1 else ""

    def state(self) -> str | None:
        """The context and what it must give."""
        size = self._functions.algorithm.context
        return f"{self.hexdigest()}:{base64.b64encode(self._context.raw[:size]).decode()}"

    def restore(self, state: str) -> bool:
        """Goes on from a state; whether it gives the digest it was kept with. After False it must not be used."""
        digest, _, text = state.partition(":")
        algorithm = self._functions.algorithm
        try:
            context = base64.b64decode(text, validate=True)
        except ValueError:
            return False
        # The count of bytes held back is an index into the context: one out of bounds would be read past its end.
        if len(context) != algorithm.context or not _uint(context, algorithm.held) < algorithm.block:
            return False
        self._context = ctypes.create_string_buffer(context, algorithm.context + _SPARE)
        return len(digest) == 2 * algorithm.digest and self.hexdigest() == digest

    def intact(self) -> bool:
        """Whether nothing was written after the context."""
        return not any(self._context.raw[self._functions.algorithm.context :])


def new(name: str) -> Hash:
    """A new hash: one whose state can be kept if this machine has one, else one of `hashlib`."""
    functions = _functions(name)
    return Kept(functions) if functions else Plain(name)


def restored(name: str, state: str) -> Hash | None:
    """A hash in that state; None when the state cannot be believed or cannot be used here."""
    functions = _functions(name)
    if functions is None or len(state) > STATE_LIMIT:
        return None
    found = Kept(functions)
    return found if found.restore(state) else None


def available() -> bool:
    """Whether the states of all four algorithms can be kept here."""
    return all(_functions(name) is not None for name in _ALGORITHMS)


def _uint(context: bytes, at: int) -> int:
    return ctypes.c_uint32.from_buffer_copy(context, at).value


_FOUND: dict[str, _Functions | None] = {}


def _functions(name: str) -> _Functions | None:
    if name not in _FOUND:
        _FOUND[name] = _load(_ALGORITHMS[name], name)
    return _FOUND[name]


def _load(algorithm: _Algorithm, name: str) -> _Functions | None:
    """The calls, from the first place that has them and where they give what `hashlib` gives."""
    for path in _libraries():
        try:
            functions = _Functions(ctypes.CDLL(path), algorithm)
        except (OSError, AttributeError):
            continue
        if _right(functions, lambda: hashlib.new(name, usedforsecurity=False)):
            return functions
    return None


def _libraries() -> list[str]:
    """First the module under `hashlib`: a symbol is looked up in the libraries it is linked with too (dlsym(3))."""
    path = getattr(sys.modules.get("_hashlib"), "__file__", None)
    return [path, _LIBRARY] if path else [_LIBRARY]


def _right(functions: _Functions, reference: Callable[[], "hashlib._Hash"]) -> bool:
    """Whether a hash that was taken apart and put together again, at odd places, gives what it should."""
    data = bytes(range(251)) * 3
    for cut in (0, 1, 55, 64, 111, 128, 300):
        first = Kept(functions)
        first.update(data[:cut])
        state = first.state() or ""
        second = Kept(functions)
        if not second.restore(state):
            return False
        second.update(data[cut:])
        whole = reference()
        whole.update(data)
        if second.hexdigest() != whole.hexdigest() or not (first.intact() and second.intact()):
            return False
    return True
