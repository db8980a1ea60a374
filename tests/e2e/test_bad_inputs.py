"""What only a run can know to be wrong ends Failed: with a reason of its own, the mend, and nothing published."""

from dataclasses import dataclass, field
from typing import Any, Final

import pytest

from narwhal_operator.contract.outcome import TABLE, Reason
from tests.e2e import manifests
from tests.e2e.kube import Object, condition, finished, is_true, text_of
from tests.e2e.manifests import download, transcode
from tests.e2e.media import HTML, TEXT
from tests.e2e.store import Bucket
from tests.e2e.waits import until
from tests.e2e.world import END_SECONDS, ORIGIN, SECRET_KEY, World, storage_secret

pytestmark = pytest.mark.cluster

NS: Final = "bad-inputs"
ONCE: Final[dict[str, Any]] = {"backoffLimit": 0}
"""Without retries: what may pass, or is mended by somebody, is retried by default, and these tests have not got all day."""
PUBLISHED: Final = "vod/tc-truncated/master.m3u8"
WRONG_KEY: Final = "wrong-secret-key-7c1f"
HEADER: Final = "Bearer header-secret-51ab"


@dataclass(frozen=True)
class Case:
    """A wrong input and what is said of it."""

    name: str
    kind: str
    reason: Reason
    says: tuple[str, ...] = ()
    spec: dict[str, Any] = field(default_factory=dict)
    path: str = "clip.mp4"  # on the origin, or key in the bucket


def ref(secret: str) -> dict[str, Any]:
    return {"storageRef": {"name": secret}}


def to(secret: str = "narwhal-storage", bucket: str = NS) -> dict[str, Any]:  # noqa: S107 - the name of a Secret
    return {"destination": {"bucket": bucket, "key": "sources/x.mp4", **ref(secret)}}


def out(name: str, secret: str = "narwhal-storage", bucket: str = NS) -> dict[str, Any]:  # noqa: S107 - as above
    return {"output": {"bucket": bucket, "prefix": f"vod/{name}", **ref(secret)}}


DLJ, TCJ = "DownloadJob", "TranscodingJob"
CASES: Final = (
    Case("dl-404", DLJ, Reason.SOURCE_NOT_FOUND, ("origin.media.svc", "404"), path="no-such-file.mp4"),
    Case("dl-html", DLJ, Reason.SOURCE_NOT_MEDIA, ("origin.media.svc",), path="login.html"),
    Case("dl-html-named-mp4", DLJ, Reason.SOURCE_NOT_MEDIA, ("origin.media.svc",), path="login.mp4"),
    Case("dl-empty", DLJ, Reason.SOURCE_EMPTY, ("0 bytes",), path="empty.mp4"),
    Case("dl-denied", DLJ, Reason.SOURCE_ACCESS_DENIED, ("headersFrom",), path="denied/clip.mp4"),
    Case("dl-checksum", DLJ, Reason.CHECKSUM_MISMATCH, ("sha256",), {"checksum": {"sha256": "0" * 64}}),
    Case("dl-too-large", DLJ, Reason.SOURCE_TOO_LARGE, ("maxBytes",), {"maxBytes": 1000}),
    Case("dl-no-secret", DLJ, Reason.SECRET_NOT_FOUND, ("no-such-secret",), to("no-such-secret")),
    Case("dl-bad-secret", DLJ, Reason.SECRET_INVALID, ("half", "endpoint"), to("half")),
    Case("dl-bad-credentials", DLJ, Reason.STORE_ACCESS_DENIED, ("wrong-credentials",), to("wrong-credentials")),
    Case("dl-no-bucket", DLJ, Reason.BUCKET_NOT_FOUND, ("no-such-bucket",), to(bucket="no-such-bucket")),
    Case("dl-store-away", DLJ, Reason.STORE_UNREACHABLE, ("away",), to("away")),
    Case("tc-text", TCJ, Reason.INPUT_NOT_MEDIA, ("text.mp4",), path="in/text.mp4"),
    Case("tc-html", TCJ, Reason.INPUT_NOT_MEDIA, ("page.mp4",), path="in/page.mp4"),
    Case("tc-empty", TCJ, Reason.INPUT_EMPTY, ("empty.mp4",), path="in/empty.mp4"),
    Case("tc-words-only", TCJ, Reason.NO_VIDEO, ("words.mp4",), path="in/words.mp4"),
    Case("tc-truncated", TCJ, Reason.INPUT_TRUNCATED, ("truncated.mp4",), path="in/truncated.mp4"),
    Case("tc-no-input", TCJ, Reason.INPUT_NOT_FOUND, ("absent.mp4",), path="in/absent.mp4"),
    Case("tc-no-secret", TCJ, Reason.SECRET_NOT_FOUND, ("no-such-secret",), out("tc-no-secret", "no-such-secret")),
    Case(
        "tc-bad-credentials",
        TCJ,
        Reason.STORE_ACCESS_DENIED,
        ("wrong-credentials",),
        out("tc-bad-credentials", "wrong-credentials"),
    ),
    Case(
        "tc-no-bucket", TCJ, Reason.BUCKET_NOT_FOUND, ("no-such-bucket",), out("tc-no-bucket", bucket="no-such-bucket")
    ),
    Case("tc-store-away", TCJ, Reason.STORE_UNREACHABLE, ("away",), out("tc-store-away", "away")),
    Case(
        "tc-dependency",
        TCJ,
        Reason.DEPENDENCY_FAILED,
        ("dl-404",),
        {"input": {"downloadJobRef": {"name": "dl-404"}}},
    ),
)


