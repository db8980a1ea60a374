"""Whom a download talks to and what it tells them: certificates, headers, redirects, addresses."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from narwhal_operator.contract.outcome import Reason
from tests.integration.download.conftest import Place
from tests.support.certificates import Authority
from tests.support.downloads import fetch, make_order
from tests.support.origin import File, Origin, redirect
from workers.download.client import Client, Rules
from workers.download.netguard import Policy
from workers.download.rules import SourceError

GOOD = File(b"\0\1\2film" * 1000)
TOKEN = "Bearer s3cr3t-t0ken"  # noqa: S105 - made up


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """A certificate authority."""
    return Authority.create(tmp_path_factory.mktemp("ca"))


def with_headers(tmp_path: Path, **headers: str) -> dict[str, Any]:
    """The parts of an order that name a Secret with headers."""
    directory = tmp_path / "headers"
    directory.mkdir()
    for name, value in headers.items():
        (directory / name.replace("_", "-")).write_text(value)
    return {"headers": str(directory), "http": {"headersFrom": {"secretRef": {"name": "origin-auth"}}}}


def with_authority(path: Path | None) -> dict[str, Any]:
    """The parts of an order that name a ConfigMap with a certificate authority."""
    return {"caBundle": str(path), "http": {"caBundleFrom": {"configMapRef": {"name": "origin-ca"}}}}


async def test_https_with_the_authority_of_the_config_map(
    authority: Authority, directory: Place, tmp_path: Path
) -> None:
    """An origin whose certificate the ConfigMap's authority signed is trusted."""
    with Origin(tls=authority.context()) as origin:
        url = origin.serve("/f", GOOD)
        ended = await fetch(make_order(url, directory.store, **with_authority(authority.path)), tmp_path)
    assert ended.reason is Reason.COMPLETED, ended.message


async def test_https_without_its_authority_is_refused(authority: Authority, directory: Place, tmp_path: Path) -> None:
    """A certificate nobody vouches for ends with SourceTlsInvalid; not a byte of a request is sent."""
    with Origin(tls=authority.context()) as origin:
        ended = await fetch(make_order(origin.serve("/f", GOOD), directory.store), tmp_path)
        assert origin.seen == []
    assert ended.reason is Reason.SOURCE_TLS_INVALID
    assert "caBundleFrom" in ended.message


async def test_https_for_another_name_is_refused(authority: Authority, directory: Place, tmp_path: Path) -> None:
    """A certificate of a trusted authority for another name is refused as well."""
    with Origin(tls=authority.context("DNS:other.example")) as origin:
        order = make_order(origin.serve("/f", GOOD), directory.store, **with_authority(authority.path))
        ended = await fetch(order, tmp_path)
    assert ended.reason is Reason.SOURCE_TLS_INVALID


@pytest.mark.parametrize(
    "content", [None, "", "no certificate", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"]
)
async def test_a_missing_or_malformed_authority_has_its_reason(
    content: str | None, directory: Place, tmp_path: Path
) -> None:
    """A ConfigMap that is not there or holds no certificate ends with ConfigMapNotFound and its name."""
    path = tmp_path / "ca.crt"
    if content is not None:
        path.write_text(content)
    ended = await fetch(make_order("https://127.0.0.1:1/f", directory.store, **with_authority(path)), tmp_path)
    assert ended.reason is Reason.CONFIG_MAP_NOT_FOUND
    assert "origin-ca" in ended.message


async def test_headers_of_the_secret_are_sent_to_the_source(origin: Origin, directory: Place, tmp_path: Path) -> None:
    """Each key of the Secret is a header; a trailing newline of an editor is no part of the value."""
    url = origin.serve("/f", GOOD)
    order = make_order(url, directory.store, **with_headers(tmp_path, Authorization=f"{TOKEN}\n", X_Team="media"))
    ended = await fetch(order, tmp_path)
    assert ended.reason is Reason.COMPLETED
    sent = origin.seen[0].headers
    assert (sent["authorization"], sent["x-team"]) == (TOKEN, "media")
    assert sent["accept-encoding"] == "identity"


async def test_headers_are_not_sent_to_another_origin(origin: Origin, directory: Place, tmp_path: Path) -> None:
    """A redirect to another port is followed without the Secret's headers."""
    with Origin() as other:
        target = other.serve("/real", GOOD)
        url = origin.serve("/f", redirect(target))
        ended = await fetch(
            make_order(url, directory.store, **with_headers(tmp_path, Authorization=TOKEN, Cookie="a=b")), tmp_path
        )
        assert ended.reason is Reason.COMPLETED
        assert origin.seen[0].headers["authorization"] == TOKEN
        assert {"authorization", "cookie"}.isdisjoint(other.seen[0].headers)


async def test_headers_stay_within_the_origin(origin: Origin, directory: Place, tmp_path: Path) -> None:
    """A redirect within the origin keeps them: a login that sends on to the file works."""
    origin.serve("/real", GOOD)
    url = origin.serve("/f", redirect("/real"))
    ended = await fetch(make_order(url, directory.store, **with_headers(tmp_path, Authorization=TOKEN)), tmp_path)
    assert ended.reason is Reason.COMPLETED
    assert [request.headers.get("authorization") for request in origin.seen] == [TOKEN, TOKEN]


async def test_https_does_not_become_http(
    authority: Authority, origin: Origin, directory: Place, tmp_path: Path
) -> None:
    """A redirect from https to http is refused: nothing is sent in the clear."""
    plain = origin.serve("/real", GOOD)
    with Origin(tls=authority.context()) as secure:
        order = make_order(secure.serve("/f", redirect(plain)), directory.store, **with_authority(authority.path))
        ended = await fetch(order, tmp_path)
    assert ended.reason is Reason.REDIRECT_REFUSED
    assert origin.seen == []


@pytest.mark.parametrize(
    ("headers", "word"),
    [
        ({"Range": "bytes=0-1"}, "Range"),
        ({"Host": "other"}, "Host"),
        ({"X A": "1"}, "X A"),
        ({"X-A": "1\r\nX-B: 2"}, "X-A"),
    ],
)
async def test_headers_that_would_break_the_request_are_refused(
    headers: dict[str, str], word: str, directory: Place, tmp_path: Path
) -> None:
    """A Secret whose keys or values are no headers, or the worker's own, ends with SecretInvalid and the key."""
    order = make_order("http://127.0.0.1:1/f", directory.store, **with_headers(tmp_path, **headers))
    ended = await fetch(order, tmp_path)
    assert ended.reason is Reason.SECRET_INVALID
    assert word in ended.message
    assert "origin-auth" in ended.message


async def test_a_missing_headers_secret_has_its_reason(directory: Place, tmp_path: Path) -> None:
    """The Secret is mounted optional: an empty directory ends with SecretNotFound and the Secret's name."""
    ended = await fetch(make_order("http://127.0.0.1:1/f", directory.store, **with_headers(tmp_path)), tmp_path)
    assert ended.reason is Reason.SECRET_NOT_FOUND
    assert "origin-auth" in ended.message


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "127.1", "0x7f000001", "2130706433"])
async def test_a_loopback_source_is_refused_without_leave(
    host: str, origin: Origin, directory: Place, tmp_path: Path
) -> None:
    """Without allowed networks a loopback address is refused however it is spelt, before anything is sent."""
    origin.serve("/f", GOOD)
    ended = await fetch(make_order(origin.url("/f", host), directory.store, allowedNetworks=[]), tmp_path)
    assert ended.reason is Reason.ADDRESS_FORBIDDEN
    assert origin.seen == []


