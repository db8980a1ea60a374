"""HTTP for downloads: every connection judged, redirects one by one, secrets to their own origin only."""

import asyncio
import socket
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from ssl import SSLContext
from typing import Final, Self

import aiohttp
from yarl import URL

from narwhal_operator.contract.outcome import Reason, WorkError
from workers.common.metrics import Counter, Metrics
from workers.common.tls import trusting
from workers.download.errors import source_errors
from workers.download.netguard import Policy, parse
from workers.download.resolver import LOOKUP_SECONDS, AddressInfo, JudgingResolver, Lookup, lookup, open_socket
from workers.download.rules import Headers, SourceError

REDIRECTS: Final = 5
CONNECT_SECONDS: Final = 30.0
READ_BYTES: Final = 1024 * 1024
"""What the client reads ahead: large blocks are three times as fast as its default of 64 KiB."""
IDLE_SECONDS: Final = 0.5
CONNECTIONS: Final = Counter("narwhal_download_connections", "Connections opened to sources, or to the proxy.")
USER_AGENT: Final = "narwhal-download/0.1"
SPARE_CONNECTIONS: Final = 4
"""Beside those of the lanes: one that is being given up does not hold up the next."""
_EVERYWHERE: Final = ("0.0.0.0/0", "::/0")
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})


@dataclass(frozen=True, slots=True)
class Rules:
    """How the client behaves: whom it may dial, whom it trusts, what it sends, how long it waits.

    `proxy` is the admin's word and may be anywhere. It resolves the names itself: of what it dials, only addresses that
    stand in a URL can be judged here; the admin's proxy is where the policy for names has to be.
    """

    policy: Policy
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    authorities: str | None = field(default=None, repr=False)
    stall_seconds: float = 60.0
    read_bytes: int = READ_BYTES
    look: Lookup = lookup
    proxy: str | None = None
    connections: int = 64


@dataclass(frozen=True, slots=True)
class Answer:
    """A response that is no redirect; `where` is the final URL as messages show it, `url` that URL itself."""

    status: int
    headers: Headers
    where: str
    url: URL = field(repr=False)
    body: aiohttp.StreamReader
    stall_seconds: float

    async def blocks(self) -> AsyncGenerator[bytes, None]:
        """The body as it comes; an empty block for each IDLE_SECONDS in which nothing came.

        Raises SourceError(SourceStalled) when nothing comes for `stall_seconds`. The client's own read timeout is not
        enough: after a malformed chunk it closes the connection and waits for ever (aiohttp 3.14.5); reading again tells.
        """
        loop = asyncio.get_running_loop()
        with source_errors(self.where):
            heard = loop.time()
            while True:
                try:
                    async with asyncio.timeout_at(min(heard + self.stall_seconds, loop.time() + IDLE_SECONDS)):
                        block = await self.body.readany()
                except TimeoutError:
                    if loop.time() >= heard + self.stall_seconds:
                        raise
                    yield b""
                    continue
                except RuntimeError as error:  # "Connection closed.": the one thing it says by this type to one reader
                    raise aiohttp.ClientPayloadError("closed") from error
                if not block:
                    return
                yield block
                heard = loop.time()


def shown(url: URL | str) -> str:
    """A URL for messages and logs: without query and fragment, where tokens are."""
    parsed = parsed_url(url) if isinstance(url, str) else url
    return str(parsed.with_query(None).with_fragment(None).with_user(None))


def parsed_url(text: str) -> URL:
    """The URL, escapes left as they are written. Raises WorkError(InvalidOrder)."""
    try:
        url = URL(text, encoded=text.isascii())
        valid = url.scheme in {"http", "https"} and bool(url.host) and url.port is not None
    except ValueError:
        valid = False
    if not valid:
        raise WorkError(Reason.INVALID_ORDER, "A URL of the source is malformed; write http(s)://host[:port]/path.")
    return url


