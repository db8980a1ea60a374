"""A control plane without nodes: API server, Job controller, garbage collector. The test plays the kubelet.

The operator is the real process, logged in as a service account with exactly the role of `kube.rbac`.
"""

import json
import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from narwhal_operator.contract.outcome import TABLE, Reason
from narwhal_operator.core import labels
from narwhal_operator.kube.paths import collection, named
from narwhal_operator.kube.rbac import RULES
from tests.cluster import kubeconfig, toolchain
from tests.contract.apiserver import Apiserver, apiserver
from tests.support.processes import end_with_parent, free_ports, program, until

Json = dict[str, Any]
ROOT: Final = Path(__file__).resolve().parents[3]
SECONDS: Final = 60.0
"""How long a test waits for what must come: far more than it takes on a machine that does nothing else."""
CONTROLLERS: Final = ("job", "garbage-collector", "ttl-after-finished", "namespace", "resourcequota")


@dataclass(frozen=True)
class Plane:
    """The API server, asked over HTTP as the administrator."""

    api: Apiserver
    directory: Path

    def ask(
        self, method: str, path: str, body: Json | list[Json] | None = None, content: str = "application/json"
    ) -> Json:
        """One request; AssertionError with the server's words when it is refused."""
        headers = {"Content-Type": content}
        answer = self.api.pool.request(method, f"{self.api.server}{path}", json=body, headers=headers)
        found: Json = answer.json()
        assert answer.status < 300 or answer.status == 404, found.get("message")
        return found

    def get(self, kind: str, namespace: str, name: str) -> Json | None:
        """An object, or None."""
        found = self.ask("GET", named(kind, namespace, name))
        return None if found.get("kind") == "Status" else found

    def list(self, kind: str, namespace: str) -> list[Json]:
        """All objects of a kind."""
        items: list[Json] = self.ask("GET", collection(kind, namespace))["items"]
        return items

    def apply(self, kind: str, namespace: str, name: str, spec: Json, **meta: Any) -> None:
        """A new resource of ours."""
        body = {"apiVersion": "narwhal.dev/v1alpha1", "kind": kind, "metadata": {"name": name} | meta, "spec": spec}
        self.ask("POST", collection(kind, namespace), body)

    def patch(self, kind: str, namespace: str, name: str, change: Json, part: str = "") -> None:
        """A merge patch, as a user or a kubelet does it."""
        self.ask("PATCH", f"{named(kind, namespace, name)}{part}", change, "application/merge-patch+json")

    def delete(self, kind: str, namespace: str, name: str) -> None:
        """What `kubectl delete --wait=false` does."""
        self.ask("DELETE", named(kind, namespace, name), {"propagationPolicy": "Background"})

    def until(self, kind: str, namespace: str, name: str, probe: Callable[[Json], Any], what: str) -> Json:
        """The object as soon as it is as wanted."""

        def look() -> Json | None:
            found = self.get(kind, namespace, name)
            return found if found is not None and probe(found) else None

        return until(look, SECONDS, f"{kind} {name}: {what}")

    def gone(self, kind: str, namespace: str, name: str) -> None:
        """Waits until an object is not there any more."""
        until(lambda: self.get(kind, namespace, name) is None, SECONDS, f"{kind} {name} goes")

    def ready(self, kind: str, namespace: str, name: str, reason: str) -> Json:
        """The object as soon as its Ready has this reason."""
        return self.until(kind, namespace, name, lambda o: reason_of(o) == reason, f"Ready has reason {reason}")

    def pod_of(self, namespace: str, job: str) -> Json:
        """The pod the Job controller made for a Job."""

        def mine() -> Json | None:
            pods = self.list("Pod", namespace)
            return next((p for p in pods if p["metadata"]["labels"].get(labels.JOB_NAME) == job), None)

        return until(mine, SECONDS, f"a pod of Job {job}")

    def play(self, namespace: str, pod: Json, state: Json, phase: str, **status: Any) -> None:
        """What the kubelet says of the worker container."""
        container = {"name": "worker", "image": "x", "imageID": "", "ready": False, "restartCount": 0, "state": state}
        change = {"status": {"phase": phase, "containerStatuses": [container]} | status}
        self.patch("Pod", namespace, pod["metadata"]["name"], change, "/status")

    def run(self, namespace: str, pod: Json, ip: str = "127.0.0.1") -> None:
        """The pod runs."""
        state = {"running": {"startedAt": "2026-01-01T00:00:00Z"}}
        self.play(namespace, pod, state, "Running", podIP=ip, podIPs=[{"ip": ip}])

    def end(self, namespace: str, pod: Json, reason: Reason, **more: Any) -> None:
        """The worker ends with an outcome."""
        code = TABLE[reason].code
        ended = {"exitCode": code, "message": outcome(pod, reason, **more), "finishedAt": "2026-01-01T00:01:00Z"}
        self.play(
            namespace,
            pod,
            {"terminated": ended | {"startedAt": "2026-01-01T00:00:00Z"}},
            "Failed" if code else "Succeeded",
        )


