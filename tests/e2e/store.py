"""What is in the cluster's S3 store, seen from outside it."""

import io
import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from minio import Minio

from tests.e2e import media


@dataclass(frozen=True)
class Bucket:
    """A bucket and its client."""

    client: Minio
    name: str

    def make(self) -> "Bucket":
        """The bucket, made if need be."""
        if not self.client.bucket_exists(self.name):
            self.client.make_bucket(self.name)
        return self

    def upload(self, key: str, file: Path) -> None:
        """Puts a file."""
        self.client.fput_object(self.name, key, str(file))

    def write(self, key: str, content: bytes) -> None:
        """Puts an object."""
        self.client.put_object(self.name, key, io.BytesIO(content), len(content))

    def objects(self, prefix: str = "") -> dict[str, tuple[str, str]]:
        """Keys below a prefix, each with what changes when it is written again: ETag and time of writing."""
        found = self.client.list_objects(self.name, prefix, recursive=True)
        return {item.object_name or "": (item.etag or "", str(item.last_modified)) for item in found}

    def segments(self, prefix: str) -> dict[str, tuple[str, str]]:
        """The media segments below a prefix."""
        return {key: made for key, made in self.objects(prefix).items() if key.endswith(".m4s")}

    def uploads(self, key: str) -> list[str]:
        """Multipart uploads of a key that are neither completed nor aborted; MinIO lists them by whole key only."""
        return [upload.object_name for upload in self.client._list_multipart_uploads(self.name, prefix=key).uploads]

    def parts(self, key: str) -> int:
        """Bytes in the parts of the multipart uploads of a key."""
        total = 0
        for upload in self.client._list_multipart_uploads(self.name, prefix=key).uploads:
            found = self.client._list_parts(self.name, key, upload.upload_id or "").parts
            total += sum(part.size or 0 for part in found)
        return total

    def read(self, key: str) -> bytes:
        """An object's content."""
        answer = self.client.get_object(self.name, key)
        try:
            return answer.read()
        finally:
            answer.close()
            answer.release_conn()

    def fetch_ladder(self, prefix: str, directory: Path) -> "Ladder":
        """Fetches a published ladder as a player does: the master, what it names, what that names."""
        master = f"{prefix}/master.m3u8"
        text = self._save(master, directory)
        variants = [line for line in text.splitlines() if line and not line.startswith("#")]
        alternates = re.findall(r'^#EXT-X-MEDIA:.*URI="([^"]+)"', text, re.MULTILINE)
        for playlist in [*variants, *alternates]:
            key = str(PurePosixPath(prefix, playlist))
            for uri in uris(self._save(key, directory)):
                self._save(str(PurePosixPath(key).parent / uri), directory)
        root = directory / prefix
        return Ladder(text, [root / variant for variant in variants], [root / alternate for alternate in alternates])

    def _save(self, key: str, directory: Path) -> str:
        target = directory / key
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(self.read(key))
        return target.read_text(errors="replace") if target.suffix == ".m3u8" else ""


@dataclass(frozen=True)
class Ladder:
    """A published ladder, fetched."""

    master: str
    variants: list[Path]
    audio: list[Path]

    def frames(self) -> list[int]:
        """Frames of each rung that decode strictly."""
        return [media.frames(variant) for variant in self.variants]


def uris(playlist: str) -> list[str]:
    """What a media playlist names: segments and their initialisation."""
    maps = re.findall(r'^#EXT-X-MAP:.*URI="([^"]+)"', playlist, re.MULTILINE)
    return [*maps, *(line for line in playlist.splitlines() if line and not line.startswith("#"))]
