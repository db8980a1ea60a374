"""A namespace under Kueue: its queues, and what stands in them."""

from dataclasses import dataclass
from typing import Any, Final

from narwhal_operator.contract.outcome import Reason
from tests.integration.operator.plane import SECONDS, Json, Plane
from tests.support.processes import until
from tests.unit.operator import build as b

KUEUE: Final = "/apis/kueue.x-k8s.io/v1beta2"
TCJ: Final = "TranscodingJob"
LABEL: Final = "kueue.x-k8s.io/queue-name"


@dataclass(frozen=True)
class Queues:
    """What a test does with Kueue's own API, as its admin, and as a user with ours."""

    plane: Plane
    namespace: str

    def add(self, name: str, cpu: str) -> None:
        """A LocalQueue with a ClusterQueue of its own that has so many CPUs; of equals the more urgent is let run."""
        flavor, whole = f"{self.namespace}-{name}-flavor", f"{self.namespace}-{name}"
        quotas = [{"name": "cpu", "nominalQuota": cpu}, {"name": "memory", "nominalQuota": "64Gi"}]
        group = {"coveredResources": ["cpu", "memory"], "flavors": [{"name": flavor, "resources": quotas}]}
        spec = {
            "namespaceSelector": {},
            "preemption": {"withinClusterQueue": "LowerPriority"},
            "resourceGroups": [group],
        }
        self._create("resourceflavors", "ResourceFlavor", flavor, {})
        self._create("clusterqueues", "ClusterQueue", whole, spec)
        self._create(f"namespaces/{self.namespace}/localqueues", "LocalQueue", name, {"clusterQueue": whole})

    def _create(self, where: str, kind: str, name: str, spec: Json) -> None:
        body = {"apiVersion": "kueue.x-k8s.io/v1beta2", "kind": kind, "metadata": {"name": name}, "spec": spec}
        self.plane.ask("POST", f"{KUEUE}/{where}", body)

    def apply(self, name: str, queue: str | None, **more: Any) -> None:
        """A TranscodingJob, in a queue or without its label."""
        meta = {} if queue is None else {"labels": {LABEL: queue}}
        spec = b.transcode_spec(output={"bucket": "media", "prefix": name}) | more
        self.plane.apply(TCJ, self.namespace, name, spec, **meta)

    def ready(self, name: str, reason: str) -> Json:
        """The resource, once its Ready has this reason."""
        return self.plane.ready(TCJ, self.namespace, name, reason)

    def job(self, name: str) -> Json | None:
        """The Job of a resource, if it has one."""
        jobs = self.plane.list("Job", self.namespace)
        return next((job for job in jobs if job["metadata"]["annotations"]["narwhal.dev/name"] == name), None)

    def admitted(self, name: str) -> Json:
        """The Job of a resource, once Kueue lets it run; AssertionError if another than Kueue has let it."""

        def look() -> Json | None:
            job = self.job(name)
            return job if job is not None and not job["spec"]["suspend"] else None

        job: Json = until(look, SECONDS, f"the Job of {name} runs")
        assert hand(job) == "kueue", f"{hand(job)} has set spec.suspend of {job['metadata']['name']}"
        return job

    def runs(self, name: str) -> Json:
        """The pod of a resource, running."""
        pod = self.plane.pod_of(self.namespace, self.admitted(name)["metadata"]["name"])
        self.plane.run(self.namespace, pod)
        return pod

    def ends(self, pod: Json) -> None:
        """The worker of a pod has done all."""
        self.plane.end(self.namespace, pod, Reason.COMPLETED, result=b.RESULT)


def hand(job: Json) -> str:
    """Who has last set `spec.suspend`, by the API server's own books."""
    owners = [
        entry["manager"]
        for entry in job["metadata"]["managedFields"]
        if "f:suspend" in entry.get("fieldsV1", {}).get("f:spec", {})
    ]
    return " and ".join(owners)
