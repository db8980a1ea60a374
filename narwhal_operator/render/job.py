"""The batch/v1 Job of an order. Pure: the same order gives the same manifest."""

import json
from typing import Any, Final

from narwhal_operator.contract import order as o
from narwhal_operator.contract.base import API_VERSION
from narwhal_operator.contract.common import PodTemplate
from narwhal_operator.contract.order import DownloadOrder
from narwhal_operator.contract.outcome import TABLE, Class, Reason
from narwhal_operator.core import labels, scratch
from narwhal_operator.core.observed import Resource
from narwhal_operator.core.plan import CreateJob
from narwhal_operator.core.policy import Policy
from narwhal_operator.render.security import container_security, pod_security
from narwhal_operator.render.volumes import volumes_of

Json = dict[str, Any]

CONTAINER: Final = "worker"
TERMINATION_LOG: Final = "/dev/termination-log"
GRACE: Final = 30
"""Seconds from SIGTERM to SIGKILL; a worker needs about one."""
NODE_PATIENCE: Final = 30
"""Seconds a worker stays on a node that is NotReady or not heard of; Kubernetes' own 300 are for what loses its work."""
_SILENT_NODE: Final = ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable")
PART_RETRIES: Final = 2
"""Times a part is made again in the same attempt."""
_HOPELESS: Final = frozenset({Class.TERMINAL, Class.USER, Class.MEMORY})
SWEEP_TTL: Final = 20
"""Seconds a finished sweep stays, should the operator die before it removes it: nobody owns it any more."""


def job(create: CreateJob, resource: Resource, policy: Policy) -> Json:
    """The manifest of the Job."""
    sweep = create.order.head.task == "Sweep"
    marks = labels_of(create, resource)
    metadata: Json = {
        "name": create.name,
        "namespace": resource.key.namespace,
        "labels": marks | ({labels.QUEUE: create.queue} if create.queue else {}),
        "annotations": {labels.NAME: resource.key.name},
    }
    if not sweep:
        metadata["ownerReferences"] = [owner_of(resource)]
    spec: Json = {
        **_pods(create),
        "suspend": create.suspend,
        "podReplacementPolicy": "Failed",  # never two pods of one attempt
        "ttlSecondsAfterFinished": SWEEP_TTL if sweep else policy.job_ttl,
        "template": _template(create, resource, policy, marks),
    }
    if create.deadline is not None:
        spec["activeDeadlineSeconds"] = create.deadline
    if not sweep:
        spec["podFailurePolicy"] = _failure_policy(indexed=create.order.head.task == "Range")
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": spec}


def owner_of(resource: Resource) -> Json:
    """The controller reference by which a child goes with its resource."""
    return {
        "apiVersion": API_VERSION,
        "kind": resource.key.kind,
        "name": resource.key.name,
        "uid": resource.uid,
        "controller": True,
        "blockOwnerDeletion": True,
    }


def labels_of(create: CreateJob, resource: Resource) -> dict[str, str]:
    """The user's labels, under ours."""
    head = create.order.head
    worker = "download" if isinstance(create.order, DownloadOrder) else "transcode"
    return (create.template.labels or {}) | {
        "app.kubernetes.io/name": "narwhal",
        "app.kubernetes.io/component": worker,
        "app.kubernetes.io/managed-by": labels.MANAGER,
        labels.UID: resource.uid,
        labels.KIND: resource.key.kind,
        labels.ATTEMPT: "0" if head.task == "Sweep" else str(head.attempt),
    }


def _pods(create: CreateJob) -> Json:
    """How many pods, and how often one that failed is replaced."""
    pods: Json = {"completions": create.completions, "parallelism": create.parallelism}
    if create.order.head.task == "Range":
        # One part that fails again and again ends the attempt; the others' segments are stored.
        return pods | {"completionMode": "Indexed", "backoffLimitPerIndex": PART_RETRIES, "maxFailedIndexes": 0}
    # A retry of work is the operator's; a sweep is simply tried again.
    return pods | {"backoffLimit": 2 if create.order.head.task == "Sweep" else 0}


