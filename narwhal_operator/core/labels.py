"""Labels, annotations and the finalizer of what Narwhal makes: how a child is found again and whose it is."""

from typing import Any, Final

from narwhal_operator.contract.base import GROUP

UID: Final = f"{GROUP}/uid"
"""Label of Jobs, pods and children: UID of the resource they belong to. Watches select on it."""
KIND: Final = f"{GROUP}/kind"
"""Label: kind of that resource."""
ATTEMPT: Final = f"{GROUP}/attempt"
"""Label of Jobs and pods: number of the attempt; 0 is a sweep."""
NAME: Final = f"{GROUP}/name"
"""Annotation: name of that resource; an annotation, for a name may be longer than a label's value."""
ORDER: Final = f"{GROUP}/order"
"""Annotation of pods: the order, mounted as a file, so that one write makes Job and order together."""
RETRY: Final = f"{GROUP}/retry"
"""Annotation of a user: the status.finishedAt of a failure that is to be tried again."""
FINALIZER: Final = f"{GROUP}/sweep"
"""Finalizer of resources whose work has run and is unfinished: the store may hold parts of it."""
QUEUE: Final = "kueue.x-k8s.io/queue-name"
"""Label of Kueue, copied from a resource to its Jobs; Kueue then decides when they run."""
JOB_NAME: Final = "batch.kubernetes.io/job-name"
"""Label the Job controller puts on pods."""
INDEX: Final = "batch.kubernetes.io/job-completion-index"
"""Label the Job controller puts on pods of an indexed Job."""
MANAGER: Final = "narwhal-operator"


def owner_of(raw: dict[str, Any]) -> tuple[str, str, str] | None:
    """Kind, namespace and name of the resource a child belongs to, by the marks all our children carry."""
    meta = raw["metadata"]
    kind, name = (meta.get("labels") or {}).get(KIND), (meta.get("annotations") or {}).get(NAME)
    return (kind, meta["namespace"], name) if kind and name else None