@pytest.fixture(scope="module")
def ended(world: World) -> dict[str, Object]:
    """Every case, applied at once and waited for to its end."""
    world.namespace(NS)
    bucket = Bucket(world.store, NS).make()
    prepare(world, bucket)
    world.kube.apply(*(manifest(case) for case in CASES))
    return until(lambda: ends(world), END_SECONDS, "the end of every wrong input")


def prepare(world: World, bucket: Bucket) -> None:
    """Puts the wrong files and the wrong Secrets in place."""
    contents = {"clip.mp4": world.files.clip.read_bytes(), "login.html": HTML, "login.mp4": HTML, "empty.mp4": b""}
    for path, content in (contents | {"denied/clip.mp4": contents["clip.mp4"]}).items():
        world.serve(path, content)
    inputs = {"text": TEXT, "page": HTML, "empty": b"", "words": world.files.words_only.read_bytes()}
    for name, content in (inputs | {"truncated": world.files.truncated.read_bytes()}).items():
        bucket.write(f"in/{name}.mp4", content)
    bucket.upload("clip.mp4", world.files.clip)
    bucket.write(PUBLISHED, b"published before")
    world.kube.apply(
        storage_secret("wrong-credentials", secretAccessKey=WRONG_KEY),
        storage_secret("away", endpoint="http://no-store.media.svc:9000"),
        manifests.secret("half", {"accessKeyId": "narwhal", "secretAccessKey": SECRET_KEY}),
        manifests.secret("header", {"Authorization": HEADER}),
        namespace=NS,
    )


def manifest(case: Case) -> Object:
    """The resource of a case."""
    if case.kind == TCJ:
        return transcode(NS, case.name, case.path, **(ONCE | case.spec))
    source: dict[str, Any] = {"urls": [f"{ORIGIN}/{case.path}"]}
    if case.reason is Reason.SOURCE_ACCESS_DENIED:
        source["headersFrom"] = {"secretRef": {"name": "header"}}
    return download(NS, case.name, "", **(ONCE | case.spec | {"source": {"http": source}}))


def ends(world: World) -> dict[str, Object] | None:
    """All resources by name, once each has ended."""
    found = [item for kind in ("downloadjobs", "transcodingjobs") for item in world.kube.all(NS, kind)]
    done = {item["metadata"]["name"]: item for item in found if finished(item.get("status", {}))}
    return done if len(done) == len(CASES) else None


