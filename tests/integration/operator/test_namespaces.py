"""An operator for some namespaces has rights in these only."""

from pathlib import Path

from tests.integration.operator.plane import Operator, Plane, log_in
from tests.unit.operator import build as b


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
