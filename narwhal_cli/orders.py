"""Orders of a local run: what the operator renders into a Job, rendered into files of a private directory."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from narwhal_cli.launch import Ready
from narwhal_cli.resources import Stream
from narwhal_cli.stores import Directory, Remote
from narwhal_cli.works import Work
from narwhal_operator.contract import download
from narwhal_operator.contract.common import DEFAULT_STORAGE_SECRET, LocalRef
from narwhal_operator.contract.download import Artifact, DownloadJobSpec
from narwhal_operator.contract.files import pick
from narwhal_operator.contract.order import (
    DirectoryStore,
    DownloadOrder,
    ObjectLocation,
    OrderHead,
    S3Store,
    Store,
    TranscodeOrder,
)
from narwhal_operator.contract.outcome import Reason, WorkError
from narwhal_operator.contract.sources import SourceRules
from narwhal_operator.contract.transcode import TranscodingJobSpec

ORDER: Final = "order/order.json"
SCRATCH: Final = "scratch"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a run stores, and what its downloads may reach."""

    stream: Stream
    store: Directory | Remote | None
    sources: SourceRules = field(default_factory=SourceRules)
    ready: Ready | None = None


@dataclass(frozen=True, slots=True)
class Bundle:
    """The files of one attempt by their path below its directory; they hold Secrets."""

    files: Mapping[str, bytes] = field(repr=False)


def bundle(work: Work, place: Place, directory: str, attempt: int = 1, made: Artifact | None = None) -> Bundle:
    """The order of an attempt, with the Secrets it names, for the directory they will be written to.

    `made` is what the DownloadJob has made that a TranscodingJob waited for. Raises WorkError(SecretNotFound | ConfigMapNotFound | DependencyMissing) for what the manifest does not hold.
    """
    render = _Render(work, place, directory)
    head = OrderHead(
        uid=work.uid, namespace=work.namespace, name=work.name, attempt=attempt, work_digest=work.digest, task="Run"
    )
    if isinstance(work.spec, DownloadJobSpec):
        order: DownloadOrder | TranscodeOrder = render.download(work.spec, head)
    else:
        order = render.transcode(work.spec, head, made)
    text = order.to_json()
    return Bundle({**render.files, ORDER: text.encode()})


def output_store(work: Work, spec: TranscodingJobSpec, place: Place, directory: str) -> tuple[Store, Bundle]:
    """The store a title is written to, with the Secret it names, for that directory. Raises WorkError(SecretNotFound)."""
    render = _Render(work, place, directory)
    store = render.store(spec.output.storage_ref)
    return store, Bundle(render.files)


