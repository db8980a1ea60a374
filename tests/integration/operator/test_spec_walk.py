"""Every field of a running job to its bounds and back, with the real operator: Acto's method."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from narwhal_operator.contract.outcome import Reason
from narwhal_operator.kube.paths import named
from tests.contract.manifests import schema
from tests.contract.spec_bases import LEAST, Spec, stepped
from tests.contract.test_crds import PLURALS
from tests.integration.operator.plane import Operator, Plane, reason_of
from tests.support.processes import until
from tests.support.spec_walk import Step, steps

SECONDS = 300.0
"""For some two hundred jobs at once, on a machine that does other things: a quarter of a minute on one that does not."""
IMMUTABLE = {"DownloadJob": {"source", "destination", "checksum"}, "TranscodingJob": {"input", "output"}}


@pytest.fixture
def patient(login: Path, tmp_path: Path) -> Iterator[Operator]:
    """An operator that does not give up on pods, for there is no kubelet to start them."""
    made = Operator(login, tmp_path, {"NARWHAL_START_TIMEOUT": "86400"})
    made.start()
    yield made
    made.kill()


def replace(plane: Plane, kind: str, namespace: str, name: str, spec: Spec) -> None:
    """What `kubectl replace` does to a spec."""
    change = [{"op": "replace", "path": "/spec", "value": spec}]
    plane.ask("PATCH", named(kind, namespace, name), change, "application/json-patch+json")


class Walkers:
    """A job for each legal step of a kind."""

    def __init__(self, plane: Plane, kind: str, namespace: str) -> None:
        self._plane, self._kind, self._namespace = plane, kind, namespace
        legal = (step for step in steps(schema(PLURALS[kind])["properties"]["spec"]) if step.legal)
        self._steps = {f"walk-{number}": step for number, step in enumerate(legal)}

    def create(self) -> None:
        """What cannot be changed later has its step's value from the first."""
        for name, step in self._steps.items():
            spec = LEAST[self._kind] if self._changes(step) else stepped(self._kind, step)
            self._plane.apply(self._kind, self._namespace, name, spec)

    def change(self, *, back: bool) -> None:
        """To the step's value, or back."""
        for name, step in self._steps.items():
            if self._changes(step):
                spec = LEAST[self._kind] if back else stepped(self._kind, step)
                replace(self._plane, self._kind, self._namespace, name, spec)

    def settle(self, *, there: bool) -> dict[str, str]:
        """Waits until the operator has seen each spec as it is and says what is right; the Job of each that has one."""
        left: dict[str, str] = {}

        def right() -> bool:
            nonlocal left
            jobs, left = self._jobs(), {}
            for found in self._plane.list(self._kind, self._namespace):
                name = found["metadata"]["name"]
                wanted = self._reason(self._steps[name], there=there)
                seen = found.get("status", {}).get("observedGeneration") == found["metadata"]["generation"]
                if not seen or reason_of(found) != wanted or (wanted == "Starting") != (len(jobs[name]) == 1):
                    left[name] = f"{self._steps[name]}: {reason_of(found)}, not {wanted}; Jobs {jobs[name]}"
            return not left

        try:
            until(right, SECONDS, "the operator has seen all specs")
        except AssertionError as error:
            raise AssertionError("\n".join(left.values())) from error
        return {name: jobs[0] for name, jobs in self._jobs().items() if jobs}

    def _jobs(self) -> dict[str, list[str]]:
        """The Jobs that are to run, by what owns them."""
        found: dict[str, list[str]] = {name: [] for name in self._steps}
        for job in self._plane.list("Job", self._namespace):
            if "deletionTimestamp" not in job["metadata"] and not job["spec"].get("suspend"):
                found[job["metadata"]["ownerReferences"][0]["name"]].append(job["metadata"]["name"])
        return found

    def _changes(self, step: Step) -> bool:
        return step.path[0] not in IMMUTABLE[self._kind]

    def _reason(self, step: Step, *, there: bool) -> str:
        """The reason of Ready: there is no kubelet, so what may start is starting."""
        if step.path[:2] == ("input", "downloadJobRef"):
            return Reason.DEPENDENCY_MISSING
        return "Suspended" if there and step.path == ("suspend",) and step.value else "Starting"


@pytest.mark.parametrize("kind", IMMUTABLE)
def test_every_field_to_its_bounds_and_back(plane: Plane, patient: Operator, namespace: str, kind: str) -> None:
    """At each bound there is a Job that the API server takes, or the condition that says why not; back again, the very first Job."""
    walkers = Walkers(plane, kind, namespace)
    walkers.create()
    first = walkers.settle(there=False)
    walkers.change(back=False)
    walkers.settle(there=True)
    walkers.change(back=True)
    assert walkers.settle(there=False) == first
    assert patient.running
    assert '"level": "error"' not in patient.log()
    assert "Traceback" not in patient.log()
