"""The same over a real S3: what is stored, how it is served, and that a killed run goes on."""

from pathlib import Path
from typing import Any

from narwhal_operator.contract.order import S3Store
from narwhal_operator.contract.outcome import Reason
from tests.integration.transcode.studio import AAC, BUCKET, CLIP, X264, Studio, assert_plays, ffmpeg, picture, tone
from tests.support.processes import until
from tests.support.seaweed import S3Server

LADDER: dict[str, Any] = {"ladder": {"renditions": [{"name": "high", "height": 180}, {"name": "low", "height": 90}]}}


def put(s3: S3Server, key: str, path: Path) -> S3Store:
    s3.bucket(BUCKET)
    s3.client.fput_object(BUCKET, key, str(path))
    return s3.secret()


def fetched(s3: S3Server, prefix: str, directory: Path) -> Path:
    """All objects below a prefix as files, as a player would find them."""
    for key in s3.keys(BUCKET, f"{prefix}/"):
        path = directory / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(s3.get(BUCKET, key))
    return directory / prefix


def test_a_title_goes_from_s3_to_s3(studio: Studio, s3: S3Server, tmp_path: Path) -> None:
    """Published over S3 it plays from its master; types and cache headers are those of the layout."""
    store = put(s3, "clip.mp4", CLIP)
    output = {"output": {"bucket": BUCKET, "prefix": "clip"}}
    ended = studio.run(studio.order("clip.mp4", store=store, spec={**LADDER, **output}))
    assert ended.reason is Reason.COMPLETED, ended.message
    assert ended.result is not None
    assert ended.result.result is not None
    assert ended.result.result.master_url == f"s3://{BUCKET}/clip/master.m3u8"
    assert_plays(fetched(s3, "clip", tmp_path / "copy") / "master.m3u8", 132)
    version = f"clip/v/{ended.result.result.version}"
    for key, kind, cache in (
        ("clip/master.m3u8", "application/vnd.apple.mpegurl", "max-age=5"),
        (f"{version}/high/media.m3u8", "application/vnd.apple.mpegurl", "immutable"),
        (f"{version}/high/00000.m4s", "video/iso.segment", "immutable"),
        (f"{version}/high/init.mp4", "video/mp4", "immutable"),
    ):
        found = s3.client.stat_object(BUCKET, key)
        assert found.content_type == kind
        assert found.metadata is not None
        assert cache in found.metadata["Cache-Control"]
    again = studio.run(studio.order("clip.mp4", store=store, spec={**LADDER, **output}, attempt=2))
    assert again.message == "All was done by an earlier run."


def test_a_killed_run_goes_on_over_s3(studio: Studio, s3: S3Server, tmp_path: Path) -> None:
    """Kill -9 with segments stored: none of them is stored again, the whole plays evenly."""
    film = tmp_path / "film.mp4"
    ffmpeg(*picture("320x180", "25", 60), *tone(60), *X264, *AAC, film)
    spec = {**LADDER, "output": {"bucket": BUCKET, "prefix": "killed"}}
    order = studio.order("film.mp4", store=put(s3, "film.mp4", film), spec=spec)
    worker = studio.start(order)
    until(lambda: len(segments(s3)) >= 12, 60, "segments are stored")
    worker.kill()
    worker.wait()
    before = segments(s3)
    ended = studio.run(order.model_copy(update={"head": order.head.model_copy(update={"attempt": 2})}))
    assert ended.reason is Reason.COMPLETED, ended.message
    after = segments(s3)
    assert {key: after[key] for key in before} == before
    assert_plays(fetched(s3, "killed", tmp_path / "copy") / "master.m3u8", 1500)


def segments(s3: S3Server) -> dict[str, Any]:
    """When each stored segment of video was stored, by key."""
    found = s3.client.list_objects(BUCKET, "killed/", recursive=True)
    video = [
        item for item in found if (item.object_name or "").endswith(".m4s") and "audio" not in (item.object_name or "")
    ]
    return {item.object_name or "": item.last_modified for item in video}


def test_a_rung_more_is_copied_within_the_store(studio: Studio, s3: S3Server, tmp_path: Path) -> None:
    """Segments of the other rungs are there with their types and as they were; the old version may go."""
    store = put(s3, "more.mp4", CLIP)
    output = {"output": {"bucket": BUCKET, "prefix": "more"}}
    first = studio.run(studio.order("more.mp4", store=store, spec={**LADDER, **output}))
    assert first.reason is Reason.COMPLETED, first.message
    rungs = [*LADDER["ladder"]["renditions"], {"name": "least", "height": 48}]
    spec = {**LADDER, **output, "ladder": {"renditions": rungs}}
    ended = studio.run(studio.order("more.mp4", store=store, spec=spec, attempt=2))
    assert ended.reason is Reason.COMPLETED, ended.message
    assert any(note.startswith("reused of version") for note in ended.notes), ended.notes
    assert first.result is not None
    assert first.result.result is not None
    assert ended.result is not None
    assert ended.result.result is not None
    old, new = f"more/v/{first.result.result.version}", f"more/v/{ended.result.result.version}"
    segments = [key for key in s3.keys(BUCKET, f"{old}/") if key.endswith((".m4s", "init.mp4"))]
    assert len(segments) > 6
    for key in segments:
        copied = f"{new}/{key.removeprefix(f'{old}/')}"
        assert s3.get(BUCKET, copied) == s3.get(BUCKET, key)
        found = s3.client.stat_object(BUCKET, copied)
        assert found.content_type in {"video/iso.segment", "video/mp4"}
        assert found.metadata is not None
        assert "immutable" in found.metadata["Cache-Control"]
    for key in s3.keys(BUCKET, f"{old}/"):
        s3.client.remove_object(BUCKET, key)
    assert_plays(fetched(s3, "more", tmp_path / "copy") / "master.m3u8", 132)