def reason_of(obj: Json) -> str | None:
    """The reason of Ready."""
    conditions = {c["type"]: c for c in obj.get("status", {}).get("conditions", ())}
    reason: str | None = conditions.get("Ready", {}).get("reason")
    return reason


def outcome(pod: Json, reason: Reason, **more: Any) -> str:
    """The termination message of a worker, for the order in its pod."""
    order = json.loads(pod["metadata"]["annotations"][labels.ORDER])
    head = order["head"]
    made = {
        "kind": order["kind"],
        "uid": head["uid"],
        "attempt": head["attempt"],
        "workDigest": head["workDigest"],
        "reason": reason.value,
        "message": TABLE[reason].meaning,
        "startedAt": "2026-01-01T00:00:00Z",
        "finishedAt": "2026-01-01T00:01:00Z",
    }
    return json.dumps(made | more)


@contextmanager
def controllers(api: Apiserver, directory: Path) -> Iterator[None]:
    """The controllers of Kubernetes that what we make is handed to."""
    config = directory / "controllers.kubeconfig"
    kubeconfig.write(config, api.server, directory / "pki", "controller-manager")
    argv = [
        str(toolchain.binary("kube-controller-manager")),
        f"--kubeconfig={config}",
        f"--controllers={','.join(f'{name}-controller' for name in CONTROLLERS)}",
        "--leader-elect=false",
        "--secure-port=0",
        "--kube-api-qps=200",
        "--kube-api-burst=400",
    ]
    grant = "system:kube-controller-manager"  # all of its controllers run under its own name here
    api.tell("create", "clusterrolebinding", "controllers", "--clusterrole=cluster-admin", f"--user={grant}")
    with program(argv, directory / "controllers.log"):
        yield


@contextmanager
def control_plane(directory: Path) -> Iterator[Plane]:
    """API server and controllers, with our CRDs."""
    with apiserver(directory) as api:
        api.tell("apply", "--server-side", "-f", ROOT / "crds")
        api.tell("wait", "--for=condition=Established", "--timeout=60s", "crd", "--all")
        with controllers(api, directory):
            yield Plane(api, directory)


def log_in(api: Apiserver, directory: Path, namespace: str | None = None) -> Path:
    """The kubeconfig of a service account that has the operator's role, everywhere or in one namespace."""
    name = f"narwhal-{namespace or 'everywhere'}"
    api.tell("create", "serviceaccount", name)
    role = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": "narwhal"}}
    api.tell("apply", "-f", "-", stdin=json.dumps(role | {"rules": RULES}))
    binding = ["clusterrolebinding", name] if namespace is None else ["rolebinding", name, f"--namespace={namespace}"]
    api.tell("create", *binding, "--clusterrole=narwhal", f"--serviceaccount=default:{name}")
    token = api.tell("create", "token", name, "--duration=24h").strip()
    config = json.loads(api.kubeconfig.read_text())
    config["users"][0]["user"] = {"token": token}
    path = directory / f"{name}.kubeconfig"
    path.touch(mode=0o600)
    path.write_text(json.dumps(config))
    return path


class Operator:
    """The operator's process: started, killed, started again."""

    def __init__(self, config: Path, directory: Path, settings: Mapping[str, str]) -> None:
        (self.port,) = free_ports(1)
        self._log = directory / "operator.log"
        self._process: subprocess.Popen[bytes] | None = None
        self._environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(directory),
            "KUBECONFIG": str(config),
            "NARWHAL_LISTEN_HOST": "127.0.0.1",
            "NARWHAL_LISTEN_PORT": str(self.port),
            **settings,
        }

    def start(self, *, wait: bool = True) -> None:
        """Start it and wait until it is ready."""
        with self._log.open("ab") as out:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "narwhal_operator"],
                cwd=ROOT,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                preexec_fn=end_with_parent,  # noqa: PLW1509 - runs before any thread of ours, calls one syscall
            )
        if wait:
            until(lambda: self.page("/readyz"), SECONDS, f"the operator is ready: {self.log()[-2000:]}")

    def kill(self) -> None:
        """SIGKILL: no word of farewell."""
        self._stop(signal.SIGKILL)

    def stop(self) -> int:
        """SIGTERM; the exit code."""
        return self._stop(signal.SIGTERM)

    def _stop(self, how: signal.Signals) -> int:
        assert self._process is not None
        self._process.send_signal(how)
        return self._process.wait(SECONDS)

    @property
    def pid(self) -> int:
        """The process."""
        assert self._process is not None
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether the process is there."""
        return self._process is not None and self._process.poll() is None

    def log(self) -> str:
        """All it has said."""
        return self._log.read_text()

    def page(self, path: str) -> str | None:
        """A page it serves; None while it does not answer 200."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=5) as answer:
                return str(answer.read(), "utf-8")
        except OSError:
            return None
