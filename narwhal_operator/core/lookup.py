"""Which objects a pass has to read: names derived from the resource and its status, and what events hinted at."""

from dataclasses import dataclass

from pydantic import ValidationError

from narwhal_operator.contract import naming
from narwhal_operator.contract.download import DownloadJobSpec
from narwhal_operator.contract.library import KIND as LIBRARY
from narwhal_operator.contract.transcode import KIND as TRANSCODE
from narwhal_operator.contract.transcode import TranscodingJobSpec
from narwhal_operator.core import aftermath, labels
from narwhal_operator.core.case import work_of
from narwhal_operator.core.lifecycle import is_final
from narwhal_operator.core.observed import Json, Resource
from narwhal_operator.core.summary import State


@dataclass(frozen=True, slots=True)
class Lookup:
    """Names of what is to be read."""

    jobs: frozenset[str] = frozenset()
    open_job: str | None = None  # the one whose pods matter
    download: str | None = None  # the DownloadJob of the input
    children: bool = False


def lookup_of(resource: Resource, hinted: frozenset[str]) -> Lookup:
    """What to read for a decision. `hinted`: unfinished Jobs of this resource that events told of."""
    if resource.key.kind == LIBRARY:
        return Lookup(children=True)
    attempts = [item for item in _list(resource.status.get("attempts")) if isinstance(item, dict)]
    last: Json = attempts[-1] if attempts else {}
    jobs = set(hinted)
    if last.get("job"):
        jobs.add(last["job"])
    if late := aftermath.sweep_name(resource):
        jobs.add(late)
    if resource.deleted_at is not None:
        jobs.add(naming.sweep_name(resource.key.name, resource.uid))
    opened = last.get("job") if last.get("reason") is None else None
    return Lookup(frozenset(jobs), opened, None if opened else download_ref(resource))


def settled(resource: Resource) -> bool:
    """Whether there is nothing to do about a resource, as far as it shows itself."""
    held = labels.FINALIZER in resource.finalizers
    if resource.deleted_at is not None:
        return False
    if resource.key.kind == LIBRARY or resource.status.get("observedGeneration") != resource.generation:
        return False
    if not (resource.holds(State.COMPLETE) or resource.holds(State.FAILED)):
        return False  # asked of every event: before the spec is read
    model = TranscodingJobSpec if resource.key.kind == TRANSCODE else DownloadJobSpec
    try:
        spec = model.from_wire(resource.spec)
    except ValidationError:
        return not held and is_final(resource, naming.work_digest(resource.spec))
    if aftermath.superseded_at(resource) is not None or held is not spec.deletes:
        return False
    return spec.ttl_seconds_after_finished is None and is_final(resource, work_of(spec))


def download_ref(resource: Resource) -> str | None:
    """The DownloadJob that a TranscodingJob names as its input."""
    source = resource.spec.get("input")
    ref = source.get("downloadJobRef") if isinstance(source, dict) else None
    name = ref.get("name") if isinstance(ref, dict) else None
    return name if isinstance(name, str) and resource.key.kind == TRANSCODE else None


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []
