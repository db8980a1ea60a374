"""One story on a real API server, told by a real operator: what is applied, what its workers do, how it ends."""

import json
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from kubernetes.aio.config import kube_config

from narwhal_operator.__main__ import main
from narwhal_operator.contract.outcome import Reason
from narwhal_operator.core import labels
from narwhal_operator.kube.paths import PLURALS
from tests.chaos.proxy import Fault, Proxy
from tests.integration.operator.plane import Json, Plane
from tests.support.processes import end_with_parent
from tests.unit.operator import build as b

DLJ, TCJ = "DownloadJob", "TranscodingJob"
SETTINGS: Final = {
    "NARWHAL_BACKOFF_SCALE": "0.02",
    "NARWHAL_RESYNC_PERIOD": "2",  # what a lost event costs
    "NARWHAL_LISTEN_HOST": "127.0.0.1",
    "NARWHAL_LISTEN_PORT": "0",
    "NARWHAL_LOG_LEVEL": "DEBUG",
    "SSL_CERT_FILE": os.devnull,  # the proxy is asked without TLS: reading the machine's CAs is a fifth of a second each
}
_FORKS: Final = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(["tests.chaos.warm"])  # a fresh interpreter each would be most of the work

SECONDS: Final = 120.0
"""How long a story may take; on a machine that does nothing else it takes three."""
STEP_SECONDS: Final = 0.3
"""Between two looks at what there is: five lists each, so that shorter steps take the API server's time from the story."""
AWAY_STEP_SECONDS: Final = 1.5
"""The same while the operator is cut off."""
REST: Final = 10
"""Steps without a change after which all is at rest: longer than any wait of the story, and than a resync."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where stories are told: a control plane, the operator's login, a directory."""

    plane: Plane
    login: Path
    directory: Path


@dataclass(frozen=True, slots=True)
class Told:
    """How a story went."""

    end: Json
    jobs: Counter[str]
    """How often each Job was created, by whose it was and the attempt."""
    counts: tuple[int, int, int]
    """Writes, watch events, watches."""
    struck: str
    """The write the fault struck, or the word `event` or `watch`; empty when it did not come to that."""
    seconds: float
    """From the fault, or the beginning, to the end."""
    log: str


class Operator:
    """The operator as a process of a warm interpreter: the same code, the same signals."""

    def __init__(self, log: Path) -> None:
        self.log = log
        self.environment: Mapping[str, str] = {}
        self._process: Any = None
        self._lock = threading.Lock()

    def start(self) -> None:
        """Starts it, unless it runs."""
        with self._lock:
            if self._process is None or not self._process.is_alive():
                self._process = _FORKS.Process(target=_live, args=(dict(self.environment), str(self.log)), daemon=True)
                self._process.start()

    def kill(self) -> None:
        """SIGKILL, and its end is waited for: nothing of it is written after this."""
        with self._lock:
            if self._process is not None:
                self._process.kill()
                self._process.join(10)


def _live(environment: Mapping[str, str], log: str) -> None:
    """What the forked process does."""
    end_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(out, 1)
    os.dup2(out, 2)
    os.environ.update(environment)
    kube_config.KUBE_CONFIG_DEFAULT_LOCATION = environment["KUBECONFIG"]  # read at import, which was before the fork

    sys.exit(main())


class Story:
    """A film that is fetched and then transcoded, one that several pods transcode, a download that fails at first, one that is deleted while it runs."""

    def __init__(self, plane: Plane, namespace: str) -> None:
        self._plane = plane
        self._namespace = namespace
        self._deleted = False

    def begin(self) -> None:
        """What the user applies."""
        for name in ("film", "flaky", "gone"):
            self._plane.apply(DLJ, self._namespace, name, b.download_spec())
        self._plane.apply(TCJ, self._namespace, "film", b.transcode_spec(input={"downloadJobRef": {"name": "film"}}))
        self._plane.apply(TCJ, self._namespace, "long", b.transcode_spec(parallelism=2))

    def step(self) -> None:
        """What kubelet and user do next."""
        for pod in self._plane.list("Pod", self._namespace):
            phase = pod.get("status", {}).get("phase", "Pending")
            if phase == "Pending" and "deletionTimestamp" not in pod["metadata"]:
                self._work(pod)
            elif phase == "Running" and not self._deleted and _order(pod)["head"]["name"] == "gone":
                self._plane.delete(DLJ, self._namespace, "gone")
                self._deleted = True

    def _work(self, pod: Json) -> None:
        order = _order(pod)
        head = order["head"]
        if head["name"] == "gone" and head["task"] == "Run":
            self._plane.run(self._namespace, pod)
        elif head["name"] == "flaky" and head["attempt"] == 1:
            self._plane.end(self._namespace, pod, Reason.STORE_UNREACHABLE)
        else:
            self._plane.end(self._namespace, pod, Reason.COMPLETED, **_made(order["kind"], head["task"]))

    def end(self) -> Json:
        """What there is, without times, versions and uids."""
        found: Json = {}
        for kind in PLURALS:
            for item in self._plane.list(kind, self._namespace):
                status = item.get("status", {})
                found[f"{kind}/{item['metadata']['name']}"] = {
                    "finalizers": item["metadata"].get("finalizers", []),
                    "conditions": sorted((c["type"], c["status"], c["reason"]) for c in status.get("conditions", ())),
                    "attempts": [(a["number"], a.get("reason")) for a in status.get("attempts", ())],
                    "failures": status.get("failures", 0),
                }
        for job in self._plane.list("Job", self._namespace):
            types = {condition["type"] for condition in job["status"].get("conditions", ())}
            found[f"Job/{whose(job)}"] = sorted(types & {"Complete", "Failed"})
        return found


