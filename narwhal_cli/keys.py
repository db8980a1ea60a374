"""Content keys of AES-128 that a user has at hand, for `narwhal verify --key`. No value of one is ever shown."""

from pathlib import Path
from typing import Final

from narwhal_operator.contract.outcome import Reason, WorkError
from workers.verify.encrypted import KeyOf
from workers.verify.facts import Package

LONGEST: Final = 1024
"""Bytes of a file that are looked at: a key has 16, and at most 32 as text."""


def given(words: tuple[str, ...]) -> KeyOf:
    """What knows the key behind a URI: of each `URI=FILE` that URI's, of a `FILE` alone that of every other.

    Raises WorkError(InputNotFound | InvalidOrder).
    """
    found: dict[str | None, bytes] = {}
    for word in words:
        uri, file = _parted(word)
        if uri in found:
            place = f"{uri} is given two keys" if uri else "two keys are given without a URI"
            raise WorkError(
                Reason.INVALID_ORDER, f"--key: {place}; name the URI of each as its playlist does: URI=FILE."
            )
        found[uri] = _read(file)
    rest = found.get(None)
    return lambda uri: found.get(uri, rest)


def asked_for(package: Package) -> Package:
    """The package, where a key is of use to it. Raises WorkError(NotSupported)."""
    methods = {segment.encrypted for stream in package.streams for segment in stream.segments}
    if "AES-128" in methods:
        return package
    if any(stream.protected for stream in package.streams):
        words = "its samples are encrypted (SAMPLE-AES, Common Encryption), which --key does not open"
    else:
        words = "nothing of it is encrypted"
    message = f"--key is for HLS with AES-128, and of {package.entries[0]} {words}; leave --key out."
    raise WorkError(Reason.NOT_SUPPORTED, message)


def _parted(word: str) -> tuple[str | None, Path]:
    """URI and file; a file whose name has a = in it is one all the same."""
    uri, equals, file = word.rpartition("=")
    path = Path(word).expanduser()
    return (uri, Path(file).expanduser()) if equals and uri and not path.exists() else (None, path)


def _read(file: Path) -> bytes:
    from workers.transcode.crypt.keys import content

    try:
        with file.open("rb") as opened:
            data = opened.read(LONGEST)
    except OSError as error:
        raise WorkError(Reason.INPUT_NOT_FOUND, f"--key: {file} cannot be read: {error.strerror}.") from None
    value = content(data)
    if value is None:
        message = f"--key: {file} is no key of AES-128: it has 16 bytes, or is 32 hex digits or base64 as text."
        raise WorkError(Reason.INVALID_ORDER, message)
    return value
