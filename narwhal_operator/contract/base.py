"""The scalar types of the contract: durations, byte quantities, bit rates, names and keys.

Scalars stay as the user wrote them (a status or a stored order shows `4s`, not `4.0`); the functions here turn them
into numbers where a number is needed.
"""

import re
from collections.abc import Callable
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any, Final

from narwhal_operator.contract.model import Field
from narwhal_operator.contract.rules import Check, matches, matching

if TYPE_CHECKING:
    from pydantic import GetJsonSchemaHandler
    from pydantic_core import CoreSchema

GROUP: Final = "narwhal.dev"
VERSION: Final = "v1alpha1"
API_VERSION: Final = f"{GROUP}/{VERSION}"


_DURATION_UNITS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_DURATION_LIMIT: Final = 16
# With six digits a part and 16 characters in all, no duration is more than Go's (and so CEL's) 292 years.
DURATION_PATTERN: Final = r"^([0-9]{1,6}(\.[0-9]{1,6})?(ms|s|m|h))+$"
QUANTITY_PATTERN: Final = r"^[0-9]{1,15}(\.[0-9]{1,6})?(k|M|G|T|P|Ki|Mi|Gi|Ti|Pi)?$"
BITRATE_PATTERN: Final = r"^[0-9]{1,9}(\.[0-9]{1,6})?(k|M)?$"
_QUANTITY_UNITS: Final = {
    "": 1,
    **{unit: 1000**power for power, unit in enumerate(["k", "M", "G", "T", "P"], 1)},
    **{unit: 1024**power for power, unit in enumerate(["Ki", "Mi", "Gi", "Ti", "Pi"], 1)},
}
_BITRATE_UNITS: Final = {"": 1, "k": 1000, "M": 1_000_000}


def seconds_of(duration: str) -> float:
    """Seconds of a duration such as `4s`, `1h30m` or `500ms`. Raises ValueError for anything else."""
    if not re.fullmatch(DURATION_PATTERN, duration):
        raise ValueError("is no duration; write a number and a unit, such as 500ms, 4s, 30m or 1h30m")
    parts = re.findall(r"([0-9.]+)(ms|s|m|h)", duration)
    return float(sum(float(number) * _DURATION_UNITS[unit] for number, unit in parts))


def bytes_of(quantity: int | str) -> int:
    """Bytes (or bytes per second) of a Kubernetes quantity such as `50Gi` or `1000`. Raises ValueError."""
    match = re.fullmatch(r"([0-9.]+)([A-Za-z]*)", str(quantity))
    if not match or not re.fullmatch(QUANTITY_PATTERN, str(quantity)):
        raise ValueError("is no quantity; write a whole number of bytes, or a number with a unit such as 500Mi or 50Gi")
    return int(Decimal(match[1]) * _QUANTITY_UNITS[match[2]])


def bits_of(bitrate: str) -> int:
    """Bits per second of a bit rate such as `128k` or `3M`. Raises ValueError."""
    match = re.fullmatch(r"([0-9.]+)([kM]?)", bitrate)
    if not match or not re.fullmatch(BITRATE_PATTERN, bitrate):
        raise ValueError("is no bit rate; write bits per second such as 128k or 3M")
    return int(Decimal(match[1]) * _BITRATE_UNITS[match[2]])


def _number(parse: Callable[[Any], float], value: Any) -> float:
    """What `parse` makes of a value, or -1 where it is nothing `parse` knows."""
    try:
        return parse(value)
    except ValueError:
        return -1


def lasting(at_least: str, at_most: str) -> Check:
    """The check that a text is a duration from `at_least` to `at_most`."""
    low, high = seconds_of(at_least), seconds_of(at_most)
    return Check(
        f"{matching(DURATION_PATTERN)} && duration(self) >= duration('{at_least}')"
        f" && duration(self) <= duration('{at_most}')",
        f"must be a duration from {at_least} to {at_most}, written as a number and a unit: ms, s, m or h",
        lambda value: low <= _number(seconds_of, value) <= high,
    )


Span = Annotated[str, Field(min_length=2, max_length=_DURATION_LIMIT)]
"""The text of a duration; every use adds `lasting` with its own bounds."""

Duration = Annotated[
    Span,
    matches(
        DURATION_PATTERN, "must be a duration: a number and a unit (ms, s, m or h), such as 500ms, 4s, 30m or 1h30m"
    ),
]
"""A span of time: `500ms`, `4s`, `30m`, `1h30m`."""

