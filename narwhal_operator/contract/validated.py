"""The base of the contract's models where they are validated: the operator, the commands, the generators of CRDs and docs."""

from functools import cache
from typing import Any, ClassVar, Final, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    TypeAdapter,
    ValidationError,
    model_validator,
)
from pydantic.alias_generators import to_camel
from pydantic_core import CoreSchema

from narwhal_operator.contract.rules import Rule

__all__ = ["AfterValidator", "Contract", "Field", "ValidationError", "mistakes", "model_validator", "parse"]

MISTAKES: Final = 10
"""Of one text that are told."""


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
        """The model of a JSON object as a manifest holds it: camelCase only. Raises ValidationError."""
        return cls.model_validate(data, by_alias=True, by_name=False)

    @classmethod
    def from_json(cls, text: str | bytes) -> Self:
        """The model of a JSON text. Raises ValidationError."""
        return cls.model_validate_json(text)

    def wire(self) -> dict[str, Any]:
        """The JSON object as the API server and the order file hold it: camelCase, absent where unset."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)

    def to_json(self) -> str:
        """The text of `wire`."""
        return self.model_dump_json(by_alias=True, exclude_none=True)


def parse(text: str | bytes, kinds: Any) -> Any:
    """The model in a JSON text that is one of several kinds, by their discriminator. Raises ValidationError."""
    return _adapter(kinds).validate_json(text)


@cache
def _adapter(kinds: Any) -> TypeAdapter[Any]:
    """Made on first use: who writes orders does not need it, and start-up time counts."""
    return TypeAdapter(kinds)


def mistakes(error: ValidationError) -> list[str]:
    """What is wrong, with the field; never with the value: it may be a secret that stands in the wrong place."""
    details = error.errors(include_input=False, include_url=False, include_context=False)
    return [f"{'.'.join(str(part) for part in detail['loc'])}: {detail['msg']}" for detail in details[:MISTAKES]]
