"""The base model of the contract and its scalar types: durations, byte quantities, bit rates, CEL rules.

Scalars stay as the user wrote them (a status or a stored order shows `4s`, not `4.0`); the functions here turn them
into numbers where a number is needed.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, Any, ClassVar, Final, Self

from pydantic import BaseModel, ConfigDict, Field, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.alias_generators import to_camel
from pydantic_core import CoreSchema, core_schema

GROUP: Final = "narwhal.dev"
VERSION: Final = "v1alpha1"
API_VERSION: Final = f"{GROUP}/{VERSION}"


@dataclass(frozen=True, slots=True)
class Rule:
    """A CEL rule of a schema (`x-kubernetes-validations`): the expression and the message that says the mend.

    `field` names the field at fault where the rule stands on the object around it. `forbidden` makes the refusal read
    "Forbidden: MESSAGE", without the value: for what may not change, and for what must not be shown.
    """

    rule: str
    message: str
    field: str | None = None
    forbidden: bool = False

    def schema(self) -> dict[str, str]:
        """The entry of `x-kubernetes-validations`."""
        entry = {"rule": self.rule, "message": self.message}
        if self.field:
            entry["fieldPath"] = f".{self.field}"
        if self.forbidden:
            entry["reason"] = "FieldValueForbidden"
        return entry


def immutable(field: str, mend: str, *, optional: bool = False) -> Rule:
    """The rule that a field may not change once the object is made; an optional one may not come or go either."""
    same = f"self.{field} == oldSelf.{field}"
    if optional:
        same = f"has(self.{field}) == has(oldSelf.{field}) && (!has(self.{field}) || {same})"
    return Rule(same, f"{field} is immutable; {mend}", field=field, forbidden=True)


@dataclass(frozen=True, slots=True)
class Check:
    """A rule of one value in both tongues: CEL for the API server, `holds` for a run without one, one message for both.

    It takes the place of a bare `pattern`, whose refusal shows a regular expression and no mend.
    """

    rule: str
    message: str
    holds: Callable[[Any], bool]
    forbidden: bool = False

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Runs `holds` after the validation of the type."""
        return core_schema.no_info_after_validator_function(self._checked, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """Adds the CEL rule to the schema of the type."""
        made = handler(schema)
        rules = [
            *made.get("x-kubernetes-validations", []),
            Rule(self.rule, self.message, forbidden=self.forbidden).schema(),
        ]
        return {**made, "x-kubernetes-validations": rules}

    def _checked(self, value: Any) -> Any:
        if not self.holds(value):
            raise ValueError(self.message)
        return value


def matching(pattern: str, text: str = "self") -> str:
    """The CEL expression that a text matches a pattern, quoted as CEL wants it."""
    quoted = pattern.replace("\\", "\\\\").replace("'", "\\'")
    return f"{text}.matches('{quoted}')"


def matches(pattern: str, message: str) -> Check:
    """The check that a text matches a pattern from its start (`^`) to its end (`$`).

    The pattern keeps to what RE2 and `re` read alike: ASCII classes written out, no look-around, no `.`.
    """
    compiled = re.compile(pattern)
    return Check(matching(pattern), message, lambda value: compiled.fullmatch(value) is not None)


class Contract(BaseModel):
    """A frozen model whose JSON is camelCase, refuses unknown fields and never repeats an input in an error.

    It is strict as the API server is: the text "8" is no number, the number 1 is no truth value.
    `cel` holds the rules the CRD generator writes for this object; their twins live in the models' validators,
    so that `narwhal run` refuses without a cluster what an API server refuses.
    """

    model_config = ConfigDict(
        alias_generator=to_camel,
        defer_build=True,  # validators are built on first use: no process needs all of them, and start-up time counts
        extra="forbid",
        frozen=True,
        populate_by_name=True,
        hide_input_in_errors=True,
        strict=True,
    )
    cel: ClassVar[tuple[Rule, ...]] = ()

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """The schema of the object with the CEL rules of the model and its bases."""
        made = handler.resolve_ref_schema(handler(schema))
        rules = [rule for base in reversed(cls.__mro__) for rule in vars(base).get("cel", ())]
        if rules:
            made["x-kubernetes-validations"] = [rule.schema() for rule in rules]
        return made

    @classmethod
    def from_wire(cls, data: Any) -> Self:
        """The model of a JSON object as a manifest holds it: camelCase only. Raises pydantic.ValidationError."""
        return cls.model_validate(data, by_alias=True, by_name=False)

    def wire(self) -> dict[str, Any]:
        """The JSON object as the API server and the order file hold it: camelCase, absent where unset."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)


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

    def __get_pydantic_json_schema__(self, _schema: CoreSchema, _handler: GetJsonSchemaHandler) -> dict[str, Any]:
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
