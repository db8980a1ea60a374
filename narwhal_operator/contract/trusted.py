"""The base of the contract's models where what they hold was validated by who wrote it: in workers.

Fields and their types are checked, bounds and rules are not; whoever reads what a worker says validates that. Not
pydantic: to load it, and 66 models with it, is a third of what a worker does before it looks at its input.
"""

from collections.abc import Callable
from typing import Any, Literal, Self, get_args, get_origin

import msgspec
from msgspec import NODEFAULT
from msgspec import DecodeError as ValidationError

__all__ = ["AfterValidator", "Contract", "Field", "ValidationError", "mistakes", "model_validator", "parse"]


def Field(default: Any = NODEFAULT, /, *, default_factory: Any = None, **_: Any) -> Any:  # noqa: N802 - the models call it by pydantic's name
    """A field by what it is when it is absent; the rest of what pydantic knows of it is not looked at."""
    return msgspec.field(default_factory=default_factory) if default_factory else msgspec.field(default=default)


def AfterValidator(check: Any) -> Any:  # noqa: N802 - the models call it by pydantic's name
    """A check that nobody makes."""
    return check


def model_validator(**_: Any) -> Callable[[Any], Any]:
    """Leaves a method as it is, and nobody calls it."""
    return lambda method: method


class _Kind(msgspec.StructMeta):
    """Makes a model's fields those of a struct. One that can only have one word is what tells it from others (a tag)."""

    def __new__(mcs, name: str, bases: tuple[type, ...], body: dict[str, Any], **options: Any) -> Any:
        fields = body.get("__annotations__", {})
        for field, kind in list(fields.items()):
            if get_origin(kind) is Literal and field in body and len(words := get_args(kind)) == 1:
                del fields[field]
                body[field] = words[0]
                options |= {"tag_field": field, "tag": words[0]}
        return super().__new__(mcs, name, bases, body, kw_only=True, **options)


class Contract(msgspec.Struct, metaclass=_Kind, frozen=True, rename="camel", forbid_unknown_fields=True):
    """As `validated.Contract`, as far as a worker uses that."""

    @classmethod
    def from_wire(cls, data: Any) -> Self:
        """The model of a JSON object: camelCase only. Raises ValidationError."""
        return msgspec.convert(data, cls)

    @classmethod
    def from_json(cls, text: str | bytes) -> Self:
        """The model of a JSON text. Raises ValidationError."""
        return msgspec.json.decode(text, type=cls)

    def model_copy(self, *, update: dict[str, Any]) -> Self:
        """The same with other values."""
        return msgspec.structs.replace(self, **update)

    def wire(self) -> dict[str, Any]:
        """The JSON object as the API server and the order file hold it: camelCase, absent where unset."""
        found: dict[str, Any] = _present(msgspec.to_builtins(self))
        return found

    def to_json(self) -> str:
        """The text of `wire`."""
        return msgspec.json.encode(self.wire()).decode()


def _present(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _present(one) for name, one in value.items() if one is not None}
    return [_present(one) for one in value] if isinstance(value, list) else value


def parse(text: str | bytes, kinds: Any) -> Any:
    """The model in a JSON text that is one of several kinds, by their tags. Raises ValidationError."""
    return msgspec.json.decode(text, type=kinds)


def mistakes(error: ValidationError) -> list[str]:
    """The first thing that is wrong, with the field; never with the value: it may be a secret that stands in the wrong place."""
    what, value, rest = str(error).partition(" value ")
    return [f"{what}{value.rstrip()}{''.join(rest.rpartition(' - at ')[1:])}" if value else what]
