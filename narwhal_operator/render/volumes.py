"""What is mounted into a worker pod: its order, its scratch, and the Secrets and ConfigMaps the order names."""

from typing import Any, Final

from narwhal_operator.contract import order as o
from narwhal_operator.contract.common import LocalRef
from narwhal_operator.contract.order import DownloadOrder, S3Store, Store, TranscodeOrder
from narwhal_operator.core import labels

Json = dict[str, Any]
_READABLE: Final = 0o440
"""Files of Secrets: for the user and group of the worker, nobody else."""


def volumes_of(order: DownloadOrder | TranscodeOrder, scratch: str) -> tuple[list[Json], list[Json]]:
    """Volumes and their mounts. A Secret that does not exist is an empty directory: the worker says so by name."""
    pairs = [_order(), _scratch(scratch), *_stores(order)]
    if isinstance(order, DownloadOrder):
        pairs += _source(order)
    elif order.keys is not None and order.spec.packaging.encryption is not None:
        pairs.append(_secret("keys", order.spec.packaging.encryption.keys_from.secret_ref.name, order.keys))
    return [volume for volume, _ in pairs], [mount for _, mount in pairs]


def _order() -> tuple[Json, Json]:
    directory, _, name = o.ORDER_FILE.rpartition("/")
    field = {"fieldPath": f"metadata.annotations['{labels.ORDER}']"}
    volume = {"name": "order", "downwardAPI": {"items": [{"path": name, "fieldRef": field}]}}
    return volume, {"name": "order", "mountPath": directory, "readOnly": True}


def _scratch(size: str) -> tuple[Json, Json]:
    return {"name": "scratch", "emptyDir": {"sizeLimit": size}}, {"name": "scratch", "mountPath": o.SCRATCH}


def _stores(order: DownloadOrder | TranscodeOrder) -> list[tuple[Json, Json]]:
    """The store that is written to, and the one that is read where that is another."""
    read: tuple[str, Store] | None = None
    if isinstance(order, TranscodeOrder):
        written, read = order.output_store, ("input-store", order.input.store)
    else:
        written = order.destination.store
        if order.torrent_file is not None:
            read = ("source-store", order.torrent_file.store)
    stores = [("store", written)] + ([read] if read is not None and read[1] != written else [])
    return [_secret(name, s.secret, s.credentials) for name, s in stores if isinstance(s, S3Store)]


def _source(order: DownloadOrder) -> list[tuple[Json, Json]]:
    http = order.spec.source.http
    pairs: list[tuple[Json, Json]] = []
    if http is not None and http.headers_from is not None and order.headers is not None:
        pairs.append(_secret("headers", http.headers_from.secret_ref.name, order.headers))
    if http is not None and http.ca_bundle_from is not None and order.ca_bundle is not None:
        pairs.append(_config_map("ca", http.ca_bundle_from.config_map_ref, order.ca_bundle))
    return pairs


def _secret(name: str, secret: str, path: str) -> tuple[Json, Json]:
    source = {"secretName": secret, "optional": True, "defaultMode": _READABLE}
    return {"name": name, "secret": source}, {"name": name, "mountPath": path, "readOnly": True}


def _config_map(name: str, ref: LocalRef, file: str) -> tuple[Json, Json]:
    source = {"name": ref.name, "optional": True, "defaultMode": _READABLE}
    mount = {"name": name, "mountPath": file.rpartition("/")[0], "readOnly": True}
    return {"name": name, "configMap": source}, mount