def _made(kind: str, task: str) -> Json:
    """What a worker's outcome says it made."""
    match task:
        case "Sweep" | "Range":
            return {}
        case "Plan":
            return {"ranges": 2}
    return {"result": b.RESULT} if kind == TCJ else {"artifact": b.ARTIFACT}


def _order(pod: Json) -> Json:
    order: Json = json.loads(pod["metadata"]["annotations"][labels.ORDER])
    return order


def whose(job: Json) -> str:
    """Whose Job this is and the attempt: its name holds a uid, which no two runs share."""
    order = json.loads(job["spec"]["template"]["metadata"]["annotations"][labels.ORDER])
    return f"{order['kind']}/{order['head']['name']}/{order['head']['task']}/{order['head']['attempt']}"


def tell(place: Place, name: str, fault: Fault, wanted: Json | None = None) -> Told:
    """The story with one fault, in a namespace of that name.

    It is over when the end is as wanted (with none: when nothing changes any more), or out of time.
    """
    directory = place.directory / name
    directory.mkdir()
    place.plane.ask("POST", "/api/v1/namespaces", {"metadata": {"name": name}})
    operator = Operator(directory / "operator.log")
    authority = place.plane.directory / "pki" / "ca.crt"
    with Proxy(place.plane.api.server, authority, fault, operator.kill) as proxy:
        config = through(place.login, directory / "kubeconfig", proxy.port)
        operator.environment = SETTINGS | {
            "KUBECONFIG": str(config),
            "NARWHAL_NAMESPACES": name,
            "HOME": str(directory),
        }
        story = Story(place.plane, name)
        try:
            seconds = _live_through(story, operator, proxy, wanted)
            end = story.end()
        finally:
            operator.kill()
    # The namespace stays until the control plane goes: to empty hundreds of them is a fifth of the API server's work.
    jobs = Counter(whose(job) for job in proxy.created)
    counts = (len(proxy.writes), proxy.events, proxy.watches)
    return Told(end, jobs, counts, proxy.struck, seconds, operator.log.read_text())


def _live_through(story: Story, operator: Operator, proxy: Proxy, wanted: Json | None) -> float:
    """Steps until the end; the seconds since the fault, or since the beginning."""
    story.begin()
    began, struck, still, last = time.monotonic(), False, 0, None
    deadline = began + SECONDS + proxy.fault.seconds
    while time.monotonic() < deadline:
        operator.start()  # whatever has killed it: a pod is started again
        story.step()
        if proxy.struck and not struck:
            struck, began = True, time.monotonic()
        end = story.end()
        still = still + 1 if end == last else 0
        at_rest = still > REST and (wanted in (None, end) or _last_word(proxy))
        if at_rest or (end == wanted and struck):
            break
        last = end
        time.sleep(AWAY_STEP_SECONDS if proxy.away else STEP_SECONDS)
    return time.monotonic() - began - proxy.fault.seconds


def _last_word(proxy: Proxy) -> bool:
    """Whether the story may end in another way: a Job that is called invalid is not made again."""
    return proxy.fault.status == 422 and proxy.struck.startswith("POST") and proxy.struck.endswith("/jobs")


def through(config: Path, path: Path, port: int) -> Path:
    """The same login by way of the proxy."""
    found = json.loads(config.read_text())
    found["clusters"][0]["cluster"] = {"server": f"http://127.0.0.1:{port}"}
    path.touch(mode=0o600)
    path.write_text(json.dumps(found))
    return path
