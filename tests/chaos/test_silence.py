"""Watches that tell nothing any more: noticed by what lists find, told by /healthz, and no work waits for it."""

from pathlib import Path

from tests.chaos.proxy import Fault, Proxy
from tests.chaos.story import Place, through
from tests.integration.operator.plane import Operator
from tests.support.processes import until
from tests.unit.operator import build as b


def test_a_watch_that_stays_silent_makes_the_operator_unhealthy(place: Place, tmp_path: Path) -> None:
    """Its watches are silent from the first event on; its lists find the new resource, and /healthz fails in the end."""
    plane, namespace = place.plane, "silence"
    plane.ask("POST", "/api/v1/namespaces", {"metadata": {"name": namespace}})
    authority = plane.directory / "pki" / "ca.crt"
    settings = {"NARWHAL_RESYNC_PERIOD": "1", "NARWHAL_WATCH_PATIENCE": "3", "NARWHAL_NAMESPACES": namespace}
    with Proxy(plane.api.server, authority, Fault("stall", 1), lambda: None) as proxy:
        operator = Operator(through(place.login, tmp_path / "kubeconfig", proxy.port), tmp_path, settings)
        operator.start()
        try:
            assert operator.page("/healthz") == "ok\n"
            plane.apply("DownloadJob", namespace, "film", b.download_spec())
            plane.ready("DownloadJob", namespace, "film", "Starting")
            until(lambda: operator.page("/healthz") is None, 60, "/healthz fails")
        finally:
            operator.kill()
            plane.ask("DELETE", f"/api/v1/namespaces/{namespace}")
