"""The rules of RFC 9110 for ranges and validators, case by case."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from narwhal_operator.contract.outcome import Reason
from workers.download.rules import (
    Asked,
    Complete,
    Headers,
    Piece,
    Source,
    SourceError,
    judge,
    retry_after,
    status_error,
    strong_date,
    strong_etag,
)

URL = "digest-of-url"
DATE = "Sun, 22 Nov 2026 12:00:00 GMT"
HELD = Source(URL, '"v1"', None, 1000)
ASKED = Asked("http://origin.example/f", 400, HELD)
ANEW = Asked("http://origin.example/f")


def fields(**given: str) -> Headers:
    """Header fields by name with underscores."""
    return {name.replace("_", "-"): (value,) for name, value in given.items()}


def part(content_range: str, **given: str) -> Headers:
    """The fields of a 206."""
    return fields(content_range=content_range, etag='"v1"', **given)


def test_a_resume_asks_for_the_rest_under_its_validator() -> None:
    """Range and If-Range go together (section 13.1.5); the ETag goes before the date."""
    assert ASKED.headers() == {"Range": "bytes=400-", "If-Range": '"v1"'}
    dated = Asked("x", 5, Source(URL, None, DATE, None))
    assert dated.headers() == {"Range": "bytes=5-", "If-Range": DATE}


@pytest.mark.parametrize("asked", [ANEW, Asked("x", 0, HELD), Asked("x", 400, Source(URL, None, None, 1000))])
def test_without_a_strong_validator_or_bytes_the_whole_is_asked_for(asked: Asked) -> None:
    """No Range is sent that could not be proven to continue the same bytes."""
    assert asked.headers() == {}


def test_a_200_is_the_whole_with_its_validators() -> None:
    """It starts at 0 whatever was asked for, and brings what identifies it."""
    got = judge(ASKED, URL, 200, fields(content_length="77", etag='"v2"', last_modified=DATE, date=DATE))
    assert got == Piece(0, 77, Source(URL, '"v2"', None, 77))


def test_a_200_may_leave_its_length_open() -> None:
    """Chunked ends by itself and its Content-Length counts for nothing; otherwise only the connection's end ends it."""
    chunked = judge(ANEW, URL, 200, fields(transfer_encoding="chunked", content_length="5"))
    assert chunked == Piece(0, None, Source(URL), delimited=True)
    assert judge(ANEW, URL, 200, {}) == Piece(0, None, Source(URL), delimited=False)


@pytest.mark.parametrize(
    ("content_range", "size"),
    [
        ("bytes 400-999/1000", 600),
        ("BYTES 400-999/1000", 600),
        ("bytes 400-499/1000", 100),
        ("bytes 400-999/*", 600),
        ("bytes  400-999/1000", 600),
    ],
)
def test_a_fitting_206_is_a_part(content_range: str, size: int) -> None:
    """It starts where the held bytes end; it may be shorter than asked for, and its total may be unknown."""
    got = judge(ASKED, URL, 206, part(content_range))
    assert got == Piece(400, size, HELD)


@pytest.mark.parametrize(
    "content_range",
    [
        "",
        "bytes 0-999/1000",
        "bytes 399-999/1000",
        "bytes 401-999/1000",
        "bytes 400-399/1000",
        "bytes 400-1000/1000",
        "bytes */1000",
        "bytes 400-999",
        "bytes=400-999/1000",
        "items 400-999/1000",
        "bytes -400-999/1000",
        "bytes 400-999/1000, bytes 400-999/1000",
        "bytes 4e2-999/1000",
        "bytes 400-99999999999999999999/1000",
    ],
)
def test_a_206_with_another_range_is_a_violation(content_range: str) -> None:
    """Whatever the range says, if it is not the one that continues the held bytes, nothing is appended."""
    with pytest.raises(SourceError) as caught:
        judge(ASKED, URL, 206, part(content_range))
    assert caught.value.reason is Reason.PROTOCOL_VIOLATION


