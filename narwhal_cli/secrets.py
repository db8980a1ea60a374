"""Secrets and ConfigMaps of a stream, as the references of the other documents find them. Called by `validate`.

A mistake in a Secret names a line or a field of Kubernetes' own, never a key or a value: where an indentation is wrong, a
value stands where a key should.
"""

import base64
import binascii
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from narwhal_cli.manifest import Document

Path = tuple[str | int, ...]
Values = Mapping[str, bytes]

KEY: Final = re.compile(r"[-._a-zA-Z0-9]{1,253}")
"""What a key may be, as the API server has it; `.`, `..` and what begins with `..` are refused as well."""
SIZE_LIMIT: Final = 1024 * 1024
"""Bytes of all values of a Secret or a ConfigMap."""

_ENCODED: Final = {"Secret": "data", "ConfigMap": "binaryData"}
_PLAIN: Final = {"Secret": "stringData", "ConfigMap": "data"}
_FIELDS: Final = frozenset({"apiVersion", "kind", "metadata", "type", "immutable"})


def values_of(document: Document) -> tuple[Values, list[tuple[Path, str]]]:
    """The values by key, and what is wrong, each with the path whose line is shown."""
    content: Mapping[str, Any] = document.content
    kind = content["kind"]
    values: dict[str, bytes] = {}
    wrong = list(_unknown(content, kind))
    for field, encoded in ((_ENCODED[kind], True), (_PLAIN[kind], False)):
        entries = content.get(field) or {}
        if not isinstance(entries, dict):
            wrong.append(((field,), f"{field} must be a mapping of keys to texts"))
            continue
        for key, value in entries.items():
            decoded = _value(key, value, encoded)
            if isinstance(decoded, str):
                wrong.append(((field, key), f"in {field}: {decoded}"))
            else:
                values[key] = decoded
    if sum(len(value) for value in values.values()) > SIZE_LIMIT:
        wrong.append(((), "holds more than 1 MiB"))
    return values, wrong


def _unknown(content: Mapping[str, Any], kind: str) -> Iterator[tuple[Path, str]]:
    known = _FIELDS | {_ENCODED[kind], _PLAIN[kind]}
    for name in content:
        if name not in known:
            yield (name,), f"unknown field; values belong into {_PLAIN[kind]}, indented below it"


def _value(key: str, value: Any, encoded: bool) -> bytes | str:
    """The bytes of a value, or what is wrong with it."""
    if not KEY.fullmatch(key) or key == "." or key.startswith(".."):
        return "a key may only have letters, digits, -, _ and ."
    if not isinstance(value, str):
        return "a value must be a text; put it in quotes"
    if not encoded:
        return value.encode()
    try:
        return base64.b64decode("".join(value.split()), validate=True)
    except (binascii.Error, ValueError):
        return "a value is no base64; put plain texts under stringData (a Secret) or data (a ConfigMap)"
