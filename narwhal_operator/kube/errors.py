"""What the API server can answer besides what was asked for: classified here, where it is raised, by status and reason."""

from typing import Any, Final

from narwhal_operator.core.observed import Refusal, RefusalKind

RETRY_AFTER: Final = 1.0
"""Seconds to wait after a 429 that names none."""


class ApiError(Exception):
    """The API server did not do what was asked; the message is its own."""

    def __init__(self, message: str, code: int = 0) -> None:
        super().__init__(message)
        self.code = code


class NotFound(ApiError):  # noqa: N818 - named as the API server names it
    """404, 410 of an object: it is not there."""


class Conflict(ApiError):  # noqa: N818 - as above
    """409: the object has changed since it was read, or a delete names another uid."""


class AlreadyExists(ApiError):  # noqa: N818 - as above
    """409 of a create: an object of this name is there."""


class Throttled(ApiError):  # noqa: N818 - as above
    """429: to be asked again after `retry_after` seconds."""

    def __init__(self, message: str, retry_after: float) -> None:
        super().__init__(message, 429)
        self.retry_after = retry_after


class Transient(ApiError):  # noqa: N818 - as above
    """5xx, a broken connection, no answer in time, a token to be renewed: may pass by itself."""


class Refused(ApiError):  # noqa: N818 - as above
    """403 or 422: the server understood and does not want to."""

    def __init__(self, refusal: Refusal, code: int) -> None:
        super().__init__(refusal.message, code)
        self.refusal = refusal


def error_of(code: int, status: dict[str, Any], retry_after: str | None) -> ApiError:
    """The error of an answer: its code and, where it has one, its metav1.Status."""
    message = str(status.get("message") or f"HTTP {code}")
    if code in {404, 410}:
        return NotFound(message, code)
    if code == 409:
        return (AlreadyExists if status.get("reason") == "AlreadyExists" else Conflict)(message, code)
    if code == 429:
        wait = float(retry_after) if retry_after and retry_after.isdigit() else RETRY_AFTER
        return Throttled(message, wait)
    if code in {400, 403, 422}:
        return Refused(Refusal(_kind(code, status), message), code)
    return Transient(message, code)


def _kind(code: int, status: dict[str, Any]) -> RefusalKind:
    if code != 403:
        return RefusalKind.INVALID
    causes = (status.get("details") or {}).get("causes") or ()
    going = any(cause.get("reason") == "NamespaceTerminating" for cause in causes)
    return RefusalKind.TERMINATING if going else RefusalKind.FORBIDDEN
