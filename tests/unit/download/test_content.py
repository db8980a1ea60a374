"""Digests, checksum files and what the first bytes of a file say."""

import hashlib

import pytest

from narwhal_operator.contract.download import Checksum
from narwhal_operator.contract.outcome import Reason, WorkError
from workers.download.digest import Digests, Wanted, given, listed, names_of
from workers.download.sniff import media_type, refuse_page

SHA256 = hashlib.sha256(b"film").hexdigest()


def test_the_digest_of_the_spec_is_wanted_in_lower_case() -> None:
    """Each algorithm of the spec is taken; none, or a URL, is not a digest."""
    assert given(Checksum(sha256="AB" * 32)) == Wanted("sha256", "ab" * 32)
    assert given(Checksum(md5="0" * 32)) == Wanted("md5", "0" * 32)
    assert given(Checksum(url="https://origin.example/SUMS")) is None
    assert given(None) is None


def test_digests_go_on_after_they_were_told() -> None:
    """A checkpoint's digest of a prefix does not disturb the digest of the whole."""
    digests = Digests(Wanted("md5", hashlib.md5(b"film", usedforsecurity=False).hexdigest()))
    digests.update([b"fi"])
    assert digests.sha256 == hashlib.sha256(b"fi").hexdigest()
    digests.update([b"l", b"m"])
    digests.check("x")
    assert digests.values()["sha256"] == SHA256
    digests.reset()
    with pytest.raises(WorkError) as caught:
        digests.check("http://origin.example/f")
    assert caught.value.reason is Reason.CHECKSUM_MISMATCH
    assert "http://origin.example/f" in caught.value.message


def test_without_a_wanted_digest_everything_fits() -> None:
    """SHA-256 is still taken, for the artifact."""
    digests = Digests(None)
    digests.update([b"film"])
    digests.check("x")
    assert digests.values() == {"sha256": SHA256}


def test_names_are_those_of_urls_and_key() -> None:
    """Escapes are undone, queries left out, duplicates and empty names dropped."""
    urls = ["https://a.example/x/film%20one.mp4?token=1", "https://b.example/", "https://c.example/film%20one.mp4"]
    assert names_of(urls, "films/clip.mp4") == ("film one.mp4", "clip.mp4")


@pytest.mark.parametrize(
    "line",
    [
        f"{SHA256}  film.mp4",
        f"{SHA256} *film.mp4",
        f"{SHA256}\tfilm.mp4",
        f"{SHA256.upper()}  dir/film.mp4\r",
        f"SHA256 (film.mp4) = {SHA256}",
        f"  {SHA256}  ./film.mp4",
    ],
)
def test_a_line_of_a_checksum_file_is_read(line: str) -> None:
    """The forms that sha256sum writes, with and without --tag and directories."""
    text = f"# a comment\n{'0' * 64}  other.mp4\n{line}\n"
    assert listed(text, ["film.mp4"], "x") == Wanted("sha256", SHA256)


@pytest.mark.parametrize(
    "text",
    [
        "",
        f"{SHA256}  other.mp4",
        f"{SHA256[:-1]}  film.mp4",
        f"MD5 (film.mp4) = {SHA256}",
        "<html>404</html>",
        f"{SHA256}\n{SHA256}\n",
        "x" * 64,
    ],
)
def test_a_checksum_file_without_the_name_is_told_as_such(text: str) -> None:
    """ChecksumNotFound names the file and what was looked for."""
    with pytest.raises(WorkError) as caught:
        listed(text, ["film.mp4"], "http://origin.example/SUMS")
    assert caught.value.reason is Reason.CHECKSUM_NOT_FOUND
    assert "film.mp4" in caught.value.message


def test_an_escaped_name_is_read() -> None:
    """coreutils escapes newlines and backslashes in names and marks the line."""  # noqa: D403 - a program's name
    assert listed(f"\\{SHA256}  a\\\\b.mp4\n", ["a\\b.mp4"], "x") == Wanted("sha256", SHA256)


