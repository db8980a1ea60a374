"""What one pass sees: live reads of a few objects by their names. No decision rests on what a watch remembered."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from narwhal_operator.contract.download import KIND as DOWNLOAD
from narwhal_operator.contract.report import WorkerReport
from narwhal_operator.contract.transcode import KIND as TRANSCODE
from narwhal_operator.core import labels
from narwhal_operator.core.lookup import lookup_of
from narwhal_operator.core.observed import Job, Json, Key, Observed, Pod, Resource
from narwhal_operator.core.parse import job_of, pod_of, resource_of
from narwhal_operator.core.policy import Policy
from narwhal_operator.kube.client import Api, pages
from narwhal_operator.kube.errors import NotFound
from narwhal_operator.kube.paths import collection, named

_POD_DUE: Final = timedelta(seconds=3)
"""How long after a Job's start its pod is simply on its way; then the Job's Events are asked why there is none."""


@dataclass(frozen=True, slots=True)
class Memory:
    """What the process knows besides the API server: where to look, and what workers report of themselves."""

    jobs: Callable[[str], frozenset[str]] = lambda _uid: frozenset()
    report: Callable[[str], WorkerReport | None] = lambda _uid: None
    reports: Callable[[str], tuple[WorkerReport, ...]] = lambda _uid: ()
    told: Callable[[Key], Json | None] = lambda _key: None
    """A new resource as its event told it, once."""


def again(observed: Observed, memory: Memory) -> Observed:
    """What was seen, with what the workers report now."""
    uid = observed.resource.uid
    return replace(observed, report=memory.report(uid), reports=memory.reports(uid))


async def observe(api: Api, key: Key, policy: Policy, memory: Memory, now: datetime) -> Observed | None:
    """All that the decision about a resource rests on; None if it is gone."""
    raw = await found(api.get(named(key.kind, key.namespace, key.name)))
    return None if raw is None else await around(api, resource_of({"kind": key.kind} | raw), policy, memory, now)


async def around(api: Api, resource: Resource, policy: Policy, memory: Memory, now: datetime) -> Observed:
    """A resource, and what else the decision about it rests on."""
    key = resource.key
    lookup = lookup_of(resource, memory.jobs(resource.uid))
    jobs = await _jobs(api, resource, lookup.jobs)
    jobs = tuple([await _with_left(api, job, resource) if job.name != lookup.open_job else job for job in jobs])
    seen = again(Observed(resource, policy, jobs), memory)
    if lookup.open_job is not None:
        seen = await _with_pods(api, seen, lookup.open_job, now)
    if lookup.download is not None:
        download = await found(api.get(named(DOWNLOAD, key.namespace, lookup.download)))
        seen = replace(seen, download=None if download is None else resource_of({"kind": DOWNLOAD} | download))
    if lookup.children:
        seen = replace(seen, children=await _children(api, resource))
    return seen


async def found(answer: Awaitable[Json]) -> Json | None:
    """The answer, or None where there is no such object."""
    try:
        return await answer
    except NotFound:
        return None


async def _jobs(api: Api, resource: Resource, names: frozenset[str]) -> tuple[Job, ...]:
    ordered = sorted(names)
    raws = await asyncio.gather(*(found(api.get(named("Job", resource.key.namespace, name))) for name in ordered))
    return tuple(job_of(raw) for raw in raws if raw is not None and _is_of(raw, resource))


async def _with_left(api: Api, job: Job, resource: Resource) -> Job:
    """A Job that is being deleted with the pods it waits for: they may be on a node that nobody hears of."""
    if not job.deleting or job.finished:
        return job
    return replace(job, left=await _pods_of(api, resource.key.namespace, job.name))


async def _pods_of(api: Api, namespace: str, job: str) -> tuple[Pod, ...]:
    raws = await pages(api, collection("Pod", namespace), {"labelSelector": f"{labels.JOB_NAME}={job}"})
    return tuple(pod_of(raw) for raw in raws)


def _is_of(raw: Json, resource: Resource) -> bool:
    return bool((raw["metadata"].get("labels") or {}).get(labels.UID) == resource.uid)


async def _with_pods(api: Api, seen: Observed, name: str, now: datetime) -> Observed:
    """With the pods of the open attempt's Job, where they can matter."""
    job = seen.job(name)
    if job is None or (job.suspended and not job.finished):
        return seen
    namespace = seen.resource.key.namespace
    pods = await _pods_of(api, namespace, name)
    refusal = None
    if not pods and not job.finished and now - (job.started_at or job.created_at) > _POD_DUE:
        refusal = await _pod_refusal(api, namespace, job)
    return replace(seen, pods=pods, pod_refusal=refusal)


async def _pod_refusal(api: Api, namespace: str, job: Job) -> str | None:
    """What the Job controller says when quota or policy forbids the pod: it says so nowhere but in an Event."""
    query = {"fieldSelector": f"involvedObject.uid={job.uid},reason=FailedCreate"}
    events = await pages(api, collection("Event", namespace), query)
    last = max(events, key=lambda event: str(event.get("lastTimestamp") or ""), default=None)
    return None if last is None else str(last.get("message") or "the pod cannot be created")


async def _children(api: Api, library: Resource) -> tuple[Resource, ...]:
    query = {"labelSelector": f"{labels.UID}={library.uid}"}
    kinds = (DOWNLOAD, TRANSCODE)
    lists = await asyncio.gather(*(pages(api, collection(kind, library.key.namespace), query) for kind in kinds))
    return tuple(resource_of(raw | {"kind": kind}) for kind, raws in zip(kinds, lists, strict=True) for raw in raws)
