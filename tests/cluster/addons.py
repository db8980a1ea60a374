"""What every cluster brings: DNS for its Services, by CoreDNS."""

import json
from typing import Any

from tests.cluster.network import Addresses

COREDNS_IMAGE = "localhost/narwhal-coredns:dev"

# No forwarding: pods reach nothing beyond the host, and a name from outside fails at once instead of after a timeout.
# No cache: answers come from memory, and a test that has just made a Service must not get yesterday's NXDOMAIN.
COREFILE = """\
.:1053 {
    errors
    health
    ready
    kubernetes cluster.local in-addr.arpa ip6.arpa {
        ttl 5
    }
}
"""

RBAC = "rbac.authorization.k8s.io/v1"
_META: dict[str, Any] = {"name": "coredns", "namespace": "kube-system", "labels": {"k8s-app": "kube-dns"}}


def coredns(addresses: Addresses) -> str:
    """The manifests of CoreDNS behind the Service kube-dns, as one JSON list for kubectl."""
    rules = [
        {"apiGroups": [""], "resources": ["services", "pods", "namespaces"], "verbs": ["list", "watch"]},
        {"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": ["list", "watch"]},
    ]
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "system:coredns"}
    ports = [
        {"name": f"dns-{protocol.lower()}", "port": 53, "protocol": protocol, "targetPort": 1053}
        for protocol in ("UDP", "TCP")
    ]
    items = [
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": _META},
        {"apiVersion": RBAC, "kind": "ClusterRole", "metadata": {"name": role["name"]}, "rules": rules},
        {
            "apiVersion": RBAC,
            "kind": "ClusterRoleBinding",
            "metadata": {"name": role["name"]},
            "roleRef": role,
            "subjects": [{"kind": "ServiceAccount", "name": "coredns", "namespace": "kube-system"}],
        },
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": _META, "data": {"Corefile": COREFILE}},
        {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": _META, "spec": _deployment()},
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {**_META, "name": "kube-dns"},
            "spec": {"clusterIP": addresses.dns, "selector": _META["labels"], "ports": ports},
        },
    ]
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": items})


def _deployment() -> dict[str, Any]:
    confined = {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}}
    container = {
        "name": "coredns",
        "image": COREDNS_IMAGE,
        "imagePullPolicy": "Never",
        "args": ["-conf", "/etc/coredns/Corefile"],
        "resources": {"requests": {"cpu": "10m", "memory": "30Mi"}, "limits": {"memory": "128Mi"}},
        "readinessProbe": {"httpGet": {"path": "/ready", "port": 8181}, "periodSeconds": 1},
        "livenessProbe": {"httpGet": {"path": "/health", "port": 8080}, "initialDelaySeconds": 10},
        "securityContext": confined,
        "volumeMounts": [{"name": "config", "mountPath": "/etc/coredns", "readOnly": True}],
    }
    spec = {
        "serviceAccountName": "coredns",
        "priorityClassName": "system-cluster-critical",
        "dnsPolicy": "Default",
        "securityContext": {"runAsNonRoot": True, "runAsUser": 65532, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [container],
        "volumes": [{"name": "config", "configMap": {"name": "coredns"}}],
    }
    return {
        "replicas": 1,
        "selector": {"matchLabels": _META["labels"]},
        "template": {"metadata": {"labels": _META["labels"]}, "spec": spec},
    }