async def test_a_checksum_url_is_judged_as_well(origin: Origin, directory: Place, tmp_path: Path) -> None:
    """The address policy holds for the checksum file too."""
    order = make_order(origin.serve("/f", GOOD), directory.store, checksum={"url": "http://169.254.169.254/sums"})
    assert (await fetch(order, tmp_path)).reason is Reason.ADDRESS_FORBIDDEN
    assert origin.seen == []


async def test_a_name_that_changes_its_address_is_judged_each_time(origin: Origin) -> None:
    """A resolver that answers another address the second time gains nothing: what is judged is what is dialled."""
    answers = [["127.0.0.1"], ["127.0.0.1", "10.0.0.1"], ["169.254.169.254"]]

    async def look(_host: str, port: int) -> Sequence[tuple[Any, ...]]:
        import socket

        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (text, port)) for text in answers.pop(0)]

    origin.serve("/f", GOOD.cut(len(GOOD.content)))  # which closes the connection: the next request opens another
    rules = Rules(policy=Policy.of(["127.0.0.0/8"]), look=look)
    url = origin.url("/f", "rebinding.example")
    async with Client(rules) as client:
        async with client.request(url) as answer:
            assert answer.status == 200
        for _ in range(2):
            with pytest.raises(Exception) as caught:  # noqa: PT011 - its reason is what is looked at
                async with client.request(url):
                    pass
            assert getattr(caught.value, "reason", None) is Reason.ADDRESS_FORBIDDEN
    assert len(origin.seen) == 1


async def test_a_name_that_does_not_resolve_has_its_reason(directory: Place, tmp_path: Path) -> None:
    """An unknown host ends with SourceUnreachable and its name."""
    ended = await fetch(make_order("http://no-such-host.invalid/f", directory.store), tmp_path)
    assert ended.reason is Reason.SOURCE_UNREACHABLE
    assert "no-such-host.invalid" in ended.message


async def test_a_port_nobody_listens_on_has_its_reason(directory: Place, tmp_path: Path) -> None:
    """A refused connection ends with SourceUnreachable."""
    from tests.support.processes import free_ports

    ended = await fetch(make_order(f"http://127.0.0.1:{free_ports(1)[0]}/f", directory.store), tmp_path)
    assert ended.reason is Reason.SOURCE_UNREACHABLE


async def test_a_proxy_of_the_environment_is_not_used(
    origin: Origin, directory: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """http_proxy and .netrc are other people's settings: the source itself is asked."""
    with Origin() as proxy:
        for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url(""))
        ended = await fetch(make_order(origin.serve("/f", GOOD), directory.store), tmp_path)
        assert ended.reason is Reason.COMPLETED
        assert proxy.seen == []


async def test_a_redirect_chain_one_too_long_is_refused(origin: Origin, directory: Place, tmp_path: Path) -> None:
    """Five redirects are followed, a sixth is not."""
    url = origin.serve("/f", GOOD)
    for step in range(6):
        url = origin.serve(f"/hop{step}", redirect(url))
    ended = await fetch(make_order(url, directory.store), tmp_path)
    assert ended.reason is Reason.REDIRECT_REFUSED
    assert origin.requests("/f") == []


async def test_the_classification_survives_the_client(origin: Origin) -> None:
    """A connection that ends without an answer is a SourceError, not an exception of the HTTP library."""
    origin.serve("/f", lambda _: None)
    async with Client(Rules(policy=Policy.of(["127.0.0.0/8"]))) as client:
        with pytest.raises(SourceError):
            async with client.request(origin.url("/f")):
                pass