_QUANTITY_RULE: Final = (
    f"{matching(QUANTITY_PATTERN, 'string(self)')} && !quantity(string(self)).isLessThan(quantity('1'))"
)


class IntOrString:
    """The schema of a number that may be written as a text with a unit."""

    def __get_pydantic_json_schema__(self, _schema: "CoreSchema", _handler: "GetJsonSchemaHandler") -> dict[str, Any]:
        """What apiextensions wants for it (structural schemas: the one anyOf that is allowed beside it)."""
        return {"x-kubernetes-int-or-string": True, "anyOf": [{"type": "integer"}, {"type": "string"}], "maxLength": 32}


Quantity = Annotated[
    int | Annotated[str, Field(max_length=32)],
    IntOrString(),
    Check(
        _QUANTITY_RULE,
        "must be a number of bytes more than 0, such as 1000000, 500Mi or 50Gi; leave it out for no limit",
        lambda value: _number(bytes_of, value) > 0,
    ),
]
"""A count of bytes as Kubernetes writes it: `1000`, `500Mi`, `50Gi`."""

_BITRATE_RULE: Final = (
    f"{matching(BITRATE_PATTERN)} && double(self.replace('k', '').replace('M', ''))"
    " * (self.endsWith('M') ? 1000000.0 : self.endsWith('k') ? 1000.0 : 1.0) >= 1000.0"
)

Bitrate = Annotated[
    str,
    Field(min_length=1, max_length=16),
    Check(
        _BITRATE_RULE,
        "must be a bit rate of at least 1k, such as 128k or 3M",
        lambda value: _number(bits_of, value) >= 1000,
    ),
]
"""Bits per second: `128k`, `3M`."""

Timestamp = Annotated[str, Field(max_length=35, json_schema_extra={"format": "date-time"})]
"""A point in time (RFC 3339, UTC)."""

ObjectName = Annotated[
    str,
    Field(min_length=1, max_length=253),
    matches(
        r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$",
        "must be the name of a Kubernetes object: lower-case letters, digits, - and .; first and last a letter or digit",
    ),
]
"""The name of a Kubernetes object in the same namespace (RFC 1123 subdomain)."""

BucketName = Annotated[
    str,
    Field(min_length=3, max_length=63),
    matches(
        r"^[a-z0-9][a-z0-9.-]*[a-z0-9]$",
        "must be a bucket name: 3 to 63 lower-case letters, digits, - and .; first and last a letter or digit",
    ),
]
"""The name of an S3 bucket."""

TitleName = Annotated[
    str,
    Field(min_length=1, max_length=63),
    matches(
        r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$",
        "must be lower-case letters, digits and -; first and last a letter or digit",
    ),
]
"""A name that becomes part of names and keys (RFC 1123 label)."""

KEY_PATTERN: Final = r"^[^/\x00-\x1f\x7f\\]+(/[^/\x00-\x1f\x7f\\]+)*$"
_KEY: Final = matches(
    KEY_PATTERN,
    "must not begin or end with /, nor hold //, a backslash or a control character; write it as in films/bbb.mp4",
)
_NO_DOTS: Final = Check(
    "!self.split('/').exists(p, p == '.' || p == '..')",
    "must not have . or .. as a path segment; write the key without them",
    lambda value: not {".", ".."} & set(value.split("/")),
)


def key_of_at_most(size: int) -> Check:
    """The check of the length a store counts: bytes of UTF-8, not characters (S3 allows 1024 for a key)."""
    return Check(
        f"size(bytes(self)) <= {size}",
        f"must be at most {size} bytes in UTF-8; make it shorter",
        lambda value: len(value.encode()) <= size,
    )


ObjectKey = Annotated[str, Field(min_length=1, max_length=1024), _KEY, _NO_DOTS, key_of_at_most(1024)]
"""An object key: no leading, trailing or double slash, no `.` or `..` segment, no control character."""

PREFIX_LIMIT: Final = 800
"""Bytes of an output prefix: the keys below it add up to 200 more, and S3 ends at 1024."""

KeyPrefix = Annotated[str, Field(min_length=1, max_length=PREFIX_LIMIT), _KEY, _NO_DOTS, key_of_at_most(PREFIX_LIMIT)]
"""A key prefix, as an object key but shorter, for keys are made below it."""


def clip(text: str, limit: int) -> str:
    """A text of at most `limit` characters; a cut one ends with an ellipsis, so that it says so."""
    return text if len(text) <= limit else text[: limit - 1] + "…"
