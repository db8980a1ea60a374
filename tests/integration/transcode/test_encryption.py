"""Encrypted titles through the real worker: what is stored, who can play it, and that no key is anywhere it should not be."""

import base64
import re
import subprocess
from pathlib import Path
from typing import Any, Final

import pytest

from narwhal_operator.contract.outcome import Reason
from tests.integration.transcode import stages
from tests.integration.transcode.studio import AAC, X264, Ended, Studio, ffmpeg, picture, tone
from workers.transcode.crypt.fragments import AVC_LEAD, HEVC_LEAD

KIDS: Final = ("00112233445566778899aabbccddeeff", "0102030405060708090a0b0c0d0e0f10")
KEYS: Final = ("5f1d9c3ab27e84460fd1c2b3a4958677", "c0ffee00112233445566778899aabbcc")


def wish(**more: Any) -> dict[str, Any]:
    """A spec with encryption."""
    encryption = {
        "method": "AES-128",
        "keysFrom": {"secretRef": {"name": "film-keys"}},
        "keyUri": "/keys/{kid}",
        **more,
    }
    return {"packaging": {"segmentDuration": "1s", "encryption": encryption}}


def secret(base: Path, *keys: tuple[str, str | bytes]) -> str:
    """A mounted Secret."""
    directory = base / "keys"
    directory.mkdir(exist_ok=True)
    for name, value in keys:
        (directory / name).write_bytes(value if isinstance(value, bytes) else value.encode())
    return str(directory)


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Studio:
    """A studio with a film of three seconds with sound."""
    studio = Studio(tmp_path_factory.mktemp("studio"))
    ffmpeg(*picture(), *tone(), *X264, *AAC, studio.input())
    return studio


@pytest.fixture(scope="module")
def rotated(studio: Studio) -> Ended:
    """The film with two keys, a new one each second."""
    keys = secret(studio.base, ("01." + KIDS[0], KEYS[0]), ("02." + KIDS[1], KEYS[1]))
    return studio.run(studio.order(spec=wish(rotation={"period": "1s"}), keys=keys))


def test_it_is_published_and_every_rule_passes(rotated: Ended) -> None:
    """The gate judges all of it, with the keys; only what it cannot see is left out."""
    assert rotated.reason is Reason.COMPLETED, rotated.message
    assert rotated.result
    assert rotated.result.result
    assert rotated.result.result.verification.failed == 0


def test_each_segment_names_the_key_of_its_period_and_an_iv_of_its_own(studio: Studio, rotated: Ended) -> None:
    """Keys follow in order and begin again; no IV is used twice, in no rendition."""
    tags = []
    for playlist in sorted(studio.version.rglob("media.m3u8")):
        text = playlist.read_text()
        found = re.findall(r'#EXT-X-KEY:METHOD=AES-128,URI="/keys/([0-9a-f]{32})",IV=0x([0-9a-f]{32})\n', text)
        assert [kid for kid, _ in found] == [KIDS[number % 2] for number in range(len(found))]
        assert text.index("#EXT-X-MAP") < text.index("#EXT-X-KEY"), "the init segment is clear"
        tags += [iv for _, iv in found]
    assert len(tags) == len(set(tags)) == 12
    assert "I-FRAME" not in (studio.output / "master.m3u8").read_text()
    assert any("encrypted (AES-128)" in note for note in rotated.notes)


def test_ffmpeg_plays_it_to_the_last_frame_with_the_keys(studio: Studio, rotated: Ended, tmp_path: Path) -> None:
    """An independent reader decrypts it: all frames, without an error."""
    for number, kid in enumerate(KIDS):
        (tmp_path / kid).write_bytes(bytes.fromhex(KEYS[number]))
    for playlist in studio.output.rglob("*.m3u8"):
        playlist.write_text(playlist.read_text().replace("/keys/", f"file:{tmp_path}/"))
    argv = ["ffmpeg", "-v", "error", "-xerror", "-allowed_extensions", "ALL", "-protocol_whitelist", "file,crypto"]
    argv += ["-i", str(studio.output / "master.m3u8"), "-map", "0:v:0", "-map", "0:a:0", "-f", "framehash", "-"]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert sum(line.startswith("0,") for line in done.stdout.splitlines()) == 80


