"""The largest object a schema allows: every field there, every text and list as long as it may be."""

from typing import Any, Final

_BY_FORMAT: Final = {"date-time": "2026-11-22T12:00:00.000000000+00:00"}
_BY_PATTERN: Final = {"^[0-9a-f]{64}$": "a" * 64}
_LARGEST: Final = 2**53 - 1  # of the integers that JSON keeps everywhere


def fullest(schema: dict[str, Any], number: int = 0) -> Any:
    """A value at the schema's bounds; `number` makes the items of a list differ in their texts.

    Raises KeyError where a text or a list has no bound.
    """
    if "enum" in schema:
        return max(schema["enum"], key=len)
    if schema["type"] == "object":
        return {name: fullest(child, number) for name, child in schema["properties"].items()}
    if schema["type"] == "array":
        return [fullest(schema["items"], index) for index in range(schema["maxItems"])]
    if schema["type"] == "string":
        return _text(schema, number)
    if schema["type"] == "boolean":
        return False
    largest = schema.get("maximum", _LARGEST)
    return largest if schema["type"] == "integer" else float(largest) + 0.5


def _text(schema: dict[str, Any], number: int) -> str:
    if "format" in schema:
        return _BY_FORMAT[schema["format"]]
    if "pattern" in schema:
        return _BY_PATTERN[schema["pattern"]]
    return f"{number:x}".rjust(schema["maxLength"], "x")
