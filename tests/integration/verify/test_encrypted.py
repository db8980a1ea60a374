"""Encrypted packages that are sabotaged: each trips exactly its rule, and the good one none."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest

from narwhal_operator.contract.outcome import Reason
from tests.integration.transcode.studio import AAC, X264, Studio, ffmpeg, picture, tone
from tests.integration.verify.packs import Pack, broken
from workers.verify.collect import Collector
from workers.verify.encrypted import KeyOf
from workers.verify.readers import DirectoryReader

KID: Final = "00112233445566778899aabbccddeeff"
KEY: Final = bytes.fromhex("5f1d9c3ab27e84460fd1c2b3a4958677")
HIGH: Final = "high/media.m3u8"
SAID: Final = "encrypted-as-said"


def keys(uri: str) -> bytes | None:
    """The key server."""
    return KEY if uri == f"/keys/{KID}" else None


@pytest.fixture(scope="module")
def encrypted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A package of AES-128 in which all is right."""
    return made(tmp_path_factory.mktemp("whole"), "AES-128", ["HLS"])


@pytest.fixture(scope="module")
def common(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One by Common Encryption."""
    return made(tmp_path_factory.mktemp("common"), "cenc", ["HLS", "DASH"])


def made(base: Path, method: str, manifests: list[str]) -> Path:
    """Two seconds of film, by the worker."""
    studio = Studio(base)
    ffmpeg(*picture(seconds=2), *tone(2), *X264, *AAC, studio.input())
    secret = studio.base / "keys"
    secret.mkdir()
    (secret / KID).write_bytes(KEY)
    encryption: dict[str, Any] = {
        "method": method,
        "keysFrom": {"secretRef": {"name": "s"}},
        "keyUri": "/keys/{kid}",
    }
    spec = {"packaging": {"segmentDuration": "1s", "manifests": manifests, "encryption": encryption}}
    ended = studio.run(studio.order(spec=spec, keys=str(secret)))
    assert ended.reason is Reason.COMPLETED, ended.message
    return studio.output


def judged(pack: Pack, key_of: KeyOf | None) -> dict[str, list[str]]:
    """The rules it breaks, read with those keys."""
    return broken(asyncio.run(Collector(DirectoryReader(pack.root), keys=key_of).run(["master.m3u8"])))


def nothing(pack: Pack) -> None:
    assert pack.path(HIGH).exists()


def in_clear(pack: Pack) -> None:
    path = pack.path("high/00001.m4s")
    path.write_bytes(b"\0\0\0\x18stypmsdh\0\0\0\0msdhmsix" + b"\0" * (len(path.read_bytes()) - 24))


def cut(pack: Pack) -> None:
    path = pack.path("high/00001.m4s")
    path.write_bytes(path.read_bytes()[:-3])


def sub(pattern: str, new: str) -> Callable[[Pack], None]:
    return lambda pack: pack.sub(HIGH, pattern, new)


CASES: Final[dict[str, tuple[Callable[[Pack], None], KeyOf | None, str]]] = {
    "wrong-iv": (sub("IV=0x[0-9a-f]{32}", "IV=0x" + "7" * 32), keys, SAID),
    "no-iv": (sub(",IV=0x[0-9a-f]{32}", ""), keys, SAID),
    "wrong-key-id": (sub(KID, KID[::-1]), keys, SAID),
    "wrong-key": (nothing, lambda _: bytes(16), SAID),
    "clear-segment": (in_clear, None, SAID),
    "cut-segment": (cut, None, SAID),
    "method-unknown": (sub("METHOD=AES-128", "METHOD=AES-256-GCM"), None, "key-attributes"),
    "no-uri": (sub(',URI="[^"]*"', ""), None, "key-attributes"),
    "iv-no-number": (sub("IV=0x[0-9a-f]{32}", "IV=secret"), None, "key-attributes"),
    "key-format": (sub(",IV=", ',KEYFORMAT="com.apple.streamingkeydelivery",IV='), None, "key-attributes"),
}


@pytest.mark.parametrize("name", CASES)
def test_what_is_wrong_trips_its_rule(encrypted: Path, tmp_path: Path, name: str) -> None:
    """Exactly that rule, once; others only where an IV is no IV to either of two rules."""
    pack = Pack.copy(encrypted, tmp_path / "pack")
    damage, key_of, rule = CASES[name]
    damage(pack)
    found = judged(pack, key_of)
    assert rule in found, found
    assert set(found) <= {rule, SAID}


@pytest.mark.parametrize("key_of", [None, keys], ids=["without-keys", "with-keys"])
def test_the_good_one_breaks_no_rule(encrypted: Path, tmp_path: Path, key_of: KeyOf | None) -> None:
    """Neither to who has the keys nor to who has none."""
    assert judged(Pack.copy(encrypted, tmp_path / "pack"), key_of) == {}


def without_ivs(pack: Pack) -> None:
    path = pack.path("high/00001.m4s")
    path.write_bytes(path.read_bytes().replace(b"senc", b"free").replace(b"saio", b"free").replace(b"saiz", b"free"))


def everywhere(name: str, pattern: str, new: str) -> Callable[[Pack], None]:
    return lambda pack: pack.sub(name, pattern, new, 0)


COMMON: Final[dict[str, tuple[Callable[[Pack], None], str]]] = {
    "method-of-cbcs": (sub("METHOD=SAMPLE-AES-CTR", "METHOD=SAMPLE-AES"), "samples-encrypted-as-said"),
    "no-key-tag": (sub("^#EXT-X-KEY.*\n", ""), "samples-encrypted-as-said"),
    "no-ivs": (without_ivs, "samples-encrypted-as-said"),
    "manifest-of-cbcs": (everywhere("manifest.mpd", 'value="cenc"', 'value="cbcs"'), "mpd-protection"),
    "wrong-default-kid": (everywhere("manifest.mpd", 'default_KID="0', 'default_KID="f'), "mpd-protection"),
    "no-protection": (everywhere("manifest.mpd", "^ *<ContentProtection.*mp4protection.*\n", ""), "mpd-protection"),
}


@pytest.mark.parametrize("name", COMMON)
def test_what_is_wrong_with_samples_trips_its_rule(common: Path, tmp_path: Path, name: str) -> None:
    """Exactly that rule."""
    pack = Pack.copy(common, tmp_path / "pack")
    damage, rule = COMMON[name]
    damage(pack)
    assert set(pack.broken()) == {rule}


def test_the_good_one_of_samples_breaks_no_rule(common: Path, tmp_path: Path) -> None:
    """Boxes are judged without a key; that pictures are not is advice."""
    assert Pack.copy(common, tmp_path / "pack").broken() == {}
