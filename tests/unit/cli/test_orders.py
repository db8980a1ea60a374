"""Orders of a local run against what the manifest and the command line say."""

import json
from pathlib import Path
from typing import Any

import pytest

from narwhal_cli.orders import ORDER, Place, bundle
from narwhal_cli.resources import Stream, read_stream
from narwhal_cli.run import source_rules
from narwhal_cli.start import UsageError
from narwhal_cli.stores import Directory, Remote
from narwhal_operator.contract.download import Artifact, ArtifactFile
from narwhal_operator.contract.order import DownloadOrder, S3Store, TranscodeOrder, parse_order
from narwhal_operator.contract.outcome import Reason, WorkError
from narwhal_operator.contract.sources import SourceRules

STREAM = """
apiVersion: v1
kind: Secret
metadata: {name: narwhal-storage}
stringData: {endpoint: "http://one", accessKeyId: a, secretAccessKey: hunter2}
---
apiVersion: v1
kind: Secret
metadata: {name: other}
stringData: {endpoint: "http://two"}
---
apiVersion: v1
kind: Secret
metadata: {name: origin-auth}
stringData: {Authorization: Bearer hunter2}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: origin-ca}
data: {ca.crt: PEM}
---
apiVersion: narwhal.dev/v1alpha1
kind: DownloadJob
metadata: {name: bbb}
spec:
  source:
    http:
      urls: ["https://origin.example/bbb.mp4"]
      headersFrom: {secretRef: {name: origin-auth}}
      caBundleFrom: {configMapRef: {name: origin-ca}}
  destination: {bucket: media, key: sources/bbb.mp4, storageRef: {name: other}}
---
apiVersion: narwhal.dev/v1alpha1
kind: TranscodingJob
metadata: {name: bbb}
spec:
  input: {downloadJobRef: {name: bbb}}
  output: {bucket: media, prefix: vod/bbb}
"""
MADE = Artifact(bucket="media", key="sources/bbb/main.mkv", size=9, sha256="0" * 64)


def mounted(directory: str, name: str) -> S3Store:
    return S3Store.from_wire({"credentials": directory, "secret": name})


def stream(text: str = STREAM) -> Stream:
    return read_stream(text.encode())


def order(index: int, place: Place, made: Artifact | None = None) -> tuple[Any, dict[str, bytes]]:
    files = dict(bundle(place.stream.works[index], place, "/run", 3, made).files)
    return parse_order(files.pop(ORDER)), files


def without(*names: str) -> Stream:
    return stream(
        "---".join(part for part in STREAM.split("---") if not any(f"{{name: {n}}}\n" in part for n in names))
    )


def test_a_download_gets_its_references_as_files() -> None:
    """Store, headers and certificate authority are files of the attempt's directory; the order names them only."""
    found, files = order(0, Place(stream(), None, SourceRules(allowed_networks=("10.0.0.0/8",))))
    assert isinstance(found, DownloadOrder)
    assert found.destination.store == mounted("/run/store", "other")
    assert (found.headers, found.ca_bundle) == ("/run/headers", "/run/ca/ca.crt")
    assert found.allowed_networks == ["10.0.0.0/8"]
    assert files == {
        "store/endpoint": b"http://two", "headers/Authorization": b"Bearer hunter2", "ca/ca.crt": b"PEM"
    }  # fmt: skip
    assert "hunter2" not in json.dumps(found.wire())


def test_a_transcode_reads_what_its_download_made() -> None:
    """The input is the object that was made, in the download's store, with the digest that was measured."""
    found, files = order(1, Place(stream(), None), MADE)
    assert isinstance(found, TranscodeOrder)
    assert (found.input.bucket, found.input.key, found.input_sha256) == ("media", "sources/bbb/main.mkv", "0" * 64)
    assert found.input.store == mounted("/run/input-store", "other")
    assert found.output_store == mounted("/run/store", "narwhal-storage")
    assert files["input-store/endpoint"] == b"http://two"
    assert files["store/endpoint"] == b"http://one"


def test_one_secret_is_one_store() -> None:
    """Input and output by the same Secret are the same directory, so that a worker opens the store once."""
    found, _ = order(1, Place(stream(STREAM.replace(", storageRef: {name: other}", "")), None), MADE)
    assert found.input.store == found.output_store


def test_an_attempt_has_its_number_and_the_uid_of_the_work() -> None:
    """The head is whose order it is."""
    place = Place(stream(), None)
    found, _ = order(0, place)
    work = place.stream.works[0]
    assert (found.head.attempt, found.head.uid, found.head.work_digest) == (3, work.uid, work.digest)
    assert len(work.uid) == 32


def test_a_directory_takes_the_place_of_every_reference(tmp_path: Path) -> None:
    """With --store no storage Secret is needed, and none is written."""
    found, files = order(1, Place(without("narwhal-storage", "other"), Directory(tmp_path)), MADE)
    assert {found.input.store.root, found.output_store.root} == {str(tmp_path)}
    assert files == {}


def test_an_endpoint_takes_the_place_of_every_reference() -> None:
    """With --store s3:// its credentials are the files of the one store."""
    remote = Remote("of --store", {"endpoint": b"http://s"})
    found, files = order(1, Place(stream(), remote), MADE)
    assert found.input.store == found.output_store == mounted("/run/store", "of --store")
    assert files == {"store/endpoint": b"http://s"}


