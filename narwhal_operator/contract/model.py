"""The base of the contract's models: `validated`, or in a worker `trusted`, which loads a fifth of a second sooner (ADR 0032).

Both read and write the same JSON; tests/unit/contract/test_trusted.py holds them together. Types are checked with the first.
"""

from typing import TYPE_CHECKING

from narwhal_operator.contract import Mode

# The names stand twice: under `base = validated` and `Field = base.Field` mypy knows no field of a model any more.
if TYPE_CHECKING or Mode.validates:
    from narwhal_operator.contract.validated import (
        AfterValidator,
        Contract,
        Field,
        ValidationError,
        mistakes,
        model_validator,
        parse,
    )
else:
    from narwhal_operator.contract.trusted import (
        AfterValidator,
        Contract,
        Field,
        ValidationError,
        mistakes,
        model_validator,
        parse,
    )

__all__ = ["AfterValidator", "Contract", "Field", "ValidationError", "mistakes", "model_validator", "parse"]
