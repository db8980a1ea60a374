"""The Jobs a resource asks for, as values; `render.job` makes manifests of them."""

from narwhal_operator.contract import naming
from narwhal_operator.contract.common import PodTemplate, Resources
from narwhal_operator.contract.order import TranscodeOrder
from narwhal_operator.contract.transcode import TranscodingJobSpec
from narwhal_operator.core import labels
from narwhal_operator.core.case import Case, Rules, SpecT, StatusT
from narwhal_operator.core.memory import Allowance, Asked, allowance
from narwhal_operator.core.placement import avoided
from narwhal_operator.core.plan import CreateJob
from narwhal_operator.core.scratch import bound_bytes


def work_job(case: Case[SpecT, StatusT], rules: Rules[SpecT, StatusT], *, suspend: bool) -> CreateJob:
    """The Job of the next attempt. Where Kueue queues it, it is made suspended and Kueue lets it run."""
    queue = case.observed.resource.labels.get(labels.QUEUE)
    template = case.spec.template or PodTemplate()
    given = allowance_of(case, rules)
    order = rules.order(case, case.head(case.history.number))
    room = bound_bytes(given.resources, rules.worker(case.spec, case.observed.policy).scratch)
    if isinstance(order, TranscodeOrder):
        order = order.model_copy(update={"cpus": given.cpus, "scratch_bytes": room})
    elif order.spec.source.torrent is not None:  # HTTP goes straight to the store
        order = order.model_copy(update={"scratch_bytes": room})
    opened = case.history.open
    parts = (opened.ranges or 1) if opened is not None and opened.stage == "Range" else 1
    return CreateJob(
        name=case.job_name,
        order=order,
        resources=given.resources,
        template=template,
        suspend=suspend or queue is not None,
        deadline=case.spec.active_deadline_seconds,
        avoid=avoided(case.history.attempts),
        queue=queue,
        completions=parts,
        parallelism=min(parts, order.spec.parallelism) if isinstance(order, TranscodeOrder) else 1,
    )


def asked_of(case: Case[SpecT, StatusT], rules: Rules[SpecT, StatusT]) -> Asked:
    """What the spec's template and the admin's defaults give a worker."""
    worker, template = rules.worker(case.spec, case.observed.policy), case.spec.template
    resources = merged(worker.resources, None if template is None else template.resources)
    threaded = rules.spec is TranscodingJobSpec
    return Asked(resources, worker.memory_ceiling, cpus(resources) if threaded else None, threaded)


def allowance_of(case: Case[SpecT, StatusT], rules: Rules[SpecT, StatusT]) -> Allowance:
    """What the next attempt gets of it."""
    return allowance(case.history.attempts, asked_of(case, rules))


def sweep_job(case: Case[SpecT, StatusT], rules: Rules[SpecT, StatusT], name: str | None = None) -> CreateJob:
    """The Job that removes what unfinished attempts left in the store, and versions past their time.

    Of an object that is deleted also what it has made, where its deletionPolicy says so.
    """
    policy, key, deleted = case.observed.policy, case.observed.resource.key, case.observed.resource.deleted_at
    template, order = case.spec.template or PodTemplate(), rules.order(case, case.head())
    order = order.model_copy(update={"remove_output": deleted is not None and case.spec.deletes})
    return CreateJob(
        name=name or naming.sweep_name(key.name, case.observed.resource.uid),
        order=order,
        resources=merged(policy.worker_of(order).resources, None),
        template=template.model_copy(update={"resources": None, "labels": None}),
        deadline=max(1, int(policy.sweep_timeout)),
    )


def merged(default: Resources, asked: Resources | None) -> Resources:
    """The admin's defaults under what the user asks. A default that could contradict what is asked gives way."""
    if asked is None:
        return default
    requests, limits = asked.requests or {}, asked.limits or {}
    kept = {name: value for name, value in (default.requests or {}).items() if name not in limits}
    capped = {name: value for name, value in (default.limits or {}).items() if name not in requests}
    return Resources(requests=kept | requests or None, limits=capped | limits or None)


def cpus(resources: Resources) -> float | None:
    """The CPUs a limit allows; None without one."""
    value = (resources.limits or {}).get("cpu")
    if value is None:
        return None
    text = str(value)
    return float(text[:-1]) / 1000 if text.endswith("m") else float(text)
