"""What the S3 client raises, as reasons: judged by type and by S3 error code, never by text."""

import errno
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final
from xml.etree.ElementTree import ParseError

import msgspec
import urllib3.exceptions as http
from minio.error import InvalidResponseError, S3Error, ServerError

from narwhal_operator.contract.outcome import Reason, WorkError

# S3 API reference, "Error responses": codes that are the credentials' fault or the policy's.
_DENIED: Final = frozenset(
    {
        "AccessDenied", "AccountProblem", "AllAccessDisabled", "ExpiredToken", "InvalidAccessKeyId", "InvalidSecurity",
        "InvalidToken", "NotSignedUp", "SignatureDoesNotMatch", "TokenRefreshRequired", "UnauthorizedAccess",
        "AuthorizationHeaderMalformed", "XAmzContentSHA256Mismatch", "RequestTimeTooSkewed", "MethodNotAllowed",
    }
)  # fmt: skip
_NO_BUCKET: Final = frozenset({"NoSuchBucket", "PermanentRedirect", "InvalidBucketName"})
_FULL: Final = frozenset(
    {
        "QuotaExceeded",
        "XMinioStorageFull",
        "XMinioAdminBucketQuotaExceeded",
        "InsufficientStorage",
        "ServiceQuotaExceeded",
    }
)
_TOO_LARGE: Final = frozenset({"EntityTooLarge", "KeyTooLongError", "InvalidObjectName", "XMinioInvalidObjectName"})
_NO_KEY: Final = frozenset({"NoSuchKey", "NoSuchVersion", "ResourceNotFound"})


class Place(msgspec.Struct, frozen=True):
    """Where a request goes, in words for a message: the endpoint without credentials and the Secret's name."""

    endpoint: str
    secret: str

    def __str__(self) -> str:
        return f"the store at {self.endpoint} (Secret {self.secret})"


@contextmanager
def s3_errors(place: Place, what: str) -> Iterator[None]:
    """Turns what the client raises into a WorkError; `what` is the thing asked for, such as `bucket media`."""
    try:
        yield
    except S3Error as error:
        raise _of_code(error, place, what) from error
    except http.HTTPError as error:
        raise _of_transport(error, place, what) from error
    except ServerError as error:
        raise _of_status(error.status_code, place, what) from error
    except InvalidResponseError as error:
        raise _of_status(error._code, place, what) from error  # noqa: SLF001 - the client has no public name for it
    except (ParseError, ValueError) as error:
        raise WorkError(
            Reason.STORE_ERROR,
            f"{what}: what answers at {place.endpoint} does not speak S3; correct endpoint in the Secret {place.secret}.",
        ) from error


def missing(error: S3Error) -> bool:
    """Whether the object (not the bucket) does not exist."""
    return error.code in _NO_KEY


def _of_code(error: S3Error, place: Place, what: str) -> WorkError:
    code = error.code or "no code"
    if code in _NO_BUCKET:
        return WorkError(
            Reason.BUCKET_NOT_FOUND,
            f"{what}: the bucket does not exist in {place}; create it, or correct its name or the Secret's region.",
        )
    if code in _DENIED:
        return WorkError(
            Reason.STORE_ACCESS_DENIED,
            f"{what}: {place} refuses access ({code}); correct accessKeyId and secretAccessKey, or allow them this.",
        )
    if code in _FULL:
        return WorkError(Reason.STORE_FULL, f"{what}: {place} is full ({code}); make room or raise its quota.")
    if code in _NO_KEY:
        return WorkError(Reason.INPUT_NOT_FOUND, f"{what} does not exist in {place}; correct the key or upload it.")
    if code in _TOO_LARGE:
        return WorkError(Reason.INVALID_ORDER, f"{what}: {place} does not take it ({code}); choose another key.")
    return WorkError(Reason.STORE_ERROR, f"{what}: {place} answers {code}; look at its own logs.")


def _of_status(status: int, place: Place, what: str) -> WorkError:
    if status in {401, 403}:
        return WorkError(
            Reason.STORE_ACCESS_DENIED,
            f"{what}: {place} refuses access (HTTP {status}); correct accessKeyId and secretAccessKey.",
        )
    if status == 507:  # RFC 4918 section 11.5
        return WorkError(Reason.STORE_FULL, f"{what}: {place} is full; make room or raise its quota.")
    return WorkError(Reason.STORE_ERROR, f"{what}: {place} answers HTTP {status}; look at its own logs.")


def _of_transport(error: BaseException, place: Place, what: str) -> WorkError:
    cause = _root(error)
    if isinstance(cause, ssl.SSLError | http.SSLError):
        detail = getattr(cause, "verify_message", "") or getattr(cause, "reason", "") or "handshake failed"
        return WorkError(
            Reason.STORE_TLS_INVALID,
            f"{what}: the certificate of {place} is not trusted ({detail}); put its authority under caBundle.",
        )
    return WorkError(
        Reason.STORE_UNREACHABLE,
        f"{what}: {place} cannot be reached ({_word(cause)}); check endpoint in the Secret and that the store is up.",
    )


def _root(error: BaseException) -> BaseException:
    """The innermost known cause: urllib3 wraps it in MaxRetryError, NewConnectionError and __cause__."""
    for _ in range(8):
        inner = getattr(error, "reason", None)
        inner = inner if isinstance(inner, BaseException) else error.__cause__
        if inner is None or isinstance(error, ssl.SSLError):
            return error
        error = inner
    return error


def _word(cause: BaseException) -> str:
    if isinstance(cause, socket.gaierror | http.NameResolutionError):
        return "its name does not resolve"
    if isinstance(cause, TimeoutError | http.TimeoutError):
        return "no answer in time"
    number = cause.errno if isinstance(cause, OSError) else None
    return errno.errorcode.get(number, type(cause).__name__) if number else type(cause).__name__