class Client:
    """One session: its connections are kept and used again. An async context manager."""

    def __init__(self, rules: Rules, metrics: Metrics | None = None) -> None:
        self._rules = rules
        self._metrics = metrics or Metrics()
        self._tls: SSLContext | None = None

    async def __aenter__(self) -> Self:
        rules = self._rules
        dialled = rules.policy if rules.proxy is None else Policy.of(_EVERYWHERE)
        connector = aiohttp.TCPConnector(
            resolver=JudgingResolver(dialled, rules.look),
            use_dns_cache=False,  # each connection is judged by what its name is then
            socket_factory=partial(self._open, dialled),
            limit=rules.connections + SPARE_CONNECTIONS,
        )
        connect = min(CONNECT_SECONDS, max(rules.stall_seconds, 1.0))
        self._session = aiohttp.ClientSession(
            connector=connector,
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=connect, sock_read=rules.stall_seconds),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            trust_env=False,
            proxy=rules.proxy,
            read_bufsize=rules.read_bytes,
            headers={"User-Agent": USER_AGENT, "Accept": "*/*", "Accept-Encoding": "identity"},
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    def _open(self, policy: Policy, info: AddressInfo) -> socket.socket:
        found = open_socket(policy, info)
        self._metrics.add(CONNECTIONS)
        return found

    @asynccontextmanager
    async def request(
        self, url: str, headers: Mapping[str, str] | None = None, *, method: str = "GET", authorized: bool = True
    ) -> AsyncIterator[Answer]:
        """The response after at most REDIRECTS redirects. Raises SourceError or WorkError, classified.

        The Secret's headers go to the URL's own origin and to no other, if `authorized`.
        """
        first = hop = parsed_url(url)
        own = self._rules.headers if authorized else {}
        for _ in range(REDIRECTS + 1):
            try:
                response = await self._send(
                    method, hop, {**(own if hop.origin() == first.origin() else {}), **(headers or {})}
                )
            except WorkError as error:
                if hop is first:
                    raise
                raise SourceError(error.reason, f"{shown(first)} redirects: {error.message}") from error
            try:
                if response.status not in _REDIRECTS:
                    where, stall = shown(hop), self._rules.stall_seconds
                    yield Answer(response.status, _lines(response), where, hop, response.content, stall)
                    return
                hop = _next(hop, response)
            finally:
                # Closed, not released: what is left of a body is never worth reading to keep a connection.
                response.release() if response.content.at_eof() else response.close()
        raise SourceError(
            Reason.REDIRECT_REFUSED, f"{shown(first)} redirects more than {REDIRECTS} times; use the final URL."
        )

    async def _send(self, method: str, url: URL, headers: Mapping[str, str]) -> aiohttp.ClientResponse:
        self._admit(url)
        with source_errors(shown(url)):
            async with asyncio.timeout(self._patience()):
                return await self._session.request(
                    method, url, headers=headers, allow_redirects=False, ssl=self._context(url)
                )

    def _admit(self, url: URL) -> None:
        """Judges a host that is an address already: no resolver will see it."""
        host = url.host or ""
        address = parse(host)
        if address is not None:
            self._rules.policy.check(host, [host], said=shown(url))
        elif _numeric(host):
            raise WorkError(
                Reason.ADDRESS_FORBIDDEN, f"{shown(url)} hides an address in another notation; write it as a.b.c.d."
            )

    def _patience(self) -> float:
        """Seconds until the head of a response: the sum of what each step may take, with several addresses to try."""
        return LOOKUP_SECONDS + 4 * CONNECT_SECONDS + self._rules.stall_seconds

    def _context(self, url: URL) -> SSLContext | bool:
        if url.scheme != "https":
            return True
        if self._tls is None:
            self._tls = trusting(self._rules.authorities)
        return self._tls


def _numeric(host: str) -> bool:
    """Whether the C library takes the host for an IPv4 address (inet_aton(3): 127.1, 0x7f000001, 2130706433)."""
    try:
        socket.inet_aton(host.rstrip("."))
    except (OSError, UnicodeEncodeError):
        return False
    return True


def _lines(response: aiohttp.ClientResponse) -> Headers:
    return {name.lower(): tuple(response.headers.getall(name)) for name in response.headers}


def _next(url: URL, response: aiohttp.ClientResponse) -> URL:
    """Where a redirect leads. Raises SourceError(RedirectRefused)."""
    try:
        location = response.headers["Location"]
        target = url.join(URL(location, encoded=location.isascii())).with_fragment(None)
        valid = target.scheme in {"http", "https"} and bool(target.host) and target.user is None
    except (KeyError, ValueError):
        valid = False
    if not valid:
        raise SourceError(Reason.REDIRECT_REFUSED, f"{shown(url)} redirects to what is no plain http(s) URL.")
    if url.scheme == "https" and target.scheme == "http":
        raise SourceError(
            Reason.REDIRECT_REFUSED, f"{shown(url)} redirects from https to http ({shown(target)}); use the final URL."
        )
    return target


async def read_small(answer: Answer, limit: int) -> bytes:
    """A whole small body. Raises SourceError(SourceTooLarge) beyond the limit."""
    found = bytearray()
    async with aclosing(answer.blocks()) as blocks:
        async for block in blocks:
            found += block
            if len(found) > limit:
                raise SourceError(Reason.SOURCE_TOO_LARGE, f"{answer.where} is larger than {limit} bytes.")
    return bytes(found)