PAGES = [
    b"<!doctype html><html>",
    b"\xef\xbb\xbf\r\n\t<!DOCTYPE HTML PUBLIC>",
    b"<html lang=en>",
    b"<!-- a comment -->\n<head >",
    b"  <script>location=1</script>",
    b"<body/>",
    b'<?xml version="1.0" encoding="UTF-8"?><Error><Code>NoSuchKey</Code></Error>',
    b'<?xml version="1.0"?>\n<html xmlns="http://www.w3.org/1999/xhtml">',
]


@pytest.mark.parametrize("head", PAGES)
@pytest.mark.parametrize("key", ["film.mp4", "film", "archive.zip"])
def test_a_page_is_refused_whatever_it_is_called(head: bytes, key: str) -> None:
    """The content decides, not the content type: error pages come as video/mp4 too."""
    with pytest.raises(WorkError) as caught:
        refuse_page(head, "video/mp4", key, "http://origin.example/f")
    assert caught.value.reason is Reason.SOURCE_NOT_MEDIA
    assert "web page" in caught.value.message


@pytest.mark.parametrize("declared", ["text/plain", "application/json; charset=utf-8", "Text/HTML"])
def test_text_that_says_so_is_no_film(declared: str) -> None:
    """An error message as text under a key that says media is refused."""
    with pytest.raises(WorkError):
        refuse_page(b'{"error": "not found"}', declared, "film.mp4", "x")


@pytest.mark.parametrize(
    ("head", "declared", "key"),
    [
        (b"<!doctype html>", "text/html", "page.html"),
        (b'<?xml version="1.0"?><svg>', "image/svg+xml", "logo.svg"),
        (b'<?xml version="1.0"?><tt xmlns="http://www.w3.org/ns/ttml">', "application/xml", "film.ttml"),
        (b"WEBVTT\n\n", "text/vtt", "film.vtt"),
        (b"plain text", "text/plain", "notes.txt"),
        (b"aaaa", "video/mp4", "film.mp4"),
        (b"aaaa", "application/octet-stream", "film.mp4"),
        (b"PK\x03\x04", "application/zip", "film.zip"),
        (b"\0\0\0\x20ftypisom<html>", "text/html", "film.mp4"),
        (b"<htmlx>", "text/plain", "notes"),
    ],
)
def test_what_may_be_meant_is_not_refused(head: bytes, declared: str, key: str) -> None:
    """Pages where a page is wanted, subtitles, archives, and media that is served with a wrong type."""
    refuse_page(head, declared, key, "x")


@pytest.mark.parametrize(
    ("head", "declared", "key", "expected"),
    [
        (b"\0\0\0\x20ftypisom", "text/html", "f", "video/mp4"),
        (b"\0\0\0\x14ftypqt  ", "", "f", "video/quicktime"),
        (b"\0\0\0\x14ftypM4A ", "", "f", "audio/mp4"),
        (b"\x1a\x45\xdf\xa3" + b"\0" * 20 + b"webm", "", "f", "video/webm"),
        (b"\x1a\x45\xdf\xa3" + b"\0" * 20 + b"matroska", "", "f", "video/x-matroska"),
        (b"G" + b"\0" * 187 + b"G" + b"\0" * 187 + b"G", "", "f", "video/mp2t"),
        (b"RIFF\0\0\0\0AVI ", "", "f", "video/x-msvideo"),
        (b"RIFF\0\0\0\0junk", "", "f.mp4", "video/mp4"),
        (b"fLaC", "", "f", "audio/flac"),
        (b"\0\0", "Video/X-Custom; a=b", "f.mp4", "video/x-custom"),
        (b"\0\0", "application/octet-stream", "f.mp4", "video/mp4"),
        (b"\0\0", "no type", "f", "application/octet-stream"),
        (b"", "text/plain", "f.json", "application/json"),
    ],
)
def test_the_media_type_is_that_of_the_content(head: bytes, declared: str, key: str, expected: str) -> None:
    """First the content, then a declaration that says something, then the extension."""
    assert media_type(head, declared, key) == expected
