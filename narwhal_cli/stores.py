"""What `--store` says: a directory, or an S3 endpoint with credentials from where AWS tools keep them.

Credentials never stand in argv, where every user of the machine can read them.
"""

import configparser
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import SplitResult, parse_qsl, urlsplit

from narwhal_cli.start import UsageError
from narwhal_operator.contract.outcome import Reason, WorkError

OPTIONS: Final = frozenset({"region", "tls"})
_KEYS: Final = ("aws_access_key_id", "aws_secret_access_key")
_FILE_LIMIT: Final = 1024 * 1024

Environment = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Directory:
    """A directory for every store of a manifest: the object bucket/key is the file ROOT/bucket/key."""

    root: Path


@dataclass(frozen=True, slots=True)
class Remote:
    """An S3 store for every store of a manifest, as the files of a storage Secret."""

    name: str
    values: Mapping[str, bytes] = field(repr=False)


def parse_store(text: str, environment: Environment) -> Directory | Remote:
    """What `--store` names. Raises UsageError; WorkError(SecretNotFound | SecretInvalid) of the credentials."""
    if text.startswith("s3:"):
        return _remote(text, environment)
    if "://" in text:
        raise UsageError("--store takes a directory or s3://HOST:PORT; other schemes are not supported")
    root = Path(text).expanduser().absolute()
    try:
        root.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"--store {root} cannot be made: {error.strerror}; name a directory") from None
    return Directory(root)


def _remote(text: str, environment: Environment) -> Remote:
    try:
        url = urlsplit(text)
        _ = url.port
        options = dict(parse_qsl(url.query, keep_blank_values=True, strict_parsing=bool(url.query)))
    except ValueError:
        raise UsageError("--store s3://HOST:PORT?region=…&tls=… has no such form") from None
    if "@" in url.netloc:
        raise UsageError(
            "--store must not hold credentials, for every user can read them there; set AWS_ACCESS_KEY_ID and"
            " AWS_SECRET_ACCESS_KEY, or write ~/.aws/credentials"
        )
    if url.path.strip("/") or url.fragment:
        raise UsageError("--store s3://HOST:PORT names no bucket or key; those stand in the manifest")
    if options.keys() - OPTIONS or options.get("tls", "true") not in {"true", "false"}:
        raise UsageError("--store s3://HOST:PORT takes the options region=NAME and tls=true|false, no others")
    values = {"endpoint": _endpoint(url, options.get("tls"), environment), **_credentials(environment)}
    if region := options.get("region") or environment.get("AWS_REGION") or environment.get("AWS_DEFAULT_REGION"):
        values["region"] = region
    bundle = environment.get("AWS_CA_BUNDLE")
    if bundle and values["endpoint"].startswith("https:"):
        values["caBundle"] = _text(Path(bundle), "AWS_CA_BUNDLE")
    return Remote("of --store", {name: value.encode() for name, value in values.items()})


def _endpoint(url: SplitResult, tls: str | None, environment: Environment) -> str:
    if url.netloc:
        return f"{'http' if tls == 'false' else 'https'}://{url.netloc}"
    endpoint = environment.get("AWS_ENDPOINT_URL_S3") or environment.get("AWS_ENDPOINT_URL")
    if not endpoint:
        raise UsageError("--store s3:// needs a host: s3://HOST:PORT, or set AWS_ENDPOINT_URL")
    if urlsplit(endpoint).scheme not in {"http", "https"} or "@" in endpoint:
        raise UsageError("AWS_ENDPOINT_URL must be an http:// or https:// URL without credentials in it")
    return endpoint


def _credentials(environment: Environment) -> dict[str, str]:
    """The access key by environment, or of the profile in the credentials file, in the order AWS tools take them."""
    if environment.get("AWS_SESSION_TOKEN"):
        raise WorkError(
            Reason.SECRET_INVALID,
            "AWS_SESSION_TOKEN is set, and temporary credentials are not supported; use an access key without one.",
        )
    access, secret = environment.get("AWS_ACCESS_KEY_ID"), environment.get("AWS_SECRET_ACCESS_KEY")
    if not (access and secret):
        access, secret = _profile(environment)
    return {"accessKeyId": access, "secretAccessKey": secret}


def _profile(environment: Environment) -> tuple[str, str]:
    path = Path(environment.get("AWS_SHARED_CREDENTIALS_FILE") or "~/.aws/credentials").expanduser()
    profile = environment.get("AWS_PROFILE") or "default"
    missing = WorkError(
        Reason.SECRET_NOT_FOUND,
        f"--store has no credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or write {path} with the"
        f" profile {profile}.",
    )
    if not path.exists():
        raise missing
    parser = configparser.ConfigParser(interpolation=None)
    try:
        parser.read_string(_text(path, "the credentials file"))
    except configparser.Error:  # its text shows the line, and the line may be the secret
        raise WorkError(Reason.SECRET_INVALID, f"{path} is no credentials file as AWS tools write it.") from None
    values = parser[profile] if parser.has_section(profile) else {}
    access, secret = (values.get(key) for key in _KEYS)
    if not (access and secret):
        raise missing
    return access, secret


def _text(path: Path, what: str) -> str:
    try:
        with path.open("rb") as file:
            return file.read(_FILE_LIMIT).decode()
    except OSError as error:
        raise WorkError(Reason.SECRET_INVALID, f"{what} {path} cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise WorkError(Reason.SECRET_INVALID, f"{what} {path} is no UTF-8 text.") from None
