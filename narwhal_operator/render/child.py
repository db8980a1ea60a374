"""The children of a MediaLibrary and the Events on a resource, as manifests."""

from datetime import datetime
from typing import Any

from narwhal_operator.contract.base import API_VERSION
from narwhal_operator.contract.common import resource as manifest
from narwhal_operator.contract.naming import bounded, digest_of
from narwhal_operator.core import labels
from narwhal_operator.core.observed import Resource
from narwhal_operator.core.plan import CreateChild, Event
from narwhal_operator.core.text import rfc3339
from narwhal_operator.render.job import owner_of

Json = dict[str, Any]


def child(create: CreateChild, library: Resource) -> Json:
    """A DownloadJob or TranscodingJob of a title; a Kueue queue of the library is its children's too."""
    made = manifest(create.kind, create.name, library.key.namespace, create.spec)
    marks = {labels.UID: library.uid, labels.KIND: library.key.kind, "app.kubernetes.io/managed-by": labels.MANAGER}
    if labels.QUEUE in library.labels:
        marks[labels.QUEUE] = library.labels[labels.QUEUE]
    made["metadata"] |= {
        "labels": marks,
        "annotations": {labels.NAME: library.key.name},
        "ownerReferences": [owner_of(library)],
    }
    return made


def event(event: Event, resource: Resource, now: datetime) -> Json:
    """A core/v1 Event. Its name is derived, so that a pass that is repeated posts nothing twice."""
    key = resource.key
    digest = digest_of([resource.uid, event.reason, event.about], 12)
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": bounded(key.name, digest, 253), "namespace": key.namespace},
        "involvedObject": {
            "apiVersion": API_VERSION,
            "kind": key.kind,
            "namespace": key.namespace,
            "name": key.name,
            "uid": resource.uid,
        },
        "type": event.type,
        "reason": event.reason,
        "message": event.message[:1024],
        "source": {"component": labels.MANAGER},
        "reportingComponent": labels.MANAGER,
        "firstTimestamp": rfc3339(now),
        "lastTimestamp": rfc3339(now),
        "count": 1,
    }