class _Render:
    """One rendering; gathers the files on its way."""

    def __init__(self, work: Work, place: Place, directory: str) -> None:
        self.files: dict[str, bytes] = {}
        self._work = work
        self._place = place
        self._directory = directory
        self._folders: dict[str, str] = {}

    def download(self, spec: DownloadJobSpec, head: OrderHead) -> DownloadOrder:
        """The order of a DownloadJob."""
        http, admin = spec.source.http, self._place.sources
        headers = http.headers_from.secret_ref.name if http and http.headers_from else None
        bundle = http.ca_bundle_from.config_map_ref.name if http and http.ca_bundle_from else None
        return DownloadOrder(
            head=head,
            spec=spec,
            destination=self._destination(spec),
            headers=self._headers(headers) if headers else None,
            ca_bundle=self._ca_bundle(bundle) if bundle else None,
            allowed_networks=list(admin.allowed_networks),
            allowed_hosts=list(admin.allowed_hosts),
            connections_per_host=admin.connections_per_host,
            proxy=admin.proxy,
            peer_discovery=admin.peer_discovery,
            torrent_file=self._torrent_file(spec),
        )

    def _torrent_file(self, spec: DownloadJobSpec) -> ObjectLocation | None:
        found = spec.source.torrent.object if spec.source.torrent is not None else None
        if found is None:
            return None
        return ObjectLocation(store=self.store(found.storage_ref), bucket=found.bucket, key=found.key)

    def transcode(self, spec: TranscodingJobSpec, head: OrderHead, made: Artifact | None) -> TranscodeOrder:
        """The order of a TranscodingJob."""
        output = self.store(spec.output.storage_ref)
        source, sha256 = self._input(spec, made)
        encryption = spec.packaging.encryption
        return TranscodeOrder(
            head=head,
            spec=spec,
            output_store=output,
            input=source,
            input_sha256=sha256,
            keys=self._keys(encryption.keys_from.secret_ref.name) if encryption else None,
            cpus=None,
        )

    def _destination(self, spec: DownloadJobSpec) -> ObjectLocation:
        to = spec.destination
        return ObjectLocation(store=self.store(to.storage_ref), bucket=to.bucket, key=to.key)

    def _input(self, spec: TranscodingJobSpec, made: Artifact | None) -> tuple[ObjectLocation, str | None]:
        """The input and its digest, once it was made. Raises WorkError(InputFileUnmatched | DependencyMissing)."""
        ref = spec.input.download_job_ref
        if ref is not None:
            download = _download_of(self._place.stream, self._work.namespace, ref.name)
            place = self._destination(download)
            if made is None:
                return place, None
            file = pick(made, download.destination.key, ref.file)
            return place.model_copy(update={"key": file.key}), file.sha256
        if spec.input.s3 is None:
            raise WorkError(Reason.INVALID_ORDER, "spec.input is neither downloadJobRef nor s3; set one.")
        found = spec.input.s3
        return ObjectLocation(store=self.store(found.storage_ref), bucket=found.bucket, key=found.key), None

    def store(self, ref: LocalRef | None) -> Store:
        """The store of a reference; the same directory for the same Secret, so that a worker opens it once."""
        chosen = self._place.store
        if isinstance(chosen, Directory):
            return DirectoryStore(root=str(chosen.root))
        if isinstance(chosen, Remote):
            return S3Store(credentials=self._write("store", chosen.values), secret=chosen.name)
        name = ref.name if ref else DEFAULT_STORAGE_SECRET
        folder = self._folders.setdefault(name, "input-store" if self._folders else "store")
        return S3Store(credentials=self._write(folder, self._secret(name, _NO_STORE)), secret=name)

    def _headers(self, name: str) -> str:
        return self._write("headers", self._secret(name, "Add it to the manifest; its keys are the header names."))

    def _keys(self, name: str) -> str:
        return self._write("keys", self._secret(name, "Add it to the manifest; its keys are the ids of content keys."))

    def _ca_bundle(self, name: str) -> str:
        values = self._place.stream.config_maps.get((self._work.namespace, name), {})
        if "ca.crt" not in values:
            raise WorkError(
                Reason.CONFIG_MAP_NOT_FOUND,
                f"The manifest holds no ConfigMap {name} with the key ca.crt in the namespace {self._work.namespace}."
                " Add it, with PEM certificates under ca.crt.",
            )
        return f"{self._write('ca', {'ca.crt': values['ca.crt']})}/ca.crt"

    def _secret(self, name: str, mend: str) -> Mapping[str, bytes]:
        namespace = self._work.namespace
        values = self._place.stream.secrets.get((namespace, name))
        if values is None:
            raise WorkError(
                Reason.SECRET_NOT_FOUND, f"The manifest holds no Secret {name} in the namespace {namespace}. {mend}"
            )
        return values

    def _write(self, folder: str, values: Mapping[str, bytes]) -> str:
        self.files |= {f"{folder}/{key}": value for key, value in values.items()}
        return f"{self._directory}/{folder}"


_NO_STORE: Final = (
    "Add it to the manifest (endpoint, accessKeyId, secretAccessKey under stringData), or say --store DIR or"
    " --store s3://HOST:PORT."
)


def _download_of(stream: Stream, namespace: str, name: str) -> DownloadJobSpec:
    for work in stream.works:
        if work.key == (download.KIND, namespace, name) and isinstance(work.spec, DownloadJobSpec):
            return work.spec
    raise WorkError(
        Reason.DEPENDENCY_MISSING,
        f"spec.input.downloadJobRef: the manifest holds no DownloadJob {name} in the namespace {namespace}. Add it,"
        " or name the object itself with spec.input.s3.",
    )
