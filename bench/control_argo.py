"""How fast resources become pods: Narwhal's, and Workflows of Argo's controller, on one API server.

300 objects each, as fast as the API server takes them, until a watch has told of the last of 300 pods. There is neither scheduler nor
kubelet: no pod starts, so none of their work is measured; Narwhal's pods are made by the Job controller, Argo's by its own.
Argo's controller is the released one, with its own default limits as a client (20 requests a second, bursts of 30) and then with 500 of
each; it is spared leader election, metrics and every other namespace. Its Workflow is the least there can be: one container.
"""

import asyncio
import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from bench.control_burst import AT_ONCE, NAMES_ONLY, session_of
from bench.control_many import at_once, spec_of
from narwhal_operator.contract.common import resource
from narwhal_operator.kube.client import Client, configuration
from narwhal_operator.kube.paths import collection
from tests.cluster import toolchain
from tests.cluster.shell import run
from tests.integration.operator.plane import Operator
from tests.support.processes import program

OBJECTS: Final = 300
"""And one more first, which is not measured."""
SECONDS: Final = 300.0
GROUP: Final = "argoproj.io/v1alpha1"
RAISED: Final = ("--qps=500", "--burst=500")
Json = dict[str, Any]
Make = Callable[[str, int], tuple[str, Json]]
"""A namespace and a number to the collection and the body of an object that becomes one pod."""


def rates(scratch: Path, operator: Operator) -> dict[str, float]:
    """Pods created per second: by Narwhal, by Argo as it comes, and by Argo with raised limits. Ends the operator."""
    crds, config = toolchain.manifests("argo"), scratch / "kubeconfig"  # built before anything is measured
    kubectl = [str(toolchain.binary("kubectl")), f"--kubeconfig={config}"]
    for name in ("narwhal", "argo", "argo-raised"):
        run([*kubectl, "create", "namespace", name])
    found = {"narwhal": asyncio.run(pods_per_second(config, "narwhal", transcode))}
    operator.stop()
    run([*kubectl, "apply", "--server-side", "-k", crds])
    run([*kubectl, "wait", "--for=condition=Established", "--timeout=60s", "crd", "--all"])
    for name, limits in (("argo", ()), ("argo-raised", RAISED)):
        with argo(config, name, limits, scratch):
            found[name] = asyncio.run(pods_per_second(config, name, workflow))
    for name, rate in found.items():
        print(f"{OBJECTS} objects to pods, {name}: {rate:.1f} per second", flush=True)
    ratios = {f"vs_{name}": found["narwhal"] / found[name] for name in ("argo", "argo-raised")}
    figures = {f"{name}_pods_per_s": rate for name, rate in found.items()} | ratios
    return {name.replace("-", "_"): round(figure, 1) for name, figure in figures.items()}


async def pods_per_second(kubeconfig: Path, namespace: str, make: Make) -> float:
    """OBJECTS ÷ the seconds from the first request to the event of the last pod, once a first object has its pod."""
    client = Client(await configuration(AT_ONCE, str(kubeconfig)))

    async def post(number: int) -> None:
        path, body = make(namespace, number)
        await client.create(path, body)

    try:
        async with asyncio.timeout(SECONDS):
            await asyncio.gather(made(kubeconfig, namespace, 1), post(OBJECTS))  # it is awake, and its caches are warm
            watch = asyncio.create_task(made(kubeconfig, namespace, OBJECTS + 1))
            began = time.monotonic()
            await at_once([post(number) for number in range(OBJECTS)])
            return OBJECTS / (await watch - began)
    finally:
        await client.close()


async def made(kubeconfig: Path, namespace: str, count: int) -> float:
    """When a watch has told of so many pods of a namespace, by the monotonic clock."""
    names: set[str] = set()
    session, host = await session_of(kubeconfig)
    async with session:
        while True:  # the API server ends the watch of one who reads too slowly; the next tells of all again
            url = f"{host}{collection('Pod', namespace)}?watch=1"
            async with session.get(url, headers={"Accept": NAMES_ONLY}) as answer:
                async for line in answer.content:
                    names.add(json.loads(line)["object"]["metadata"]["name"])
                    if len(names) == count:
                        return time.monotonic()


def transcode(namespace: str, number: int) -> tuple[str, Json]:
    """A TranscodingJob."""
    kind = "TranscodingJob"
    return collection(kind, namespace), resource(kind, f"t{number}", namespace, spec_of(number))


def workflow(namespace: str, number: int) -> tuple[str, Json]:
    """A Workflow of one container."""
    container = {"image": "ffmpeg", "command": ["ffmpeg"], "args": ["-version"]}
    spec = {"entrypoint": "main", "templates": [{"name": "main", "container": container}]}
    body = {"apiVersion": GROUP, "kind": "Workflow", "metadata": {"name": f"w{number}"}, "spec": spec}
    return f"/apis/{GROUP}/namespaces/{namespace}/workflows", body


@contextmanager
def argo(config: Path, namespace: str, limits: tuple[str, ...], scratch: Path) -> Iterator[None]:
    """Argo's controller, which looks after one namespace, as the administrator."""
    kubectl = [str(toolchain.binary("kubectl")), f"--kubeconfig={config}"]
    off = "{enabled: false}"
    settings = [f"--from-literal={name}={off}" for name in ("metricsConfig", "telemetryConfig")]
    run([*kubectl, "create", "configmap", "workflow-controller-configmap", f"--namespace={namespace}", *settings])
    argv = [
        str(toolchain.binary("workflow-controller")),
        f"--kubeconfig={config}",
        f"--namespace={namespace}",
        "--namespaced",
        "--executor-image=argoexec",
        "--loglevel=warn",
        *limits,
    ]
    environment = {"PATH": os.environ["PATH"], "HOME": str(scratch), "LEADER_ELECTION_DISABLE": "true"}
    with program(argv, scratch / f"{namespace}.log", environment):
        yield
