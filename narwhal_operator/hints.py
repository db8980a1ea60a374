"""What events said, so that a pass knows where to look and needless passes are not made. Nothing is decided from it."""

from collections import OrderedDict
from collections.abc import Iterator
from typing import Final

from narwhal_operator.contract import conditions as c
from narwhal_operator.contract.download import KIND as DOWNLOAD
from narwhal_operator.contract.library import KIND as LIBRARY
from narwhal_operator.core import labels
from narwhal_operator.core.lookup import download_ref, settled
from narwhal_operator.core.observed import Json, Key, Resource
from narwhal_operator.core.parse import job_of, pod_of, resource_of

_REMEMBERED: Final = 50_000
"""Objects whose last look is remembered; past it the oldest is forgotten, which costs a needless pass at worst."""


_NOT_BEGUN: Final = (False, False, None, None, None, None, None)
"""How a pod looks that was just made: no more than its Job says."""


class Hints:
    """Unfinished Jobs by resource, TranscodingJobs by the DownloadJob they wait for, and how objects looked last."""

    def __init__(self) -> None:
        self._jobs: dict[str, set[str]] = {}  # uid of the resource -> names of its unfinished Jobs
        self._waiting: dict[Key, set[Key]] = {}  # DownloadJob -> TranscodingJobs
        self._looks: OrderedDict[str, object] = OrderedDict()  # uid -> what of it matters

    def jobs(self, uid: str) -> frozenset[str]:
        """Unfinished Jobs of the resource of this uid."""
        return frozenset(self._jobs.get(uid, ()))

    def resource(self, raw: Json, *, deleted: bool = False, again: bool = False) -> Iterator[tuple[Key, bool]]:
        """Keys to look at after an event of one of our resources; True: soon is enough.

        The same version of it is looked at twice only where `again` says so: kopf lists what the first look has listed.
        """
        resource = resource_of(raw)
        if deleted:
            self._jobs.pop(resource.uid, None)
        new = self._changed(f"{resource.uid}/version", resource.version, deleted=deleted)
        if deleted or ((new or again) and (not settled(resource) or resource.uid in self._jobs)):
            yield resource.key, False
        ref = download_ref(resource)
        if ref is not None:
            self._wait(Key(DOWNLOAD, resource.key.namespace, ref), resource.key, deleted=deleted)
        if self._changed(resource.uid, _stand(resource), deleted=deleted):
            yield from ((key, False) for key in sorted(self._waiting.get(resource.key, ())))
            owner = _owner(raw)
            if owner is not None and owner.kind == LIBRARY:
                yield owner, True

    def knows(self, raw: Json) -> bool:
        """Whether this version of one of our resources was seen before."""
        meta = raw["metadata"]
        return bool(self._looks.get(f"{meta['uid']}/version") == meta.get("resourceVersion", ""))

    def job(self, raw: Json, *, deleted: bool = False) -> Iterator[Key]:
        """The key to look at after an event of a Job of ours."""
        job, uid = job_of(raw), raw["metadata"]["labels"][labels.UID]
        names = self._jobs.setdefault(uid, set())
        if deleted or job.finished:
            names.discard(job.name)
        else:
            names.add(job.name)
        if not names:
            del self._jobs[uid]
        indexed = raw.get("spec", {}).get("completionMode") == "Indexed"
        parts = job.completed if indexed else 0  # of one pod its end is enough
        look = (job.suspended, job.deleting, job.complete, job.failed, parts)
        owner = _owner(raw)
        if owner is not None and self._changed(job.uid, look, deleted=deleted):
            yield owner

    def pod(self, raw: Json, *, deleted: bool = False) -> Iterator[Key]:
        """The key to look at after an event of a pod of ours."""
        pod = pod_of(raw)
        look = (pod.running, pod.failed, pod.ip, pod.waiting, pod.unschedulable, pod.exit_code, pod.deleted_at)
        owner, uid = _owner(raw), raw["metadata"]["uid"]
        born = look == _NOT_BEGUN and uid not in self._looks
        if owner is not None and self._changed(uid, look, deleted=deleted) and (deleted or not born):
            yield owner

    def _wait(self, download: Key, waiting: Key, *, deleted: bool) -> None:
        keys = self._waiting.setdefault(download, set())
        if deleted:
            keys.discard(waiting)
        else:
            keys.add(waiting)
        if not keys:
            del self._waiting[download]

    def _changed(self, uid: str, look: object, *, deleted: bool) -> bool:
        if deleted:
            self._looks.pop(uid, None)
            return True
        if self._looks.get(uid) == look:
            return False
        self._looks[uid] = look
        self._looks.move_to_end(uid)
        if len(self._looks) > _REMEMBERED:
            self._looks.popitem(last=False)
        return True


def _stand(resource: Resource) -> tuple[object, ...]:
    """What of a resource matters to those that wait for it."""
    return (resource.holds(c.COMPLETE), resource.holds(c.FAILED), resource.status.get("phase"), resource.deleted_at)


def _owner(raw: Json) -> Key | None:
    """The resource a child belongs to, by the marks all our children carry."""
    owner = labels.owner_of(raw)
    return None if owner is None else Key(*owner)
