"""A manifest as works and references; everything wrong in it at once, in the words of who wrote it."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from narwhal_cli.manifest import ManifestError, Mistake
from narwhal_cli.resources import Stream, read_stream

ROOT = Path(__file__).parents[3]
SAMPLES = sorted((ROOT / "config/samples").glob("*.yaml"))
REFUSED = sorted((ROOT / "tests/contract/negative").glob("*.yaml"))


def manifest(kind: str, name: Any = "bbb", **spec: Any) -> dict[str, Any]:
    return {"apiVersion": "narwhal.dev/v1alpha1", "kind": kind, "metadata": {"name": name}, "spec": spec}


def download(name: Any = "bbb", **changed: Any) -> dict[str, Any]:
    spec = {
        "source": {"http": {"urls": ["https://origin.example/bbb.mp4"]}},
        "destination": {"bucket": "media", "key": "sources/bbb.mp4"},
        **changed,
    }
    return manifest("DownloadJob", name, **spec)


def read(*documents: Any) -> Stream:
    return read_stream("\n".join(map(json.dumps, documents)).encode())


def mistakes(*documents: Any) -> tuple[Mistake, ...]:
    with pytest.raises(ManifestError) as caught:
        read(*documents)
    return caught.value.mistakes


def mistake(*documents: Any) -> str:
    (only,) = mistakes(*documents)
    return str(only)


def secret(**fields: Any) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "origin-auth"}, **fields}


def test_the_samples_are_taken_together() -> None:
    """All files of config/samples make one manifest, as `kubectl apply -f config/samples/` takes them."""
    stream = read_stream(b"\n---\n".join(path.read_bytes() for path in SAMPLES))
    assert len(stream.works) > len(SAMPLES) - 2
    assert ("media", "narwhal-storage") in stream.secrets


@pytest.mark.parametrize("path", [pytest.param(path, id=path.stem) for path in REFUSED])
def test_what_an_api_server_refuses_is_refused_with_a_field(path: Path) -> None:
    """Each wrong manifest of the contract's tests is refused, at a field, and nothing secret in it is shown."""
    with pytest.raises(ManifestError) as caught:
        read_stream(path.read_bytes())
    assert all(found.field and found.line and found.document for found in caught.value.mistakes)
    assert "hunter2" not in str(caught.value)
    assert "is wrong:" not in str(caught.value)  # the fallback for an error of pydantic that has no sentence here


def test_everything_wrong_is_said_at_once() -> None:
    """All mistakes of all documents come together, each with the number and the name of its document."""
    found = mistakes(
        download(connections=0, maxBytes="lots"), manifest("TranscodingJob", "x", inptu={}), {"kind": "Pod"}
    )
    assert {(one.document, one.subject) for one in found} == {
        (1, "DownloadJob/bbb"),
        (2, "TranscodingJob/x"),
        (3, "Pod"),
    }
    assert [one.field for one in found if one.document == 1] == ["spec.connections", "spec.maxBytes"]


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        pytest.param(
            download(conections=2), "spec.conections: unknown field; did you mean connections?", id="misspelt field"
        ),
        pytest.param(
            download(stall_timeout="1s"),
            "spec.stall_timeout: unknown field; did you mean stallTimeout?",
            id="snake case",
        ),
        pytest.param(
            download(xyz=1), "spec.xyz: unknown field; known here: activeDeadlineSeconds,", id="foreign field"
        ),
        pytest.param(download(connections="8"), "spec.connections: must be a whole number, without quotes", id="text"),
        pytest.param(download(suspend="yes"), "spec.suspend: must be true or false, without quotes", id="truth"),
        pytest.param(download(connections=65), "spec.connections: must be at most 64", id="too many"),
        pytest.param(
            download(maxBytes=[1]), "spec.maxBytes: must be a number or a text. Refuse a file larger than", id="a list"
        ),
        pytest.param(download(maxBytes=-5), "spec.maxBytes: must be a number of bytes more than 0", id="negative size"),
        pytest.param(
            download(stallTimeout="5 minutes"), "spec.stallTimeout: must be a duration from 1s", id="duration"
        ),
        pytest.param(
            download(destination={"bucket": "media"}),
            "spec.destination.key: is required. Key of the object.",
            id="none",
        ),
        pytest.param(
            download(source={"http": {"urls": ["ftp://x/y"]}}), "spec.source.http.urls[0]: must be an http", id="scheme"
        ),
        pytest.param(
            download(source={"http": {"urls": ["https://x/y"]}, "torrent": {"magnet": "magnet:?xt=urn:btih:a"}}),
            "spec.source: set exactly one source: http or torrent",
            id="two sources",
        ),
        pytest.param(manifest("DownlaodJob"), "did you mean DownloadJob? narwhal run takes DownloadJob,", id="kind"),
        pytest.param(
            {**download(), "kind": "Deployment"}, "kind: is none that is known; narwhal run", id="foreign kind"
        ),
        pytest.param({**download(), "apiVersion": "v1"}, "apiVersion: must be narwhal.dev/v1alpha1", id="version"),
        pytest.param({**download(), "sepc": {}}, "sepc: unknown field; did you mean spec?", id="beside spec"),
        pytest.param({**download(), "spec": None}, "spec: is required: a mapping of fields", id="no spec"),
        pytest.param({**download(), "metadata": None}, "metadata: is required", id="no metadata"),
        pytest.param(download(name="Big Buck"), "metadata.name: must be the name of a Kubernetes object", id="name"),
        pytest.param(download(name=7), "metadata.name: must be a text; put it in quotes", id="name as number"),
        pytest.param([1, 2], "is no object; it needs apiVersion, kind, metadata and spec", id="a list as document"),
        pytest.param("film", "is no object", id="a text as document"),
    ],
)
def test_a_mistake_says_where_what_and_how_to_mend(document: Any, expected: str) -> None:
    """Each names the field as the user wrote it, what is wrong and the mend."""
    assert expected in mistake(document)


