"""The Job of an order, whole: a change of it is a change of this page."""

import json
from dataclasses import replace

from narwhal_operator.contract.common import PodTemplate, Resources
from narwhal_operator.contract.order import DownloadOrder, parse_order
from narwhal_operator.core import download, transcode
from narwhal_operator.core.deletion import decide as end
from narwhal_operator.core.observed import Json, Observed
from narwhal_operator.core.plan import CreateChild, CreateJob, Event
from narwhal_operator.core.policy import Policy, WorkerPolicy
from narwhal_operator.render.child import child, event
from narwhal_operator.render.job import job
from tests.unit.operator import build as b

POLICY = Policy(
    download=WorkerPolicy("images/download:1", Resources(requests={"cpu": "250m"}), "2Gi"),
    torrent=WorkerPolicy("images/torrent:1", Resources(), "9Gi"),
    transcode=WorkerPolicy("images/transcode:1", Resources(), "50Gi"),
)
HTTP = {
    "urls": ["https://origin.example/bbb.mp4"],
    "headersFrom": {"secretRef": {"name": "auth"}},
    "caBundleFrom": {"configMapRef": {"name": "ca"}},
}


def made(kind: str, spec: Json, **meta: Json) -> tuple[CreateJob, Json]:
    """The action and the manifest of the first Job of a resource."""
    decide = download.decide if kind == "DownloadJob" else transcode.decide
    resource = b.resource(kind, spec, **meta)
    create = next(a for a in decide(Observed(resource, POLICY), b.NOW).actions if isinstance(a, CreateJob))
    return create, job(create, resource, POLICY)


def test_a_download_job_whole() -> None:
    """Every field of the Job of a download with headers and a CA bundle."""
    create, manifest = made("DownloadJob", b.download_spec(source={"http": HTTP}, activeDeadlineSeconds=60))
    template = manifest["spec"].pop("template")
    order = template["metadata"]["annotations"].pop("narwhal.dev/order")
    marks = {
        "app.kubernetes.io/name": "narwhal",
        "app.kubernetes.io/component": "download",
        "app.kubernetes.io/managed-by": "narwhal-operator",
        "narwhal.dev/uid": b.UID,
        "narwhal.dev/kind": "DownloadJob",
        "narwhal.dev/attempt": "1",
    }
    assert manifest["metadata"] == {
        "name": create.name,
        "namespace": "media",
        "labels": marks,
        "annotations": {"narwhal.dev/name": "bbb"},
        "ownerReferences": [OWNER],
    }
    assert (manifest["apiVersion"], manifest["kind"], manifest["spec"]) == ("batch/v1", "Job", JOB)
    assert template["metadata"] == {"labels": marks, "annotations": {"narwhal.dev/name": "bbb"}}
    assert parse_order(order) == create.order
    assert template["spec"] == POD


