"""Durations, quantities and bit rates as numbers; texts cut; what the models refuse and how they say it."""

import pytest
from pydantic import ValidationError

from narwhal_operator.contract.base import bits_of, bytes_of, clip, seconds_of
from narwhal_operator.contract.download import DownloadJobSpec
from narwhal_operator.contract.transcode import TranscodingJobSpec

SPEC = {
    "source": {"http": {"urls": ["https://origin.example/bbb.mp4"]}},
    "destination": {"bucket": "media", "key": "sources/bbb.mp4"},
}


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("500ms", 0.5), ("4s", 4.0), ("1.5s", 1.5), ("30m", 1800.0), ("1h30m", 5400.0), ("1h1m1s1ms", 3661.001)],
)
def test_a_duration_is_seconds(text: str, seconds: float) -> None:
    """A duration is the sum of its parts."""
    assert seconds_of(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "4", "s", "4 s", "-4s", "4d", "1e3s", "4s\n"])
def test_other_texts_are_no_durations(text: str) -> None:
    """A text without number and unit is refused with an example."""
    with pytest.raises(ValueError, match="such as 500ms, 4s, 30m or 1h30m"):
        seconds_of(text)


@pytest.mark.parametrize(
    ("quantity", "count"),
    [
        (1000, 1000),
        ("1000", 1000),
        ("1k", 1000),
        ("1Ki", 1024),
        ("1.5Gi", 1_610_612_736),
        ("50Gi", 53_687_091_200),
        ("999999999999999", 999_999_999_999_999),
    ],
)
def test_a_quantity_is_bytes(quantity: int | str, count: int) -> None:
    """A quantity is exact, also beyond what a float keeps."""
    assert bytes_of(quantity) == count


@pytest.mark.parametrize("quantity", [-1, "", "Gi", "1 Gi", "1gi", "1e3", "-1Gi", "1Gb"])
def test_other_values_are_no_quantities(quantity: int | str) -> None:
    """A value that Kubernetes would not read as bytes is refused with an example."""
    with pytest.raises(ValueError, match="such as 500Mi or 50Gi"):
        bytes_of(quantity)


@pytest.mark.parametrize(("text", "bits"), [("128k", 128_000), ("3M", 3_000_000), ("2.5M", 2_500_000), ("9600", 9600)])
def test_a_bit_rate_is_bits_a_second(text: str, bits: int) -> None:
    """Bit rates are decimal: k is 1000."""
    assert bits_of(text) == bits


def test_a_cut_text_says_so() -> None:
    """A text within the limit stays; a longer one ends with an ellipsis, at the limit."""
    assert clip("short", 5) == "short"
    assert clip("longer", 5) == "long…"


def test_a_spec_goes_round_unchanged() -> None:
    """What is read from a manifest is written as it was, with the defaults."""
    spec = DownloadJobSpec.from_wire({**SPEC, "maxBytes": "50Gi", "stallTimeout": "90s"})
    assert DownloadJobSpec.from_wire(spec.wire()) == spec
    assert spec.wire()["maxBytes"] == "50Gi"
    assert spec.wire()["stallTimeout"] == "90s"


def test_a_manifest_is_camel_case() -> None:
    """A manifest in snake case is refused as the API server refuses it; code may use both."""
    with pytest.raises(ValidationError, match="max_bytes"):
        DownloadJobSpec.from_wire({**SPEC, "max_bytes": "1Gi"})
    assert DownloadJobSpec.model_validate({**SPEC, "max_bytes": "1Gi"}).max_bytes == "1Gi"


def test_a_refusal_does_not_repeat_the_value() -> None:
    """A password in a URL is refused in words that do not hold it."""
    source = {"http": {"urls": ["https://user:hunter2@origin.example/bbb.mp4"]}}
    with pytest.raises(ValidationError) as refused:
        DownloadJobSpec.from_wire({**SPEC, "source": source})
    assert "must not hold user:password@" in str(refused.value)
    assert "hunter2" not in str(refused.value)


def test_all_faults_are_told_at_once() -> None:
    """One refusal names every field at fault."""
    with pytest.raises(ValidationError) as refused:
        DownloadJobSpec.from_wire({**SPEC, "connections": 0, "stallTimeout": "0s", "colour": "blue"})
    assert {error["loc"][0] for error in refused.value.errors()} == {"connections", "stallTimeout", "colour"}


def test_a_ladder_is_there_though_none_was_asked_for() -> None:
    """Without a ladder the standard one is made, although the stored object has none."""
    spec = TranscodingJobSpec.from_wire(
        {"input": {"downloadJobRef": {"name": "bbb"}}, "output": {"bucket": "media", "prefix": "vod/bbb"}}
    )
    assert spec.ladder.preset == "h264-standard"
