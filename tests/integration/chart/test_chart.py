"""The chart, rendered by Helm: what it may do, how its pod is confined, which values it takes and refuses."""

import json
import re
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from narwhal_operator.contract.sources import SourceRules
from narwhal_operator.kube.rbac import RULES, lease_rules
from narwhal_operator.settings import Settings
from tests.cluster import toolchain

ROOT: Final = Path(__file__).parents[3]
CHART: Final = ROOT / "charts" / "narwhal"
CRDS: Final = ("downloadjobs.narwhal.dev", "medialibraries.narwhal.dev", "transcodingjobs.narwhal.dev")
Object = dict[str, Any]

VARIATIONS: Final[dict[str, Object]] = {
    "as it is": {},
    "two namespaces": {"operator": {"watchNamespaces": ["media", "films"]}},
    "all on": {
        "commonLabels": {"team": "video"},
        "images": {"registry": "registry.example/narwhal", "pullSecrets": ["pull"]},
        "operator": {
            "extraEnv": [{"name": "NARWHAL_JOB_TTL", "value": "60"}],
            "podAnnotations": {"a": "b"},
            "podLabels": {"c": "d"},
            "nodeSelector": {"e": "f"},
            "tolerations": [{"operator": "Exists"}],
            "affinity": {"nodeAffinity": {}},
            "priorityClassName": "high",
        },
        "serviceAccount": {"annotations": {"role": "x"}},
        "metrics": {"service": {"annotations": {"prometheus.io/scrape": "true"}}},
        "networkPolicy": {"workerNamespaces": ["media"], "scrapers": [{"podSelector": {}}]},
    },
    "all off": {
        "crds": {"enabled": False},
        "rbac": {"create": False},
        "serviceAccount": {"create": False},
        "metrics": {"service": {"enabled": False}},
    },
}


def helm(values: Object) -> "subprocess.CompletedProcess[str]":
    """`helm template` with these values."""
    return _template(json.dumps(values, sort_keys=True))


@cache  # the same values give the same objects, and Helm takes its time
def _template(values: str) -> "subprocess.CompletedProcess[str]":
    where = ["narwhal", str(CHART), "--namespace", "narwhal-system", "--kube-version", "1.35.0", "--values", "-"]
    argv = [str(toolchain.binary("helm")), "template", *where]
    return subprocess.run(argv, input=values, capture_output=True, text=True, timeout=60, check=False)


def rendered(values: Object) -> list[Object]:
    """The objects of the chart with these values."""
    done = helm(values)
    assert done.returncode == 0, done.stderr
    return [item for item in yaml.safe_load_all(done.stdout) if item]


def of_kind(kind: str, objects: list[Object]) -> list[Object]:
    """The objects of one kind."""
    return [item for item in objects if item["kind"] == kind]


def deployment(values: Object) -> Object:
    """The operator's pod template."""
    (found,) = of_kind("Deployment", rendered(values))
    template: Object = found["spec"]["template"]
    return template


@pytest.fixture(params=VARIATIONS, scope="module")
def objects(request: pytest.FixtureRequest) -> list[Object]:
    """The chart in each variation."""
    return rendered(VARIATIONS[request.param])


def test_the_operator_may_do_what_it_does_and_nothing_else() -> None:
    """The ClusterRole has the rules of narwhal_operator/kube/rbac.py, each once."""
    (role,) = [item for item in of_kind("ClusterRole", rendered({})) if item["metadata"]["name"] == "narwhal"]
    assert sorted(rights(role["rules"])) == sorted(rights(RULES))


def rights(rules: Any) -> Iterator[tuple[str, str, str]]:
    """Each single right of rules: group, resource, verb."""
    for rule in rules:
        for group in rule["apiGroups"]:
            for resource in rule["resources"]:
                yield from ((group, resource, verb) for verb in rule["verbs"])


def test_no_role_has_a_wildcard_or_a_secret(objects: list[Object]) -> None:
    """Neither the operator's nor the aggregated roles."""
    for role in of_kind("ClusterRole", objects) + of_kind("Role", objects):
        words = {word for right in rights(role["rules"]) for word in right}
        assert not words & {"*", "secrets", "pods/exec", "pods/log"}, role["metadata"]["name"]


def test_with_namespaces_named_there_are_no_rights_elsewhere() -> None:
    """A RoleBinding in each, beside that of the operator's own Lease, and no ClusterRoleBinding."""
    found = rendered({"operator": {"watchNamespaces": ["media", "films"]}})
    assert of_kind("ClusterRoleBinding", found) == []
    bound = {(item["metadata"]["name"], item["metadata"]["namespace"]) for item in of_kind("RoleBinding", found)}
    assert bound == {("narwhal", "media"), ("narwhal", "films"), ("narwhal-lease", "narwhal-system")}


