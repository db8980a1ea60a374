"""`narwhal rollback`: an older version of a title is shown again, or the command says why not."""

from pathlib import Path
from typing import Any, Final

import pytest

from narwhal_operator.contract.reasons import TABLE, Reason
from tests.integration.cli.shell import CLIP, Shell, secret, transcode
from tests.integration.transcode.studio import assert_plays
from tests.support.seaweed import ACCESS_KEY, SECRET_KEY, S3Server

OTHER: Final[dict[str, Any]] = {"ladder": {"renditions": [{"name": "only", "height": 72}]}}
FRAMES: Final = 132


@pytest.fixture
def twice(shell: Shell) -> Shell:
    """A title that was published twice, with different ladders."""
    (shell.store / "media").mkdir()
    (shell.store / "media/film.mp4").write_bytes(CLIP.read_bytes())
    for spec in ({}, OTHER):
        assert shell.apply(transcode("bbb", key="film.mp4", **spec)).code == 0
    return shell


def rollback(shell: Shell, *more: str) -> Any:
    return shell.run("rollback", "-f", "film.yaml", "--store", "store", *more)


def test_the_version_before_plays_again_and_back(twice: Shell) -> None:
    """The list says which is which; the pointers are put back word for word; --to goes anywhere."""
    master = twice.store / "media/vod/bbb/master.m3u8"
    newer = master.read_bytes()
    first, second = rollback(twice, "--list", "-o", "json").lines
    assert (first["rungs"], second["rungs"]) == (["high", "low"], ["only"])
    assert (first["current"], second["current"]) == (False, True)
    ran = rollback(twice)
    assert (ran.code, first["version"] in ran.out) == (0, True)
    assert f"v/{first['version']}/high" in master.read_text()
    assert_plays(master, FRAMES)
    assert [line["current"] for line in rollback(twice, "--list", "-o", "json").lines] == [False, True]
    assert rollback(twice, "bbb", "--to", second["version"]).code == 0
    assert master.read_bytes() == newer
    assert twice.apply(transcode("bbb", key="film.mp4")).code == 0
    assert f"v/{first['version']}/high" in master.read_text(), "a run of the older work publishes it again"


def test_what_cannot_be_shown_again_is_refused(twice: Shell) -> None:
    """Versions that are not there or not whole, titles that are not in the manifest: the message names what there is."""
    first, second = rollback(twice, "--list", "-o", "json").lines
    ran = rollback(twice, "--to", "0" * 16)
    assert (ran.code, first["version"] in ran.err, second["version"] in ran.err) == (2, True, True)
    ran = rollback(twice, "another")
    assert (ran.code, "holds no TranscodingJob another" in ran.err) == (2, True)
    next(Path(twice.store, "media/vod/bbb/v", first["version"]).glob("high/*.m4s")).unlink()
    ran = rollback(twice, "--to", first["version"])
    assert (ran.code, "not whole" in ran.err) == (2, True)
    ran = rollback(twice)
    assert (ran.code, "no whole version older" in ran.err) == (2, True)
    assert "not whole" in rollback(twice, "--list").out


def test_over_s3_with_the_secret_of_the_manifest(shell: Shell, s3: S3Server) -> None:
    """As in a cluster: the manifest's Secret is the store; a wrong key ends with the reason of the store."""
    bucket = s3.bucket("rollback")
    s3.client.fput_object(bucket, "film.mp4", str(CLIP))
    place: dict[str, Any] = {
        "input": {"s3": {"bucket": bucket, "key": "film.mp4"}},
        "output": {"bucket": bucket, "prefix": "bbb"},
    }
    access = {"endpoint": s3.endpoint, "accessKeyId": ACCESS_KEY, "secretAccessKey": SECRET_KEY}
    for spec in ({}, OTHER):
        manifest = shell.write(secret("narwhal-storage", **access), transcode("bbb", **place, **spec))
        assert shell.run("run", "-f", manifest).code == 0
    ran = shell.run("rollback", "-f", manifest)
    assert ran.code == 0, ran.err
    assert b"/high/" in s3.get(bucket, "bbb/master.m3u8")
    found = s3.client.stat_object(bucket, "bbb/master.m3u8")
    assert found.metadata is not None
    assert "max-age=5" in found.metadata["Cache-Control"]
    wrong = shell.write(secret("narwhal-storage", **{**access, "accessKeyId": "nobody"}), transcode("bbb", **place))
    assert shell.run("rollback", "-f", wrong).code == TABLE[Reason.STORE_ACCESS_DENIED].code
    assert list(shell.temporary.iterdir()) == []