@dataclass(frozen=True)
class Made:
    """What the cluster has made of all of them: read once, for a call of kubectl costs a tenth of a second."""

    jobs: list[Object]
    pods: list[Object]
    warnings: list[Object]

    @staticmethod
    def of(owner: Object, objects: list[Object]) -> list[Object]:
        """Those of one resource."""
        uid = owner["metadata"]["uid"]
        return [item for item in objects if item["metadata"].get("labels", {}).get("narwhal.dev/uid") == uid]


@pytest.fixture(scope="module")
def made(world: World, ended: dict[str, Object]) -> Made:
    """Jobs, pods and warnings, once all have ended."""
    warnings = [event for event in world.kube.all(NS, "events") if event["type"] == "Warning"]
    return Made(world.kube.all(NS, "jobs"), world.kube.all(NS, "pods"), warnings)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_wrong_input_ends_failed_with_its_reason_and_the_mend(case: Case, ended: dict[str, Object]) -> None:
    """Failed and Stalled carry the reason; the message names what is at fault and what to do about it."""
    status = ended[case.name]["status"]
    failed = condition(status, "Failed")
    assert (failed["status"], failed["reason"]) == ("True", case.reason.value), failed
    assert is_true(status, "Stalled")
    assert condition(status, "Ready")["status"] == "False"
    for word in case.says:
        assert word in failed["message"], failed["message"]
    assert len(failed["message"]) > 40, f"too short to tell a mend: {failed['message']}"
    if case.reason is not Reason.DEPENDENCY_FAILED:
        assert status["attempts"][-1]["exitCode"] == TABLE[case.reason].code


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_wrong_input_starts_no_crash_loop(case: Case, ended: dict[str, Object], made: Made) -> None:
    """One attempt, one Job, no container started twice."""
    attempts = 0 if case.reason is Reason.DEPENDENCY_FAILED else 1
    assert len(ended[case.name]["status"].get("attempts", [])) == attempts
    assert len(made.of(ended[case.name], made.jobs)) == attempts
    for pod in made.of(ended[case.name], made.pods):
        assert [item["restartCount"] for item in pod["status"].get("containerStatuses", [])] == [0]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_wrong_input_is_told_by_an_event(case: Case, made: Made) -> None:
    """A Warning about the resource has the same reason."""
    assert case.reason.value in {
        event["reason"] for event in made.warnings if event["involvedObject"]["name"] == case.name
    }


def test_nothing_of_a_wrong_input_is_published(ended: dict[str, Object], world: World) -> None:
    """No source and no ladder has appeared in the bucket; what a job of before has published stands as it was."""
    bucket = Bucket(world.store, NS)
    made_by_us = {"clip.mp4", PUBLISHED}
    assert {key for key in bucket.objects() if not key.startswith("in/")} == made_by_us
    assert bucket.read(PUBLISHED) == b"published before"


def test_a_failed_job_holds_no_finalizer(ended: dict[str, Object]) -> None:
    """It can be deleted at once, with the operator or without."""
    assert [name for name, item in ended.items() if item["metadata"].get("finalizers")] == []


def test_no_secret_is_shown(ended: dict[str, Object], world: World) -> None:
    """No value of a Secret stands in a resource, a Job, a pod, an Event or a log."""
    kinds = "dlj,tcj,mlib,jobs,pods,events"
    texts = [text_of(ended.values()), world.kube.run("get", "--namespace", NS, kinds, "--output", "json")]
    logs = ["logs", "--tail=-1", "--max-log-requests=100"]
    texts.append(world.kube.run(*logs, "--namespace", NS, "--selector", "narwhal.dev/uid", timeout=120))
    texts.append(world.kube.run(*logs, "--namespace", "narwhal-system", "--selector", "app.kubernetes.io/name=narwhal"))
    assert all(texts[:2])
    for value in (SECRET_KEY, WRONG_KEY, HEADER):
        assert not [text for text in texts if value in text], value