@pytest.mark.parametrize(
    ("missing", "index", "reason", "words"),
    [
        pytest.param("other", 0, Reason.SECRET_NOT_FOUND, ["Secret other", "--store DIR", "Add it"], id="store"),
        pytest.param("origin-auth", 0, Reason.SECRET_NOT_FOUND, ["Secret origin-auth", "header names"], id="headers"),
        pytest.param("origin-ca", 0, Reason.CONFIG_MAP_NOT_FOUND, ["ConfigMap origin-ca", "ca.crt"], id="CA"),
    ],
)
def test_a_reference_the_manifest_lacks_is_said_with_the_mend(
    missing: str, index: int, reason: Reason, words: list[str]
) -> None:
    """The message names what is missing and what to do."""
    with pytest.raises(WorkError) as caught:
        order(index, Place(without(missing), None))
    assert caught.value.reason is reason
    assert all(word in caught.value.message for word in words)


def test_a_download_the_manifest_lacks_is_said_with_the_mend() -> None:
    """Nothing here could ever run it: the order cannot be made."""
    lacking = stream(STREAM.replace("downloadJobRef: {name: bbb}", "downloadJobRef: {name: abc}"))
    with pytest.raises(WorkError) as caught:
        order(1, Place(lacking, None))
    assert caught.value.reason is Reason.DEPENDENCY_MISSING
    assert "spec.input.downloadJobRef" in caught.value.message
    assert "no DownloadJob abc" in caught.value.message


def test_a_transcode_takes_the_file_it_names() -> None:
    """Of what its download made; a pattern that fits nothing ends with its reason."""
    files = [
        {"key": f"sources/bbb.mp4/{name}", "size": size, "sha256": digit * 64}
        for name, size, digit in (("film.mkv", 9, "0"), ("S1/e1.mkv", 4, "1"))
    ]
    made = MADE.model_copy(update={"key": files[0]["key"], "files": [ArtifactFile.from_wire(file) for file in files]})
    named = stream(STREAM.replace("downloadJobRef: {name: bbb}", 'downloadJobRef: {name: bbb, file: "s1/*"}'))
    found, _ = order(1, Place(named, None), made)
    assert isinstance(found, TranscodeOrder)
    assert (found.input.key, found.input_sha256) == ("sources/bbb.mp4/S1/e1.mkv", "1" * 64)

    wrong = stream(STREAM.replace("downloadJobRef: {name: bbb}", 'downloadJobRef: {name: bbb, file: "*.avi"}'))
    with pytest.raises(WorkError) as caught:
        order(1, Place(wrong, None), made)
    assert caught.value.reason is Reason.INPUT_FILE_UNMATCHED
    assert "S1/e1.mkv" in caught.value.message


def test_the_admins_word_is_in_every_download() -> None:
    """Networks, hosts, connections, proxy and peer discovery, as the environment had them."""
    rules = source_rules(
        {
            "NARWHAL_ALLOWED_NETWORKS": "10.0.0.0/8",
            "NARWHAL_ALLOWED_HOSTS": "nas.lan,*.films.example",
            "NARWHAL_CONNECTIONS_PER_HOST": "3",
            "NARWHAL_PROXY": "http://proxy.example:3128",
            "NARWHAL_PEER_DISCOVERY": "true",
        }
    )
    found, _ = order(0, Place(stream(), None, rules))
    assert isinstance(found, DownloadOrder)
    assert (found.allowed_networks, found.allowed_hosts) == (["10.0.0.0/8"], ["nas.lan", "*.films.example"])
    assert (found.connections_per_host, found.proxy, found.peer_discovery) == (3, "http://proxy.example:3128", True)


def test_a_word_of_the_admin_that_cannot_be_is_refused_by_its_name() -> None:
    """The variable is in the message."""
    with pytest.raises(UsageError, match="NARWHAL_PROXY: is no proxy"):
        source_rules({"NARWHAL_PROXY": "socks5://proxy:1080"})


def test_a_torrent_object_is_a_place_in_its_own_store() -> None:
    """Its Secret is a directory beside the destination's."""
    source = "torrent: {object: {bucket: media, key: x.torrent, storageRef: {name: narwhal-storage}}}"
    start, end = STREAM.index("    http:"), STREAM.index("  destination:")
    found, files = order(0, Place(stream(f"{STREAM[:start]}    {source}\n{STREAM[end:]}"), None))
    assert isinstance(found, DownloadOrder)
    assert found.torrent_file is not None
    assert (found.torrent_file.bucket, found.torrent_file.key) == ("media", "x.torrent")
    assert found.destination.store == mounted("/run/store", "other")
    assert found.torrent_file.store == mounted("/run/input-store", "narwhal-storage")
    assert files["input-store/endpoint"] == b"http://one"


def test_content_keys_are_files_that_the_order_only_names() -> None:
    """A title's keys come from the Secret of the stream; the order has the directory and not a key."""
    stream = read_stream(
        b"""
apiVersion: v1
kind: Secret
metadata: {name: film-keys}
stringData: {00112233445566778899aabbccddeeff: hunter2}
---
apiVersion: narwhal.dev/v1alpha1
kind: TranscodingJob
metadata: {name: film}
spec:
  input: {s3: {bucket: media, key: in.mp4}}
  output: {bucket: media, prefix: out}
  packaging:
    encryption: {method: AES-128, keysFrom: {secretRef: {name: film-keys}}, keyUri: "/{kid}"}
"""
    )
    made = bundle(stream.works[0], Place(stream, Directory(Path("/store"))), "/run")
    assert made.files["keys/00112233445566778899aabbccddeeff"] == b"hunter2"
    order = json.loads(made.files["order/order.json"])
    assert order["keys"] == "/run/keys"
    assert "hunter2" not in json.dumps(order)
