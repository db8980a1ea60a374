"""What the HTTP client raises, as reasons: judged by type, never by text."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import aiohttp
from aiohttp.http_exceptions import HttpProcessingError

from narwhal_operator.contract.outcome import Reason
from workers.download.resolver import ForbiddenConnectionError
from workers.download.rules import SourceError

# The first match counts: narrower types stand before wider ones.
_TABLE: Final[tuple[tuple[type[BaseException] | tuple[type[BaseException], ...], Reason, str], ...]] = (
    (
        (aiohttp.ClientConnectorCertificateError, aiohttp.ClientSSLError),
        Reason.SOURCE_TLS_INVALID,
        "its certificate is not trusted ({word}); name its authority with caBundleFrom",
    ),
    (ForbiddenConnectionError, Reason.ADDRESS_FORBIDDEN, "it is at {word}, which is not globally routable"),
    (aiohttp.ClientConnectorDNSError, Reason.SOURCE_UNREACHABLE, "its name does not resolve ({word}); check the URL"),
    (aiohttp.ClientHttpProxyError, Reason.SOURCE_UNREACHABLE, "the proxy does not connect to it; ask the admin"),
    (aiohttp.ClientProxyConnectionError, Reason.SOURCE_UNREACHABLE, "the proxy cannot be reached; ask the admin"),
    (aiohttp.ConnectionTimeoutError, Reason.SOURCE_UNREACHABLE, "no connection in time; check the URL"),
    (TimeoutError, Reason.SOURCE_STALLED, "no byte arrived for spec.stallTimeout; add a mirror or raise it"),
    (aiohttp.ClientConnectorError, Reason.SOURCE_UNREACHABLE, "it cannot be reached ({word}); check the URL"),
    (aiohttp.InvalidURL, Reason.INVALID_ORDER, "it is no valid URL; correct it"),
    (
        (aiohttp.ClientResponseError, HttpProcessingError),
        Reason.PROTOCOL_VIOLATION,
        "it does not answer in HTTP; add a mirror that does",
    ),
    ((aiohttp.ClientError, OSError), Reason.SOURCE_INCOMPLETE, "it closed the connection before the end"),
)


@contextmanager
def source_errors(where: str) -> Iterator[None]:
    """Turns what the HTTP client raises into a SourceError with its reason."""
    try:
        yield
    except (aiohttp.ClientError, HttpProcessingError, OSError) as error:  # TimeoutError is an OSError
        cause = _cause(error)
        known = cause if isinstance(cause, ForbiddenConnectionError) else error
        reason, text = next((row[1], row[2]) for row in _TABLE if isinstance(known, row[0]))
        raise SourceError(reason, f"{where}: {text.format(word=_word(cause))}.") from error


def _cause(error: BaseException) -> BaseException:
    inner: Any = getattr(error, "certificate_error", None) or getattr(error, "os_error", None)
    return inner if isinstance(inner, BaseException) else error


def _word(cause: BaseException) -> str:
    for name in ("verify_message", "strerror", "reason"):
        found = getattr(cause, name, None)
        if isinstance(found, str) and found:
            return found
    return str(cause) if isinstance(cause, ForbiddenConnectionError) else type(cause).__name__