def test_users_roles_cover_the_kinds_and_not_their_status() -> None:
    """View reads, edit and admin write as well; a status is written by the operator alone."""
    roles = {item["metadata"]["name"]: item for item in of_kind("ClusterRole", rendered({}))}
    view, edit = roles["narwhal-view"], roles["narwhal-edit"]
    assert {verb for _, _, verb in rights(view["rules"])} == {"get", "list", "watch"}
    assert "rbac.authorization.k8s.io/aggregate-to-view" not in edit["metadata"]["labels"]
    for role in (view, edit):
        assert {f"{resource}.{group}" for group, resource, _ in rights(role["rules"])} == set(CRDS)


def test_there_is_one_operator_unless_more_are_wanted() -> None:
    """A new pod stands by before the old one goes; a pair is spread over nodes."""
    (found,) = of_kind("Deployment", rendered({}))
    assert found["spec"]["replicas"] == 1
    assert found["spec"]["strategy"]["rollingUpdate"] == {"maxSurge": 1, "maxUnavailable": 0}
    assert "topologySpreadConstraints" not in found["spec"]["template"]["spec"]
    (pair,) = of_kind("Deployment", rendered({"operator": {"replicas": 2}}))
    (spread,) = pair["spec"]["template"]["spec"]["topologySpreadConstraints"]
    assert spread["topologyKey"] == "kubernetes.io/hostname"
    assert spread["labelSelector"]["matchLabels"] == pair["spec"]["selector"]["matchLabels"]


def test_operators_have_a_lease_of_their_own() -> None:
    """Its name and namespace are the operator's settings; the Role allows that Lease and no other."""
    found = rendered({})
    (role,) = of_kind("Role", found)
    assert sorted(rights(role["rules"])) == sorted(rights(lease_rules("narwhal")))
    assert [rule.get("resourceNames") for rule in role["rules"]] == [None, ["narwhal"]]
    (deployment,) = of_kind("Deployment", found)
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    environment = {variable["name"]: variable for variable in container["env"]}
    assert environment["NARWHAL_LEASE_NAME"]["value"] == "narwhal"
    assert environment["NARWHAL_LEASE_NAMESPACE"]["valueFrom"] == {"fieldRef": {"fieldPath": "metadata.namespace"}}
    assert environment["NARWHAL_IDENTITY"]["valueFrom"] == {"fieldRef": {"fieldPath": "metadata.name"}}