@pytest.mark.parametrize(
    ("asked", "given"),
    [
        (ANEW, part("bytes 0-999/1000")),
        (ASKED, part("bytes 400-999/1000", content_length="601")),
        (ASKED, part("bytes 400-999/1000", content_encoding="gzip")),
        (ASKED, part("bytes 400-999/1000", content_type="multipart/byteranges; boundary=b")),
        (ASKED, {**part(""), "content-range": ("bytes 400-999/1000", "bytes 400-999/1000")}),
        (ASKED, part("bytes 400-999/1000", content_length="many")),
    ],
)
def test_a_206_that_contradicts_itself_is_a_violation(asked: Asked, given: Headers) -> None:
    """Not asked for, of another length, encoded, of several ranges, said twice: none is used."""
    with pytest.raises(SourceError) as caught:
        judge(asked, URL, 206, given)
    assert caught.value.reason is Reason.PROTOCOL_VIOLATION


@pytest.mark.parametrize(
    ("asked", "url", "given"),
    [
        (ASKED, URL, fields(content_range="bytes 400-999/1000", etag='"v2"')),
        (ASKED, URL, fields(content_range="bytes 400-999/1000", etag='W/"v1"')),
        (ASKED, URL, part("bytes 400-1000/1001")),
        (ASKED, "another", part("bytes 400-999/1000")),
        (
            Asked("x", 5, Source(URL, None, DATE, None)),
            URL,
            fields(content_range="bytes 5-9/10", last_modified="Mon, 23 Nov 2026 12:00:00 GMT"),
        ),
    ],
)
def test_a_206_of_another_representation_means_it_changed(asked: Asked, url: str, given: Headers) -> None:
    """Another ETag, date, total or URL than the held bytes have: SourceChanged, not a mixture."""
    with pytest.raises(SourceError) as caught:
        judge(asked, url, 206, given)
    assert caught.value.reason is Reason.SOURCE_CHANGED


def test_a_416_says_that_all_is_there_only_with_the_right_total() -> None:
    """`bytes */N` with N held bytes is completion (section 15.5.17); any other N means it changed."""
    whole = Asked("x", 1000, Source(URL, '"v1"', None, None))
    assert judge(whole, URL, 416, fields(content_range="bytes */1000")) == Complete()
    for text in ("bytes */999", "bytes */*", "", "bytes 0-1/1000"):
        with pytest.raises(SourceError) as caught:
            judge(whole, URL, 416, fields(content_range=text))
        assert caught.value.reason is Reason.SOURCE_CHANGED
    with pytest.raises(SourceError) as caught:
        judge(ANEW, URL, 416, fields(content_range="bytes */0"))
    assert caught.value.reason is Reason.SOURCE_ERROR


@pytest.mark.parametrize(
    ("lines", "strong"),
    [
        (('"v1"',), '"v1"'),
        (('""',), '""'),
        (('W/"v1"',), None),
        (("v1",), None),
        (('"a" "b"',), None),
        (('"a"', '"b"'), None),
        ((), None),
    ],
)
def test_only_a_strong_etag_is_a_validator(lines: tuple[str, ...], strong: str | None) -> None:
    """Weak ones, malformed ones and two at once are none (section 8.8.3)."""
    assert strong_etag({"etag": lines}) == strong


@pytest.mark.parametrize(
    ("modified", "now", "strong"),
    [
        ("Sun, 22 Nov 2026 11:59:59 GMT", DATE, True),
        (DATE, DATE, False),
        ("Mon, 23 Nov 2026 12:00:00 GMT", DATE, False),
        ("Sun, 22 Nov 2026 11:59:59 GMT", "", False),
        ("yesterday", DATE, False),
    ],
)
def test_a_date_is_strong_when_it_is_older_than_the_answer(modified: str, now: str, strong: bool) -> None:
    """At least a second before Date, both well-formed (section 8.8.2.2)."""
    assert (strong_date(fields(last_modified=modified, date=now)) is not None) is strong


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("120", 120.0),
        ("0", 0.0),
        ("999999999", 86_400.0),
        ("Sun, 22 Nov 2026 12:01:00 GMT", 60.0),
        ("Sun, 22 Nov 2026 11:00:00 GMT", 0.0),
        ("-5", None),
        ("soon", None),
        ("", None),
    ],
)
def test_retry_after_is_seconds_or_a_date(text: str, seconds: float | None) -> None:
    """A date counts from the server's own Date; nonsense counts as not said; a day is the most (section 10.2.3)."""
    assert retry_after(fields(retry_after=text, date=DATE)) == seconds


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (404, Reason.SOURCE_NOT_FOUND),
        (410, Reason.SOURCE_NOT_FOUND),
        (401, Reason.SOURCE_ACCESS_DENIED),
        (403, Reason.SOURCE_ACCESS_DENIED),
        (451, Reason.SOURCE_ACCESS_DENIED),
        (429, Reason.SOURCE_RATE_LIMITED),
        (412, Reason.SOURCE_CHANGED),
        (204, Reason.SOURCE_EMPTY),
        (500, Reason.SOURCE_ERROR),
        (400, Reason.SOURCE_ERROR),
        (299, Reason.SOURCE_ERROR),
        (999, Reason.SOURCE_ERROR),
    ],
)
def test_each_status_has_its_reason(status: int, reason: Reason) -> None:
    """The message has the URL and the status."""
    error = status_error("http://origin.example/f", status, {})
    assert error.reason is reason
    assert f"http://origin.example/f answers {status}" in error.message


