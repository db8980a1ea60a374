"""An operator for some namespaces has rights in these only; a namespace goes without any operator."""

import subprocess
from pathlib import Path
from typing import Final

from tests.cluster import toolchain
from tests.integration.operator.plane import ROOT, SECONDS, Operator, Plane, log_in
from tests.support.processes import until
from tests.unit.operator import build as b

DELETION: Final = ROOT / "docs" / "deletion.md"


def test_it_looks_after_the_namespaces_it_is_told(plane: Plane, namespace: str, tmp_path: Path) -> None:
    """With a RoleBinding in place of the ClusterRoleBinding it is ready, sees its namespace, and asks for no other."""
    config = log_in(plane.api, tmp_path, namespace)
    operator = Operator(config, tmp_path, {"NARWHAL_NAMESPACES": namespace})
    operator.start()
    try:
        plane.apply("DownloadJob", namespace, "bbb", b.download_spec(suspend=True))
        plane.ready("DownloadJob", namespace, "bbb", "Suspended")
        plane.patch("DownloadJob", namespace, "bbb", {"spec": {"suspend": False}})
        plane.ready("DownloadJob", namespace, "bbb", "Starting")
    finally:
        operator.kill()
    assert "orbidden" not in operator.log()


def test_a_namespace_goes_without_an_operator_by_the_documented_line(plane: Plane) -> None:
    """It hangs on the finalizer of unfinished work, and says so; what docs/deletion.md tells to type takes that away."""
    plane.ask("POST", "/api/v1/namespaces", {"metadata": {"name": "stuck"}})
    plane.apply("DownloadJob", "stuck", "bbb", b.download_spec(), finalizers=["narwhal.dev/sweep"])
    plane.apply("TranscodingJob", "stuck", "bbb", b.transcode_spec(), finalizers=["narwhal.dev/sweep"])
    plane.ask("DELETE", "/api/v1/namespaces/stuck")
    until(lambda: "NamespaceFinalizersRemaining" in (_said(plane, "stuck") or ()), SECONDS, "what it waits for is said")
    (line,) = [line.strip() for line in DELETION.read_text().splitlines() if "xargs" in line]
    kubectl = f"{toolchain.binary('kubectl')} --kubeconfig={plane.api.kubeconfig}"
    words = line.replace("kubectl", kubectl).replace("NAMESPACE", "stuck")
    done = subprocess.run(["/bin/sh", "-c", words], capture_output=True, text=True, timeout=SECONDS, check=False)
    assert done.returncode == 0, done.stderr
    until(lambda: _said(plane, "stuck") is None, SECONDS, "the namespace goes")


def _said(plane: Plane, namespace: str) -> set[str] | None:
    """The conditions of a namespace that are True; None when it is gone."""
    found = plane.ask("GET", f"/api/v1/namespaces/{namespace}")
    if found["kind"] == "Status":
        return None
    return {item["type"] for item in found["status"].get("conditions", ()) if item["status"] == "True"}
