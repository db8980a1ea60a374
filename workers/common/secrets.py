"""Secrets and ConfigMaps as files: a directory with a file a key, as Kubernetes mounts them."""

from pathlib import Path
from typing import Final

from narwhal_operator.contract.outcome import Reason, WorkError

VALUE_LIMIT: Final = 1024 * 1024
"""Bytes of one value; a Secret as a whole is at most 1 MiB."""


def read_secret(directory: Path, name: str) -> dict[str, str]:
    """The keys and values of a mounted Secret, values without the newline an editor leaves at the end.

    A missing Secret is mounted as an empty directory (`optional: true`), so both that and a missing directory raise
    WorkError(SecretNotFound). A value that is no UTF-8 raises WorkError(SecretInvalid). Names of keys may stand in
    messages, values never do.
    """
    return {key: _text(value, key, name) for key, value in read_values(directory, name).items()}


def read_values(directory: Path, name: str) -> dict[str, bytes]:
    """The keys and values of a mounted Secret as they are, for what may be no text. Raises as `read_secret`."""
    files = _files(directory)
    if not files:
        raise WorkError(
            Reason.SECRET_NOT_FOUND,
            f"The Secret {name} does not exist or is empty; create it in the same namespace or correct its name.",
        )
    return {path.name: _value(path, name) for path in files}


def _files(directory: Path) -> list[Path]:
    # `..data` and `..2026_…` are how the kubelet swaps a mount atomically; they are no keys.
    try:
        return sorted(path for path in directory.iterdir() if not path.name.startswith("..") and path.is_file())
    except (FileNotFoundError, NotADirectoryError):
        return []


def _text(value: bytes, key: str, name: str) -> str:
    try:
        return value.decode("utf-8").rstrip("\r\n")
    except UnicodeDecodeError:
        raise WorkError(
            Reason.SECRET_INVALID, f"The key {key} of the Secret {name} is no UTF-8 text; write it anew."
        ) from None


def _value(path: Path, name: str) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(VALUE_LIMIT + 1)
    except OSError as error:
        raise WorkError(
            Reason.SECRET_INVALID, f"The key {path.name} of the Secret {name} cannot be read: {error.strerror}."
        ) from error
    if len(data) > VALUE_LIMIT:
        raise WorkError(Reason.SECRET_INVALID, f"The key {path.name} of the Secret {name} is larger than 1 MiB.")
    return data
