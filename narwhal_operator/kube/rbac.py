"""All that the operator may do in the API: the least privilege it needs. The chart's role is compared with this."""

from typing import Final

from narwhal_operator.contract.base import GROUP

RULES: Final = (
    {
        "apiGroups": [GROUP],
        "resources": ["downloadjobs", "transcodingjobs", "medialibraries"],
        "verbs": ["get", "list", "watch", "patch", "delete"],  # patch: our finalizer; delete: time to live, titles gone
    },
    {"apiGroups": [GROUP], "resources": ["downloadjobs", "transcodingjobs"], "verbs": ["create"]},
    {
        "apiGroups": [GROUP],
        "resources": ["downloadjobs/status", "transcodingjobs/status", "medialibraries/status"],
        "verbs": ["update"],
    },
    {  # asked of whoever sets blockOwnerDeletion where the admission plugin OwnerReferencesPermissionEnforcement is on
        "apiGroups": [GROUP],
        "resources": ["downloadjobs/finalizers", "transcodingjobs/finalizers", "medialibraries/finalizers"],
        "verbs": ["update"],
    },
    {"apiGroups": ["batch"], "resources": ["jobs"], "verbs": ["get", "list", "watch", "create", "patch", "delete"]},
    {"apiGroups": [""], "resources": ["pods"], "verbs": ["list", "watch"]},
    {"apiGroups": [""], "resources": ["events"], "verbs": ["list", "create"]},  # list: why a Job gets no pod
)
"""Rules of a ClusterRole. No Secrets, no ConfigMaps, no exec, no wildcard."""


def lease_rules(name: str) -> tuple[dict[str, list[str]], ...]:
    """Rules of a Role in the operator's own namespace: its Lease and no other (a create cannot be held to a name)."""
    lease = {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"]}
    return ({**lease, "verbs": ["create"]}, {**lease, "resourceNames": [name], "verbs": ["get", "update"]})
