"""The base model of the contract and its scalar types: durations, byte quantities, bit rates, CEL rules.

Scalars stay as the user wrote them (a status or a stored order shows `4s`, not `4.0`); the functions here turn them
into numbers where a number is needed.
"""

import re
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Final

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, WithJsonSchema
from pydantic.alias_generators import to_camel

GROUP: Final = "narwhal.dev"
VERSION: Final = "v1alpha1"
API_VERSION: Final = f"{GROUP}/{VERSION}"


@dataclass(frozen=True, slots=True)
class Rule:
    """A CEL rule of a schema (`x-kubernetes-validations`): the expression and the message that says the mend."""

    rule: str
    message: str


class Contract(BaseModel):
    """A frozen model whose JSON is camelCase, refuses unknown fields and never repeats an input in an error.

    `cel` holds the rules the CRD generator writes for this object; `check_rules` twins live in the models' validators
    so that `narwhal run` refuses without a cluster what an API server refuses.
    """

    model_config = ConfigDict(
        alias_generator=to_camel,
        extra="forbid",
        frozen=True,
        populate_by_name=True,
        hide_input_in_errors=True,
    )
    cel: ClassVar[tuple[Rule, ...]] = ()

    def wire(self) -> dict[str, Any]:
        """The JSON object as the API server and the order file hold it: camelCase, absent where unset."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)


_DURATION_UNITS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
DURATION_PATTERN: Final = r"^([0-9]{1,9}(\.[0-9]{1,6})?(ms|s|m|h))+$"
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
    return int(float(match[1]) * _QUANTITY_UNITS[match[2]]) if match[2] else int(float(match[1]))


def bits_of(bitrate: str) -> int:
    """Bits per second of a bit rate such as `128k` or `3M`. Raises ValueError."""
    match = re.fullmatch(r"([0-9.]+)([kM]?)", bitrate)
    if not match or not re.fullmatch(BITRATE_PATTERN, bitrate):
        raise ValueError("is no bit rate; write bits per second such as 128k or 3M")
    return int(float(match[1]) * _BITRATE_UNITS[match[2]])


def _duration(value: str) -> str:
    seconds_of(value)
    return value


def _quantity(value: int | str) -> int | str:
    if bytes_of(value) <= 0:
        raise ValueError("must be more than 0 bytes; leave it out for no limit")
    return value


def _bitrate(value: str) -> str:
    if bits_of(value) <= 0:
        raise ValueError("must be more than 0 bits per second")
    return value


Duration = Annotated[
    str,
    Field(max_length=32),
    AfterValidator(_duration),
    WithJsonSchema({"type": "string", "maxLength": 32, "pattern": DURATION_PATTERN}),
]
"""A span of time: `500ms`, `4s`, `30m`, `1h30m`."""

Quantity = Annotated[
    int | str,
    AfterValidator(_quantity),
    WithJsonSchema(
        {
            "x-kubernetes-int-or-string": True,
            "anyOf": [{"type": "integer"}, {"type": "string"}],
            "pattern": QUANTITY_PATTERN,
            "maxLength": 32,
            "x-kubernetes-validations": [
                {
                    "rule": "type(self) == int ? self > 0 : quantity(string(self)).isGreaterThan(quantity('0'))",
                    "message": "must be more than 0 bytes; leave it out for no limit",
                }
            ],
        }
    ),
]
"""A count of bytes as Kubernetes writes it: `1000`, `500Mi`, `50Gi`."""

Bitrate = Annotated[
    str,
    Field(max_length=16),
    AfterValidator(_bitrate),
    WithJsonSchema({"type": "string", "maxLength": 16, "pattern": BITRATE_PATTERN}),
]
"""Bits per second: `128k`, `3M`."""

ObjectName = Annotated[str, Field(min_length=1, max_length=253, pattern=r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$")]
"""The name of a Kubernetes object in the same namespace (RFC 1123 subdomain)."""

BucketName = Annotated[str, Field(min_length=3, max_length=63, pattern=r"^[a-z0-9][a-z0-9.-]*[a-z0-9]$")]
"""The name of an S3 bucket."""

KEY_PATTERN: Final = r"^[^/\x00-\x1f\x7f\\]+(/[^/\x00-\x1f\x7f\\]+)*$"


def _key(value: str) -> str:
    if any(part in {".", ".."} for part in value.split("/")):
        raise ValueError("must not have . or .. as a path segment; write the key without them")
    return value


ObjectKey = Annotated[
    str,
    Field(min_length=1, max_length=1024, pattern=KEY_PATTERN),
    AfterValidator(_key),
    WithJsonSchema(
        {
            "type": "string",
            "minLength": 1,
            "maxLength": 1024,
            "pattern": KEY_PATTERN,
            "x-kubernetes-validations": [
                {
                    "rule": "!self.split('/').exists(p, p == '.' || p == '..')",
                    "message": "must not have . or .. as a path segment; write the key without them",
                }
            ],
        }
    ),
]
"""An object key or a key prefix: no leading, trailing or double slash, no `.` or `..` segment, no control character."""
