"""Where objects are in the API."""

from typing import Final

from narwhal_operator.contract.base import GROUP, VERSION
from narwhal_operator.contract.download import KIND as DOWNLOAD
from narwhal_operator.contract.library import KIND as LIBRARY
from narwhal_operator.contract.transcode import KIND as TRANSCODE

PLURALS: Final = {DOWNLOAD: "downloadjobs", TRANSCODE: "transcodingjobs", LIBRARY: "medialibraries"}
"""Our kinds and their plurals."""
_ROOTS: Final = dict.fromkeys(PLURALS, f"/apis/{GROUP}/{VERSION}") | {
    "Job": "/apis/batch/v1",
    "Pod": "/api/v1",
    "Event": "/api/v1",
    "Lease": "/apis/coordination.k8s.io/v1",
}
_PLURALS: Final = PLURALS | {"Job": "jobs", "Pod": "pods", "Event": "events", "Lease": "leases"}


def collection(kind: str, namespace: str | None) -> str:
    """The path of all objects of a kind, in one namespace or in all."""
    place = "" if namespace is None else f"/namespaces/{namespace}"
    return f"{_ROOTS[kind]}{place}/{_PLURALS[kind]}"


def named(kind: str, namespace: str, name: str) -> str:
    """The path of one object."""
    return f"{collection(kind, namespace)}/{name}"
