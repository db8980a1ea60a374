"""MediaLibrary: spec and status, and the children an item stands for."""

from typing import Any, ClassVar, Final, Self

from narwhal_operator.contract import base
from narwhal_operator.contract.base import TitleName
from narwhal_operator.contract.common import CommonStatus
from narwhal_operator.contract.download import Checksum, Destination, DownloadJobSpec, DownloadOptions, Source
from narwhal_operator.contract.model import Contract, Field, model_validator
from narwhal_operator.contract.naming import child_name
from narwhal_operator.contract.rules import Rule, immutable
from narwhal_operator.contract.transcode import DownloadJobRef, Input, Output, TranscodeOptions, TranscodingJobSpec

KIND: Final = "MediaLibrary"

PREFIX_LIMIT: Final = base.PREFIX_LIMIT - 64
"""Bytes of a library's prefix: a title's own prefix is this, a slash and its name."""
_TTL_MESSAGE: Final = "must not be set in a template, for the library would make again what was deleted; leave it out"
_PREFIX_MESSAGE: Final = f"must be at most {PREFIX_LIMIT} bytes in UTF-8, for the titles' names follow it"


class Item(Contract):
    """One title."""

    cel: ClassVar[tuple[Rule, ...]] = (
        immutable("source", "remove the item, or add the new source under another name"),
        immutable("checksum", "remove the item, or add it under another name", optional=True),
    )

    name: TitleName = Field(description="Name of the title; part of the names and keys of what is made of it.")
    source: Source = Field(description="Where the content comes from.")
    checksum: Checksum | None = Field(None, description="The digest the content must have.")


class MediaLibrarySpec(Contract):
    """Titles to fetch and to transcode alike."""

    cel: ClassVar[tuple[Rule, ...]] = (
        immutable("output", "create another MediaLibrary"),
        Rule(f"size(bytes(self.output.prefix)) <= {PREFIX_LIMIT}", _PREFIX_MESSAGE, field="output.prefix"),
        *(
            Rule(
                f"!has(self.{name}.ttlSecondsAfterFinished)",
                _TTL_MESSAGE,
                field=f"{name}.ttlSecondsAfterFinished",
                forbidden=True,
            )
            for name in ("downloadTemplate", "transcodeTemplate")
        ),
    )

    items: list[Item] = Field(
        min_length=1,
        max_length=256,
        description="The titles; one DownloadJob and one TranscodingJob each.",
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]},
    )
    download_template: DownloadOptions = Field(
        default_factory=DownloadOptions,
        description="Applies to each download.",
        json_schema_extra={"default": {}},
    )
    transcode_template: TranscodeOptions = Field(
        default_factory=TranscodeOptions,
        description="Applies to each transcode.",
        json_schema_extra={"default": {}},
    )
    output: Output = Field(description="Each title goes to PREFIX/NAME; its source to PREFIX/NAME/source.")
    max_concurrent_items: int = Field(4, ge=1, le=256, description="Titles that are worked on at once.")
    suspend: bool = Field(False, description="true suspends every title that is not finished.")

    @model_validator(mode="after")
    def _names(self) -> Self:
        names = [item.name for item in self.items]
        if len(set(names)) != len(names):
            raise ValueError("items must have different names")
        return self

    @model_validator(mode="after")
    def _no_ttl(self) -> Self:
        for template in (self.download_template, self.transcode_template):
            if template.ttl_seconds_after_finished is not None:
                raise ValueError(f"ttlSecondsAfterFinished {_TTL_MESSAGE}")
        return self

    @model_validator(mode="after")
    def _prefix(self) -> Self:
        if len(self.output.prefix.encode()) > PREFIX_LIMIT:
            raise ValueError(f"output.prefix {_PREFIX_MESSAGE}")
        return self

    def download_spec(self, item: Item) -> DownloadJobSpec:
        """The DownloadJob spec of one title."""
        destination = Destination(
            bucket=self.output.bucket,
            key=f"{self.output.prefix}/{item.name}/source",
            storage_ref=self.output.storage_ref,
        )
        options = _explicit(self.download_template) | self._suspension(self.download_template.suspend)
        return DownloadJobSpec(source=item.source, checksum=item.checksum, destination=destination, **options)

    def transcode_spec(self, library: str, item: Item) -> TranscodingJobSpec:
        """The TranscodingJob spec of one title of the library of this name."""
        output = Output(
            bucket=self.output.bucket,
            prefix=f"{self.output.prefix}/{item.name}",
            storage_ref=self.output.storage_ref,
        )
        source = Input(download_job_ref=DownloadJobRef(name=child_name(library, item.name)))
        options = _explicit(self.transcode_template) | self._suspension(self.transcode_template.suspend)
        return TranscodingJobSpec(input=source, output=output, **options)

    def _suspension(self, template: bool) -> dict[str, Any]:
        return {"suspend": True} if self.suspend or template else {}


def _explicit(options: Contract) -> dict[str, Any]:
    return {name: getattr(options, name) for name in options.model_fields_set}


class ItemStatus(Contract):
    """How far one title is."""

    name: str = Field(max_length=63, description="Name of the title.")
    phase: str = Field(max_length=16, description="Waiting, Downloading, Transcoding, Complete or Failed.")
    reason: str | None = Field(None, max_length=32, description="Why it failed.")


class Counts(Contract):
    """Titles by what they are doing."""

    total: int = Field(0, ge=0, description="Titles in all.")
    waiting: int = Field(0, ge=0, description="Titles not begun.")
    active: int = Field(0, ge=0, description="Titles that are downloading or transcoding.")
    complete: int = Field(0, ge=0, description="Titles that play.")
    failed: int = Field(0, ge=0, description="Titles that failed.")


class MediaLibraryStatus(CommonStatus):
    """What is seen of a MediaLibrary."""

    counts: Counts | None = Field(None, description="Titles by what they are doing.")
    items: list[ItemStatus] = Field(default_factory=list, max_length=256, description="Each title.")