def test_no_key_is_where_it_should_not_be(studio: Studio, rotated: Ended) -> None:
    """Neither the report nor anything that is stored holds a key, in hex, in base64 or as it is."""
    texts = [rotated.report.model_dump_json().encode(), repr(rotated).encode()]
    texts += [path.read_bytes() for path in studio.output.rglob("*") if path.is_file()]
    for key in KEYS:
        assert not any(key.encode() in text or bytes.fromhex(key) in text for text in texts)


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ((), "does not exist or is empty"),
        (((KIDS[0], "hunter2"),), "holds no content key under 00112233445566778899aabbccddeeff"),
        ((("hunter2hunter2", KEYS[0]),), "whose name is no key id"),
        (((KIDS[0], KIDS[0]),), "holds its own id as the content key"),
        (((KIDS[0], KEYS[0]), (KIDS[1], KEYS[1])), "set spec.packaging.encryption.rotation"),
        ((("a." + KIDS[0], KEYS[0]), ("b." + KIDS[0], KEYS[1])), "holds a key id twice"),
    ],
)
def test_a_secret_that_is_wrong_is_told_without_what_is_in_it(
    tmp_path: Path, keys: tuple[tuple[str, str], ...], words: str
) -> None:
    """The message names the Secret and the mend, and nothing of a value."""
    studio = Studio(tmp_path)
    studio.input().write_bytes((Path(__file__).parents[2] / "data/big-buck-bunny.mp4").read_bytes()[:1000])
    ended = studio.run(studio.order(spec=wish(), keys=secret(tmp_path, *keys)))
    assert ended.reason in {Reason.SECRET_INVALID, Reason.SECRET_NOT_FOUND}
    assert words in ended.message
    assert "film-keys" in ended.message
    assert not any(text in ended.message for text in ("hunter2", *KEYS))


@pytest.mark.parametrize("method", ["AES-128", "cbcs", "cenc"])
def test_what_is_stored_is_taken_up_again_and_a_new_key_is_another_version(tmp_path: Path, method: str) -> None:
    """A lost tail alone is made anew; where it is encoded to other bytes, cenc has other IVs. Another key is another version."""
    studio = Studio(tmp_path)
    ffmpeg(*picture(seconds=3), *X264, studio.input())
    order = studio.order(spec=wish(method=method), keys=secret(tmp_path, (KIDS[0], KEYS[0])))
    first = studio.run(order)
    assert first.reason is Reason.COMPLETED, first.message
    version = studio.version
    stored = {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in version.rglob("*.m4s")}
    last = sorted(version.rglob("00002.m4s"))
    for path in (version / "outcome.json", *last):
        path.unlink()
    again = studio.run(order)
    assert again.reason is Reason.COMPLETED, again.message
    assert set(version.rglob("*.m4s")) == stored.keys()
    assert all(path.stat().st_mtime_ns == time for path, (time, _) in stored.items() if path not in last)
    for path in last if method == "cenc" else ():
        before, after = stored[path][1], path.read_bytes()
        assert before == after or ivs(before).isdisjoint(ivs(after))
    secret(tmp_path, (KIDS[0], bytes.fromhex(KEYS[1])))
    other = studio.run(order)
    assert other.reason is Reason.COMPLETED, other.message
    assert len(list((studio.output / "v").iterdir())) == 2


def ivs(segment: bytes) -> set[bytes]:
    """The IVs in senc, of samples with one span each."""
    at = segment.index(b"senc") + 4
    count = int.from_bytes(segment[at + 4 : at + 8])
    assert count == 25
    return {segment[place : place + 8] for place in range(at + 8, at + 8 + 16 * count, 16)}


def test_no_key_is_in_the_worker_s_log_its_programs_or_its_last_words(tmp_path: Path) -> None:
    """A process as a pod runs it: the log has every argument list of FFmpeg, the termination message the outcome."""
    studio = Studio(tmp_path)
    ffmpeg(*picture(seconds=1), *X264, studio.input())
    keys = secret(tmp_path, (KIDS[0], KEYS[0]))
    assert studio.start(studio.order(spec=wish(method="cenc"), keys=keys)).wait(60) == 0
    said = (tmp_path / "worker.log").read_bytes()
    assert b"libx264" in said, "the log has the argument lists"
    texts = [said, (tmp_path / "termination").read_bytes(), (tmp_path / "order.json").read_bytes()]
    texts += [path.read_bytes() for path in studio.output.rglob("*") if path.is_file()]
    for key in (KEYS[0].encode(), bytes.fromhex(KEYS[0]), base64.b64encode(bytes.fromhex(KEYS[0]))):
        assert not any(key in text for text in texts)


@pytest.mark.parametrize("method", ["AES-128", "cbcs", "cenc"])
def test_sound_alone_is_encrypted_too(tmp_path: Path, method: str) -> None:
    """A title without pictures: no rule is broken, sampled segments are decrypted and decoded."""
    studio = Studio(tmp_path)
    ffmpeg(*tone(), "-c:a", "aac", studio.input("in.m4a"))
    ended = studio.run(studio.order("in.m4a", spec=wish(method=method), keys=secret(tmp_path, (KIDS[0], KEYS[0]))))
    assert ended.reason is Reason.COMPLETED, ended.message
    assert ended.result
    assert ended.result.result
    assert ended.result.result.verification.failed == 0


