"""The works of a stream: each DownloadJob and TranscodingJob to be run, those of a library's titles too."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from narwhal_operator.contract import download, library, transcode
from narwhal_operator.contract.download import DownloadJobSpec
from narwhal_operator.contract.library import MediaLibrarySpec
from narwhal_operator.contract.naming import child_name, digest_of, work_digest
from narwhal_operator.contract.transcode import TranscodingJobSpec

Key = tuple[str, str, str]
"""Kind, namespace and name."""

_UID_DIGITS: Final = 32


@dataclass(frozen=True, slots=True)
class Work:
    """One DownloadJob or TranscodingJob to be run here."""

    kind: str
    namespace: str
    name: str
    spec: DownloadJobSpec | TranscodingJobSpec
    library: Key | None = None  # whose title it is

    @property
    def key(self) -> Key:
        """What it is found by."""
        return (self.kind, self.namespace, self.name)

    @property
    def title(self) -> str:
        """What it is called before people."""
        return f"{self.kind}/{self.name}"

    @property
    def uid(self) -> str:
        """The same at every run of the same manifest, so that a run finds what a killed one left in the store."""
        return digest_of(["local", *self.key], _UID_DIGITS)

    @property
    def digest(self) -> str:
        """The digest of what it asks to be made."""
        return work_digest(self.spec.wire())

    @property
    def waits_for(self) -> Key | None:
        """The DownloadJob whose object it takes."""
        if isinstance(self.spec, TranscodingJobSpec) and self.spec.input.download_job_ref:
            return (download.KIND, self.namespace, self.spec.input.download_job_ref.name)
        return None


@dataclass(frozen=True, slots=True)
class Library:
    """A MediaLibrary: how many of its titles may be worked on at once."""

    namespace: str
    name: str
    titles: int
    at_once: int

    @property
    def key(self) -> Key:
        """What it is found by."""
        return (library.KIND, self.namespace, self.name)

    @property
    def title(self) -> str:
        """What it is called before people."""
        return f"{library.KIND}/{self.name}"

    def phase(self, counts: Mapping[str, int]) -> str:
        """What became of it, by its titles: the worst that became of one."""
        for worst in ("failed", "cancelled", "suspended"):
            if counts.get(worst):
                return worst.capitalize()
        return "Complete"


def titles_of(namespace: str, name: str, spec: MediaLibrarySpec) -> Iterator[Work]:
    """The two works of each title, in the order of the items. Raises pydantic.ValidationError of what they become."""
    owner = (library.KIND, namespace, name)
    for item in spec.items:
        child = child_name(name, item.name)
        yield Work(download.KIND, namespace, child, spec.download_spec(item), owner)
        yield Work(transcode.KIND, namespace, child, spec.transcode_spec(name, item), owner)
