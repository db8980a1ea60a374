"""Keys as a Secret holds them, ciphers over parts, and what playlists and manifests are given."""

import base64
from pathlib import Path
from typing import Final

import pytest

from narwhal_operator.contract.outcome import WorkError
from narwhal_operator.contract.protection import Encryption
from workers.transcode.crypt import Key, read_keys, seal
from workers.transcode.crypt.ciphers import chained, counted
from workers.transcode.crypt.whole import WholeSegments
from workers.verify.boxes import DamagedSegmentError
from workers.verify.init import Track

KID: Final = bytes.fromhex("00112233445566778899aabbccddeeff")
KEY: Final = bytes.fromhex("5f1d9c3ab27e84460fd1c2b3a4958677")
TRACK: Final = Track(1, "avc1")


def box(system: str, data: bytes) -> bytes:
    """A pssh box."""
    content = b"pssh" + bytes(4) + bytes.fromhex(system) + len(data).to_bytes(4) + data
    return (4 + len(content)).to_bytes(4) + content


WIDEVINE: Final = box("edef8ba979d64acea3c827dcd51d21ed", b"\x12\x10" + KID)
PLAYREADY: Final = box("9a04f07998404286ab92e65be0885f95", b"header object")


def wish(method: str, **more: object) -> Encryption:
    """An encryption as a manifest has it."""
    named = {"method": method, "keysFrom": {"secretRef": {"name": "film-keys"}}, "keyUri": "https://k.example/{kid}"}
    return Encryption.from_wire(named | more)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        (KID.hex(), KEY),
        (KID.hex().upper(), KEY.hex().encode() + b"\n"),
        ("01." + KID.hex(), base64.b64encode(KEY)),
        ("00112233-4455-6677-8899-aabbccddeeff", KEY.hex().upper().encode()),
    ],
)
def test_a_key_may_be_written_in_many_ways(tmp_path: Path, name: str, value: bytes) -> None:
    """As bytes, hex or base64; its id in hex or as a UUID, with a word before it."""
    (tmp_path / name).write_bytes(value)
    assert read_keys(tmp_path, "film-keys") == (Key(KID, KEY),)


def test_a_key_is_in_no_text_of_its_own() -> None:
    """Neither what Python prints of it nor its identity holds the value."""
    key = Key(KID, KEY)
    assert KEY.hex() not in f"{key!r} {key} {key.identity}"
    assert key.identity != Key(KID, KID).identity


@pytest.mark.parametrize("size", [0, 15, 16, 17, 159, 160, 161, 175, 176, 177, 1000])
def test_one_block_in_ten_is_encrypted(size: int) -> None:
    """Blocks 0, 10, 20 …, as far as they are whole; decrypting gives the same again."""
    clear = bytes(range(251)) * 5
    data = bytearray(clear)
    chained(data, (3, size), KEY, KID, (1, 9), lock=True)
    changed = {(at - 3) // 16 for at in range(len(clear)) if data[at] != clear[at]}
    assert changed == set(range(0, size // 16, 10))
    chained(data, (3, size), KEY, KID, (1, 9), lock=False)
    assert data == clear


def test_a_counter_goes_on_over_parts() -> None:
    """Two parts are encrypted as if they were one."""
    apart, whole = bytearray(40), bytearray(30)
    counted(apart, [(0, 7), (17, 23)], KEY, KID[:8])
    counted(whole, [(0, 30)], KEY, KID[:8])
    assert apart[:7] + apart[17:] == whole
    assert apart[7:17] == bytes(10)


def test_whole_segments_are_padded_and_opened() -> None:
    """Also one of whole blocks; with another key the padding tells."""
    one = WholeSegments((Key(KID, KEY),), 1, "v", "/{kid}")
    other = WholeSegments((Key(KID, KID),), 1, "v", "/{kid}")
    for size in (1, 15, 16, 17, 4096):
        clear = bytes(size)
        stored = one.close("high", 3, clear, TRACK)
        assert len(stored) == size + 16 - size % 16
        assert one.open("high", 3, stored, TRACK) == clear
        assert one.clear_size("high", 3, stored[-32:], len(stored)) == size
        with pytest.raises(DamagedSegmentError):
            other.open("high", 3, stored, TRACK)


def test_each_system_has_its_row_and_its_content_protection() -> None:
    """The key's own URI, Widevine by its UUID with the box, PlayReady by its name with its header; the common box in all."""
    boxes = [base64.b64encode(one).decode() for one in (WIDEVINE, PLAYREADY)]
    made = seal(wish("cbcs", pssh=boxes, keyFormat="com.apple.streamingkeydelivery"), [Key(KID, KEY)], "v", "4s")
    rows = (made.tag("high", 0) or "").splitlines()
    assert rows == [
        (
            f'#EXT-X-KEY:METHOD=SAMPLE-AES,URI="https://k.example/{KID.hex()}",KEYFORMAT="com.apple.streamingkeydelivery",'
            'KEYFORMATVERSIONS="1"'
        ),
        (
            f'#EXT-X-KEY:METHOD=SAMPLE-AES,URI="data:text/plain;base64,{boxes[0]}",KEYID=0x{KID.hex()},'
            'KEYFORMAT="urn:uuid:edef8ba9-79d6-4ace-a3c8-27dcd51d21ed",KEYFORMATVERSIONS="1"'
        ),
        (
            '#EXT-X-KEY:METHOD=SAMPLE-AES,URI="data:text/plain;charset=UTF-16;base64,'
            f'{base64.b64encode(b"header object").decode()}",KEYFORMAT="com.microsoft.playready",KEYFORMATVERSIONS="1"'
        ),
    ]
    assert made.tag("high", 1) is None
    schemes = [(scheme, pssh) for scheme, _, _, pssh in made.protections()]
    assert schemes[0] == ("urn:mpeg:dash:mp4protection:2011", None)
    assert [scheme for scheme, _ in schemes[1:]] == [
        "urn:uuid:1077efec-c0b2-4d02-ace3-3c1e52e2fb4b",
        "urn:uuid:edef8ba9-79d6-4ace-a3c8-27dcd51d21ed",
        "urn:uuid:9a04f079-9840-4286-ab92-e65be0885f95",
    ]
    assert [pssh for _, pssh in schemes[2:]] == boxes


def test_a_box_that_is_cut_is_refused() -> None:
    """Its own size says so; the message names its place."""
    cut = base64.b64encode(WIDEVINE[:-6]).decode()
    with pytest.raises(WorkError, match=r"pssh\[0\] is no whole box"):
        seal(wish("cenc", pssh=[cut]), [Key(KID, KEY)], "v", "4s")


def test_the_header_of_playready_stands_behind_the_ids_of_a_newer_box() -> None:
    """A pssh box of version 1 has key ids before its data."""
    content = b"pssh\x01\0\0\0" + PLAYREADY[12:28] + (1).to_bytes(4) + KID + (6).to_bytes(4) + b"header"
    newer = base64.b64encode((4 + len(content)).to_bytes(4) + content).decode()
    made = seal(wish("cenc", pssh=[newer]), [Key(KID, KEY)], "v", "4s")
    assert f'base64,{base64.b64encode(b"header").decode()}"' in (made.tag("high", 0) or "")
