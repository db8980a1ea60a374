"""What the admin decides about sources, for all downloads alike: settings of the operator, environment of a local run.

The texts are read here, once for both; a resource can say none of it.
"""

import re
from dataclasses import dataclass
from ipaddress import ip_network
from typing import Final
from urllib.parse import urlsplit

PER_HOST: Final = 16
"""Connections to one host at most, where the admin says nothing."""
PER_HOST_MOST: Final = 256
_HOST: Final = re.compile(r"(\*\.)?[a-z0-9_]([-a-z0-9_.]*[a-z0-9_])?")
_TRUE: Final = frozenset({"1", "true", "yes", "on"})
_FALSE: Final = frozenset({"", "0", "false", "no", "off"})


@dataclass(frozen=True, slots=True)
class SourceRules:
    """Where sources may be and how they are asked. The defaults are the strictest."""

    allowed_networks: tuple[str, ...] = ()
    allowed_hosts: tuple[str, ...] = ()
    connections_per_host: int = PER_HOST
    proxy: str | None = None
    peer_discovery: bool = False


def networks_of(text: str, *, strict: bool = False) -> tuple[str, ...]:
    """CIDRs, comma-separated; strict ones have no bits beyond their length. Raises ValueError that quotes the wrong one."""
    found = []
    for part in _parts(text):
        try:
            found.append(str(ip_network(part, strict=strict)))
        except ValueError:
            raise ValueError(f"{part!r} is no network; write CIDRs such as 10.0.0.0/8, with commas between") from None
    return tuple(found)


def hosts_of(text: str) -> tuple[str, ...]:
    """Names of hosts, or `*.` and the end of names, comma-separated; lower case. Raises ValueError."""
    found = tuple(part.lower().rstrip(".") for part in _parts(text))
    for part in found:
        if not _HOST.fullmatch(part):
            raise ValueError(
                f"{part!r} is no host; write names such as origin.media.svc or *.example.org, with commas between"
            )
    return found


def proxy_of(text: str) -> str | None:
    """An HTTP proxy as http://HOST:PORT; None for an empty text. Raises ValueError, which does not repeat the text."""
    if not text.strip():
        return None
    wrong = ValueError("is no proxy; write http://HOST:PORT, without user and password")
    try:
        url = urlsplit(text.strip())
        named = bool(url.hostname and url.port) and url.username is None
    except ValueError:  # a port that is none
        raise wrong from None
    if not named or (url.scheme, url.path.rstrip("/"), url.query, url.fragment) != ("http", "", "", ""):
        raise wrong
    return f"http://{url.netloc}"


def count_of(text: str) -> int:
    """A number of connections to one host; PER_HOST for an empty text. Raises ValueError."""
    if not text.strip():
        return PER_HOST
    if not text.strip().isdecimal() or not 1 <= int(text) <= PER_HOST_MOST:
        raise ValueError(f"{text!r} is no number from 1 to {PER_HOST_MOST}")
    return int(text)


def switch_of(text: str) -> bool:
    """A truth value as environments hold one; false for an empty text. Raises ValueError."""
    word = text.strip().lower()
    if word not in _TRUE | _FALSE:
        raise ValueError(f"{text!r} is neither true nor false")
    return word in _TRUE


def _parts(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]
