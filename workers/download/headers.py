"""Request headers from a mounted Secret: a file a header, checked before the first request."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from narwhal_operator.contract.outcome import Reason, WorkError
from workers.common.secrets import read_secret

COUNT_LIMIT: Final = 32
VALUE_LIMIT: Final = 8192
_NAME: Final = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,128}")  # RFC 9110 section 5.6.2
_VALUE: Final = re.compile(r"[\t\x20-\x7e\x80-\xff]*")  # section 5.5: no control characters
# What the worker itself says; another word there could turn a whole body into a part, or one request into two.
_OURS: Final = frozenset(
    {
        "accept-encoding", "connection", "content-length", "expect", "host", "if-match", "if-modified-since",
        "if-none-match", "if-range", "if-unmodified-since", "keep-alive", "proxy-connection", "range", "te", "trailer",
        "transfer-encoding", "upgrade",
    }
)  # fmt: skip


def read_headers(directory: Path, secret: str) -> Mapping[str, str]:
    """The headers of a mounted Secret. Raises WorkError(SecretNotFound | SecretInvalid); no value is in a message."""
    found = {name: value.strip() for name, value in read_secret(directory, secret).items()}
    if len(found) > COUNT_LIMIT:
        raise _invalid(secret, f"has {len(found)} keys; {COUNT_LIMIT} headers at most")
    for name, value in found.items():
        if not _NAME.fullmatch(name):
            raise _invalid(secret, f"has the key {name}, which is no name of a header")
        if name.lower() in _OURS:
            raise _invalid(secret, f"has the key {name}, which the download itself sets; remove it")
        if not _VALUE.fullmatch(value) or len(value) > VALUE_LIMIT:
            raise _invalid(
                secret, f"has under the key {name} a value that is no header value (one line, 8 KiB at most)"
            )
    return found


def _invalid(secret: str, what: str) -> WorkError:
    return WorkError(Reason.SECRET_INVALID, f"The Secret {secret} {what}.")
