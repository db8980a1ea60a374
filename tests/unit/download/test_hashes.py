"""Hashes whose state is kept: they give what hashlib gives, and a state that is not one is not used."""

import base64
import hashlib
import random
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.download import hashes
from workers.download.digest import Digests, Wanted

ALGORITHMS = ("sha256", "sha512", "sha1", "md5")
DATA = random.Random(11).randbytes(300_000)  # noqa: S311 - the same bytes in each run


@pytest.mark.parametrize("name", ALGORITHMS)
@given(cuts=st.lists(st.integers(0, 2000), max_size=6), size=st.integers(0, 2000))
def test_a_hash_goes_on_from_its_state(name: str, cuts: list[int], size: int) -> None:
    """Taken apart and put together at any places, a hash is that of hashlib, and can be looked at in between."""
    data = DATA[:size]
    found = hashes.new(name)
    done = 0
    for cut in [*sorted(min(cut, size) for cut in cuts), size]:
        found.update(data[done:cut])
        done = cut
        assert found.hexdigest() == hashlib.new(name, data[:done]).hexdigest()
        state = found.state()
        assert state is not None
        assert len(state) <= hashes.STATE_LIMIT
        again = hashes.restored(name, state)
        assert again is not None
        found = again
    assert found.hexdigest() == hashlib.new(name, data).hexdigest()


@pytest.mark.parametrize("name", ALGORITHMS)
def test_every_sort_of_buffer_is_taken(name: str) -> None:
    """Bytes, bytearrays, memoryviews that are writable or not, and empty ones."""
    found = hashes.new(name)
    for block in (
        DATA[:1000],
        bytearray(DATA[1000:2000]),
        memoryview(DATA)[2000:3000],
        memoryview(bytearray(DATA))[3000:],
    ):
        found.update(block)
    for empty in (b"", bytearray(), memoryview(b""), memoryview(bytearray())):
        found.update(empty)
    assert found.hexdigest() == hashlib.new(name, DATA).hexdigest()


def altered(name: str) -> dict[str, str]:
    """States that are not what they should be."""
    found = hashes.new(name)
    found.update(DATA[:1000])
    state = found.state() or ""
    digest, _, text = state.partition(":")
    context = bytearray(base64.b64decode(text))
    flipped = bytes([context[0] ^ 1]) + bytes(context[1:])
    far = bytearray(context)
    far[-8:] = b"\xff" * 8  # the count of bytes held back, and of some the length of the digest
    return {
        "empty": "",
        "words": "not a state",
        "other letters": f"{digest}:é{text}",
        "short": f"{digest}:{base64.b64encode(bytes(context[:-1])).decode()}",
        "long": f"{digest}:{base64.b64encode(bytes(context) + b'x').decode()}",
        "huge": f"{digest}:{text * 100}",
        "flipped": f"{digest}:{base64.b64encode(flipped).decode()}",
        "count out of bounds": f"{digest}:{base64.b64encode(bytes(far)).decode()}",
        "count out of bounds, no digest": f":{base64.b64encode(bytes(far)).decode()}",
        "digest of other bytes": f"{hashlib.new(name, b'x').hexdigest()}:{text}",
        "no digest": f":{text}",
    }


@pytest.mark.parametrize("name", ALGORITHMS)
@pytest.mark.parametrize("what", altered("sha256"))
def test_a_state_that_is_none_is_refused(what: str, name: str) -> None:
    """Garbage, a bit that flipped, an index out of bounds: None, and nothing is read past the end."""
    assert hashes.restored(name, altered(name)[what]) is None


@given(context=st.binary(min_size=92, max_size=216))
def test_no_bytes_at_all_do_harm(context: bytes) -> None:
    """Whatever stands in a state, it is refused."""
    for name in ALGORITHMS:
        assert hashes.restored(name, f"{'0' * 64}:{base64.b64encode(context).decode()}") is None


def test_a_state_of_another_algorithm_is_refused() -> None:
    """The state of a SHA-1 is none of an MD5."""
    assert hashes.restored("md5", hashes.new("sha1").state() or "") is None


def test_without_openssl_the_digests_are_those_of_hashlib() -> None:
    """Where no library has the calls, or they do not give what they should, hashlib does it, and no state is had."""
    script = (
        "import sys, hashlib\n"
        "from workers.download import hashes\n"
        "{change}\n"
        "found = hashes.new('sha512'); found.update(b'film')\n"
        "print(found.hexdigest() == hashlib.sha512(b'film').hexdigest(), found.state(), hashes.available())\n"
    )
    lacking = "hashes._libraries = lambda: ['libc.so.6']"
    wrong = "hashes._ALGORITHMS['sha512'] = hashes._Algorithm('SHA384', 216, 64, 128, 208)"
    larger = "hashes._ALGORITHMS['sha512'] = hashes._Algorithm('SHA512', 180, 64, 128, 176)"
    for change in ("hashes._libraries = lambda: ['/nonexistent.so']", lacking, wrong, larger):
        done = subprocess.run(
            [sys.executable, "-c", script.format(change=change)], capture_output=True, text=True, check=True, timeout=60
        )
        assert done.stdout.split() == ["True", "None", "False"], change


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_the_digests_of_a_download_go_on_from_their_states(algorithm: str) -> None:
    """SHA-256 and the algorithm that is wanted, both at the very byte."""
    first = Digests(Wanted(algorithm, hashlib.new(algorithm, DATA).hexdigest()))
    first.update([DATA[:77_777]])
    second = Digests(Wanted(algorithm, hashlib.new(algorithm, DATA).hexdigest()))
    assert second.restore(first.states() or {})
    assert second.values() == first.values()
    second.update([DATA[77_777:]])
    second.check("https://example.org/f")
    assert second.sha256 == hashlib.sha256(DATA).hexdigest()


def test_states_that_lack_an_algorithm_change_nothing() -> None:
    """A checkpoint made before the spec wanted SHA-512 cannot be gone on from: the digest of its bytes is not known."""
    first = Digests(None)
    first.update([DATA])
    second = Digests(Wanted("sha512", "0" * 128))
    assert not second.restore(first.states() or {})
    assert second.sha256 == hashlib.sha256(b"").hexdigest()
