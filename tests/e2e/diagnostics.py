"""What a failed test prints: the objects, events and logs that tell why. Secrets are not asked for."""

from collections.abc import Iterator
from typing import Final

from tests.cluster.errors import ClusterError
from tests.e2e.install import NAMESPACE
from tests.e2e.kube import Kube

LONGEST: Final = 6_000
"""Characters of one section; its end is kept."""


def of(kube: Kube, namespaces: list[str]) -> Iterator[tuple[str, str]]:
    """Titles and texts about the operator and the namespaces."""
    logs = ["logs", "--namespace", NAMESPACE, "--selector", "app.kubernetes.io/component=operator", "--tail=300"]
    yield "operator logs", _ask(kube, *logs)
    yield "operator logs before its restart", _ask(kube, *logs, "--previous")
    yield "operator pods", _ask(kube, "describe", "pods", "--namespace", NAMESPACE)
    for namespace in namespaces:
        place = ["--namespace", namespace]
        yield f"{namespace}: all", _ask(kube, "get", "dlj,tcj,mlib,jobs,pods", *place, "--output", "wide")
        yield f"{namespace}: resources", _ask(kube, "get", "dlj,tcj,mlib", *place, "--output", "yaml")
        yield f"{namespace}: events", _ask(kube, "events", *place)
        yield f"{namespace}: pods", _ask(kube, "describe", "pods", *place)
        yield f"{namespace}: logs", _ask(kube, "logs", *place, "--selector", "narwhal.dev/uid", "--tail=40", "--prefix")


def _ask(kube: Kube, *arguments: str) -> str:
    try:
        text = kube.run(*arguments)
    except ClusterError as refusal:
        return f"(kubectl: {refusal})"
    return text if len(text) <= LONGEST else f"… {text[-LONGEST:]}"