@pytest.mark.parametrize("method", ["AES-128", "cbcs", "cenc"])
def test_several_pods_encrypt_one_title(tmp_path: Path, method: str) -> None:
    """Parts are encrypted by who makes them; who finishes opens all of them, with the same keys."""
    studio = Studio(tmp_path)
    ffmpeg(*picture(seconds=6), *tone(6), *X264, *AAC, studio.input())
    keys = secret(tmp_path, (KIDS[0], KEYS[0]))
    ended = stages.by_parts(studio, stages.divided(studio, spec=wish(method=method), keys=keys))
    assert ended.reason is Reason.COMPLETED, ended.message
    assert ended.result
    assert ended.result.result
    assert ended.result.result.verification.failed == 0
    assert all(b"moov" in path.read_bytes() for path in studio.version.rglob("init.mp4"))


@pytest.fixture(scope="module", params=["cbcs", "cenc"])
def common(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Studio, Ended]:
    """The film by Common Encryption, H.264 and HEVC, HLS and DASH, with thumbnails, which are cut from what is stored."""
    studio = Studio(tmp_path_factory.mktemp(request.param))
    ffmpeg(*picture(), *tone(), *X264, *AAC, studio.input())
    spec = wish(method=request.param)
    spec["packaging"]["manifests"] = ["HLS", "DASH"]
    spec["ladder"] = {"renditions": [{"name": "h264", "height": 90}, {"name": "hevc", "height": 48, "codec": "hevc"}]}
    spec |= {"thumbnails": {"interval": "1s"}, "verify": "Full"}
    return studio, studio.run(studio.order(spec=spec, keys=secret(studio.base, (KIDS[0], KEYS[0]))))


def test_samples_are_encrypted_and_the_gate_decrypts_them(common: tuple[Studio, Ended]) -> None:
    """Every segment is decrypted by what it says itself and decoded; no rule is broken."""
    _, ended = common
    assert ended.reason is Reason.COMPLETED, ended.message
    assert ended.result
    assert ended.result.result
    found = ended.result.result.verification
    assert (found.failed, found.warnings, found.decoded) == (0, 0, 12)


@pytest.mark.parametrize("path", ["h264", "hevc", "audio/main"])
def test_ffmpeg_decrypts_what_was_encrypted(common: tuple[Studio, Ended], tmp_path: Path, path: str) -> None:
    """FFmpeg's own decryption gives every frame, strictly; with another key it gives errors, or other frames.

    Each segment by itself, as players read them: in a row of fragments FFmpeg 5.1 takes IVs of other samples.
    """
    studio, _ = common
    folder = studio.version / path
    counts = []
    for number, part in enumerate(sorted(folder.glob("*.m4s"))):
        file = tmp_path / f"{number}.mp4"
        file.write_bytes((folder / "init.mp4").read_bytes() + part.read_bytes())
        done = decrypted(file, KEYS[0])
        assert (done.returncode, done.stderr) == (0, "")
        counts.append(sum(not line.startswith("#") for line in done.stdout.splitlines()))
        wrong = decrypted(file, "0" * 32)
        assert wrong.returncode != 0 or wrong.stdout != done.stdout
    assert sum(counts) == (80 if path != "audio/main" else 150)


def decrypted(file: Path, key: str) -> "subprocess.CompletedProcess[str]":
    """FFmpeg's frames of a file, by that key."""
    argv = ["ffmpeg", "-v", "error", "-xerror", "-err_detect", "explode", "-decryption_key", key]
    argv += ["-i", str(file), "-f", "framehash", "-"]
    return subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize(("name", "filter_"), [("h264", "h264"), ("hevc", "hevc")])
def test_headers_of_slices_stay_clear(common: tuple[Studio, Ended], tmp_path: Path, name: str, filter_: str) -> None:
    """What our encoders write before the data of a slice is shorter than what is left clear of it."""
    studio, _ = common
    (folder,) = {path.parent for path in studio.version.glob(f"{name}/00000.m4s")}
    file = tmp_path / "one.mp4"
    file.write_bytes((folder / "init.mp4").read_bytes() + (folder / "00000.m4s").read_bytes())
    argv = ["ffmpeg", "-v", "verbose", "-decryption_key", KEYS[0], "-i", str(file), "-c", "copy"]
    argv += ["-bsf:v", "trace_headers", "-f", "null", "-"]
    said = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=True).stderr
    ends, inside = [], False
    for line in said.splitlines():
        text = line.partition("] ")[2]
        if text.startswith("Slice"):
            inside = True
        elif inside and (match := re.match(r"([0-9]+) +[a-z]", text)):
            ends.append(int(match[1]))
        else:
            inside = False
    assert ends, said[-2000:]
    assert max(ends) // 8 + 4 < (AVC_LEAD if filter_ == "h264" else HEVC_LEAD)