def _failure_policy(*, indexed: bool) -> Json:
    """One pod is one attempt, or one part of it: it is replaced where the cluster took it away, a part where a retry may do."""
    stopped = [TABLE[Reason.CANCELLED].code]  # the worker was told to stop: a drain, a suspension
    return {
        "rules": [
            {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]},
            {"action": "Ignore", "onExitCodes": {"containerName": CONTAINER, "operator": "In", "values": stopped}},
            _final(indexed=indexed),
        ]
    }


def _final(*, indexed: bool) -> Json:
    """Of a part only what ends the same way, or needs more than another pod: the attempt ends with that reason."""
    values = [0] if not indexed else sorted(TABLE[reason].code for reason in Reason if TABLE[reason].cls in _HOPELESS)
    values = sorted({*values, TABLE[Reason.PLAN_LOST].code}) if indexed else values
    codes = {"containerName": CONTAINER, "operator": "In" if indexed else "NotIn", "values": values}
    return {"action": "FailIndex" if indexed else "FailJob", "onExitCodes": codes}


def _template(create: CreateJob, resource: Resource, policy: Policy, marks: dict[str, str]) -> Json:
    worker = policy.worker_of(create.order)
    volumes, mounts = volumes_of(create.order, scratch.bound(create.resources, worker.scratch))
    text = json.dumps(create.order.wire(), separators=(",", ":"), sort_keys=True)
    spec: Json = {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": GRACE,
        "securityContext": pod_security(),
        "containers": [_container(create, worker.image, policy.pull_policy, mounts)],
        "volumes": volumes,
    }
    template = create.template
    spec |= template.model_dump(
        mode="json", by_alias=True, exclude_none=True, include={"node_selector", "tolerations", "priority_class_name"}
    )
    spec["tolerations"] = [*spec.get("tolerations", ()), *_patience(template)]
    if create.avoid:
        spec["affinity"] = {"nodeAffinity": _elsewhere(create.avoid)}
    annotations = {labels.NAME: resource.key.name, labels.ORDER: text}
    return {"metadata": {"labels": marks, "annotations": annotations}, "spec": spec}


def _patience(template: PodTemplate) -> list[Json]:
    """For how long a pod stays on a node that says nothing, where its user does not say: what is finished is stored."""
    taken = [one.key for one in template.tolerations or () if one.effect in {None, "NoExecute"}]
    keys = [key for key in _SILENT_NODE if key not in taken and None not in taken]
    toleration = {"operator": "Exists", "effect": "NoExecute", "tolerationSeconds": NODE_PATIENCE}
    return [{"key": key} | toleration for key in keys]


def _elsewhere(nodes: tuple[str, ...]) -> Json:
    """Any node but these, if there is one. By the node's name: its label kubernetes.io/hostname may be another."""
    others = [{"key": "metadata.name", "operator": "NotIn", "values": [node]} for node in nodes]
    return {"preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 100, "preference": {"matchFields": others}}]}


def _container(create: CreateJob, image: str, pull_policy: str, mounts: list[Json]) -> Json:
    return {
        "name": CONTAINER,
        "image": image,
        "imagePullPolicy": pull_policy,
        "args": [
            *("--order", o.ORDER_FILE),
            *("--termination-log", TERMINATION_LOG),
            *("--listen", f"0.0.0.0:{o.PROGRESS_PORT}"),
            *("--scratch", o.SCRATCH),
            *(("--index", "$(JOB_COMPLETION_INDEX)") if create.order.head.task == "Range" else ()),
        ],
        "env": [{"name": "TMPDIR", "value": o.SCRATCH}, {"name": "HOME", "value": o.SCRATCH}],
        "ports": [{"name": "metrics", "containerPort": o.PROGRESS_PORT, "protocol": "TCP"}],
        "resources": create.resources.wire(),
        "securityContext": container_security(),
        "terminationMessagePath": TERMINATION_LOG,
        "terminationMessagePolicy": "File",
        "volumeMounts": mounts,
    }
