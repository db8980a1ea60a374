"""What operator, workers and commands say to each other: the kinds, orders, reports, outcomes."""

import sys
from typing import ClassVar


class Mode:
    """How the models of this process are made."""

    validates: ClassVar[bool] = True
    """By pydantic, with every bound and rule; else by msgspec, with their types alone."""


def trust() -> None:
    """Of a worker, before it imports a model: who wrote its order has validated it. Raises RuntimeError when it is too late."""
    if Mode.validates and f"{__name__}.model" in sys.modules:
        raise RuntimeError("models that validate are loaded already")
    Mode.validates = False
