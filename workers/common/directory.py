"""A directory as an object store: the object bucket/key is the file ROOT/bucket/key.

An object appears by one rename of a complete, synced file of the same file system. What a file cannot say (content
type, cache control, metadata) stands in `ROOT/bucket/.narwhal/meta/KEY.json` and counts only for the very file it
names by its ETag, so that a kill between the two writes leaves no wrong word about an object.
"""

import json
import os
import shutil
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from narwhal_operator.contract.outcome import Reason, WorkError
from workers.common.files import copy_into, removed, scratch_errors, store_errors, sync_directory, synced
from workers.common.store import PRIVATE, ObjectInfo, PartInfo, Progress, UploadInfo

LEFTOVER_SECONDS: Final = 24 * 3600
"""Age after which a temporary file is that of a process that was killed."""


class DirectoryStore:
    """Objects as files under a root. Buckets are made on demand: a local run has nobody else who would."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def private(self, bucket: str, name: str) -> Path:
        """A directory of Narwhal's own in the bucket, for files that will become objects (same file system)."""
        path = self.root / bucket / PRIVATE / name
        with store_errors(path):
            path.mkdir(parents=True, exist_ok=True)
        return path

    def check_bucket(self, bucket: str) -> None:
        """Makes the bucket's directory if need be, proves that it can be written, clears what killed runs left."""
        temporary = self.private(bucket, "tmp")
        with store_errors(temporary):
            with tempfile.NamedTemporaryFile(dir=temporary):
                pass
            oldest = time.time() - LEFTOVER_SECONDS
            for path in temporary.iterdir():
                if path.stat().st_mtime < oldest:
                    path.unlink(missing_ok=True)

    def head(self, bucket: str, key: str) -> ObjectInfo | None:
        """What is known of the object; None when there is none."""
        path = self._path(bucket, key)
        with store_errors(path):
            try:
                info = path.stat()
            except (FileNotFoundError, NotADirectoryError):
                return None
            if not path.is_file():
                return None
            etag = _etag(info)
            meta = self._meta(bucket, key, etag)
            return ObjectInfo(
                key=key,
                size=info.st_size,
                etag=etag,
                content_type=meta.get("contentType"),
                metadata=meta.get("metadata", {}),
                last_modified=datetime.fromtimestamp(info.st_mtime, UTC),
            )

    def read(self, bucket: str, key: str, start: int = 0, length: int | None = None) -> bytes:
        """The object's bytes from `start`, at most `length`."""
        path = self._path(bucket, key)
        with store_errors(path), _input(path).open("rb") as file:
            file.seek(start)
            return file.read() if length is None else file.read(length)

    def fetch(
        self, bucket: str, key: str, path: Path, progress: Progress | None = None, known: ObjectInfo | None = None
    ) -> ObjectInfo:
        """The whole object to a file: a hard link where the file system can, else a copy. It is for reading only."""
        source = self._path(bucket, key)
        with store_errors(source), _input(source).open("rb") as file:
            before = os.fstat(file.fileno())
            path.unlink(missing_ok=True)
            try:
                path.hardlink_to(source)
            except (
                OSError
            ):  # another file system or another owner: the common cases, and a copy says what else is wrong
                with scratch_errors(path), path.open("wb") as out:
                    copy_into(out, file, before.st_size, progress)
        found, expected = self.head(bucket, key), known.etag if known else _etag(before)
        if found is None or not found.etag == expected == _etag(before) or path.stat().st_size != before.st_size:
            raise WorkError(Reason.INPUT_CHANGED, f"{source} changed while it was read; start again when it is whole.")
        return found

    def put(
        self,
        bucket: str,
        key: str,
        data: bytes,
        *,
        content_type: str,
        cache_control: str | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> ObjectInfo:
        """Stores bytes under the key by temporary file, fsync and rename."""
        with store_errors(self._path(bucket, key)):
            temporary = self._temporary(bucket)
            with removed(temporary):
                temporary.write_bytes(data)
                return self.place(bucket, key, temporary, _about(content_type, cache_control, metadata))

    def put_file(
        self,
        bucket: str,
        key: str,
        path: Path,
        *,
        content_type: str,
        cache_control: str | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> ObjectInfo:
        """Stores a copy of a file under the key."""
        with store_errors(self._path(bucket, key)):
            temporary = self._temporary(bucket)
            with removed(temporary), path.open("rb") as source:
                with temporary.open("wb") as out:
                    copy_into(out, source, os.fstat(source.fileno()).st_size)
                return self.place(bucket, key, temporary, _about(content_type, cache_control, metadata))

    def copy(self, bucket: str, source: ObjectInfo, key: str) -> ObjectInfo:
        """The object under another key: a hard link where the file system can, for no object is ever written to."""
        origin, target = self._path(bucket, source.key), self._path(bucket, key)
        with store_errors(origin):
            etag = _etag(_input(origin).stat())
        if etag != source.etag:
            raise WorkError(Reason.INPUT_CHANGED, f"{origin} was replaced since it was listed; start again.")
        about = {name: value for name, value in self._meta(bucket, source.key, etag).items() if name != "etag"}
        with store_errors(target):
            target.parent.mkdir(parents=True, exist_ok=True)
            self._write_meta(bucket, key, {"etag": etag, **about})
            try:
                target.hardlink_to(origin)
            except OSError:  # another owner, a key that is there already: a copy takes its place, or says what is wrong
                return self._copied(bucket, origin, key, about)
            sync_directory(target.parent)
        found = self.head(bucket, key)
        if found is None:
            raise WorkError(Reason.STORE_ERROR, f"{target} was removed by another process; run one at a time.")
        return found

    def _copied(self, bucket: str, origin: Path, key: str, about: Mapping[str, Any]) -> ObjectInfo:
        temporary = self._temporary(bucket)
        with removed(temporary), _input(origin).open("rb") as source:
            with temporary.open("wb") as out:
                copy_into(out, source, os.fstat(source.fileno()).st_size)
            return self.place(bucket, key, temporary, about)

    def place(self, bucket: str, key: str, file: Path, about: Mapping[str, Any]) -> ObjectInfo:
        """Makes a file of the same file system the object: fsync, then one rename. The file is gone afterwards."""
        target = self._path(bucket, key)
        with store_errors(target):
            target.parent.mkdir(parents=True, exist_ok=True)
            synced(file)
            file.chmod(0o644)  # temporary files are 0600; an object is for whoever may read the directory
            etag = _etag(file.stat())
            self._write_meta(bucket, key, {"etag": etag, **about})
            file.replace(target)
            sync_directory(target.parent)
        found = self.head(bucket, key)
        if found is None or found.etag != etag:
            raise WorkError(Reason.STORE_ERROR, f"{target} was replaced by another process; run one at a time.")
        return found

    def list(self, bucket: str, prefix: str) -> Iterator[ObjectInfo]:
        """Objects whose key starts with the prefix, by key."""
        base = self.root / bucket
        with store_errors(base):
            keys = sorted(key for key in _keys(base, base / Path(prefix).parent) if key.startswith(prefix))
        for key in keys:
            with suppress(FileNotFoundError):  # deleted since it was listed: then it is no object of the list
                info = (base / key).stat()
                modified = datetime.fromtimestamp(info.st_mtime, UTC)
                yield ObjectInfo(key=key, size=info.st_size, etag=_etag(info), last_modified=modified)

    def delete(self, bucket: str, keys: Iterable[str]) -> None:
        """Removes objects, their metadata and the directories that become empty, the bucket's own never."""
        for key in keys:
            path = self._path(bucket, key)
            with store_errors(path):
                path.unlink(missing_ok=True)
                self._meta_path(bucket, key).unlink(missing_ok=True)
                _prune(path.parent, self.root / bucket)
                _prune(self._meta_path(bucket, key).parent, self.root / bucket / PRIVATE)

    def url(self, bucket: str, key: str) -> str:
        """The object's file URL (RFC 8089)."""
        return self._path(bucket, key).absolute().as_uri()

    def start_upload(
        self,
        bucket: str,
        key: str,
        *,
        content_type: str,
        cache_control: str | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> str:
        """Starts an upload: a directory of part files in the bucket's own corner."""
        uploads = self.private(bucket, "uploads")
        with store_errors(uploads):
            directory = Path(tempfile.mkdtemp(dir=uploads))
            about = {"key": key, "about": _about(content_type, cache_control, metadata)}
            (directory / "upload.json").write_text(json.dumps(about), encoding="utf-8")
        return directory.name

    def put_part(self, bucket: str, key: str, upload_id: str, number: int, data: bytes) -> PartInfo:
        """Stores a part, by rename: a part that is seen is whole."""
        directory = self._upload(bucket, key, upload_id)
        path = directory / f"{number:05d}.part"
        with store_errors(path):
            temporary = self._temporary(bucket)
            with removed(temporary):
                temporary.write_bytes(data)
                temporary.replace(path)
            return _part(path)

    def list_parts(self, bucket: str, key: str, upload_id: str) -> tuple[PartInfo, ...]:
        """The stored parts by number; none when the upload does not exist."""
        try:
            directory = self._upload(bucket, key, upload_id)
        except WorkError:
            return ()
        with store_errors(directory):
            return tuple(_part(path) for path in sorted(directory.glob("*.part")))

    def complete_upload(self, bucket: str, key: str, upload_id: str, parts: Sequence[PartInfo]) -> ObjectInfo:
        """Joins the parts into one file and makes it the object."""
        directory = self._upload(bucket, key, upload_id)
        with store_errors(directory):
            about = json.loads((directory / "upload.json").read_text(encoding="utf-8"))["about"]
            _join(directory, parts)
            found = self.place(bucket, key, directory / "joined", about)
            shutil.rmtree(directory, ignore_errors=True)
            return found

    def abort_upload(self, bucket: str, key: str, upload_id: str) -> None:
        """Removes an upload and its parts."""
        with suppress(WorkError):  # no such upload: nothing to remove
            directory = self._upload(bucket, key, upload_id)
            with store_errors(directory):
                shutil.rmtree(directory)

    def list_uploads(self, bucket: str, prefix: str) -> tuple[UploadInfo, ...]:
        """Uploads under way whose key starts with the prefix."""
        uploads = self.private(bucket, "uploads")
        found = []
        with store_errors(uploads):
            for directory in sorted(uploads.iterdir()):
                with suppress(FileNotFoundError):  # ended since it was listed
                    about = json.loads((directory / "upload.json").read_text(encoding="utf-8"))
                    started = datetime.fromtimestamp(directory.stat().st_mtime, UTC)
                    found.append(UploadInfo(about["key"], directory.name, started))
        return tuple(upload for upload in found if upload.key.startswith(prefix))

    def _path(self, bucket: str, key: str) -> Path:
        parts = key.split("/")
        if not bucket or {"", ".", ".."} & {*parts, bucket} or "/" in bucket or "\0" in key:
            raise WorkError(Reason.INVALID_ORDER, f"{bucket}/{key!r} is no bucket and key; write them without . and ..")
        return self.root.joinpath(bucket, *parts)

    def _temporary(self, bucket: str) -> Path:
        handle, name = tempfile.mkstemp(dir=self.private(bucket, "tmp"))
        os.close(handle)
        return Path(name)

    def _upload(self, bucket: str, key: str, upload_id: str) -> Path:
        directory = self.private(bucket, "uploads") / Path(upload_id).name
        if not (directory / "upload.json").is_file():
            raise WorkError(Reason.STORE_ERROR, f"The upload of {bucket}/{key} does not exist any more.")
        return directory

    def _meta_path(self, bucket: str, key: str) -> Path:
        return self.root / bucket / PRIVATE / "meta" / f"{key}.json"

    def _write_meta(self, bucket: str, key: str, about: Mapping[str, Any]) -> None:
        path = self._meta_path(bucket, key)
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = self._temporary(bucket)
        with removed(temporary):
            temporary.write_text(json.dumps(about, sort_keys=True), encoding="utf-8")
            temporary.replace(path)

    def _meta(self, bucket: str, key: str, etag: str) -> dict[str, Any]:
        try:
            found = json.loads(self._meta_path(bucket, key).read_text(encoding="utf-8"))
        except (FileNotFoundError, NotADirectoryError, ValueError):
            return {}  # none, or torn by a power cut: the object itself is what counts
        return found if isinstance(found, dict) and found.get("etag") == etag else {}


def _about(content_type: str, cache_control: str | None, metadata: Mapping[str, str] | None) -> dict[str, Any]:
    lower = {name.lower(): value for name, value in (metadata or {}).items()}
    return {"contentType": content_type, "cacheControl": cache_control, "metadata": lower}


def _etag(info: os.stat_result) -> str:
    # Not a digest: that would cost a second reading. Inode, size and time of change of content survive the rename.
    return f"{info.st_ino:x}-{info.st_size:x}-{info.st_mtime_ns:x}"


def _part(path: Path) -> PartInfo:
    info = path.stat()
    return PartInfo(int(path.stem), _etag(info), info.st_size)


def _join(directory: Path, parts: Iterable[PartInfo]) -> None:
    with (directory / "joined").open("wb") as out:
        for part in parts:
            path = directory / f"{part.number:05d}.part"
            if not path.is_file() or _part(path) != part:
                raise WorkError(Reason.STORE_ERROR, f"{path} is not the part that was stored; start again.")
            with path.open("rb") as source:
                copy_into(out, source, part.size)


def _input(path: Path) -> Path:
    if not path.is_file():
        raise WorkError(Reason.INPUT_NOT_FOUND, f"{path} does not exist; correct the input or put the file there.")
    return path


def _fail(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError):  # a directory that is not there holds no objects
        raise error


def _keys(base: Path, start: Path) -> Iterator[str]:
    for directory, names, files in os.walk(start, onerror=_fail):
        here = Path(directory)
        if here == base and PRIVATE in names:
            names.remove(PRIVATE)
        yield from ((here / name).relative_to(base).as_posix() for name in files)


def _prune(directory: Path, stop: Path) -> None:
    while directory != stop and stop in directory.parents:
        try:
            directory.rmdir()
        except OSError:  # not empty, or gone: either ends it
            return
        directory = directory.parent