def test_credentials_in_a_url_are_not_repeated() -> None:
    """A password in a URL is refused with the place it belongs into, and is not shown."""
    told = mistake(download(source={"http": {"urls": ["https://me:hunter2@origin.example/x"]}}))
    assert "headersFrom" in told
    assert "hunter2" not in told


def test_two_documents_of_one_name_are_refused() -> None:
    """The second would silently replace the first."""
    assert "another document is a DownloadJob of this name in default too" in mistake(download(), download())


def test_a_manifest_of_references_only_is_refused() -> None:
    """Secrets alone are nothing to run."""
    assert "holds nothing to run" in mistake(secret(stringData={"Authorization": "x"}))


def test_an_empty_manifest_is_refused() -> None:
    """Comments alone are nothing to run."""
    with pytest.raises(ManifestError, match="holds no document"):
        read_stream(b"# film.yaml\n---\n")


def test_a_list_of_objects_is_taken() -> None:
    """`kubectl get -o yaml` prints a List with what the server added; it is taken as it is."""
    item = download()
    item["metadata"] |= {"uid": "u", "resourceVersion": "5", "creationTimestamp": "2026-11-22T00:00:00Z"}
    item["status"] = {"phase": "Complete"}
    stream = read({"apiVersion": "v1", "kind": "List", "items": [item, download("other")]})
    assert [work.title for work in stream.works] == ["DownloadJob/bbb", "DownloadJob/other"]


def test_a_mistake_in_a_list_has_its_own_line() -> None:
    """The line is that of the item's field."""
    text = "apiVersion: v1\nkind: List\nitems:\n- apiVersion: narwhal.dev/v1alpha1\n  kind: DownloadJob\n  metadata:\n    nam: x\n"
    with pytest.raises(ManifestError) as caught:
        read_stream(text.encode())
    assert ("metadata.nam", 7) in {(found.field, found.line) for found in caught.value.mistakes}


def test_a_library_becomes_its_titles() -> None:
    """Each item is one DownloadJob and one TranscodingJob that waits for it, both named by the library."""
    stream = read(library())
    assert [work.key for work in stream.works] == [
        (kind, "default", f"films-{item}") for item in ("a", "b") for kind in ("DownloadJob", "TranscodingJob")
    ]
    assert stream.works[1].waits_for == ("DownloadJob", "default", "films-a")
    assert stream.libraries[0].at_once == 2


def library(**changed: Any) -> dict[str, Any]:
    items = [{"name": name, "source": {"http": {"urls": ["https://origin.example/x"]}}} for name in ("a", "b")]
    output = {"bucket": "media", "prefix": "films"}
    return manifest("MediaLibrary", "films", **{"items": items, "output": output, "maxConcurrentItems": 2, **changed})


def test_a_job_that_a_library_makes_too_is_refused() -> None:
    """Both would be one object in a cluster."""
    assert "twice: by itself and by a MediaLibrary" in mistake(library(), download("films-a"))


def test_a_uid_is_the_same_at_every_run_and_another_for_another_name() -> None:
    """By the UID a run finds what a killed one left in the store."""
    uids = {name: [read(download(name)).works[0].uid for _ in range(2)] for name in ("bbb", "other")}
    assert uids["bbb"][0] == uids["bbb"][1] != uids["other"][0]


def test_values_of_secrets_and_config_maps_are_decoded() -> None:
    """The data of a Secret and the binaryData of a ConfigMap are base64; stringData wins over data, as in a cluster."""
    encoded = base64.b64encode(b"old").decode()
    config_map = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "ca", "namespace": "media"}}
    stream = read(
        download(),
        secret(data={"A": encoded, "B": encoded}, stringData={"B": "new"}),
        {**config_map, "data": {"ca.crt": "PEM"}},
    )
    assert stream.secrets["default", "origin-auth"] == {"A": b"old", "B": b"new"}
    assert stream.config_maps["media", "ca"] == {"ca.crt": b"PEM"}
    assert "new" not in repr(stream)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        pytest.param({"data": {"k": "hunter2!"}}, "in data: a value is no base64", id="no base64"),
        pytest.param({"data": {"k": "hünter2"}}, "in data: a value is no base64", id="no ASCII"),
        pytest.param({"stringData": {"k": ["hunter2"]}}, "a value must be a text; put it in quotes", id="a list"),
        pytest.param({"stringData": {"hunter2": None}}, "a value must be a text", id="a value in place of a key"),
        pytest.param({"stringData": "hunter2"}, "stringData must be a mapping of keys to texts", id="no mapping"),
        pytest.param({"stringData": {"../hunter2": "x"}}, "a key may only have letters", id="a path as key"),
        pytest.param({"stringData": {"..": "hunter2"}}, "a key may only have letters", id="dots as key"),
        pytest.param({"hunter2": "x"}, "unknown field; values belong into stringData", id="beside stringData"),
        pytest.param({"stringData": {"k": "hunter2" * 200_000}}, "holds more than 1 MiB", id="too large"),
    ],
)
def test_a_mistake_in_a_secret_shows_nothing_of_it(fields: dict[str, Any], expected: str) -> None:
    """Neither keys nor values of a Secret are shown: where an indentation is wrong, one stands in the other's place."""
    told = mistake(download(), secret(**fields))
    assert expected in told
    assert "hunter2" not in told
