"""`narwhal verify --key`: what is encrypted with AES-128 is judged and decoded by who has the key, whoever made it."""

from pathlib import Path
from typing import Final

import pytest

from narwhal_operator.contract.reasons import TABLE, Reason
from tests.integration.cli.shell import Shell
from tests.integration.cli.test_verify import served
from tests.integration.transcode.studio import AAC, X264, Studio, ffmpeg, picture, tone
from tests.integration.verify.packs import Pack

KEYS: Final = {
    "01.00112233445566778899aabbccddeeff": "5f1d9c3ab27e84460fd1c2b3a4958677",
    "02.0f0e0d0c0b0a09080706050403020100": "a1b2c3d4e5f60718293a4b5c6d7e8f90",
}
ONE: Final = KEYS["01.00112233445566778899aabbccddeeff"]
FAILED: Final = TABLE[Reason.VERIFICATION_FAILED].code


@pytest.fixture(scope="module")
def rotated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two seconds of film by the worker: two rungs and sound, two segments each with a key of its own."""
    studio = Studio(tmp_path_factory.mktemp("rotated"))
    ffmpeg(*picture(seconds=2), *tone(2), *X264, *AAC, studio.input())
    secret = studio.base / "keys"
    secret.mkdir()
    for kid, value in KEYS.items():
        (secret / kid).write_text(value)
    encryption = {
        "method": "AES-128",
        "keysFrom": {"secretRef": {"name": "s"}},
        "keyUri": "https://keys.example/{kid}?film=1",
        "rotation": {"period": "1s"},
    }
    spec = {"packaging": {"segmentDuration": "1s", "manifests": ["HLS"], "encryption": encryption}}
    ended = studio.run(studio.order(spec=spec, keys=str(secret)))
    assert ended.reason is Reason.COMPLETED, ended.message
    return studio.output


@pytest.fixture(scope="module")
def streamed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """FFmpeg's own transport streams with one key, its media sequence numbers as IVs."""
    base = tmp_path_factory.mktemp("streamed")
    (base / "film.key").write_bytes(bytes.fromhex(ONE))
    (base / "info").write_text(f"film.key\n{base}/film.key\n")
    muxer = ("-f", "hls", "-hls_playlist_type", "vod", "-hls_time", "1", "-hls_key_info_file", base / "info")
    ffmpeg(*picture(), *tone(), *X264, "-g", "25", *AAC, *muxer, base / "media.m3u8")
    return base


@pytest.fixture
def options(tmp_path: Path) -> list[str]:
    """Each key by its URI, one as text and one as its bytes."""
    made = []
    for number, (kid, value) in enumerate(KEYS.items()):
        file = tmp_path / f"{number}.key"
        file.write_bytes(bytes.fromhex(value) if number else f"{value}\n".encode())
        made += ["--key", f"https://keys.example/{kid[3:]}?film=1={file}"]
    return made


def test_with_its_keys_all_of_it_is_judged_and_decoded(shell: Shell, rotated: Path, options: list[str]) -> None:
    """Each segment by the key of its URI; without keys it can only say that it could not look."""
    ran = shell.run("verify", "--full", "--advice", *options, str(rotated))
    assert (ran.code, ran.err) == (0, ""), ran.out
    assert "judged-whole" not in ran.out
    assert ", 6 decoded, in " in ran.out
    assert not any(value in ran.out for value in KEYS.values())
    without = shell.run("verify", "--full", "--advice", str(rotated))
    assert without.code == 0
    assert "[judged-whole, " in without.out
    assert ", 0 decoded, in " in without.out


def test_packages_of_others_are_judged_from_a_server_too(shell: Shell, streamed: Path) -> None:
    """Transport streams without IVs in their playlist, a server without ranges, one key for whatever URI."""
    with served(streamed) as url:
        ran = shell.run("verify", "--full", "--key", str(streamed / "film.key"), f"{url}/media.m3u8")
    assert "encrypted-as-said" not in ran.out
    assert "decodes-strictly" not in ran.out
    # A stream of pictures and one of sound in each.
    segments = len(list(streamed.glob("*.ts")))
    assert f", {2 * segments} decoded, in " in ran.out


def test_what_only_a_decoder_sees_is_found(shell: Shell, rotated: Path, tmp_path: Path, options: list[str]) -> None:
    """Blocks that were changed decrypt to noise; without keys nobody would know."""
    pack = Pack.copy(rotated, tmp_path / "pack")
    size = pack.path("high/00001.m4s").stat().st_size
    pack.patch("high/00001.m4s", size // 2, bytes(size // 4))
    ran = shell.run("verify", "--full", *options, str(pack.root))
    assert ran.code == FAILED
    assert {line.split("[")[1].split(",")[0] for line in ran.out.splitlines() if line.startswith("error")} == {
        "decodes-strictly"
    }
    assert shell.run("verify", "--full", str(pack.root)).code == 0


def test_a_wrong_key_is_told(shell: Shell, rotated: Path, tmp_path: Path, options: list[str]) -> None:
    """So is one that is not there: by the rule of what opens, and nothing is shown of either."""
    (tmp_path / "0.key").write_bytes(bytes(range(16)))
    ran = shell.run("verify", *options, str(rotated))
    assert ran.code == FAILED
    assert "[encrypted-as-said, " in ran.out
    assert "does not decrypt to media" in ran.out
    one = shell.run("verify", *options[2:], str(rotated))
    assert one.code == FAILED
    assert "no key is known by the URI" in one.out


@pytest.mark.parametrize(
    ("content", "names", "reason", "words"),
    [
        pytest.param(None, ["a"], Reason.INPUT_NOT_FOUND, "cannot be read", id="no file"),
        pytest.param(b"secret", ["a"], Reason.INVALID_ORDER, "no key of AES-128", id="no key"),
        pytest.param(ONE.encode(), ["a", "a"], Reason.INVALID_ORDER, "URI=FILE", id="two for any URI"),
        pytest.param(ONE.encode(), ["a"], Reason.NOT_SUPPORTED, "nothing of it is encrypted", id="a clear package"),
    ],
)
def test_keys_that_are_of_no_use_end_with_a_reason(
    shell: Shell, tmp_path: Path, content: bytes | None, names: list[str], reason: Reason, words: str
) -> None:
    """One line, without what the file holds."""
    ffmpeg(*tone(1), *AAC, "-f", "hls", "-hls_playlist_type", "vod", tmp_path / "media.m3u8")
    if content is not None:
        (tmp_path / "a").write_bytes(content)
    ran = shell.run("verify", *(word for name in names for word in ("--key", str(tmp_path / name))), str(tmp_path))
    assert ran.code == TABLE[reason].code, ran.err
    assert ran.err.startswith(f"error: {reason.value}: ")
    assert words in ran.err
    assert content is None or content.decode() not in ran.err