OWNER: Json = {
    "apiVersion": "narwhal.dev/v1alpha1",
    "kind": "DownloadJob",
    "name": "bbb",
    "uid": b.UID,
    "controller": True,
    "blockOwnerDeletion": True,
}
JOB: Json = {
    "backoffLimit": 0,
    "completions": 1,
    "parallelism": 1,
    "suspend": False,
    "podReplacementPolicy": "Failed",
    "ttlSecondsAfterFinished": 3600,
    "activeDeadlineSeconds": 60,
    "podFailurePolicy": {
        "rules": [
            {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]},
            {"action": "Ignore", "onExitCodes": {"containerName": "worker", "operator": "In", "values": [10]}},
            {"action": "FailJob", "onExitCodes": {"containerName": "worker", "operator": "NotIn", "values": [0]}},
        ]
    },
}
SECRET = {"optional": True, "defaultMode": 0o440}
PATIENCE = [
    {"key": f"node.kubernetes.io/{state}", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 30}
    for state in ("not-ready", "unreachable")
]
POD: Json = {
    "tolerations": PATIENCE,
    "restartPolicy": "Never",
    "automountServiceAccountToken": False,
    "enableServiceLinks": False,
    "terminationGracePeriodSeconds": 30,
    "securityContext": {
        "runAsNonRoot": True,
        "runAsUser": 65532,
        "runAsGroup": 65532,
        "fsGroup": 65532,
        "fsGroupChangePolicy": "OnRootMismatch",
        "seccompProfile": {"type": "RuntimeDefault"},
    },
    "containers": [
        {
            "name": "worker",
            "image": "images/download:1",
            "imagePullPolicy": "IfNotPresent",
            "args": [
                "--order", "/narwhal/order/order.json", "--termination-log", "/dev/termination-log",
                "--listen", "0.0.0.0:9090", "--scratch", "/work",
            ],
            "env": [{"name": "TMPDIR", "value": "/work"}, {"name": "HOME", "value": "/work"}],
            "ports": [{"name": "metrics", "containerPort": 9090, "protocol": "TCP"}],
            "resources": {"requests": {"cpu": "250m"}},
            "securityContext": {
                "allowPrivilegeEscalation": False,
                "capabilities": {"drop": ["ALL"]},
                "readOnlyRootFilesystem": True,
                "runAsNonRoot": True,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "terminationMessagePath": "/dev/termination-log",
            "terminationMessagePolicy": "File",
            "volumeMounts": [
                {"name": "order", "mountPath": "/narwhal/order", "readOnly": True},
                {"name": "scratch", "mountPath": "/work"},
                {"name": "store", "mountPath": "/narwhal/store", "readOnly": True},
                {"name": "headers", "mountPath": "/narwhal/headers", "readOnly": True},
                {"name": "ca", "mountPath": "/narwhal/ca", "readOnly": True},
            ],
        }
    ],
    "volumes": [
        {
            "name": "order",
            "downwardAPI": {
                "items": [
                    {"path": "order.json", "fieldRef": {"fieldPath": "metadata.annotations['narwhal.dev/order']"}}
                ]
            },
        },
        {"name": "scratch", "emptyDir": {"sizeLimit": "2Gi"}},
        {"name": "store", "secret": {"secretName": "narwhal-storage"} | SECRET},
        {"name": "headers", "secret": {"secretName": "auth"} | SECRET},
        {"name": "ca", "configMap": {"name": "ca"} | SECRET},
    ],
}  # fmt: skip


def test_a_torrent_has_its_own_image_and_scratch() -> None:
    """Only downloads of torrents carry libtorrent; its .torrent object's Secret is mounted where it is another one."""
    named = {"bucket": "media", "key": "x.torrent", "storageRef": {"name": "elsewhere"}}
    create, manifest = made("DownloadJob", b.download_spec(source={"torrent": {"object": named}}))
    pod = manifest["spec"]["template"]["spec"]
    assert pod["containers"][0]["image"] == "images/torrent:1"
    volumes = {volume["name"]: volume for volume in pod["volumes"]}
    assert volumes["scratch"] == {"name": "scratch", "emptyDir": {"sizeLimit": "9Gi"}}
    assert create.order.wire()["scratchBytes"] == 9 * 1024**3
    assert volumes["source-store"]["secret"]["secretName"] == "elsewhere"
    order = create.order
    assert isinstance(order, DownloadOrder)
    assert order.torrent_file is not None
    assert order.torrent_file.wire() == {
        "store": {"type": "s3", "credentials": "/narwhal/source-store", "secret": "elsewhere"},
        "bucket": "media",
        "key": "x.torrent",
    }


def test_a_torrent_object_in_the_same_store_mounts_one_secret() -> None:
    """As an input in the output's store does."""
    source = {"torrent": {"object": {"bucket": "media", "key": "x.torrent"}}}
    create, manifest = made("DownloadJob", b.download_spec(source=source))
    secrets = [volume for volume in manifest["spec"]["template"]["spec"]["volumes"] if "secret" in volume]
    assert len(secrets) == 1
    order = create.order
    assert isinstance(order, DownloadOrder)
    assert order.torrent_file is not None
    assert order.torrent_file.store == order.destination.store


def test_content_keys_are_a_mounted_secret() -> None:
    """The order names the directory; the pod has the Secret there, readable by its user alone."""
    encryption = {"method": "AES-128", "keysFrom": {"secretRef": {"name": "film-keys"}}, "keyUri": "/{kid}"}
    create, manifest = made("TranscodingJob", b.transcode_spec(packaging={"encryption": encryption}))
    pod = manifest["spec"]["template"]["spec"]
    volumes = {volume["name"]: volume for volume in pod["volumes"]}
    assert volumes["keys"] == {"name": "keys", "secret": {"secretName": "film-keys"} | SECRET}
    assert {"name": "keys", "mountPath": "/narwhal/keys", "readOnly": True} in pod["containers"][0]["volumeMounts"]
    assert create.order.wire()["keys"] == "/narwhal/keys"


def test_the_users_template_is_under_our_own_marks() -> None:
    """Labels, node selector, tolerations and priority are the user's; what marks a child as ours is not."""
    template = {
        "labels": {"team": "video"},
        "nodeSelector": {"disk": "fast"},
        "tolerations": [{"key": "spot", "operator": "Exists"}],
        "priorityClassName": "low",
    }
    create, manifest = made("TranscodingJob", b.transcode_spec(template=template))
    pod = manifest["spec"]["template"]
    assert pod["metadata"]["labels"]["team"] == manifest["metadata"]["labels"]["team"] == "video"
    assert pod["spec"]["nodeSelector"] == {"disk": "fast"}
    assert pod["spec"]["tolerations"] == [{"key": "spot", "operator": "Exists"}, *PATIENCE]
    assert pod["spec"]["priorityClassName"] == "low"
    forged = replace(create, template=PodTemplate.model_construct(labels={"narwhal.dev/uid": "another"}))
    labels = job(forged, b.resource("TranscodingJob", b.transcode_spec()), POLICY)["metadata"]["labels"]
    assert labels["narwhal.dev/uid"] == b.UID


def test_kueues_label_is_on_the_job_only() -> None:
    """Kueue admits the Job; its pods carry no queue name."""
    label = {"kueue.x-k8s.io/queue-name": "encodes"}
    _, manifest = made("TranscodingJob", b.transcode_spec(), labels=label)
    assert manifest["metadata"]["labels"].items() >= label.items()
    assert "kueue.x-k8s.io/queue-name" not in manifest["spec"]["template"]["metadata"]["labels"]


def test_a_sweep_has_no_owner_and_removes_itself() -> None:
    """Its resource is going: an owner reference would take the sweep along in a foreground deletion."""
    status = b.status("DownloadJob", b.download_spec(), b.attempt("DownloadJob", b.download_spec()))
    resource = b.resource(
        "DownloadJob",
        b.download_spec(),
        status,
        deletionTimestamp="2026-01-01T12:00:00Z",
        finalizers=["narwhal.dev/sweep"],
    )
    (create,) = end(Observed(resource, POLICY), b.NOW, download.RULES).actions
    assert isinstance(create, CreateJob)
    manifest = job(create, resource, POLICY)
    assert "ownerReferences" not in manifest["metadata"]
    assert "podFailurePolicy" not in manifest["spec"]
    assert (manifest["spec"]["ttlSecondsAfterFinished"], manifest["spec"]["backoffLimit"]) == (20, 2)
    order = json.loads(manifest["spec"]["template"]["metadata"]["annotations"]["narwhal.dev/order"])
    assert order["head"]["task"] == "Sweep"


def test_a_child_belongs_to_its_library() -> None:
    """It goes with it, is found by its uid, and is queued where the library is."""
    library = b.resource("MediaLibrary", {}, labels={"kueue.x-k8s.io/queue-name": "q"})
    meta = child(CreateChild("DownloadJob", "bbb-a", {}), library)["metadata"]
    assert meta["labels"]["narwhal.dev/uid"] == b.UID
    assert meta["labels"]["kueue.x-k8s.io/queue-name"] == "q"
    assert [owner["kind"] for owner in meta["ownerReferences"]] == ["MediaLibrary"]


def test_the_same_news_has_the_same_name() -> None:
    """An Event's name is of its resource, reason and what it is about: a repeated pass posts it once."""
    resource = b.resource("DownloadJob", b.download_spec())
    names = {
        about: event(Event("Normal", "Started", "x", about), resource, b.NOW)["metadata"]["name"]
        for about in ("1", "2")
    }
    again = event(Event("Normal", "Started", "other words", "1"), resource, b.NOW)["metadata"]["name"]
    assert (names["1"], names["1"] == names["2"]) == (again, False)
