"""What the operator costs: the start of one job over a bare Kubernetes Job, and a burst of 500 resources.

On the process cluster, with Narwhal installed by its chart:

- start: from the request that creates a TranscodingJob to the exec of its FFmpeg, against the same for a bare Job whose
  pod is that FFmpeg in the same image, in turn; the figure is the difference of the medians. The second figure is against a bare
  Job that has refused even the token that Kubernetes mounts into every pod: volumes alone cost a pod a fifth of a second
- burst: 500 suspended DownloadJobs as fast as the API server takes them; a Job counts when a watch tells of it

- many: 100, 1,000 and 10,000 TranscodingJobs that have ended, and beside them 200 that run on nodes of kwok: the operator's memory,
  its CPU, and status_lag: how old what a status shows of a worker is, at any moment (about ten minutes)
- argo: 300 TranscodingJobs to pods, against 300 Workflows to pods by the controller of Argo Workflows; vs_argo is the ratio of the
  rates against its default settings, vs_argo_raised against `--qps=500 --burst=500`

`--start`, `--burst`, `--many` and `--argo` measure one alone; of the last three (and always of the last two) the operator is a process beside an
API server and the Job controller: no machine behind a node, no image, no root. BENCH_ROUNDS (default 5) is how often each start is measured.
"""

import asyncio
import json
import os
import statistics
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from bench.control_argo import rates
from bench.control_burst import Burst, burst
from bench.control_many import RESYNC, grown
from bench.control_nodes import nodes
from bench.control_start import start_over_bare_job
from tests.cluster.providers import choose
from tests.contract.apiserver import apiserver
from tests.e2e import media
from tests.e2e.install import NAMESPACE
from tests.e2e.world import World, inhabited
from tests.integration.operator.plane import ROOT, Operator, controllers, log_in
from tests.support.processes import free_ports

ROUNDS: Final = int(os.environ.get("BENCH_ROUNDS", "5"))
COUNT: Final = 500
ENDED: Final = (100, 1_000, 10_000)
CLIP: Final = ROOT / "tests" / "data" / "big-buck-bunny.mp4"
LIMITS: Final = {
    "start_over_bare_job_s": 0.5,
    "p99_s": 5.0,
    "rss_10k_mb": 300.0,
    "idle_cpu_10k": 0.02,
    "status_lag_p99_s": 5.0,
}
AT_LEAST: Final = {"jobs_per_s": 100.0, "vs_argo": 4.0}


def main(arguments: list[str]) -> int:
    """Measures, prints the figures; 1 when one is beyond its limit."""
    with tempfile.TemporaryDirectory() as name:
        match arguments:
            case []:
                figures = whole(Path(name)) | many(Path(name)) | versus(Path(name))
            case ["--start"]:
                figures = whole(Path(name), bursts=False)
            case ["--burst"]:
                figures = alone(Path(name))
            case ["--many"]:
                figures = many(Path(name))
            case ["--argo"]:
                figures = versus(Path(name))
            case _:
                print(__doc__, file=sys.stderr)
                return 2
    beyond = [key for key, limit in LIMITS.items() if figures.get(key, 0) > limit]
    beyond += [key for key, limit in AT_LEAST.items() if figures.get(key, limit) < limit]
    for key in beyond:
        print(f"{key} = {figures[key]} is beyond {LIMITS.get(key) or AT_LEAST[key]}")
    print(json.dumps({"bench": "control", "figures": figures}))
    return 1 if beyond else 0


def whole(scratch: Path, *, bursts: bool = True) -> dict[str, float]:
    """Start and burst on a real cluster, or the start alone."""
    provider = choose()
    cluster = provider.up(scratch)
    try:
        with inhabited(cluster, media.Media(CLIP, CLIP, CLIP, CLIP), scratch) as world:
            calm(world)
            bare, empty = asyncio.run(start_over_bare_job(world, CLIP, ROUNDS))
            starts = {"start_over_bare_job_s": round(bare, 3), "start_over_empty_job_s": round(empty, 3)}
            if not bursts:
                return starts
            pod = world.release.operator_pods()[0]["metadata"]["name"]
            with cluster.port_forward(NAMESPACE, f"pod/{pod}", 8080) as port:
                made = asyncio.run(burst(cluster.kubeconfig, COUNT, f"http://127.0.0.1:{port}/metrics"))
    finally:
        provider.down()
    return {**starts, **figures_of(made)}


def calm(world: World) -> None:
    """The operator as the chart installs it, without the tests' logs of every event."""
    values: dict[str, Any] = world.release.values | {"operator": {"logLevel": "info"}}
    replace(world.release, values=values).install()


def alone(scratch: Path) -> dict[str, float]:
    """The burst, without nodes."""
    with plane(scratch) as operator:
        made = asyncio.run(burst(scratch / "kubeconfig", COUNT, f"http://127.0.0.1:{operator.port}/metrics"))
    return figures_of(made)


def many(scratch: Path) -> dict[str, float]:
    """What ended resources cost an operator that has nothing to do, and what 200 that run cost it beside them; on nodes of kwok."""
    (port,) = free_ports(1)
    settings = {"NARWHAL_PROGRESS_PORT": str(port), "NARWHAL_RESYNC_PERIOD": str(RESYNC)}
    with plane(scratch, settings) as operator, nodes(scratch) as kwok:
        least, middle, most = asyncio.run(grown(scratch / "kubeconfig", operator, kwok.pid, port, ENDED))
    return {
        "rss_100_mb": round(least.idle.rss / 1e6, 1),
        "rss_10k_mb": round(most.busy.rss / 1e6, 1),
        "idle_cpu_100": round(least.idle.cpu, 4),
        "idle_cpu_10k": round(most.idle.cpu, 4),
        "busy_cpu_10k": round(most.busy.cpu, 3),
        "kwok_cpu_10k": round(most.kwok, 3),
        "start_200_s": round(most.start, 1),
        "status_lag_p99_100_s": round(least.age(0.99), 2),
        "status_lag_p99_1k_s": round(middle.age(0.99), 2),
        "status_lag_p99_s": round(most.age(0.99), 2),
    }


def versus(scratch: Path) -> dict[str, float]:
    """Resources to pods, ours and Argo's."""
    place = scratch / "argo"
    place.mkdir()
    with plane(place) as operator:
        return rates(place, operator)


@contextmanager
def plane(scratch: Path, settings: Mapping[str, str] = MappingProxyType({})) -> Iterator[Operator]:
    """API server, Job controller, operator."""
    with apiserver(scratch) as api:
        api.tell("apply", "--server-side", "-f", ROOT / "crds")
        api.tell("wait", "--for=condition=Established", "--timeout=60s", "crd", "--all")
        with controllers(api, scratch):
            operator = Operator(log_in(api, scratch), scratch, settings)
            operator.start()
            try:
                yield operator
            finally:
                operator.stop()


def figures_of(made: Burst) -> dict[str, float]:
    """The figures of a burst, and what else it says, printed."""
    p50 = statistics.median(made.waits)
    print(f"{COUNT} resources in {made.posted:.2f} s, their Jobs in {made.took:.2f} s, p50 {p50:.2f} s")
    print(f"operator: {made.cpu:.1f} s of CPU, at most {made.rss / 2**20:.0f} MiB")
    return {
        "jobs_per_s": round(COUNT / made.took, 1),
        "p99_s": round(sorted(made.waits)[int(0.99 * COUNT) - 1], 2),
        "operator_rss_mb": round(made.rss / 1e6, 1),
    }


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
