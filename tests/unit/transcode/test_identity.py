"""What makes a rendition another one: all that shows in its picture or its sound, and nothing else."""

from typing import Any, Final

import pytest
from msgspec.structs import replace

from narwhal_operator.contract.transcode import TranscodeOptions
from tests.unit.transcode.inputs import probed
from workers.transcode.crypt import Key
from workers.transcode.delta.identity import film, identities, known, sealed_by
from workers.transcode.ladder import plan
from workers.transcode.plan import Mark
from workers.transcode.rendition import title

HIGH: Final = {"name": "high", "height": 360}
LOW: Final = {"name": "low", "height": 180}
VIDEO: Final = frozenset({"high", "low"})
SOUND: Final = frozenset({"audio/main"})
KEYS: Final = (Key(bytes(16), bytes(range(16))),)
ENCRYPTED: Final = {"method": "cbcs", "keysFrom": {"secretRef": {"name": "k"}}, "keyUri": "skd://{kid}"}


def digests(
    source: Any = "sha", engine: str = "ffmpeg 5", keys: tuple[Key, ...] = (), **options: Any
) -> dict[str, str]:
    """The identities of a title of two rungs and sound."""
    given = TranscodeOptions.model_validate({"ladder": {"renditions": [HIGH, LOW]}, **options})
    made = title(plan(probed("640x360", "25", 60), given))
    return identities(made, film(source, engine, given, keys, ["etag", 1]))


@pytest.mark.parametrize(
    ("changed", "others"),
    [
        ({"source": "another"}, VIDEO | SOUND),
        ({"source": ["etag", 5]}, VIDEO | SOUND),
        ({"engine": "ffmpeg 6"}, VIDEO | SOUND),
        ({"clip": {"start": "5s"}}, VIDEO | SOUND),
        ({"packaging": {"segmentDuration": "2s"}}, VIDEO | SOUND),
        ({"packaging": {"encryption": ENCRYPTED}, "keys": KEYS}, VIDEO | SOUND),
        ({"ladder": {"renditions": [{**HIGH, "crf": 30}, LOW]}}, {"high"}),
        ({"ladder": {"renditions": [HIGH, {**LOW, "maxBitrate": "300k"}]}}, {"low"}),
        ({"audio": {"bitrate": "96k"}}, SOUND),
        ({"audio": {"loudness": {"target": -20}}}, SOUND),
        ({"watermark": {"image": {"bucket": "media", "key": "logo.png"}}}, VIDEO),
        ({"packaging": {"manifests": ["HLS", "DASH"]}}, frozenset()),
        ({"metadata": {"title": "Another name"}}, frozenset()),
        ({"subtitles": {"mode": "None"}}, frozenset()),
        ({"thumbnails": {}}, frozenset()),
        ({"verify": "Full", "keepVersions": 3, "quality": {"metric": "SSIM"}}, frozenset()),
        ({"ladder": {"renditions": [HIGH, {"name": "between", "height": 240}, LOW]}}, frozenset()),
    ],
)
def test_what_makes_another_rendition(changed: dict[str, Any], others: frozenset[str]) -> None:
    """Of each change the renditions that are not those they were."""
    before, after = digests(), digests(**changed)
    assert {path for path in before if before[path] != after[path]} == set(others)


def test_where_the_watermark_lies_on_scratch_is_no_matter() -> None:
    """Its path is each run's own; its place on the picture is not."""
    made = title(plan(probed("640x360", "25", 60), TranscodeOptions.model_validate({"ladder": {"renditions": [HIGH]}})))
    found = film("sha", "ffmpeg 5", TranscodeOptions(), (), None)
    marks = (Mark("/one", "Center"), Mark("/two", "Center"), Mark("/one", "TopLeft"))
    one, two, three = (
        identities(replace(made, plan=replace(made.plan, watermark=mark)), found)["high"] for mark in marks
    )
    assert one == two
    assert one != three


def test_an_input_that_nothing_tells_from_another_is_unknown() -> None:
    """Without a digest, and of a store that gives no entity tags."""
    for source, wanted in (("sha", True), (["etag", 5], True), (["", 5], False)):
        assert known(film(source, "ffmpeg 5", TranscodeOptions(), (), None)) is wanted


def test_ivs_are_of_the_film() -> None:
    """The same whatever the ladder and the watermark are, so that segments may be taken; others for another input."""
    options = TranscodeOptions.model_validate({"watermark": {"image": {"bucket": "media", "key": "logo.png"}}})
    plain = TranscodeOptions()
    one, marked = film("sha", "f", plain, KEYS, None), film("sha", "f", options, KEYS, ["e", 1])
    assert sealed_by(one) == sealed_by(marked)
    assert sealed_by(one) != sealed_by(film("another", "f", plain, KEYS, None))
