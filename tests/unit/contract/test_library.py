"""The children a title stands for."""

from narwhal_operator.contract.library import MediaLibrarySpec
from narwhal_operator.contract.naming import LABEL_LIMIT, child_name, work_digest

SPEC = {
    "items": [{"name": "bbb", "source": {"http": {"urls": ["https://origin.example/bbb.mp4"]}}}],
    "output": {"bucket": "media", "prefix": "library", "storageRef": {"name": "store"}},
    "downloadTemplate": {"connections": 2},
    "transcodeTemplate": {"ladder": {"preset": "h264-mobile"}, "parallelism": 2},
}


def test_a_title_is_a_download_and_a_transcode_of_it() -> None:
    """The download goes to PREFIX/NAME/source; the transcode takes that DownloadJob and goes to PREFIX/NAME."""
    spec = MediaLibrarySpec.from_wire(SPEC)
    download = spec.download_spec(spec.items[0])
    assert download.destination.wire() == {
        "bucket": "media",
        "key": "library/bbb/source",
        "storageRef": {"name": "store"},
    }
    assert download.connections == 2
    transcode = spec.transcode_spec("films", spec.items[0])
    assert transcode.input.wire() == {"downloadJobRef": {"name": "films-bbb"}}
    assert transcode.output.prefix == "library/bbb"
    assert transcode.ladder.preset == "h264-mobile"
    assert transcode.parallelism == 2


def test_a_suspended_library_suspends_its_children() -> None:
    """`suspend` of the library or of a template suspends; it changes no work."""
    running = MediaLibrarySpec.from_wire(SPEC)
    suspended = MediaLibrarySpec.from_wire({**SPEC, "suspend": True})
    before, after = (spec.download_spec(spec.items[0]) for spec in (running, suspended))
    assert (before.suspend, after.suspend) == (False, True)
    assert work_digest(before.wire()) == work_digest(after.wire())


def test_names_of_children_fit_into_labels_and_stay_apart() -> None:
    """A long name is cut and keeps a digest of the whole, so that two long titles differ."""
    names = {child_name("library" * 8, f"{'title' * 9}-{number}") for number in range(3)}
    assert len(names) == 3
    assert all(len(name) <= LABEL_LIMIT for name in names)
    assert child_name("films", "bbb") == "films-bbb"
