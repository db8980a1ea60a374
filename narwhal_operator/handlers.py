"""kopf delivers events; each becomes a key on the work queue and nothing else. No handler of kopf's that writes."""

from typing import Any

import kopf

from narwhal_operator.contract.base import GROUP, VERSION
from narwhal_operator.core import labels
from narwhal_operator.ears import Ears
from narwhal_operator.hints import Hints
from narwhal_operator.kube.client import LIST_LIMIT
from narwhal_operator.kube.paths import PLURALS
from narwhal_operator.queue import WorkQueue
from narwhal_operator.told import Told

_SOON = 0.5
"""Seconds within which a library looks at its children again: many change at once."""


def register(registry: kopf.OperatorRegistry, hints: Hints, queue: WorkQueue, ears: Ears, told: Told) -> None:
    """The handlers of our kinds, our Jobs and our pods."""

    async def resources(event: kopf.RawEvent, **_: Any) -> None:
        raw: Any = event["object"]
        ears.heard(str(raw.get("kind")))
        for key, soon in hints.resource(raw, deleted=_deleted(event)):
            if (key.kind, key.name) == (raw["kind"], raw["metadata"]["name"]):
                told.note(key, raw, deleted=_deleted(event))
            if soon:
                queue.add_after(key, _SOON)
            else:
                queue.add(key, _version(raw))

    async def jobs(event: kopf.RawEvent, **_: Any) -> None:
        raw: Any = event["object"]
        ears.heard("Job")
        for key in hints.job(raw, deleted=_deleted(event)):
            queue.add(key, _version(raw))

    async def pods(event: kopf.RawEvent, **_: Any) -> None:
        raw: Any = event["object"]
        for key in hints.pod(raw, deleted=_deleted(event)):
            queue.add(key)

    kopf.on.login(registry=registry)(kopf.login_with_service_account)
    kopf.on.login(registry=registry)(kopf.login_with_kubeconfig)
    for plural in PLURALS.values():
        kopf.on.event(GROUP, VERSION, plural, registry=registry)(resources)
    kopf.on.event("batch", "v1", "jobs", registry=registry)(jobs)
    kopf.on.event("", "v1", "pods", registry=registry)(pods)


class _NoDiff(kopf.DiffBaseStorage):
    """Nothing is kept and nothing compared: kopf copies each object of each event for it, twice the work of a pass."""

    def build(self, **_: Any) -> kopf.BodyEssence:
        """What of an object is compared: nothing."""
        return {}

    def fetch(self, **_: Any) -> kopf.BodyEssence | None:
        """What was kept: nothing."""
        return None

    def store(self, **_: Any) -> None:
        """Nothing is kept."""


def configure(settings: kopf.OperatorSettings) -> None:
    """Kopf as a deliverer of events, and nothing more."""
    settings.peering.standalone = True
    settings.persistence.diffbase_storage = _NoDiff()
    settings.posting.enabled = False  # our Events have derived names and stable reasons
    settings.scanning.disabled = True  # our CRDs are there before kopf starts: no need to read CRDs and namespaces
    # An event is enqueued at once; kopf's own wait for a next one holds ten thousand objects at a start: 100 MB.
    settings.queueing.idle_timeout = 0.1
    settings.watching.server_timeout = 300  # seconds: a watch behind a load balancer may die in silence (kopf #957)
    settings.watching.client_timeout = 330
    settings.watching.connect_timeout = 10
    settings.watching.chunk_size = LIST_LIMIT
    ours = f"{labels.UID},app.kubernetes.io/managed-by={labels.MANAGER}"
    settings.watching.label_selectors["batch", "v1", "jobs"] = ours
    settings.watching.label_selectors["", "v1", "pods"] = ours


def _deleted(event: kopf.RawEvent) -> bool:
    return event["type"] == "DELETED"


def _version(raw: Any) -> str:
    return str(raw["metadata"].get("resourceVersion", ""))
