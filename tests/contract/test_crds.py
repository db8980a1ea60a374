"""The CRDs on a real API server: defaults, kubectl's words and columns, the status at its bounds."""

import json
from dataclasses import dataclass
from typing import Any

import pytest
import yaml

from narwhal_operator.contract.base import API_VERSION
from narwhal_operator.contract.download import DownloadJobStatus
from narwhal_operator.contract.library import MediaLibraryStatus
from narwhal_operator.contract.model import Contract
from narwhal_operator.contract.outcome import TERMINATION_LIMIT
from narwhal_operator.contract.transcode import TranscodingJobStatus
from tests.contract.apiserver import Apiserver
from tests.contract.fullest import fullest
from tests.contract.manifests import CRDS, SPECS, schema

STATUSES: dict[str, type[Contract]] = {
    "downloadjobs": DownloadJobStatus,
    "transcodingjobs": TranscodingJobStatus,
    "medialibraries": MediaLibraryStatus,
}
MINIMAL: dict[str, dict[str, Any]] = {
    "DownloadJob": {
        "source": {"http": {"urls": ["https://origin.example/bbb.mp4"]}},
        "destination": {"bucket": "media", "key": "sources/bbb.mp4"},
    },
    "TranscodingJob": {
        "input": {"downloadJobRef": {"name": "bbb"}},
        "output": {"bucket": "media", "prefix": "vod/bbb"},
    },
    "MediaLibrary": {
        "items": [{"name": "bbb", "source": {"http": {"urls": ["https://origin.example/bbb.mp4"]}}}],
        "output": {"bucket": "media", "prefix": "library"},
    },
}
PLURALS = {crd["spec"]["names"]["kind"]: plural for plural, crd in CRDS.items()}


def manifest(kind: str, **more: Any) -> dict[str, Any]:
    """The smallest manifest of a kind."""
    return {"apiVersion": API_VERSION, "kind": kind, "metadata": {"name": "bbb"}, "spec": MINIMAL[kind], **more}


def size(name: str, value: Any) -> int:
    """Bytes of one field of a status. An artifact comes by a termination message, and so is never longer than one."""
    length = len(json.dumps({name: value}, separators=(",", ":")))
    return min(length, TERMINATION_LIMIT) if name == "artifact" else length


@pytest.mark.parametrize("kind", SPECS)
def test_the_stored_object_says_all_defaults_and_they_are_the_models(api: Apiserver, kind: str) -> None:
    """What the API server stores, defaults filled in, means the same to the models as what the user wrote."""
    stored = api.would_create(PLURALS[kind], manifest(kind))["spec"]
    assert SPECS[kind].from_wire(stored) == SPECS[kind].from_wire(MINIMAL[kind])
    assert stored["suspend"] is False


def test_a_ladder_is_not_stored_unasked(api: Apiserver, namespace: str) -> None:
    """Renditions may be applied to a job that was made without a ladder: no stored preset is in their way."""
    job = manifest("TranscodingJob")
    api.tell("apply", "-n", namespace, "-f", "-", stdin=yaml.safe_dump(job))
    changed = {**job, "spec": {**job["spec"], "ladder": {"renditions": [{"name": "360p", "height": 360}]}}}
    api.tell("apply", "-n", namespace, "-f", "-", stdin=yaml.safe_dump(changed))
    ladder = json.loads(api.tell("get", "-n", namespace, "tcj", "bbb", "-o", "jsonpath={.spec.ladder}"))
    assert ladder == {"renditions": [{"name": "360p", "height": 360}]}


@pytest.mark.parametrize(
    ("field", "words"),
    [
        ("dlj.spec.source.http.headersFrom.secretRef", "header names"),
        ("dlj.spec.template.resources.limits", "memory: 2Gi"),
        ("tcj.spec.ladder.renditions.maxBitrate", "VBV"),
        ("tcj.status.plan.rungs.codecString", "RFC 6381"),
        ("mlib.spec.items.checksum.sha256", "64 hex digits"),
        ("mlib.spec.transcodeTemplate.packaging.segmentDuration", "1s to 10s"),
        ("mlib.status.items.phase", "Waiting"),
    ],
)
def test_kubectl_explains_deep_fields(api: Apiserver, field: str, words: str) -> None:
    """`kubectl explain` finds the field and tells its meaning."""
    assert words in " ".join(api.tell("explain", field).split())


READY = {
    "type": "Ready",
    "status": "False",
    "reason": "Progressing",
    "message": "encoding",
    "lastTransitionTime": "2026-11-22T12:00:00Z",
}
ENCODING = {"phase": "Encoding", "display": {"progress": "43%", "speed": "1.9x", "eta": "1m12s", "rungs": 4}}
LOADING = {
    "phase": "Downloading",
    "display": {"progress": "61%", "rate": "48MiB/s", "eta": "7s", "size": "700Mi"},
}
COUNTS = {"counts": {"total": 3, "active": 1, "complete": 2, "failed": 0}}


