"""The rules of RFC 9110 for fetching one representation in pieces. Pure: a response in, what it means out.

A wrong byte comes from trusting too much: a 200 appended as if it were a 206, a range that starts elsewhere, a weak
validator, a file that changed between two requests. Each of these has its check here, and no check is on a flag.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Final

from narwhal_operator.contract.outcome import Reason, WorkError

Headers = Mapping[str, Sequence[str]]
"""Header fields of a response: lower-case name to its field lines."""

_CONTENT_RANGE: Final = re.compile(r"bytes[ \t]+(?:(\d{1,19})-(\d{1,19})|(\*))/(\d{1,19}|\*)", re.IGNORECASE)
_ETAG: Final = re.compile(r'"[\x21\x23-\x7e\x80-\uffff]*"')  # section 8.8.3; strong: without W/
RETRY_AFTER_LIMIT: Final = 86_400.0


class SourceError(WorkError):
    """A failure of the source; `retry_after` in seconds when it said so (section 10.2.3)."""

    def __init__(self, reason: Reason, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(reason, message)
        self.retry_after = retry_after


@dataclass(frozen=True, slots=True)
class Source:
    """What identifies a representation: validators that are strong, and its length. None where not known.

    `url` is a digest of the URL asked for: it is kept in the store, and the URL itself may hold a token.
    """

    url: str
    etag: str | None = None
    last_modified: str | None = None
    length: int | None = None

    @property
    def resumable(self) -> bool:
        """Whether a later request can prove that it continues the same bytes."""
        return self.etag is not None or self.last_modified is not None


@dataclass(frozen=True, slots=True)
class Asked:
    """A request: where it goes (for messages), the bytes held, and what they are bytes of.

    With `last` it asks for no byte after that one. `foreign` says that the bytes held are of a mirror: this server's
    validators are not known, and only its length can be compared; a digest of the whole must judge the mixture.
    """

    where: str
    have: int = 0
    source: Source | None = None
    last: int | None = None
    foreign: bool = False

    def headers(self) -> dict[str, str]:
        """Range and If-Range (sections 14.2 and 13.1.5) for the bytes that are missing; none to start anew."""
        last = "" if self.last is None else str(self.last)
        if self.foreign or (self.source is None and self.have == 0 and last):
            return {"Range": f"bytes={self.have}-{last}"}
        if self.source is None or not self.source.resumable or not (self.have or last):
            return {}
        return {
            "Range": f"bytes={self.have}-{last}",
            "If-Range": self.source.etag or self.source.last_modified or "",
        }


@dataclass(frozen=True, slots=True)
class Piece:
    """The body that follows: from `start`; `size` bytes, or to its end when that is None.

    `delimited` is false when only the closing of the connection ends it (RFC 9112 section 6.3): a cut looks the same.
    """

    start: int
    size: int | None
    source: Source
    delimited: bool = True


@dataclass(frozen=True, slots=True)
class Complete:
    """The source says that the bytes held are all there are."""


def judge(asked: Asked, url: str, status: int, headers: Headers) -> Piece | Complete:
    """What the response means for the bytes held. Raises SourceError with the reason when it cannot be used."""
    if status == 200:
        return _whole(asked, url, headers)
    if status == 206:
        return _part(asked, url, headers)
    if status == 416 and asked.headers():
        return _unsatisfied(asked, headers)
    raise status_error(asked.where, status, headers)


def _whole(asked: Asked, url: str, headers: Headers) -> Piece:
    _identity(asked, headers)
    chunked = "transfer-encoding" in headers
    length = None if chunked else _length(asked, headers)
    source = Source(url, strong_etag(headers), strong_date(headers), length)
    return Piece(0, length, source, delimited=chunked or length is not None)


def _part(asked: Asked, url: str, headers: Headers) -> Piece:
    if not asked.headers():
        raise _violation(asked, "answers 206 to a request without Range")
    _identity(asked, headers)
    if one(headers, "content-type").lower().startswith("multipart/byteranges"):
        raise _violation(asked, "answers several ranges to a request for one")
    lines = headers.get("content-range", ())
    match = _CONTENT_RANGE.fullmatch(lines[0].strip()) if len(lines) == 1 else None
    if match is None or match[3]:
        raise _violation(asked, "answers 206 without one valid Content-Range")
    first, last = int(match[1]), int(match[2])
    total = None if match[4] == "*" else int(match[4])
    # More than was asked for is no part of an answer either (section 15.3.7), but it has the right bytes first.
    if first != asked.have or last < first or (total is not None and last >= total):
        raise _violation(asked, f"answers the range {first}-{last}/{match[4]} to a request from byte {asked.have}")
    size = last - first + 1
    given = None if "transfer-encoding" in headers else _length(asked, headers)
    if given is not None and given != size:
        raise _violation(asked, f"announces {given} bytes for a range of {size}")
    return Piece(first, size, _known(asked, url, headers, total))


def _known(asked: Asked, url: str, headers: Headers, total: int | None) -> Source:
    """What a part is a part of. Raises SourceError(SourceChanged) when that is not what the bytes held are of."""
    source = asked.source
    if source is None or asked.foreign:
        if source is not None and total != source.length:
            raise _changed(asked, f"it has {total} bytes instead of {source.length}")
        return Source(url, strong_etag(headers), strong_date(headers), total)
    _same(asked, source, url, headers, total)
    return Source(url, source.etag, source.last_modified, source.length if total is None else total)


def _same(asked: Asked, source: Source, url: str, headers: Headers, total: int | None) -> None:
    """Raises SourceError(SourceChanged) unless the part is of the representation the bytes held are of."""
    etag = one(headers, "etag").strip()
    if etag and source.etag and etag != source.etag:
        raise _changed(asked, "its ETag is another")
    modified = one(headers, "last-modified").strip()
    if not source.etag and modified and modified != source.last_modified:
        raise _changed(asked, "its Last-Modified is another")
    if total is not None and source.length is not None and total != source.length:
        raise _changed(asked, f"it has {total} bytes instead of {source.length}")
    if source.url != url:
        raise _changed(asked, "the bytes held are of another URL")


def _unsatisfied(asked: Asked, headers: Headers) -> Complete:
    if not asked.have:
        raise status_error(asked.where, 416, headers)
    match = _CONTENT_RANGE.fullmatch(one(headers, "content-range").strip())
    length = asked.source.length if asked.source else None
    if match and match[3] and match[4] == str(asked.have) and length in {None, asked.have}:
        return Complete()
    raise _changed(asked, f"it has no bytes after the {asked.have} that are held")


def status_error(where: str, status: int, headers: Headers) -> SourceError:
    """The error of a status that has no body to use."""
    said = f"{where} answers {status}"
    if status in {404, 410}:
        return SourceError(Reason.SOURCE_NOT_FOUND, f"{said}; correct the URL or add a mirror.")
    if status in {401, 403, 407, 451}:
        return SourceError(Reason.SOURCE_ACCESS_DENIED, f"{said}; give the right headers with headersFrom.")
    if status == 429:
        return SourceError(
            Reason.SOURCE_RATE_LIMITED,
            f"{said}: too many requests; it is tried again.",
            retry_after=retry_after(headers),
        )
    if status == 412:
        return SourceError(Reason.SOURCE_CHANGED, f"{said}: the file changed while it was fetched.")
    if status == 204:
        return SourceError(Reason.SOURCE_EMPTY, f"{said}: there is no content; correct the URL.")
    return SourceError(Reason.SOURCE_ERROR, f"{said}; look at the source.", retry_after=retry_after(headers))


def one(headers: Headers, name: str) -> str:
    """The first line of a field, or an empty string."""
    lines = headers.get(name, ())
    return lines[0] if lines else ""


def strong_etag(headers: Headers) -> str | None:
    """The entity tag if there is exactly one and it is strong (section 8.8.3)."""
    lines = headers.get("etag", ())
    tag = lines[0].strip() if len(lines) == 1 else ""
    return tag if _ETAG.fullmatch(tag) else None


def strong_date(headers: Headers) -> str | None:
    """Last-Modified if it is a strong validator: at least a second older than Date (section 8.8.2.2)."""
    modified, now = _date(one(headers, "last-modified")), _date(one(headers, "date"))
    if modified is None or now is None or (now - modified).total_seconds() < 1:
        return None
    return one(headers, "last-modified").strip()


def retry_after(headers: Headers) -> float | None:
    """Seconds the server asks to wait: a number, or a date compared with its own Date. At most a day."""
    text = one(headers, "retry-after").strip()
    if re.fullmatch(r"\d{1,9}", text):
        return min(float(text), RETRY_AFTER_LIMIT)
    until, now = _date(text), _date(one(headers, "date"))
    if until is None or now is None:
        return None
    return min(max((until - now).total_seconds(), 0.0), RETRY_AFTER_LIMIT)


def _date(text: str) -> datetime | None:
    try:
        found = parsedate_to_datetime(text)
    except (ValueError, TypeError):
        return None
    return found if found.tzinfo else None


def _length(asked: Asked, headers: Headers) -> int | None:
    lines = headers.get("content-length", ())
    if not lines:
        return None
    if len(set(lines)) != 1 or not re.fullmatch(r"\d{1,19}", lines[0].strip()):
        raise _violation(asked, "answers with a Content-Length that is no number")
    return int(lines[0])


def _identity(asked: Asked, headers: Headers) -> None:
    coding = ", ".join(headers.get("content-encoding", ())).strip().lower()
    if coding not in {"", "identity"}:
        raise _violation(asked, "sends the file encoded (Content-Encoding) though only identity was accepted")


def _violation(asked: Asked, what: str) -> SourceError:
    return SourceError(Reason.PROTOCOL_VIOLATION, f"{asked.where} {what}; add a mirror that keeps to HTTP.")


def _changed(asked: Asked, what: str) -> SourceError:
    return SourceError(Reason.SOURCE_CHANGED, f"{asked.where} changed while it was fetched: {what}.")