def test_the_operator_s_pod_is_restricted(objects: list[Object]) -> None:
    """All that Pod Security `restricted` asks, and a read-only root."""
    (found,) = of_kind("Deployment", objects)
    pod = found["spec"]["template"]["spec"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    (container,) = pod["containers"]
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert "volumes" not in pod
    assert container["resources"]["limits"]["memory"]


def test_no_secret_is_rendered(objects: list[Object]) -> None:
    """The chart makes no Secret, and no variable takes one."""
    assert of_kind("Secret", objects) == []
    assert "secretKeyRef" not in json.dumps(objects)


def told(variable: Object) -> str:
    """The value of a container's variable; of one that the kubelet fills in, where it takes it from."""
    return str(variable.get("value") or variable.get("valueFrom", {}).get("fieldRef", {}).get("fieldPath", ""))


def test_the_operator_understands_its_variables(objects: list[Object], monkeypatch: pytest.MonkeyPatch) -> None:
    """Each variable is a setting, and all of them together are taken."""
    (found,) = of_kind("Deployment", objects)
    variables = {item["name"]: told(item) for item in found["spec"]["template"]["spec"]["containers"][0]["env"]}
    known = {f"NARWHAL_{name.upper()}" for name in Settings.model_fields}
    assert set(variables) <= known
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert Settings().log_level == "INFO"


def test_values_reach_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Images, networks, resources, namespaces and the default Secret arrive as they were given."""
    values = {
        "images": {"registry": "localhost", "download": {"tag": "dev"}, "transcode": {"digest": "sha256:" + "a" * 64}},
        "storage": {"defaultSecret": "elsewhere"},
        "download": {
            "allowedNetworks": ["10.0.0.0/8", "fd00::/8"],
            "allowedHosts": ["origin.media.svc", "*.example.org"],
            "connectionsPerHost": 4,
            "proxy": "http://proxy.example:3128",
            "peerDiscovery": True,
            "resources": {"limits": {"memory": "1Gi"}},
        },
        "torrent": {"scratch": "9Gi", "resources": {"limits": {"memory": "300Mi"}}},
        "operator": {"watchNamespaces": ["a", "b"], "logLevel": "warning"},
    }
    for item in deployment(values)["spec"]["containers"][0]["env"]:
        monkeypatch.setenv(item["name"], told(item))
    settings = Settings()
    assert settings.download_image == "localhost/narwhal-download:dev"
    assert settings.transcode_image == "localhost/narwhal-transcode@sha256:" + "a" * 64
    assert settings.policy().sources == SourceRules(
        allowed_networks=("10.0.0.0/8", "fd00::/8"),
        allowed_hosts=("origin.media.svc", "*.example.org"),
        connections_per_host=4,
        proxy="http://proxy.example:3128",
        peer_discovery=True,
    )
    assert settings.torrent_image == "localhost/narwhal-torrent:0.1.0"
    assert settings.policy().torrent.scratch == "9Gi"
    assert settings.download_resources.limits == {"memory": "1Gi"}
    assert (settings.namespaces, settings.storage_secret, settings.log_level) == (("a", "b"), "elsewhere", "WARNING")


def test_kinds_are_the_generated_ones_and_kept() -> None:
    """The CRDs of crds/, with nothing added but the annotation that keeps them on uninstall."""
    generated = [yaml.safe_load(path.read_text()) for path in sorted((ROOT / "crds").glob("*.yaml"))]
    found = of_kind("CustomResourceDefinition", rendered({}))
    assert [item["metadata"].pop("annotations") for item in found] == [{"helm.sh/resource-policy": "keep"}] * 3
    assert found == generated
    assert of_kind("CustomResourceDefinition", rendered({"crds": {"keep": False}})) == generated
    assert of_kind("CustomResourceDefinition", rendered({"crds": {"enabled": False}})) == []


def test_worker_policies_select_worker_pods() -> None:
    """In each namespace named, workers take connections from the operator alone, and none go to the metadata address."""
    policies = of_kind("NetworkPolicy", rendered({"networkPolicy": {"workerNamespaces": ["media"]}}))
    workers = next(item for item in policies if item["metadata"]["namespace"] == "media")
    assert workers["spec"]["podSelector"]["matchLabels"] == {"app.kubernetes.io/managed-by": "narwhal-operator"}
    assert len(workers["spec"]["ingress"][0]["from"]) == 1
    blocks = [peer["ipBlock"] for rule in workers["spec"]["egress"] for peer in rule["to"] if "ipBlock" in peer]
    assert all("169.254.0.0/16" in block["except"] for block in blocks)
    assert of_kind("NetworkPolicy", rendered({})) == []


@pytest.mark.parametrize(
    ("values", "at"),
    [
        ({"unknown": 1}, "unknown"),
        ({"images": {"pullPolicy": "Perhaps"}}, "/images/pullPolicy"),
        ({"images": {"registry": "registry.example/"}}, "/images/registry"),
        ({"images": {"operator": {"digest": "sha256:short"}}}, "/images/operator/digest"),
        ({"crds": {"keep": "maybe"}}, "/crds/keep"),
        ({"operator": {"logLevel": "loud"}}, "/operator/logLevel"),
        ({"operator": {"watchNamespaces": ["Not_A_Name"]}}, "/operator/watchNamespaces/0"),
        ({"operator": {"replicas": 0}}, "/operator/replicas"),
        ({"download": {"allowedNetworks": ["10.0.0.1"]}}, "/download/allowedNetworks/0"),
        ({"download": {"allowedHosts": ["http://origin"]}}, "/download/allowedHosts/0"),
        ({"download": {"proxy": "socks5://proxy:1080"}}, "/download/proxy"),
        ({"download": {"proxy": "http://user:pass@proxy:3128"}}, "/download/proxy"),
        ({"download": {"connectionsPerHost": 0}}, "/download/connectionsPerHost"),
        ({"download": {"resources": {"limits": {"memory": "much"}}}}, "/download/resources/limits/memory"),
        ({"transcode": {"scratch": -1}}, "/transcode/scratch"),
        ({"storage": {"defaultSecret": ""}}, "/storage/defaultSecret"),
        ({"metrics": {"service": {"port": 0}}}, "/metrics/service/port"),
    ],
)
def test_a_wrong_value_is_refused_where_it_stands(values: Object, at: str) -> None:
    """Before anything is installed, and the message names the value."""
    done = helm(values)
    assert done.returncode != 0
    assert at in done.stderr


def test_every_value_is_used() -> None:
    """Each leaf of values.yaml, or what holds it, is read by a template."""
    templates = "\n".join(path.read_text() for path in (CHART / "templates").iterdir())
    used = set(re.findall(r"\.Values\.([A-Za-z.]+)", templates))
    # The images are looked up by name (narwhal.image).
    used |= {f"images.{name}" for name in re.findall(r'include "narwhal\.image" \(list \. "(\w+)"\)', templates)}
    leaves = set(paths(yaml.safe_load((CHART / "values.yaml").read_text())))
    assert {leaf for leaf in leaves if not any(leaf == path or leaf.startswith(f"{path}.") for path in used)} == set()


def paths(value: Any, at: str = "") -> Iterator[str]:
    """The dotted paths of all leaves."""
    if isinstance(value, dict) and value:
        for name, inner in value.items():
            yield from paths(inner, f"{at}.{name}" if at else name)
    else:
        yield at
