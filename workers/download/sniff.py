"""What the first bytes say: a web page where a file was expected, or which media type it is.

Refused is only what cannot be meant: an HTML page is what captive portals, logins and error pages send with 200, and
text is no film. A zip, a disk image or subtitles under a fitting key are the user's own business.
"""

import re
from pathlib import PurePosixPath
from typing import Final

from narwhal_operator.contract.outcome import Reason, WorkError
from workers.common.store import content_type_of

HEAD_BYTES: Final = 1024
"""Bytes looked at; the WHATWG MIME Sniffing standard looks at 1445."""

# MIME Sniffing section 7.1: tags that make a text HTML, after white space; followed by a tag-terminating byte.
_HTML: Final = re.compile(
    rb"(?:\xef\xbb\xbf)?[\t\n\x0c\r ]*(?:<!--.{0,900}?-->[\t\n\x0c\r ]*)?"
    rb"<(?:!doctype[ \t\n]+html|html|head|script|iframe|h1|div|font|table|a|style|title|b|body|br|p)[ \t\n\r/>]",
    re.IGNORECASE | re.DOTALL,
)
_XML: Final = re.compile(rb"(?:\xef\xbb\xbf)?[\t\n\r ]*<\?xml[ \t\n\r]", re.IGNORECASE)
_XML_ERROR: Final = re.compile(rb"<(?:Error|html)[ \t\n\r/>]", re.IGNORECASE)
_PAGES: Final = frozenset({".html", ".htm", ".xhtml", ".xml", ".svg"})
_MEDIA: Final = frozenset(
    {
        ".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".flv", ".ts", ".m2ts", ".mts", ".mpg", ".mpeg", ".wmv",
        ".ogv", ".3gp", ".mxf", ".vob", ".mp3", ".m4a", ".aac", ".ogg", ".oga", ".opus", ".flac", ".wav", ".mka",
    }
)  # fmt: skip
_TEXT: Final = frozenset({*range(0x20, 0x7F), *b"\t\n\r\x0c\x1b", *range(0x80, 0x100)})


def refuse_page(head: bytes, declared: str, key: str, where: str) -> None:
    """Raises WorkError(SourceNotMedia) when the first bytes are a page, or text that is not meant to be the file.

    Text is refused where the key says media and the source itself declares text, or where it is XML or JSON: what a
    film is, the transcoder judges.
    """
    suffix = PurePosixPath(key).suffix.lower()
    if suffix in _PAGES:
        return
    page = _HTML.match(head) or (_XML.match(head) and _XML_ERROR.search(head))
    says_text = declared.strip().lower().startswith(("text/", "application/json", "application/problem+json"))
    marked = head.lstrip(b"\xef\xbb\xbf\t\n\r ")[:1] in {b"{", b"[", b"<"}
    if page or (suffix in _MEDIA and (says_text or marked) and _is_text(head)):
        what = "a web page" if page else "text"
        raise WorkError(
            Reason.SOURCE_NOT_MEDIA,
            f"{where} answers with {what} instead of media; open it in a browser: it is likely a login or an error page.",
        )


def _is_text(head: bytes) -> bool:
    return bool(head) and all(byte in _TEXT for byte in head)


def media_type(head: bytes, declared: str, key: str) -> str:
    """The media type: by the content, else as declared, else by the key's extension."""
    found = _by_content(head)
    if found:
        return found
    plain = declared.partition(";")[0].strip().lower()
    vague = plain in {"", "application/octet-stream", "binary/octet-stream", "text/plain", "text/html"}
    if not vague and re.fullmatch(r"[a-z]+/[a-z0-9.+-]{1,100}", plain):
        return plain
    return content_type_of(key)


def _by_content(head: bytes) -> str | None:
    if head[4:8] == b"ftyp":  # ISO/IEC 14496-12 section 4.3
        return {b"qt  ": "video/quicktime", b"M4A ": "audio/mp4", b"M4B ": "audio/mp4"}.get(head[8:12], "video/mp4")
    if head.startswith(b"\x1a\x45\xdf\xa3"):  # EBML: RFC 8794
        return "video/webm" if b"webm" in head[:64] else "video/x-matroska"
    if head.startswith(b"RIFF"):
        return {b"AVI ": "video/x-msvideo", b"WAVE": "audio/wav"}.get(head[8:12])
    if len(head) > 376 and head[0] == head[188] == head[376] == 0x47:  # ISO/IEC 13818-1: packets of 188 bytes
        return "video/mp2t"
    marks = {b"FLV\x01": "video/x-flv", b"OggS": "application/ogg", b"ID3": "audio/mpeg", b"fLaC": "audio/flac"}
    return next((name for mark, name in marks.items() if head.startswith(mark)), None)
