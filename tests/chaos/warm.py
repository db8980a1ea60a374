"""What the forkserver of the stories imports, once for all operators: their code, with its models built."""

from narwhal_operator.contract.model import Contract
from tests.chaos import story

__all__ = ["story"]


def build(model: type[Contract]) -> None:
    """Builds what models build at their first use, which in each operator would be a quarter of a second."""
    for kind in model.__subclasses__():
        kind.model_rebuild()
        build(kind)


build(Contract)