@given(st.integers(0, 1200), st.integers(0, 1200), st.integers(0, 1200), st.integers(0, 1200))
def test_no_206_is_ever_taken_for_other_bytes(have: int, first: int, last: int, total: int) -> None:
    """Whatever numbers a server writes, a part is taken only from the first missing byte of the same length."""
    asked = Asked("x", have, HELD)
    try:
        got = judge(asked, URL, 206, part(f"bytes {first}-{last}/{total}"))
    except SourceError:
        return
    assert isinstance(got, Piece)
    assert got.start == first == have > 0
    assert got.size == last - first + 1
    assert total == 1000
    assert last < 1000


PART = Asked("http://origin.example/f", 400, HELD, last=499)
OPENING = Asked("http://origin.example/f", last=99)
FOREIGN = Asked("http://origin.example/f", 400, HELD, last=499, foreign=True)


def test_a_part_is_asked_for_with_its_end() -> None:
    """Under the validator where it is known; without one at the very first, and where another mirror's is known only."""
    assert PART.headers() == {"Range": "bytes=400-499", "If-Range": '"v1"'}
    assert Asked("x", 0, HELD, last=99).headers() == {"Range": "bytes=0-99", "If-Range": '"v1"'}
    assert OPENING.headers() == {"Range": "bytes=0-99"}
    assert FOREIGN.headers() == {"Range": "bytes=400-499"}


def test_the_first_part_tells_what_it_is_of() -> None:
    """Validators and length of the first answer are those the others must have."""
    got = judge(OPENING, URL, 206, fields(content_range="bytes 0-99/1000", etag='"v1"', content_length="100"))
    assert got == Piece(0, 100, Source(URL, '"v1"', None, 1000))


@pytest.mark.parametrize("content_range", ["bytes 1-99/1000", "bytes 0-99/50", "bytes */1000", "bytes 99-0/1000"])
def test_a_first_part_that_lies_is_refused(content_range: str) -> None:
    """Another start, an end beyond the total, none at all."""
    with pytest.raises(SourceError) as caught:
        judge(OPENING, URL, 206, fields(content_range=content_range, etag='"v1"'))
    assert caught.value.reason is Reason.PROTOCOL_VIOLATION


def test_of_a_mirror_only_the_length_is_compared() -> None:
    """Its validators are its own; another length, or none, is another file."""
    other = judge(FOREIGN, "other", 206, fields(content_range="bytes 400-499/1000", etag='"mirror"'))
    assert other == Piece(400, 100, Source("other", '"mirror"', None, 1000))
    for total in ("999", "*"):
        with pytest.raises(SourceError) as caught:
            judge(FOREIGN, "other", 206, fields(content_range=f"bytes 400-499/{total}", etag='"v1"'))
        assert caught.value.reason is Reason.SOURCE_CHANGED


def test_a_416_to_a_first_request_is_no_end() -> None:
    """An empty file, or a server without ranges: nothing is held that could be complete."""
    with pytest.raises(SourceError):
        judge(OPENING, URL, 416, fields(content_range="bytes */0"))
