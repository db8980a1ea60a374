"""The API server and the models agree on every text: what one takes the other takes, found by trying thousands."""

from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from narwhal_operator.contract import base, download, tracks
from tests.contract.apiserver import Apiserver
from tests.contract.manifests import SPECS
from tests.contract.test_crds import PLURALS, manifest


@dataclass(frozen=True, slots=True)
class Scalar:
    """A field, and the texts that are near what it takes."""

    kind: str
    path: tuple[str, ...]
    near: st.SearchStrategy[Any]


def close_to(pattern: str, letters: str) -> st.SearchStrategy[str]:
    """Texts that match the pattern, and texts of its letters that seldom do."""
    return st.from_regex(pattern, fullmatch=True) | st.text(letters, max_size=24) | st.text(max_size=12)


_DIGITS = "0123456789.msh"
# Of random durations few are within a field's bounds, and on some runs none: these are around the bounds.
_DURATIONS = close_to(base.DURATION_PATTERN, _DIGITS) | st.builds(
    "{}{}".format, st.integers(0, 12), st.sampled_from(["ms", "s", "m", "h"])
)
_URL = st.tuples(
    st.sampled_from(["http://", "https://", "https:/", "HTTP://", "ftp://", "http:///", "//", "https://@", ""]),
    st.text("ab@/:?#[]%. \t\n\r\f\v\u00a0\\é", max_size=12),
)
SCALARS = {
    "duration": Scalar("DownloadJob", ("stallTimeout",), _DURATIONS),
    "segment": Scalar("TranscodingJob", ("packaging", "segmentDuration"), _DURATIONS),
    "quantity": Scalar(
        "DownloadJob",
        ("maxBytes",),
        close_to(base.QUANTITY_PATTERN, "0123456789.kKMGTPi+-e") | st.integers(-(2**62), 2**62) | st.integers(-3, 3),
    ),
    "bitrate": Scalar("TranscodingJob", ("audio", "bitrate"), close_to(base.BITRATE_PATTERN, "0123456789.kM+-e")),
    "languages": Scalar("TranscodingJob", ("audio", "languages"), close_to(tracks.LANGUAGES_PATTERN, "aldeENi-,_ 1")),
    "key": Scalar("DownloadJob", ("destination", "key"), close_to(base.KEY_PATTERN, "a./\\\x7f é\n")),
    "prefix": Scalar("TranscodingJob", ("output", "prefix"), close_to(base.KEY_PATTERN, "a./\\\x7f é\n")),
    "bucket": Scalar("DownloadJob", ("destination", "bucket"), st.text("ab.-A_9 é\n", max_size=8)),
    "name": Scalar("TranscodingJob", ("input", "downloadJobRef", "name"), st.text("ab.-A_9 é\n", max_size=8)),
    "url": Scalar("DownloadJob", ("source",), _URL.map(lambda parts: {"http": {"urls": ["".join(parts)]}})),
    "magnet": Scalar(
        "DownloadJob",
        ("source",),
        st.text("?&=xtdn:urbim ", max_size=30).map(lambda text: {"torrent": {"magnet": f"magnet:{text}"}})
        | st.from_regex(download.MAGNET_PATTERN, fullmatch=True).map(lambda text: {"torrent": {"magnet": text}}),
    ),
    "sha256": Scalar("DownloadJob", ("checksum", "sha256"), st.text("0aAfF", min_size=63, max_size=65) | st.text("aG")),
    "resource": Scalar(
        "DownloadJob",
        ("template", "resources", "limits", "memory"),
        st.text("0123456789.kKMGTPEmuni+-", max_size=8) | st.integers(-3, 10**17),
    ),
    "label": Scalar("DownloadJob", ("template", "labels", "team"), st.text("aZ9-_. é", max_size=8)),
    "integer": Scalar("DownloadJob", ("connections",), st.integers(-1, 70) | st.booleans() | st.text("08", max_size=2)),
    "number": Scalar("TranscodingJob", ("audio", "loudness", "target"), st.floats(-80, 0) | st.integers(-80, 0)),
    "truth": Scalar("TranscodingJob", ("suspend",), st.booleans() | st.sampled_from([0, 1, "true", "yes"])),
}


@pytest.mark.parametrize("name", SCALARS)
def test_both_judges_agree(api: Apiserver, name: str) -> None:
    """Whatever the value, the API server and the models both take it or both refuse it; some are taken, some not."""
    scalar = SCALARS[name]
    verdicts: set[bool] = set()

    @given(scalar.near)
    @settings(max_examples=150, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
    def agree(value: Any) -> None:
        document = changed(manifest(scalar.kind), scalar.path, value)
        answer = api.would_create(PLURALS[scalar.kind], document)
        taken = answer["kind"] != "Status"
        verdicts.add(taken)
        assert taken == accepts(scalar.kind, document), f"{value!r}: {answer.get('message', 'taken')}"

    agree()
    assert verdicts == {True, False}


def changed(document: dict[str, Any], path: tuple[str, ...], value: Any) -> dict[str, Any]:
    """The manifest with another value at a path of its spec."""
    return {**document, "spec": _changed(document["spec"], path, value)}


def _changed(node: dict[str, Any], path: tuple[str, ...], value: Any) -> dict[str, Any]:
    head, *rest = path
    return {**node, head: _changed(node.get(head, {}), tuple(rest), value) if rest else value}


def accepts(kind: str, document: dict[str, Any]) -> bool:
    """Whether the models take a manifest."""
    try:
        SPECS[kind].from_wire(document["spec"])
    except ValueError:
        return False
    return True
