"""What --store says, and where the credentials come from."""

from pathlib import Path

import pytest

from narwhal_cli.start import UsageError
from narwhal_cli.stores import Directory, Remote, parse_store
from narwhal_operator.contract.outcome import Reason, WorkError

KEYS = {"AWS_ACCESS_KEY_ID": "AK", "AWS_SECRET_ACCESS_KEY": "hunter2"}
NO_FILE = {"AWS_SHARED_CREDENTIALS_FILE": "/nonexistent/credentials"}


def remote(text: str, **environment: str) -> dict[str, str]:
    found = parse_store(text, {**KEYS, **environment})
    assert isinstance(found, Remote)
    assert "hunter2" not in repr(found)
    return {name: value.decode() for name, value in found.values.items()}


def usage(text: str, **environment: str) -> str:
    with pytest.raises(UsageError) as caught:
        parse_store(text, {**KEYS, **environment})
    return str(caught.value)


def test_a_directory_is_made_and_named_absolutely(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A relative directory is that of the shell; what is missing of it is made."""
    monkeypatch.chdir(tmp_path)
    assert parse_store("new/media", {}) == Directory(tmp_path / "new/media")
    assert (tmp_path / "new/media").is_dir()


def test_a_file_is_no_store(tmp_path: Path) -> None:
    """A file in the place of the directory is a mistake of the command line."""
    (tmp_path / "media").write_text("")
    assert "cannot be made: File exists" in usage(str(tmp_path / "media"))


def test_an_endpoint_becomes_a_storage_secret() -> None:
    """Host, port, region and keys stand in the files a storage Secret has."""
    assert remote("s3://store.example:9000?region=eu-west-1") == {
        "endpoint": "https://store.example:9000", "accessKeyId": "AK", "secretAccessKey": "hunter2", "region": "eu-west-1"
    }  # fmt: skip


@pytest.mark.parametrize(
    ("text", "environment", "endpoint"),
    [
        pytest.param("s3://localhost:9000?tls=false", {}, "http://localhost:9000", id="without TLS"),
        pytest.param("s3://localhost:9000?tls=true", {}, "https://localhost:9000", id="with TLS"),
        pytest.param("s3://[::1]:9000?tls=false", {}, "http://[::1]:9000", id="IPv6"),
        pytest.param("s3://", {"AWS_ENDPOINT_URL": "http://s:1"}, "http://s:1", id="from the environment"),
        pytest.param(
            "s3://", {"AWS_ENDPOINT_URL": "http://s:1", "AWS_ENDPOINT_URL_S3": "http://t:2"}, "http://t:2", id="of S3"
        ),
    ],
)
def test_the_endpoint_is_that_of_the_option_or_the_environment(
    text: str, environment: dict[str, str], endpoint: str
) -> None:
    """TLS unless it is switched off; plain s3:// takes the endpoint AWS tools take."""
    assert remote(text, **environment)["endpoint"] == endpoint


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("s3://", "needs a host: s3://HOST:PORT, or set AWS_ENDPOINT_URL"),
        ("s3://store.example/media", "names no bucket or key; those stand in the manifest"),
        ("s3://store.example?tls=no", "takes the options region=NAME and tls=true|false"),
        ("s3://store.example?regoin=x", "takes the options region=NAME"),
        ("s3://store.example:port", "has no such form"),
        ("gs://bucket", "other schemes are not supported"),
    ],
)
def test_an_option_that_cannot_be_meant_is_a_usage_error(text: str, words: str) -> None:
    """Each says the form that is taken."""
    assert words in usage(text)


def test_credentials_in_the_option_are_refused_and_not_shown() -> None:
    """Every user of a machine reads argv; the message says where keys belong."""
    told = usage("s3://AK:hunter2@store.example")
    assert "AWS_SECRET_ACCESS_KEY" in told
    assert "hunter2" not in told


def test_an_endpoint_in_the_environment_without_a_scheme_is_a_usage_error() -> None:
    """AWS_ENDPOINT_URL is a URL."""
    assert "must be an http:// or https:// URL" in usage("s3://", AWS_ENDPOINT_URL="store.example:9000")


def test_keys_come_from_the_credentials_file(tmp_path: Path) -> None:
    """Without keys in the environment those of the profile are taken; AWS_PROFILE names another than default."""
    path = tmp_path / "credentials"
    path.write_text(
        "[default]\naws_access_key_id = A\naws_secret_access_key = B%20\n"
        "[lab]\naws_access_key_id=C\naws_secret_access_key=D\n"
    )
    for profile, keys in (("default", ("A", "B%20")), ("lab", ("C", "D"))):
        found = parse_store("s3://s:1", {"AWS_SHARED_CREDENTIALS_FILE": str(path), "AWS_PROFILE": profile})
        assert isinstance(found, Remote)
        assert (found.values["accessKeyId"].decode(), found.values["secretAccessKey"].decode()) == keys


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        pytest.param(None, Reason.SECRET_NOT_FOUND, id="no file"),
        pytest.param("[other]\naws_access_key_id=hunter2\n", Reason.SECRET_NOT_FOUND, id="no such profile"),
        pytest.param("[default]\naws_access_key_id=hunter2\n", Reason.SECRET_NOT_FOUND, id="half a pair"),
        pytest.param("hunter2\n", Reason.SECRET_INVALID, id="no such format"),
        pytest.param(b"hunter2\xff", Reason.SECRET_INVALID, id="no text"),
    ],
)
def test_missing_credentials_say_where_they_belong(tmp_path: Path, content: str | bytes | None, reason: Reason) -> None:
    """What is wrong with the credentials is told with the file's name and nothing of what it holds."""
    path = tmp_path / "credentials"
    if content is not None:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(WorkError) as caught:
        parse_store("s3://s:1", {"AWS_SHARED_CREDENTIALS_FILE": str(path)})
    assert caught.value.reason is reason
    assert str(path) in caught.value.message
    assert "hunter2" not in caught.value.message


def test_temporary_credentials_are_refused_by_name() -> None:
    """A session token has no place in a storage Secret; without it the keys would be refused by the store."""
    with pytest.raises(WorkError, match="temporary credentials are not supported"):
        parse_store("s3://s:1", {**KEYS, "AWS_SESSION_TOKEN": "x"})


def test_a_certificate_authority_comes_from_the_environment(tmp_path: Path) -> None:
    """AWS_CA_BUNDLE is trusted for TLS, as by AWS tools, and not read where there is no TLS."""
    bundle = tmp_path / "ca.pem"
    bundle.write_text("PEM")
    assert remote("s3://s:1", AWS_CA_BUNDLE=str(bundle))["caBundle"] == "PEM"
    assert "caBundle" not in remote("s3://s:1?tls=false", AWS_CA_BUNDLE="/nonexistent")
    with pytest.raises(WorkError, match="AWS_CA_BUNDLE /nonexistent cannot be read"):
        remote("s3://s:1", AWS_CA_BUNDLE="/nonexistent")
