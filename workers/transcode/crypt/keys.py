"""Content keys as a mounted Secret holds them. Their values never leave this package but into a cipher."""

import base64
import binascii
import hashlib
import hmac
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from narwhal_operator.contract.outcome import Reason, WorkError
from workers.common.secrets import read_values

LENGTH: Final = 16
"""Bytes of a content key and of a key id (AES-128; ISO/IEC 23001-7 section 8.2)."""
MOST: Final = 1000
_NAME: Final = re.compile(r"(?:[A-Za-z0-9_-]{1,64}\.)?([0-9a-fA-F]{32})")
_UUID: Final = re.compile(r"([0-9a-fA-F]{8})-([0-9a-fA-F]{4})-([0-9a-fA-F]{4})-([0-9a-fA-F]{4})-([0-9a-fA-F]{12})$")


@dataclass(frozen=True, slots=True)
class Key:
    """A content key and its id."""

    kid: bytes
    value: bytes = field(repr=False)

    @property
    def identity(self) -> list[str]:
        """Its id, and a keyed digest that changes with its value and tells nothing of it: part of a version's name."""
        return [self.kid.hex(), hmac.new(self.value, b"narwhal content key", hashlib.sha256).hexdigest()[:32]]


def uri_of(template: str, key: Key) -> str:
    """A key's URI."""
    return template.replace("{kid}", key.kid.hex())


def read_keys(directory: Path, secret: str) -> tuple[Key, ...]:
    """The keys of a Secret in the order of their names. Raises WorkError(SecretNotFound | SecretInvalid)."""
    found = read_values(directory, secret)
    if len(found) > MOST:
        raise _invalid(secret, f"holds {len(found)} keys, more than {MOST}; leave some out")
    keys = tuple(_key(secret, name, value) for name, value in sorted(found.items()))
    if len({key.kid for key in keys}) != len(keys):
        raise _invalid(secret, "holds a key id twice; leave one of them out")
    return keys


def _key(secret: str, name: str, value: bytes) -> Key:
    match = _NAME.fullmatch(_UUID.sub(r"\1\2\3\4\5", name))
    if match is None:
        # A name that is none may be a key that was put into the wrong place: it is not repeated.
        words = "holds a key whose name is no key id; name each by 32 hex digits, as in 01.KID where their order counts"
        raise _invalid(secret, words)
    kid, found = bytes.fromhex(match[1]), content(value)
    if found is None:
        raise _invalid(secret, f"holds no content key under {kid.hex()}; give 16 bytes as 32 hex digits, or in base64")
    if found == kid:
        raise _invalid(
            secret, f"holds its own id as the content key {kid.hex()}: everyone sees that; make a random one"
        )
    return Key(kid, found)


def content(value: bytes) -> bytes | None:
    """A content key as people write it: its bytes, hex or base64; None when it is none of these."""
    if len(value) == LENGTH:
        return value
    text = value.strip()
    try:
        found = (
            bytes.fromhex(text.decode("ascii")) if len(text) == 2 * LENGTH else base64.b64decode(text, validate=True)
        )
    except (ValueError, binascii.Error):
        return None
    return found if len(found) == LENGTH else None


def _invalid(secret: str, words: str) -> WorkError:
    return WorkError(Reason.SECRET_INVALID, f"The Secret {secret} {words}.")
