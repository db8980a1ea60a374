"""Secrets as Kubernetes mounts them."""

from pathlib import Path

import pytest

from narwhal_operator.contract.outcome import Reason, WorkError
from workers.common.secrets import VALUE_LIMIT, read_secret


def mount(directory: Path, **values: bytes) -> None:
    """Files as the kubelet writes them: links to a directory that is swapped at an update."""
    data = directory / "..2026_11_22_12_00_00.1"
    data.mkdir()
    (directory / "..data").symlink_to(data.name)
    for name, value in values.items():
        (data / name).write_bytes(value)
        (directory / name).symlink_to(f"..data/{name}")


def test_keys_are_files_and_the_kubelets_own_names_are_none(tmp_path: Path) -> None:
    """Values lose the newline an editor leaves, and nothing else."""
    mount(tmp_path, endpoint=b"https://s3.example\n", secretAccessKey=b" k e y \r\n", empty=b"")
    found = read_secret(tmp_path, "s")
    assert found == {"endpoint": "https://s3.example", "secretAccessKey": " k e y ", "empty": ""}


@pytest.mark.parametrize("name", ["", "not-there"])
def test_a_secret_that_is_not_there_is_told_by_name(name: str, tmp_path: Path) -> None:
    """An empty mount and a missing one are the same: SecretNotFound."""
    with pytest.raises(WorkError) as caught:
        read_secret(tmp_path / name, "films-store")
    assert caught.value.reason is Reason.SECRET_NOT_FOUND
    assert "films-store" in caught.value.message


@pytest.mark.parametrize("value", [b"\xff\xfe", b"x" * (VALUE_LIMIT + 1)])
def test_a_value_that_is_no_text_is_told_by_key(value: bytes, tmp_path: Path) -> None:
    """The key and the Secret are named, the value is not."""
    mount(tmp_path, token=value)
    with pytest.raises(WorkError) as caught:
        read_secret(tmp_path, "films-store")
    assert caught.value.reason is Reason.SECRET_INVALID
    assert "token" in caught.value.message
    assert "films-store" in caught.value.message