@dataclass(frozen=True, slots=True)
class Row:
    """What is written into a status, and what `kubectl get` makes of it."""

    kind: str
    short: str
    status: dict[str, Any]
    head: str
    row: str


ROWS = [
    Row(
        "TranscodingJob",
        "tcj",
        ENCODING,
        "NAME PHASE PROGRESS SPEED ETA RUNGS READY AGE",
        "bbb Encoding 43% 1.9x 1m12s 4 False",
    ),
    Row(
        "DownloadJob",
        "dlj",
        LOADING,
        "NAME PHASE PROGRESS RATE ETA SIZE READY AGE",
        "bbb Downloading 61% 48MiB/s 7s 700Mi False",
    ),
    Row("MediaLibrary", "mlib", COUNTS, "NAME ITEMS ACTIVE COMPLETE FAILED READY AGE", "bbb 3 1 2 0 False"),
]


@pytest.mark.parametrize("want", [pytest.param(row, id=row.short) for row in ROWS])
def test_kubectl_get_prints_the_columns_of_the_design(api: Apiserver, namespace: str, want: Row) -> None:
    """A kind has its columns under its short name; -o wide adds why and what to do."""
    api.tell("create", "-n", namespace, "-f", "-", stdin=yaml.safe_dump(manifest(want.kind)))
    patch = json.dumps({"status": {"conditions": [READY], **want.status}})
    api.tell("patch", "-n", namespace, want.short, "bbb", "--subresource=status", "--type=merge", "-p", patch)
    printed = api.tell("get", "-n", namespace, want.short).splitlines()
    assert printed[0].split() == want.head.split()
    assert printed[1].split()[:-1] == want.row.split()
    wide = api.tell("get", "-n", namespace, want.short, "-o", "wide").splitlines()
    assert wide[0].split()[-2:] == ["REASON", "STATUS"]
    assert wide[1].split()[-2:] == ["Progressing", "encoding"]


def test_the_category_lists_all_three(api: Apiserver, namespace: str) -> None:
    """`kubectl get narwhal` shows objects of every kind."""
    for kind in SPECS:
        api.tell("create", "-n", namespace, "-f", "-", stdin=yaml.safe_dump(manifest(kind)))
    listed = api.tell("get", "-n", namespace, "narwhal", "-o", "name").split()
    assert set(listed) == {f"{crd['spec']['names']['singular']}.narwhal.dev/bbb" for crd in CRDS.values()}


@pytest.mark.parametrize("kind", SPECS)
def test_a_status_at_its_bounds_is_taken_and_stays_small(api: Apiserver, namespace: str, kind: str) -> None:
    """A status with every field as long as the schema lets it be is accepted whole and has less than 64 KiB."""
    plural = PLURALS[kind]
    status = fullest(schema(plural)["properties"]["status"])
    assert sum(size(name, value) for name, value in status.items()) < 64 * 1024
    assert STATUSES[plural].from_wire(status).wire() == status
    api.tell("create", "-n", namespace, "-f", "-", stdin=yaml.safe_dump(manifest(kind)))
    seen = json.loads(api.tell("get", "-n", namespace, plural, "bbb", "-o", "json"))
    text = json.dumps({**seen, "status": status})
    api.tell("replace", "-n", namespace, "--subresource=status", "--validate=strict", "-f", "-", stdin=text)
    after = json.loads(api.tell("get", "-n", namespace, plural, "bbb", "-o", "json"))
    assert after["status"] == status
    assert after["metadata"]["generation"] == seen["metadata"]["generation"]


def test_a_status_written_as_spec_is_ignored(api: Apiserver) -> None:
    """Who may write the spec cannot write the status: it is a subresource."""
    made = api.would_create("downloadjobs", manifest("DownloadJob", status={"phase": "Complete"}))
    assert made["kind"] == "DownloadJob"
    assert "status" not in made


def test_conditions_of_two_writers_lie_side_by_side(api: Apiserver, namespace: str) -> None:
    """Conditions are a list keyed by type: another controller's condition leaves ours alone."""
    api.tell("create", "-n", namespace, "-f", "-", stdin=yaml.safe_dump(manifest("DownloadJob")))
    base = manifest("DownloadJob")
    for manager, type_ in (("narwhal", "Ready"), ("other", "Admitted")):
        condition = {
            "type": type_,
            "status": "True",
            "reason": "Said",
            "lastTransitionTime": "2026-11-22T12:00:00Z",
        }
        text = yaml.safe_dump({**base, "spec": None, "status": {"conditions": [condition]}})
        arguments = ("apply", "-n", namespace, "--server-side", "--subresource=status", f"--field-manager={manager}")
        api.tell(*arguments, "-f", "-", stdin=text)
    types = api.tell("get", "-n", namespace, "dlj", "bbb", "-o", "jsonpath={.status.conditions[*].type}")
    assert set(types.split()) == {"Ready", "Admitted"}
