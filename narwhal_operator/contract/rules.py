"""Rules of the contract in both tongues: CEL for the API server, Python for a run without one. No part of pydantic is loaded here."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
    from pydantic_core import CoreSchema


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

    def __get_pydantic_core_schema__(self, source: Any, handler: "GetCoreSchemaHandler") -> "CoreSchema":
        """Runs `holds` after the validation of the type."""
        from pydantic_core import core_schema

        return core_schema.no_info_after_validator_function(self._checked, handler(source))

    def __get_pydantic_json_schema__(self, schema: "CoreSchema", handler: "GetJsonSchemaHandler") -> dict[str, Any]:
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
    return Check(matching(pattern), message, lambda value: re.fullmatch(pattern, value) is not None)
