"""kubectl, as a user has it: apply, get, wait, watch, delete; each call bounded, each failure with kubectl's own words."""

import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.cluster import toolchain
from tests.cluster.model import Cluster
from tests.support.processes import program

Object = dict[str, Any]


@dataclass(frozen=True)
class Kube:
    """A cluster, seen through kubectl. Whatever fails raises ClusterError with what kubectl said."""

    cluster: Cluster

    def run(self, *arguments: str, text: str | None = None, timeout: float = 60) -> str:
        """The output of a kubectl command."""
        return self.cluster.kubectl(*arguments, input=text, timeout=timeout)

    def apply(self, *objects: Object, namespace: str | None = None) -> None:
        """`kubectl apply`; the namespace is that of objects which name none."""
        bundle = json.dumps({"apiVersion": "v1", "kind": "List", "items": list(objects)})
        place = [f"--namespace={namespace}"] if namespace else []
        self.run("apply", *place, "--filename", "-", text=bundle)

    def get(self, namespace: str, kind: str, name: str) -> Object:
        """An object that is there."""
        found: Object = json.loads(self.run("get", "--namespace", namespace, kind, name, "--output", "json"))
        return found

    def find(self, namespace: str, kind: str, name: str) -> Object | None:
        """An object, or None."""
        text = self.run("get", "--namespace", namespace, kind, name, "--output", "json", "--ignore-not-found")
        return json.loads(text) if text.strip() else None

    def all(self, namespace: str, kind: str, selector: str = "") -> list[Object]:
        """The objects of a kind that a label selector takes."""
        text = self.run("get", "--namespace", namespace, kind, "--selector", selector, "--output", "json")
        items: list[Object] = json.loads(text)["items"]
        return items

    def status(self, namespace: str, kind: str, name: str) -> Object:
        """The status of one of our objects; empty before the operator has seen it."""
        found: Object = self.get(namespace, kind, name).get("status") or {}
        return found

    def suspend(self, namespace: str, kind: str, name: str, *, suspended: bool) -> None:
        """Sets spec.suspend, as a user does."""
        change = json.dumps({"spec": {"suspend": suspended}})
        self.run("patch", "--namespace", namespace, kind, name, "--type", "merge", "--patch", change)

    def wait(self, namespace: str, target: str, what: str, seconds: float) -> None:
        """`kubectl wait --for=WHAT`."""
        limit = f"--timeout={seconds:.0f}s"
        self.run("wait", "--namespace", namespace, target, f"--for={what}", limit, timeout=seconds + 10)

    def delete(self, namespace: str, kind: str, *names: str, seconds: float = 60) -> None:
        """Deletes and waits until the objects are gone."""
        what = ["--namespace", namespace, kind, *names, "--ignore-not-found", f"--timeout={seconds:.0f}s"]
        self.run("delete", *what, timeout=seconds + 10)

    def kill(self, namespace: str, pod: str) -> None:
        """Deletes a pod without grace: its processes are killed, as if its node had gone."""
        self.run("delete", "--namespace", namespace, "pod", pod, "--grace-period=0", "--force", "--ignore-not-found")

    def evict(self, namespace: str, pod: str) -> None:
        """As a drain or an autoscaler does it: by the API, which asks the budgets and lets the pod end by itself."""
        eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": pod, "namespace": namespace}}
        path = f"/api/v1/namespaces/{namespace}/pods/{pod}/eviction"
        self.run("create", "--raw", path, "--filename", "-", text=json.dumps(eviction))

    def pods_of(self, owner: Object) -> list[Object]:
        """The worker pods of one of our objects."""
        return self.all(owner["metadata"]["namespace"], "pods", f"narwhal.dev/uid={owner['metadata']['uid']}")

    def jobs_of(self, owner: Object) -> list[Object]:
        """The Jobs of one of our objects."""
        return self.all(owner["metadata"]["namespace"], "jobs", f"narwhal.dev/uid={owner['metadata']['uid']}")

    @contextmanager
    def watching(self, log: Path, namespace: str, *arguments: str) -> Iterator[Callable[[], list[str]]]:
        """`kubectl get … --watch` in the background; yields what reads its lines so far."""
        argv = [str(toolchain.binary("kubectl")), "get", "--namespace", namespace, *arguments, "--watch"]
        with program(argv, log, self.cluster.environment()):
            yield lambda: log.read_text().splitlines()


def condition(status: Object, kind: str) -> Object:
    """A condition of a status; empty where it is not there."""
    return next((found for found in status.get("conditions", []) if found["type"] == kind), {})


def is_true(status: Object, kind: str) -> bool:
    """Whether a condition is True."""
    return condition(status, kind).get("status") == "True"


def finished(status: Object) -> bool:
    """Whether the work has ended, one way or the other."""
    return is_true(status, "Complete") or is_true(status, "Failed")


def text_of(objects: Iterable[Object]) -> str:
    """Everything objects say, for a search."""
    return "\n".join(json.dumps(item) for item in objects)
